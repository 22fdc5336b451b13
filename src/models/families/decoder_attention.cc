// Attention of a block: query, key and value, their norms and rotation, the
// cache, and the softmax over it.
#include <algorithm>
#include <bit>
#include <cmath>
#include <string>
#include <vector>

#include "kernels/kernels.h"
#include "kernels/unpack.h"
#include "models/families/decoder_family.h"
#include "ops/attention.h"

namespace malmoi::models {

using ops::Activations;

// Normalizes a head, where the model does head by head, and rotates it, in
// place.
void DecoderFamily::Turn(const Norm& norm, const ops::Rotation* rotation,
                         int64_t row, int64_t head_index, float* head) const {
  const AttentionSpec& attention = spec_.attention;
  const int64_t dim = attention.head_dim;
  const bool own = attention.head_norms == HeadNorms::kOwnWeight;
  if (own || attention.head_norms == HeadNorms::kEachHead) {
    const float* weight = norm.weight.data() + (own ? head_index * dim : 0);
    ops::NormRow(spec_.norm, head, {weight, static_cast<size_t>(dim)}, {},
                 spec_.norm_epsilon, head);
  }
  if (rotation == nullptr || rotation->half == 0) return;
  if (attention.rope.pairs == RopePairs::kAdjacent) {
    ops::RotateAdjacent(head, *rotation, row);
  } else {
    ops::RotateHalves(head, *rotation, row);
  }
}

// Keeps a head's key, or value.
void DecoderFamily::Store(const Batch& batch, bool key, int64_t layer,
                          int64_t row, int64_t head,
                          const float* values) const {
  const int64_t position = batch.positions[static_cast<size_t>(row)];
  const int64_t page = position / kPagePositions;
  const int64_t place = places_[static_cast<size_t>(layer)];
  const Sequence& sequence = *batch.sequences[static_cast<size_t>(row)];
  const KvShape& shape = sequence.shape();
  std::byte* heads =
      key ? sequence.keys(place, page) : sequence.values(place, page);
  kernels::Kernels().store_kv(
      shape.type, key, values, 0, 1, spec_.attention.head_dim,
      heads + static_cast<size_t>(head) *
                  kernels::KvPageBytes(shape.type, shape.head_dim),
      position % kPagePositions);
}

// Where projected heads go: queries scaled into memory, keys and values into
// the cache. Norms over all heads need whole rows first, which `rows` keeps.
struct DecoderFamily::HeadStore {
  const DecoderFamily& family;
  const Batch& batch;
  int64_t layer;
  const ops::Rotation* rotation;  // null: none
  int64_t padded;
  float* queries;               // [rows][heads][padded]
  float* query_rows = nullptr;  // [rows][heads·head_dim]
  float* key_rows = nullptr;    // [rows][kv_heads·head_dim]

  const AttentionSpec& attention() const { return family.spec_.attention; }
  const DecoderLayer& weights() const {
    return family.weights_.layers[static_cast<size_t>(layer)];
  }

  void Query(int64_t row, int64_t head, float* values) const {
    const int64_t dim = attention().head_dim;
    Clip(values);
    family.Turn(weights().query_norm, rotation, row, head, values);
    const float scale = static_cast<float>(attention().scale);
    float* to = queries + (row * attention().heads + head) * padded;
    for (int64_t d = 0; d < dim; ++d) to[d] = values[d] * scale;
    std::fill(to + dim, to + padded, 0.0f);
  }
  void Key(int64_t row, int64_t head, float* values) const {
    Clip(values);
    family.Turn(weights().key_norm, rotation, row, head, values);
    family.Store(batch, true, layer, row, head, values);
  }
  void Value(int64_t row, int64_t head, float* values) const {
    Clip(values);
    family.Store(batch, false, layer, row, head, values);
  }

  void Clip(float* values) const {
    const float clip = static_cast<float>(attention().clip);
    if (clip == 0) return;
    for (int64_t k = 0; k < attention().head_dim; ++k) {
      values[k] = std::clamp(values[k], -clip, clip);
    }
  }

  // After the products, where a norm spans all heads.
  void FinishRows(Exec& exec) const {
    const int64_t dim = attention().head_dim;
    const auto finish = [&](float* rows, int64_t heads, const Norm& norm,
                            auto&& use) {
      ops::NormInPlace(exec, ops::NormKind::kRms, batch.rows, norm.weight, {},
                       family.spec_.norm_epsilon, nullptr, rows);
      for (int64_t row = 0; row < batch.rows; ++row) {
        for (int64_t h = 0; h < heads; ++h) {
          use(row, h, rows + (row * heads + h) * dim);
        }
      }
    };
    finish(query_rows, attention().heads, weights().query_norm,
           [&](int64_t row, int64_t h, float* v) { Query(row, h, v); });
    finish(key_rows, attention().kv_heads, weights().key_norm,
           [&](int64_t row, int64_t h, float* v) { Key(row, h, v); });
  }
};

void DecoderFamily::Attend(Exec& exec, Batch& batch, int64_t index,
                           const Activations& input) const {
  const DecoderLayer& layer = weights_.layers[static_cast<size_t>(index)];
  const AttentionSpec& attention = spec_.attention;
  const int64_t dim = attention.head_dim;
  // One type for all sequences of a batch.
  const int64_t padded = batch.inputs[0].sequence->shape().head_dim;
  TapInput(exec, index, "attention_input", input);
  Arena::Scope scope(exec.arena);
  const auto room = [&](int64_t columns) {
    return exec.arena.New<float>(static_cast<size_t>(batch.rows * columns));
  };
  HeadStore store{*this,
                  batch,
                  index,
                  !attention.Turns(index)   ? nullptr
                  : attention.Slides(index) ? &batch.sliding_rotation
                                            : &batch.rotation,
                  padded,
                  room(attention.heads * padded)};
  const bool all_heads = attention.head_norms == HeadNorms::kAllHeads;
  if (all_heads) {
    store.query_rows = room(attention.heads * dim);
    store.key_rows = room(attention.kv_heads * dim);
  }
  auto put_query = [&](const ops::Tile& tile) {
    if (all_heads) {
      AddBias(layer.query.bias, tile, tile.values);
      return ops::StoreTile(tile, attention.heads * dim, store.query_rows);
    }
    ForHeads(tile, layer.query, dim, [&](int64_t row, int64_t head, float* x) {
      store.Query(row, head, x);
    });
  };
  auto put_key = [&](const ops::Tile& tile) {
    if (all_heads) {
      AddBias(layer.key.bias, tile, tile.values);
      return ops::StoreTile(tile, attention.kv_heads * dim, store.key_rows);
    }
    ForHeads(tile, layer.key, dim, [&](int64_t row, int64_t head, float* x) {
      store.Key(row, head, x);
    });
  };
  auto put_value = [&](const ops::Tile& tile) {
    ForHeads(tile, layer.value, dim, [&](int64_t row, int64_t head, float* x) {
      store.Value(row, head, x);
    });
  };
  const ops::Product products[] = {
      {&layer.query, nullptr, dim, put_query},
      {&layer.key, nullptr, dim, put_key},
      {&layer.value, nullptr, dim, put_value},
  };
  FetchAhead(exec, batch.rows, layer.attention_output);
  ops::Matmul(exec, input, products);
  if (all_heads) store.FinishRows(exec);

  const Activations attended =
      ops::NewActivations(exec.arena, batch.rows, attention.heads * dim,
                          FormsFor(exec, {&layer.attention_output}));
  Mix(exec, batch, index, store.queries, attended);
  TapInput(exec, index, "attention_mixed", attended);
  FetchAhead(exec, batch.rows,
             spec_.experts.In(index) ? layer.mixture.router : layer.first());
  AddProduct(exec, batch, attended, layer.attention_output,
             layer.post_attention_norm, attention.added_scale);
}

// Slopes are powers of 2^(-8/n) for a power of two n of heads; what is more
// takes every other one of 2n (Press et al. 2022). Counted from the first
// position, as softmax does not mind what is common to all scores of a row.
void DecoderFamily::MakePositionBias(Exec& exec, Batch& batch) const {
  const AttentionSpec& attention = spec_.attention;
  for (const SequenceInput& input : batch.inputs) {
    batch.reach =
        std::max(batch.reach, input.sequence->length() +
                                  static_cast<int64_t>(input.tokens.size()));
  }
  const auto rounded = [&](double value) {
    const float single = static_cast<float>(value);
    return attention.alibi_bf16
               ? kernels::BF16ToFloat(kernels::FloatToBF16(single))
               : single;
  };
  const auto heads = static_cast<uint64_t>(attention.heads);
  const auto base = static_cast<int64_t>(std::bit_floor(heads));
  float* bias =
      exec.arena.New<float>(static_cast<size_t>(attention.heads * batch.reach));
  batch.position_bias = bias;
  for (int64_t h = 0; h < attention.heads; ++h) {
    const double power = h < base ? static_cast<double>(h + 1)
                                  : static_cast<double>(h - base) + 0.5;
    const float slope =
        rounded(std::exp2(-8.0 * power / static_cast<double>(base)));
    for (int64_t j = 0; j < batch.reach; ++j) {
      const float position = rounded(static_cast<double>(j));
      *bias++ = rounded(static_cast<double>(slope * position)) *
                static_cast<float>(attention.alibi);
    }
  }
}

// Softmax over the positions that each row sees, of the values there.
void DecoderFamily::Mix(Exec& exec, const Batch& batch, int64_t index,
                        const float* queries, const Activations& out) const {
  const AttentionSpec& attention = spec_.attention;
  const int64_t place = places_[static_cast<size_t>(index)];
  const DecoderLayer& layer = weights_.layers[static_cast<size_t>(index)];
  std::vector<const std::byte*> pages;
  std::vector<ops::AttentionSlice> slices;
  int64_t row = 0;
  for (const SequenceInput& input : batch.inputs) {
    ops::AttentionSlice slice;
    slice.first_row = row;
    slice.rows = static_cast<int64_t>(input.tokens.size());
    slice.first_position = input.sequence->length();
    slice.pages = (slice.first_position + slice.rows + kPagePositions - 1) /
                  kPagePositions;
    for (int64_t p = 0; p < slice.pages; ++p) {
      pages.push_back(input.sequence->keys(place, p));
    }
    for (int64_t p = 0; p < slice.pages; ++p) {
      pages.push_back(input.sequence->values(place, p));
    }
    row += slice.rows;
    if (slice.rows > 0)
      slices.push_back(slice);
    else
      pages.resize(pages.size() - static_cast<size_t>(2 * slice.pages));
  }
  const std::byte* const* next = pages.data();
  for (ops::AttentionSlice& slice : slices) {
    slice.keys = next;
    slice.values = next + slice.pages;
    next += 2 * slice.pages;
  }
  const std::string shown = AttentionName(exec, index);
  ops::Attention(exec,
                 {.type = batch.inputs[0].sequence->shape().type,
                  .heads = attention.heads,
                  .kv_heads = attention.kv_heads,
                  .head_dim = attention.head_dim,
                  .window = attention.Slides(index) ? attention.window : 0,
                  .softcap = static_cast<float>(attention.softcap),
                  .causal = !attention.both_ways,
                  .reach = batch.reach,
                  .position_bias = batch.position_bias,
                  .sinks = layer.sinks.empty() ? nullptr : layer.sinks.data(),
                  .shown = shown},
                 queries, slices, out);
}

}  // namespace malmoi::models
