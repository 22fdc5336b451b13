// A tensor: dtype, shape and bytes. Weights are views into mapped files; the
// owner keeps the mapping (or buffer) alive. Row-major, contiguous.
#ifndef MALMOI_TENSOR_TENSOR_H_
#define MALMOI_TENSOR_TENSOR_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "tensor/dtype.h"

namespace malmoi {

// Dimensions, outermost first: a weight matrix is [out_features, in_features].
using Shape = std::vector<int64_t>;

// "[576, 1536]".
std::string ShapeString(const Shape& shape);

struct Tensor {
  DType dtype = DType::kF32;
  Shape shape;
  std::span<const std::byte> data;    // row-major, blocks along the last axis
  std::shared_ptr<const void> owner;  // keeps `data` alive
  bool mapped = false;  // `data` lies in a mapped file, see base/file.h

  int64_t elements() const {
    int64_t count = 1;
    for (int64_t dim : shape) count *= dim;
    return count;
  }
  int64_t rows() const {  // all axes but the last, flattened
    return shape.empty() ? 1 : elements() / (shape.back() ? shape.back() : 1);
  }
  int64_t columns() const { return shape.empty() ? 1 : shape.back(); }
  size_t row_bytes() const {
    return rows() ? data.size() / static_cast<size_t>(rows()) : 0;
  }
};

}  // namespace malmoi

#endif  // MALMOI_TENSOR_TENSOR_H_
