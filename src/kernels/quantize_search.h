// The scale (and min) of a group of weights by weighted least squares over a
// few roundings: what the k-quants and IQ4_NL need. Method: I. Kawrakow's
// k-quants in llama.cpp.
#ifndef MALMOI_KERNELS_QUANTIZE_SEARCH_H_
#define MALMOI_KERNELS_QUANTIZE_SEARCH_H_

#include <algorithm>
#include <cmath>
#include <cstdint>

namespace malmoi::kernels {

// To the nearest integer, ties to even, for |value| below 2^22. Two additions
// so that loops over it become vector code on every machine.
inline float RoundEven(float value) {
  constexpr float kShift = 12582912.0f;  // 1.5·2^23
  return (value + kShift) - kShift;
}

// The sum of term(i) for i in [0, N), in eight lanes: a fixed order that the
// compiler may turn into vectors.
template <int N, typename F>
float SumOf(F&& term) {
  float lanes[8] = {};
  for (int i = 0; i < N; i += 8) {
    for (int k = 0; k < 8; ++k) lanes[k] += term(i + k);
  }
  return ((lanes[0] + lanes[4]) + (lanes[1] + lanes[5])) +
         ((lanes[2] + lanes[6]) + (lanes[3] + lanes[7]));
}

// The element of largest magnitude, with its sign. The magnitude is kept
// beside it: clang 19 at -O3 gets `fabs(x[i]) > fabs(extreme)` wrong for N = 16
// (a test that compares with llama.cpp's error found it).
template <int N>
float Extreme(const float* x) {
  float extreme = 0, largest = 0;
  for (int i = 0; i < N; ++i) {
    const float magnitude = std::fabs(x[i]);
    if (magnitude > largest) {
      largest = magnitude;
      extreme = x[i];
    }
  }
  return extreme;
}

// Groups whose largest magnitude is below this count as zero: their scales'
// reciprocals would overflow.
constexpr float kNothing = 1e-15f;

// x ≈ scale·code with code = round_codes(x / step) for the best of `steps`:
// the scale that minimizes Σ w·(x - scale·code)², 0 for a group of zeros.
// For given codes the best scale is Σwxc/Σwc², which leaves Σwx² less
// (Σwxc)²/Σwc²: the largest such gain wins.
template <int N, typename Codes, typename Step>
float FitScale(const float* x, const float* w, int steps, Codes&& round_codes,
               Step&& step) {
  if (std::fabs(Extreme<N>(x)) < kNothing) return 0;
  float best_gain = 0, best_scale = 0;
  float codes[N];
  for (int s = 0; s < steps; ++s) {
    const float inverse = step(s);
    for (int i = 0; i < N; ++i) codes[i] = round_codes(inverse * x[i]);
    const float xc = SumOf<N>([&](int i) { return w[i] * x[i] * codes[i]; });
    const float cc =
        SumOf<N>([&](int i) { return w[i] * codes[i] * codes[i]; });
    if (cc > 0 && xc * xc > best_gain * cc) {
      best_scale = xc / cc;
      best_gain = best_scale * xc;
    }
  }
  return best_scale;
}

struct ScaleMin {
  float scale, min;  // x ≈ scale·code - min; both are 0 or more (free: scale)
};

// The grid of roundings that is tried: (max_code + first + delta·i) / range.
struct Grid {
  float max_code, first, delta;
  int steps;
  bool free_min = false;  // min may be below zero
  int refinements = 0;    // of the best: rounded by it and fitted again
};

// Σ w·(scale·code - min - x)² is smallest; codes are 0 to grid.max_code.
template <int N>
ScaleMin FitScaleMin(const float* x, const float* w, const Grid& grid) {
  // Where a min below zero cannot be stored, zero is always among the values.
  const float least = *std::min_element(x, x + N);
  const float low = grid.free_min ? least : std::min(0.0f, least);
  const float high = *std::max_element(x, x + N);
  if (high - low < kNothing) return {0, -low};
  const float sum_w = SumOf<N>([&](int i) { return w[i]; });
  const float sum_x = SumOf<N>([&](int i) { return w[i] * x[i]; });
  float codes[N];
  // Limited before it is rounded: an inverse may be large.
  const auto round_at = [&](float inverse, float zero) {
    for (int i = 0; i < N; ++i) {
      const float code = inverse * (x[i] - zero);
      codes[i] = RoundEven(std::max(0.0f, std::min(grid.max_code, code)));
    }
  };
  const auto error_of = [&](float scale, float offset) {
    return SumOf<N>([&](int i) {
      const float error = scale * codes[i] + offset - x[i];
      return w[i] * error * error;
    });
  };
  float scale = (high - low) / grid.max_code, offset = low;
  round_at(1 / scale, low);
  float best = error_of(scale, offset);
  // The line through the points (code, x), where it is better.
  const auto fit_line = [&] {
    const float sum_c = SumOf<N>([&](int i) { return w[i] * codes[i]; });
    const float sum_cc =
        SumOf<N>([&](int i) { return w[i] * codes[i] * codes[i]; });
    const float sum_xc =
        SumOf<N>([&](int i) { return w[i] * x[i] * codes[i]; });
    const float determinant = sum_w * sum_cc - sum_c * sum_c;
    if (!(determinant > 0)) return false;
    float fit = (sum_w * sum_xc - sum_x * sum_c) / determinant;
    float shift = (sum_cc * sum_x - sum_c * sum_xc) / determinant;
    if (shift > 0 && !grid.free_min) {
      shift = 0;
      fit = sum_xc / sum_cc;
    }
    const float error = error_of(fit, shift);
    if (!(error < best)) return false;
    best = error;
    scale = fit;
    offset = shift;
    return true;
  };
  for (int s = 0; s < grid.steps; ++s) {
    const float step = static_cast<float>(s);
    round_at((grid.max_code + grid.first + grid.delta * step) / (high - low),
             grid.refinements > 0 ? offset : low);
    fit_line();
  }
  for (int i = 0; i < grid.refinements && scale > 0; ++i) {
    round_at(1 / scale, offset);
    if (!fit_line()) break;
  }
  return {scale, -offset};
}

}  // namespace malmoi::kernels

#endif  // MALMOI_KERNELS_QUANTIZE_SEARCH_H_
