#include "models/families/decoder_weights.h"

#include <algorithm>
#include <deque>
#include <string>
#include <utility>

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

class WeightReader {
 public:
  WeightReader(const Checkpoint& checkpoint, const Architecture& architecture,
               bool exact, const Spec& spec)
      : finder_(checkpoint, architecture),
        architecture_(architecture),
        exact_(exact),
        spec_(spec) {}

  void Norm(Role role, int64_t layer, int64_t size,
            std::vector<float>& values) {
    const Tensor* tensor = finder_.Find(role, layer, {size});
    if (tensor == nullptr) return;
    values.resize(static_cast<size_t>(size));
    kernels::DequantizeRow(tensor->dtype, tensor->data.data(), size,
                           values.data());
    for (float& value : values) value += static_cast<float>(spec_.norm_offset);
  }
  void Matrix(Role role, int64_t layer, int64_t rows, int64_t columns,
              PackedMatrix& matrix) {
    const Tensor* tensor = finder_.Find(role, layer, {rows, columns});
    if (tensor != nullptr) jobs_.push_back({tensor, &matrix, exact_});
  }
  struct Part {
    Role role;
    int64_t rows;
    PackedMatrix* matrix;
  };
  // Matrices that a file may store as the rows of one, `fused`.
  void Matrices(Role fused, int64_t layer, int64_t columns,
                std::initializer_list<Part> parts) {
    const bool one =
        std::any_of(architecture_.tensors.begin(), architecture_.tensors.end(),
                    [&](const TensorName& name) { return name.role == fused; });
    int64_t rows = 0;
    for (const Part& part : parts) {
      if (!one) Matrix(part.role, layer, part.rows, columns, *part.matrix);
      rows += part.rows;
    }
    if (!one) return;
    const Tensor* tensor = finder_.Find(fused, layer, {rows, columns});
    if (tensor == nullptr) return;
    int64_t first = 0;
    for (const Part& part : parts) {
      slices_.push_back(SliceRows(*tensor, first, part.rows));
      jobs_.push_back({&slices_.back(), part.matrix, exact_});
      first += part.rows;
    }
  }
  void Job(const Tensor* tensor, PackedMatrix& matrix) {
    jobs_.push_back({tensor, &matrix, exact_});
  }
  TensorFinder& finder() { return finder_; }
  const std::vector<ops::PackJob>& jobs() const { return jobs_; }

 private:
  TensorFinder finder_;
  const Architecture& architecture_;
  bool exact_;
  const Spec& spec_;
  std::vector<ops::PackJob> jobs_;
  std::deque<Tensor> slices_;
};

void ReadLayer(WeightReader& reader, const Spec& spec, int64_t i,
               DecoderLayer& layer) {
  const AttentionSpec& attention = spec.attention;
  const int64_t width = spec.width;
  const int64_t hidden = spec.feed_forward.hidden;
  const int64_t q = attention.heads * attention.head_dim;
  const int64_t kv = attention.kv_heads * attention.head_dim;
  reader.Norm(Role::kAttentionNorm, i, width, layer.attention_norm);
  reader.Matrices(Role::kQueryKeyValue, i, width,
                  {{Role::kQuery, q, &layer.query},
                   {Role::kKey, kv, &layer.key},
                   {Role::kValue, kv, &layer.value}});
  if (attention.head_norms) {
    reader.Norm(Role::kQueryNorm, i, attention.head_dim, layer.query_norm);
    reader.Norm(Role::kKeyNorm, i, attention.head_dim, layer.key_norm);
  }
  reader.Matrix(Role::kAttentionOutput, i, width, q, layer.attention_output);
  if (spec.post_norms) {
    reader.Norm(Role::kPostAttentionNorm, i, width, layer.post_attention_norm);
    reader.Norm(Role::kPostFeedForwardNorm, i, width,
                layer.post_feed_forward_norm);
  }
  reader.Norm(Role::kFeedForwardNorm, i, width, layer.feed_forward_norm);
  reader.Matrices(
      Role::kGateUp, i, width,
      {{Role::kGate, hidden, &layer.gate}, {Role::kUp, hidden, &layer.up}});
  reader.Matrix(Role::kDown, i, width, hidden, layer.down);
}

}  // namespace

DecoderWeights LoadDecoder(const Checkpoint& checkpoint, Precision precision,
                           ThreadPool& pool, PackedCache* cache, Spec& spec) {
  CheckSpec(checkpoint, spec);
  const Architecture& architecture =
      FindArchitecture(spec.architecture, checkpoint.path.string());
  DecoderWeights weights;
  // The vocabulary's size is what the embedding says.
  const std::string_view embedding_name = checkpoint.gguf
                                              ? architecture.tensors[0].gguf
                                              : architecture.tensors[0].hf;
  const auto found = checkpoint.tensors().find(embedding_name);
  if (found != checkpoint.tensors().end() && found->second.shape.size() == 2) {
    spec.vocab_size = found->second.shape[0];
  }
  WeightReader reader(checkpoint, architecture, precision == Precision::kExact,
                      spec);
  const Shape head_shape = {spec.vocab_size, spec.width};
  const Tensor* embedding =
      reader.finder().Find(Role::kEmbedding, 0, head_shape);
  reader.Norm(Role::kOutputNorm, 0, spec.width, weights.output_norm);
  const Tensor* head = reader.finder().FindOptional(Role::kHead, 0, head_shape);
  spec.tied_head = head == nullptr;
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
