#include "text/tokenize/bpe.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <queue>

#include "base/error.h"
#include "base/format.h"
#include "base/log.h"
#include "text/tokenize/byte_level.h"

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
  std::memcpy(&last, text.data() + i, text.size() - i);
  return Mix(hash ^ last);
}

size_t TableSize(size_t entries) {
  return std::bit_ceil(std::max<size_t>(16, entries * 2));
}

[[noreturn]] void Corrupt(std::string_view where, std::string what,
                          std::string got) {
  throw Error(ErrorCode::kCorrupt, {.where = std::string(where),
                                    .what = std::move(what),
                                    .got = std::move(got)});
}

}  // namespace

Bpe::Bpe(std::vector<std::string_view> spellings,
         const std::vector<std::string_view>& merges,
         std::shared_ptr<const void> owner, BpeOptions options,
         std::string_view where)
    : owner_(std::move(owner)),
      spellings_(std::move(spellings)),
      options_(options) {
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
  for (int b = 0; b < 256; ++b) {
    const char byte = static_cast<char>(b);
    byte_ids_[b] = FindSpelling(SpellingOfBytes({&byte, 1}));
  }
  merges_.assign(TableSize(merges.size()), Merge());
  std::string joined;
  for (size_t rank = 0; rank < merges.size(); ++rank) {
    const std::string_view text = merges[rank];
    const size_t space = text.find(' ', 1);
    if (space == std::string_view::npos) {
      Corrupt(where, "a merge without two parts", std::string(text));
    }
    const std::string_view left = text.substr(0, space);
    const std::string_view right = text.substr(space + 1);
    joined.assign(left).append(right);
    const int32_t left_id = FindSpelling(left);
    const int32_t right_id = FindSpelling(right);
    const int32_t result = FindSpelling(joined);
    if (left_id < 0 || right_id < 0 || result < 0) {
      Corrupt(where, "a merge of unknown tokens", std::string(text));
    }
    InsertMerge({(static_cast<uint64_t>(left_id) << 32) |
                     static_cast<uint64_t>(right_id),
                 static_cast<int32_t>(rank), result});
  }
  merge_count_ = merges.size();
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
  while (merges_[slot].pair != UINT64_MAX) {
    if (merges_[slot].pair == merge.pair) return;  // the first rank counts
    slot = (slot + 1) & (merges_.size() - 1);
  }
  merges_[slot] = merge;
}

const Bpe::Merge* Bpe::FindMerge(int32_t left, int32_t right) const {
  const uint64_t pair =
      (static_cast<uint64_t>(left) << 32) | static_cast<uint64_t>(right);
  size_t slot = Mix(pair) & (merges_.size() - 1);
  while (merges_[slot].pair != UINT64_MAX) {
    if (merges_[slot].pair == pair) return &merges_[slot];
    slot = (slot + 1) & (merges_.size() - 1);
  }
  return nullptr;
}

// The bytes of a piece as tokens. A byte without a token is left out, as the
// reference does where there is no unknown token, and reported to the log; its
// place counts to the token before it (or after it, at the start).
std::vector<ModelToken> Bpe::ByteTokens(std::string_view piece) const {
  std::vector<ModelToken> tokens;
  tokens.reserve(piece.size());
  uint32_t left_out = 0;
  for (char c : piece) {
    const int32_t id = byte_ids_[static_cast<unsigned char>(c)];
    if (id >= 0) {
      tokens.push_back({id, 1 + (tokens.empty() ? left_out : 0)});
      continue;
    }
    ++left_out;
    if (!tokens.empty()) ++tokens.back().bytes;
  }
  if (left_out > 0) {
    Log(LogLevel::kWarning,
        Format("the vocabulary has no token for {} bytes, which were left out",
               left_out));
  }
  return tokens;
}

void Bpe::Encode(std::string_view piece, std::vector<ModelToken>& out) const {
  constexpr size_t kShort = 48;
  if (options_.ignore_merges) {
    const int32_t whole = FindSpelling(SpellingOfBytes(piece));
    if (whole >= 0) {
      out.push_back({whole, static_cast<uint32_t>(piece.size())});
      return;
    }
  }
  if (piece.size() > kShort) return EncodeLong(piece, out);
  // Few symbols: look at all pairs for each merge.
  std::vector<ModelToken> tokens = ByteTokens(piece);
  ModelToken* symbols = tokens.data();
  const Merge* found[kShort];
  size_t count = tokens.size();
  for (size_t i = 0; i + 1 < count; ++i) {
    found[i] = FindMerge(symbols[i].id, symbols[i + 1].id);
  }
  while (count > 1) {
    size_t best = count;
    int32_t rank = INT32_MAX;
    for (size_t i = 0; i + 1 < count; ++i) {
      if (found[i] != nullptr && found[i]->rank < rank) {
        rank = found[i]->rank;
        best = i;
      }
    }
    if (best == count) break;
    symbols[best] = {found[best]->result,
                     symbols[best].bytes + symbols[best + 1].bytes};
    std::copy(symbols + best + 2, symbols + count, symbols + best + 1);
    std::copy(found + best + 2, found + count, found + best + 1);
    --count;
    if (best > 0) {
      found[best - 1] = FindMerge(symbols[best - 1].id, symbols[best].id);
    }
    if (best + 1 < count) {
      found[best] = FindMerge(symbols[best].id, symbols[best + 1].id);
    }
  }
  out.insert(out.end(), symbols, symbols + count);
}

void Bpe::EncodeLong(std::string_view piece,
                     std::vector<ModelToken>& out) const {
  // A linked list of symbols and a heap of candidate merges: n·log n.
  struct Symbol {
    int32_t id;
    uint32_t bytes;
    int32_t previous, next;  // -1: none; bytes == 0: merged away
  };
  struct Candidate {
    int32_t rank, left;
    int32_t left_id, right_id, result;
    bool operator<(const Candidate& other) const {  // the heap's top is last
      return rank != other.rank ? rank > other.rank : left > other.left;
    }
  };
  std::vector<Symbol> symbols;
  symbols.reserve(piece.size());
  for (const ModelToken& token : ByteTokens(piece)) {
    const int32_t index = static_cast<int32_t>(symbols.size());
    symbols.push_back({token.id, token.bytes, index - 1, index + 1});
  }
  if (symbols.empty()) return;
  symbols.back().next = -1;
  std::priority_queue<Candidate> heap;
  const auto consider = [&](int32_t left) {
    const int32_t right = symbols[static_cast<size_t>(left)].next;
    if (right < 0) return;
    const int32_t a = symbols[static_cast<size_t>(left)].id;
    const int32_t b = symbols[static_cast<size_t>(right)].id;
    if (const Merge* merge = FindMerge(a, b)) {
      heap.push({merge->rank, left, a, b, merge->result});
    }
  };
  for (int32_t i = 0; i + 1 < static_cast<int32_t>(symbols.size()); ++i) {
    consider(i);
  }
  while (!heap.empty()) {
    const Candidate top = heap.top();
    heap.pop();
    Symbol& left = symbols[static_cast<size_t>(top.left)];
    if (left.bytes == 0 || left.id != top.left_id || left.next < 0) continue;
    Symbol& right = symbols[static_cast<size_t>(left.next)];
    if (right.id != top.right_id) continue;
    left.id = top.result;
    left.bytes += right.bytes;
    right.bytes = 0;
    left.next = right.next;
    if (left.next >= 0) {
      symbols[static_cast<size_t>(left.next)].previous = top.left;
    }
    if (left.previous >= 0) consider(left.previous);
    consider(top.left);
  }
  for (int32_t i = 0; i >= 0; i = symbols[static_cast<size_t>(i)].next) {
    out.push_back({symbols[static_cast<size_t>(i)].id,
                   symbols[static_cast<size_t>(i)].bytes});
  }
}

std::optional<std::string> Bpe::Bytes(int32_t id) const {
  const auto spelling = Spelling(id);
  if (!spelling) return std::nullopt;
  auto bytes = BytesOfSpelling(*spelling);
  return bytes ? bytes : spelling;
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

std::string Bpe::Describe() const {
  return Format("byte-level BPE, {} tokens, {} merges", size(), merge_count_);
}

}  // namespace malmoi::text
