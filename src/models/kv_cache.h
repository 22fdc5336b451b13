// The keys and values of a sequence, in pages of 64 positions that forks
// share until one of them writes.
#ifndef MALMOI_MODELS_KV_CACHE_H_
#define MALMOI_MODELS_KV_CACHE_H_

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "tensor/arena.h"

namespace malmoi::models {

inline constexpr int64_t kPagePositions = 64;

// f16, for one layer and page: keys [kv_heads][head_dim][64], so that a
// vector lane is a position, then values [kv_heads][64][head_dim], so that a
// lane is a component. Neither needs a horizontal sum.
struct KvShape {
  int64_t layers = 0;
  int64_t kv_heads = 0;
  int64_t head_dim = 0;
  size_t half_page() const {  // elements of one layer's keys in a page
    return static_cast<size_t>(kv_heads * head_dim * kPagePositions);
  }
  size_t page_bytes() const {
    return static_cast<size_t>(layers) * 2 * half_page() * sizeof(uint16_t);
  }
};

class Sequence {
 public:
  Sequence(KvShape shape, int64_t max_tokens)
      : shape_(shape), max_tokens_(max_tokens) {}

  int64_t length() const { return length_; }
  int64_t max_tokens() const { return max_tokens_; }
  const KvShape& shape() const { return shape_; }
  size_t bytes() const { return pages_.size() * shape_.page_bytes(); }

  // Forgets positions from `length` on.
  void Truncate(int64_t length);
  // A second sequence with the same past; pages are shared, copied on write.
  std::unique_ptr<Sequence> Fork() const;

  // Makes room for positions up to `length`, which must be <= max_tokens;
  // pages about to be written are made this sequence's own. For the forward.
  void Reserve(int64_t length);
  void SetLength(int64_t length) { length_ = length; }

  // The page of positions [64p, 64p+64) of one layer.
  uint16_t* keys(int64_t layer, int64_t page) const {
    return reinterpret_cast<uint16_t*>(
               pages_[static_cast<size_t>(page)].get()->get()) +
           static_cast<size_t>(layer) * 2 * shape_.half_page();
  }
  uint16_t* values(int64_t layer, int64_t page) const {
    return keys(layer, page) + shape_.half_page();
  }

 private:
  KvShape shape_;
  int64_t max_tokens_;
  int64_t length_ = 0;
  std::vector<std::shared_ptr<AlignedBytes>> pages_;
};

}  // namespace malmoi::models

#endif  // MALMOI_MODELS_KV_CACHE_H_
