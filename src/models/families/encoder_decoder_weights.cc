// Reads the weights of an encoder-decoder, its positions where they are
// computed, and checks its sizes.
#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "models/families/encoder_decoder_family.h"
#include "models/registry.h"

namespace malmoi::models {

namespace {

// The roles of a stack's tensors.
struct StackRoles {
  Role positions, distance_bias, embedding_norm, attention_norm, query, key,
      value, attention_output, feed_forward_norm, gate, up, down, output_norm;
};
constexpr StackRoles kEncoderRoles = {Role::kEncoderPositions,
                                      Role::kEncoderDistanceBias,
                                      Role::kEncoderEmbeddingNorm,
                                      Role::kEncoderAttentionNorm,
                                      Role::kEncoderQuery,
                                      Role::kEncoderKey,
                                      Role::kEncoderValue,
                                      Role::kEncoderAttentionOutput,
                                      Role::kEncoderFeedForwardNorm,
                                      Role::kEncoderGate,
                                      Role::kEncoderUp,
                                      Role::kEncoderDown,
                                      Role::kEncoderOutputNorm};
constexpr StackRoles kDecoderRoles = {Role::kPositions,
                                      Role::kDistanceBias,
                                      Role::kEmbeddingNorm,
                                      Role::kAttentionNorm,
                                      Role::kQuery,
                                      Role::kKey,
                                      Role::kValue,
                                      Role::kAttentionOutput,
                                      Role::kFeedForwardNorm,
                                      Role::kGate,
                                      Role::kUp,
                                      Role::kDown,
                                      Role::kOutputNorm};

// All sines, then all cosines. The two kinds are computed in f64 and in f32,
// as their references do.
std::vector<float> Sinusoids(const EncoderDecoderSpec& spec) {
  const int64_t half = spec.width / 2;
  const bool to_end = spec.positions == PositionKind::kSinusoidsToEnd;
  const float step =
      static_cast<float>(std::log(10000.0) / static_cast<double>(half - 1));
  const int64_t rows = spec.context + spec.position_offset;
  std::vector<float> table(static_cast<size_t>(rows * spec.width));
  for (int64_t t = 0; t < rows; ++t) {
    for (int64_t j = 0; j < half; ++j) {
      const double angle =
          to_end ? static_cast<double>(static_cast<float>(t) *
                                       std::exp(static_cast<float>(j) * -step))
                 : static_cast<double>(t) /
                       std::pow(10000.0, static_cast<double>(2 * j) /
                                             static_cast<double>(spec.width));
      float* row = table.data() + t * spec.width;
      row[j] = static_cast<float>(std::sin(angle));
      row[half + j] = static_cast<float>(std::cos(angle));
    }
  }
  return table;
}

class Loading {
 public:
  Loading(const EncoderDecoderSpec& spec, WeightReader& reader)
      : spec_(spec), reader_(reader) {}

  void Attention(const StackSpec& stack, Role norm, Role query, Role key,
                 Role value, Role output, int64_t layer,
                 AttentionWeights& weights) {
    const int64_t inner = stack.heads * stack.head_dim, width = spec_.width;
    reader_.ReadNorm(norm, layer, width, weights.norm);
    reader_.Matrix(query, layer, inner, width, spec_.bias, weights.query);
    reader_.Matrix(key, layer, inner, width, spec_.bias, weights.key);
    reader_.Matrix(value, layer, inner, width, spec_.bias, weights.value);
    reader_.Matrix(output, layer, width, inner, spec_.bias, weights.output);
  }

  void ReadStack(const StackSpec& spec, const StackRoles& roles,
                 int64_t most_layers, Stack& stack) {
    const int64_t width = spec_.width, hidden = spec.hidden;
    if (spec_.positions == PositionKind::kLearned) {
      stack.positions = reader_.Table(
          roles.positions, spec_.context + spec_.position_offset, width);
    }
    if (spec_.distance_buckets > 0) {
      stack.distance_table = reader_.Table(roles.distance_bias,
                                           spec_.distance_buckets, spec.heads);
    }
    if (spec_.embedding_norm) {
      reader_.ReadNorm(roles.embedding_norm, 0, width, stack.embedding_norm);
    }
    stack.layers.resize(
        static_cast<size_t>(std::min(spec.layers, most_layers)));
    for (size_t i = 0; i < stack.layers.size(); ++i) {
      const auto at = static_cast<int64_t>(i);
      StackLayer& layer = stack.layers[i];
      Attention(spec, roles.attention_norm, roles.query, roles.key, roles.value,
                roles.attention_output, at, layer.self);
      reader_.ReadNorm(roles.feed_forward_norm, at, width,
                       layer.feed_forward_norm);
      if (spec_.gated) {
        reader_.Matrix(roles.gate, at, hidden, width, spec_.bias, layer.gate);
      }
      reader_.Matrix(roles.up, at, hidden, width, spec_.bias, layer.up);
      reader_.Matrix(roles.down, at, width, hidden, spec_.bias, layer.down);
    }
    if (spec_.output_norm) {
      reader_.ReadNorm(roles.output_norm, 0, width, stack.output_norm);
    }
  }

 private:
  const EncoderDecoderSpec& spec_;
  WeightReader& reader_;
};

void CheckSizes(const Checkpoint& checkpoint, const EncoderDecoderSpec& spec) {
  const auto senseless = [](const StackSpec& stack) {
    return stack.heads > (1 << 16) || stack.head_dim < 1 ||
           stack.head_dim > kernels::kMaxHeadDim;
  };
  const bool computed = spec.positions == PositionKind::kSinusoids ||
                        spec.positions == PositionKind::kSinusoidsToEnd;
  const bool bad_positions =
      computed && (spec.width < 4 || spec.width % 2 != 0 ||
                   spec.context + spec.position_offset > (1 << 16));
  const bool bad_buckets =
      spec.distance_buckets > 0 &&
      (spec.distance_buckets < 4 || spec.farthest <= spec.distance_buckets / 2);
  if (senseless(spec.encoder) || senseless(spec.decoder) || bad_positions ||
      bad_buckets) {
    throw Error(ErrorCode::kCorrupt,
                {.where = checkpoint.path.string(), .what = "senseless sizes"});
  }
}

}  // namespace

EncoderDecoderWeights LoadEncoderDecoder(const Checkpoint& checkpoint,
                                         bool exact, ThreadPool& pool,
                                         PackedCache* cache,
                                         EncoderDecoderSpec& spec) {
  const Architecture& architecture =
      FindEncoderDecoder(checkpoint.Architecture(), checkpoint.path.string());
  CheckSizes(checkpoint, spec);
  EncoderDecoderWeights weights;
  WeightReader reader(checkpoint, architecture,
                      {.exact = exact, .norm_bias = spec.bias});
  TensorFinder& finder = reader.finder();
  const formats::TensorMap& tensors = checkpoint.tensors();
  const auto found = tensors.find(finder.Name(Role::kEmbedding, 0));
  if (found != tensors.end()) spec.vocab_size = found->second.rows();
  const Shape shape = {spec.vocab_size, spec.width};
  const Tensor* embedding = finder.Find(Role::kEmbedding, 0, shape);
  if (embedding != nullptr) weights.embedding = *embedding;

  const Tensor* head = finder.FindOptional(Role::kHead, 0, shape);
  if (head == nullptr) head = embedding;
  if (head != nullptr) reader.Job(head, weights.head);
  if (const Tensor* bias =
          finder.FindOptional(Role::kLogitBias, 0, {1, spec.vocab_size})) {
    weights.head.bias = Floats(*bias);
  }

  Loading loading(spec, reader);
  const auto present = static_cast<int64_t>(tensors.size());
  loading.ReadStack(spec.encoder, kEncoderRoles, present + 1, weights.encoder);
  loading.ReadStack(spec.decoder, kDecoderRoles, present + 1, weights.decoder);
  for (size_t i = 0; i < weights.decoder.layers.size(); ++i) {
    loading.Attention(spec.decoder, Role::kCrossNorm, Role::kCrossQuery,
                      Role::kCrossKey, Role::kCrossValue, Role::kCrossOutput,
                      static_cast<int64_t>(i), weights.decoder.layers[i].cross);
  }
  finder.Finish();
  if (spec.positions == PositionKind::kSinusoids ||
      spec.positions == PositionKind::kSinusoidsToEnd) {
    weights.encoder.positions = weights.decoder.positions = Sinusoids(spec);
  }
  reader.Pack(pool, cache);
  for (const auto& [name, tensor] : tensors) {
    weights.parameters += tensor.elements();
  }
  return weights;
}

}  // namespace malmoi::models
