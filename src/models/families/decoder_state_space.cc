// The state space of a block: projection, convolution, the steps, the
// recurrence, the gate (Gu & Dao 2023; Dao & Gu 2024). A prompt is a long scan,
// a token a short one: there is one path.
#include <algorithm>
#include <cmath>
#include <vector>

#include "kernels/kernels.h"
#include "models/families/decoder_family.h"
#include "ops/for_rows.h"

namespace malmoi::models {

using ops::Activations;

namespace {

float* Room(Exec& exec, int64_t rows, int64_t columns) {
  return exec.arena.New<float>(static_cast<size_t>(rows * columns));
}

// x·weights + bias, in exec.arena; `softplus` of it if asked for.
float* Project(Exec& exec, const Activations& x, const Linear& weights,
               bool softplus = false) {
  float* to = Room(exec, x.rows, weights.rows);
  auto keep = [&](const ops::Tile& tile) {
    AddBias(weights.bias, tile, tile.values);
    for (int64_t t = 0; softplus && t < tile.tokens; ++t) {
      kernels::Kernels().softplus(tile.values + t * tile.stride, tile.rows);
    }
    ops::StoreTile(tile, weights.rows, to);
  };
  const ops::Product product[] = {{&weights, nullptr, 1, keep}};
  ops::Matmul(exec, x, product);
  return to;
}

// Columns [first, first + reader.columns) of rows that are `stride` apart.
Activations Columns(Exec& exec, const float* from, int64_t rows, int64_t stride,
                    const Linear& reader) {
  const Activations out = ops::NewActivations(exec.arena, rows, reader.columns,
                                              FormsFor(exec, {&reader}));
  ops::ForRows(exec, rows, [&](int64_t row, int) {
    ops::PutRow(out, row, from + row * stride);
  });
  return out;
}

// Each row's parts of these sizes, normalized without weights, in place.
void NormParts(Exec& exec, std::initializer_list<int64_t> sizes, double epsilon,
               int64_t rows, float* values) {
  int64_t stride = 0;
  for (const int64_t size : sizes) stride += size;
  const std::vector<float> ones(static_cast<size_t>(stride), 1.0f);
  float* copies = Room(exec, exec.pool.threads(), stride);
  ops::ForRows(exec, rows, [&](int64_t row, int thread) {
    float* to = values + row * stride;
    float* from = copies + thread * stride;
    std::copy_n(to, stride, from);
    for (const int64_t size : sizes) {
      kernels::Kernels().rms_norm(from, ones.data(), size,
                                  static_cast<float>(epsilon), to);
      from += size;
      to += size;
    }
  });
}

}  // namespace

std::vector<ops::StateSlice> DecoderFamily::Slices(const Batch& batch,
                                                   int64_t index) const {
  const int64_t place = state_places_[static_cast<size_t>(index)];
  std::vector<ops::StateSlice> slices;
  int64_t row = 0;
  for (const SequenceInput& input : batch.inputs) {
    const int64_t rows = static_cast<int64_t>(input.tokens.size());
    if (rows > 0) {
      float* window = input.sequence->state(place);
      slices.push_back(
          {row, rows, window, window + spec_.state_space.window_size()});
    }
    row += rows;
  }
  return slices;
}

void DecoderFamily::StateSpace(Exec& exec, Batch& batch, int64_t index,
                               const Activations& input) const {
  const DecoderLayer& block = weights_.layers[static_cast<size_t>(index)];
  const StateSpaceLayer& layer = block.state_space;
  const StateSpaceSpec& spec = spec_.state_space;
  TapInput(exec, index, "state_space_input", input);
  Arena::Scope scope(exec.arena);
  float* projected = Project(exec, input, layer.in);
  if (!part_scales_.empty()) {
    ops::ForRows(exec, batch.rows, [&](int64_t row, int) {
      float* values = projected + row * spec.projected();
      for (const float scale : part_scales_) *values++ *= scale;
    });
  }
  const Activations gated =
      spec.short_convolution ? ShortConvolution(exec, batch, index, projected)
                             : Recurrence(exec, batch, index, projected);
  TapInput(exec, index, "state_space_gated", gated);
  FetchAhead(exec, batch.rows,
             spec_.Attends(index)      ? block.query
             : spec_.experts.In(index) ? block.mixture.router
             : spec_.HasFeedForward()  ? block.first()
             : index + 1 < spec_.layers
                 ? weights_.layers[static_cast<size_t>(index + 1)].entry()
                 : weights_.head);
  AddProduct(exec, batch, gated, layer.out, block.post_attention_norm,
             spec.added_scale);
}

// The convolution of a layer's channels: x and where they go stand in `how`.
void DecoderFamily::Convolve(Exec& exec, const Batch& batch, int64_t index,
                             const kernels::Convolution& how) const {
  const StateSpaceLayer& layer =
      weights_.layers[static_cast<size_t>(index)].state_space;
  kernels::Convolution all = how;
  all.channels = all.stride = all.out_stride = spec_.state_space.convolved();
  all.taps = spec_.state_space.taps;
  all.filters = layer.filters.data();
  all.bias = layer.filter_bias.data();
  ops::Convolve(exec, Slices(batch, index), all);
}

// c·convolution(b·x) of rows of b, c, x, as the projection out reads it.
Activations DecoderFamily::ShortConvolution(Exec& exec, const Batch& batch,
                                            int64_t index,
                                            float* projected) const {
  const StateSpaceLayer& layer =
      weights_.layers[static_cast<size_t>(index)].state_space;
  const int64_t width = spec_.state_space.inner;
  const Activations out = ops::NewActivations(exec.arena, batch.rows, width,
                                              FormsFor(exec, {&layer.out}));
  ops::ForRows(exec, batch.rows, [&](int64_t row, int) {
    float* b = projected + row * 3 * width;
    for (int64_t k = 0; k < width; ++k) b[k] *= b[2 * width + k];
  });
  float* convolved = Room(exec, batch.rows, width);
  Convolve(
      exec, batch, index,
      {.x = projected, .x_stride = 3 * width, .out = convolved, .silu = false});
  ops::ForRows(exec, batch.rows, [&](int64_t row, int) {
    float* values = convolved + row * width;
    const float* c = projected + (row * 3 + 1) * width;
    for (int64_t k = 0; k < width; ++k) values[k] *= c[k];
    ops::PutRow(out, row, values);
  });
  return out;
}

// Convolution, recurrence and gate of projected rows.
Activations DecoderFamily::Recurrence(Exec& exec, const Batch& batch,
                                      int64_t index, float* projected) const {
  const StateSpaceSpec& spec = spec_.state_space;
  const int64_t inner = spec.inner;
  float* channels = Room(exec, batch.rows, spec.convolved());
  Convolve(exec, batch, index,
           {.x = projected + (spec.heads > 0 ? inner : 0),
            .x_stride = spec.projected(),
            .out = channels});
  float* values = Room(exec, batch.rows, inner);
  if (spec.heads > 0) {
    ScanHeads(exec, batch, index, projected, channels, values);
  } else {
    ScanChannels(exec, batch, index, channels, values);
  }
  float* gates = projected + (spec.heads > 0 ? 0 : inner);
  return Gated(exec, batch, index, gates, values);
}

void DecoderFamily::ScanChannels(Exec& exec, const Batch& batch, int64_t index,
                                 const float* convolved, float* out) const {
  const StateSpaceLayer& layer =
      weights_.layers[static_cast<size_t>(index)].state_space;
  const StateSpaceSpec& spec = spec_.state_space;
  const int64_t rows = batch.rows, inner = spec.inner;
  const Activations channels =
      Columns(exec, convolved, rows, inner, layer.parts);
  TapInput(exec, index, "state_space_channels", channels);
  float* parts = Project(exec, channels, layer.parts);
  if (spec.part_norms) {
    NormParts(exec, {spec.step_rank, spec.states, spec.states},
              spec.norm_epsilon, rows, parts);
  }
  const Activations inside =
      Columns(exec, parts, rows, layer.parts.rows, layer.step);
  TapInput(exec, index, "state_space_step", inside);
  const float* steps = Project(exec, inside, layer.step, /*softplus=*/true);
  ops::ScanChannels(exec, Slices(batch, index),
                    {.channels = inner,
                     .states = spec.states,
                     .x = convolved,
                     .x_stride = inner,
                     .in = parts + spec.step_rank,
                     .out = parts + spec.step_rank + spec.states,
                     .in_stride = layer.parts.rows,
                     .steps = steps,
                     .step_stride = inner,
                     .rates = layer.rates.data(),
                     .skips = layer.skips.data(),
                     .y = out,
                     .y_stride = inner});
}

void DecoderFamily::ScanHeads(Exec& exec, const Batch& batch, int64_t index,
                              const float* projected, const float* convolved,
                              float* out) const {
  const StateSpaceLayer& layer =
      weights_.layers[static_cast<size_t>(index)].state_space;
  const StateSpaceSpec& spec = spec_.state_space;
  const int64_t heads = spec.heads, head_dim = spec.inner / heads;
  float* steps = Room(exec, batch.rows, heads);
  float* decays = Room(exec, batch.rows, heads);
  ops::ForRows(exec, batch.rows, [&](int64_t row, int) {
    float* step = steps + row * heads;
    std::copy_n(projected + (row + 1) * spec.projected() - heads, heads, step);
    kernels::Kernels().add(step, layer.step.bias.data(), heads);
    kernels::Kernels().softplus(step, heads);
    for (int64_t h = 0; h < heads; ++h) {
      decays[row * heads + h] =
          std::exp(step[h] * layer.rates[static_cast<size_t>(h)]);
    }
  });
  ops::ScanHeads(exec, Slices(batch, index), heads, spec.groups,
                 {.channels = head_dim,
                  .states = spec.states,
                  .x = convolved,
                  .x_stride = spec.convolved(),
                  .in = convolved + spec.inner,
                  .out = convolved + spec.inner + spec.groups * spec.states,
                  .in_stride = spec.convolved(),
                  .steps = steps,
                  .step_stride = heads,
                  .decays = decays,
                  .skips = layer.skips.data(),
                  .state_stride = head_dim,
                  .y = out,
                  .y_stride = spec.inner});
}

// silu(gate)·value, normalized where the model does, as the projection out
// reads it. Both are overwritten.
Activations DecoderFamily::Gated(Exec& exec, const Batch& batch, int64_t index,
                                 float* gates, float* values) const {
  const StateSpaceLayer& layer =
      weights_.layers[static_cast<size_t>(index)].state_space;
  const StateSpaceSpec& spec = spec_.state_space;
  const int64_t inner = spec.inner, group = inner / spec.groups;
  const Activations out = ops::NewActivations(exec.arena, batch.rows, inner,
                                              FormsFor(exec, {&layer.out}));
  ops::ForRows(exec, batch.rows, [&](int64_t row, int) {
    float* gate = gates + row * spec.projected();
    float* value = values + row * inner;
    kernels::Kernels().silu_mul(gate, value, inner);
    if (!spec.gated_norm) return ops::PutRow(out, row, gate);
    for (int64_t at = 0; at < inner; at += group) {
      kernels::Kernels().rms_norm(gate + at, layer.norm.weight.data() + at,
                                  group, static_cast<float>(spec.norm_epsilon),
                                  value + at);
    }
    ops::PutRow(out, row, value);
  });
  return out;
}

}  // namespace malmoi::models
