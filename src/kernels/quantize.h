// Rows of floats into GGUF's block types, the inverse of kernels/unpack.h.
// The types of 32 round as ggml's reference does, bit for bit; Q4_K, Q5_K,
// Q6_K and IQ4_NL, and with importance all but Q8_0, search for the scales of
// least weighted square error, as llama.cpp's do.
#ifndef MALMOI_KERNELS_QUANTIZE_H_
#define MALMOI_KERNELS_QUANTIZE_H_

#include <cstddef>
#include <cstdint>

#include "tensor/dtype.h"

namespace malmoi::kernels {

// Whether QuantizeRow writes this type: F32, F16, BF16, Q4_0, Q4_1, Q5_0,
// Q5_1, Q8_0, Q4_K, Q5_K, Q6_K, IQ4_NL.
bool CanQuantize(DType dtype);

// Whether QuantizeRow heeds `importance` for this type: all block types but
// Q8_0.
bool UsesImportance(DType dtype);

// `columns` is a multiple of the type's block. `importance` [columns], 0 or
// more, or null, are the mean squares of the inputs that the columns meet:
// Σ importance·error² is what the errors do to a product. In each block it is
// never larger than without importance; equal numbers say nothing and change
// nothing. Weights of the search: I. Kawrakow's in llama.cpp,
// importance·√(mean square + x²).
// Values must be finite, and within f16's range but for F32 and BF16.
void QuantizeRow(DType dtype, const float* row, int64_t columns, std::byte* out,
                 const float* importance = nullptr);

}  // namespace malmoi::kernels

#endif  // MALMOI_KERNELS_QUANTIZE_H_
