// The convolution behind an encoder's first layer (He et al. 2021, DeBERTa v2):
// a product with the rows around each row, side by side.
#include <algorithm>
#include <memory>
#include <span>
#include <vector>

#include "kernels/kernels.h"
#include "models/families/block_parts.h"
#include "models/families/encoder_family.h"

namespace malmoi::models {

// A file has the taps innermost.
void EncoderFamily::ReadConvolution(WeightReader& reader) {
  const int64_t width = spec_.width, taps = spec_.convolution;
  const Tensor* weights =
      reader.finder().Find(Role::kConvolution, 0, {width, width, taps});
  const Tensor* bias = reader.finder().FindBias(Role::kConvolution, 0, {width});
  reader.ReadNorm(Role::kConvolutionNorm, 0, width, convolution_.norm);
  if (weights == nullptr || bias == nullptr) return;
  const std::vector<float> values = Floats(*weights);
  const auto turned = std::make_shared<std::vector<float>>(values.size());
  const auto at = [](int64_t index) { return static_cast<size_t>(index); };
  for (int64_t out = 0; out < width; ++out) {
    for (int64_t in = 0; in < width; ++in) {
      for (int64_t tap = 0; tap < taps; ++tap) {
        (*turned)[at((out * taps + tap) * width + in)] =
            values[at((out * width + in) * taps + tap)];
      }
    }
  }
  convolution_.stored = {.dtype = DType::kF32,
                         .shape = {width, taps * width},
                         .data = std::as_bytes(std::span(*turned)),
                         .owner = turned};
  convolution_.weights.bias = Floats(*bias);
  reader.Job(&convolution_.stored, convolution_.weights);
}

void EncoderFamily::Convolve(Exec& exec, Batch& batch,
                             const float* entered) const {
  Arena::Scope scope(exec.arena);
  const int64_t width = spec_.width, taps = spec_.convolution;
  const auto size = static_cast<size_t>(batch.rows * width);
  float* around = exec.arena.New<float>(size * static_cast<size_t>(taps));
  float* to = around;
  for (int64_t row = 0; row < batch.rows; ++row) {
    for (int64_t tap = 0; tap < taps; ++tap, to += width) {
      const int64_t from = row + tap - taps / 2;
      const bool inside = from >= 0 && from < batch.rows &&
                          batch.texts[static_cast<size_t>(from)] ==
                              batch.texts[static_cast<size_t>(row)];
      if (inside) {
        std::copy_n(entered + from * width, width, to);
      } else {
        std::fill_n(to, width, 0.0f);
      }
    }
  }
  float* sums = exec.arena.New<float>(size);
  ProjectRows(exec, around, batch.rows, convolution_.weights, sums);
  Activate(spec_.convolution_activation, sums, nullptr, batch.rows * width);
  kernels::Kernels().add(batch.stream, sums, batch.rows * width);
  NormStream(exec, batch, convolution_.norm);
}

}  // namespace malmoi::models
