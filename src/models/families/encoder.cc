// Encoders: their weights, the embedding of a batch and the walk through the
// layers.
#include <algorithm>
#include <string>

#include "base/error.h"
#include "base/format.h"
#include "kernels/kernels.h"
#include "kernels/unpack.h"
#include "models/families/block_parts.h"
#include "models/families/distance_bias.h"
#include "models/families/encoder_family.h"
#include "ops/tiles.h"

namespace malmoi::models {

namespace {

constexpr KvType kType = KvType::kF32;

}  // namespace

EncoderFamily::EncoderFamily(const Checkpoint& checkpoint, Precision precision,
                             ThreadPool& pool, PackedCache* cache,
                             std::optional<Task> task) {
  Architecture architecture =
      FindEncoder(checkpoint.Architecture(), checkpoint.path.string());
  const HeadForm* form =
      task ? &EncoderHead::Choose(checkpoint, architecture, *task) : nullptr;
  std::vector<TensorName> names(architecture.tensors.begin(),
                                architecture.tensors.end());
  if (form != nullptr) {
    names.insert(names.end(), form->tensors.begin(), form->tensors.end());
  }
  architecture.tensors = names;
  spec_ = architecture.describe_encoder(checkpoint);
  spec_.architecture = architecture.name;
  const bool exact = precision == Precision::kExact;
  if (spec_.groups > spec_.layers ||
      spec_.attention.head_dim > kernels::kMaxHeadDim) {
    throw Error(ErrorCode::kCorrupt,
                {.where = checkpoint.path.string(), .what = "senseless sizes"});
  }
  WeightReader reader(checkpoint, architecture,
                      {.exact = exact,
                       .bf16_rows = precision == Precision::kBf16,
                       .eight_bits = precision == Precision::kInt8,
                       .in_bf16 = precision == Precision::kBf16,
                       .norm_bias = spec_.norm_bias});
  ReadTables(reader, checkpoint);
  const int64_t present = static_cast<int64_t>(checkpoint.tensors().size());
  layers_.resize(static_cast<size_t>(std::min(spec_.groups, present + 1)));
  for (size_t i = 0; i < layers_.size(); ++i) {
    ReadLayer(reader, static_cast<int64_t>(i), layers_[i]);
  }
  if (form != nullptr) {
    head_.Read(reader, checkpoint, *form, embedding_, spec_);
  }
  reader.finder().Finish();
  reader.Pack(pool, precision == Precision::kFast ? cache : nullptr);
  const RopeSpec& rope = spec_.attention.rope;
  const RopeSpec& sliding = spec_.attention.sliding_rope;
  frequencies_ = Frequencies(rope, rope.frequency_divisors, rope.theta);
  sliding_frequencies_ =
      Frequencies(sliding, sliding.frequency_divisors, sliding.theta);
  if (spec_.disentangled.span > 0) ProjectDistances(pool);
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
  if (spec_.learned_positions) {
    positions_ = reader.Table(Role::kPositions, spec_.positions, width);
  }
  if (spec_.types > 0)
    types_ = reader.Table(Role::kTokenTypes, spec_.types, width);
  reader.ReadNorm(Role::kEmbeddingNorm, 0, width, embedding_norm_);
  if (width != spec_.width || checkpoint.tensors().contains(
                                  finder.Name(Role::kEmbeddingProjection, 0))) {
    reader.Matrix(Role::kEmbeddingProjection, 0, spec_.width, width, true,
                  projection_);
  }
  if (spec_.distance_buckets > 0) {
    distance_table_ = reader.Table(Role::kDistanceBias, spec_.distance_buckets,
                                   spec_.attention.heads);
  }
  if (spec_.disentangled.span > 0) {
    distances_ = reader.Table(Role::kDistances, 2 * spec_.disentangled.span,
                              spec_.width);
    if (spec_.disentangled.norm) {
      reader.ReadNorm(Role::kDistanceNorm, 0, spec_.width, distance_norm_);
    }
  }
  if (spec_.convolution > 0) ReadConvolution(reader);
  if (spec_.pre_norms) {
    reader.ReadNorm(Role::kOutputNorm, 0, spec_.width, output_norm_);
  }
  // Some checkpoints were saved without it.
  spec_.pooler = checkpoint.tensors().contains(finder.Name(Role::kPooler, 0));
  if (spec_.pooler) {
    reader.Matrix(Role::kPooler, 0, spec_.width, spec_.width, true, pooler_);
  }
}

void EncoderFamily::ReadLayer(WeightReader& reader, int64_t i,
                              EncoderLayer& layer) {
  const int64_t width = spec_.width;
  const AttentionSpec& attention = spec_.attention;
  const bool first = spec_.pre_norms && i == 0;
  if (!first) {
    reader.ReadNorm(
        spec_.pre_norms ? Role::kAttentionNorm : Role::kPostAttentionNorm, i,
        width, layer.attention_norm);
  }
  reader.Matrices(Role::kQueryKeyValue, i, width, attention.bias,
                  {{Role::kQuery, Range(0, width), &layer.query},
                   {Role::kKey, Range(width, width), &layer.key},
                   {Role::kValue, Range(2 * width, width), &layer.value}});
  reader.Matrix(Role::kAttentionOutput, i, width, width, attention.output_bias,
                layer.attention_output);
  reader.ReadNorm(
      spec_.pre_norms ? Role::kFeedForwardNorm : Role::kPostFeedForwardNorm, i,
      width, layer.feed_forward_norm);
  reader.FeedForward(i, width, spec_.feed_forward, layer.gate, layer.up,
                     layer.down);
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
    batch.lengths.push_back(count);
    batch.reach = std::max(batch.reach, count);
  }
  exec.arena.Reset();
  batch.stream =
      exec.arena.New<float>(static_cast<size_t>(batch.rows * spec_.width));
  if (kernels::Kernels().tiles != nullptr && !spec_.pre_norms &&
      projection_.rows == 0 && spec_.width % 2 == 0 &&
      layers_[0].query.bf16_rows) {
    batch.rounded =
        exec.arena.New<uint16_t>(static_cast<size_t>(batch.rows * spec_.width));
  }
  const AttentionSpec& attention = spec_.attention;
  const size_t page =
      static_cast<size_t>(attention.heads) *
      kernels::KvPageBytes(kType,
                           kernels::PaddedHeadDim(kType, attention.head_dim));
  const bool pads =
      kernels::PaddedHeadDim(kType, attention.head_dim) != attention.head_dim;
  const auto pages = [&](size_t tokens) {
    std::vector<std::byte*> result;
    for (size_t at = 0; at < tokens; at += kPagePositions) {
      // What pads a head must not be NaN: it is multiplied by zeros.
      std::byte* memory = exec.arena.New<std::byte>(page);
      if (pads) std::fill_n(memory, page, std::byte{0});
      result.push_back(memory);
    }
    return result;
  };
  bool paged = false;
  for (int64_t i = 0; i < spec_.layers; ++i) paged |= !InTiles(exec, i);
  for (const EncoderInput& input : inputs) {
    if (!paged) break;
    batch.keys.push_back(pages(input.tokens.size()));
    batch.values.push_back(pages(input.tokens.size()));
  }
  if (spec_.distance_buckets > 0) {
    batch.distance_bias = BiasByDistance(
        exec.arena, distance_table_, attention.heads,
        {spec_.distance_buckets, spec_.farthest, true}, batch.reach);
    if (!paged) {
      batch.tile_bias = ops::TextBias(exec.arena, batch.distance_bias,
                                      attention.heads * (2 * batch.reach - 1));
    }
  }
  const auto turn = [&](const RopeSpec& rope,
                        const std::vector<float>& frequencies) {
    const std::vector<const float*> each(batch.positions.size(),
                                         frequencies.data());
    return ops::MakeRotation(exec, batch.positions, each, rope.dim / 2,
                             rope.magnitude);
  };
  if (attention.rope.dim > 0) {
    batch.rotation = turn(attention.rope, frequencies_);
    if (!attention.sliding.empty()) {
      batch.sliding_rotation =
          turn(attention.sliding_rope, sliding_frequencies_);
    }
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
      if (!spec_.learned_positions) continue;
      const int64_t position = batch.positions[static_cast<size_t>(row)];
      kernels::Kernels().add(
          to, positions_.data() + (position + spec_.position_offset) * width,
          width);
    }
  }
  if (!projects) return NormStream(exec, batch, embedding_norm_);
  ops::NormInPlace(exec, ops::NormKind::kLayer, batch.rows,
                   embedding_norm_.weight, embedding_norm_.bias,
                   spec_.norm_epsilon, nullptr, sum);
  ProjectRows(exec, sum, batch.rows, projection_, batch.stream);
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
  const float* entered = nullptr;
  if (spec_.convolution > 0) {
    const auto size = static_cast<size_t>(batch.rows * spec_.width);
    float* copy = exec.arena.New<float>(size);
    std::copy_n(batch.stream, size, copy);
    entered = copy;
  }
  for (int64_t i = 0; i < spec_.layers; ++i) {
    const EncoderLayer& layer = LayerAt(i);
    Attend(exec, batch, i, layer);
    FeedForward(exec, batch, layer);
    if (i == 0 && entered != nullptr) Convolve(exec, batch, entered);
    tap(Format("layer.{}.output", i));
  }
  if (spec_.pre_norms) {
    ops::NormInPlace(exec, ops::NormKind::kLayer, batch.rows,
                     output_norm_.weight, output_norm_.bias, spec_.norm_epsilon,
                     nullptr, batch.stream);
    tap("final_norm");
  }
  return {batch.stream, static_cast<size_t>(batch.rows * spec_.width)};
}

std::vector<float> EncoderFamily::Pool(Exec& exec,
                                       std::span<const float> first_row) const {
  std::vector<float> pooled;
  if (!spec_.pooler) return pooled;
  pooled.resize(static_cast<size_t>(spec_.width));
  ProjectRows(exec, first_row.data(), 1, pooler_, pooled.data());
  Activate(Activation::kTanh, pooled.data(), nullptr, spec_.width);
  return pooled;
}

std::vector<float> EncoderFamily::Head(Exec& exec, std::span<const float> rows,
                                       int64_t count) const {
  return head_.Apply(exec, rows, count, spec_.norm_epsilon);
}

std::unique_ptr<Encoder> Encoder::Load(const Checkpoint& checkpoint,
                                       Precision precision, ThreadPool& pool,
                                       PackedCache* cache,
                                       std::optional<Task> task) {
  return std::make_unique<EncoderFamily>(checkpoint, precision, pool, cache,
                                         task);
}

}  // namespace malmoi::models
