// The keys and values of a sequence, in pages of 64 positions that forks
// share until one of them writes.
#ifndef MALMOI_MODELS_KV_CACHE_H_
#define MALMOI_MODELS_KV_CACHE_H_

#include <cstdint>
#include <memory>
#include <span>
#include <string_view>
#include <vector>

#include "kernels/attention.h"
#include "tensor/arena.h"

namespace malmoi::models {

inline constexpr int64_t kPagePositions = kernels::kAttentionPage;

using kernels::KvType;
std::string_view KvTypeName(KvType type);  // "f32", "f16", "q8"
// By name. Throws kInvalidArgument with all names.
KvType FindKvType(std::string_view name);

// A page holds, for each layer, the keys of all kv heads and then the values
// (kernels/attention.h).
struct KvShape {
  int64_t layers = 0;
  int64_t kv_heads = 0;
  int64_t head_dim = 0;  // padded for the type
  KvType type = KvType::kF16;

  size_t half_page() const {  // bytes of one layer's keys in a page
    return static_cast<size_t>(kv_heads) * kernels::KvPageBytes(type, head_dim);
  }
  size_t page_bytes() const {
    return static_cast<size_t>(layers) * 2 * half_page();
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
  std::byte* keys(int64_t layer, int64_t page) const {
    return pages_[static_cast<size_t>(page)].get()->get() +
           static_cast<size_t>(layer) * 2 * shape_.half_page();
  }
  std::byte* values(int64_t layer, int64_t page) const {
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
