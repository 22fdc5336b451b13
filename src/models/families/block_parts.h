// What the blocks of all families are made of: pieces between operations and
// whole blocks.
#ifndef MALMOI_MODELS_FAMILIES_BLOCK_PARTS_H_
#define MALMOI_MODELS_FAMILIES_BLOCK_PARTS_H_

#include <cstdint>
#include <initializer_list>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "models/families/weight_reader.h"
#include "models/spec.h"
#include "ops/activations.h"
#include "ops/exec.h"
#include "ops/matmul.h"

namespace malmoi::models {

// Throws kLimit for a token outside the vocabulary.
void CheckTokens(std::span<const int32_t> tokens, int64_t vocab_size);

// What the readers read, and f32 where an observer wants to see it.
ops::ActivationForms FormsFor(
    const Exec& exec, std::initializer_list<const ops::PackedMatrix*> readers);

// Shows what products read: "layer.3.attention_input".
void TapInput(Exec& exec, int64_t layer, std::string_view name,
              const ops::Activations& x);

// As what the tap is shown a layer's attention, if it wants it:
// "layer.3.attention"; otherwise empty. `kind`: "attention"; `stack`: of an
// encoder-decoder, "decoder.".
std::string AttentionName(const Exec& exec, int64_t layer,
                          std::string_view kind = "attention",
                          std::string_view stack = "");

// Decoding is limited by memory: threads that wait may fetch what the next
// product reads first.
void FetchAhead(Exec& exec, int64_t rows, const ops::PackedMatrix& next);

// Adds a projection's bias, where it has one, to a part of its outputs.
void AddBias(const std::vector<float>& bias, const ops::Tile& tile,
             float* values);

// Adds the bias to a tile of whole heads, then use(row, head, values) of each.
template <typename F>
void ForHeads(const ops::Tile& tile, const Linear& from, int64_t head_dim,
              F&& use) {
  AddBias(from.bias, tile, tile.values);
  for (int64_t t = 0; t < tile.tokens; ++t) {
    for (int64_t r = 0; r < tile.rows; r += head_dim) {
      use(tile.first_token + t, (tile.first_row + r) / head_dim,
          tile.values + t * tile.stride + r);
    }
  }
}

// weights·x + bias, [x.rows][weights.rows].
void Project(Exec& exec, const ops::Activations& x, const Linear& weights,
             float* to);
// to += weights·x + bias, of the same shape.
void AddProjected(Exec& exec, const ops::Activations& x, const Linear& weights,
                  float* to);
// to = weights·x + bias of f32 rows, [rows][weights.columns].
void ProjectRows(Exec& exec, const float* x, int64_t rows,
                 const Linear& weights, float* to);

// values = activation(values)·ups; without `ups`, activation(values).
// `ups` may be changed.
void Activate(Activation activation, float* values, float* ups, int64_t count);

// Radians per position of each of dim/2 frequencies.
std::vector<float> Frequencies(const RopeSpec& rope,
                               const std::vector<float>& divisors,
                               double theta);

// The inside of a feed-forward, as `reader` reads it, in exec.arena:
// activation(scale·first(x))·beside(x), or without the factor where `beside` is
// null.
ops::Activations Hidden(Exec& exec, const ops::Activations& x,
                        Activation activation, const Linear& first,
                        const Linear* beside, const ops::PackedMatrix& reader,
                        double scale = 1.0);

}  // namespace malmoi::models

#endif  // MALMOI_MODELS_FAMILIES_BLOCK_PARTS_H_
