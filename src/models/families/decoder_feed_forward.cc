// The feed-forward of a block, gated (Shazeer 2020) or not.
#include <algorithm>
#include <cmath>
#include <vector>

#include "kernels/kernels.h"
#include "models/families/decoder_family.h"

namespace malmoi::models {

using ops::Activations;

void Activate(Activation activation, float* values, const float* ups,
              int64_t count) {
  constexpr int64_t kPart = 256;
  static const std::vector<float> ones(kPart, 1.0f);
  if (activation == Activation::kSilu || activation == Activation::kGeluTanh) {
    const auto function = activation == Activation::kSilu
                              ? kernels::Kernels().silu_mul
                              : kernels::Kernels().gelu_tanh_mul;
    if (ups != nullptr) return function(values, ups, count);
    for (int64_t k = 0; k < count; k += kPart) {
      function(values + k, ones.data(), std::min(kPart, count - k));
    }
    return;
  }
  for (int64_t k = 0; k < count; ++k) {
    const float x = values[k];
    switch (activation) {
      case Activation::kGelu:
        values[k] = 0.5f * x * (1.0f + std::erf(x * 0.70710678f));
        break;
      case Activation::kReluSquared:
        values[k] = x > 0 ? x * x : 0.0f;
        break;
      default:
        values[k] = std::max(x, 0.0f);
    }
    if (ups != nullptr) values[k] *= ups[k];
  }
}

void DecoderFamily::FeedForward(Exec& exec, Batch& batch, int64_t index,
                                const Activations& input) const {
  const DecoderLayer& layer = weights_.layers[static_cast<size_t>(index)];
  const FeedForwardSpec& spec = spec_.feed_forward;
  TapInput(exec, index, "feed_forward_input", input);
  Arena::Scope scope(exec.arena);
  const Activations hidden = ops::NewActivations(
      exec.arena, batch.rows, spec.hidden, FormsFor(exec, {&layer.down}));
  auto activate = [&](const ops::Tile& tile) {
    AddBias(layer.first().bias, tile, tile.values);
    if (spec.gated) AddBias(layer.up.bias, tile, tile.beside);
    for (int64_t t = 0; t < tile.tokens; ++t) {
      float* values = tile.values + t * tile.stride;
      Activate(spec.activation, values,
               spec.gated ? tile.beside + t * tile.stride : nullptr, tile.rows);
      ops::PutPart(hidden, tile.first_token + t, tile.first_row, tile.rows,
                   values);
    }
  };
  const ops::Product up[] = {{&layer.first(), spec.gated ? &layer.up : nullptr,
                              hidden.unit(), activate}};
  FetchAhead(exec, batch.rows, layer.down);
  ops::Matmul(exec, input, up);
  TapInput(exec, index, "feed_forward_hidden", hidden);
  FetchAhead(exec, batch.rows,
             index + 1 < spec_.layers
                 ? weights_.layers[static_cast<size_t>(index) + 1].query
                 : weights_.head);
  AddProduct(exec, batch, hidden, layer.down, layer.post_feed_forward_norm);
}

}  // namespace malmoi::models
