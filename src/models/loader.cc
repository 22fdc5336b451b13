#include "models/loader.h"

#include <algorithm>

#include "base/error.h"
#include "base/format.h"
#include "models/fp8.h"

namespace malmoi::models {

namespace {
constexpr std::string_view kBlocks = "_blocks";
}

int64_t Parameters(std::string_view name, const Tensor& tensor) {
  if (tensor.dtype != DType::kU8) return tensor.elements();
  return name.ends_with(kBlocks) ? 2 * tensor.elements() : 0;
}

const Tensor* TensorFinder::FindOptional(Role role, int64_t layer,
                                         const Shape& shape) {
  return FindOptional(Name(role, layer), shape);
}

const Tensor* TensorFinder::FindOptional(const std::string& name,
                                         const Shape& shape) {
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
    case DType::kU32:
    case DType::kBool:
      problems_.push_back(Format("{} has type {}, expected a weight type", name,
                                 Info(it->second.dtype).name));
      return nullptr;
    case DType::kF8E4M3: {
      std::string problem;
      made_.push_back(DequantizeFp8(checkpoint_, name, it->second, problem));
      claimed_.push_back(Fp8ScaleName(checkpoint_, name));
      if (problem.empty()) return &made_.back();
      problems_.push_back(problem);
      return nullptr;
    }
    default:
      return &it->second;
  }
}

const Tensor* TensorFinder::Find(Role role, int64_t layer, const Shape& shape) {
  return Find(Name(role, layer), shape);
}

const Tensor* TensorFinder::FindBias(Role role, int64_t layer,
                                     const Shape& shape) {
  std::string name = Name(role, layer);
  constexpr std::string_view kWeight = ".weight";
  if (name.ends_with(kWeight)) {
    name.replace(name.size() - kWeight.size(), kWeight.size(), ".bias");
  } else {
    if (name.ends_with(kBlocks)) name.resize(name.size() - kBlocks.size());
    name += "_bias";
  }
  return Find(name, shape);
}

BlocksAndScales TensorFinder::FindBlocks(Role role, int64_t layer,
                                         int64_t experts, int64_t rows,
                                         int64_t columns) {
  const std::string name = Name(role, layer);
  const std::string stem(name, 0, name.size() - kBlocks.size());
  const int64_t blocks = columns / 32;
  const auto find = [&](const std::string& each, const Shape& shape) {
    const auto it = checkpoint_.tensors().find(each);
    const Tensor* found =
        it != checkpoint_.tensors().end() ? &it->second : nullptr;
    claimed_.push_back(each);
    if (found != nullptr && found->dtype == DType::kU8 &&
        found->shape == shape && columns % 32 == 0) {
      return found;
    }
    problems_.push_back(Format("{} is {}, expected U8 {}", each,
                               found == nullptr
                                   ? "missing"
                                   : Format("{} {}", Info(found->dtype).name,
                                            ShapeString(found->shape)),
                               ShapeString(shape)));
    found = nullptr;
    return found;
  };
  return {find(name, {experts, rows, blocks, 16}),
          find(stem + "_scales", {experts, rows, blocks})};
}

const Tensor* TensorFinder::FindOfHead(Role role, int64_t layer, int64_t head,
                                       const Shape& shape) {
  return Find(FillName(Name(role, layer), head), shape);
}

const Tensor* TensorFinder::Find(const std::string& name, const Shape& shape) {
  const size_t before = problems_.size();
  const Tensor* tensor = FindOptional(name, shape);
  if (tensor == nullptr && problems_.size() == before) {
    problems_.push_back(Format("{} is missing", name));
  }
  return tensor;
}

void TensorFinder::Finish() {
  std::sort(claimed_.begin(), claimed_.end());
  for (const auto& [name, tensor] : checkpoint_.tensors()) {
    if (std::binary_search(claimed_.begin(), claimed_.end(), name)) continue;
    if (!architecture_.Ignores(name))
      problems_.push_back(name + " is not used");
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
