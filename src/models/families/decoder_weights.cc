#include "models/families/decoder_weights.h"

#include <algorithm>
#include <cstring>
#include <deque>
#include <memory>
#include <numeric>
#include <string>
#include <utility>

#include "base/check.h"
#include "base/error.h"
#include "base/file.h"
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
  // Heads, layers and widths are bounded by the tensors they must match;
  // these two are not.
  if (spec.layers > 10'000) {
    Unreasonable(checkpoint, "absurd number of layers",
                 std::to_string(spec.layers));
  }
}

// Rows [first, first + count) of a matrix, in place.
Tensor SliceRows(const Tensor& tensor, int64_t first, int64_t count) {
  const size_t bytes = tensor.row_bytes();
  Tensor slice = tensor;
  slice.shape[0] = count;
  slice.data = tensor.data.subspan(static_cast<size_t>(first) * bytes,
                                   static_cast<size_t>(count) * bytes);
  return slice;
}

// A copy of `rows` of `tensor` in another order.
Tensor CopyRows(const Tensor& tensor, const std::vector<int64_t>& rows) {
  const size_t bytes = tensor.row_bytes();
  auto memory = std::make_shared<std::vector<std::byte>>(rows.size() * bytes);
  for (size_t i = 0; i < rows.size(); ++i) {
    std::memcpy(memory->data() + i * bytes,
                tensor.data.data() + static_cast<size_t>(rows[i]) * bytes,
                bytes);
  }
  return {.dtype = tensor.dtype,
          .shape = {static_cast<int64_t>(rows.size()), tensor.columns()},
          .data = *memory,
          .owner = memory};
}

Tensor Transpose(const Tensor& tensor) {
  const size_t rows = static_cast<size_t>(tensor.rows());
  const size_t columns = static_cast<size_t>(tensor.columns());
  const size_t size = tensor.row_bytes() / columns;
  MALMOI_CHECK(size * columns == tensor.row_bytes());
  auto memory = std::make_shared<std::vector<std::byte>>(tensor.data.size());
  for (size_t r = 0; r < rows; ++r) {
    for (size_t c = 0; c < columns; ++c) {
      std::memcpy(memory->data() + (c * rows + r) * size,
                  tensor.data.data() + (r * columns + c) * size, size);
    }
  }
  return {.dtype = tensor.dtype,
          .shape = {tensor.columns(), tensor.rows()},
          .data = *memory,
          .owner = memory};
}

std::vector<float> Floats(const Tensor& tensor) {
  std::vector<float> values(static_cast<size_t>(tensor.elements()));
  kernels::DequantizeRow(tensor.dtype, tensor.data.data(), tensor.elements(),
                         values.data());
  return values;
}

class WeightReader {
 public:
  WeightReader(const Checkpoint& checkpoint, const Architecture& architecture,
               bool exact, const Spec& spec)
      : finder_(checkpoint, architecture),
        architecture_(architecture),
        exact_(exact),
        spec_(spec) {}

  void ReadNorm(Role role, int64_t layer, int64_t size, Norm& norm) {
    if (!spec_.norm_weight) {
      norm.weight.assign(static_cast<size_t>(size), 1.0f);
      return;
    }
    const Tensor* weight = finder_.Find(role, layer, {size});
    if (weight != nullptr) norm.weight = Floats(*weight);
    for (float& value : norm.weight) {
      value += static_cast<float>(spec_.norm_offset);
    }
    if (!spec_.norm_bias) return;
    const Tensor* bias = finder_.FindBias(role, layer, {size});
    if (bias != nullptr) norm.bias = Floats(*bias);
  }
  // Of query or key heads.
  void ReadHeadNorm(Role role, int64_t layer, int64_t heads, Norm& norm) {
    const int64_t head_dim = spec_.attention.head_dim;
    switch (spec_.attention.head_norms) {
      case HeadNorms::kNone:
        return;
      case HeadNorms::kEachHead:
        return ReadNorm(role, layer, head_dim, norm);
      case HeadNorms::kAllHeads:
        return ReadNorm(role, layer, heads * head_dim, norm);
      case HeadNorms::kOwnWeight:
        break;
    }
    if (finder_.HasHeads(role, layer)) {
      for (int64_t head = 0; head < heads; ++head) {
        const Tensor* weight =
            finder_.FindOfHead(role, layer, head, {head_dim});
        if (weight == nullptr) return;
        const std::vector<float> values = Floats(*weight);
        norm.weight.insert(norm.weight.end(), values.begin(), values.end());
      }
    } else if (const Tensor* weight =
                   finder_.Find(role, layer, {heads, head_dim})) {
      norm.weight = Floats(*weight);
    }
  }
  void Matrix(Role role, int64_t layer, int64_t rows, int64_t columns,
              bool bias, Linear& linear) {
    if (const Tensor* tensor = FindMatrix(role, layer, rows, columns)) {
      Job(tensor, linear);
    }
    if (!bias) return;
    const Tensor* stored = finder_.FindBias(role, layer, {rows});
    if (stored != nullptr) linear.bias = Floats(*stored);
  }
  struct Part {
    Role role;
    std::vector<int64_t> rows;  // of the fused matrix
    Linear* linear;
  };
  // Matrices that a file may store as the rows of one, `fused`.
  void Matrices(Role fused, int64_t layer, int64_t columns, bool bias,
                const std::vector<Part>& parts) {
    const bool one =
        std::any_of(architecture_.tensors.begin(), architecture_.tensors.end(),
                    [&](const TensorName& name) { return name.role == fused; });
    int64_t rows = 0;
    for (const Part& part : parts) {
      const int64_t own = static_cast<int64_t>(part.rows.size());
      if (!one) Matrix(part.role, layer, own, columns, bias, *part.linear);
      rows += own;
    }
    if (!one) return;
    const Tensor* tensor = FindMatrix(fused, layer, rows, columns);
    const Tensor* stored =
        bias ? finder_.FindBias(fused, layer, {rows}) : nullptr;
    std::vector<float> biases;
    if (stored != nullptr) biases = Floats(*stored);
    for (const Part& part : parts) {
      if (tensor != nullptr) {
        const int64_t count = static_cast<int64_t>(part.rows.size());
        const bool together = part.rows.back() - part.rows.front() + 1 == count;
        made_.push_back(together ? SliceRows(*tensor, part.rows[0], count)
                                 : CopyRows(*tensor, part.rows));
        Job(&made_.back(), *part.linear);
      }
      if (biases.empty()) continue;
      for (int64_t row : part.rows) {
        part.linear->bias.push_back(biases[static_cast<size_t>(row)]);
      }
    }
  }
  // The same matrix of all experts. `parts`: what each one's rows are cut into.
  struct ExpertPart {
    int64_t first, rows;
    Linear Expert::* linear;
  };
  void Experts(Role role, int64_t layer, int64_t rows, int64_t columns,
               const std::vector<ExpertPart>& parts,
               std::vector<Expert>& experts) {
    const auto count = static_cast<int64_t>(experts.size());
    const bool apart = finder_.HasHeads(role, layer);
    const Tensor* all =
        apart ? nullptr : finder_.Find(role, layer, {count, rows, columns});
    for (int64_t e = 0; e < count; ++e) {
      const Tensor* one =
          apart ? finder_.FindOfHead(role, layer, e, {rows, columns}) : all;
      if (one == nullptr) continue;
      for (const ExpertPart& part : parts) {
        Tensor slice = *one;
        slice.shape = {apart ? rows : count * rows, columns};
        made_.push_back(
            SliceRows(slice, (apart ? 0 : e * rows) + part.first, part.rows));
        Job(&made_.back(), experts[static_cast<size_t>(e)].*part.linear);
      }
    }
  }
  bool Has(Role role, int64_t layer) const {
    return !finder_.Name(role, layer).empty();
  }
  void Job(const Tensor* tensor, PackedMatrix& matrix) {
    jobs_.push_back({tensor, &matrix, exact_});
  }
  TensorFinder& finder() { return finder_; }
  const std::vector<ops::PackJob>& jobs() const { return jobs_; }

 private:
  const Tensor* FindMatrix(Role role, int64_t layer, int64_t rows,
                           int64_t columns) {
    if (!spec_.transposed) return finder_.Find(role, layer, {rows, columns});
    const Tensor* tensor = finder_.Find(role, layer, {columns, rows});
    if (tensor == nullptr) return nullptr;
    made_.push_back(Transpose(*tensor));
    return &made_.back();
  }

  TensorFinder finder_;
  const Architecture& architecture_;
  bool exact_;
  const Spec& spec_;
  std::vector<ops::PackJob> jobs_;
  std::deque<Tensor> made_;
};

std::vector<int64_t> Range(int64_t first, int64_t count) {
  std::vector<int64_t> rows(static_cast<size_t>(count));
  std::iota(rows.begin(), rows.end(), first);
  return rows;
}

// The rows of query, key and value in a matrix of all three.
void FusedRows(const AttentionSpec& attention, std::vector<int64_t>& query,
               std::vector<int64_t>& key, std::vector<int64_t>& value) {
  const int64_t dim = attention.head_dim;
  const int64_t kv = attention.kv_heads;
  const int64_t group = attention.heads / kv;
  const bool groups = attention.fused_order == FusedOrder::kGroups;
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

void ReadMixture(WeightReader& reader, const Spec& spec, int64_t i,
                 Mixture& mixture) {
  const ExpertsSpec& experts = spec.experts;
  const int64_t width = spec.width, hidden = experts.hidden;
  mixture.experts.resize(static_cast<size_t>(experts.count));
  reader.Matrix(Role::kRouter, i, experts.count, width, false, mixture.router);
  if (reader.Has(Role::kExpertGateUp, i)) {
    reader.Experts(Role::kExpertGateUp, i, 2 * hidden, width,
                   {{0, hidden, &Expert::gate}, {hidden, hidden, &Expert::up}},
                   mixture.experts);
  } else {
    reader.Experts(Role::kExpertGate, i, hidden, width,
                   {{0, hidden, &Expert::gate}}, mixture.experts);
    reader.Experts(Role::kExpertUp, i, hidden, width,
                   {{0, hidden, &Expert::up}}, mixture.experts);
  }
  reader.Experts(Role::kExpertDown, i, width, hidden,
                 {{0, width, &Expert::down}}, mixture.experts);
  const int64_t shared = experts.shared_hidden;
  if (shared == 0) return;
  reader.Matrix(Role::kSharedRouter, i, 1, width, false, mixture.shared_router);
  reader.Matrix(Role::kSharedGate, i, shared, width, false,
                mixture.shared.gate);
  reader.Matrix(Role::kSharedUp, i, shared, width, false, mixture.shared.up);
  reader.Matrix(Role::kSharedDown, i, width, shared, false,
                mixture.shared.down);
}

void ReadLayer(WeightReader& reader, const Spec& spec, int64_t i,
               DecoderLayer& layer) {
  const AttentionSpec& attention = spec.attention;
  const FeedForwardSpec& feed_forward = spec.feed_forward;
  const int64_t width = spec.width;
  const int64_t hidden = feed_forward.hidden;
  const int64_t q = attention.heads * attention.head_dim;
  if (spec.pre_norms) {
    reader.ReadNorm(Role::kAttentionNorm, i, width, layer.attention_norm);
    if (!spec.shared_norm) {
      reader.ReadNorm(Role::kFeedForwardNorm, i, width,
                      layer.feed_forward_norm);
    }
  }
  std::vector<int64_t> query, key, value;
  FusedRows(attention, query, key, value);
  reader.Matrices(Role::kQueryKeyValue, i, width, attention.bias,
                  {{Role::kQuery, std::move(query), &layer.query},
                   {Role::kKey, std::move(key), &layer.key},
                   {Role::kValue, std::move(value), &layer.value}});
  reader.ReadHeadNorm(Role::kQueryNorm, i, attention.heads, layer.query_norm);
  reader.ReadHeadNorm(Role::kKeyNorm, i, attention.kv_heads, layer.key_norm);
  reader.Matrix(Role::kAttentionOutput, i, width, q, attention.output_bias,
                layer.attention_output);
  if (spec.post_norms) {
    reader.ReadNorm(Role::kPostAttentionNorm, i, width,
                    layer.post_attention_norm);
    reader.ReadNorm(Role::kPostFeedForwardNorm, i, width,
                    layer.post_feed_forward_norm);
  }
  if (spec.experts.In(i)) return ReadMixture(reader, spec, i, layer.mixture);
  if (feed_forward.gated) {
    reader.Matrices(Role::kGateUp, i, width, feed_forward.bias,
                    {{Role::kGate, Range(0, hidden), &layer.gate},
                     {Role::kUp, Range(hidden, hidden), &layer.up}});
  } else {
    reader.Matrix(Role::kUp, i, hidden, width, feed_forward.bias, layer.up);
  }
  reader.Matrix(Role::kDown, i, width, hidden, feed_forward.bias, layer.down);
}

}  // namespace

DecoderWeights LoadDecoder(const Checkpoint& checkpoint, Precision precision,
                           ThreadPool& pool, PackedCache* cache, Spec& spec) {
  CheckSpec(checkpoint, spec);
  const Architecture& architecture =
      FindArchitecture(spec.architecture, checkpoint.path.string());
  DecoderWeights weights;
  // The vocabulary's size is what the embedding says.
  const std::string embedding_name =
      NameIn(checkpoint, architecture, Role::kEmbedding, 0);
  const auto found = checkpoint.tensors().find(embedding_name);
  if (found != checkpoint.tensors().end() && found->second.shape.size() == 2) {
    spec.vocab_size = found->second.shape[0];
  }
  WeightReader reader(checkpoint, architecture, precision == Precision::kExact,
                      spec);
  const Shape head_shape = {spec.vocab_size, spec.width};
  const Tensor* embedding =
      reader.finder().Find(Role::kEmbedding, 0, head_shape);
  const Tensor* positions = nullptr;
  if (spec.learned_positions) {
    positions =
        reader.finder().Find(Role::kPositions, 0, {spec.context, spec.width});
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
    ReadLayer(reader, spec, static_cast<int64_t>(i), weights.layers[i]);
  }
  reader.finder().Finish();
  weights.embedding = *embedding;
  if (positions != nullptr) weights.positions = *positions;
  reader.Job(spec.tied_head ? embedding : head, weights.head);
  if (cache == nullptr || !cache->Map(checkpoint, reader.jobs(), pool)) {
    ops::Pack(pool, reader.jobs(),
              [](const ops::PackJob& job, int64_t first, int64_t rows) {
                if (!job.tensor->mapped) return;
                const size_t bytes = job.tensor->row_bytes();
                DropPages(job.tensor->data.subspan(
                    static_cast<size_t>(first) * bytes,
                    static_cast<size_t>(rows) * bytes));
              });
    if (cache != nullptr) cache->Keep(checkpoint, reader.jobs());
  }
  for (const ops::PackJob& job : reader.jobs()) {
    weights.bytes += job.matrix->bytes();
  }
  for (const auto& [name, tensor] : checkpoint.tensors()) {
    weights.parameters += tensor.elements();
  }
  return weights;
}

}  // namespace malmoi::models
