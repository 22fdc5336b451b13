#include "ops/activations.h"

#include <algorithm>

#include "base/check.h"

namespace malmoi::ops {

namespace {

kernels::Int8Rows NewInt8Rows(Arena& arena, int64_t rows, int64_t columns,
                              int64_t block) {
  MALMOI_CHECK(columns % block == 0);
  const size_t count = static_cast<size_t>(rows * columns);
  kernels::Int8Rows out;
  out.rows = rows;
  out.columns = columns;
  out.block = block;
  out.codes = arena.New<int8_t>(count);
  out.scales = arena.New<float>(count / static_cast<size_t>(block));
  if (block == 32) {
    out.sums = arena.New<float>(count / 32);
  } else if (block == 256) {
    out.pairs16 = arena.New<int16_t>(count / 16);
    out.pairs32 = arena.New<int16_t>(count / 32);
  }
  return out;
}

}  // namespace

Activations NewActivations(Arena& arena, int64_t rows, int64_t columns,
                           ActivationForms forms) {
  Activations out;
  out.rows = rows;
  out.columns = columns;
  if (forms.f32) {
    out.values = arena.New<float>(static_cast<size_t>(rows * columns));
  }
  if (forms.bf16) {
    const size_t count =
        static_cast<size_t>(rows * kernels::PaddedBF16(columns));
    out.bf16 = arena.New<uint16_t>(count);
    if (columns % 2 != 0) std::fill_n(out.bf16, count, uint16_t{0});
  }
  if (forms.int8) out.int8 = NewInt8Rows(arena, rows, columns, 32);
  if (forms.int8_wide)
    out.int8_wide = NewInt8Rows(arena, rows, columns, kernels::kWideGroup);
  if (forms.int8_super) {
    out.int8_super = NewInt8Rows(arena, rows, columns, 256);
  }
  return out;
}

void PutRow(const Activations& out, int64_t row, const float* values) {
  PutParts(out, row, 1, 0, out.columns, values, out.columns);
}

void PutParts(const Activations& out, int64_t row, int64_t rows, int64_t first,
              int64_t count, const float* values, int64_t stride) {
  const kernels::KernelTable& table = kernels::Kernels();
  for (int64_t r = 0; r < rows; ++r) {
    const float* from = values + r * stride;
    if (out.values != nullptr) {
      float* to = out.values + (row + r) * out.columns + first;
      if (to != from) std::copy(from, from + count, to);
    }
    if (out.bf16 != nullptr) {
      table.round_bf16(
          from, count,
          out.bf16 + (row + r) * kernels::PaddedBF16(out.columns) + first);
    }
  }
  for (const kernels::Int8Rows* codes :
       {&out.int8, &out.int8_wide, &out.int8_super}) {
    if (codes->codes == nullptr) continue;
    table.quantize(values, stride, rows, *codes, row, first, count);
  }
}

}  // namespace malmoi::ops
