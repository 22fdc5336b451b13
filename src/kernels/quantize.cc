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

// What a block's errors are weighed by: the importance of its columns, null
// where none is known, and the mean square of the whole row.
struct Weighing {
  const float* importance;
  float row_square;
};

float MeanSquare(const float* x, int64_t count) {
  float sum = 0;
  for (int64_t i = 0; i < count; ++i) sum += x[i] * x[i];
  return sum / static_cast<float>(count);
}

// Weights of the errors of a group. Known importance is spread over the size
// of the element itself.
void Important(const float* x, int count, const float* importance, float spread,
               float* w) {
  for (int i = 0; i < count; ++i) {
    w[i] = importance[i] * std::sqrt(spread + x[i] * x[i]);
  }
}

// Sizes of codes that are tried for a group's extreme element: about `range`.
constexpr int kSizes = 19;
float SizeAt(int step, int range) {
  return static_cast<float>(range) + 0.1f * static_cast<float>(step - 9);
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
void SymmetricSearched(const float* x, const Weighing& weighing, int half_range,
                       uint8_t* block, uint8_t* codes) {
  float w[32];
  Important(x, 32, weighing.importance, weighing.row_square, w);
  const float low = static_cast<float>(-half_range), high = -low - 1;
  const float extreme = Extreme<32>(x);
  const float scale = FitScale<32>(
      x, w, kSizes,
      [=](float v) { return std::max(low, std::min(high, RoundEven(v))); },
      [=](int s) { return -SizeAt(s, half_range) / extreme; });
  PutHalf(block, scale);
  const float inverse = Inverse(AsHalf(scale));
  for (int i = 0; i < 32; ++i) {
    const float code = std::clamp(x[i] * inverse, low, high);
    codes[i] = static_cast<uint8_t>(RoundEven(code) - low);
  }
}
void EitherSymmetric(const float* x, const Weighing& weighing, int half_range,
                     uint8_t* block, uint8_t* codes) {
  if (weighing.importance == nullptr) {
    Symmetric(x, half_range, block, codes);
  } else {
    SymmetricSearched(x, weighing, half_range, block, codes);
  }
}
void Q4_0(const float* x, const Weighing& weighing, uint8_t* out) {
  uint8_t codes[32];
  EitherSymmetric(x, weighing, 8, out, codes);
  PutNibbles(codes, 16, out + 2);
}
void Q5_0(const float* x, const Weighing& weighing, uint8_t* out) {
  uint8_t codes[32];
  EitherSymmetric(x, weighing, 16, out, codes);
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
void WithMinSearched(const float* x, const Weighing& weighing, int max_code,
                     uint8_t* block, uint8_t* codes) {
  float w[32];
  Important(x, 32, weighing.importance, weighing.row_square, w);
  const Grid grid = {static_cast<float>(max_code), -0.9f, 0.05f, 37, true, 4};
  const ScaleMin fit = FitScaleMin<32>(x, w, grid);
  PutHalf(block, fit.scale);
  PutHalf(block + 2, -fit.min);
  const float inverse = Inverse(AsHalf(fit.scale)), min = AsHalf(-fit.min);
  for (int i = 0; i < 32; ++i) {
    const float code = std::clamp((x[i] - min) * inverse, 0.0f, grid.max_code);
    codes[i] = static_cast<uint8_t>(RoundEven(code));
  }
}
void EitherWithMin(const float* x, const Weighing& weighing, int max_code,
                   uint8_t* block, uint8_t* codes) {
  if (weighing.importance == nullptr) {
    WithMin(x, max_code, block, codes);
  } else {
    WithMinSearched(x, weighing, max_code, block, codes);
  }
}
void Q4_1(const float* x, const Weighing& weighing, uint8_t* out) {
  uint8_t codes[32];
  EitherWithMin(x, weighing, 15, out, codes);
  PutNibbles(codes, 16, out + 4);
}
void Q5_1(const float* x, const Weighing& weighing, uint8_t* out) {
  uint8_t codes[32];
  EitherWithMin(x, weighing, 31, out, codes);
  PutFifthBits(codes, out + 4);
  PutNibbles(codes, 16, out + 8);
}

void Q8_0(const float* x, const Weighing&, uint8_t* out) {
  const float scale = std::fabs(Extreme<32>(x)) / 127.0f;
  const float inverse = Inverse(scale);
  PutHalf(out, scale);
  for (int i = 0; i < 32; ++i) {
    out[2 + i] =
        static_cast<uint8_t>(static_cast<int8_t>(std::round(x[i] * inverse)));
  }
}

// Eight scales (or mins) in six bits: what a code is worth, of least error.
float UnitOfSix(const float* scales, const float* w) {
  const float largest = *std::max_element(scales, scales + 8);
  return FitScale<8>(
      scales, w, 9,
      [](float v) { return std::max(0.0f, std::min(63.0f, RoundEven(v))); },
      [&](int s) { return SizeAt(s + 5, 63) / largest; });
}

// How Q4_K and Q5_K search: with importance on a finer grid.
struct GridsOfK {
  Grid plain, important;
};

// What Q4_K and Q5_K share: 8 groups of 32 with scale and min in six bits.
// Writes d, dmin and the packed scales (16 bytes), and the codes.
void ScalesOfK(const float* x, const float* importance, const GridsOfK& grids,
               uint8_t* out, uint8_t* codes) {
  const float spread = 2 * MeanSquare(x, 256);
  float scales[8], mins[8], weights[8];
  for (int j = 0; j < 8; ++j) {
    const float* group = x + 32 * j;
    float w[32];
    if (importance != nullptr) {
      Important(group, 32, importance + 32 * j, spread, w);
    } else {
      const float mean = std::sqrt(MeanSquare(group, 32));
      for (int i = 0; i < 32; ++i) w[i] = mean + std::fabs(group[i]);
    }
    const ScaleMin fit = FitScaleMin<32>(
        group, w, importance != nullptr ? grids.important : grids.plain);
    scales[j] = std::max(0.0f, fit.scale);
    mins[j] = std::max(0.0f, fit.min);
    weights[j] = SumOf<32>([&](int i) { return w[i]; });
  }
  const float max_scale = *std::max_element(scales, scales + 8);
  const float max_min = *std::max_element(mins, mins + 8);
  float d = max_scale / 63, dmin = max_min / 63;
  float to_scale = Inverse(max_scale) * 63, to_min = Inverse(max_min) * 63;
  if (importance != nullptr) {
    d = UnitOfSix(scales, weights);
    dmin = UnitOfSix(mins, weights);
    to_scale = Inverse(AsHalf(d));
    to_min = Inverse(AsHalf(dmin));
  }
  PutHalf(out, d);
  PutHalf(out + 2, dmin);
  d = AsHalf(d);
  dmin = AsHalf(dmin);
  uint8_t* packed = out + 4;
  std::memset(packed, 0, 12);
  for (int j = 0; j < 8; ++j) {
    // Clamped before they are rounded: an inverse may be large.
    const int scale =
        static_cast<int>(RoundEven(std::min(63.0f, to_scale * scales[j])));
    const int min =
        static_cast<int>(RoundEven(std::min(63.0f, to_min * mins[j])));
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
      const float code =
          std::clamp((x[i] + shift) * inverse, 0.0f, grids.plain.max_code);
      codes[i] = static_cast<uint8_t>(RoundEven(code));
    }
  }
}

void Q4_K(const float* x, const Weighing& weighing, uint8_t* out) {
  constexpr GridsOfK kGrids = {{15, -1.0f, 0.1f, 21},
                               {15, -0.9f, 0.05f, 37, false, 4}};
  uint8_t codes[256];
  ScalesOfK(x, weighing.importance, kGrids, out, codes);
  for (int c = 0; c < 4; ++c) PutNibbles(codes + c * 64, 32, out + 16 + c * 32);
}
void Q5_K(const float* x, const Weighing& weighing, uint8_t* out) {
  constexpr GridsOfK kGrids = {{31, -0.5f, 0.1f, 16},
                               {31, -0.9f, 0.05f, 37, false, 4}};
  uint8_t codes[256];
  ScalesOfK(x, weighing.importance, kGrids, out, codes);
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

void Q6_K(const float* x, const Weighing& weighing, uint8_t* out) {
  float scales[16];
  for (int g = 0; g < 16; ++g) {
    const float* group = x + 16 * g;
    float w[16];
    for (int i = 0; i < 16; ++i) {
      w[i] = weighing.importance != nullptr ? weighing.importance[16 * g + i]
                                            : group[i] * group[i];
    }
    const float extreme = Extreme<16>(group);
    scales[g] = FitScale<16>(
        group, w, kSizes,
        [](float v) { return std::max(-32.0f, std::min(31.0f, RoundEven(v))); },
        [&](int s) { return -SizeAt(s, 32) / extreme; });
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

void IQ4_NL(const float* x, const Weighing& weighing, uint8_t* out) {
  float w[32];
  if (weighing.importance != nullptr) {
    Important(x, 32, weighing.importance, 2 * MeanSquare(x, 32), w);
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

using Packer = void (*)(const float* x, const Weighing& weighing, uint8_t* out);
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

// Σ importance·(what a block holds - x)².
float WeightedError(DType dtype, const uint8_t* block, const float* x,
                    const float* importance) {
  const int count = Info(dtype).block_elements;
  float values[256];
  DequantizeRow(dtype, reinterpret_cast<const std::byte*>(block), count,
                values);
  float sum = 0;
  for (int i = 0; i < count; ++i) {
    const float error = values[i] - x[i];
    sum += importance[i] * error * error;
  }
  return sum;
}

// The better one of a block with importance and one without.
void PackBetter(DType dtype, Packer pack, const float* x,
                const Weighing& weighing, uint8_t* out) {
  uint8_t plain[256];
  const size_t bytes = static_cast<size_t>(Info(dtype).block_bytes);
  pack(x, weighing, out);
  pack(x, {nullptr, 0}, plain);
  if (!(WeightedError(dtype, out, x, weighing.importance) <
        WeightedError(dtype, plain, x, weighing.importance))) {
    std::memcpy(out, plain, bytes);
  }
}

bool AllEqual(const float* values, int64_t count) {
  return std::all_of(values, values + count,
                     [&](float value) { return value == values[0]; });
}

}  // namespace

bool CanQuantize(DType dtype) {
  return dtype == DType::kF32 || dtype == DType::kF16 ||
         dtype == DType::kBF16 || PackerFor(dtype) != nullptr;
}

bool UsesImportance(DType dtype) {
  return dtype != DType::kQ8_0 && PackerFor(dtype) != nullptr;
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
  if (importance != nullptr &&
      (!UsesImportance(dtype) || AllEqual(importance, columns))) {
    importance = nullptr;
  }
  const float row_square =
      importance != nullptr ? MeanSquare(row, columns) : 0.0f;
  for (int64_t k = 0; k < columns; k += info.block_elements) {
    uint8_t* block = reinterpret_cast<uint8_t*>(out);
    if (importance == nullptr) {
      pack(row + k, {nullptr, 0}, block);
    } else {
      PackBetter(dtype, pack, row + k, {importance + k, row_square}, block);
    }
    out += info.block_bytes;
  }
}

}  // namespace malmoi::kernels
