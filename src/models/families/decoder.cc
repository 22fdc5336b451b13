// The decoder family: blocks of attention and feed-forward on a residual
// stream (Vaswani et al. 2017). One forward for any number of rows of any
// number of sequences, steered by the Spec.
#include <algorithm>
#include <cmath>
#include <map>
#include <string>

#include "base/check.h"
#include "base/error.h"
#include "base/format.h"
#include "kernels/kernels.h"
#include "kernels/unpack.h"
#include "models/families/decoder_family.h"
#include "models/registry.h"

namespace malmoi::models {

using ops::Activations;
using ops::PackedMatrix;

namespace {

void FinishLogits(const Spec& spec, float* logits, int64_t count) {
  if (spec.logit_scale != 1.0) {
    const float scale = static_cast<float>(spec.logit_scale);
    for (int64_t i = 0; i < count; ++i) logits[i] *= scale;
  }
  if (spec.logit_softcap > 0) {
    const float cap = static_cast<float>(spec.logit_softcap);
    for (int64_t i = 0; i < count; ++i) {
      logits[i] = cap * std::tanh(logits[i] / cap);
    }
  }
}

// Spread over what the first projection of a state space gives.
std::vector<float> PartScales(const StateSpaceSpec& state) {
  std::vector<float> scales;
  if (state.part_scales.empty()) return scales;
  const int64_t in = state.groups * state.states;
  const int64_t sizes[] = {state.inner, state.inner, in, in, state.heads};
  for (size_t i = 0; i < state.part_scales.size(); ++i) {
    scales.insert(scales.end(), static_cast<size_t>(sizes[i]),
                  static_cast<float>(state.part_scales[i]));
  }
  return scales;
}

}  // namespace

DecoderFamily::DecoderFamily(const Checkpoint& checkpoint, Precision precision,
                             ThreadPool& pool, PackedCache* cache, bool head) {
  const Architecture& architecture =
      FindDecoder(checkpoint.Architecture(), checkpoint.path.string());
  spec_ = architecture.describe(checkpoint);
  spec_.architecture = architecture.name;
  if (head && spec_.attention.both_ways) {
    throw Error(ErrorCode::kUnsupported,
                {.where = checkpoint.path.string(),
                 .what = "a model that reads both ways cannot write",
                 .expected = "one that sees only what is before a token",
                 .got = spec_.architecture + ", an embedder",
                 .hint = "malmoi embed"});
  }
  weights_ =
      LoadDecoder(checkpoint, precision, pool,
                  precision == Precision::kFast ? cache : nullptr, spec_, head);
  kv_type_ = precision == Precision::kExact ? KvType::kF32 : KvType::kF16;
  int64_t attending = 0, states = 0;
  for (int64_t i = 0; i < spec_.layers; ++i) {
    places_.push_back(spec_.Attends(i) ? attending++ : -1);
    state_places_.push_back(spec_.HasState(i) ? states++ : -1);
  }
  part_scales_ = PartScales(spec_.state_space);
  const AttentionSpec& attention = spec_.attention;
  const RopeSpec& rope = attention.rope;
  frequencies_ = Frequencies(rope, rope.frequency_divisors, rope.theta);
  long_frequencies_ = Frequencies(
      rope,
      rope.long_divisors.empty() ? rope.frequency_divisors : rope.long_divisors,
      rope.theta);
  const RopeSpec& sliding = attention.sliding_rope;
  sliding_frequencies_ =
      Frequencies(sliding, sliding.frequency_divisors, sliding.theta);
}

KvShape DecoderFamily::kv_shape(std::optional<KvType> type) const {
  return ShapeOf(spec_, type.value_or(kv_type_));
}

std::unique_ptr<Sequence> DecoderFamily::NewReading(int64_t tokens) const {
  KvShape shape = kv_shape(KvType::kF32);
  shape.one_layer = true;
  shape.layers = std::min<int64_t>(shape.layers, 1);
  return std::make_unique<Sequence>(shape, tokens);
}

DecoderFamily::Batch DecoderFamily::Prepare(
    Exec& exec, std::span<const SequenceInput> inputs) const {
  Batch batch;
  batch.inputs = inputs;
  Collect(batch);
  for (const SequenceInput& input : inputs) {
    input.sequence->Reserve(input.sequence->length() +
                            static_cast<int64_t>(input.tokens.size()));
  }
  for (const SequenceInput& input : inputs) {
    if (!input.tokens.empty()) input.sequence->OpenState();
  }
  exec.arena.Reset();
  batch.stream =
      exec.arena.New<float>(static_cast<size_t>(batch.rows * spec_.width));
  const AttentionSpec& attention = spec_.attention;
  batch.rotation = MakeRotation(exec, batch, attention.rope, frequencies_,
                                long_frequencies_);
  if (!attention.sliding.empty()) {
    const RopeSpec& rope = attention.sliding_rope;
    batch.sliding_rotation = MakeRotation(
        exec, batch, rope, sliding_frequencies_,
        rope.long_divisors.empty() ? sliding_frequencies_ : long_frequencies_);
  }
  if (attention.alibi > 0) MakePositionBias(exec, batch);
  return batch;
}

// Rows of a sequence that may grow past the original context take the long
// divisors (LongRoPE), or a base that grows with the capacity (dynamic NTK).
ops::Rotation DecoderFamily::MakeRotation(
    Exec& exec, const Batch& batch, const RopeSpec& rope,
    const std::vector<float>& common, const std::vector<float>& longer) const {
  std::vector<const float*> frequencies;
  std::map<int64_t, std::vector<float>> grown;
  for (const Sequence* sequence : batch.sequences) {
    const int64_t capacity = sequence->max_tokens();
    const bool is_long = rope.IsLong(capacity);
    if (is_long && rope.dynamic_factor > 0) {
      std::vector<float>& own = grown[capacity];
      if (own.empty()) {
        const double more = rope.dynamic_factor *
                                static_cast<double>(capacity) /
                                static_cast<double>(rope.original_context) -
                            (rope.dynamic_factor - 1.0);
        const auto dim = static_cast<double>(rope.dim);
        own = Frequencies(rope, {},
                          rope.theta * std::pow(more, dim / (dim - 2.0)));
      }
      frequencies.push_back(own.data());
    } else {
      frequencies.push_back((is_long ? longer : common).data());
    }
  }
  return ops::MakeRotation(exec, batch.positions, frequencies, rope.dim / 2,
                           rope.magnitude);
}

// Checks the inputs and lists their rows.
void DecoderFamily::Collect(Batch& batch) const {
  for (const SequenceInput& input : batch.inputs) {
    Sequence& sequence = *input.sequence;
    MALMOI_CHECK(sequence.shape().type ==
                 batch.inputs[0].sequence->shape().type);
    const int64_t count = static_cast<int64_t>(input.tokens.size());
    if (sequence.length() + count > sequence.max_tokens()) {
      throw Error(ErrorCode::kContextOverflow,
                  {.where = "context",
                   .what = "more tokens than the context holds",
                   .expected = Format("at most {}", sequence.max_tokens()),
                   .got = std::to_string(sequence.length() + count)});
    }
    MALMOI_CHECK(sequence.length() == 0 ||
                 (!sequence.shape().one_layer && !spec_.attention.both_ways));
    sequence.RequireWhole();
    CheckTokens(input.tokens, spec_.vocab_size);
    for (int64_t i = 0; i < count; ++i) {
      batch.positions.push_back(sequence.length() + i);
      batch.sequences.push_back(&sequence);
      const bool wanted = input.logits == LogitsFor::kAll ||
                          (input.logits == LogitsFor::kLast && i == count - 1);
      if (wanted) batch.wanted.push_back(batch.rows + i);
    }
    batch.rows += count;
  }
}

void DecoderFamily::Embed(Exec& exec, Batch& batch) const {
  int64_t row = 0;
  const size_t row_bytes = weights_.embedding.row_bytes();
  for (const SequenceInput& input : batch.inputs) {
    for (int32_t token : input.tokens) {
      kernels::DequantizeRow(weights_.embedding.dtype,
                             weights_.embedding.data.data() +
                                 static_cast<size_t>(token) * row_bytes,
                             spec_.width, batch.stream + row * spec_.width);
      if (spec_.embedding_scale != 1.0) {
        float* values = batch.stream + row * spec_.width;
        for (int64_t k = 0; k < spec_.width; ++k) {
          values[k] *= static_cast<float>(spec_.embedding_scale);
        }
      }
      if (spec_.learned_positions) {
        const int64_t position = batch.positions[static_cast<size_t>(row)];
        kernels::Kernels().add(
            batch.stream + row * spec_.width,
            weights_.positions.data() + position * spec_.width, spec_.width);
      }
      ++row;
    }
  }
}

// Attention, or a state space, and feed-forward, one after the other, or side
// by side on the same stream.
void DecoderFamily::Block(Exec& exec, Batch& batch, int64_t index) const {
  const DecoderLayer& layer = weights_.layers[static_cast<size_t>(index)];
  const bool mixture = spec_.experts.In(index);
  // A mixture's routers read its input as it is, experts pick rows of it.
  const PackedMatrix* first = mixture ? &layer.mixture.router : &layer.first();
  const PackedMatrix* up = !mixture ? &layer.up
                           : layer.mixture.shared_router.rows > 0
                               ? &layer.mixture.shared_router
                               : first;
  const auto feed_forward = [&](const Activations& input) {
    mixture ? Mixture(exec, batch, index, input)
            : FeedForward(exec, batch, index, input);
  };
  Arena::Scope scope(exec.arena);
  if (!spec_.parallel) {
    const bool attends = spec_.Attends(index), state = spec_.HasState(index);
    const Activations input =
        Normed(exec, batch, layer.attention_norm,
               {&layer.entry(), attends ? &layer.query : &layer.entry(),
                attends ? &layer.key : &layer.entry(),
                attends ? &layer.value : &layer.entry()});
    if (state) StateSpace(exec, batch, index, input);
    if (attends) Attend(exec, batch, index, input);
    if (!spec_.HasFeedForward()) return;
    feed_forward(
        Normed(exec, batch, layer.feed_forward_norm, {first, up}, mixture));
    return;
  }
  const Activations input =
      spec_.shared_norm
          ? Normed(exec, batch, layer.attention_norm,
                   {&layer.query, &layer.key, &layer.value, first, up}, mixture)
          : Normed(exec, batch, layer.attention_norm,
                   {&layer.query, &layer.key, &layer.value});
  const Activations second =
      spec_.shared_norm
          ? input
          : Normed(exec, batch, layer.feed_forward_norm, {first, up}, mixture);
  Attend(exec, batch, index, input);
  feed_forward(second);
}

Activations DecoderFamily::Normed(
    Exec& exec, const Batch& batch, const Norm& norm,
    std::initializer_list<const PackedMatrix*> readers, bool as_f32) const {
  ops::ActivationForms forms = FormsFor(exec, readers);
  forms.f32 = forms.f32 || as_f32;
  const Activations out =
      ops::NewActivations(exec.arena, batch.rows, spec_.width, forms);
  if (norm.weight.empty()) {
    ops::PutRows(exec, batch.stream, out);
  } else {
    ops::NormRows(exec, spec_.norm, batch.stream, norm.weight, norm.bias,
                  spec_.norm_epsilon, out);
  }
  return out;
}

void DecoderFamily::AddProduct(Exec& exec, Batch& batch, const Activations& x,
                               const Linear& weights, const Norm& post_norm,
                               double added_scale) const {
  Arena::Scope scope(exec.arena);
  const bool normed = !post_norm.weight.empty();
  const float scale = static_cast<float>(spec_.residual_scale * added_scale);
  float* to = batch.stream;
  if (normed) {
    to = exec.arena.New<float>(static_cast<size_t>(batch.rows * spec_.width));
  }
  auto keep = [&](const ops::Tile& tile) {
    AddBias(weights.bias, tile, tile.values);
    if (normed) return ops::StoreTile(tile, spec_.width, to);
    for (int64_t t = 0; t < tile.tokens; ++t) {
      float* values = tile.values + t * tile.stride;
      float* row = to + (tile.first_token + t) * spec_.width + tile.first_row;
      if (scale != 1.0f) {
        for (int64_t k = 0; k < tile.rows; ++k) values[k] *= scale;
      }
      kernels::Kernels().add(row, values, tile.rows);
    }
  };
  const ops::Product product[] = {{&weights, nullptr, 1, keep}};
  ops::Matmul(exec, x, product);
  if (normed) {
    MALMOI_CHECK(spec_.norm == NormKind::kRms);
    ops::AddRmsNorm(exec, to, batch.rows, post_norm.weight, spec_.norm_epsilon,
                    scale, batch.stream);
  }
}

Activations DecoderFamily::OutputRows(Exec& exec, const Batch& batch,
                                      ops::ActivationForms forms) const {
  const int64_t wanted = static_cast<int64_t>(batch.wanted.size());
  const float* rows = batch.stream;
  if (wanted < batch.rows) {
    float* chosen =
        exec.arena.New<float>(static_cast<size_t>(wanted * spec_.width));
    for (int64_t i = 0; i < wanted; ++i) {
      std::copy_n(
          batch.stream + batch.wanted[static_cast<size_t>(i)] * spec_.width,
          spec_.width, chosen + i * spec_.width);
    }
    rows = chosen;
  }
  forms.f32 = forms.f32 || exec.tap;
  const Activations normed = OutputNorm(exec, rows, wanted, forms);
  if (exec.tap) {
    exec.tap("final_norm",
             {normed.values, static_cast<size_t>(wanted * spec_.width)}, wanted,
             spec_.width);
  }
  return normed;
}

Activations DecoderFamily::OutputNorm(Exec& exec, const float* rows,
                                      int64_t count,
                                      ops::ActivationForms forms) const {
  const Activations normed =
      ops::NewActivations(exec.arena, count, spec_.width, forms);
  ops::NormRows(exec, spec_.norm, rows, weights_.output_norm.weight,
                weights_.output_norm.bias, spec_.norm_epsilon, normed);
  return normed;
}

std::span<const float> DecoderFamily::LogitsOf(
    Exec& exec, std::span<const float> rows) const {
  MALMOI_CHECK(weights_.head.rows > 0);
  exec.arena.Reset();
  return Logits(exec,
                OutputNorm(exec, rows.data(),
                           static_cast<int64_t>(rows.size()) / spec_.width,
                           FormsFor(exec, {&weights_.head})));
}

std::span<const float> DecoderFamily::Logits(Exec& exec,
                                             const Activations& normed) const {
  const int64_t wanted = normed.rows;
  float* logits =
      exec.arena.New<float>(static_cast<size_t>(wanted * spec_.vocab_size));
  auto store = [&](const ops::Tile& tile) {
    AddBias(weights_.head.bias, tile, tile.values);
    for (int64_t t = 0; t < tile.tokens; ++t) {
      FinishLogits(spec_, tile.values + t * tile.stride, tile.rows);
    }
    ops::StoreTile(tile, spec_.vocab_size, logits);
  };
  const ops::Product head[] = {{&weights_.head, nullptr, 1, store}};
  ops::Matmul(exec, normed, head);
  return {logits, static_cast<size_t>(wanted * spec_.vocab_size)};
}

void DecoderFamily::Tapped(Exec& exec, const Batch& batch,
                           std::string_view name) const {
  if (!exec.tap) return;
  exec.tap(name, {batch.stream, static_cast<size_t>(batch.rows * spec_.width)},
           batch.rows, spec_.width);
}

Activations DecoderFamily::Run(Exec& exec, Batch& batch,
                               ops::ActivationForms forms) const {
  if (batch.rows == 0) return {};
  Embed(exec, batch);
  Tapped(exec, batch, "embedding");
  for (int64_t i = 0; i < spec_.layers; ++i) {
    Block(exec, batch, i);
    if (exec.tap) Tapped(exec, batch, Format("layer.{}.output", i));
  }
  const Activations rows =
      batch.wanted.empty() ? Activations{} : OutputRows(exec, batch, forms);
  for (const SequenceInput& input : batch.inputs) {
    input.sequence->SetLength(input.sequence->length() +
                              static_cast<int64_t>(input.tokens.size()));
  }
  return rows;
}

std::span<const float> DecoderFamily::Forward(
    Exec& exec, std::span<const SequenceInput> inputs) const {
  MALMOI_CHECK(weights_.head.rows > 0);
  Batch batch = Prepare(exec, inputs);
  const Activations rows = Run(exec, batch, FormsFor(exec, {&weights_.head}));
  if (rows.rows == 0) return {};
  return Logits(exec, rows);
}

std::span<const float> DecoderFamily::Hidden(
    Exec& exec, std::span<const SequenceInput> inputs) const {
  Batch batch = Prepare(exec, inputs);
  const Activations rows = Run(exec, batch, {.f32 = true});
  if (rows.rows == 0) return {};
  return {rows.values, static_cast<size_t>(rows.rows * spec_.width)};
}

std::unique_ptr<Decoder> Decoder::Load(const Checkpoint& checkpoint,
                                       Precision precision, ThreadPool& pool,
                                       PackedCache* cache, bool head) {
  return std::make_unique<DecoderFamily>(checkpoint, precision, pool, cache,
                                         head);
}

}  // namespace malmoi::models
