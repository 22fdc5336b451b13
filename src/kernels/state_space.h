// What the kernels of a selective state space read and write (Gu & Dao 2023,
// Mamba; Dao & Gu 2024, Mamba 2). Rows are a sequence's, in order; channels
// are neighbours in memory, so that a vector lane is a channel and none is
// summed over another.
#ifndef MALMOI_KERNELS_STATE_SPACE_H_
#define MALMOI_KERNELS_STATE_SPACE_H_

#include <cstdint>

namespace malmoi::kernels {

// A causal convolution of every channel by itself, and SiLU:
//   out[t][c] = silu(bias[c] + Σ_k filters[k][c]·x[t-taps+1+k][c])
// in the order of k. Rows before the first come from the window, which then
// holds the last ones.
struct Convolution {
  int64_t rows = 0, channels = 0, taps = 0;
  const float* x = nullptr;  // [rows], x_stride apart
  int64_t x_stride = 0;
  const float* filters = nullptr;  // [taps], stride apart
  const float* bias = nullptr;     // [channels]
  float* window = nullptr;         // [taps-1], stride apart, oldest first
  int64_t stride = 0;
  float* out = nullptr;  // [rows], out_stride apart
  int64_t out_stride = 0;
  bool silu = true;  // of the sums
};

// The recurrence of channels that remember `states` values each:
//   state[n][c] ← decay·state[n][c] + (step·x[t][c])·in[t][n]
//   y[t][c] = skip·x[t][c] + Σ_n state[n][c]·out[t][n]
// in the order of n. A channel has its own step and skip and decays by
// exp(step·rates[n][c]) (Mamba), or all have the row's step, decay and skip
// (a head of Mamba 2).
struct Scan {
  int64_t rows = 0, channels = 0, states = 0;
  const float* x = nullptr;  // [rows], x_stride apart
  int64_t x_stride = 0;
  const float* in = nullptr;  // B and C, [rows][states], each in_stride apart
  const float* out = nullptr;
  int64_t in_stride = 0;
  const float* steps = nullptr;  // [rows], step_stride apart
  int64_t step_stride = 0;
  const float* rates = nullptr;   // channels: [states], state_stride apart
  const float* decays = nullptr;  // head: [rows], step_stride apart
  const float* skips = nullptr;   // [channels] or [1]
  float* state = nullptr;         // [states], state_stride apart
  int64_t state_stride = 0;
  float* y = nullptr;  // [rows], y_stride apart
  int64_t y_stride = 0;
};

}  // namespace malmoi::kernels

#endif  // MALMOI_KERNELS_STATE_SPACE_H_
