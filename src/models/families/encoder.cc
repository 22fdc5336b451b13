// The encoder family: attention in both directions, a LayerNorm behind each sum
// (Devlin et al. 2019, "BERT").
#include "models/encoder.h"

#include <algorithm>
#include <cmath>
#include <string>

#include "base/error.h"
#include "base/format.h"
#include "kernels/kernels.h"
#include "kernels/unpack.h"
#include "models/families/block_parts.h"
#include "models/families/distance_bias.h"
#include "models/families/weight_reader.h"
#include "models/registry.h"
#include "ops/attention.h"
#include "ops/rows.h"

namespace malmoi::models {

namespace {

using ops::Activations;
constexpr KvType kType = KvType::kF32;

struct EncoderLayer {
  Linear query, key, value;
  Linear attention_output;
  Norm attention_norm;
  Linear up, down;
  Norm feed_forward_norm;
};

class EncoderFamily : public Encoder {
 public:
  EncoderFamily(const Checkpoint& checkpoint, Precision precision,
                ThreadPool& pool, PackedCache* cache);

  const EncoderSpec& spec() const override { return spec_; }
  int64_t parameters() const override { return parameters_; }
  std::span<const float> Forward(
      Exec& exec, std::span<const EncoderInput> inputs) const override;
  std::vector<float> Pool(Exec& exec,
                          std::span<const float> first_row) const override;

 private:
  struct Batch {
    std::span<const EncoderInput> inputs;
    int64_t rows = 0;
    float* stream = nullptr;                // [rows][width]
    std::vector<int64_t> positions, texts;  // of each row
    // Pages of keys and values of each text, used by one layer after another.
    std::vector<std::vector<std::byte*>> keys, values;
    const float* distance_bias = nullptr;
    int64_t reach = 0;
  };

  void ReadTables(WeightReader& reader, const Checkpoint& checkpoint);
  void ReadLayer(WeightReader& reader, int64_t i, EncoderLayer& layer);
  Batch Prepare(Exec& exec, std::span<const EncoderInput> inputs) const;
  void Embed(Exec& exec, Batch& batch) const;
  void Attend(Exec& exec, Batch& batch, const EncoderLayer& layer) const;
  void FeedForward(Exec& exec, Batch& batch, const EncoderLayer& layer) const;
  // stream = norm(stream + x·weights).
  void AddProduct(Exec& exec, Batch& batch, const Activations& x,
                  const Linear& weights, const Norm& norm) const;
  Activations Input(
      Exec& exec, const Batch& batch,
      std::initializer_list<const ops::PackedMatrix*> readers) const;

  EncoderSpec spec_;
  Tensor embedding_;                      // [vocab_size, embedding_width]
  std::vector<float> positions_, types_;  // [rows][embedding_width]
  Norm embedding_norm_;
  Linear projection_;                  // [width, embedding_width]
  std::vector<float> distance_table_;  // [buckets][heads]
  std::vector<EncoderLayer> layers_;   // of each group
  Linear pooler_;
  int64_t parameters_ = 0;
};

EncoderFamily::EncoderFamily(const Checkpoint& checkpoint, Precision precision,
                             ThreadPool& pool, PackedCache* cache) {
  const Architecture& architecture =
      FindEncoder(checkpoint.Architecture(), checkpoint.path.string());
  spec_ = architecture.describe_encoder(checkpoint);
  spec_.architecture = architecture.name;
  const bool exact = precision == Precision::kExact;
  if (spec_.groups > spec_.layers || spec_.head_dim > kernels::kMaxHeadDim) {
    throw Error(ErrorCode::kCorrupt,
                {.where = checkpoint.path.string(), .what = "senseless sizes"});
  }
  WeightReader reader(checkpoint, architecture,
                      {.exact = exact, .norm_bias = true});
  ReadTables(reader, checkpoint);
  const int64_t present = static_cast<int64_t>(checkpoint.tensors().size());
  layers_.resize(static_cast<size_t>(std::min(spec_.groups, present + 1)));
  for (size_t i = 0; i < layers_.size(); ++i) {
    ReadLayer(reader, static_cast<int64_t>(i), layers_[i]);
  }
  reader.finder().Finish();
  reader.Pack(pool, exact ? nullptr : cache);
  for (const auto& [name, tensor] : checkpoint.tensors()) {
    parameters_ += tensor.elements();
  }
}

void EncoderFamily::ReadTables(WeightReader& reader,
                               const Checkpoint& checkpoint) {
  TensorFinder& finder = reader.finder();
  const int64_t width = spec_.embedding_width;
  const auto found =
      checkpoint.tensors().find(finder.Name(Role::kEmbedding, 0));
  if (found != checkpoint.tensors().end()) {
    spec_.vocab_size = found->second.rows();
  }
  if (const Tensor* tensor =
          finder.Find(Role::kEmbedding, 0, {spec_.vocab_size, width})) {
    embedding_ = *tensor;
  }
  positions_ = reader.Table(Role::kPositions, spec_.positions, width);
  if (spec_.types > 0)
    types_ = reader.Table(Role::kTokenTypes, spec_.types, width);
  reader.ReadNorm(Role::kEmbeddingNorm, 0, width, embedding_norm_);
  if (width != spec_.width || checkpoint.tensors().contains(
                                  finder.Name(Role::kEmbeddingProjection, 0))) {
    reader.Matrix(Role::kEmbeddingProjection, 0, spec_.width, width, true,
                  projection_);
  }
  if (spec_.distance_buckets > 0) {
    distance_table_ =
        reader.Table(Role::kDistanceBias, spec_.distance_buckets, spec_.heads);
  }
  // Some checkpoints were saved without it.
  spec_.pooler = checkpoint.tensors().contains(finder.Name(Role::kPooler, 0));
  if (spec_.pooler) {
    reader.Matrix(Role::kPooler, 0, spec_.width, spec_.width, true, pooler_);
  }
}

void EncoderFamily::ReadLayer(WeightReader& reader, int64_t i,
                              EncoderLayer& layer) {
  const int64_t width = spec_.width, hidden = spec_.hidden;
  reader.Matrix(Role::kQuery, i, width, width, true, layer.query);
  reader.Matrix(Role::kKey, i, width, width, true, layer.key);
  reader.Matrix(Role::kValue, i, width, width, true, layer.value);
  reader.Matrix(Role::kAttentionOutput, i, width, width, true,
                layer.attention_output);
  reader.ReadNorm(Role::kPostAttentionNorm, i, width, layer.attention_norm);
  reader.Matrix(Role::kUp, i, hidden, width, true, layer.up);
  reader.Matrix(Role::kDown, i, width, hidden, true, layer.down);
  reader.ReadNorm(Role::kPostFeedForwardNorm, i, width,
                  layer.feed_forward_norm);
}

EncoderFamily::Batch EncoderFamily::Prepare(
    Exec& exec, std::span<const EncoderInput> inputs) const {
  Batch batch;
  batch.inputs = inputs;
  for (size_t text = 0; text < inputs.size(); ++text) {
    const auto count = static_cast<int64_t>(inputs[text].tokens.size());
    if (count > spec_.context()) {
      throw Error(ErrorCode::kContextOverflow,
                  {.where = "text",
                   .what = "more tokens than the model has positions",
                   .expected = Format("at most {}", spec_.context()),
                   .got = std::to_string(count)});
    }
    CheckTokens(inputs[text].tokens, spec_.vocab_size);
    for (int64_t i = 0; i < count; ++i) {
      batch.positions.push_back(i);
      batch.texts.push_back(static_cast<int64_t>(text));
    }
    batch.rows += count;
    batch.reach = std::max(batch.reach, count);
  }
  exec.arena.Reset();
  batch.stream =
      exec.arena.New<float>(static_cast<size_t>(batch.rows * spec_.width));
  const size_t page = static_cast<size_t>(spec_.heads) *
                      kernels::KvPageBytes(
                          kType, kernels::PaddedHeadDim(kType, spec_.head_dim));
  const auto pages = [&](size_t tokens) {
    std::vector<std::byte*> result;
    for (size_t at = 0; at < tokens; at += kPagePositions) {
      // Padding must not be NaN: it is multiplied by zero weights.
      std::byte* memory = exec.arena.New<std::byte>(page);
      std::fill_n(memory, page, std::byte{0});
      result.push_back(memory);
    }
    return result;
  };
  for (const EncoderInput& input : inputs) {
    batch.keys.push_back(pages(input.tokens.size()));
    batch.values.push_back(pages(input.tokens.size()));
  }
  if (spec_.distance_buckets > 0) {
    batch.distance_bias = BiasByDistance(
        exec.arena, distance_table_, spec_.heads,
        {spec_.distance_buckets, spec_.farthest, true}, batch.reach);
  }
  return batch;
}

void EncoderFamily::Embed(Exec& exec, Batch& batch) const {
  Arena::Scope scope(exec.arena);
  const int64_t width = spec_.embedding_width;
  const bool projects = projection_.rows > 0;
  float* sum =
      projects ? exec.arena.New<float>(static_cast<size_t>(batch.rows * width))
               : batch.stream;
  const size_t row_bytes = embedding_.row_bytes();
  int64_t row = 0;
  for (const EncoderInput& input : batch.inputs) {
    for (size_t i = 0; i < input.tokens.size(); ++i, ++row) {
      float* to = sum + row * width;
      kernels::DequantizeRow(
          embedding_.dtype,
          embedding_.data.data() +
              static_cast<size_t>(input.tokens[i]) * row_bytes,
          width, to);
      if (spec_.types > 0) {
        const int64_t type = input.types.empty() ? 0 : input.types[i];
        kernels::Kernels().add(
            to,
            types_.data() +
                std::clamp<int64_t>(type, 0, spec_.types - 1) * width,
            width);
      }
      const int64_t position = batch.positions[static_cast<size_t>(row)];
      kernels::Kernels().add(
          to, positions_.data() + (position + spec_.position_offset) * width,
          width);
    }
  }
  ops::NormInPlace(exec, ops::NormKind::kLayer, batch.rows,
                   embedding_norm_.weight, embedding_norm_.bias,
                   spec_.norm_epsilon, nullptr, sum);
  if (!projects) return;
  const Activations input = ops::NewActivations(exec.arena, batch.rows, width,
                                                FormsFor(exec, {&projection_}));
  ops::PutRows(exec, sum, input);
  auto keep = [&](const ops::Tile& tile) {
    AddBias(projection_.bias, tile, tile.values);
    ops::StoreTile(tile, spec_.width, batch.stream);
  };
  const ops::Product product[] = {{&projection_, nullptr, 1, keep}};
  ops::Matmul(exec, input, product);
}

Activations EncoderFamily::Input(
    Exec& exec, const Batch& batch,
    std::initializer_list<const ops::PackedMatrix*> readers) const {
  const Activations input = ops::NewActivations(
      exec.arena, batch.rows, spec_.width, FormsFor(exec, readers));
  ops::PutRows(exec, batch.stream, input);
  return input;
}

void EncoderFamily::Attend(Exec& exec, Batch& batch,
                           const EncoderLayer& layer) const {
  Arena::Scope scope(exec.arena);
  const int64_t dim = spec_.head_dim;
  const int64_t padded = kernels::PaddedHeadDim(kType, dim);
  const size_t head_bytes = kernels::KvPageBytes(kType, padded);
  const Activations input =
      Input(exec, batch, {&layer.query, &layer.key, &layer.value});
  float* queries = exec.arena.New<float>(
      static_cast<size_t>(batch.rows * spec_.heads * padded));
  const float scale = static_cast<float>(1.0 / std::sqrt(dim));
  const auto store = [&](bool key, int64_t row, int64_t head,
                         const float* values) {
    const size_t at = static_cast<size_t>(row);
    const size_t text = static_cast<size_t>(batch.texts[at]);
    const int64_t position = batch.positions[at];
    std::byte* page =
        (key ? batch.keys : batch.values)[text][static_cast<size_t>(
            position / kPagePositions)];
    kernels::Kernels().store_kv(kType, key, values, dim,
                                page + static_cast<size_t>(head) * head_bytes,
                                position % kPagePositions);
  };
  auto put_query = [&](const ops::Tile& tile) {
    ForHeads(tile, layer.query, dim, [&](int64_t row, int64_t head, float* x) {
      float* to = queries + (row * spec_.heads + head) * padded;
      for (int64_t d = 0; d < dim; ++d) to[d] = x[d] * scale;
      std::fill(to + dim, to + padded, 0.0f);
    });
  };
  auto put_key = [&](const ops::Tile& tile) {
    ForHeads(tile, layer.key, dim, [&](int64_t row, int64_t head, float* x) {
      store(true, row, head, x);
    });
  };
  auto put_value = [&](const ops::Tile& tile) {
    ForHeads(tile, layer.value, dim, [&](int64_t row, int64_t head, float* x) {
      store(false, row, head, x);
    });
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
  const Activations attended =
      ops::NewActivations(exec.arena, batch.rows, spec_.width,
                          FormsFor(exec, {&layer.attention_output}));
  ops::AttentionShape shape;
  shape.type = kType;
  shape.heads = spec_.heads;
  shape.kv_heads = spec_.heads;
  shape.head_dim = dim;
  shape.causal = false;
  shape.distance_bias = batch.distance_bias;
  shape.reach = batch.reach;
  ops::Attention(exec, shape, queries, slices, attended);
  AddProduct(exec, batch, attended, layer.attention_output,
             layer.attention_norm);
}

void EncoderFamily::AddProduct(Exec& exec, Batch& batch, const Activations& x,
                               const Linear& weights, const Norm& norm) const {
  Arena::Scope scope(exec.arena);
  float* result =
      exec.arena.New<float>(static_cast<size_t>(batch.rows * spec_.width));
  auto keep = [&](const ops::Tile& tile) {
    AddBias(weights.bias, tile, tile.values);
    ops::StoreTile(tile, spec_.width, result);
  };
  const ops::Product product[] = {{&weights, nullptr, 1, keep}};
  ops::Matmul(exec, x, product);
  ops::NormInPlace(exec, ops::NormKind::kLayer, batch.rows, norm.weight,
                   norm.bias, spec_.norm_epsilon, result, batch.stream);
}

void EncoderFamily::FeedForward(Exec& exec, Batch& batch,
                                const EncoderLayer& layer) const {
  Arena::Scope scope(exec.arena);
  const Activations input = Input(exec, batch, {&layer.up});
  const Activations hidden =
      Hidden(exec, input, spec_.activation, layer.up, nullptr, layer.down);
  AddProduct(exec, batch, hidden, layer.down, layer.feed_forward_norm);
}

std::span<const float> EncoderFamily::Forward(
    Exec& exec, std::span<const EncoderInput> inputs) const {
  Batch batch = Prepare(exec, inputs);
  if (batch.rows == 0) return {};
  const auto tap = [&](const std::string& name) {
    if (!exec.tap) return;
    exec.tap(name,
             {batch.stream, static_cast<size_t>(batch.rows * spec_.width)},
             batch.rows, spec_.width);
  };
  Embed(exec, batch);
  tap("embedding");
  for (int64_t i = 0; i < spec_.layers; ++i) {
    const EncoderLayer& layer =
        layers_[static_cast<size_t>(i * spec_.groups / spec_.layers)];
    Attend(exec, batch, layer);
    FeedForward(exec, batch, layer);
    tap(Format("layer.{}.output", i));
  }
  return {batch.stream, static_cast<size_t>(batch.rows * spec_.width)};
}

std::vector<float> EncoderFamily::Pool(Exec& exec,
                                       std::span<const float> first_row) const {
  std::vector<float> pooled;
  if (!spec_.pooler) return pooled;
  Arena::Scope scope(exec.arena);
  const Activations input = ops::NewActivations(exec.arena, 1, spec_.width,
                                                FormsFor(exec, {&pooler_}));
  ops::PutRows(exec, first_row.data(), input);
  pooled.resize(static_cast<size_t>(spec_.width));
  auto keep = [&](const ops::Tile& tile) {
    AddBias(pooler_.bias, tile, tile.values);
    for (int64_t k = 0; k < tile.rows; ++k) {
      pooled[static_cast<size_t>(tile.first_row + k)] =
          std::tanh(tile.values[k]);
    }
  };
  const ops::Product product[] = {{&pooler_, nullptr, 1, keep}};
  ops::Matmul(exec, input, product);
  return pooled;
}

}  // namespace

std::unique_ptr<Encoder> Encoder::Load(const Checkpoint& checkpoint,
                                       Precision precision, ThreadPool& pool,
                                       PackedCache* cache) {
  return std::make_unique<EncoderFamily>(checkpoint, precision, pool, cache);
}

}  // namespace malmoi::models
