// A mixture of experts: a router chooses some for every row; what each of them
// gives is weighed and summed in the order of the experts, so that a row's
// result does not depend on what else is in the batch.
#include <algorithm>
#include <cmath>
#include <vector>

#include "kernels/kernels.h"
#include "models/families/decoder_family.h"

namespace malmoi::models {

using ops::Activations;

namespace {

// Rows of an expert, and the weights of what it gives.
struct Assigned {
  std::vector<int64_t> rows;
  std::vector<float> weights;
};

// Softmax over all experts, then the highest `used` of each row.
std::vector<Assigned> Assign(const ExpertsSpec& spec, int64_t rows,
                             float* logits) {
  std::vector<Assigned> assigned(static_cast<size_t>(spec.count));
  std::vector<int64_t> order(static_cast<size_t>(spec.count));
  for (int64_t row = 0; row < rows; ++row) {
    float* values = logits + row * spec.count;
    const float largest = *std::max_element(values, values + spec.count);
    float total = 0;
    for (int64_t e = 0; e < spec.count; ++e) {
      values[e] = std::exp(values[e] - largest);
      total += values[e];
    }
    for (int64_t e = 0; e < spec.count; ++e) {
      order[static_cast<size_t>(e)] = e;
    }
    std::partial_sort(order.begin(), order.begin() + spec.used, order.end(),
                      [&](int64_t a, int64_t b) {
                        return values[a] != values[b] ? values[a] > values[b]
                                                      : a < b;
                      });
    float chosen = 0;
    for (int64_t i = 0; i < spec.used; ++i) {
      chosen += values[order[static_cast<size_t>(i)]];
    }
    for (int64_t i = 0; i < spec.used; ++i) {
      const int64_t e = order[static_cast<size_t>(i)];
      Assigned& expert = assigned[static_cast<size_t>(e)];
      expert.rows.push_back(row);
      expert.weights.push_back(values[e] / (spec.normalize ? chosen : total));
    }
  }
  return assigned;
}

}  // namespace

void DecoderFamily::Mixture(Exec& exec, Batch& batch, int64_t index,
                            const Activations& input) const {
  const auto& mixture = weights_.layers[static_cast<size_t>(index)].mixture;
  const ExpertsSpec& spec = spec_.experts;
  TapInput(exec, index, "feed_forward_input", input);
  Arena::Scope scope(exec.arena);
  const auto room = [&](int64_t columns) {
    return exec.arena.New<float>(static_cast<size_t>(batch.rows * columns));
  };
  float* logits = room(spec.count);
  Project(exec, input, mixture.router, logits);
  const std::vector<Assigned> assigned = Assign(spec, batch.rows, logits);
  float* sum = room(spec_.width);
  std::fill(sum, sum + batch.rows * spec_.width, 0.0f);
  for (size_t e = 0; e < assigned.size(); ++e) {
    if (assigned[e].rows.empty()) continue;
    AddExpert(exec, mixture.experts[e], input.values, assigned[e].rows,
              assigned[e].weights, sum);
  }
  if (spec.shared_hidden > 0) {
    Assigned all;
    all.weights.assign(static_cast<size_t>(batch.rows), 1.0f);
    if (spec.shared_router) {
      float* gates = room(1);
      Project(exec, input, mixture.shared_router, gates);
      for (int64_t row = 0; row < batch.rows; ++row) {
        all.weights[static_cast<size_t>(row)] =
            1.0f / (1.0f + std::exp(-gates[row]));
      }
    }
    all.rows = Range(0, batch.rows);
    AddExpert(exec, mixture.shared, input.values, all.rows, all.weights, sum);
  }
  const float scale = static_cast<float>(spec_.residual_scale);
  for (int64_t k = 0; k < batch.rows * spec_.width; ++k) {
    batch.stream[k] += scale * sum[k];
  }
}

// sum[row] += weight·expert(values[row]) for some rows of [batch rows, width].
void DecoderFamily::AddExpert(Exec& exec, const Expert& expert,
                              const float* values,
                              std::span<const int64_t> rows,
                              std::span<const float> weights,
                              float* sum) const {
  Arena::Scope scope(exec.arena);
  const int64_t count = static_cast<int64_t>(rows.size());
  const int64_t width = spec_.width;
  const Activations picked = ops::NewActivations(
      exec.arena, count, width, FormsFor(exec, {&expert.gate, &expert.up}));
  float* own = exec.arena.New<float>(static_cast<size_t>(count * width));
  for (int64_t i = 0; i < count; ++i) {
    std::copy_n(values + rows[static_cast<size_t>(i)] * width, width,
                own + i * width);
  }
  ops::PutRows(exec, own, picked);
  const Activations hidden =
      models::Hidden(exec, picked, spec_.feed_forward.activation, expert.gate,
                     &expert.up, expert.down);
  auto add = [&](const ops::Tile& tile) {
    AddBias(expert.down.bias, tile, tile.values);
    for (int64_t t = 0; t < tile.tokens; ++t) {
      const size_t i = static_cast<size_t>(tile.first_token + t);
      float* given = tile.values + t * tile.stride;
      for (int64_t k = 0; k < tile.rows; ++k) given[k] *= weights[i];
      kernels::Kernels().add(sum + rows[i] * width + tile.first_row, given,
                             tile.rows);
    }
  };
  const ops::Product down[] = {{&expert.down, nullptr, 1, add}};
  ops::Matmul(exec, hidden, down);
}

}  // namespace malmoi::models
