#include "ops/activations.h"

#include <algorithm>

#include "base/check.h"

namespace malmoi::ops {

Activations NewActivations(Arena& arena, int64_t rows, int64_t columns,
                           ActivationForms forms) {
  Activations out;
  out.rows = rows;
  out.columns = columns;
  const size_t count = static_cast<size_t>(rows * columns);
  if (forms.f32) out.values = arena.New<float>(count);
  if (forms.int8) {
    MALMOI_CHECK(columns % 32 == 0);
    out.int8.columns = columns;
    out.int8.codes = arena.New<int8_t>(count);
    out.int8.scales = arena.New<float>(count / 32);
    out.int8.sums32 = arena.New<float>(count / 32);
    out.int8.sums16 = arena.New<float>(count / 16);
  }
  return out;
}

void PutRow(const Activations& out, int64_t row, const float* values) {
  if (out.values != nullptr) {
    float* to = out.values + row * out.columns;
    if (to != values) std::copy(values, values + out.columns, to);
  }
  if (out.int8.codes != nullptr) {
    kernels::Kernels().quantize_row(values, out.int8, row);
  }
}

void PutPart(const Activations& out, int64_t row, int64_t first, int64_t count,
             const float* values) {
  if (out.values != nullptr) {
    std::copy(values, values + count, out.values + row * out.columns + first);
  }
  if (out.int8.codes == nullptr) return;
  // The same row, seen from its first column of interest.
  const int64_t block = (row * out.columns + first) / 32;
  kernels::Int8Rows part;
  part.columns = count;
  part.codes = out.int8.codes + row * out.columns + first;
  part.scales = out.int8.scales + block;
  part.sums32 = out.int8.sums32 + block;
  part.sums16 = out.int8.sums16 + block * 2;
  kernels::Kernels().quantize_row(values, part, 0);
}

}  // namespace malmoi::ops
