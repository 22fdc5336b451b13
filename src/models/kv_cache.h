// What a sequence remembers: keys and values, in pages of 64 positions that
// forks share until one of them writes, and the state of its layers with a
// state space, which has a fixed size and knows no positions.
#ifndef MALMOI_MODELS_KV_CACHE_H_
#define MALMOI_MODELS_KV_CACHE_H_

#include <cstdint>
#include <memory>
#include <span>
#include <string_view>
#include <vector>

#include "kernels/attention.h"
#include "models/spec.h"
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
  int64_t layers = 0;  // that attend; 0: there are no pages
  int64_t kv_heads = 0;
  int64_t head_dim = 0;  // padded for the type
  KvType type = KvType::kF16;
  // Layers with a state, and f32 values of each.
  int64_t state_layers = 0;
  int64_t state_size = 0;
  // All layers share the pages of one: for texts that are read in one forward.
  bool one_layer = false;

  size_t half_page() const {  // bytes of one layer's keys in a page
    return static_cast<size_t>(kv_heads) * kernels::KvPageBytes(type, head_dim);
  }
  size_t page_bytes() const {
    return static_cast<size_t>(layers) * 2 * half_page();
  }
  int64_t pages(int64_t length) const {
    return layers > 0 ? (length + kPagePositions - 1) / kPagePositions : 0;
  }
  size_t state_bytes() const {
    return static_cast<size_t>(state_layers * state_size) * sizeof(float);
  }
  size_t bytes(int64_t length) const {
    return static_cast<size_t>(pages(length)) * page_bytes() + state_bytes();
  }
  // Whether a sequence can forget its last tokens only: keys and values can be
  // dropped, a state cannot be rewound.
  bool rewinds() const { return state_bytes() == 0; }
};

KvShape ShapeOf(const Spec& spec, KvType type);

class Sequence {
 public:
  Sequence(KvShape shape, int64_t max_tokens)
      : shape_(shape),
        max_tokens_(max_tokens),
        state_(shape.state_bytes() / sizeof(float)) {}

  int64_t length() const { return length_; }
  int64_t max_tokens() const { return max_tokens_; }
  const KvShape& shape() const { return shape_; }
  int64_t pages() const { return static_cast<int64_t>(pages_.size()); }
  size_t bytes() const {
    return pages_.size() * shape_.page_bytes() + shape_.state_bytes();
  }

  // Whether positions from `length` on can be forgotten. With a state that is
  // all of them or none, and all where a forward has failed halfway.
  bool CanTruncate(int64_t length) const {
    return shape_.rewinds() || length == 0 || (length == length_ && !open_);
  }
  // Forgets positions from `length` on; CanTruncate(length) must hold.
  void Truncate(int64_t length);
  // A second sequence with the same past; pages are shared, copied on write, a
  // state is copied.
  std::unique_ptr<Sequence> Fork() const;

  // Makes room for positions up to `length`, which must be <= max_tokens;
  // pages about to be written are made this sequence's own. For the forward.
  void Reserve(int64_t length);
  // From here on a state changes, until SetLength() says what it is of.
  void OpenState() { open_ = true; }
  // Throws kInvalidArgument where a forward has failed halfway, so that the
  // state is of no length.
  void RequireWhole() const;
  void SetLength(int64_t length) {
    length_ = length;
    open_ = false;
  }

  // [state_layers][state_size]; the rows before the first are zeros.
  std::span<float> state() { return state_; }
  std::span<const float> state() const { return state_; }
  float* state(int64_t layer) {
    return state_.data() + layer * shape_.state_size;
  }

  // The page of positions [64p, 64p+64) of one layer, counted among those that
  // attend.
  std::byte* keys(int64_t layer, int64_t page) const {
    return pages_[static_cast<size_t>(page)].get()->get() +
           static_cast<size_t>(shape_.one_layer ? 0 : layer) * 2 *
               shape_.half_page();
  }
  std::byte* values(int64_t layer, int64_t page) const {
    return keys(layer, page) + shape_.half_page();
  }

 private:
  KvShape shape_;
  int64_t max_tokens_;
  int64_t length_ = 0;
  bool open_ = false;
  std::vector<std::shared_ptr<AlignedBytes>> pages_;
  std::vector<float> state_;
};

}  // namespace malmoi::models

#endif  // MALMOI_MODELS_KV_CACHE_H_
