// Row-wise kernels: quantizing activations, RMSNorm, the gated activation.
#if defined(MALMOI_KERNELS_ROWS_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef MALMOI_KERNELS_ROWS_INL_H_
#undef MALMOI_KERNELS_ROWS_INL_H_
#else
#define MALMOI_KERNELS_ROWS_INL_H_
#endif

#include <cmath>

#include "hwy/contrib/math/math-inl.h"
#include "kernels/dot-inl.h"
#include "kernels/kernels.h"

HWY_BEFORE_NAMESPACE();
namespace malmoi::kernels {
namespace MALMOI_TARGET {

HWY_INLINE float LanesInOrder(VF v) {
  constexpr size_t kLanes = kF32Lanes;
  HWY_ALIGN float lanes[kLanes];
  hn::Store(v, DF(), lanes);
  float sum = lanes[0];
  for (size_t i = 1; i < kLanes; ++i) sum += lanes[i];
  return sum;
}

// Codes of 32 columns of a row; the sums of their halves, or that of both.
struct HalfSums {
  int low, high;
};
HWY_INLINE HalfSums QuantizeBlock(const float* HWY_RESTRICT values, VF inverse,
                                  int8_t* HWY_RESTRICT codes, int64_t word_step,
                                  bool halves, bool moves) {
  const DI di;
  constexpr int kLanes = kF32Lanes;
  const hn::Rebind<int8_t, DI> d8;
  VI sums[2] = {hn::Zero(di), hn::Zero(di)};
  alignas(32) int8_t block[32];
  HWY_UNROLL(8)
  for (int v = 0; v < 32 / kLanes; ++v) {
    const VI code =
        hn::NearestInt(hn::Mul(hn::LoadU(DF(), values + v * kLanes), inverse));
    VI& sum = sums[v * kLanes / 16];
    sum = hn::Add(sum, code);
    hn::StoreU(hn::DemoteTo(d8, code), d8, block + v * kLanes);
  }
  for (int w = 0; w < 8; ++w) {
    uint32_t word;
    std::memcpy(&word, block + w * 4, 4);
    if (moves) word ^= 0x80808080u;
    std::memcpy(codes + w * word_step, &word, 4);
  }
  if (!halves) {
    return {0, hn::GetLane(hn::SumOfLanes(di, hn::Add(sums[0], sums[1])))};
  }
  return {hn::GetLane(hn::SumOfLanes(di, sums[0])),
          hn::GetLane(hn::SumOfLanes(di, sums[1]))};
}

HWY_INLINE float LargestOf(const float* values, int64_t count) {
  const DF df;
  VF largest = hn::Zero(df);
  for (int64_t k = 0; k < count; k += kF32Lanes) {
    largest = hn::Max(largest, hn::Abs(hn::LoadU(df, values + k)));
  }
  return hn::GetLane(hn::MaxOfLanes(df, largest));
}

void QuantizeRow(const float* HWY_RESTRICT values, const Int8Rows& out,
                 int64_t index, int64_t first, int64_t count) {
  const DF df;
  const auto code_at = out.Find(index, out.columns, 4);
  const auto scale_at = out.Find(index, out.columns / out.block, 1);
  const auto pair16_at = out.Find(index, out.columns / 16, 2);
  const auto pair32_at = out.Find(index, out.columns / 32, 2);
  for (int64_t column = 0; column < count; column += out.block) {
    const float maximum = LargestOf(values + column, out.block);
    const float scale = maximum / 127.0f;
    const VF inverse = hn::Set(df, maximum > 0 ? 127.0f / maximum : 0.0f);
    const int64_t block = (first + column) / out.block;
    out.scales[scale_at.first + block * scale_at.step] = scale;
    for (int64_t k = 0; k < out.block; k += 32) {
      const int64_t at = first + column + k;
      const HalfSums sums = QuantizeBlock(
          values + column + k, inverse,
          out.codes + code_at.first + at / 4 * code_at.step, code_at.step,
          out.block == 256, kMovesBytes && out.block == kWideBytes.block());
      if (out.block == kWideBytes.block()) continue;
      const int both = sums.low + sums.high;
      if (out.block == 32) {
        out.sums[scale_at.first + block * scale_at.step] =
            scale * static_cast<float>(both);
        continue;
      }
      int16_t* pair = out.pairs16 + pair16_at.first + at / 32 * pair16_at.step;
      pair[0] = static_cast<int16_t>(sums.low);
      pair[1] = static_cast<int16_t>(sums.high);
      out.pairs32[pair32_at.first + at / 64 * pair32_at.step + at / 32 % 2] =
          static_cast<int16_t>(both);
    }
  }
}

// Of every 16 bytes of a and of b, the elements in half as many bits: those of
// a, then those of b.
HWY_INLINE VI16 BlocksToPairs(VI a, VI b) {
  return hn::ReorderDemote2To(DI16(), a, b);
}
HWY_INLINE VI8 BlocksToBytes(VI16 a, VI16 b) {
#if HWY_TARGET == HWY_NEON
  return VI8{vcombine_s8(vqmovn_s16(a.raw), vqmovn_s16(b.raw))};
#elif HWY_TARGET == HWY_AVX3 || HWY_TARGET == HWY_AVX3_DL
  return VI8{_mm512_packs_epi16(a.raw, b.raw)};
#elif HWY_TARGET == HWY_AVX2
  return VI8{_mm256_packs_epi16(a.raw, b.raw)};
#else
  return VI8{_mm_packs_epi16(a.raw, b.raw)};
#endif
}

// A quad of the wide format. Demoting four vectors leaves in every 16 bytes
// four columns of each: the order in which a quad is stored.
void QuantizeQuad(const float* HWY_RESTRICT values, int64_t stride,
                  const Int8Rows& out, int64_t index, int64_t first,
                  int64_t count) {
  const DF df;
  const int64_t wide = kWideBytes.block();
  int8_t* codes = out.codes + index * out.columns + first * 4;
  float* scales = out.scales + index * (out.columns / wide) + first / wide * 4;
  for (int64_t column = 0; column < count; column += wide, scales += 4) {
    VF inverse[4];
    HWY_UNROLL(4)
    for (int r = 0; r < 4; ++r) {
      const float largest = LargestOf(values + r * stride + column, wide);
      scales[r] = largest / 127.0f;
      inverse[r] = hn::Set(df, largest > 0 ? 127.0f / largest : 0.0f);
    }
    for (int64_t k = 0; k < wide; k += kF32Lanes, codes += 4 * kF32Lanes) {
      const float* at = values + column + k;
      const auto code = [&](int r) HWY_ATTR {
        return hn::NearestInt(
            hn::Mul(hn::LoadU(df, at + r * stride), inverse[r]));
      };
      const VI8 bytes = BlocksToBytes(BlocksToPairs(code(0), code(1)),
                                      BlocksToPairs(code(2), code(3)));
      hn::StoreU(
          kMovesBytes ? hn::Xor(bytes, hn::Set(DI8(), int8_t{-128})) : bytes,
          DI8(), codes);
    }
  }
}

void Quantize(const float* HWY_RESTRICT values, int64_t stride, int64_t rows,
              const Int8Rows& out, int64_t index, int64_t first,
              int64_t count) {
  const int64_t in_quads = out.rows / 4 * 4;
  for (int64_t r = 0; r < rows;) {
    const int64_t row = index + r;
    if (out.block == kWideBytes.block() && row % 4 == 0 && row < in_quads &&
        r + 4 <= rows) {
      QuantizeQuad(values + r * stride, stride, out, row, first, count);
      r += 4;
    } else {
      QuantizeRow(values + r * stride, out, row, first, count);
      ++r;
    }
  }
}

void LayerNorm(const float* x, const float* HWY_RESTRICT weight,
               const float* HWY_RESTRICT bias, int64_t columns, float epsilon,
               float* out) {
  const DF df;
  constexpr int64_t kLanes = kF32Lanes;
  const float count = static_cast<float>(columns);
  VF sums[2] = {hn::Zero(df), hn::Zero(df)};
  int64_t k = 0;
  for (; k + 2 * kLanes <= columns; k += 2 * kLanes) {
    sums[0] = hn::Add(sums[0], hn::LoadU(df, x + k));
    sums[1] = hn::Add(sums[1], hn::LoadU(df, x + k + kLanes));
  }
  float sum = LanesInOrder(hn::Add(sums[0], sums[1]));
  for (; k < columns; ++k) sum += x[k];
  const float mean = sum / count;
  const VF middle = hn::Set(df, mean);
  sums[0] = sums[1] = hn::Zero(df);
  for (k = 0; k + 2 * kLanes <= columns; k += 2 * kLanes) {
    const VF a = hn::Sub(hn::LoadU(df, x + k), middle);
    const VF b = hn::Sub(hn::LoadU(df, x + k + kLanes), middle);
    sums[0] = hn::MulAdd(a, a, sums[0]);
    sums[1] = hn::MulAdd(b, b, sums[1]);
  }
  sum = LanesInOrder(hn::Add(sums[0], sums[1]));
  for (; k < columns; ++k) sum += (x[k] - mean) * (x[k] - mean);
  const float scale = 1.0f / std::sqrt(sum / count + epsilon);
  const VF factor = hn::Set(df, scale);
  for (k = 0; k + kLanes <= columns; k += kLanes) {
    const VF unit = hn::Mul(hn::Sub(hn::LoadU(df, x + k), middle), factor);
    const VF w = hn::LoadU(df, weight + k);
    hn::StoreU(bias != nullptr ? hn::MulAdd(unit, w, hn::LoadU(df, bias + k))
                               : hn::Mul(unit, w),
               df, out + k);
  }
  for (; k < columns; ++k) {
    out[k] =
        (x[k] - mean) * scale * weight[k] + (bias != nullptr ? bias[k] : 0.0f);
  }
}

void RmsNorm(const float* x, const float* HWY_RESTRICT weight, int64_t columns,
             float epsilon, float* out) {
  const DF df;
  constexpr int64_t kLanes = kF32Lanes;
  VF sums[2] = {hn::Zero(df), hn::Zero(df)};
  int64_t k = 0;
  for (; k + 2 * kLanes <= columns; k += 2 * kLanes) {
    const VF a = hn::LoadU(df, x + k);
    const VF b = hn::LoadU(df, x + k + kLanes);
    sums[0] = hn::MulAdd(a, a, sums[0]);
    sums[1] = hn::MulAdd(b, b, sums[1]);
  }
  float sum = LanesInOrder(hn::Add(sums[0], sums[1]));
  for (; k < columns; ++k) sum += x[k] * x[k];
  const float scale =
      1.0f / std::sqrt(sum / static_cast<float>(columns) + epsilon);
  const VF factor = hn::Set(df, scale);
  for (k = 0; k + kLanes <= columns; k += kLanes) {
    hn::StoreU(hn::Mul(hn::Mul(hn::LoadU(df, x + k), factor),
                       hn::LoadU(df, weight + k)),
               df, out + k);
  }
  for (; k < columns; ++k) out[k] = x[k] * scale * weight[k];
}

// x/(1+exp(y)). Highway's Exp is not defined above 104; at 88 the result has
// long been 0 for every x that leads there.
HWY_INLINE VF OverOnePlusExp(VF x, VF y) {
  const DF df;
  const VF exponential = hn::Exp(df, hn::Min(y, hn::Set(df, 88.0f)));
  return hn::Div(x, hn::Add(hn::Set(df, 1.0f), exponential));
}

HWY_INLINE VF Silu(VF x) { return OverOnePlusExp(x, hn::Neg(x)); }

// tanh(z) = 1 - 2/(1+exp(2z)), so that (1+tanh(z))/2 = 1/(1+exp(-2z)).
HWY_INLINE VF GeluTanh(VF x) {
  const DF df;
  const VF inner =
      hn::MulAdd(hn::Mul(hn::Mul(x, x), x), hn::Set(df, 0.044715f), x);
  return OverOnePlusExp(x, hn::Mul(inner, hn::Set(df, -1.5957691216057308f)));
}

// x·(1+erf(x/√2))/2. erf as a quotient of polynomials, fitted to x within ±5.5
// (outside, it is ±1 for a float) by reweighted least squares:
// tools/fit_gelu.py. Within 2e-7 of 1+|x|.
HWY_INLINE VF Gelu(VF x) {
  const DF df;
  const auto set = [&](float value) HWY_ATTR { return hn::Set(df, value); };
  const VF edge = set(5.51543283f);
  const VF y = hn::Max(hn::Min(x, edge), hn::Neg(edge));
  const VF s = hn::Mul(y, y);
  VF p = set(2.22611388e-10f);
  p = hn::MulAdd(p, s, set(-4.33815046e-08f));
  p = hn::MulAdd(p, s, set(6.21368827e-06f));
  p = hn::MulAdd(p, s, set(0.000321050902f));
  p = hn::MulAdd(p, s, set(0.00889979955f));
  p = hn::MulAdd(p, s, set(0.0700678304f));
  p = hn::MulAdd(p, s, set(0.797884524f));
  VF q = set(5.87863615e-05f);
  q = hn::MulAdd(q, s, set(0.0017759793f));
  q = hn::MulAdd(q, s, set(0.0285701733f));
  q = hn::MulAdd(q, s, set(0.254482865f));
  q = hn::MulAdd(q, s, set(1.0f));
  const VF half = hn::Mul(x, set(0.5f));
  return hn::MulAdd(half, hn::Div(hn::Mul(y, p), q), half);
}

template <typename Activation>
HWY_INLINE void ActivateMul(float* HWY_RESTRICT gate,
                            const float* HWY_RESTRICT up, int64_t count,
                            Activation activation) {
  const DF df;
  constexpr int64_t kLanes = kF32Lanes;
  int64_t i = 0;
  for (; i + kLanes <= count; i += kLanes) {
    const VF g = activation(hn::LoadU(df, gate + i));
    hn::StoreU(up != nullptr ? hn::Mul(g, hn::LoadU(df, up + i)) : g, df,
               gate + i);
  }
  for (; i < count; ++i) {
    gate[i] = hn::GetLane(activation(hn::Set(df, gate[i]))) *
              (up != nullptr ? up[i] : 1.0f);
  }
}

void SiluMul(float* HWY_RESTRICT gate, const float* HWY_RESTRICT up,
             int64_t count) {
  ActivateMul(gate, up, count, [](VF x) { return Silu(x); });
}

void GeluMul(float* HWY_RESTRICT gate, const float* HWY_RESTRICT up,
             int64_t count) {
  ActivateMul(gate, up, count, [](VF x) { return Gelu(x); });
}

void GeluTanhMul(float* HWY_RESTRICT gate, const float* HWY_RESTRICT up,
                 int64_t count) {
  ActivateMul(gate, up, count, [](VF x) { return GeluTanh(x); });
}

void AddTwo(float* HWY_RESTRICT to, const float* HWY_RESTRICT from,
            const float* HWY_RESTRICT more, int64_t count) {
  const DF df;
  constexpr int64_t kLanes = kF32Lanes;
  int64_t i = 0;
  for (; i + kLanes <= count; i += kLanes) {
    const VF sum = hn::Add(hn::LoadU(df, from + i), hn::LoadU(df, more + i));
    hn::StoreU(hn::Add(hn::LoadU(df, to + i), sum), df, to + i);
  }
  for (; i < count; ++i) to[i] += from[i] + more[i];
}

void AddRows(float* HWY_RESTRICT to, const float* HWY_RESTRICT from,
             int64_t count) {
  const DF df;
  constexpr int64_t kLanes = kF32Lanes;
  int64_t i = 0;
  for (; i + kLanes <= count; i += kLanes) {
    hn::StoreU(hn::Add(hn::LoadU(df, to + i), hn::LoadU(df, from + i)), df,
               to + i);
  }
  for (; i < count; ++i) to[i] += from[i];
}

// Every product of two of these weights and four of these activations is a
// chain, so that none can be computed once for several.
double Int8Roof(int64_t iterations) {
  constexpr int kWeights = 2, kWords = 4, kChains = kWeights * kWords;
  Dots dots[kChains];
  HWY_UNROLL(8)
  for (int c = 0; c < kChains; ++c) dots[c] = ZeroDots();
  VU8 weights[kWeights];
  VI words[kWords];
  for (int i = 0; i < kWeights; ++i) weights[i] = hn::Set(DU8(), uint8_t{1});
  for (int i = 0; i < kWords; ++i) words[i] = hn::Set(DI(), 0x01000100);
  for (int64_t i = 0; i < iterations; ++i) {
    HWY_UNROLL(2)
    for (int w = 0; w < kWeights; ++w) Keep(weights[w]);
    HWY_UNROLL(4)
    for (int w = 0; w < kWords; ++w) Keep(words[w]);
    HWY_UNROLL(8)
    for (int c = 0; c < kChains; ++c) {
      dots[c] = Dot(dots[c], weights[c / kWords], words[c % kWords]);
    }
  }
  VI sum = hn::Zero(DI());
  for (int c = 0; c < kChains; ++c) sum = hn::Add(sum, Total(dots[c]));
  volatile int sink = hn::GetLane(sum);
  (void)sink;
  return static_cast<double>(iterations) * kChains * 2.0 *
         static_cast<double>(kByteLanes);
}

double F32Roof(int64_t iterations) {
  constexpr int kChains = 10;
  const DF df;
  VF sums[kChains];
  HWY_UNROLL(10)
  for (int c = 0; c < kChains; ++c) sums[c] = hn::Set(df, 1.0f);
  VF a = hn::Set(df, 1.0f / 1024);
  for (int64_t i = 0; i < iterations; ++i) {
#if HWY_ARCH_X86
    asm volatile("" : "+x"(a.raw));
#else
    asm volatile("" : "+w"(a.raw));
#endif
    HWY_UNROLL(10)
    for (int c = 0; c < kChains; ++c) sums[c] = hn::MulAdd(a, a, sums[c]);
  }
  VF sum = hn::Zero(df);
  for (int c = 0; c < kChains; ++c) sum = hn::Add(sum, sums[c]);
  volatile float sink = hn::GetLane(sum);
  (void)sink;
  return static_cast<double>(iterations) * kChains * 2.0 *
         static_cast<double>(kF32Lanes);
}

uint64_t ReadSum(const std::byte* data, size_t bytes) {
  const hn::Repartition<uint64_t, DF> d64;
  constexpr size_t kVector = kByteLanes;
  auto a = hn::Zero(d64), b = a, c = a, d = a;
  const auto load = [&](size_t at) {
    return hn::LoadU(d64, reinterpret_cast<const uint64_t*>(data + at));
  };
  size_t i = 0;
  for (; i + 4 * kVector <= bytes; i += 4 * kVector) {
    a = hn::Add(a, load(i));
    b = hn::Add(b, load(i + kVector));
    c = hn::Add(c, load(i + 2 * kVector));
    d = hn::Add(d, load(i + 3 * kVector));
  }
  uint64_t sum =
      hn::GetLane(hn::SumOfLanes(d64, hn::Add(hn::Add(a, b), hn::Add(c, d))));
  for (; i + 8 <= bytes; i += 8) {
    uint64_t word;
    std::memcpy(&word, data + i, 8);
    sum += word;
  }
  return sum;
}

}  // namespace MALMOI_TARGET
}  // namespace malmoi::kernels
HWY_AFTER_NAMESPACE();

#endif  // toggle
