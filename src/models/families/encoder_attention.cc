// The two blocks of an encoder's layer: attention in both directions and the
// feed-forward.
#include <algorithm>
#include <string>

#include "kernels/kernels.h"
#include "models/families/block_parts.h"
#include "models/families/encoder_family.h"
#include "ops/attention.h"
#include "ops/tiles.h"

namespace malmoi::models {

using ops::Activations;

namespace {

constexpr KvType kType = KvType::kF32;

}  // namespace

// Where the epilogues of query, key and value put finished heads.
class EncoderFamily::HeadStore {
 public:
  HeadStore(Exec& exec, const EncoderFamily& family, const Batch& batch,
            int64_t index)
      : batch_(batch),
        attention_(family.spec_.attention),
        rotation_(family.RotationOf(batch, index)),
        padded_(kernels::PaddedHeadDim(kType, attention_.head_dim)),
        head_bytes_(kernels::KvPageBytes(kType, padded_)) {
    const size_t heads = static_cast<size_t>(batch.rows * attention_.heads);
    queries_ = exec.arena.New<float>(heads * static_cast<size_t>(padded_));
    if (family.spec_.disentangled.key) {
      keys_ = exec.arena.New<float>(heads *
                                    static_cast<size_t>(attention_.head_dim));
    }
  }

  void Query(int64_t row, int64_t head, float* values) {
    Turn(row, values);
    const int64_t dim = attention_.head_dim;
    const float scale = static_cast<float>(attention_.scale);
    float* to = queries_ + (row * attention_.heads + head) * padded_;
    for (int64_t d = 0; d < dim; ++d) to[d] = values[d] * scale;
    std::fill(to + dim, to + padded_, 0.0f);
  }
  // Keys of a tile that is finished but for the rotation.
  void Keys(const ops::Tile& tile) {
    const int64_t dim = attention_.head_dim;
    for (int64_t t = 0; t < tile.tokens; ++t) {
      const int64_t row = tile.first_token + t;
      float* values = tile.values + t * tile.stride;
      for (int64_t r = 0; r < tile.rows; r += dim) Turn(row, values + r);
      if (keys_ == nullptr) continue;
      std::copy_n(values, tile.rows,
                  keys_ + row * attention_.heads * dim + tile.first_row);
    }
    Store(true, tile);
  }
  void Values(const ops::Tile& tile) { Store(false, tile); }
  const float* queries() const { return queries_; }
  const float* keys() const { return keys_; }

 private:
  void Turn(int64_t row, float* values) const {
    if (rotation_ != nullptr) ops::RotateHalves(values, *rotation_, row);
  }
  // Rows of a page together.
  void Store(bool key, const ops::Tile& tile) {
    const int64_t dim = attention_.head_dim;
    for (int64_t t = 0, rows = 0; t < tile.tokens; t += rows) {
      const size_t row = static_cast<size_t>(tile.first_token + t);
      const size_t text = static_cast<size_t>(batch_.texts[row]);
      const int64_t position = batch_.positions[row];
      const auto length =
          static_cast<int64_t>(batch_.inputs[text].tokens.size());
      const int64_t in_page = position % kPagePositions;
      rows = std::min(
          {tile.tokens - t, length - position, kPagePositions - in_page});
      std::byte* page =
          (key ? batch_.keys : batch_.values)[text][static_cast<size_t>(
              position / kPagePositions)];
      for (int64_t r = 0; r < tile.rows; r += dim) {
        const auto head = static_cast<size_t>((tile.first_row + r) / dim);
        kernels::Kernels().store_kv(
            kType, key, tile.values + t * tile.stride + r, tile.stride, rows,
            dim, page + head * head_bytes_, in_page);
      }
    }
  }

  const Batch& batch_;
  const AttentionSpec& attention_;
  const ops::Rotation* rotation_;
  int64_t padded_;
  size_t head_bytes_;
  float* queries_ = nullptr;  // [rows][heads][padded], scaled
  float* keys_ = nullptr;     // [rows][heads][head_dim], where they are needed
};

const ops::Rotation* EncoderFamily::RotationOf(const Batch& batch,
                                               int64_t index) const {
  return spec_.attention.rope.dim == 0   ? nullptr
         : spec_.attention.Slides(index) ? &batch.sliding_rotation
                                         : &batch.rotation;
}

Activations EncoderFamily::Input(
    Exec& exec, const Batch& batch, const Norm& norm,
    std::initializer_list<const ops::PackedMatrix*> readers) const {
  const ops::ActivationForms forms = FormsFor(exec, readers);
  if (batch.rounded != nullptr && forms.bf16 && !forms.f32) {
    Activations rounded;
    rounded.rows = batch.rows;
    rounded.columns = spec_.width;
    rounded.bf16 = batch.rounded;
    return rounded;
  }
  const Activations input =
      ops::NewActivations(exec.arena, batch.rows, spec_.width, forms);
  if (spec_.pre_norms && !norm.weight.empty()) {
    ops::NormRows(exec, ops::NormKind::kLayer, batch.stream, norm.weight,
                  norm.bias, spec_.norm_epsilon, input);
  } else {
    ops::PutRows(exec, batch.stream, input);
  }
  return input;
}

// Whether attention is computed within tiles of bf16: nobody wants to see it,
// and every row of a text sees all of them.
bool EncoderFamily::InTiles(const Exec& exec, int64_t index) const {
  const AttentionSpec& attention = spec_.attention;
  const EncoderLayer& layer = LayerAt(index);
  return layer.query.bf16_rows && layer.attention_output.bf16_rows &&
         layer.attention_output.low_rank == nullptr && !exec.tap &&
         spec_.disentangled.span == 0 && !attention.Slides(index) &&
         ops::HasTextAttention(attention.head_dim);
}

void EncoderFamily::AttendInTiles(Exec& exec, const Batch& batch, int64_t index,
                                  const EncoderLayer& layer,
                                  const Activations& input,
                                  const Activations& out) const {
  const AttentionSpec& attention = spec_.attention;
  const int64_t dim = attention.head_dim;
  const ops::Rotation* rotation = RotationOf(batch, index);
  const auto rows = [&] {
    return ops::NewTextRows(exec.arena, batch.rows, spec_.width);
  };
  uint16_t* queries = rows();
  uint16_t* keys = rows();
  uint16_t* values = rows();
  const auto put = [&](const ops::Tile& tile, const Linear& from, bool turns,
                       float scale, uint16_t* to) {
    ops::TileFinish how = {.bias = from.bias, .scale = scale};
    if (turns && rotation != nullptr) {
      ForHeads(tile, from, dim, [&](int64_t row, int64_t, float* x) {
        ops::RotateHalves(x, *rotation, row);
      });
      how.bias = {};
    }
    ops::FinishTile(tile, how, spec_.width, to);
  };
  auto put_query = [&](const ops::Tile& tile) {
    put(tile, layer.query, true, ops::TextQueryScale(attention.scale), queries);
  };
  auto put_key = [&](const ops::Tile& tile) {
    put(tile, layer.key, true, 1.0f, keys);
  };
  auto put_value = [&](const ops::Tile& tile) {
    put(tile, layer.value, false, 1.0f, values);
  };
  const ops::Product products[] = {{&layer.query, nullptr, dim, put_query},
                                   {&layer.key, nullptr, dim, put_key},
                                   {&layer.value, nullptr, dim, put_value}};
  ops::Matmul(exec, input, products);
  ops::AttendTexts(exec,
                   {.heads = attention.heads,
                    .head_dim = dim,
                    .queries = queries,
                    .keys = keys,
                    .values = values,
                    .distance_bias = batch.tile_bias,
                    .reach = batch.reach},
                   batch.lengths, out);
}

void EncoderFamily::Attend(Exec& exec, Batch& batch, int64_t index,
                           const EncoderLayer& layer) const {
  Arena::Scope scope(exec.arena);
  const AttentionSpec& attention = spec_.attention;
  const int64_t dim = attention.head_dim;
  const Activations input = Input(exec, batch, layer.attention_norm,
                                  {&layer.query, &layer.key, &layer.value});
  const Activations attended =
      ops::NewActivations(exec.arena, batch.rows, spec_.width,
                          FormsFor(exec, {&layer.attention_output}));
  if (InTiles(exec, index)) {
    AttendInTiles(exec, batch, index, layer, input, attended);
    return AddProduct(exec, batch, attended, layer.attention_output,
                      layer.attention_norm);
  }
  HeadStore store(exec, *this, batch, index);
  auto put_query = [&](const ops::Tile& tile) {
    ForHeads(tile, layer.query, dim, [&](int64_t row, int64_t head, float* x) {
      store.Query(row, head, x);
    });
  };
  auto put_key = [&](const ops::Tile& tile) {
    AddBias(layer.key.bias, tile, tile.values);
    store.Keys(tile);
  };
  auto put_value = [&](const ops::Tile& tile) {
    AddBias(layer.value.bias, tile, tile.values);
    store.Values(tile);
  };
  const ops::Product products[] = {{&layer.query, nullptr, dim, put_query},
                                   {&layer.key, nullptr, dim, put_key},
                                   {&layer.value, nullptr, dim, put_value}};
  ops::Matmul(exec, input, products);

  std::vector<ops::AttentionSlice> slices;
  int64_t row = 0;
  for (size_t text = 0; text < batch.inputs.size(); ++text) {
    const auto count = static_cast<int64_t>(batch.inputs[text].tokens.size());
    if (count == 0) continue;
    slices.push_back({.first_row = row,
                      .rows = count,
                      .first_position = 0,
                      .keys = batch.keys[text].data(),
                      .values = batch.values[text].data(),
                      .pages = static_cast<int64_t>(batch.keys[text].size())});
    row += count;
  }
  ops::AttentionShape shape;
  shape.type = kType;
  shape.heads = attention.heads;
  shape.kv_heads = attention.heads;
  shape.head_dim = dim;
  shape.window = attention.Slides(index) ? attention.window : 0;
  shape.causal = false;
  shape.reach = batch.reach;
  if (spec_.disentangled.span > 0) {
    shape.row_bias =
        BiasByContents(exec, batch, layer, store.queries(), store.keys());
  } else {
    shape.distance_bias = batch.distance_bias;
  }
  const std::string shown = AttentionName(exec, index);
  shape.shown = shown;
  ops::Attention(exec, shape, store.queries(), slices, attended);
  AddProduct(exec, batch, attended, layer.attention_output,
             layer.attention_norm);
}

void EncoderFamily::FeedForward(Exec& exec, Batch& batch,
                                const EncoderLayer& layer) const {
  Arena::Scope scope(exec.arena);
  const bool gated = spec_.feed_forward.gated;
  const Linear& first = gated ? layer.gate : layer.up;
  const Activations input =
      Input(exec, batch, layer.feed_forward_norm, {&first});
  const Activations hidden =
      Hidden(exec, input, spec_.feed_forward.activation, first,
             gated ? &layer.up : nullptr, layer.down);
  AddProduct(exec, batch, hidden, layer.down, layer.feed_forward_norm);
}

void EncoderFamily::AddProduct(Exec& exec, Batch& batch, const Activations& x,
                               const Linear& weights, const Norm& norm) const {
  // Where there are tiles of whole rows for all threads the sum is normed while
  // it is in the cache.
  constexpr int64_t kRowsOfThread = 128;
  if (batch.rounded != nullptr && weights.bf16_rows &&
      batch.rows >= kRowsOfThread * exec.pool.threads()) {
    auto finish = [&](const ops::Tile& tile) {
      ops::AddNormedTile(tile, weights.bias,
                         {norm.weight, norm.bias, spec_.norm_epsilon},
                         batch.stream, batch.rounded);
    };
    const ops::Product product[] = {{&weights, nullptr, spec_.width, finish}};
    return ops::Matmul(exec, x, product);
  }
  AddProjected(exec, x, weights, batch.stream);
  if (!spec_.pre_norms) NormStream(exec, batch, norm);
}

void EncoderFamily::NormStream(Exec& exec, Batch& batch,
                               const Norm& norm) const {
  if (batch.rounded != nullptr) {
    return ops::NormInTiles(exec, batch.rows,
                            {norm.weight, norm.bias, spec_.norm_epsilon},
                            batch.stream, batch.rounded);
  }
  ops::NormInPlace(exec, ops::NormKind::kLayer, batch.rows, norm.weight,
                   norm.bias, spec_.norm_epsilon, nullptr, batch.stream);
}

}  // namespace malmoi::models
