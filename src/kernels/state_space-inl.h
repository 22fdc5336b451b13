// State space kernels: the convolution before the recurrence, softplus of its
// steps, the recurrence.
#if defined(MALMOI_KERNELS_STATE_SPACE_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef MALMOI_KERNELS_STATE_SPACE_INL_H_
#undef MALMOI_KERNELS_STATE_SPACE_INL_H_
#else
#define MALMOI_KERNELS_STATE_SPACE_INL_H_
#endif

#include <algorithm>
#include <type_traits>

#include "hwy/contrib/math/math-inl.h"
#include "kernels/dot-inl.h"
#include "kernels/rows-inl.h"
#include "kernels/state_space.h"

HWY_BEFORE_NAMESPACE();
namespace malmoi::kernels {
namespace MALMOI_TARGET {

// What is left behind whole vectors is computed a lane at a time, by the same
// operations.
using DOne = hn::CappedTag<float, 1>;

// Calls body(vectors, tag, first channel) for all channels: kVectors vectors
// at once, then one, then single lanes.
template <int kVectors, typename F>
HWY_INLINE void ForChannels(int64_t channels, F&& body) {
  constexpr int64_t kLanes = kF32Lanes;
  int64_t c = 0;
  for (; c + kVectors * kLanes <= channels; c += kVectors * kLanes) {
    body(std::integral_constant<int, kVectors>(), DF(), c);
  }
  for (; c + kLanes <= channels; c += kLanes) {
    body(std::integral_constant<int, 1>(), DF(), c);
  }
  for (; c < channels; ++c) body(std::integral_constant<int, 1>(), DOne(), c);
}

template <bool kSilu>
void ConvolveRows(const Convolution& in) {
  const int64_t before = in.taps - 1;
  const auto input = [&](int64_t t) {
    return t < 0 ? in.window + (before + t) * in.stride
                 : in.x + t * in.x_stride;
  };
  for (int64_t t = 0; t < in.rows; ++t) {
    float* HWY_RESTRICT out = in.out + t * in.out_stride;
    ForChannels<1>(in.channels, [&](auto, auto d, int64_t c) {
      auto sum = hn::LoadU(d, in.bias + c);
      for (int64_t k = 0; k < in.taps; ++k) {
        sum = hn::MulAdd(hn::LoadU(d, in.filters + k * in.stride + c),
                         hn::LoadU(d, input(t - before + k) + c), sum);
      }
      if constexpr (kSilu) {
        const auto exponential =
            hn::Exp(d, hn::Min(hn::Neg(sum), hn::Set(d, 88.0f)));
        sum = hn::Div(sum, hn::Add(hn::Set(d, 1.0f), exponential));
      }
      hn::StoreU(sum, d, out + c);
    });
  }
  // In ascending order: what is moved up has not been written yet.
  for (int64_t j = 0; j < before; ++j) {
    const float* from = input(in.rows - before + j);
    float* to = in.window + j * in.stride;
    if (from != to) std::copy_n(from, in.channels, to);
  }
}

void Convolve(const Convolution& in) {
  in.silu ? ConvolveRows<true>(in) : ConvolveRows<false>(in);
}

// log(1+exp(x)), as max(x, 0) + log(1+exp(-|x|)).
void Softplus(float* HWY_RESTRICT values, int64_t count) {
  ForChannels<1>(count, [&](auto, auto d, int64_t i) {
    const auto x = hn::LoadU(d, values + i);
    const auto rest = hn::Log1p(d, hn::Exp(d, hn::Neg(hn::Abs(x))));
    hn::StoreU(hn::Add(hn::Max(x, hn::Zero(d)), rest), d, values + i);
  });
}

// The state of few channels stays in the first-level cache while all rows
// pass.
void ScanChannels(const Scan& in) {
  ForChannels<1>(in.channels, [&](auto, auto d, int64_t c) {
    const auto skip = hn::LoadU(d, in.skips + c);
    for (int64_t t = 0; t < in.rows; ++t) {
      const auto x = hn::LoadU(d, in.x + t * in.x_stride + c);
      const auto step = hn::LoadU(d, in.steps + t * in.step_stride + c);
      const auto moved = hn::Mul(step, x);
      const float* HWY_RESTRICT b = in.in + t * in.in_stride;
      const float* HWY_RESTRICT weights = in.out + t * in.in_stride;
      auto y = hn::Mul(skip, x);
      for (int64_t n = 0; n < in.states; ++n) {
        float* at = in.state + n * in.state_stride + c;
        const auto decay = hn::Exp(
            d, hn::Mul(step, hn::LoadU(d, in.rates + n * in.state_stride + c)));
        const auto state = hn::MulAdd(decay, hn::LoadU(d, at),
                                      hn::Mul(moved, hn::Set(d, b[n])));
        hn::StoreU(state, d, at);
        y = hn::MulAdd(state, hn::Set(d, weights[n]), y);
      }
      hn::StoreU(y, d, in.y + t * in.y_stride + c);
    }
  });
}

// Four vectors of channels hide the latency of their sums.
void ScanHead(const Scan& in) {
  ForChannels<4>(in.channels, [&](auto vectors, auto d, int64_t c) {
    constexpr int kVectors = decltype(vectors)::value;
    const int64_t lanes = static_cast<int64_t>(hn::Lanes(d));
    for (int64_t t = 0; t < in.rows; ++t) {
      const float* HWY_RESTRICT b = in.in + t * in.in_stride;
      const float* HWY_RESTRICT weights = in.out + t * in.in_stride;
      const auto step = hn::Set(d, in.steps[t * in.step_stride]);
      const auto decay = hn::Set(d, in.decays[t * in.step_stride]);
      hn::Vec<decltype(d)> moved[kVectors], y[kVectors];
      HWY_UNROLL(4)
      for (int v = 0; v < kVectors; ++v) {
        const auto x = hn::LoadU(d, in.x + t * in.x_stride + c + v * lanes);
        moved[v] = hn::Mul(step, x);
        y[v] = hn::Mul(hn::Set(d, in.skips[0]), x);
      }
      for (int64_t n = 0; n < in.states; ++n) {
        const auto into = hn::Set(d, b[n]), weight = hn::Set(d, weights[n]);
        HWY_UNROLL(4)
        for (int v = 0; v < kVectors; ++v) {
          float* at = in.state + n * in.state_stride + c + v * lanes;
          const auto state =
              hn::MulAdd(decay, hn::LoadU(d, at), hn::Mul(moved[v], into));
          hn::StoreU(state, d, at);
          y[v] = hn::MulAdd(state, weight, y[v]);
        }
      }
      HWY_UNROLL(4)
      for (int v = 0; v < kVectors; ++v) {
        hn::StoreU(y[v], d, in.y + t * in.y_stride + c + v * lanes);
      }
    }
  });
}

}  // namespace MALMOI_TARGET
}  // namespace malmoi::kernels
HWY_AFTER_NAMESPACE();

#endif  // toggle
