#include "models/kv_cache.h"

#include <algorithm>
#include <cstring>
#include <string>

#include "base/check.h"
#include "base/error.h"

namespace malmoi::models {

namespace {
constexpr std::string_view kTypeNames[] = {"f32", "f16", "q8"};
}

std::string_view KvTypeName(KvType type) {
  return kTypeNames[static_cast<size_t>(type)];
}

KvType FindKvType(std::string_view name) {
  for (const KvType type : {KvType::kF32, KvType::kF16, KvType::kQ8}) {
    if (KvTypeName(type) == name) return type;
  }
  throw Error(ErrorCode::kInvalidArgument,
              {.where = "--kv",
               .what = "unknown type of keys and values",
               .expected = "f16, q8 or f32",
               .got = std::string(name)});
}

KvShape ShapeOf(const Spec& spec, KvType type) {
  const AttentionSpec& attention = spec.attention;
  const int64_t layers = spec.AttentionLayers();
  return {layers,
          attention.kv_heads,
          kernels::PaddedHeadDim(type, attention.head_dim),
          type,
          spec.StateLayers(),
          spec.state_space.state_size()};
}

void Sequence::Truncate(int64_t length) {
  MALMOI_CHECK(length >= 0 && length <= length_ && CanTruncate(length));
  length_ = length;
  pages_.resize(static_cast<size_t>(shape_.pages(length)));
  if (length > 0) return;
  std::fill(state_.begin(), state_.end(), 0.0f);
  open_ = false;
}

void Sequence::RequireWhole() const {
  if (shape_.rewinds() || !open_) return;
  throw Error(ErrorCode::kInvalidArgument,
              {.where = "sequence",
               .what = "a forward has failed halfway and spoilt the state",
               .hint = "beginning anew"});
}

std::unique_ptr<Sequence> Sequence::Fork() const {
  return std::make_unique<Sequence>(*this);
}

void Sequence::Reserve(int64_t length) {
  MALMOI_CHECK(length <= max_tokens_);
  if (shape_.layers == 0) return;
  const size_t bytes = shape_.page_bytes();
  const size_t last_shared = static_cast<size_t>(length_ / kPagePositions);
  if (length_ % kPagePositions != 0 && length > length_ &&
      pages_[last_shared].use_count() > 1) {
    auto copy = std::make_shared<AlignedBytes>(AllocateAligned(bytes));
    std::memcpy(copy->get(), pages_[last_shared]->get(), bytes);
    pages_[last_shared] = std::move(copy);
  }
  const size_t wanted = static_cast<size_t>(shape_.pages(length));
  while (pages_.size() < wanted) {
    pages_.push_back(std::make_shared<AlignedBytes>(AllocateAligned(bytes)));
  }
}

}  // namespace malmoi::models
