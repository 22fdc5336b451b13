// Block formats taken apart: every GGUF block type as unsigned codes with
// scales and mins of groups of 16 or 32, exactly; and dequantizing to f32,
// bit-equal to the format's reference. Layouts: ggml's block structures.
#ifndef MALMOI_KERNELS_UNPACK_H_
#define MALMOI_KERNELS_UNPACK_H_

#include <bit>
#include <cstddef>
#include <cstdint>

#include "tensor/dtype.h"

namespace malmoi::kernels {

// A block of 32 or 256 elements: value = d·scale·(code - zero), or
// d·scale·code - dmin·min where ZeroPoint() is -1. The types of 32 elements
// have one group, whose scale is 1 and whose min is 1 with dmin = -min.
struct CodeBlock {
  uint8_t codes[256];
  int8_t scales[16];  // of each group
  int8_t mins[16];
  float d, dmin;
};
void UnpackBlock(DType dtype, const std::byte* block, CodeBlock& out);

// Elements that share a scale: 16 for Q2_K, Q3_K and Q6_K, else 32.
int GroupSize(DType dtype);
// z where every min is -z·scale; -1 for types with mins of their own.
int ZeroPoint(DType dtype);

// Any float or block type to f32.
void DequantizeRow(DType dtype, const std::byte* row, int64_t columns,
                   float* out);

// Half the power of two of an E8M0 scale, exactly; 255 is not a number.
inline float Mxfp4Scale(uint8_t scale) {
  if (scale == 255) return std::bit_cast<float>(0x7fc00000u);
  return std::bit_cast<float>(scale < 2 ? 0x200000u << scale
                                        : (scale - 1u) << 23);
}
// Whether it is a number of 16 bits, so that a panel keeps it.
inline bool Mxfp4ScaleFitsHalf(uint8_t scale) {
  return scale >= 128 - 24 && scale <= 128 + 15;
}

inline float HalfToFloat(uint16_t half) {
  const uint32_t sign = static_cast<uint32_t>(half & 0x8000) << 16;
  const uint32_t exponent = (half >> 10) & 31;
  const uint32_t mantissa = half & 0x3ff;
  if (exponent == 31) {
    return std::bit_cast<float>(sign | 0x7f800000 | (mantissa << 13));
  }
  if (exponent == 0) {  // zero or subnormal: exact in f32
    const float value = static_cast<float>(mantissa) * 0x1.0p-24f;
    return sign ? -value : value;
  }
  return std::bit_cast<float>(sign | ((exponent + 112) << 23) |
                              (mantissa << 13));
}

// Rounds to nearest, ties to even.
inline uint16_t FloatToHalf(float value) {
  const uint32_t bits = std::bit_cast<uint32_t>(value);
  const uint16_t sign = static_cast<uint16_t>((bits >> 16) & 0x8000);
  const uint32_t magnitude = bits & 0x7fffffff;
  if (magnitude >= 0x7f800000) {
    return sign | (magnitude > 0x7f800000 ? 0x7e00 : 0x7c00);
  }
  if (magnitude >= 0x477ff000) return sign | 0x7c00;  // rounds to infinity
  if (magnitude < 0x38800000) {                       // subnormal or zero
    const float rounded = std::bit_cast<float>(magnitude) + 0.5f;
    return sign |
           static_cast<uint16_t>(std::bit_cast<uint32_t>(rounded) - 0x3f000000);
  }
  const uint32_t odd = (magnitude >> 13) & 1;
  return sign |
         static_cast<uint16_t>((magnitude - 0x38000000 + 0xfff + odd) >> 13);
}

inline float BF16ToFloat(uint16_t value) {
  return std::bit_cast<float>(static_cast<uint32_t>(value) << 16);
}
inline uint16_t FloatToBF16(float value) {
  const uint32_t bits = std::bit_cast<uint32_t>(value);
  if ((bits & 0x7fffffff) > 0x7f800000) {
    return static_cast<uint16_t>((bits >> 16) | 0x40);
  }
  return static_cast<uint16_t>((bits + 0x7fff + ((bits >> 16) & 1)) >> 16);
}

}  // namespace malmoi::kernels

#endif  // MALMOI_KERNELS_UNPACK_H_
