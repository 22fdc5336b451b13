// Operations on rows: normalization that leaves its result in the forms its
// consumers read, and rotary positions.
#ifndef MALMOI_OPS_ROWS_H_
#define MALMOI_OPS_ROWS_H_

#include <cstdint>
#include <span>
#include <vector>

#include "ops/activations.h"
#include "ops/exec.h"
#include "ops/norm_kind.h"

namespace malmoi::ops {

// to = x/rms(x)·weight + bias, [weight.size()]; no bias where it is empty.
// kLayer: of x - mean(x). `to` may be x.
void NormRow(NormKind kind, const float* x, std::span<const float> weight,
             std::span<const float> bias, double epsilon, float* to);

// The same of rows of x, [out.rows, weight.size()]. A region of its own only
// for many rows.
void NormRows(Exec& exec, NormKind kind, const float* x,
              std::span<const float> weight, std::span<const float> bias,
              double epsilon, const Activations& out);

// x[r] = norm(x[r] + more[r]) for `rows` rows [weight.size()]; `more` may be
// null.
void NormInPlace(Exec& exec, NormKind kind, int64_t rows,
                 std::span<const float> weight, std::span<const float> bias,
                 double epsilon, const float* more, float* x);

// to[r] += scale·x[r]/rms(x[r])·weight for `rows` rows [weight.size()].
void AddRmsNorm(Exec& exec, const float* x, int64_t rows,
                std::span<const float> weight, double epsilon, float scale,
                float* to);

// Quantizes rows of x, [out.rows, columns], into out.
void PutRows(Exec& exec, const float* x, const Activations& out);

// Cosines and sines of rotary positions (Su et al. 2021, RoFormer), for each
// of `positions` and each of dim/2 frequencies.
struct Rotation {
  int64_t half = 0;                // dim/2
  const float* cosines = nullptr;  // [positions][half]
  const float* sines = nullptr;
};
// `frequencies`: of each position its `half` radians per position. `magnitude`
// multiplies cosines and sines. Angles are computed in f32, as the reference
// does, their sines in double.
Rotation MakeRotation(Exec& exec, std::span<const int64_t> positions,
                      std::span<const float* const> frequencies, int64_t half,
                      double magnitude);

// Rotates the first 2·half components of a head, in place. Neighbours
// (2i, 2i+1) or halves (i, i+half) turn together.
void RotateAdjacent(float* head, const Rotation& rotation, int64_t row);
void RotateHalves(float* head, const Rotation& rotation, int64_t row);

}  // namespace malmoi::ops

#endif  // MALMOI_OPS_ROWS_H_
