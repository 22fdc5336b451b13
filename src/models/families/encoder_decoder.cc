// The encoder-decoder family (Vaswani et al. 2017, "Attention Is All You
// Need"): texts in, memories out; tokens and memories in, logits out.
#include <algorithm>
#include <string>

#include "base/check.h"
#include "base/error.h"
#include "base/format.h"
#include "kernels/kernels.h"
#include "kernels/unpack.h"
#include "models/families/block_parts.h"
#include "models/families/distance_bias.h"
#include "models/families/encoder_decoder_family.h"
#include "models/registry.h"
#include "ops/rows.h"

namespace malmoi::models {

using ops::Activations;

EncoderDecoderFamily::EncoderDecoderFamily(const Checkpoint& checkpoint,
                                           Precision precision,
                                           ThreadPool& pool,
                                           PackedCache* cache) {
  const Architecture& architecture =
      FindEncoderDecoder(checkpoint.Architecture(), checkpoint.path.string());
  spec_ = architecture.describe_encoder_decoder(checkpoint);
  spec_.architecture = architecture.name;
  const bool exact = precision == Precision::kExact;
  weights_ = LoadEncoderDecoder(checkpoint, exact, pool,
                                exact ? nullptr : cache, spec_);
}

KvShape EncoderDecoderFamily::ShapeOf(const StackSpec& spec,
                                      int64_t layers) const {
  constexpr KvType kType = KvType::kF32;
  return {layers, spec.heads, kernels::PaddedHeadDim(kType, spec.head_dim),
          kType};
}

std::unique_ptr<Sequence> EncoderDecoderFamily::NewSequence(
    int64_t max_tokens) const {
  if (spec_.context > 0 && max_tokens > spec_.context) {
    throw Error(ErrorCode::kContextOverflow,
                {.where = "context",
                 .what = "more tokens than the model has positions",
                 .expected = Format("at most {}", spec_.context),
                 .got = std::to_string(max_tokens)});
  }
  return std::make_unique<Sequence>(
      ShapeOf(spec_.decoder, spec_.decoder.layers), max_tokens);
}

// Checks a run and adds it.
void EncoderDecoderFamily::AddRun(Batch& batch, Run run) const {
  CheckTokens(run.tokens, spec_.vocab_size);
  const int64_t end = run.first_position + run.rows();
  if (end > run.own->max_tokens()) {
    throw Error(ErrorCode::kContextOverflow,
                {.where = "context",
                 .what = "more tokens than the context holds",
                 .expected = Format("at most {}", run.own->max_tokens()),
                 .got = std::to_string(end)});
  }
  run.first_row = batch.rows;
  batch.rows += run.rows();
  batch.reach = std::max(batch.reach, end);
  batch.run_of.resize(static_cast<size_t>(batch.rows), batch.runs.size());
  batch.runs.push_back(run);
}

// Memory for the rows of a batch, in an arena that was reset.
void EncoderDecoderFamily::Begin(Exec& exec, Batch& batch) const {
  for (const Run& run : batch.runs) {
    run.own->Reserve(run.first_position + run.rows());
  }
  exec.arena.Reset();
  batch.stream =
      exec.arena.New<float>(static_cast<size_t>(batch.rows * spec_.width));
  if (spec_.distance_buckets == 0) return;
  batch.distance_bias = BiasByDistance(
      exec.arena, batch.stack.distance_table, batch.spec.heads,
      {spec_.distance_buckets, spec_.farthest, !batch.causal}, batch.reach);
}

void EncoderDecoderFamily::Embed(Exec& exec, Batch& batch) const {
  const int64_t width = spec_.width;
  const Tensor& embedding = weights_.embedding;
  const size_t row_bytes = embedding.row_bytes();
  const float scale = static_cast<float>(spec_.embedding_scale);
  for (const Run& run : batch.runs) {
    for (int64_t i = 0; i < run.rows(); ++i) {
      float* to = batch.stream + (run.first_row + i) * width;
      const auto token =
          static_cast<size_t>(run.tokens[static_cast<size_t>(i)]);
      kernels::DequantizeRow(embedding.dtype,
                             embedding.data.data() + token * row_bytes, width,
                             to);
      if (scale != 1.0f) {
        for (int64_t k = 0; k < width; ++k) to[k] *= scale;
      }
      if (spec_.positions == PositionKind::kNone) continue;
      const int64_t position = run.first_position + i + spec_.position_offset;
      kernels::Kernels().add(
          to, batch.stack.positions.data() + position * width, width);
    }
  }
  if (spec_.embedding_norm) {
    const Norm& norm = batch.stack.embedding_norm;
    ops::NormInPlace(exec, spec_.norm, batch.rows, norm.weight, norm.bias,
                     spec_.norm_epsilon, nullptr, batch.stream);
  }
}

Activations EncoderDecoderFamily::Input(
    Exec& exec, const Batch& batch, const Norm& norm,
    std::initializer_list<const ops::PackedMatrix*> readers) const {
  const Activations input = ops::NewActivations(
      exec.arena, batch.rows, spec_.width, FormsFor(exec, readers));
  if (spec_.pre_norms) {
    ops::NormRows(exec, spec_.norm, batch.stream, norm.weight, norm.bias,
                  spec_.norm_epsilon, input);
  } else {
    ops::PutRows(exec, batch.stream, input);
  }
  return input;
}

void EncoderDecoderFamily::AddProduct(Exec& exec, Batch& batch,
                                      const Activations& x,
                                      const Linear& weights,
                                      const Norm& norm) const {
  AddProjected(exec, x, weights, batch.stream);
  if (spec_.pre_norms) return;
  ops::NormInPlace(exec, spec_.norm, batch.rows, norm.weight, norm.bias,
                   spec_.norm_epsilon, nullptr, batch.stream);
}

void EncoderDecoderFamily::FeedForward(Exec& exec, Batch& batch,
                                       const StackLayer& layer) const {
  Arena::Scope scope(exec.arena);
  const Linear& first = spec_.gated ? layer.gate : layer.up;
  const Activations input =
      Input(exec, batch, layer.feed_forward_norm, {&first, &layer.up});
  const Activations hidden =
      Hidden(exec, input, spec_.activation, first,
             spec_.gated ? &layer.up : nullptr, layer.down);
  AddProduct(exec, batch, hidden, layer.down, layer.feed_forward_norm);
}

void EncoderDecoderFamily::Tapped(Exec& exec, const Batch& batch,
                                  const std::string& name) const {
  if (!exec.tap) return;
  exec.tap(Format("{}.{}", batch.name, name),
           {batch.stream, static_cast<size_t>(batch.rows * spec_.width)},
           batch.rows, spec_.width);
}

void EncoderDecoderFamily::RunStack(Exec& exec, Batch& batch) const {
  Embed(exec, batch);
  Tapped(exec, batch, "embedding");
  for (int64_t i = 0; i < batch.spec.layers; ++i) {
    const StackLayer& layer = batch.stack.layers[static_cast<size_t>(i)];
    Attend(exec, batch, layer.self, i);
    if (batch.causal) AttendMemory(exec, batch, layer.cross, i);
    FeedForward(exec, batch, layer);
    if (exec.tap) Tapped(exec, batch, Format("layer.{}.output", i));
  }
  if (spec_.output_norm) {
    const Norm& norm = batch.stack.output_norm;
    ops::NormInPlace(exec, spec_.norm, batch.rows, norm.weight, norm.bias,
                     spec_.norm_epsilon, nullptr, batch.stream);
  }
  Tapped(exec, batch, "output");
}

std::vector<std::unique_ptr<Sequence>> EncoderDecoderFamily::Encode(
    Exec& exec, std::span<const std::span<const int32_t>> texts) const {
  Batch batch{
      .name = "encoder", .spec = spec_.encoder, .stack = weights_.encoder};
  std::vector<std::unique_ptr<Sequence>> memories, scratch;
  for (const std::span<const int32_t> text : texts) {
    if (text.empty()) {
      throw Error(ErrorCode::kInvalidArgument,
                  {.where = "text", .what = "a text without tokens"});
    }
    const auto count = static_cast<int64_t>(text.size());
    const int64_t most = spec_.context > 0 ? spec_.context : count;
    // One layer after another keeps its keys and values here.
    scratch.push_back(
        std::make_unique<Sequence>(ShapeOf(spec_.encoder, 1), most));
    AddRun(batch, {.tokens = text, .own = scratch.back().get()});
    memories.push_back(std::make_unique<Sequence>(
        ShapeOf(spec_.decoder, spec_.decoder.layers), count));
    memories.back()->Reserve(count);
  }
  if (batch.rows == 0) return memories;
  Begin(exec, batch);
  RunStack(exec, batch);
  KeepMemory(exec, batch, memories);
  return memories;
}

std::span<const float> EncoderDecoderFamily::Logits(
    Exec& exec, const Batch& batch, std::span<const DecodeInput> inputs) const {
  std::vector<int64_t> wanted;
  for (size_t i = 0; i < inputs.size(); ++i) {
    const Run& run = batch.runs[i];
    const int64_t count = inputs[i].logits == LogitsFor::kAll    ? run.rows()
                          : inputs[i].logits == LogitsFor::kLast ? 1
                                                                 : 0;
    for (int64_t r = std::max<int64_t>(run.rows() - count, 0); r < run.rows();
         ++r) {
      wanted.push_back(run.first_row + r);
    }
  }
  if (wanted.empty()) return {};
  const auto rows = static_cast<int64_t>(wanted.size());
  const Activations input = ops::NewActivations(
      exec.arena, rows, spec_.width, FormsFor(exec, {&weights_.head}));
  for (int64_t i = 0; i < rows; ++i) {
    ops::PutRow(input, i,
                batch.stream + wanted[static_cast<size_t>(i)] * spec_.width);
  }
  return Head(exec, input);
}

std::span<const float> EncoderDecoderFamily::Head(
    Exec& exec, const Activations& input) const {
  const int64_t vocab = spec_.vocab_size;
  const auto size = static_cast<size_t>(input.rows * vocab);
  float* logits = exec.arena.New<float>(size);
  const float scale = static_cast<float>(spec_.logit_scale);
  auto store = [&](const ops::Tile& tile) {
    if (scale != 1.0f) {
      for (int64_t t = 0; t < tile.tokens; ++t) {
        float* values = tile.values + t * tile.stride;
        for (int64_t k = 0; k < tile.rows; ++k) values[k] *= scale;
      }
    }
    AddBias(weights_.head.bias, tile, tile.values);
    ops::StoreTile(tile, vocab, logits);
  };
  const ops::Product head[] = {{&weights_.head, nullptr, 1, store}};
  ops::Matmul(exec, input, head);
  return {logits, size};
}

std::span<const float> EncoderDecoderFamily::LogitsOf(
    Exec& exec, std::span<const float> rows) const {
  exec.arena.Reset();
  const auto count = static_cast<int64_t>(rows.size()) / spec_.width;
  const Activations input = ops::NewActivations(
      exec.arena, count, spec_.width, FormsFor(exec, {&weights_.head}));
  if (spec_.output_norm) {
    const Norm& norm = weights_.decoder.output_norm;
    ops::NormRows(exec, spec_.norm, rows.data(), norm.weight, norm.bias,
                  spec_.norm_epsilon, input);
  } else {
    ops::PutRows(exec, rows.data(), input);
  }
  return Head(exec, input);
}

std::span<const float> EncoderDecoderFamily::Forward(
    Exec& exec, std::span<const DecodeInput> inputs) const {
  Batch batch{.name = "decoder",
              .spec = spec_.decoder,
              .stack = weights_.decoder,
              .causal = true};
  for (const DecodeInput& input : inputs) {
    AddRun(batch, {.tokens = input.tokens,
                   .first_position = input.sequence->length(),
                   .own = input.sequence,
                   .memory = input.memory});
  }
  if (batch.rows == 0) return {};
  Begin(exec, batch);
  RunStack(exec, batch);
  const std::span<const float> logits = Logits(exec, batch, inputs);
  // Last: what throws before leaves the sequences as they were.
  for (const Run& run : batch.runs) {
    run.own->SetLength(run.first_position + run.rows());
  }
  return logits;
}

std::unique_ptr<EncoderDecoder> EncoderDecoder::Load(
    const Checkpoint& checkpoint, Precision precision, ThreadPool& pool,
    PackedCache* cache) {
  return std::make_unique<EncoderDecoderFamily>(checkpoint, precision, pool,
                                                cache);
}

}  // namespace malmoi::models
