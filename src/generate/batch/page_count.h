// How many pages several sequences take together: forks share theirs, so
// that the sum of the sequences' bytes would be too much.
#ifndef MALMOI_GENERATE_BATCH_PAGE_COUNT_H_
#define MALMOI_GENERATE_BATCH_PAGE_COUNT_H_

#include <cstdint>
#include <unordered_map>

#include "models/kv_cache.h"

namespace malmoi::generate {

inline int64_t PagesFor(int64_t tokens) {
  return (tokens + models::kPagePositions - 1) / models::kPagePositions;
}

class PageCount {
 public:
  void Add(const models::Sequence& sequence) {
    for (int64_t p = 0; p < PagesFor(sequence.length()); ++p) {
      ++holders_[sequence.keys(0, p)];
    }
  }
  int64_t pages() const { return static_cast<int64_t>(holders_.size()); }

  // Of a sequence that was added: the pages that no other one has.
  int64_t Own(const models::Sequence& sequence) const {
    int64_t own = 0;
    for (int64_t p = 0; p < PagesFor(sequence.length()); ++p) {
      own += holders_.at(sequence.keys(0, p)) == 1;
    }
    return own;
  }
  // Whether its last page is neither full nor its own: the next token is
  // written to a copy.
  bool WillCopy(const models::Sequence& sequence) const {
    return sequence.length() % models::kPagePositions != 0 &&
           holders_.at(sequence.keys(0, PagesFor(sequence.length()) - 1)) > 1;
  }

 private:
  std::unordered_map<const void*, int> holders_;
};

}  // namespace malmoi::generate

#endif  // MALMOI_GENERATE_BATCH_PAGE_COUNT_H_
