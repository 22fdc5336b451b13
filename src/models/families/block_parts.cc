#include "models/families/block_parts.h"

#include <algorithm>
#include <cmath>
#include <string>

#include "base/check.h"
#include "base/error.h"
#include "base/format.h"
#include "kernels/kernels.h"
#include "ops/rows.h"
#include "ops/tiles.h"

namespace malmoi::models {

using ops::ActivationForms;
using ops::Activations;
using ops::PackedMatrix;

void CheckTokens(std::span<const int32_t> tokens, int64_t vocab_size) {
  for (int32_t token : tokens) {
    if (token >= 0 && token < vocab_size) continue;
    throw Error(ErrorCode::kLimit,
                {.where = "tokens",
                 .what = "a token outside the vocabulary",
                 .expected = Format("0 to {}", vocab_size - 1),
                 .got = std::to_string(token)});
  }
}

ActivationForms FormsFor(const Exec& exec,
                         std::initializer_list<const PackedMatrix*> readers) {
  ActivationForms forms;
  for (const PackedMatrix* reader : readers) forms.Add(*reader);
  forms.f32 = forms.f32 || (exec.tap && exec.tap.inputs);
  return forms;
}

void TapInput(Exec& exec, int64_t layer, std::string_view name,
              const Activations& x) {
  if (!exec.tap || !exec.tap.inputs) return;
  exec.tap(Format("layer.{}.{}", layer, name),
           {x.values, static_cast<size_t>(x.rows * x.columns)}, x.rows,
           x.columns);
}

std::string AttentionName(const Exec& exec, int64_t layer,
                          std::string_view kind, std::string_view stack) {
  if (!exec.tap || !exec.tap.attention) return {};
  std::string name = Format("{}layer.{}.{}", stack, layer, kind);
  return exec.tap.attention(name) ? name : std::string();
}

void FetchAhead(Exec& exec, int64_t rows, const PackedMatrix& next) {
  constexpr size_t kMost = size_t{256} << 10;  // more leaves the caches again
  // From so many rows on arithmetic is the limit; an embedder has no head.
  if (rows >= 16 || next.rows == 0) return;
  exec.pool.FetchAhead({next.data, std::min(kMost, next.bytes())});
}

void AddBias(const std::vector<float>& bias, const ops::Tile& tile,
             float* values) {
  if (bias.empty()) return;
  for (int64_t t = 0; t < tile.tokens; ++t) {
    kernels::Kernels().add(values + t * tile.stride,
                           bias.data() + tile.first_row, tile.rows);
  }
}

void Project(Exec& exec, const Activations& x, const Linear& weights,
             float* to) {
  auto keep = [&](const ops::Tile& tile) {
    AddBias(weights.bias, tile, tile.values);
    ops::StoreTile(tile, weights.rows, to);
  };
  const ops::Product product[] = {{&weights, nullptr, 1, keep}};
  ops::Matmul(exec, x, product);
}

void AddProjected(Exec& exec, const Activations& x, const Linear& weights,
                  float* to) {
  auto add = [&](const ops::Tile& tile) {
    const kernels::KernelTable& table = kernels::Kernels();
    for (int64_t t = 0; t < tile.tokens; ++t) {
      float* sum = to + (tile.first_token + t) * weights.rows + tile.first_row;
      const float* values = tile.values + t * tile.stride;
      if (weights.bias.empty()) {
        table.add(sum, values, tile.rows);
      } else {
        table.add_two(sum, values, weights.bias.data() + tile.first_row,
                      tile.rows);
      }
    }
  };
  const ops::Product product[] = {{&weights, nullptr, 1, add}};
  ops::Matmul(exec, x, product);
}

void ProjectRows(Exec& exec, const float* x, int64_t rows,
                 const Linear& weights, float* to) {
  Arena::Scope scope(exec.arena);
  const Activations input = ops::NewActivations(
      exec.arena, rows, weights.columns, FormsFor(exec, {&weights}));
  ops::PutRows(exec, x, input);
  Project(exec, input, weights, to);
}

std::vector<float> Frequencies(const RopeSpec& rope,
                               const std::vector<float>& divisors,
                               double theta) {
  std::vector<float> frequencies;
  for (int64_t i = 0; i < rope.dim / 2; ++i) {
    const float exponent =
        static_cast<float>(2 * i) / static_cast<float>(rope.dim);
    float frequency = 1.0f / std::pow(static_cast<float>(theta), exponent);
    if (!divisors.empty()) frequency /= divisors[static_cast<size_t>(i)];
    frequencies.push_back(frequency / static_cast<float>(rope.linear_factor));
  }
  return frequencies;
}

void Activate(Activation activation, float* values, float* ups, int64_t count) {
  const kernels::KernelTable& table = kernels::Kernels();
  if (activation == Activation::kClampedSwish) {
    MALMOI_CHECK(ups != nullptr);
    constexpr float kLimit = 7.0f, kSlope = 1.702f;
    for (int64_t k = 0; k < count; ++k) {
      values[k] = kSlope * std::min(values[k], kLimit);
      ups[k] = (std::clamp(ups[k], -kLimit, kLimit) + 1.0f) / kSlope;
    }
    return table.silu_mul(values, ups, count);
  }
  const auto function = activation == Activation::kSilu   ? table.silu_mul
                        : activation == Activation::kGelu ? table.gelu_mul
                        : activation == Activation::kGeluTanh
                            ? table.gelu_tanh_mul
                            : nullptr;
  if (function != nullptr) return function(values, ups, count);
  for (int64_t k = 0; k < count; ++k) {
    const float x = values[k];
    switch (activation) {
      case Activation::kReluSquared:
        values[k] = x > 0 ? x * x : 0.0f;
        break;
      case Activation::kTanh:
        values[k] = std::tanh(x);
        break;
      default:
        values[k] = std::max(x, 0.0f);
    }
    if (ups != nullptr) values[k] *= ups[k];
  }
}

Activations Hidden(Exec& exec, const Activations& x, Activation activation,
                   const Linear& first, const Linear* beside,
                   const PackedMatrix& reader, double scale) {
  const Activations hidden = ops::NewActivations(exec.arena, x.rows, first.rows,
                                                 FormsFor(exec, {&reader}));
  if (beside == nullptr && activation == Activation::kGelu && scale == 1.0 &&
      ops::OnlyBF16(hidden) && kernels::Kernels().tiles != nullptr) {
    auto finish = [&](const ops::Tile& tile) {
      ops::FinishTile(tile, {.bias = first.bias, .gelu = true}, hidden.columns,
                      hidden.bf16);
    };
    const ops::Product product[] = {{&first, nullptr, 1, finish}};
    ops::Matmul(exec, x, product);
    return hidden;
  }
  const auto activate_rows = [&](const ops::Tile& rows) {
    AddBias(first.bias, rows, rows.values);
    if (beside != nullptr) AddBias(beside->bias, rows, rows.beside);
    for (int64_t t = 0; t < rows.tokens; ++t) {
      float* values = rows.values + t * rows.stride;
      for (int64_t k = 0; scale != 1.0 && k < rows.rows; ++k) {
        values[k] *= static_cast<float>(scale);
      }
      Activate(activation, values,
               beside != nullptr ? rows.beside + t * rows.stride : nullptr,
               rows.rows);
    }
    ops::PutParts(hidden, rows.first_token, rows.tokens, rows.first_row,
                  rows.rows, rows.values, rows.stride);
  };
  // Four rows at a time stay in the first-level cache.
  auto activate = [&](const ops::Tile& tile) {
    constexpr int64_t kQuad = 4;
    for (int64_t t = 0; t < tile.tokens; t += kQuad) {
      ops::Tile rows = tile;
      rows.first_token += t;
      rows.tokens = std::min(kQuad, tile.tokens - t);
      rows.values += t * tile.stride;
      if (beside != nullptr) rows.beside += t * tile.stride;
      activate_rows(rows);
    }
  };
  const ops::Product product[] = {{&first, beside, hidden.unit(), activate}};
  ops::Matmul(exec, x, product);
  return hidden;
}

}  // namespace malmoi::models
