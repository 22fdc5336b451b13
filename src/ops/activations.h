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
  bool int8 = false;
  bool f32 = false;
  // Adds what `weights` reads.
  void Add(const PackedMatrix& weights) {
    (weights.format.integer() ? int8 : f32) = true;
  }
};

struct Activations {
  int64_t rows = 0;
  int64_t columns = 0;
  float* values = nullptr;  // [rows][columns], null where no one reads it
  kernels::Int8Rows int8;   // codes null where no one reads it
};

// Room for [rows, columns] in the forms asked for. Int8 needs columns % 32
// == 0, which every block type's columns are.
Activations NewActivations(Arena& arena, int64_t rows, int64_t columns,
                           ActivationForms forms);

// Stores one finished row in the forms that `out` has.
void PutRow(const Activations& out, int64_t row, const float* values);

// Stores columns [first, first + count) of a row. With int8, `first` is a
// multiple of 32 and so is `count`.
void PutPart(const Activations& out, int64_t row, int64_t first, int64_t count,
             const float* values);

}  // namespace malmoi::ops

#endif  // MALMOI_OPS_ACTIVATIONS_H_
