#include "ops/rows.h"

#include <algorithm>
#include <cmath>

#include "base/check.h"
#include "kernels/kernels.h"
#include "ops/for_rows.h"

namespace malmoi::ops {

namespace {
float* RowOfEachThread(Exec& exec, int64_t columns) {
  return exec.arena.New<float>(
      static_cast<size_t>(columns * exec.pool.threads()));
}
}  // namespace

void NormRow(NormKind kind, const float* x, std::span<const float> weight,
             std::span<const float> bias, double epsilon, float* to) {
  const int64_t columns = static_cast<int64_t>(weight.size());
  if (kind == NormKind::kLayer) {
    kernels::Kernels().layer_norm(x, weight.data(),
                                  bias.empty() ? nullptr : bias.data(), columns,
                                  static_cast<float>(epsilon), to);
    return;
  }
  kernels::Kernels().rms_norm(x, weight.data(), columns,
                              static_cast<float>(epsilon), to);
  if (!bias.empty()) kernels::Kernels().add(to, bias.data(), columns);
}

void NormRows(Exec& exec, NormKind kind, const float* x,
              std::span<const float> weight, std::span<const float> bias,
              double epsilon, const Activations& out) {
  const int64_t columns = out.columns;
  MALMOI_CHECK(static_cast<int64_t>(weight.size()) == columns);
  Arena::Scope scope(exec.arena);
  constexpr int64_t kQuad = 4;  // see PutParts
  float* scratch = RowOfEachThread(exec, kQuad * columns);
  ForParts(exec, out.rows, kQuad,
           [&](int64_t first, int64_t count, int thread) {
             for (int64_t row = first; row < first + count; row += kQuad) {
               const int64_t rows = std::min(kQuad, first + count - row);
               float* to = out.values != nullptr
                               ? out.values + row * columns
                               : scratch + thread * kQuad * columns;
               for (int64_t r = 0; r < rows; ++r) {
                 NormRow(kind, x + (row + r) * columns, weight, bias, epsilon,
                         to + r * columns);
               }
               PutParts(out, row, rows, 0, columns, to, columns);
             }
           });
}

void NormInPlace(Exec& exec, NormKind kind, int64_t rows,
                 std::span<const float> weight, std::span<const float> bias,
                 double epsilon, const float* more, float* x) {
  const int64_t columns = static_cast<int64_t>(weight.size());
  ForRows(exec, rows, [&](int64_t row, int) {
    float* to = x + row * columns;
    if (more != nullptr) {
      kernels::Kernels().add(to, more + row * columns, columns);
    }
    NormRow(kind, to, weight, bias, epsilon, to);
  });
}

void AddRmsNorm(Exec& exec, const float* x, int64_t rows,
                std::span<const float> weight, double epsilon, float scale,
                float* to) {
  const int64_t columns = static_cast<int64_t>(weight.size());
  Arena::Scope scope(exec.arena);
  float* scratch = RowOfEachThread(exec, columns);
  ForRows(exec, rows, [&](int64_t row, int thread) {
    float* normed = scratch + thread * columns;
    NormRow(NormKind::kRms, x + row * columns, weight, {}, epsilon, normed);
    if (scale != 1.0f) {
      for (int64_t k = 0; k < columns; ++k) normed[k] *= scale;
    }
    kernels::Kernels().add(to + row * columns, normed, columns);
  });
}

void PutRows(Exec& exec, const float* x, const Activations& out) {
  ForParts(exec, out.rows, 4, [&](int64_t first, int64_t count, int) {
    PutParts(out, first, count, 0, out.columns, x + first * out.columns,
             out.columns);
  });
}

Rotation MakeRotation(Exec& exec, std::span<const int64_t> positions,
                      std::span<const float* const> frequencies, int64_t half,
                      double magnitude) {
  Rotation rotation;
  rotation.half = half;
  const size_t count = positions.size() * static_cast<size_t>(half);
  float* cosines = exec.arena.New<float>(count);
  float* sines = exec.arena.New<float>(count);
  ForRows(exec, static_cast<int64_t>(positions.size()), [&](int64_t row, int) {
    const float position =
        static_cast<float>(positions[static_cast<size_t>(row)]);
    for (int64_t i = 0; i < half; ++i) {
      const double angle = static_cast<double>(
          position * frequencies[static_cast<size_t>(row)][i]);
      cosines[row * half + i] = static_cast<float>(std::cos(angle) * magnitude);
      sines[row * half + i] = static_cast<float>(std::sin(angle) * magnitude);
    }
  });
  rotation.cosines = cosines;
  rotation.sines = sines;
  return rotation;
}

void RotateAdjacent(float* head, const Rotation& rotation, int64_t row) {
  const float* cosines = rotation.cosines + row * rotation.half;
  const float* sines = rotation.sines + row * rotation.half;
  for (int64_t i = 0; i < rotation.half; ++i) {
    const float a = head[2 * i];
    const float b = head[2 * i + 1];
    head[2 * i] = a * cosines[i] - b * sines[i];
    head[2 * i + 1] = a * sines[i] + b * cosines[i];
  }
}

void RotateHalves(float* head, const Rotation& rotation, int64_t row) {
  const float* cosines = rotation.cosines + row * rotation.half;
  const float* sines = rotation.sines + row * rotation.half;
  const int64_t half = rotation.half;
  for (int64_t i = 0; i < half; ++i) {
    const float a = head[i];
    const float b = head[half + i];
    head[i] = a * cosines[i] - b * sines[i];
    head[half + i] = a * sines[i] + b * cosines[i];
  }
}

}  // namespace malmoi::ops
