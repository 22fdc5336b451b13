#include "kernels/unpack.h"

#include <algorithm>
#include <cstring>

#include "base/check.h"

namespace malmoi::kernels {

namespace {

constexpr uint8_t kIq4Codes[16] = {  // the IQ4 codebook plus 127
    0, 23, 44, 62, 78, 92, 105, 117, 128, 140, 152, 165, 180, 196, 216, 240};

float Half(const uint8_t* at) {
  uint16_t half;
  std::memcpy(&half, at, 2);
  return HalfToFloat(half);
}

using Out = CodeBlock&;

// Low nibbles are the first 16 codes, high nibbles the next.
void Nibbles(const uint8_t* bytes, int count, uint8_t* codes) {
  for (int i = 0; i < count; ++i) {
    codes[i] = bytes[i] & 15;
    codes[i + count] = bytes[i] >> 4;
  }
}

void OneGroup(float scale, float min, Out o) {
  o.d = scale;
  o.dmin = -min;
  o.scales[0] = o.mins[0] = 1;
}

void Q4_0(const uint8_t* b, Out o) {
  OneGroup(Half(b), 0, o);
  Nibbles(b + 2, 16, o.codes);
}
void Q4_1(const uint8_t* b, Out o) {
  OneGroup(Half(b), Half(b + 2), o);
  Nibbles(b + 4, 16, o.codes);
}
void FifthBits(const uint8_t* high, uint8_t* codes) {
  uint32_t bits;
  std::memcpy(&bits, high, 4);
  for (int i = 0; i < 32; ++i) codes[i] |= ((bits >> i) & 1) << 4;
}
void Q5_0(const uint8_t* b, Out o) {
  OneGroup(Half(b), 0, o);
  Nibbles(b + 6, 16, o.codes);
  FifthBits(b + 2, o.codes);
}
void Q5_1(const uint8_t* b, Out o) {
  OneGroup(Half(b), Half(b + 2), o);
  Nibbles(b + 8, 16, o.codes);
  FifthBits(b + 4, o.codes);
}
void Q8_0(const uint8_t* b, Out o) {
  OneGroup(Half(b), 0, o);
  for (int i = 0; i < 32; ++i) o.codes[i] = b[2 + i] ^ 0x80;
}

void Q2_K(const uint8_t* b, Out o) {
  o.d = Half(b + 80);
  o.dmin = Half(b + 82);
  for (int g = 0; g < 16; ++g) {
    o.scales[g] = static_cast<int8_t>(b[g] & 15);
    o.mins[g] = static_cast<int8_t>(b[g] >> 4);
    const uint8_t* q = b + 16 + g / 8 * 32 + g % 2 * 16;
    const int shift = g % 8 / 2 * 2;
    for (int i = 0; i < 16; ++i) o.codes[g * 16 + i] = (q[i] >> shift) & 3;
  }
}

void Q3_K(const uint8_t* b, Out o) {
  const uint8_t* packed = b + 96;
  o.d = Half(b + 108);
  for (int g = 0; g < 16; ++g) {
    const int low = g < 8 ? packed[g] & 15 : packed[g - 8] >> 4;
    const int high = (packed[8 + g % 4] >> (g / 4 * 2)) & 3;
    o.scales[g] = static_cast<int8_t>((low | (high << 4)) - 32);
    const uint8_t* q = b + 32 + g / 8 * 32 + g % 2 * 16;
    const uint8_t* mask = b + g % 2 * 16;
    const int shift = g % 8 / 2 * 2;
    const int bit = g / 2;
    for (int i = 0; i < 16; ++i) {
      o.codes[g * 16 + i] = static_cast<uint8_t>(((q[i] >> shift) & 3) |
                                                 (((mask[i] >> bit) & 1) << 2));
    }
  }
}

// Scale and min of group j of Q4_K and Q5_K, six bits each.
void SixBits(const uint8_t* q, int j, int& scale, int& min) {
  if (j < 4) {
    scale = q[j] & 63;
    min = q[j + 4] & 63;
  } else {
    scale = (q[j + 4] & 15) | ((q[j - 4] >> 6) << 4);
    min = (q[j + 4] >> 4) | ((q[j] >> 6) << 4);
  }
}
void ScalesOfK(const uint8_t* b, Out o) {
  o.d = Half(b);
  o.dmin = Half(b + 2);
  for (int j = 0; j < 8; ++j) {
    int scale, min;
    SixBits(b + 4, j, scale, min);
    o.scales[j] = static_cast<int8_t>(scale);
    o.mins[j] = static_cast<int8_t>(min);
  }
}
void Q4_K(const uint8_t* b, Out o) {
  ScalesOfK(b, o);
  for (int c = 0; c < 4; ++c) Nibbles(b + 16 + c * 32, 32, o.codes + c * 64);
}
void Q5_K(const uint8_t* b, Out o) {
  ScalesOfK(b, o);
  for (int c = 0; c < 4; ++c) {
    uint8_t* codes = o.codes + c * 64;
    Nibbles(b + 48 + c * 32, 32, codes);
    for (int i = 0; i < 64; ++i) {
      codes[i] |= ((b[16 + i % 32] >> (2 * c + i / 32)) & 1) << 4;
    }
  }
}

void Q6_K(const uint8_t* b, Out o) {
  o.d = Half(b + 208);
  std::memcpy(o.scales, b + 192, 16);
  for (int n = 0; n < 2; ++n) {
    const uint8_t* low = b + n * 64;
    const uint8_t* high = b + 128 + n * 32;
    uint8_t* codes = o.codes + n * 128;
    for (int i = 0; i < 32; ++i) {
      codes[i] = (low[i] & 15) | ((high[i] & 3) << 4);
      codes[i + 32] = (low[i + 32] & 15) | (((high[i] >> 2) & 3) << 4);
      codes[i + 64] = (low[i] >> 4) | (((high[i] >> 4) & 3) << 4);
      codes[i + 96] = (low[i + 32] >> 4) | ((high[i] >> 6) << 4);
    }
  }
}

void IQ4_NL(const uint8_t* b, Out o) {
  OneGroup(Half(b), 0, o);
  Nibbles(b + 2, 16, o.codes);
  for (int i = 0; i < 32; ++i) o.codes[i] = kIq4Codes[o.codes[i]];
}
void IQ4_XS(const uint8_t* b, Out o) {
  o.d = Half(b);
  uint16_t high;
  std::memcpy(&high, b + 2, 2);
  for (int g = 0; g < 8; ++g) {
    const int low = (b[4 + g / 2] >> (g % 2 * 4)) & 15;
    const int scale = (low | (((high >> (2 * g)) & 3) << 4)) - 32;
    o.scales[g] = static_cast<int8_t>(scale);
    uint8_t* codes = o.codes + g * 32;
    Nibbles(b + 8 + g * 16, 16, codes);
    for (int i = 0; i < 32; ++i) codes[i] = kIq4Codes[codes[i]];
  }
}

// Open Compute Project, Microscaling Formats 1.0: 4-bit floats (E2M1), twice
// which are integers, and half a power of two (E8M0). Codes are 16 more, so
// that five bits hold them.
constexpr uint8_t kMxfp4Codes[16] = {16, 17, 18, 19, 20, 22, 24, 28,
                                     16, 15, 14, 13, 12, 10, 8,  4};
void MXFP4(const uint8_t* b, Out o) {
  OneGroup(Mxfp4Scale(b[0]), 0, o);
  Nibbles(b + 1, 16, o.codes);
  for (int i = 0; i < 32; ++i) o.codes[i] = kMxfp4Codes[o.codes[i]];
}

using Unpacker = void (*)(const uint8_t*, Out);
Unpacker UnpackerFor(DType dtype) {
  switch (dtype) {
    case DType::kQ4_0:
      return Q4_0;
    case DType::kQ4_1:
      return Q4_1;
    case DType::kQ5_0:
      return Q5_0;
    case DType::kQ5_1:
      return Q5_1;
    case DType::kQ8_0:
      return Q8_0;
    case DType::kQ2_K:
      return Q2_K;
    case DType::kQ3_K:
      return Q3_K;
    case DType::kQ4_K:
      return Q4_K;
    case DType::kQ5_K:
      return Q5_K;
    case DType::kQ6_K:
      return Q6_K;
    case DType::kIQ4_NL:
      return IQ4_NL;
    case DType::kIQ4_XS:
      return IQ4_XS;
    case DType::kMXFP4:
      return MXFP4;
    default:
      break;
  }
  MALMOI_CHECK(!"not a block type");
  return nullptr;
}

}  // namespace

int GroupSize(DType dtype) {
  return dtype == DType::kQ2_K || dtype == DType::kQ3_K || dtype == DType::kQ6_K
             ? 16
             : 32;
}

int ZeroPoint(DType dtype) {
  switch (dtype) {
    case DType::kQ4_0:
      return 8;
    case DType::kQ5_0:
    case DType::kMXFP4:
      return 16;
    case DType::kQ8_0:
      return 128;
    case DType::kQ3_K:
      return 4;
    case DType::kQ6_K:
      return 32;
    case DType::kIQ4_NL:
    case DType::kIQ4_XS:
      return 127;
    default:
      return -1;
  }
}

void UnpackBlock(DType dtype, const std::byte* block, CodeBlock& out) {
  UnpackerFor(dtype)(reinterpret_cast<const uint8_t*>(block), out);
}

void DequantizeRow(DType dtype, const std::byte* row, int64_t columns,
                   float* out) {
  if (dtype == DType::kF32) {
    std::memcpy(out, row, static_cast<size_t>(columns) * 4);
    return;
  }
  if (dtype == DType::kF16 || dtype == DType::kBF16) {
    for (int64_t k = 0; k < columns; ++k) {
      uint16_t bits;
      std::memcpy(&bits, row + k * 2, 2);
      out[k] = dtype == DType::kF16 ? HalfToFloat(bits) : BF16ToFloat(bits);
    }
    return;
  }
  const Unpacker unpack = UnpackerFor(dtype);
  const DTypeInfo& info = Info(dtype);
  const int group = GroupSize(dtype);
  const int zero = ZeroPoint(dtype);
  CodeBlock block;
  for (int64_t k = 0; k < columns; k += info.block_elements) {
    unpack(reinterpret_cast<const uint8_t*>(row), block);
    row += info.block_bytes;
    for (int i = 0; i < info.block_elements; ++i) {
      const float scale = block.d * static_cast<float>(block.scales[i / group]);
      // scale·code is exact in f32 where a min follows, so both forms round
      // once, as the reference does.
      out[k + i] =
          zero >= 0
              ? scale * static_cast<float>(block.codes[i] - zero)
              : scale * static_cast<float>(block.codes[i]) -
                    block.dmin * static_cast<float>(block.mins[i / group]);
    }
  }
}

}  // namespace malmoi::kernels
