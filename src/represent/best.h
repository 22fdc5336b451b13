// The best of all that pass by: a heap of as many as are wanted, whose front is
// the worst of them.
#ifndef MALMOI_REPRESENT_BEST_H_
#define MALMOI_REPRESENT_BEST_H_

#include <algorithm>
#include <cstddef>
#include <utility>
#include <vector>

namespace malmoi::represent {

// `Better`: a strict order of items, the better first.
template <typename Item, typename Better>
class Best {
 public:
  explicit Best(size_t most) : most_(most) {}

  bool Wants(const Item& item) const {
    return heap_.size() < most_ || (most_ > 0 && Better()(item, heap_.front()));
  }
  void Offer(Item item) {
    if (!Wants(item)) return;
    if (heap_.size() == most_) {
      std::pop_heap(heap_.begin(), heap_.end(), Better());
      heap_.pop_back();
    }
    heap_.push_back(std::move(item));
    std::push_heap(heap_.begin(), heap_.end(), Better());
  }

  const std::vector<Item>& items() const { return heap_; }  // in no order
  std::vector<Item> Sorted() const {                        // best first
    std::vector<Item> sorted = heap_;
    std::sort(sorted.begin(), sorted.end(), Better());
    return sorted;
  }

 private:
  size_t most_;
  std::vector<Item> heap_;
};

}  // namespace malmoi::represent

#endif  // MALMOI_REPRESENT_BEST_H_
