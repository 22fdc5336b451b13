#include "models/loader.h"

#include <algorithm>

#include "base/error.h"
#include "base/format.h"

namespace malmoi::models {

std::string TensorFinder::Name(Role role, int64_t layer) const {
  return checkpoint_.gguf ? GgufName(architecture_, role, layer)
                          : HfName(architecture_, role, layer);
}

const Tensor* TensorFinder::FindOptional(Role role, int64_t layer,
                                         const Shape& shape) {
  const std::string name = Name(role, layer);
  const auto& tensors = checkpoint_.tensors();
  const auto it = tensors.find(name);
  if (it == tensors.end()) return nullptr;
  claimed_.push_back(name);
  if (it->second.shape != shape) {
    problems_.push_back(Format("{} has shape {}, expected {}", name,
                               ShapeString(it->second.shape),
                               ShapeString(shape)));
    return nullptr;
  }
  switch (it->second.dtype) {
    case DType::kI8:
    case DType::kI16:
    case DType::kI32:
    case DType::kI64:
    case DType::kF64:
    case DType::kU8:
    case DType::kBool:
      problems_.push_back(Format("{} has type {}, expected a weight type", name,
                                 Info(it->second.dtype).name));
      return nullptr;
    default:
      return &it->second;
  }
}

const Tensor* TensorFinder::Find(Role role, int64_t layer, const Shape& shape) {
  const size_t before = problems_.size();
  const Tensor* tensor = FindOptional(role, layer, shape);
  if (tensor == nullptr && problems_.size() == before) {
    problems_.push_back(Format("{} is missing", Name(role, layer)));
  }
  return tensor;
}

void TensorFinder::Finish() {
  std::sort(claimed_.begin(), claimed_.end());
  for (const auto& [name, tensor] : checkpoint_.tensors()) {
    if (std::binary_search(claimed_.begin(), claimed_.end(), name)) continue;
    const bool ignored = std::any_of(
        architecture_.ignored.begin(), architecture_.ignored.end(),
        [&](std::string_view prefix) { return name.starts_with(prefix); });
    if (!ignored) problems_.push_back(name + " is not used");
  }
  if (problems_.empty()) return;
  constexpr size_t kShown = 20;
  std::string all;
  for (size_t i = 0; i < std::min(kShown, problems_.size()); ++i) {
    all += (i > 0 ? "; " : "") + problems_[i];
  }
  if (problems_.size() > kShown) {
    all += Format("; and {} more", problems_.size() - kShown);
  }
  throw Error(ErrorCode::kCorrupt,
              {.where = checkpoint_.path.string(),
               .what = "tensors do not fit the architecture",
               .expected = Format("those of {}", architecture_.name),
               .got = all});
}

}  // namespace malmoi::models
