#include "text/tokenize/bpe.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstring>

#include "base/check.h"
#include "text/tokenize/byte_level.h"
#include "text/tokenize/stage_json.h"
#include "text/unicode/utf8.h"

namespace malmoi::text {

namespace {

uint64_t Mix(uint64_t x) {  // the finalizer of MurmurHash3
  x ^= x >> 33;
  x *= 0xff51afd7ed558ccdull;
  x ^= x >> 33;
  x *= 0xc4ceb9fe1a85ec53ull;
  return x ^ (x >> 33);
}

uint64_t HashText(std::string_view text) {
  uint64_t hash = text.size();
  size_t i = 0;
  for (; i + 8 <= text.size(); i += 8) {
    uint64_t word;
    std::memcpy(&word, text.data() + i, 8);
    hash = Mix(hash ^ word);
  }
  uint64_t last = 0;
  if (i < text.size()) std::memcpy(&last, text.data() + i, text.size() - i);
  return Mix(hash ^ last);
}

size_t TableSize(size_t entries) {
  return std::bit_ceil(std::max<size_t>(16, entries * 2));
}

constexpr std::string_view kVisibleSpace = "\u2581";  // SentencePiece's

// Higher scores are lower ranks: the bits of a float, read as an integer, are
// in its order once those of negative ones are turned around.
int32_t RankOf(float score) {
  if (std::isnan(score)) return INT32_MAX;
  const auto bits = std::bit_cast<int32_t>(score + 0.0f);  // -0 is 0
  return ~(bits ^ ((bits >> 31) & INT32_MAX));
}

}  // namespace

Bpe::Bpe(std::vector<std::string_view> spellings,
         const std::vector<Pair>& merges, std::shared_ptr<const void> owner,
         BpeOptions options, std::string_view where)
    : owner_(std::move(owner)),
      spellings_(std::move(spellings)),
      options_(std::move(options)) {
  if (merges.size() > MergeTable::kMostMerges) {
    ThrowUnsupported(where, "too many merges", Format("{}", merges.size()));
  }
  merges_ = MergeTable(merges.size());
  IndexSpellings(where);
  InsertMerges(merges, where);
}

Bpe::Bpe(std::vector<std::string_view> spellings,
         const std::vector<float>& scores, std::shared_ptr<const void> owner,
         BpeOptions options, std::string_view where)
    : owner_(std::move(owner)),
      spellings_(std::move(spellings)),
      options_(std::move(options)) {
  MALMOI_CHECK(scores.size() == spellings_.size() && !scores.empty());
  ranks_.reserve(scores.size());
  for (float score : scores) ranks_.push_back(RankOf(score));
  IndexSpellings(where);
  FindWordStarts();
  if (options_.whole.empty()) return;
  std::vector<PieceTrie::Entry> entries;
  for (int32_t id : options_.whole) {
    entries.push_back({spellings_[static_cast<size_t>(id)], id});
  }
  whole_.emplace(std::move(entries));
}

void Bpe::IndexSpellings(std::string_view where) {
  InsertSpellings();
  direct_.resize(kDirect);
  std::string character;
  for (size_t c = 0; c < kDirect; ++c) {
    character.clear();
    AppendUtf8(character, static_cast<char32_t>(c));
    direct_[c] = FindInText(character);
  }
  for (int b = 0; b < 256; ++b) {
    const std::string_view spelled = SpellingOf(static_cast<char>(b));
    spelled_ids_[b] = direct_[DecodeAt(spelled, 0)->value];
    byte_ids_[b] = FindSpelling(Format("<0x{:02X}>", b));
  }
  if (!options_.unknown.empty()) {
    unknown_id_ = FindSpelling(options_.unknown);
    if (unknown_id_ < 0) {
      ThrowCorrupt(where, "the unknown token is not in the vocabulary",
                   options_.unknown);
    }
  }
}

void Bpe::InsertSpellings() {
  slots_.assign(TableSize(spellings_.size()), Slot());
  for (size_t id = 0; id < spellings_.size(); ++id) {
    if (spellings_[id].empty()) continue;
    longest_ = std::max(longest_, spellings_[id].size());
    const uint64_t hash = HashText(spellings_[id]);
    const auto high = static_cast<uint32_t>(hash >> 32);
    size_t slot = hash & (slots_.size() - 1);
    while (
        slots_[slot].id >= 0 &&
        (slots_[slot].hash != high ||
         spellings_[static_cast<size_t>(slots_[slot].id)] != spellings_[id])) {
      slot = (slot + 1) & (slots_.size() - 1);
    }
    if (slots_[slot].id < 0) slots_[slot] = {high, static_cast<int32_t>(id)};
  }
}

// A symbol grows only to what is a token. So where no token has a visible
// space after a certain byte, no merge ever crosses such a place, and the text
// may be cut there without changing a token. In most vocabularies these are
// all beginnings of words, which makes long texts much faster.
void Bpe::FindWordStarts() {
  for (std::string_view spelling : spellings_) {
    for (size_t at = spelling.find(kVisibleSpace, 1);
         at != std::string_view::npos;
         at = spelling.find(kVisibleSpace, at + kVisibleSpace.size())) {
      crossed_[static_cast<unsigned char>(spelling[at - 1])] = true;
    }
  }
}

size_t Bpe::WordEnd(std::string_view piece, size_t begin) const {
  size_t at = piece.find(kVisibleSpace, begin + 1);
  while (at != std::string_view::npos &&
         crossed_[static_cast<unsigned char>(piece[at - 1])]) {
    at = piece.find(kVisibleSpace, at + 1);
  }
  return std::min(at, piece.size());
}

// Merges look up three spellings each, in tables that the processor's nearest
// cache does not hold: asked for in blocks, they arrive together. That makes
// loading a vocabulary of 49,000 tokens three times as fast.
void Bpe::InsertMerges(const std::vector<Pair>& merges,
                       std::string_view where) {
  constexpr size_t kBlock = 64;
  std::string joined;
  std::array<size_t, kBlock + 1> ends;
  std::array<std::string_view, 3 * kBlock> parts;  // left, right, result
  std::array<int32_t, 3 * kBlock> ids;
  for (size_t first = 0; first < merges.size(); first += kBlock) {
    const size_t count = std::min(kBlock, merges.size() - first);
    joined.clear();
    ends[0] = 0;
    for (size_t i = 0; i < count; ++i) {
      const auto& [left, right] = merges[first + i];
      // The prefix of the right part is dropped inside a token.
      joined.append(left).append(right.substr(
          std::min(options_.continuing_prefix.size(), right.size())));
      ends[i + 1] = joined.size();
      parts[3 * i] = left;
      parts[3 * i + 1] = right;
    }
    for (size_t i = 0; i < count; ++i) {
      parts[3 * i + 2] =
          std::string_view(joined).substr(ends[i], ends[i + 1] - ends[i]);
    }
    FindSpellings({parts.data(), 3 * count}, ids.data());
    for (size_t i = 0; i < count; ++i) {
      const int32_t* id = &ids[3 * i];
      if (id[0] < 0 || id[1] < 0 || id[2] < 0) {
        ThrowCorrupt(where, "a merge of unknown tokens",
                     Format("{} {}", parts[3 * i], parts[3 * i + 1]));
      }
      merges_.Prefetch(id[0], id[1]);
    }
    for (size_t i = 0; i < count; ++i) {
      merges_.Add({ids[3 * i], ids[3 * i + 1], ids[3 * i + 2]});
    }
  }
  merges_.IndexBytes(spelled_ids_);
}

void Bpe::FindSpellings(std::span<const std::string_view> spellings,
                        int32_t* ids) const {
  constexpr size_t kMost = 192;
  MALMOI_CHECK(spellings.size() <= kMost);
  std::array<uint64_t, kMost> hashes;
  const auto slot = [&](size_t i) -> const Slot& {
    return slots_[hashes[i] & (slots_.size() - 1)];
  };
  for (size_t i = 0; i < spellings.size(); ++i) {
    hashes[i] = HashText(spellings[i]);
    __builtin_prefetch(&slot(i));
  }
  for (size_t i = 0; i < spellings.size(); ++i) {
    __builtin_prefetch(spellings_.data() + std::max(0, slot(i).id));
  }
  for (size_t i = 0; i < spellings.size(); ++i) {
    if (slot(i).id >= 0) {
      __builtin_prefetch(spellings_[static_cast<size_t>(slot(i).id)].data());
    }
  }
  for (size_t i = 0; i < spellings.size(); ++i) {
    ids[i] = FindSpelling(spellings[i], hashes[i]);
  }
}

int32_t Bpe::FindSpelling(std::string_view spelling) const {
  return FindSpelling(spelling, HashText(spelling));
}

int32_t Bpe::FindSpelling(std::string_view spelling, uint64_t hash) const {
  const auto high = static_cast<uint32_t>(hash >> 32);
  size_t slot = hash & (slots_.size() - 1);
  while (slots_[slot].id >= 0) {
    if (slots_[slot].hash == high &&
        spellings_[static_cast<size_t>(slots_[slot].id)] == spelling) {
      return slots_[slot].id;
    }
    slot = (slot + 1) & (slots_.size() - 1);
  }
  return -1;
}

int32_t Bpe::FindInText(std::string_view spelling) const {
  const int32_t id = FindSpelling(spelling);
  const bool kept_out =
      id >= 0 && by_score() && ranks_[static_cast<size_t>(id)] == INT32_MAX;
  return kept_out ? kNoToken : id;
}

Bpe::Next Bpe::FindNext(std::string_view piece, const ModelToken& left,
                        const ModelToken& right) const {
  if (!by_score()) return NextOf(merges_.Rank(left.id, right.id));
  const size_t bytes = right.end - left.begin;
  const int32_t id =
      bytes > longest_ ? kNoToken : FindInText(piece.substr(left.begin, bytes));
  if (id < 0) return {};
  return {ranks_[static_cast<size_t>(id)], id};
}

int32_t Bpe::SymbolId(std::string_view piece, size_t begin, size_t end) const {
  const std::string& prefix = options_.continuing_prefix;
  const std::string& suffix = options_.end_suffix;
  const std::string_view character = piece.substr(begin, end - begin);
  const bool plain =
      (prefix.empty() || begin == 0) && (suffix.empty() || end < piece.size());
  if (!plain) {
    return FindInText((begin > 0 ? prefix : "") + std::string(character) +
                      (end == piece.size() ? suffix : ""));
  }
  if (character.size() <= 2) {
    if (const auto point = DecodeAt(character, 0)) return direct_[point->value];
  }
  return FindInText(character);
}

// A token for each byte of a symbol; false if one of them has none.
bool Bpe::AddBytes(std::string_view piece, const ModelToken& symbol,
                   Symbols& out) const {
  const size_t before = out.size();
  for (uint32_t i = symbol.begin; i < symbol.end; ++i) {
    const int32_t id = byte_ids_[static_cast<unsigned char>(piece[i])];
    if (id < 0) {
      out.resize(before);
      return false;
    }
    out.push_back({id, i, i + 1});
  }
  return true;
}

// What stands for a symbol that is no token. `fuse`: the symbol before became
// the unknown token; the same is returned of this one.
bool Bpe::AddUnknown(std::string_view piece, const ModelToken& symbol,
                     bool fuse, Symbols& out,
                     std::vector<ModelToken>& lost) const {
  if (options_.byte_fallback && AddBytes(piece, symbol, out)) return false;
  if (unknown_id_ < 0) {
    lost.push_back({kNoToken, symbol.begin, symbol.end});
    return false;
  }
  if (fuse && options_.fuse_unknown) {
    out.back().end = symbol.end;
  } else {
    out.push_back({unknown_id_, symbol.begin, symbol.end});
  }
  return true;
}

// The symbols of a part of the piece. By score, those that are no token stay
// among them: what they become together with others may be one.
void Bpe::Cut(std::string_view piece, size_t begin, size_t end,
              Symbols& symbols, std::vector<ModelToken>& lost) const {
  bool unknown = false;
  for (size_t at = begin; at < end;) {
    const auto point = DecodeAt(piece, at);
    const size_t next = at + (point ? static_cast<size_t>(point->bytes) : 1);
    const ModelToken symbol = {SymbolId(piece, at, next),
                               static_cast<uint32_t>(at),
                               static_cast<uint32_t>(next)};
    if (symbol.id >= 0 || by_score()) {
      symbols.push_back(symbol);
      unknown = false;
    } else {
      unknown = AddUnknown(piece, symbol, unknown, symbols, lost);
    }
    at = next;
  }
}

// The first token from there that is taken as a whole; an empty one at the end
// where there is none.
ModelToken Bpe::NextWhole(std::string_view piece, size_t from) const {
  const auto size = static_cast<uint32_t>(piece.size());
  for (size_t at = from; whole_ && at < size; ++at) {
    ModelToken token = {kNoToken, static_cast<uint32_t>(at), 0};
    whole_->ForEachPrefix(piece.substr(at), [&](size_t bytes, int32_t id) {
      token.id = id;
      token.end = static_cast<uint32_t>(at + bytes);
    });
    if (token.id >= 0) return token;
  }
  return {kNoToken, size, size};
}

void Bpe::EncodeByScore(std::string_view piece, Symbols& out,
                        std::vector<ModelToken>& lost) const {
  thread_local Symbols symbols;
  bool unknown = false;
  ModelToken whole = NextWhole(piece, 0);
  for (size_t begin = 0; begin < piece.size();) {
    if (begin == whole.begin) {
      out.push_back(whole);
      unknown = false;
      begin = whole.end;
      whole = NextWhole(piece, begin);
      continue;
    }
    const size_t end = WordEnd(piece.substr(0, whole.begin), begin);
    symbols.clear();
    Cut(piece, begin, end, symbols, lost);
    MergeAll(piece, symbols);
    for (const ModelToken& symbol : symbols) {
      if (symbol.id < 0) {
        unknown = AddUnknown(piece, symbol, unknown, out, lost);
      } else {
        out.push_back(symbol);
        unknown = false;
      }
    }
    begin = end;
  }
  if (symbols.capacity() > (1u << 16)) symbols = {};  // of a rare long piece
}

void Bpe::Encode(std::string_view piece, std::vector<ModelToken>& out,
                 std::vector<ModelToken>& lost) const {
  if (options_.ignore_merges) {
    const int32_t whole = FindSpelling(piece);
    if (whole >= 0) {
      out.push_back({whole, 0, static_cast<uint32_t>(piece.size())});
      return;
    }
  }
  if (by_score()) return EncodeByScore(piece, out, lost);
  thread_local Symbols symbols;
  symbols.clear();
  Cut(piece, 0, piece.size(), symbols, lost);
  MergeAll(piece, symbols);
  out.insert(out.end(), symbols.begin(), symbols.end());
  if (symbols.capacity() > (1u << 16)) symbols = {};
}

std::optional<std::string> Bpe::Spelling(int32_t id) const {
  if (id < 0 || id >= size() || spellings_[static_cast<size_t>(id)].empty()) {
    return std::nullopt;
  }
  return std::string(spellings_[static_cast<size_t>(id)]);
}

std::optional<int32_t> Bpe::Id(std::string_view spelling) const {
  const int32_t id = FindSpelling(spelling);
  if (id < 0) return std::nullopt;
  return id;
}

std::optional<int32_t> Bpe::unknown_id() const {
  if (unknown_id_ < 0) return std::nullopt;
  return unknown_id_;
}

std::string Bpe::Describe() const {
  if (by_score()) return Format("BPE by score, {} tokens", size());
  return Format("BPE, {} tokens, {} merges", size(), merges_.size());
}

}  // namespace malmoi::text
