#include "kernels/quantize.h"

#include <cstring>

#include "base/check.h"
#include "kernels/quantize_search.h"
#include "kernels/unpack.h"

namespace malmoi::kernels {

namespace {

// The codebook of IQ4.
constexpr float kIq4Values[16] = {-127, -104, -83, -65, -49, -35, -22, -10,
                                  1,    13,   25,  38,  53,  69,  89,  113};

void PutHalf(uint8_t* at, float value) {
  const uint16_t half = FloatToHalf(value);
  std::memcpy(at, &half, 2);
}

// What the reader of a block will multiply with.
float AsHalf(float value) { return HalfToFloat(FloatToHalf(value)); }

// 0 where the reciprocal is no number: the block is as good as zero.
float Inverse(float value) {
  const float inverse = value != 0 ? 1.0f / value : 0.0f;
  return std::isfinite(inverse) ? inverse : 0.0f;
}

// The first `count` codes are low nibbles, the next are high ones.
void PutNibbles(const uint8_t* codes, int count, uint8_t* out) {
  for (int i = 0; i < count; ++i) {
    out[i] = static_cast<uint8_t>((codes[i] & 15) | (codes[i + count] << 4));
  }
}

void PutFifthBits(const uint8_t* codes, uint8_t* out) {
  uint32_t bits = 0;
  for (int i = 0; i < 32; ++i) {
    bits |= static_cast<uint32_t>((codes[i] >> 4) & 1) << i;
  }
  std::memcpy(out, &bits, 4);
}

// Q4_0 and Q5_0: the element of largest magnitude gets the lowest code, and
// halves are rounded by truncating, as ggml's reference does.
void Symmetric(const float* x, int half_range, uint8_t* block, uint8_t* codes) {
  const float scale = Extreme<32>(x) / static_cast<float>(-half_range);
  const float inverse = Inverse(scale);
  const float shift = static_cast<float>(half_range) + 0.5f;
  for (int i = 0; i < 32; ++i) {
    const int code = static_cast<int>(x[i] * inverse + shift);
    codes[i] = static_cast<uint8_t>(std::clamp(code, 0, 2 * half_range - 1));
  }
  PutHalf(block, scale);
}
void Q4_0(const float* x, const float*, uint8_t* out) {
  uint8_t codes[32];
  Symmetric(x, 8, out, codes);
  PutNibbles(codes, 16, out + 2);
}
void Q5_0(const float* x, const float*, uint8_t* out) {
  uint8_t codes[32];
  Symmetric(x, 16, out, codes);
  PutFifthBits(codes, out + 2);
  PutNibbles(codes, 16, out + 6);
}

// Q4_1 and Q5_1: from the least to the largest element.
void WithMin(const float* x, int max_code, uint8_t* block, uint8_t* codes) {
  const float min = *std::min_element(x, x + 32);
  const float max = *std::max_element(x, x + 32);
  const float scale = (max - min) / static_cast<float>(max_code);
  const float inverse = Inverse(scale);
  for (int i = 0; i < 32; ++i) {
    const int code = static_cast<int>((x[i] - min) * inverse + 0.5f);
    codes[i] = static_cast<uint8_t>(std::clamp(code, 0, max_code));
  }
  PutHalf(block, scale);
  PutHalf(block + 2, min);
}
void Q4_1(const float* x, const float*, uint8_t* out) {
  uint8_t codes[32];
  WithMin(x, 15, out, codes);
  PutNibbles(codes, 16, out + 4);
}
void Q5_1(const float* x, const float*, uint8_t* out) {
  uint8_t codes[32];
  WithMin(x, 31, out, codes);
  PutFifthBits(codes, out + 4);
  PutNibbles(codes, 16, out + 8);
}

void Q8_0(const float* x, const float*, uint8_t* out) {
  const float scale = std::fabs(Extreme<32>(x)) / 127.0f;
  const float inverse = Inverse(scale);
  PutHalf(out, scale);
  for (int i = 0; i < 32; ++i) {
    out[2 + i] =
        static_cast<uint8_t>(static_cast<int8_t>(std::round(x[i] * inverse)));
  }
}

float MeanSquare(const float* x, int count) {
  float sum = 0;
  for (int i = 0; i < count; ++i) sum += x[i] * x[i];
  return sum / static_cast<float>(count);
}

// Weights of the errors of a group. Known importance is spread over the size
// of the element itself, `spread` being the block's mean square twice.
void Important(const float* x, int count, const float* importance, float spread,
               float* w) {
  for (int i = 0; i < count; ++i) {
    w[i] = importance[i] * std::sqrt(spread + x[i] * x[i]);
  }
}

// What Q4_K and Q5_K share: 8 groups of 32 with scale and min in six bits.
// Writes d, dmin and the packed scales (16 bytes), and the codes.
void ScalesOfK(const float* x, const float* importance, const Grid& grid,
               uint8_t* out, uint8_t* codes) {
  const float spread = 2 * MeanSquare(x, 256);
  ScaleMin fit[8];
  float max_scale = 0, max_min = 0;
  for (int j = 0; j < 8; ++j) {
    const float* group = x + 32 * j;
    float w[32];
    if (importance != nullptr) {
      Important(group, 32, importance + 32 * j, spread, w);
    } else {
      const float mean = std::sqrt(MeanSquare(group, 32));
      for (int i = 0; i < 32; ++i) w[i] = mean + std::fabs(group[i]);
    }
    fit[j] = FitScaleMin<32>(group, w, grid);
    max_scale = std::max(max_scale, fit[j].scale);
    max_min = std::max(max_min, fit[j].min);
  }
  const float d = AsHalf(max_scale / 63), dmin = AsHalf(max_min / 63);
  PutHalf(out, d);
  PutHalf(out + 2, dmin);
  const float to_scale = Inverse(max_scale) * 63;
  const float to_min = Inverse(max_min) * 63;
  uint8_t* packed = out + 4;
  std::memset(packed, 0, 12);
  for (int j = 0; j < 8; ++j) {
    const int scale = std::min(
        63,
        static_cast<int>(std::lrintf(std::max(0.0f, to_scale * fit[j].scale))));
    const int min = std::min(
        63, static_cast<int>(std::lrintf(std::max(0.0f, to_min * fit[j].min))));
    if (j < 4) {
      packed[j] |= static_cast<uint8_t>(scale);
      packed[j + 4] |= static_cast<uint8_t>(min);
    } else {
      packed[j + 4] = static_cast<uint8_t>((scale & 15) | ((min & 15) << 4));
      packed[j - 4] |= static_cast<uint8_t>((scale >> 4) << 6);
      packed[j] |= static_cast<uint8_t>((min >> 4) << 6);
    }
    const float inverse = Inverse(d * static_cast<float>(scale));
    const float shift = dmin * static_cast<float>(min);
    for (int i = 32 * j; i < 32 * j + 32; ++i) {
      // Clamped before it is rounded: an inverse may be large.
      const float code =
          std::clamp((x[i] + shift) * inverse, 0.0f, grid.max_code);
      codes[i] = static_cast<uint8_t>(RoundEven(code));
    }
  }
}

void Q4_K(const float* x, const float* importance, uint8_t* out) {
  uint8_t codes[256];
  ScalesOfK(x, importance, {15, -1.0f, 0.1f, 21}, out, codes);
  for (int c = 0; c < 4; ++c) PutNibbles(codes + c * 64, 32, out + 16 + c * 32);
}
void Q5_K(const float* x, const float* importance, uint8_t* out) {
  uint8_t codes[256];
  ScalesOfK(x, importance, {31, -0.5f, 0.1f, 16}, out, codes);
  std::memset(out + 16, 0, 32);
  for (int c = 0; c < 4; ++c) {
    PutNibbles(codes + c * 64, 32, out + 48 + c * 32);
    for (int i = 0; i < 64; ++i) {
      out[16 + i % 32] |=
          static_cast<uint8_t>((codes[c * 64 + i] >> 4) << (2 * c + i / 32));
    }
  }
}

// Codes of 128 elements into 64 bytes of low and 32 of high bits.
void PutSixBits(const uint8_t* codes, uint8_t* low, uint8_t* high) {
  for (int i = 0; i < 32; ++i) {
    const int a = codes[i], b = codes[i + 32], c = codes[i + 64],
              d = codes[i + 96];
    low[i] = static_cast<uint8_t>((a & 15) | ((c & 15) << 4));
    low[i + 32] = static_cast<uint8_t>((b & 15) | ((d & 15) << 4));
    high[i] = static_cast<uint8_t>((a >> 4) | ((b >> 4) << 2) |
                                   ((c >> 4) << 4) | ((d >> 4) << 6));
  }
}

void Q6_K(const float* x, const float* importance, uint8_t* out) {
  const float spread = 2 * MeanSquare(x, 256);
  float scales[16];
  for (int g = 0; g < 16; ++g) {
    const float* group = x + 16 * g;
    float w[16];
    if (importance != nullptr) {
      Important(group, 16, importance + 16 * g, spread, w);
    } else {
      for (int i = 0; i < 16; ++i) w[i] = group[i] * group[i];
    }
    const float extreme = Extreme<16>(group);
    scales[g] = FitScale<16>(
        group, w, 19,
        [](float v) { return std::max(-32.0f, std::min(31.0f, RoundEven(v))); },
        [&](int s) {
          return -(32 + 0.1f * static_cast<float>(s - 9)) / extreme;
        });
  }
  const float largest = Extreme<16>(scales);
  const float d = AsHalf(largest / -128);
  PutHalf(out + 208, d);
  const float to_scale = Inverse(largest) * -128;
  uint8_t codes[256];
  for (int g = 0; g < 16; ++g) {
    const int scale =
        std::min(127, static_cast<int>(std::lrintf(to_scale * scales[g])));
    out[192 + g] = static_cast<uint8_t>(static_cast<int8_t>(scale));
    const float inverse = Inverse(d * static_cast<float>(scale));
    for (int i = 16 * g; i < 16 * g + 16; ++i) {
      const float code = std::clamp(x[i] * inverse, -32.0f, 31.0f);
      codes[i] = static_cast<uint8_t>(RoundEven(code) + 32);
    }
  }
  PutSixBits(codes, out, out + 128);
  PutSixBits(codes + 128, out + 64, out + 160);
}

// The index of the nearest value of the codebook.
int NearestIq4(float value) {
  int index = 0;
  for (int k = 0; k < 15; ++k) {
    index += value > (kIq4Values[k] + kIq4Values[k + 1]) * 0.5f ? 1 : 0;
  }
  return index;
}

void IQ4_NL(const float* x, const float* importance, uint8_t* out) {
  float w[32];
  if (importance != nullptr) {
    Important(x, 32, importance, 2 * MeanSquare(x, 32), w);
  } else {
    for (int i = 0; i < 32; ++i) w[i] = x[i] * x[i];
  }
  const float extreme = Extreme<32>(x);
  // The extreme may take the book's lowest value or, with the other sign, its
  // highest region: 15 sizes of each.
  const float scale = FitScale<32>(
      x, w, 30, [](float v) { return kIq4Values[NearestIq4(v)]; },
      [&](int s) {
        const float size = static_cast<float>(s % 15 - 7);
        return (s < 15 ? size - 127.0f : 113.0f + size) / extreme;
      });
  PutHalf(out, scale);
  const float inverse = Inverse(AsHalf(scale));
  uint8_t codes[32];
  for (int i = 0; i < 32; ++i) {
    codes[i] = static_cast<uint8_t>(NearestIq4(x[i] * inverse));
  }
  PutNibbles(codes, 16, out + 2);
}

using Packer = void (*)(const float* x, const float* importance, uint8_t* out);
Packer PackerFor(DType dtype) {
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
    case DType::kQ4_K:
      return Q4_K;
    case DType::kQ5_K:
      return Q5_K;
    case DType::kQ6_K:
      return Q6_K;
    case DType::kIQ4_NL:
      return IQ4_NL;
    default:
      return nullptr;
  }
}

}  // namespace

bool CanQuantize(DType dtype) {
  return dtype == DType::kF32 || dtype == DType::kF16 ||
         dtype == DType::kBF16 || PackerFor(dtype) != nullptr;
}

void QuantizeRow(DType dtype, const float* row, int64_t columns, std::byte* out,
                 const float* importance) {
  if (dtype == DType::kF32) {
    std::memcpy(out, row, static_cast<size_t>(columns) * 4);
    return;
  }
  if (dtype == DType::kF16 || dtype == DType::kBF16) {
    for (int64_t k = 0; k < columns; ++k) {
      const uint16_t bits =
          dtype == DType::kF16 ? FloatToHalf(row[k]) : FloatToBF16(row[k]);
      std::memcpy(out + k * 2, &bits, 2);
    }
    return;
  }
  const Packer pack = PackerFor(dtype);
  MALMOI_CHECK(pack != nullptr);
  const DTypeInfo& info = Info(dtype);
  MALMOI_CHECK(columns % info.block_elements == 0);
  for (int64_t k = 0; k < columns; k += info.block_elements) {
    pack(row + k, importance == nullptr ? nullptr : importance + k,
         reinterpret_cast<uint8_t*>(out));
    out += info.block_bytes;
  }
}

}  // namespace malmoi::kernels
