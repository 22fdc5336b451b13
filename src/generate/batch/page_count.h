// How much memory several sequences take together: forks share pages, so that
// the sum of the sequences' bytes would be too much.
#ifndef MALMOI_GENERATE_BATCH_PAGE_COUNT_H_
#define MALMOI_GENERATE_BATCH_PAGE_COUNT_H_

#include <cstddef>
#include <cstdint>
#include <unordered_map>

#include "models/kv_cache.h"

namespace malmoi::generate {

class PageCount {
 public:
  void Add(const models::Sequence& sequence) {
    for (int64_t p = 0; p < Pages(sequence); ++p) {
      ++holders_[sequence.keys(0, p)];
    }
    page_bytes_ = sequence.shape().page_bytes();
    state_bytes_ += sequence.shape().state_bytes();
  }
  size_t bytes() const { return holders_.size() * page_bytes_ + state_bytes_; }

  // Of a sequence that was added: the pages that no other one has.
  int64_t Own(const models::Sequence& sequence) const {
    int64_t own = 0;
    for (int64_t p = 0; p < Pages(sequence); ++p) {
      own += holders_.at(sequence.keys(0, p)) == 1;
    }
    return own;
  }
  // Whether its last page is neither full nor its own: the next token is
  // written to a copy.
  bool WillCopy(const models::Sequence& sequence) const {
    const int64_t pages = Pages(sequence);
    return pages > 0 && sequence.length() % models::kPagePositions != 0 &&
           holders_.at(sequence.keys(0, pages - 1)) > 1;
  }

 private:
  static int64_t Pages(const models::Sequence& sequence) {
    return sequence.shape().pages(sequence.length());
  }

  std::unordered_map<const void*, int> holders_;
  size_t page_bytes_ = 0;  // all sequences have the same shape
  size_t state_bytes_ = 0;
};

}  // namespace malmoi::generate

#endif  // MALMOI_GENERATE_BATCH_PAGE_COUNT_H_
