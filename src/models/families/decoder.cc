// The decoder family: pre-norm blocks of attention and feed-forward on a
// residual stream (Vaswani et al. 2017; Touvron et al. 2023). One forward for
// any number of rows of any number of sequences, steered by the Spec.
#include "models/decoder.h"

#include <algorithm>
#include <cmath>
#include <optional>
#include <string>
#include <utility>

#include "base/check.h"
#include "base/error.h"
#include "base/format.h"
#include "kernels/kernels.h"
#include "kernels/unpack.h"
#include "models/families/decoder_weights.h"
#include "models/registry.h"
#include "ops/attention.h"
#include "ops/matmul.h"
#include "ops/rows.h"

namespace malmoi::models {

namespace {

using ops::ActivationForms;
using ops::Activations;
using ops::PackedMatrix;

using Layer = DecoderLayer;

// What the readers read, and f32 where an observer wants to see it.
ActivationForms FormsFor(const Exec& exec,
                         std::initializer_list<const PackedMatrix*> readers) {
  ActivationForms forms;
  for (const PackedMatrix* reader : readers) forms.Add(*reader);
  forms.f32 = forms.f32 || exec.tap;
  return forms;
}

// Shows what products read: "layer.3.attention_input".
void TapInput(Exec& exec, int64_t layer, std::string_view name,
              const Activations& x) {
  if (!exec.tap) return;
  exec.tap(Format("layer.{}.{}", layer, name),
           {x.values, static_cast<size_t>(x.rows * x.columns)}, x.rows,
           x.columns);
}

// Decoding is limited by memory: threads that wait may fetch what the next
// product reads first. More than this does not stay in their caches.
void FetchAhead(Exec& exec, int64_t rows, const PackedMatrix& next) {
  constexpr size_t kMost = size_t{256} << 10;
  if (rows >= 16) return;  // arithmetic is the limit
  exec.pool.FetchAhead({next.data, std::min(kMost, next.bytes())});
}

class DecoderFamily : public Decoder {
 public:
  DecoderFamily(const Checkpoint& checkpoint, Precision precision,
                ThreadPool& pool, PackedCache* cache);

  const Spec& spec() const override { return spec_; }
  int64_t parameters() const override { return weights_.parameters; }
  size_t weight_bytes() const override { return weights_.bytes; }
  KvShape kv_shape(std::optional<KvType> type) const override;
  std::unique_ptr<Sequence> NewSequence(
      int64_t max_tokens, std::optional<KvType> type) const override {
    return std::make_unique<Sequence>(kv_shape(type), max_tokens);
  }
  std::span<const float> Forward(
      Exec& exec, std::span<const SequenceInput> inputs) const override;

 private:
  // What one call works on: the packed rows of all inputs.
  struct Batch {
    std::span<const SequenceInput> inputs;
    int64_t rows = 0;
    std::vector<int64_t> positions;    // of each row
    std::vector<Sequence*> sequences;  // of each row
    std::vector<int64_t> wanted;       // rows that need logits
    ops::Rotation rotation;            // of layers that see everything
    ops::Rotation sliding_rotation;    // of the others
    float* stream = nullptr;           // [rows][width], the residual
  };

  Batch Prepare(Exec& exec, std::span<const SequenceInput> inputs) const;
  void Embed(Exec& exec, Batch& batch) const;
  void Attend(Exec& exec, Batch& batch, int64_t index) const;
  void FeedForward(Exec& exec, Batch& batch, int64_t index) const;
  void Store(const Batch& batch, bool key, int64_t layer, int64_t row,
             int64_t head, const float* values) const;
  void Turn(const std::vector<float>& norm, const ops::Rotation& rotation,
            int64_t row, float* head) const;
  void AddProduct(Exec& exec, Batch& batch, const Activations& x,
                  const PackedMatrix& weights,
                  const std::vector<float>& post_norm) const;
  std::span<const float> Logits(Exec& exec, Batch& batch) const;
  void Tapped(Exec& exec, const Batch& batch, std::string_view name) const;

  Spec spec_;
  DecoderWeights weights_;
  KvType kv_type_;
  // [rope.dim/2], radians per position.
  std::vector<float> frequencies_, long_frequencies_, sliding_frequencies_;
};

std::vector<float> Frequencies(const RopeSpec& rope,
                               const std::vector<float>& divisors) {
  std::vector<float> frequencies;
  for (int64_t i = 0; i < rope.dim / 2; ++i) {
    const float exponent =
        static_cast<float>(2 * i) / static_cast<float>(rope.dim);
    float frequency = 1.0f / std::pow(static_cast<float>(rope.theta), exponent);
    if (!divisors.empty()) frequency /= divisors[static_cast<size_t>(i)];
    frequencies.push_back(frequency / static_cast<float>(rope.linear_factor));
  }
  return frequencies;
}

DecoderFamily::DecoderFamily(const Checkpoint& checkpoint, Precision precision,
                             ThreadPool& pool, PackedCache* cache) {
  const Architecture& architecture =
      FindArchitecture(checkpoint.Architecture(), checkpoint.path.string());
  spec_ = architecture.describe(checkpoint);
  spec_.architecture = architecture.name;
  weights_ =
      LoadDecoder(checkpoint, precision, pool,
                  precision == Precision::kFast ? cache : nullptr, spec_);
  kv_type_ = precision == Precision::kExact ? KvType::kF32 : KvType::kF16;
  const AttentionSpec& attention = spec_.attention;
  const RopeSpec& rope = attention.rope;
  frequencies_ = Frequencies(rope, rope.frequency_divisors);
  long_frequencies_ =
      Frequencies(rope, rope.long_divisors.empty() ? rope.frequency_divisors
                                                   : rope.long_divisors);
  const RopeSpec& sliding = attention.sliding_rope;
  sliding_frequencies_ = Frequencies(sliding, sliding.frequency_divisors);
}

KvShape DecoderFamily::kv_shape(std::optional<KvType> type) const {
  const KvType chosen = type.value_or(kv_type_);
  const AttentionSpec& attention = spec_.attention;
  return {spec_.layers, attention.kv_heads,
          kernels::PaddedHeadDim(chosen, attention.head_dim), chosen};
}

DecoderFamily::Batch DecoderFamily::Prepare(
    Exec& exec, std::span<const SequenceInput> inputs) const {
  Batch batch;
  batch.inputs = inputs;
  for (const SequenceInput& input : inputs) {
    Sequence& sequence = *input.sequence;
    MALMOI_CHECK(sequence.shape().type == inputs[0].sequence->shape().type);
    const int64_t count = static_cast<int64_t>(input.tokens.size());
    if (sequence.length() + count > sequence.max_tokens()) {
      throw Error(ErrorCode::kContextOverflow,
                  {.where = "context",
                   .what = "more tokens than the context holds",
                   .expected = Format("at most {}", sequence.max_tokens()),
                   .got = std::to_string(sequence.length() + count)});
    }
    for (int32_t token : input.tokens) {
      if (token < 0 || token >= spec_.vocab_size) {
        throw Error(ErrorCode::kLimit,
                    {.where = "tokens",
                     .what = "a token outside the vocabulary",
                     .expected = Format("0 to {}", spec_.vocab_size - 1),
                     .got = std::to_string(token)});
      }
    }
    for (int64_t i = 0; i < count; ++i) {
      batch.positions.push_back(sequence.length() + i);
      batch.sequences.push_back(&sequence);
      const bool wanted = input.logits == LogitsFor::kAll ||
                          (input.logits == LogitsFor::kLast && i == count - 1);
      if (wanted) batch.wanted.push_back(batch.rows + i);
    }
    batch.rows += count;
  }
  for (const SequenceInput& input : inputs) {
    input.sequence->Reserve(input.sequence->length() +
                            static_cast<int64_t>(input.tokens.size()));
  }
  exec.arena.Reset();
  batch.stream =
      exec.arena.New<float>(static_cast<size_t>(batch.rows * spec_.width));
  const AttentionSpec& attention = spec_.attention;
  const auto rotation = [&](const RopeSpec& rope,
                            const std::vector<float>& common,
                            const std::vector<float>& longer) {
    std::vector<const float*> frequencies;
    for (const Sequence* sequence : batch.sequences) {
      const bool is_long = rope.original_context > 0 &&
                           sequence->max_tokens() > rope.original_context;
      frequencies.push_back((is_long ? longer : common).data());
    }
    return ops::MakeRotation(exec, batch.positions, frequencies, rope.dim / 2,
                             rope.magnitude);
  };
  batch.rotation = rotation(attention.rope, frequencies_, long_frequencies_);
  if (!attention.sliding.empty()) {
    const RopeSpec& rope = attention.sliding_rope;
    batch.sliding_rotation = rotation(
        rope, sliding_frequencies_,
        rope.long_divisors.empty() ? sliding_frequencies_ : long_frequencies_);
  }
  return batch;
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
      ++row;
    }
  }
}

// Normalizes a head, where the model does, and rotates it, in place.
void DecoderFamily::Turn(const std::vector<float>& norm,
                         const ops::Rotation& rotation, int64_t row,
                         float* head) const {
  if (!norm.empty()) {
    float values[kernels::kMaxHeadDim];
    std::copy_n(head, norm.size(), values);
    kernels::Kernels().rms_norm(values, norm.data(),
                                static_cast<int64_t>(norm.size()),
                                static_cast<float>(spec_.norm_epsilon), head);
  }
  if (spec_.attention.rope.pairs == RopePairs::kAdjacent) {
    ops::RotateAdjacent(head, rotation, row);
  } else {
    ops::RotateHalves(head, rotation, row);
  }
}

// Keeps a head's key, or value.
void DecoderFamily::Store(const Batch& batch, bool key, int64_t layer,
                          int64_t row, int64_t head,
                          const float* values) const {
  const int64_t position = batch.positions[static_cast<size_t>(row)];
  const int64_t page = position / kPagePositions;
  const Sequence& sequence = *batch.sequences[static_cast<size_t>(row)];
  const KvShape& shape = sequence.shape();
  std::byte* heads =
      key ? sequence.keys(layer, page) : sequence.values(layer, page);
  kernels::Kernels().store_kv(
      shape.type, key, values, spec_.attention.head_dim,
      heads + static_cast<size_t>(head) *
                  kernels::KvPageBytes(shape.type, shape.head_dim),
      position % kPagePositions);
}

void DecoderFamily::Attend(Exec& exec, Batch& batch, int64_t index) const {
  const Layer& layer = weights_.layers[static_cast<size_t>(index)];
  const AttentionSpec& attention = spec_.attention;
  const bool slides = !attention.sliding.empty() &&
                      attention.sliding[static_cast<size_t>(index)];
  const ops::Rotation& rotation =
      slides ? batch.sliding_rotation : batch.rotation;
  const int64_t head_dim = attention.head_dim;
  // One type for all sequences of a batch.
  const KvShape& shape = batch.inputs[0].sequence->shape();
  const int64_t padded = shape.head_dim;
  Arena::Scope scope(exec.arena);
  const Activations normed = ops::NewActivations(
      exec.arena, batch.rows, spec_.width,
      FormsFor(exec, {&layer.query, &layer.key, &layer.value}));
  ops::RmsNorm(exec, batch.stream, layer.attention_norm, spec_.norm_epsilon,
               normed);
  TapInput(exec, index, "attention_input", normed);

  float* queries = exec.arena.New<float>(
      static_cast<size_t>(batch.rows * attention.heads * padded));
  const float scale = static_cast<float>(attention.scale);
  // Each epilogue gets whole heads.
  const auto heads_of = [&](const ops::Tile& tile, auto&& use) {
    for (int64_t t = 0; t < tile.tokens; ++t) {
      for (int64_t r = 0; r < tile.rows; r += head_dim) {
        use(tile.first_token + t, (tile.first_row + r) / head_dim,
            tile.values + t * tile.stride + r);
      }
    }
  };
  auto store_query = [&](const ops::Tile& tile) {
    heads_of(tile, [&](int64_t row, int64_t head, float* query) {
      Turn(layer.query_norm, rotation, row, query);
      float* to = queries + (row * attention.heads + head) * padded;
      for (int64_t d = 0; d < head_dim; ++d) to[d] = query[d] * scale;
      std::fill(to + head_dim, to + padded, 0.0f);
    });
  };
  auto store_key = [&](const ops::Tile& tile) {
    heads_of(tile, [&](int64_t row, int64_t head, float* key) {
      Turn(layer.key_norm, rotation, row, key);
      Store(batch, true, index, row, head, key);
    });
  };
  auto store_value = [&](const ops::Tile& tile) {
    heads_of(tile, [&](int64_t row, int64_t head, float* value) {
      Store(batch, false, index, row, head, value);
    });
  };
  const ops::Product products[] = {
      {&layer.query, nullptr, head_dim, store_query},
      {&layer.key, nullptr, head_dim, store_key},
      {&layer.value, nullptr, head_dim, store_value},
  };
  FetchAhead(exec, batch.rows, layer.attention_output);
  ops::Matmul(exec, normed, products);

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
      pages.push_back(input.sequence->keys(index, p));
    }
    for (int64_t p = 0; p < slice.pages; ++p) {
      pages.push_back(input.sequence->values(index, p));
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
  const Activations attended =
      ops::NewActivations(exec.arena, batch.rows, attention.heads * head_dim,
                          FormsFor(exec, {&layer.attention_output}));
  ops::Attention(exec,
                 {shape.type, attention.heads, attention.kv_heads, head_dim,
                  slides ? attention.window : 0},
                 queries, slices, attended);
  TapInput(exec, index, "attention_mixed", attended);
  FetchAhead(exec, batch.rows, layer.gate);
  AddProduct(exec, batch, attended, layer.attention_output,
             layer.post_attention_norm);
}

// Adds x·weights to the residual stream, normalized where the model does.
void DecoderFamily::AddProduct(Exec& exec, Batch& batch, const Activations& x,
                               const PackedMatrix& weights,
                               const std::vector<float>& post_norm) const {
  Arena::Scope scope(exec.arena);
  float* to = batch.stream;
  if (!post_norm.empty()) {
    to = exec.arena.New<float>(static_cast<size_t>(batch.rows * spec_.width));
  }
  auto keep = [&](const ops::Tile& tile) {
    for (int64_t t = 0; t < tile.tokens; ++t) {
      const float* values = tile.values + t * tile.stride;
      float* row = to + (tile.first_token + t) * spec_.width + tile.first_row;
      if (post_norm.empty()) {
        kernels::Kernels().add(row, values, tile.rows);
      } else {
        std::copy_n(values, tile.rows, row);
      }
    }
  };
  const ops::Product product[] = {{&weights, nullptr, 1, keep}};
  ops::Matmul(exec, x, product);
  if (!post_norm.empty()) {
    ops::AddRmsNorm(exec, to, batch.rows, post_norm, spec_.norm_epsilon,
                    batch.stream);
  }
}

void DecoderFamily::FeedForward(Exec& exec, Batch& batch, int64_t index) const {
  const Layer& layer = weights_.layers[static_cast<size_t>(index)];
  const int64_t hidden = spec_.feed_forward.hidden;
  Arena::Scope scope(exec.arena);
  const Activations normed =
      ops::NewActivations(exec.arena, batch.rows, spec_.width,
                          FormsFor(exec, {&layer.gate, &layer.up}));
  ops::RmsNorm(exec, batch.stream, layer.feed_forward_norm, spec_.norm_epsilon,
               normed);
  TapInput(exec, index, "feed_forward_input", normed);
  const Activations gated = ops::NewActivations(exec.arena, batch.rows, hidden,
                                                FormsFor(exec, {&layer.down}));
  auto gate = [&](const ops::Tile& tile) {
    for (int64_t t = 0; t < tile.tokens; ++t) {
      float* values = tile.values + t * tile.stride;
      const float* ups = tile.beside + t * tile.stride;
      if (spec_.feed_forward.activation == Activation::kSilu) {
        kernels::Kernels().silu_mul(values, ups, tile.rows);
      } else {
        kernels::Kernels().gelu_tanh_mul(values, ups, tile.rows);
      }
      ops::PutPart(gated, tile.first_token + t, tile.first_row, tile.rows,
                   values);
    }
  };
  const ops::Product up[] = {{&layer.gate, &layer.up, gated.unit(), gate}};
  FetchAhead(exec, batch.rows, layer.down);
  ops::Matmul(exec, normed, up);
  TapInput(exec, index, "feed_forward_hidden", gated);
  FetchAhead(exec, batch.rows,
             index + 1 < spec_.layers
                 ? weights_.layers[static_cast<size_t>(index) + 1].query
                 : weights_.head);
  AddProduct(exec, batch, gated, layer.down, layer.post_feed_forward_norm);
}

std::span<const float> DecoderFamily::Logits(Exec& exec, Batch& batch) const {
  const int64_t wanted = static_cast<int64_t>(batch.wanted.size());
  if (wanted == 0) return {};
  float* logits =
      exec.arena.New<float>(static_cast<size_t>(wanted * spec_.vocab_size));
  float* rows =
      exec.arena.New<float>(static_cast<size_t>(wanted * spec_.width));
  for (int64_t i = 0; i < wanted; ++i) {
    std::copy_n(
        batch.stream + batch.wanted[static_cast<size_t>(i)] * spec_.width,
        spec_.width, rows + i * spec_.width);
  }
  const Activations normed = ops::NewActivations(
      exec.arena, wanted, spec_.width, FormsFor(exec, {&weights_.head}));
  ops::RmsNorm(exec, rows, weights_.output_norm, spec_.norm_epsilon, normed);
  if (exec.tap) {
    exec.tap("final_norm",
             {normed.values, static_cast<size_t>(wanted * spec_.width)}, wanted,
             spec_.width);
  }
  auto store = [&](const ops::Tile& tile) {
    for (int64_t t = 0; t < tile.tokens; ++t) {
      std::copy_n(
          tile.values + t * tile.stride, tile.rows,
          logits + (tile.first_token + t) * spec_.vocab_size + tile.first_row);
    }
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

std::span<const float> DecoderFamily::Forward(
    Exec& exec, std::span<const SequenceInput> inputs) const {
  Batch batch = Prepare(exec, inputs);
  if (batch.rows == 0) return {};
  Embed(exec, batch);
  Tapped(exec, batch, "embedding");
  for (int64_t i = 0; i < spec_.layers; ++i) {
    Attend(exec, batch, i);
    FeedForward(exec, batch, i);
    if (exec.tap) Tapped(exec, batch, Format("layer.{}.output", i));
  }
  for (const SequenceInput& input : inputs) {
    input.sequence->SetLength(input.sequence->length() +
                              static_cast<int64_t>(input.tokens.size()));
  }
  return Logits(exec, batch);
}

}  // namespace

std::unique_ptr<Decoder> Decoder::Load(const Checkpoint& checkpoint,
                                       Precision precision, ThreadPool& pool,
                                       PackedCache* cache) {
  return std::make_unique<DecoderFamily>(checkpoint, precision, pool, cache);
}

}  // namespace malmoi::models
