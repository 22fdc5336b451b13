// Activations as matrix products read them: quantized by the operation that
// produces them, for consumers with integer weights; f32 for the others.
#ifndef MALMOI_OPS_ACTIVATIONS_H_
#define MALMOI_OPS_ACTIVATIONS_H_

#include <cstdint>

#include "kernels/kernels.h"
#include "ops/packed_matrix.h"
#include "tensor/arena.h"

namespace malmoi::ops {

// Which forms the consumers of an activation read.
struct ActivationForms {
  bool int8 = false;        // a scale per 32 columns
  bool int8_wide = false;   // a scale per 64
  bool int8_super = false;  // a scale per 256
  bool bf16 = false;
  bool f32 = false;
  // Adds what `weights` reads.
  void Add(const PackedMatrix& weights) {
    (weights.bf16_rows                               ? bf16
     : !weights.format.integer()                     ? f32
     : weights.format.block() == 256                 ? int8_super
     : weights.format.block() == kernels::kWideGroup ? int8_wide
                                                     : int8) = true;
    if (weights.low_rank != nullptr) f32 = true;
  }
};

struct Activations {
  int64_t rows = 0;
  int64_t columns = 0;
  float* values = nullptr;   // [rows][columns], null where no one reads it
  uint16_t* bf16 = nullptr;  // [rows][PaddedBF16(columns)], or null
  kernels::Int8Rows int8;    // codes null where no one reads it
  kernels::Int8Rows int8_wide;
  kernels::Int8Rows int8_super;

  const kernels::Int8Rows& For(const PackedMatrix& weights) const {
    const int64_t block = weights.format.block();
    return block == 256                   ? int8_super
           : block == kernels::kWideGroup ? int8_wide
                                          : int8;
  }
  // Columns that must be stored together.
  int64_t unit() const {
    return int8_super.codes != nullptr  ? 256
           : int8_wide.codes != nullptr ? kernels::kWideGroup
           : int8.codes != nullptr      ? 32
                                        : 1;
  }
};

// Room for [rows, columns] in the forms asked for. Int8 needs columns % 32
// == 0, or % 64 or % 256, which every block type's columns are.
Activations NewActivations(Arena& arena, int64_t rows, int64_t columns,
                           ActivationForms forms);

// Stores one finished row in the forms that `out` has.
void PutRow(const Activations& out, int64_t row, const float* values);

// Stores columns [first, first + count) of rows [row, row + rows), which are
// `stride` apart; columns are multiples of out.unit(). Rows from a multiple of
// four on are fastest.
void PutParts(const Activations& out, int64_t row, int64_t rows, int64_t first,
              int64_t count, const float* values, int64_t stride);

}  // namespace malmoi::ops

#endif  // MALMOI_OPS_ACTIVATIONS_H_
