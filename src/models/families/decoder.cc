// The decoder family: pre-norm blocks of attention and feed-forward on a
// residual stream (Vaswani et al. 2017; Touvron et al. 2023). One forward for
// any number of rows of any number of sequences, steered by the Spec.
#include "models/decoder.h"

#include <algorithm>
#include <cmath>
#include <string>
#include <utility>

#include "base/check.h"
#include "base/error.h"
#include "base/format.h"
#include "kernels/kernels.h"
#include "kernels/unpack.h"
#include "models/loader.h"
#include "models/registry.h"
#include "ops/attention.h"
#include "ops/matmul.h"
#include "ops/rows.h"

namespace malmoi::models {

namespace {

using ops::ActivationForms;
using ops::Activations;
using ops::PackedMatrix;

struct Layer {
  std::vector<float> attention_norm;  // [width]
  PackedMatrix query, key, value;     // [heads·head_dim, width], ...
  PackedMatrix attention_output;      // [width, heads·head_dim]
  std::vector<float> feed_forward_norm;
  PackedMatrix gate, up;  // [hidden, width]
  PackedMatrix down;      // [width, hidden]
};

ActivationForms FormsFor(std::initializer_list<const PackedMatrix*> readers) {
  ActivationForms forms;
  for (const PackedMatrix* reader : readers) forms.Add(*reader);
  return forms;
}

class DecoderFamily : public Decoder {
 public:
  DecoderFamily(const Checkpoint& checkpoint, Precision precision,
                ThreadPool& pool);

  const Spec& spec() const override { return spec_; }
  int64_t parameters() const override { return parameters_; }
  size_t weight_bytes() const override { return weight_bytes_; }
  std::unique_ptr<Sequence> NewSequence(int64_t max_tokens) const override {
    return std::make_unique<Sequence>(kv_shape_, max_tokens);
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
    ops::Rotation rotation;
    float* stream = nullptr;  // [rows][width], the residual
  };

  void Load(const Checkpoint& checkpoint, Precision precision,
            ThreadPool& pool);
  Batch Prepare(Exec& exec, std::span<const SequenceInput> inputs) const;
  void Embed(Exec& exec, Batch& batch) const;
  void Attend(Exec& exec, Batch& batch, int64_t index) const;
  void FeedForward(Exec& exec, Batch& batch, int64_t index) const;
  void StoreKey(const Batch& batch, int64_t layer, int64_t row, int64_t head,
                const float* key) const;
  void StoreValue(const Batch& batch, int64_t layer, int64_t row, int64_t head,
                  const float* value) const;
  void Rotate(float* head, const ops::Rotation& rotation, int64_t row) const;
  std::span<const float> Logits(Exec& exec, Batch& batch) const;
  void Tapped(Exec& exec, const Batch& batch, std::string_view name) const;

  Spec spec_;
  KvShape kv_shape_;
  std::vector<float> frequencies_;  // [rope.dim/2], radians per position
  Tensor embedding_;                // [vocab_size, width], in the file
  std::vector<Layer> layers_;
  std::vector<float> output_norm_;
  PackedMatrix head_;  // [vocab_size, width]
  int64_t parameters_ = 0;
  size_t weight_bytes_ = 0;
};

std::vector<float> ToFloats(const Tensor& tensor) {
  std::vector<float> values(static_cast<size_t>(tensor.elements()));
  kernels::DequantizeRow(tensor.dtype, tensor.data.data(), tensor.elements(),
                         values.data());
  return values;
}

DecoderFamily::DecoderFamily(const Checkpoint& checkpoint, Precision precision,
                             ThreadPool& pool) {
  const Architecture& architecture =
      FindArchitecture(checkpoint.Architecture(), checkpoint.path.string());
  spec_ = architecture.describe(checkpoint);
  spec_.architecture = architecture.name;
  Load(checkpoint, precision, pool);
  const AttentionSpec& attention = spec_.attention;
  kv_shape_ = {spec_.layers, attention.kv_heads,
               (attention.head_dim + 15) / 16 * 16};
  const RopeSpec& rope = attention.rope;
  for (int64_t i = 0; i < rope.dim / 2; ++i) {
    const float exponent =
        static_cast<float>(2 * i) / static_cast<float>(rope.dim);
    float frequency = 1.0f / std::pow(static_cast<float>(rope.theta), exponent);
    if (!rope.frequency_divisors.empty()) {
      frequency /= rope.frequency_divisors[static_cast<size_t>(i)];
    }
    frequencies_.push_back(frequency / static_cast<float>(rope.linear_factor));
  }
}

void Unreasonable(const Checkpoint& checkpoint, std::string what,
                  std::string got) {
  throw Error(ErrorCode::kCorrupt, {.where = checkpoint.path.string(),
                                    .what = std::move(what),
                                    .got = std::move(got)});
}

void CheckSpec(const Checkpoint& checkpoint, const Spec& spec) {
  const AttentionSpec& attention = spec.attention;
  if (attention.heads % attention.kv_heads != 0) {
    Unreasonable(checkpoint, "heads are not a multiple of kv heads",
                 Format("{} and {}", attention.heads, attention.kv_heads));
  }
  if (attention.head_dim > kernels::kMaxHeadDim ||
      attention.head_dim % 2 != 0) {
    Unreasonable(checkpoint, "unsupported size of an attention head",
                 std::to_string(attention.head_dim));
  }
  if (attention.rope.dim > attention.head_dim || attention.rope.dim % 2 != 0) {
    Unreasonable(checkpoint, "rotary dimensions do not fit the head",
                 std::to_string(attention.rope.dim));
  }
  // Heads, layers and widths are bounded by the tensors they must match;
  // these two are not.
  if (spec.layers > 10'000) {
    Unreasonable(checkpoint, "absurd number of layers",
                 std::to_string(spec.layers));
  }
}

void DecoderFamily::Load(const Checkpoint& checkpoint, Precision precision,
                         ThreadPool& pool) {
  CheckSpec(checkpoint, spec_);
  const Architecture& architecture =
      FindArchitecture(spec_.architecture, checkpoint.path.string());
  TensorFinder finder(checkpoint, architecture);
  const int64_t width = spec_.width;
  const int64_t hidden = spec_.feed_forward.hidden;
  const int64_t q = spec_.attention.heads * spec_.attention.head_dim;
  const int64_t kv = spec_.attention.kv_heads * spec_.attention.head_dim;

  // The vocabulary's size is what the embedding says.
  const std::string_view embedding_name = checkpoint.gguf
                                              ? architecture.tensors[0].gguf
                                              : architecture.tensors[0].hf;
  const auto found = checkpoint.tensors().find(embedding_name);
  if (found != checkpoint.tensors().end() && found->second.shape.size() == 2) {
    spec_.vocab_size = found->second.shape[0];
  }
  const Tensor* embedding =
      finder.Find(Role::kEmbedding, 0, {spec_.vocab_size, width});
  const Tensor* output_norm = finder.Find(Role::kOutputNorm, 0, {width});
  const Tensor* head =
      finder.FindOptional(Role::kHead, 0, {spec_.vocab_size, width});
  spec_.tied_head = head == nullptr;

  std::vector<ops::PackJob> jobs;
  const bool exact = precision == Precision::kExact;
  const auto pack = [&](Role role, int64_t layer, int64_t rows, int64_t columns,
                        PackedMatrix& matrix) {
    const Tensor* tensor = finder.Find(role, layer, {rows, columns});
    if (tensor != nullptr) jobs.push_back({tensor, &matrix, exact});
  };
  const auto floats = [&](Role role, int64_t layer,
                          std::vector<float>& values) {
    const Tensor* tensor = finder.Find(role, layer, {width});
    if (tensor != nullptr) values = ToFloats(*tensor);
  };
  // A file that lacks layers is reported, not allocated for.
  const int64_t tensor_count =
      static_cast<int64_t>(checkpoint.tensors().size());
  layers_.resize(static_cast<size_t>(std::min(spec_.layers, tensor_count + 1)));
  for (size_t i = 0; i < layers_.size(); ++i) {
    Layer& layer = layers_[i];
    const int64_t n = static_cast<int64_t>(i);
    floats(Role::kAttentionNorm, n, layer.attention_norm);
    pack(Role::kQuery, n, q, width, layer.query);
    pack(Role::kKey, n, kv, width, layer.key);
    pack(Role::kValue, n, kv, width, layer.value);
    pack(Role::kAttentionOutput, n, width, q, layer.attention_output);
    floats(Role::kFeedForwardNorm, n, layer.feed_forward_norm);
    pack(Role::kGate, n, hidden, width, layer.gate);
    pack(Role::kUp, n, hidden, width, layer.up);
    pack(Role::kDown, n, width, hidden, layer.down);
  }
  finder.Finish();
  embedding_ = *embedding;
  output_norm_ = ToFloats(*output_norm);
  jobs.push_back({spec_.tied_head ? embedding : head, &head_, exact});
  ops::Pack(pool, jobs);
  for (const ops::PackJob& job : jobs) weight_bytes_ += job.matrix->bytes();
  for (const auto& [name, tensor] : checkpoint.tensors()) {
    parameters_ += tensor.elements();
  }
}

DecoderFamily::Batch DecoderFamily::Prepare(
    Exec& exec, std::span<const SequenceInput> inputs) const {
  Batch batch;
  batch.inputs = inputs;
  for (const SequenceInput& input : inputs) {
    Sequence& sequence = *input.sequence;
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
  batch.rotation = ops::MakeRotation(exec, batch.positions, frequencies_);
  return batch;
}

void DecoderFamily::Embed(Exec& exec, Batch& batch) const {
  int64_t row = 0;
  const size_t row_bytes = embedding_.row_bytes();
  for (const SequenceInput& input : batch.inputs) {
    for (int32_t token : input.tokens) {
      kernels::DequantizeRow(
          embedding_.dtype,
          embedding_.data.data() + static_cast<size_t>(token) * row_bytes,
          spec_.width, batch.stream + row * spec_.width);
      ++row;
    }
  }
}

void DecoderFamily::Rotate(float* head, const ops::Rotation& rotation,
                           int64_t row) const {
  if (spec_.attention.rope.pairs == RopePairs::kAdjacent) {
    ops::RotateAdjacent(head, rotation, row);
  } else {
    ops::RotateHalves(head, rotation, row);
  }
}

void DecoderFamily::StoreKey(const Batch& batch, int64_t layer, int64_t row,
                             int64_t head, const float* key) const {
  const int64_t position = batch.positions[static_cast<size_t>(row)];
  uint16_t* page = batch.sequences[static_cast<size_t>(row)]->keys(
                       layer, position / kPagePositions) +
                   head * kv_shape_.head_dim * kPagePositions +
                   position % kPagePositions;
  for (int64_t d = 0; d < spec_.attention.head_dim; ++d) {
    page[d * kPagePositions] = kernels::FloatToHalf(key[d]);
  }
}

void DecoderFamily::StoreValue(const Batch& batch, int64_t layer, int64_t row,
                               int64_t head, const float* value) const {
  const int64_t position = batch.positions[static_cast<size_t>(row)];
  uint16_t* to =
      batch.sequences[static_cast<size_t>(row)]->values(
          layer, position / kPagePositions) +
      (head * kPagePositions + position % kPagePositions) * kv_shape_.head_dim;
  for (int64_t d = 0; d < spec_.attention.head_dim; ++d) {
    to[d] = kernels::FloatToHalf(value[d]);
  }
}

void DecoderFamily::Attend(Exec& exec, Batch& batch, int64_t index) const {
  const Layer& layer = layers_[static_cast<size_t>(index)];
  const AttentionSpec& attention = spec_.attention;
  const int64_t head_dim = attention.head_dim;
  const int64_t padded = kv_shape_.head_dim;
  Arena::Scope scope(exec.arena);
  const Activations normed =
      ops::NewActivations(exec.arena, batch.rows, spec_.width,
                          FormsFor({&layer.query, &layer.key, &layer.value}));
  ops::RmsNorm(exec, batch.stream, layer.attention_norm, spec_.norm_epsilon,
               normed);

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
      Rotate(query, batch.rotation, row);
      float* to = queries + (row * attention.heads + head) * padded;
      for (int64_t d = 0; d < head_dim; ++d) to[d] = query[d] * scale;
      std::fill(to + head_dim, to + padded, 0.0f);
    });
  };
  auto store_key = [&](const ops::Tile& tile) {
    heads_of(tile, [&](int64_t row, int64_t head, float* key) {
      Rotate(key, batch.rotation, row);
      StoreKey(batch, index, row, head, key);
    });
  };
  auto store_value = [&](const ops::Tile& tile) {
    heads_of(tile, [&](int64_t row, int64_t head, float* value) {
      StoreValue(batch, index, row, head, value);
    });
  };
  const ops::Product products[] = {
      {&layer.query, nullptr, head_dim, store_query},
      {&layer.key, nullptr, head_dim, store_key},
      {&layer.value, nullptr, head_dim, store_value},
  };
  ops::Matmul(exec, normed, products);

  std::vector<const uint16_t*> pages;
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
  const uint16_t* const* next = pages.data();
  for (ops::AttentionSlice& slice : slices) {
    slice.keys = next;
    slice.values = next + slice.pages;
    next += 2 * slice.pages;
  }
  const Activations attended =
      ops::NewActivations(exec.arena, batch.rows, attention.heads * head_dim,
                          FormsFor({&layer.attention_output}));
  ops::Attention(exec, {attention.heads, attention.kv_heads, head_dim, padded},
                 queries, slices, attended);

  auto add = [&](const ops::Tile& tile) {
    for (int64_t t = 0; t < tile.tokens; ++t) {
      kernels::Kernels().add(
          batch.stream + (tile.first_token + t) * spec_.width + tile.first_row,
          tile.values + t * tile.stride, tile.rows);
    }
  };
  const ops::Product output[] = {{&layer.attention_output, nullptr, 1, add}};
  ops::Matmul(exec, attended, output);
}

void DecoderFamily::FeedForward(Exec& exec, Batch& batch, int64_t index) const {
  const Layer& layer = layers_[static_cast<size_t>(index)];
  const int64_t hidden = spec_.feed_forward.hidden;
  Arena::Scope scope(exec.arena);
  const Activations normed = ops::NewActivations(
      exec.arena, batch.rows, spec_.width, FormsFor({&layer.gate, &layer.up}));
  ops::RmsNorm(exec, batch.stream, layer.feed_forward_norm, spec_.norm_epsilon,
               normed);
  const Activations gated = ops::NewActivations(exec.arena, batch.rows, hidden,
                                                FormsFor({&layer.down}));
  auto gate = [&](const ops::Tile& tile) {
    for (int64_t t = 0; t < tile.tokens; ++t) {
      float* values = tile.values + t * tile.stride;
      kernels::Kernels().silu_mul(values, tile.beside + t * tile.stride,
                                  tile.rows);
      ops::PutPart(gated, tile.first_token + t, tile.first_row, tile.rows,
                   values);
    }
  };
  const ops::Product up[] = {{&layer.gate, &layer.up, gated.unit(), gate}};
  ops::Matmul(exec, normed, up);
  auto add = [&](const ops::Tile& tile) {
    for (int64_t t = 0; t < tile.tokens; ++t) {
      kernels::Kernels().add(
          batch.stream + (tile.first_token + t) * spec_.width + tile.first_row,
          tile.values + t * tile.stride, tile.rows);
    }
  };
  const ops::Product down[] = {{&layer.down, nullptr, 1, add}};
  ops::Matmul(exec, gated, down);
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
  ActivationForms forms = FormsFor({&head_});
  forms.f32 = forms.f32 || exec.tap;
  const Activations normed =
      ops::NewActivations(exec.arena, wanted, spec_.width, forms);
  ops::RmsNorm(exec, rows, output_norm_, spec_.norm_epsilon, normed);
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
  const ops::Product head[] = {{&head_, nullptr, 1, store}};
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
                                       Precision precision, ThreadPool& pool) {
  return std::make_unique<DecoderFamily>(checkpoint, precision, pool);
}

}  // namespace malmoi::models
