// Top-k over ranges of documents. Terms are split by their largest
// contributions (MaxScore: Turtle and Flood 1995): those that can lift a
// document over the threshold are added up, the others only looked up for
// documents that could still pass; of common words both go by their bytes, and
// 64 documents are a few instructions. The threshold begins at the k-th
// contribution of the best single term (Kane and Tompa 2018). Whoever
// passes is added up again at the end, in the order of the query and in
// doubles, so that scores and ties do not depend on what was skipped.
#include <algorithm>
#include <cstring>
#include <functional>
#include <limits>

#include "base/error.h"
#include "kernels/sparse_kernels.h"
#include "represent/sparse/bm25.h"
#include "represent/sparse/bm25_layout.h"

namespace malmoi::represent {

namespace {

// Documents whose sums stay in the nearest cache.
constexpr uint32_t kRange = 8192;
constexpr uint32_t kMask = kRange - 1;
static_assert(kRange % kernels::kSumGroup == 0 &&
              kCodeGroup == kernels::kSumGroup);
// Sums of floats in another order differ by less.
constexpr float kSlack = 1e-5f;
// From so many postings on all of a range's sums are looked at.
constexpr uint32_t kMany = kRange / 8;
// Adding a posting takes about an eighth of the time of looking one up.
constexpr uint32_t kWorthAdding = 16;

// How many of sorted documents are before one. By bisection without branches,
// which nobody could foretell.
uint32_t FirstFrom(const uint32_t* documents, uint32_t size,
                   uint64_t document) {
  uint32_t low = 0;
  while (size > 0) {
    const uint32_t half = (size + 1) / 2;
    low += documents[low + half - 1] < document ? half : 0;
    size -= half;
  }
  return low;
}

// Those of the first `size` of a group that are not 0.
uint32_t CountCodes(const uint8_t* codes, uint32_t size) {
  constexpr uint64_t kLow = 0x7f7f7f7f7f7f7f7f, kOnes = 0x0101010101010101;
  uint64_t sum = 0;  // of 8 bytes apart
  for (uint32_t i = 0; i < size; i += 8) {
    uint64_t eight;
    std::memcpy(&eight, codes + i, 8);
    if (size - i < 8) eight &= (uint64_t{1} << 8 * (size - i)) - 1;
    sum += (((eight & kLow) + kLow) | eight) >> 7 & kOnes;
  }
  return static_cast<uint32_t>(sum * kOnes >> 56);
}

}  // namespace

class Bm25Search {
 public:
  Bm25Search(const Bm25Index& index, size_t top, Bm25Scratch& scratch)
      : index_(index), top_(top), scratch_(scratch) {
    scratch_.sums.resize(kRange);
    scratch_.found.resize(kRange);
  }

  void AddTerm(size_t number);
  std::vector<Bm25Hit> Run();

 private:
  // A term of the query and where its lists are.
  struct Cursor {
    const Bm25Term* term;
    float weight;  // how often the query has it
    float most = 0;
    const uint32_t* documents;
    const float* impacts;
    uint32_t size;
    const uint8_t* codes = nullptr;   // of a common word
    const uint32_t* ranks = nullptr;  // of each group of codes
    float scale = 0;                  // of a code, with the weight
    uint32_t begin = 0, end = 0;      // of the range's postings
  };

  void Enter(Cursor& cursor, uint32_t first) const;
  // The first range from `first` on in which a document could pass; npos where
  // there is none.
  uint64_t NextRange(uint64_t first) const;
  void SearchRange(uint32_t first);
  void AddUp(const Cursor& cursor);
  void LookAtAll(uint32_t first, uint32_t size);
  void LookAtPostings(uint32_t first, uint32_t size);
  // What sums must reach before lists are looked up.
  float Least() const {
    const float rest = lists_below_.empty() ? 0 : lists_below_.back();
    return std::max(threshold_ - rest, std::numeric_limits<float>::min());
  }
  void LookAt(uint32_t document, float sum);
  // The contribution to a document, if it is in [begin, end) of the list.
  const float* Posting(const Cursor& cursor, uint32_t begin, uint32_t end,
                       uint32_t document) const;
  void Keep(uint32_t document, float most);
  std::vector<Bm25Hit> Best();
  void Raise(float threshold);
  static bool Better(const Bm25Hit& a, const Bm25Hit& b) {
    return a.score != b.score ? a.score > b.score : a.document < b.document;
  }

  const Bm25Index& index_;
  const kernels::SparseKernelTable& kernels_ = kernels::SparseKernels();
  size_t top_;
  Bm25Scratch& scratch_;
  std::vector<Cursor> cursors_;
  double absent_ = 0;    // what every document gets
  float threshold_ = 0;  // below it nobody is among the best
  float steps_ = 0;      // of a code of each common word, together
  struct Kept {
    uint32_t document;
    float most;
  };
  std::vector<Kept> kept_;
  std::vector<float> least_;  // what the best of them have; the least first
  // Cursors by what they give at most, and sums of the smallest.
  std::vector<Cursor*> order_;
  std::vector<float> below_;
  size_t small_ = 0;  // the first of them cannot pass together
  // In the present range: codes from its first document on, lists that are
  // added up, lists that are only looked up and what the first of them give
  // together at most.
  std::vector<const uint8_t*> codes_;
  std::vector<float> scales_;
  std::vector<const Cursor*> added_;
  std::vector<const Cursor*> lists_;
  std::vector<float> lists_below_;
};

void Bm25Search::AddTerm(size_t number) {
  const Bm25Term& term = index_.terms_[number];
  absent_ += term.absent;
  for (Cursor& cursor : cursors_) {
    if (cursor.term == &term) {
      cursor.weight += 1;
      return;
    }
  }
  const uint64_t postings = index_.documents_.size();
  const uint64_t groups =
      CodeGroups(static_cast<uint64_t>(index_.summary_.documents));
  if (term.begin > postings || term.size > postings - term.begin ||
      uint64_t{term.dense} * groups > index_.ranks_.size()) {
    throw Error(ErrorCode::kCorrupt, {.where = index_.where_,
                                      .what = "a list outside of the index"});
  }
  Cursor cursor = {.term = &term,
                   .weight = 1,
                   .documents = index_.documents_.data() + term.begin,
                   .impacts = index_.impacts_.data() + term.begin,
                   .size = term.size};
  if (term.dense != 0) {
    const uint64_t first = (term.dense - 1) * groups;
    cursor.codes = index_.codes_.data() + first * kCodeGroup;
    cursor.ranks = index_.ranks_.data() + first;
  } else {
    __builtin_prefetch(cursor.documents);
    __builtin_prefetch(cursor.impacts);
  }
  cursors_.push_back(cursor);
}

// Finds the cursor's postings of the range, behind those of the range before.
void Bm25Search::Enter(Cursor& cursor, uint32_t first) const {
  const uint32_t* documents = cursor.documents;
  const auto skip = [&](uint32_t from, uint64_t document) {
    uint32_t step = 8;
    while (cursor.size - from > step && documents[from + step] < document) {
      from += step;
      step *= 2;
    }
    return from + FirstFrom(documents + from,
                            std::min(cursor.size - from, step), document);
  };
  cursor.begin = skip(cursor.end, first);
  cursor.end = skip(cursor.begin, uint64_t{first} + kRange);
}

void Bm25Search::AddUp(const Cursor& cursor) {
  float* sums = scratch_.sums.data();
  for (uint32_t i = cursor.begin; i < cursor.end; ++i) {
    sums[cursor.documents[i] & kMask] += cursor.weight * cursor.impacts[i];
  }
  scratch_.postings_read += cursor.end - cursor.begin;
}

const float* Bm25Search::Posting(const Cursor& cursor, uint32_t begin,
                                 uint32_t end, uint32_t document) const {
  if (cursor.codes != nullptr) {
    // As many behind the group's begin as there are codes before its own.
    const uint8_t* codes = cursor.codes + document / kCodeGroup * kCodeGroup;
    if (codes[document % kCodeGroup] == 0) return nullptr;
    const uint64_t at = cursor.ranks[document / kCodeGroup] +
                        CountCodes(codes, document % kCodeGroup);
    return at < cursor.size ? cursor.impacts + at : nullptr;
  }
  const uint32_t at =
      begin + FirstFrom(cursor.documents + begin, end - begin, document);
  return at < end && cursor.documents[at] == document ? cursor.impacts + at
                                                      : nullptr;
}

void Bm25Search::Raise(float threshold) {
  threshold_ = std::max(threshold_, threshold);
  while (small_ < order_.size() && below_[small_] < threshold_) ++small_;
}

// Notes a document that may be among the best; `most` is no less than its
// score, and too much by less than a step of each code.
void Bm25Search::Keep(uint32_t document, float most) {
  kept_.push_back({document, most});
  least_.push_back(most - steps_);
  std::push_heap(least_.begin(), least_.end(), std::greater<>());
  if (least_.size() > top_) {
    std::pop_heap(least_.begin(), least_.end(), std::greater<>());
    least_.pop_back();
  }
  if (least_.size() == top_) Raise(least_.front() * (1 - kSlack));
}

// The best of those kept, by their scores in the order of the query. First all
// is found and sent for: it lies in distant memory.
std::vector<Bm25Hit> Bm25Search::Best() {
  std::erase_if(kept_,
                [&](const Kept& kept) { return kept.most < threshold_; });
  std::vector<const float*> impacts;
  impacts.reserve(kept_.size() * cursors_.size());
  for (const Kept& kept : kept_) {
    for (const Cursor& cursor : cursors_) {
      impacts.push_back(Posting(cursor, 0, cursor.size, kept.document));
      __builtin_prefetch(impacts.back());
    }
  }
  std::vector<Bm25Hit> heap;  // the worst first
  heap.reserve(std::min(top_, kept_.size()));
  auto impact = impacts.begin();
  for (const Kept& kept : kept_) {
    double sum = 0;
    for (const Cursor& cursor : cursors_) {
      if (*impact != nullptr) {
        sum +=
            static_cast<double>(cursor.weight) * static_cast<double>(**impact);
      }
      ++impact;
    }
    if (!(sum > 0)) continue;
    const Bm25Hit hit = {kept.document, static_cast<float>(sum + absent_)};
    if (heap.size() == top_) {
      if (!Better(hit, heap.front())) continue;
      std::pop_heap(heap.begin(), heap.end(), Better);
      heap.pop_back();
    }
    heap.push_back(hit);
    std::push_heap(heap.begin(), heap.end(), Better);
  }
  std::sort_heap(heap.begin(), heap.end(), Better);
  return heap;
}

// `sum`: of the terms that were added up or have codes.
void Bm25Search::LookAt(uint32_t document, float sum) {
  for (size_t i = lists_.size(); i > 0; --i) {
    if (sum + lists_below_[i - 1] < threshold_) return;
    const Cursor& cursor = *lists_[i - 1];
    const float* impact = Posting(cursor, cursor.begin, cursor.end, document);
    if (impact != nullptr) sum += cursor.weight * *impact;
  }
  if (sum >= threshold_) Keep(document, sum);
}

// All sums of the range are looked at.
void Bm25Search::LookAtAll(uint32_t first, uint32_t size) {
  const size_t rounded = (size + kCodeGroup - 1) / kCodeGroup * kCodeGroup;
  float* sums = scratch_.sums.data();
  if (!codes_.empty()) {
    kernels_.sum_codes(codes_.data(), scales_.data(), codes_.size(), rounded,
                       sums);
    scratch_.postings_read += size * codes_.size();
  }
  for (const Cursor* cursor : added_) AddUp(*cursor);
  const size_t count =
      kernels_.find_at_least(sums, rounded, Least(), scratch_.found.data());
  for (size_t i = 0; i < count; ++i) {
    const uint32_t at = scratch_.found[i];
    if (at < size) LookAt(first + at, sums[at]);
  }
  std::fill_n(sums, kRange, 0.0f);
}

// Only the documents of the lists that are added up. The longest is not: its
// values are taken as they are.
void Bm25Search::LookAtPostings(uint32_t first, uint32_t size) {
  if (added_.empty()) return;
  std::swap(added_.front(),
            *std::max_element(added_.begin(), added_.end(),
                              [](const Cursor* a, const Cursor* b) {
                                return a->end - a->begin < b->end - b->begin;
                              }));
  float* sums = scratch_.sums.data();
  for (size_t i = 1; i < added_.size(); ++i) AddUp(*added_[i]);
  scratch_.postings_read += added_.front()->end - added_.front()->begin;
  for (size_t i = 0; i < added_.size(); ++i) {
    const Cursor& cursor = *added_[i];
    const uint32_t* documents = cursor.documents + cursor.begin;
    const float* values = i == 0 ? cursor.impacts + cursor.begin : nullptr;
    const size_t count =
        kernels_.find_postings({.documents = documents,
                                .values = values,
                                .size = cursor.end - cursor.begin,
                                .scale = cursor.weight,
                                .mask = kMask,
                                .last = size - 1,
                                .sums = added_.size() > 1 ? sums : nullptr,
                                .codes = codes_.data(),
                                .scales = scales_.data(),
                                .count = codes_.size()},
                               Least(), scratch_.found.data());
    for (size_t j = 0; j < count; ++j) {
      const uint32_t posting = scratch_.found[j];
      const uint32_t at = documents[posting] & kMask;
      float sum = sums[at];
      if (values != nullptr) sum += cursor.weight * values[posting];
      if (!(sum > 0) || at >= size) continue;
      sums[at] = 0;  // once, whatever lists have it
      for (size_t t = 0; t < codes_.size(); ++t) {
        sum += scales_[t] * codes_[t][at];
      }
      LookAt(first + at, sum);
    }
  }
  for (size_t i = 1; i < added_.size(); ++i) {
    for (uint32_t j = added_[i]->begin; j < added_[i]->end; ++j) {
      sums[added_[i]->documents[j] & kMask] = 0;
    }
  }
}

// Splits the cursors: what is added up, and what is only looked up.
void Bm25Search::SearchRange(uint32_t first) {
  size_t looked_up = small_;
  bool dense = false;
  uint32_t postings = 0;
  for (size_t i = 0; i < order_.size(); ++i) {
    Cursor& cursor = *order_[i];
    if (cursor.codes == nullptr) Enter(cursor, first);
    if (i < looked_up) continue;
    dense |= cursor.codes != nullptr;
    postings += cursor.end - cursor.begin;
  }
  // A list that is short beside what would be looked up in it is added up too.
  const uint32_t asked = postings;
  codes_.clear();
  scales_.clear();
  added_.clear();
  lists_.clear();
  lists_below_.clear();
  float sum = 0;
  for (size_t i = 0; i < order_.size(); ++i) {
    Cursor& cursor = *order_[i];
    const uint32_t size = cursor.end - cursor.begin;
    if (cursor.codes != nullptr) {
      codes_.push_back(cursor.codes + first);
      scales_.push_back(cursor.scale);
    } else if (i >= looked_up || size <= kWorthAdding * asked) {
      if (size == 0) continue;
      added_.push_back(&cursor);
      postings += i < looked_up ? size : 0;
    } else {
      sum += cursor.most;
      lists_.push_back(&cursor);
      lists_below_.push_back(sum);
    }
  }
  const auto size = static_cast<uint32_t>(std::min<uint64_t>(
      kRange, static_cast<uint64_t>(index_.summary_.documents) - first));
  if (dense || postings >= kMany) {
    LookAtAll(first, size);
  } else {
    LookAtPostings(first, size);
  }
}

uint64_t Bm25Search::NextRange(uint64_t first) const {
  uint64_t next = UINT64_MAX;
  for (size_t i = small_; i < order_.size(); ++i) {
    const Cursor& cursor = *order_[i];
    if (cursor.codes != nullptr) return first;
    if (cursor.end == cursor.size) continue;
    const uint32_t document = cursor.documents[cursor.end];
    next = std::min<uint64_t>(next, document / kRange * kRange);
  }
  return std::max(next, first);
}

std::vector<Bm25Hit> Bm25Search::Run() {
  if (top_ == 0 || cursors_.empty()) return {};
  float initial = 0;
  for (Cursor& cursor : cursors_) {
    const Bm25Term& term = *cursor.term;
    cursor.most = term.most > 0 ? term.most * cursor.weight : 0;
    if (cursor.codes != nullptr) {
      cursor.scale = cursor.weight * CodeScale(term.most);
      // That of a code may be larger by rounding.
      cursor.most = std::max(cursor.most, cursor.scale * 255);
    }
    steps_ += cursor.scale;
    order_.push_back(&cursor);
    for (size_t r = 2; r-- > 0;) {
      if (top_ > Bm25Index::kRanks[r]) break;
      initial =
          std::max(initial, cursor.weight * term.ranked[r] * (1 - kSlack));
    }
  }
  std::sort(order_.begin(), order_.end(),
            [](const Cursor* a, const Cursor* b) { return a->most < b->most; });
  float sum = 0;
  for (const Cursor* cursor : order_) {
    sum += cursor->most;
    below_.push_back(sum);
  }
  Raise(initial);
  const auto documents = static_cast<uint64_t>(index_.summary_.documents);
  for (uint64_t first = 0; small_ < order_.size(); first += kRange) {
    first = NextRange(first);
    if (first >= documents) break;
    SearchRange(static_cast<uint32_t>(first));
  }
  return Best();
}

// Terms one after another, but their places in memory together.
std::vector<Bm25Hit> Bm25Index::Search(std::string_view query, size_t top,
                                       Bm25Scratch& scratch) const {
  struct Wanted {
    uint64_t hash;
    size_t begin, size;
  };
  std::vector<Wanted> wanted;
  scratch.terms.clear();
  const size_t mask = slots_.size() - 1;
  analyzer_->ForTerms(query, scratch.buffer, [&](std::string_view term) {
    wanted.push_back({HashTerm(term).hash, scratch.terms.size(), term.size()});
    __builtin_prefetch(&slots_[wanted.back().hash & mask]);
    scratch.terms += term;
  });
  for (const Wanted& term : wanted) {
    const size_t slot = slots_[term.hash & mask];
    if (slot - 1 < terms_.size()) __builtin_prefetch(&terms_[slot - 1]);
  }
  Bm25Search search(*this, top, scratch);
  for (const Wanted& term : wanted) {
    const auto name =
        std::string_view(scratch.terms).substr(term.begin, term.size);
    if (const auto found = FindTerm(term.hash, name)) search.AddTerm(*found);
  }
  return search.Run();
}

}  // namespace malmoi::represent
