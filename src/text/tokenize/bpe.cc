#include "text/tokenize/bpe.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>
#include <queue>

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

uint64_t PairOf(int32_t left, int32_t right) {
  return (static_cast<uint64_t>(left) << 32) | static_cast<uint64_t>(right);
}

// Up to this many symbols looking at all pairs is faster than a heap.
constexpr size_t kFew = 48;

}  // namespace

Bpe::Bpe(std::vector<std::string_view> spellings,
         const std::vector<Pair>& merges, std::shared_ptr<const void> owner,
         BpeOptions options, std::string_view where)
    : owner_(std::move(owner)),
      spellings_(std::move(spellings)),
      merge_count_(merges.size()),
      options_(std::move(options)) {
  InsertSpellings();
  InsertMerges(merges, where);
  direct_.resize(kDirect);
  std::string character;
  for (size_t c = 0; c < kDirect; ++c) {
    character.clear();
    AppendUtf8(character, static_cast<char32_t>(c));
    direct_[c] = FindSpelling(character);
  }
  for (int b = 0; b < 256; ++b) {
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
  ids_.assign(TableSize(spellings_.size()), -1);
  for (size_t id = 0; id < spellings_.size(); ++id) {
    if (spellings_[id].empty()) continue;
    size_t slot = HashText(spellings_[id]) & (ids_.size() - 1);
    while (ids_[slot] >= 0 &&
           spellings_[static_cast<size_t>(ids_[slot])] != spellings_[id]) {
      slot = (slot + 1) & (ids_.size() - 1);
    }
    if (ids_[slot] < 0) ids_[slot] = static_cast<int32_t>(id);
  }
}

void Bpe::InsertMerges(const std::vector<Pair>& merges,
                       std::string_view where) {
  merges_.assign(TableSize(merges.size()), Merge());
  std::string joined;
  for (size_t rank = 0; rank < merges.size(); ++rank) {
    const auto& [left, right] = merges[rank];
    // The prefix of the right part is dropped inside a token.
    const size_t skip =
        std::min(options_.continuing_prefix.size(), right.size());
    joined.assign(left).append(right.substr(skip));
    const int32_t left_id = FindSpelling(left);
    const int32_t right_id = FindSpelling(right);
    const int32_t result = FindSpelling(joined);
    if (left_id < 0 || right_id < 0 || result < 0) {
      ThrowCorrupt(where, "a merge of unknown tokens",
                   Format("{} {}", left, right));
    }
    InsertMerge(
        {PairOf(left_id, right_id), static_cast<int32_t>(rank), result});
  }
}

int32_t Bpe::FindSpelling(std::string_view spelling) const {
  size_t slot = HashText(spelling) & (ids_.size() - 1);
  while (ids_[slot] >= 0) {
    if (spellings_[static_cast<size_t>(ids_[slot])] == spelling) {
      return ids_[slot];
    }
    slot = (slot + 1) & (ids_.size() - 1);
  }
  return -1;
}

void Bpe::InsertMerge(const Merge& merge) {
  size_t slot = Mix(merge.pair) & (merges_.size() - 1);
  while (merges_[slot].pair != UINT64_MAX && merges_[slot].pair != merge.pair) {
    slot = (slot + 1) & (merges_.size() - 1);
  }
  merges_[slot] = merge;  // of a repeated pair the last rank counts
}

const Bpe::Merge* Bpe::FindMerge(int32_t left, int32_t right) const {
  const uint64_t pair = PairOf(left, right);
  size_t slot = Mix(pair) & (merges_.size() - 1);
  while (merges_[slot].pair != UINT64_MAX) {
    if (merges_[slot].pair == pair) return &merges_[slot];
    slot = (slot + 1) & (merges_.size() - 1);
  }
  return nullptr;
}

int32_t Bpe::SymbolId(std::string_view piece, size_t begin, size_t end) const {
  const std::string& prefix = options_.continuing_prefix;
  const std::string& suffix = options_.end_suffix;
  const std::string_view character = piece.substr(begin, end - begin);
  const bool plain =
      (prefix.empty() || begin == 0) && (suffix.empty() || end < piece.size());
  if (!plain) {
    return FindSpelling((begin > 0 ? prefix : "") + std::string(character) +
                        (end == piece.size() ? suffix : ""));
  }
  if (character.size() <= 2) {
    if (const auto point = DecodeAt(character, 0)) return direct_[point->value];
  }
  return FindSpelling(character);
}

// A token for each byte of a symbol; false if one of them has none.
bool Bpe::AddBytes(std::string_view piece, size_t begin, size_t end,
                   std::vector<ModelToken>& symbols) const {
  const size_t before = symbols.size();
  for (size_t i = begin; i < end; ++i) {
    const int32_t id = byte_ids_[static_cast<unsigned char>(piece[i])];
    if (id < 0) {
      symbols.resize(before);
      return false;
    }
    symbols.push_back(
        {id, static_cast<uint32_t>(i), static_cast<uint32_t>(i + 1)});
  }
  return true;
}

void Bpe::Symbols(std::string_view piece, std::vector<ModelToken>& symbols,
                  std::vector<ModelToken>& lost) const {
  bool unknown_before = false;
  for (size_t at = 0; at < piece.size();) {
    const auto point = DecodeAt(piece, at);
    const size_t end = at + (point ? static_cast<size_t>(point->bytes) : 1);
    const int32_t id = SymbolId(piece, at, end);
    const ModelToken symbol = {id, static_cast<uint32_t>(at),
                               static_cast<uint32_t>(end)};
    bool unknown = false;
    if (id >= 0) {
      symbols.push_back(symbol);
    } else if (options_.byte_fallback && AddBytes(piece, at, end, symbols)) {
      // They stand for the character.
    } else if (unknown_id_ < 0) {
      lost.push_back(symbol);
    } else if (unknown_before && options_.fuse_unknown) {
      symbols.back().end = symbol.end;
      unknown = true;
    } else {
      symbols.push_back({unknown_id_, symbol.begin, symbol.end});
      unknown = true;
    }
    unknown_before = unknown;
    at = end;
  }
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
  thread_local std::vector<ModelToken> symbols;
  symbols.clear();
  Symbols(piece, symbols, lost);
  if (symbols.size() <= kFew) {
    MergeFew(symbols);
  } else {
    MergeMany(symbols);
  }
  out.insert(out.end(), symbols.begin(), symbols.end());
  if (symbols.capacity() > (1u << 16)) symbols = {};  // of a rare long piece
}

// Looks at all pairs for each merge.
void Bpe::MergeFew(std::vector<ModelToken>& symbols) const {
  std::array<const Merge*, kFew> merges;
  size_t count = symbols.size();
  for (size_t i = 0; i + 1 < count; ++i) {
    merges[i] = FindMerge(symbols[i].id, symbols[i + 1].id);
  }
  while (count > 1) {
    size_t best = count;
    int32_t rank = INT32_MAX;
    for (size_t i = 0; i + 1 < count; ++i) {
      if (merges[i] != nullptr && merges[i]->rank < rank) {
        rank = merges[i]->rank;
        best = i;
      }
    }
    if (best == count) break;
    symbols[best].id = merges[best]->result;
    symbols[best].end = symbols[best + 1].end;
    std::copy(symbols.begin() + static_cast<std::ptrdiff_t>(best) + 2,
              symbols.begin() + static_cast<std::ptrdiff_t>(count),
              symbols.begin() + static_cast<std::ptrdiff_t>(best) + 1);
    // The pair at `best` is gone, its neighbours are to be looked up again.
    if (best + 2 < count) {
      std::copy(merges.data() + best + 2, merges.data() + count - 1,
                merges.data() + best + 1);
    }
    --count;
    if (best > 0) {
      merges[best - 1] = FindMerge(symbols[best - 1].id, symbols[best].id);
    }
    if (best + 1 < count) {
      merges[best] = FindMerge(symbols[best].id, symbols[best + 1].id);
    }
  }
  symbols.resize(count);
}

// A linked list of symbols and a heap of candidate merges: n·log n.
void Bpe::MergeMany(std::vector<ModelToken>& symbols) const {
  struct Candidate {
    int32_t rank;
    uint32_t left;
    int32_t left_id, right_id, result;
    bool operator<(const Candidate& other) const {  // the heap's top is last
      return rank != other.rank ? rank > other.rank : left > other.left;
    }
  };
  constexpr uint32_t kNone = UINT32_MAX;
  const auto count = static_cast<uint32_t>(symbols.size());
  std::vector<uint32_t> previous(count), next(count);
  for (uint32_t i = 0; i < count; ++i) {
    previous[i] = i == 0 ? kNone : i - 1;
    next[i] = i + 1 == count ? kNone : i + 1;
  }
  std::vector<Candidate> candidates;
  const auto candidate = [&](uint32_t left, auto&& add) {
    const uint32_t right = next[left];
    if (right == kNone) return;
    const int32_t a = symbols[left].id;
    const int32_t b = symbols[right].id;
    if (const Merge* merge = FindMerge(a, b)) {
      add(Candidate{merge->rank, left, a, b, merge->result});
    }
  };
  for (uint32_t i = 0; i < count; ++i) {
    candidate(i, [&](const Candidate& c) { candidates.push_back(c); });
  }
  std::priority_queue<Candidate> heap(std::less<Candidate>(),
                                      std::move(candidates));
  const auto push = [&](const Candidate& c) { heap.push(c); };
  while (!heap.empty()) {
    const Candidate top = heap.top();
    heap.pop();
    const uint32_t left = top.left;
    const uint32_t right = next[left];
    // A symbol that was merged away has id -1.
    if (symbols[left].id != top.left_id || right == kNone ||
        symbols[right].id != top.right_id) {
      continue;
    }
    symbols[left].id = top.result;
    symbols[left].end = symbols[right].end;
    symbols[right].id = -1;
    next[left] = next[right];
    if (next[left] != kNone) previous[next[left]] = left;
    if (previous[left] != kNone) candidate(previous[left], push);
    candidate(left, push);
  }
  std::erase_if(symbols, [](const ModelToken& s) { return s.id < 0; });
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
  return Format("BPE, {} tokens, {} merges", size(), merge_count_);
}

}  // namespace malmoi::text
