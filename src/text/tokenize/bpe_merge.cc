// How the symbols of a piece merge: the few of a word by looking at all pairs,
// the many of a long piece by a heap.
#include <algorithm>
#include <array>
#include <queue>
#include <string>
#include <vector>

#include "text/tokenize/bpe.h"
#include "text/tokenize/byte_level.h"

namespace malmoi::text {

namespace {

// Up to this many symbols looking at all pairs is faster than a heap.
constexpr size_t kFew = 48;

constexpr int32_t kGone = -2;  // the id of a symbol that merged into another

}  // namespace

// Pairs of neighbours by the ranks of merges.
struct Bpe::ByRank {
  const MergeTable& merges;
  int32_t Rank(size_t, const ModelToken& left, const ModelToken& right) const {
    return merges.LikelyRank(left.id, right.id);
  }
  int32_t Result(size_t, int32_t rank, const ModelToken& left,
                 const ModelToken& right) const {
    const MergeTable::Merge& merge = merges.Of(rank);
    const bool is_it = merge.left == left.id && merge.right == right.id;
    return is_it ? merge.result : kNoToken;
  }
};

// The same by the scores of what they become.
struct Bpe::ByScore {
  const Bpe& model;
  std::string_view piece;
  std::array<int32_t, kFew> results = {};  // by place
  int32_t Rank(size_t place, const ModelToken& left, const ModelToken& right) {
    const Next next = model.FindNext(piece, left, right);
    results[place] = next.result;
    return next.result < 0 ? MergeTable::kNone : next.rank;
  }
  int32_t Result(size_t place, int32_t, const ModelToken&,
                 const ModelToken&) const {
    return results[place];
  }
};

// Looks at all pairs for each merge. Symbols stay where they are, linked, and a
// pair is its rank with its place below, so that the least of them is the
// leftmost of the lowest rank. `ranks` are those of symbols i and i + 1.
// Returns how many symbols are left, of one or more.
template <typename Pairs>
size_t Bpe::MergeFew(Pairs& pairs, const int32_t* ranks, ModelToken* symbols,
                     size_t count) {
  static_assert(kFew < 64);
  constexpr int kPlaceBits = 6;
  constexpr uint64_t kNoPair = UINT64_MAX;
  constexpr uint64_t kEnd = 0;
  std::array<uint64_t, kFew + 1> keys;
  std::array<uint8_t, kFew + 1> next;
  std::array<uint8_t, kFew + 1> previous;
  // Ranks by score may be negative.
  const auto key_of = [](int32_t rank, size_t place) {
    const uint64_t order = (static_cast<uint32_t>(rank) ^ 0x80000000u) + 1ull;
    return rank == MergeTable::kNone ? kNoPair : order << kPlaceBits | place;
  };
  previous[0] = 0;
  for (size_t i = 0; i < count; ++i) {
    next[i] = static_cast<uint8_t>(i + 1);
    previous[i + 1] = static_cast<uint8_t>(i);
  }
  for (size_t i = 0; i + 1 < count; ++i) keys[i] = key_of(ranks[i], i);
  keys[count - 1] = kEnd;
  bool merged = false;
  for (;;) {
    uint64_t least = kNoPair;
    // One by one: a vector would wait for what was stored just before.
    for (size_t i = 0; keys[i] != kEnd; ++i) least = std::min(least, keys[i]);
    if (least == kNoPair) break;
    const size_t at = least & ((1 << kPlaceBits) - 1);
    const auto rank =
        static_cast<int32_t>(((least >> kPlaceBits) - 1) ^ 0x80000000u);
    const size_t gone = next[at];
    const int32_t result = pairs.Result(at, rank, symbols[at], symbols[gone]);
    if (result < 0) {
      keys[at] = kNoPair;
      continue;
    }
    merged = true;
    symbols[at].id = result;
    symbols[at].end = symbols[gone].end;
    const size_t after = next[gone];
    next[at] = static_cast<uint8_t>(after);
    previous[after] = static_cast<uint8_t>(at);
    keys[at] = kNoPair;
    if (keys[gone] != kEnd) keys[gone] = kNoPair;
    // Without branches, which none could foretell: where there is no neighbour
    // on a side, the other's pair is looked at twice, and left aside.
    const bool first = at == 0;
    const bool last = after == count;
    if (first && last) break;
    const auto set = [&](size_t left, size_t right, size_t place) {
      keys[place] =
          key_of(pairs.Rank(left, symbols[left], symbols[right]), left);
    };
    const size_t before = previous[at];
    set(first ? at : before, first ? after : at, first ? kFew : before);
    set(last ? before : at, last ? at : after, last ? kFew : at);
  }
  if (!merged) return count;
  size_t to = 0;
  for (size_t i = 0; i < count; i = next[i]) symbols[to++] = symbols[i];
  return to;
}

bool Bpe::EncodeBytes(std::string_view bytes, bool no_token,
                      std::vector<ModelToken>& out) const {
  if (by_score() || !options_.continuing_prefix.empty() ||
      !options_.end_suffix.empty()) {
    return false;
  }
  if (options_.ignore_merges && !no_token && bytes.size() <= longest_) {
    thread_local std::string spelling;
    spelling.clear();
    for (char c : bytes) spelling += SpellingOf(c);
    const int32_t whole = FindSpelling(spelling);
    if (whole >= 0) {
      out.push_back({whole, 0, static_cast<uint32_t>(bytes.size())});
      return true;
    }
  }
  if (bytes.size() <= kFew && merges_.has_bytes()) {
    MergeBytes(bytes, out);
    return true;
  }
  thread_local Symbols symbols;
  symbols.clear();
  for (uint32_t i = 0; i < bytes.size(); ++i) {
    const int32_t id = spelled_ids_[static_cast<unsigned char>(bytes[i])];
    if (id < 0) return false;
    symbols.push_back({id, i, i + 1});
  }
  MergeAll(bytes, symbols);
  out.insert(out.end(), symbols.begin(), symbols.end());
  if (symbols.capacity() > (1u << 16)) symbols = {};
  return true;
}

// A word of which each byte has a token.
void Bpe::MergeBytes(std::string_view bytes,
                     std::vector<ModelToken>& out) const {
  std::array<ModelToken, kFew> symbols;
  std::array<int32_t, kFew> ranks;
  for (uint32_t i = 0; i < bytes.size(); ++i) {
    const auto byte = static_cast<unsigned char>(bytes[i]);
    symbols[i] = {spelled_ids_[byte], i, i + 1};
    if (i > 0) {
      ranks[i - 1] =
          merges_.RankOfBytes(static_cast<unsigned char>(bytes[i - 1]), byte);
    }
  }
  ByRank pairs = {merges_};
  const size_t count =
      MergeFew(pairs, ranks.data(), symbols.data(), bytes.size());
  out.insert(out.end(), symbols.data(), symbols.data() + count);
}

void Bpe::MergeAll(std::string_view piece, Symbols& symbols) const {
  const size_t count = symbols.size();
  if (count > kFew) return MergeMany(piece, symbols);
  if (count < 2) return;
  const auto merge = [&](auto pairs) {
    std::array<int32_t, kFew> ranks;
    for (size_t i = 0; i + 1 < count; ++i) {
      ranks[i] = pairs.Rank(i, symbols[i], symbols[i + 1]);
    }
    symbols.resize(MergeFew(pairs, ranks.data(), symbols.data(), count));
  };
  if (by_score()) {
    merge(ByScore{*this, piece});
  } else {
    merge(ByRank{merges_});
  }
}

// A linked list of symbols and a heap of candidate merges: n·log n.
void Bpe::MergeMany(std::string_view piece, Symbols& symbols) const {
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
    const ModelToken& a = symbols[left];
    const ModelToken& b = symbols[right];
    const Next merged = FindNext(piece, a, b);
    if (merged.result < 0) return;
    add(Candidate{merged.rank, left, a.id, b.id, merged.result});
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
    // A symbol that has merged since has another id.
    if (symbols[left].id != top.left_id || right == kNone ||
        symbols[right].id != top.right_id) {
      continue;
    }
    symbols[left].id = top.result;
    symbols[left].end = symbols[right].end;
    symbols[right].id = kGone;
    next[left] = next[right];
    if (next[left] != kNone) previous[next[left]] = left;
    if (previous[left] != kNone) candidate(previous[left], push);
    candidate(left, push);
  }
  std::erase_if(symbols, [](const ModelToken& s) { return s.id == kGone; });
}

}  // namespace malmoi::text
