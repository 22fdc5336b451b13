// Top-k over ranges of 512 documents. In each range terms are split by their
// largest contributions there (MaxScore: Turtle and Flood 1995): those that can
// lift a document over the threshold are added up, the others only looked up
// for documents that could still pass. The threshold begins at the k-th
// contribution of the best single term (Kane and Tompa 2018). Whoever passes is
// added up again in the order of the query, in doubles, so that scores and ties
// do not depend on what was skipped.
#include <algorithm>
#include <numeric>

#include "represent/sparse/bm25.h"

namespace malmoi::represent {

namespace {

constexpr uint32_t kRange = uint32_t{1} << Bm25Index::kBlockShift;
constexpr uint32_t kMask = kRange - 1;
// Sums of floats in another order differ by less.
constexpr float kSlack = 1e-5f;
// From so many postings on all of a range's sums are looked at.
constexpr uint32_t kDense = 96;
// Adding a posting takes about an eighth of the time of looking one up.
constexpr uint32_t kWorthAdding = 8;

}  // namespace

class Bm25Search {
 public:
  Bm25Search(const Bm25Index& index, size_t top, Bm25Scratch& scratch)
      : index_(index), top_(top), scratch_(scratch) {
    scratch_.sums.resize(kRange);
  }

  void AddTerm(size_t term);
  std::vector<Bm25Hit> Run();

 private:
  // A term of the query and where its lists are.
  struct Cursor {
    size_t term;
    float weight;  // how often the query has it
    const uint32_t* documents;
    const float* impacts;
    uint32_t size;
    std::span<const Bm25Index::Block> blocks;  // empty: a short list
    uint32_t at = 0;  // a block; of a short list a posting
    // In the present range:
    uint32_t begin = 0, end = 0;
    float most = 0;
    mutable uint32_t found = 0;  // where the last search ended
  };

  uint32_t NextRange(const Cursor& cursor) const {
    if (cursor.blocks.empty()) {
      return cursor.at < cursor.size
                 ? cursor.documents[cursor.at] >> Bm25Index::kBlockShift
                 : UINT32_MAX;
    }
    return cursor.at < cursor.blocks.size() ? cursor.blocks[cursor.at].number
                                            : UINT32_MAX;
  }
  void Enter(Cursor& cursor, uint32_t range);
  void SearchRange(uint32_t range);
  void AddUp(const Cursor& cursor);
  void LookAt(uint32_t document, float sum);
  float Impact(const Cursor& cursor, uint32_t document) const;
  void Offer(uint32_t document);
  static bool Better(const Bm25Hit& a, const Bm25Hit& b) {
    return a.score != b.score ? a.score > b.score : a.document < b.document;
  }

  const Bm25Index& index_;
  size_t top_;
  Bm25Scratch& scratch_;
  std::vector<Cursor> cursors_;
  double absent_ = 0;          // what every document gets
  float threshold_ = 0;        // below it nobody is among the best
  std::vector<Bm25Hit> heap_;  // the worst first
  // Of the present range: cursors by most, and sums of the smallest.
  std::vector<Cursor*> present_;
  std::vector<float> below_;
  size_t looked_up_ = 0;  // the first of present_ are only looked up
};

void Bm25Search::AddTerm(size_t term) {
  absent_ += index_.absent_[term];
  for (Cursor& cursor : cursors_) {
    if (cursor.term == term) {
      cursor.weight += 1;
      return;
    }
  }
  const uint64_t begin = index_.begins_[term];
  const uint64_t size = index_.begins_[term + 1] - begin;
  const uint64_t blocks = index_.block_begins_[term];
  cursors_.push_back(
      {.term = term,
       .weight = 1,
       .documents = index_.documents_.data() + begin,
       .impacts = index_.impacts_.data() + begin,
       .size = static_cast<uint32_t>(std::min<uint64_t>(size, UINT32_MAX)),
       .blocks = index_.blocks_.subspan(
           blocks, index_.block_begins_[term + 1] - blocks)});
}

// Finds the cursor's postings of the range, which it has.
void Bm25Search::Enter(Cursor& cursor, uint32_t range) {
  if (cursor.blocks.empty()) {
    cursor.begin = cursor.at;
    cursor.most = 0;
    while (cursor.at < cursor.size &&
           cursor.documents[cursor.at] >> Bm25Index::kBlockShift == range) {
      cursor.most = std::max(cursor.most, cursor.impacts[cursor.at]);
      ++cursor.at;
    }
    cursor.end = cursor.at;
  } else {
    const Bm25Index::Block& block = cursor.blocks[cursor.at++];
    cursor.end = cursor.at < cursor.blocks.size()
                     ? std::min(cursor.blocks[cursor.at].begin, cursor.size)
                     : cursor.size;
    cursor.begin = std::min(block.begin, cursor.end);
    cursor.most = block.most;
  }
  cursor.most = cursor.most > 0 ? cursor.most * cursor.weight : 0;
}

void Bm25Search::AddUp(const Cursor& cursor) {
  float* sums = scratch_.sums.data();
  for (uint32_t i = cursor.begin; i < cursor.end; ++i) {
    sums[cursor.documents[i] & kMask] += cursor.weight * cursor.impacts[i];
  }
  scratch_.postings_read += cursor.end - cursor.begin;
}

// Documents mostly come in order, so that the search goes on where the last one
// ended, in steps that double, and is over before it meets cold memory.
float Bm25Search::Impact(const Cursor& cursor, uint32_t document) const {
  const uint32_t* documents = cursor.documents;
  uint32_t low = cursor.found;
  if (low < cursor.begin || low >= cursor.end || documents[low] > document) {
    low = cursor.begin;
  }
  uint32_t step = 1;
  while (low + step < cursor.end && documents[low + step] < document) {
    low += step;
    step *= 2;
  }
  const uint32_t high = std::min(cursor.end - low, step + 1);
  low = static_cast<uint32_t>(
      std::lower_bound(documents + low, documents + low + high, document) -
      documents);
  cursor.found = low;
  return low < cursor.end && documents[low] == document ? cursor.impacts[low]
                                                        : 0;
}

// The score in the order of the query.
void Bm25Search::Offer(uint32_t document) {
  double sum = 0;
  for (const Cursor& cursor : cursors_) {
    sum += static_cast<double>(cursor.weight) *
           static_cast<double>(Impact(cursor, document));
  }
  if (!(sum > 0)) return;
  const Bm25Hit hit = {document, static_cast<float>(sum + absent_)};
  if (heap_.size() == top_) {
    if (!Better(hit, heap_.front())) return;
    std::pop_heap(heap_.begin(), heap_.end(), Better);
    heap_.back() = hit;
  } else {
    heap_.push_back(hit);
  }
  std::push_heap(heap_.begin(), heap_.end(), Better);
  if (heap_.size() == top_) {
    threshold_ = std::max(threshold_, heap_.front().score * (1 - kSlack) -
                                          static_cast<float>(absent_));
  }
}

// `sum`: of the terms that were added up.
void Bm25Search::LookAt(uint32_t document, float sum) {
  for (size_t i = looked_up_; i > 0; --i) {
    if (sum + below_[i - 1] < threshold_) return;
    const Cursor& cursor = *present_[i - 1];
    sum += cursor.weight * Impact(cursor, document);
  }
  if (sum >= threshold_) Offer(document);
}

void Bm25Search::SearchRange(uint32_t range) {
  present_.clear();
  float all = 0;
  for (Cursor& cursor : cursors_) {
    if (NextRange(cursor) != range) {
      cursor.begin = cursor.end = 0;
      continue;
    }
    Enter(cursor, range);
    present_.push_back(&cursor);
    all += cursor.most;
  }
  if (all < threshold_) return;
  std::sort(present_.begin(), present_.end(),
            [](const Cursor* a, const Cursor* b) { return a->most < b->most; });
  below_.clear();
  looked_up_ = 0;
  float sum = 0;
  for (const Cursor* cursor : present_) {
    sum += cursor->most;
    below_.push_back(sum);
    if (sum < threshold_) ++looked_up_;
  }
  uint32_t postings = 0;
  for (size_t i = looked_up_; i < present_.size(); ++i) {
    postings += present_[i]->end - present_[i]->begin;
  }
  // A list that is short beside what would be looked up in it is added up too.
  const uint32_t asked = postings;
  while (looked_up_ > 0) {
    const Cursor& next = *present_[looked_up_ - 1];
    if (next.end - next.begin > kWorthAdding * asked) break;
    postings += next.end - next.begin;
    --looked_up_;
  }
  for (size_t i = looked_up_; i < present_.size(); ++i) AddUp(*present_[i]);
  float* sums = scratch_.sums.data();
  const float rest = looked_up_ == 0 ? 0 : below_[looked_up_ - 1];
  const uint32_t first = range << Bm25Index::kBlockShift;
  if (postings >= kDense) {
    constexpr uint32_t kGroup = 16;
    for (uint32_t i = 0; i < kRange; i += kGroup) {
      float most = 0;
      for (uint32_t j = 0; j < kGroup; ++j) most = std::max(most, sums[i + j]);
      if (most <= 0 || most + rest < threshold_) continue;
      for (uint32_t j = i; j < i + kGroup; ++j) {
        if (sums[j] > 0 && sums[j] + rest >= threshold_) {
          LookAt(first + j, sums[j]);
        }
      }
    }
    std::fill_n(sums, kRange, 0.0f);
    return;
  }
  for (size_t i = looked_up_; i < present_.size(); ++i) {
    const Cursor& cursor = *present_[i];
    for (uint32_t j = cursor.begin; j < cursor.end; ++j) {
      const uint32_t document = cursor.documents[j];
      const float own = sums[document & kMask];
      if (own <= 0) continue;
      sums[document & kMask] = 0;
      if (own + rest >= threshold_) LookAt(document, own);
    }
  }
}

std::vector<Bm25Hit> Bm25Search::Run() {
  if (top_ == 0 || cursors_.empty()) return {};
  for (size_t r = 2; r-- > 0;) {
    if (top_ > Bm25Index::kRanks[r]) break;
    for (const Cursor& cursor : cursors_) {
      threshold_ = std::max(
          threshold_,
          cursor.weight * index_.ranked_[cursor.term * 2 + r] * (1 - kSlack));
    }
  }
  heap_.reserve(std::min<size_t>(top_, 1024));
  while (true) {
    uint32_t range = UINT32_MAX;
    for (const Cursor& cursor : cursors_) {
      range = std::min(range, NextRange(cursor));
    }
    if (range == UINT32_MAX) break;
    SearchRange(range);
  }
  std::sort_heap(heap_.begin(), heap_.end(), Better);
  return std::move(heap_);
}

std::vector<Bm25Hit> Bm25Index::Search(std::string_view query, size_t top,
                                       Bm25Scratch& scratch) const {
  Bm25Search search(*this, top, scratch);
  analyzer_->ForTerms(query, scratch.buffer, [&](std::string_view term) {
    if (const auto found = FindTerm(term)) search.AddTerm(*found);
  });
  return search.Run();
}

}  // namespace malmoi::represent
