#include "models/families/decoder_weights.h"

#include <algorithm>
#include <numeric>
#include <string>
#include <utility>

#include "base/error.h"
#include "base/format.h"
#include "kernels/kernels.h"
#include "kernels/unpack.h"
#include "models/loader.h"
#include "models/registry.h"

namespace malmoi::models {

namespace {

using ops::PackedMatrix;

void Unreasonable(const Checkpoint& checkpoint, std::string what,
                  std::string got) {
  throw Error(ErrorCode::kCorrupt, {.where = checkpoint.path.string(),
                                    .what = std::move(what),
                                    .got = std::move(got)});
}

void CheckRope(const Checkpoint& checkpoint, const RopeSpec& rope,
               int64_t head_dim) {
  if (rope.dim > head_dim || rope.dim % 2 != 0) {
    Unreasonable(checkpoint, "rotary dimensions do not fit the head",
                 std::to_string(rope.dim));
  }
}

void CheckSpec(const Checkpoint& checkpoint, const Spec& spec) {
  if (spec.AttentionLayers() == 0) return;
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
  CheckRope(checkpoint, attention.rope, attention.head_dim);
  if (!attention.sliding.empty()) {
    CheckRope(checkpoint, attention.sliding_rope, attention.head_dim);
  }
}

// The rows of query, key and value in a matrix of all three.
void FusedRows(const AttentionSpec& attention, FusedOrder order,
               std::vector<int64_t>& query, std::vector<int64_t>& key,
               std::vector<int64_t>& value) {
  const int64_t dim = attention.head_dim;
  const int64_t kv = attention.kv_heads;
  const int64_t group = attention.heads / kv;
  const bool groups = order == FusedOrder::kGroups;
  const int64_t step = (group + 2) * dim;
  const auto add = [](std::vector<int64_t>& rows, int64_t first,
                      int64_t count) {
    for (int64_t i = 0; i < count; ++i) rows.push_back(first + i);
  };
  for (int64_t g = 0; g < kv; ++g) {
    add(query, groups ? g * step : g * group * dim, group * dim);
    add(key, groups ? g * step + group * dim : (kv * group + g) * dim, dim);
    add(value,
        groups ? g * step + (group + 1) * dim : (kv * (group + 1) + g) * dim,
        dim);
  }
}

// The rows of a folder's heads, whose halves a GGUF interleaves.
std::vector<int64_t> InterleavedRows(int64_t heads, int64_t head_dim) {
  std::vector<int64_t> rows;
  for (int64_t head = 0; head < heads; ++head) {
    for (int64_t k = 0; k < head_dim; ++k) {
      rows.push_back(head * head_dim + k % 2 * (head_dim / 2) + k / 2);
    }
  }
  return rows;
}

// Of query or key heads.
void ReadHeadNorm(WeightReader& reader, const AttentionSpec& attention,
                  Role role, int64_t layer, int64_t heads, Norm& norm) {
  switch (attention.head_norms) {
    case HeadNorms::kNone:
      return;
    case HeadNorms::kEachHead:
      return reader.ReadNorm(role, layer, attention.head_dim, norm);
    case HeadNorms::kAllHeads:
      return reader.ReadNorm(role, layer, heads * attention.head_dim, norm);
    case HeadNorms::kOwnWeight:
      return reader.ReadOwnHeadNorm(role, layer, heads, attention.head_dim,
                                    norm);
  }
}

void ReadMixture(WeightReader& reader, const Spec& spec, int64_t i,
                 Mixture& mixture) {
  const ExpertsSpec& experts = spec.experts;
  const int64_t width = spec.width, hidden = experts.hidden;
  mixture.experts.resize(static_cast<size_t>(experts.count));
  reader.Matrix(Role::kRouter, i, experts.count, width, experts.router_bias,
                mixture.router);
  const auto read = [&](Role role, int64_t rows, int64_t columns,
                        const std::vector<WeightReader::ExpertPart>& parts) {
    reader.Experts(role, i, rows, columns, experts, parts, mixture.experts);
  };
  if (reader.Has(Role::kExpertGateUp, i)) {
    const int64_t step = experts.alternating ? 2 : 1;
    read(Role::kExpertGateUp, 2 * hidden, width,
         {{0, hidden, step, &Expert::gate},
          {experts.alternating ? 1 : hidden, hidden, step, &Expert::up}});
  } else {
    read(Role::kExpertGate, hidden, width, {{0, hidden, 1, &Expert::gate}});
    read(Role::kExpertUp, hidden, width, {{0, hidden, 1, &Expert::up}});
  }
  read(Role::kExpertDown, width, hidden, {{0, width, 1, &Expert::down}});
  const int64_t shared = experts.shared_hidden;
  if (shared == 0) return;
  if (experts.shared_router) {
    reader.Matrix(Role::kSharedRouter, i, 1, width, false,
                  mixture.shared_router);
  }
  reader.Matrices(
      Role::kSharedGateUp, i, width, false,
      {{Role::kSharedGate, Range(0, shared), &mixture.shared.gate},
       {Role::kSharedUp, Range(shared, shared), &mixture.shared.up}});
  reader.Matrix(Role::kSharedDown, i, width, shared, false,
                mixture.shared.down);
}

void ReadAttention(WeightReader& reader, const Spec& spec, int64_t i,
                   DecoderLayer& layer) {
  const AttentionSpec& attention = spec.attention;
  const int64_t width = spec.width;
  const int64_t q = attention.heads * attention.head_dim;
  std::vector<int64_t> query, key, value;
  FusedRows(attention, attention.fused_order, query, key, value);
  std::vector<int64_t> folder_query, folder_key, folder_value;
  if (attention.fused_order != attention.folder_fused_order) {
    FusedRows(attention, attention.folder_fused_order, folder_query, folder_key,
              folder_value);
  } else if (attention.interleaved) {
    folder_query = InterleavedRows(attention.heads, attention.head_dim);
    folder_key = InterleavedRows(attention.kv_heads, attention.head_dim);
  }
  reader.Matrices(
      Role::kQueryKeyValue, i, width, attention.bias,
      {{Role::kQuery, std::move(query), &layer.query, std::move(folder_query)},
       {Role::kKey, std::move(key), &layer.key, std::move(folder_key)},
       {Role::kValue, std::move(value), &layer.value,
        std::move(folder_value)}});
  ReadHeadNorm(reader, attention, Role::kQueryNorm, i, attention.heads,
               layer.query_norm);
  ReadHeadNorm(reader, attention, Role::kKeyNorm, i, attention.kv_heads,
               layer.key_norm);
  if (attention.sinks) {
    layer.sinks = reader.Values(Role::kSinks, i, {attention.heads});
  }
  reader.Matrix(Role::kAttentionOutput, i, width, q, attention.output_bias,
                layer.attention_output);
}

void ReadLayer(WeightReader& reader, bool gguf, const Spec& spec, int64_t i,
               DecoderLayer& layer) {
  const int64_t width = spec.width;
  if (spec.pre_norms) {
    reader.ReadNorm(Role::kAttentionNorm, i, width, layer.attention_norm);
    if (!spec.shared_norm && spec.HasFeedForward()) {
      reader.ReadNorm(Role::kFeedForwardNorm, i, width,
                      layer.feed_forward_norm);
    }
  }
  if (spec.Attends(i)) ReadAttention(reader, spec, i, layer);
  if (spec.HasState(i)) {
    ReadStateSpace(reader, gguf, spec, i, layer.state_space);
  }
  if (spec.post_norms) {
    reader.ReadNorm(Role::kPostAttentionNorm, i, width,
                    layer.post_attention_norm);
    reader.ReadNorm(Role::kPostFeedForwardNorm, i, width,
                    layer.post_feed_forward_norm);
  }
  if (!spec.HasFeedForward()) return;
  if (spec.experts.In(i)) return ReadMixture(reader, spec, i, layer.mixture);
  reader.FeedForward(i, width, spec.feed_forward, layer.gate, layer.up,
                     layer.down);
}

}  // namespace

DecoderWeights LoadDecoder(const Checkpoint& checkpoint, Precision precision,
                           ThreadPool& pool, PackedCache* cache, Spec& spec,
                           bool with_head) {
  CheckSpec(checkpoint, spec);
  const Architecture& architecture =
      FindDecoder(spec.architecture, checkpoint.path.string());
  DecoderWeights weights;
  // The vocabulary's size is what the embedding says.
  const std::string embedding_name =
      NameIn(checkpoint, architecture, Role::kEmbedding, 0);
  const auto found = checkpoint.tensors().find(embedding_name);
  if (found != checkpoint.tensors().end() && found->second.shape.size() == 2) {
    spec.vocab_size = found->second.shape[0];
  }
  WeightReader reader(checkpoint, architecture,
                      {.exact = precision == Precision::kExact,
                       .bf16_rows = precision == Precision::kFast ||
                                    precision == Precision::kBf16,
                       .eight_bits = precision == Precision::kInt8,
                       .in_bf16 = precision == Precision::kBf16,
                       .transposed = spec.transposed,
                       .norm_weight = spec.norm_weight,
                       .norm_bias = spec.norm_bias,
                       .norm_offset = spec.norm_offset});
  const Shape head_shape = {spec.vocab_size, spec.width};
  const Tensor* embedding =
      reader.finder().Find(Role::kEmbedding, 0, head_shape);
  if (spec.learned_positions) {
    weights.positions =
        reader.Table(Role::kPositions, spec.context, spec.width);
  }
  reader.ReadNorm(Role::kOutputNorm, 0, spec.width, weights.output_norm);
  const Tensor* head = reader.finder().FindOptional(Role::kHead, 0, head_shape);
  spec.tied_head = head == nullptr;
  if (spec.head_bias) {
    const Tensor* bias =
        reader.finder().FindBias(Role::kHead, 0, {spec.vocab_size});
    if (bias != nullptr) weights.head.bias = Floats(*bias);
  }
  // A file that lacks layers is reported, not allocated for.
  const int64_t tensor_count =
      static_cast<int64_t>(checkpoint.tensors().size());
  weights.layers.resize(
      static_cast<size_t>(std::min(spec.layers, tensor_count + 1)));
  for (size_t i = 0; i < weights.layers.size(); ++i) {
    ReadLayer(reader, checkpoint.gguf != nullptr, spec, static_cast<int64_t>(i),
              weights.layers[i]);
  }
  reader.finder().Finish();
  weights.embedding = *embedding;
  if (with_head) {
    reader.Job(spec.tied_head ? embedding : head, weights.head);
    reader.Adapt(Role::kHead, spec.vocab_size, spec.width, weights.head);
  }
  weights.bytes = reader.Pack(pool, cache);
  for (const auto& [name, tensor] : checkpoint.tensors()) {
    weights.parameters += Parameters(name, tensor);
  }
  return weights;
}

}  // namespace malmoi::models
