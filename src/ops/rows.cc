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
             std::span<const float> bias, double epsilon, float* scratch,
             float* to) {
  const int64_t columns = static_cast<int64_t>(weight.size());
  if (kind == NormKind::kLayer) {
    double sum = 0;
    for (int64_t i = 0; i < columns; ++i) sum += static_cast<double>(x[i]);
    const float mean = static_cast<float>(sum / static_cast<double>(columns));
    for (int64_t i = 0; i < columns; ++i) scratch[i] = x[i] - mean;
    x = scratch;
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
  float* scratch = RowOfEachThread(exec, columns);
  float* centered =
      kind == NormKind::kLayer ? RowOfEachThread(exec, columns) : scratch;
  ForRows(exec, out.rows, [&](int64_t row, int thread) {
    float* to = out.values != nullptr ? out.values + row * columns
                                      : scratch + thread * columns;
    NormRow(kind, x + row * columns, weight, bias, epsilon,
            centered + thread * columns, to);
    PutRow(out, row, to);
  });
}

void NormInPlace(Exec& exec, NormKind kind, int64_t rows,
                 std::span<const float> weight, std::span<const float> bias,
                 double epsilon, const float* more, float* x) {
  const int64_t columns = static_cast<int64_t>(weight.size());
  Arena::Scope scope(exec.arena);
  float* scratch = RowOfEachThread(exec, columns);
  ForRows(exec, rows, [&](int64_t row, int thread) {
    float* copy = scratch + thread * columns;
    float* to = x + row * columns;
    std::copy_n(to, columns, copy);
    if (more != nullptr) {
      kernels::Kernels().add(copy, more + row * columns, columns);
    }
    NormRow(kind, copy, weight, bias, epsilon, copy, to);
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
    NormRow(NormKind::kRms, x + row * columns, weight, {}, epsilon, nullptr,
            normed);
    if (scale != 1.0f) {
      for (int64_t k = 0; k < columns; ++k) normed[k] *= scale;
    }
    kernels::Kernels().add(to + row * columns, normed, columns);
  });
}

void PutRows(Exec& exec, const float* x, const Activations& out) {
  ForRows(exec, out.rows,
          [&](int64_t row, int) { PutRow(out, row, x + row * out.columns); });
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
