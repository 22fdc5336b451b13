// ModernBERT (Warner et al. 2024): an encoder with norms before its blocks,
// rotary positions, gated feed-forward and windows in most layers.
#include "models/arch/arch.h"
#include "models/arch/common.h"
#include "models/arch/names.h"

namespace malmoi::models {

namespace {

constexpr TensorName kTensors[] = {
    {Role::kEmbedding, "token_embd.weight", "embeddings.tok_embeddings.weight"},
    {Role::kEmbeddingNorm, "token_embd_norm.weight", "embeddings.norm.weight"},
    {Role::kAttentionNorm, "blk.{}.attn_norm.weight",
     "layers.{}.attn_norm.weight"},
    {Role::kQueryKeyValue, "blk.{}.attn_qkv.weight",
     "layers.{}.attn.Wqkv.weight"},
    {Role::kAttentionOutput, "blk.{}.attn_output.weight",
     "layers.{}.attn.Wo.weight"},
    {Role::kFeedForwardNorm, "blk.{}.ffn_norm.weight",
     "layers.{}.mlp_norm.weight"},
    {Role::kGateUp, "blk.{}.ffn_up.weight", "layers.{}.mlp.Wi.weight"},
    {Role::kDown, "blk.{}.ffn_down.weight", "layers.{}.mlp.Wo.weight"},
    {Role::kOutputNorm, "output_norm.weight", "final_norm.weight"},
};
constexpr TensorName kInner[] = {
    {Role::kHeadDense, "cls.weight", "head.dense.weight"},
    {Role::kHeadNorm, "cls.norm.weight", "head.norm.weight"},
};
constexpr TensorName kWordBias[] = {{Role::kHeadBias, "", "decoder.bias"}};
constexpr auto kLabels = JoinNames(kInner, kClassifierNames);
constexpr auto kWords = JoinNames(kInner, kWordBias);
constexpr auto kSpans = JoinNames(kInner, kSpanNames);
constexpr HeadForm kHeads[] = {
    {Task::kClassify, Activation::kGelu, kLabels},
    {Task::kTag, Activation::kGelu, kLabels},
    {Task::kFill, Activation::kGelu, kWords},
    {Task::kAnswer, Activation::kGelu, kSpans},
};

}  // namespace

const std::span<const TensorName> kModernBertTensors = kTensors;
const std::span<const HeadForm> kModernBertHeads = kHeads;

EncoderSpec DescribeModernBert(const Checkpoint& checkpoint) {
  const Config config(checkpoint);
  EncoderSpec spec = ReadEncoder(config);
  spec.learned_positions = false;
  spec.pre_norms = true;
  spec.norm_bias = config.Flag("norm_bias");
  AttentionSpec& attention = spec.attention;
  attention.bias = attention.output_bias = config.Flag("attention_bias");
  spec.feed_forward.bias = config.Flag("mlp_bias");
  spec.feed_forward.gated = true;
  attention.rope = attention.sliding_rope =
      ReadRope(config, attention.head_dim, spec.positions, "full_attention");
  attention.rope.pairs = attention.sliding_rope.pairs = RopePairs::kHalves;
  attention.rope.theta = config.Number(
      "rope.freq_base",
      "rope_parameters.full_attention.rope_theta|global_rope_theta", 160000.0);
  attention.sliding_rope.theta = config.Number(
      "rope.freq_base_swa",
      "rope_parameters.sliding_attention.rope_theta|local_rope_theta", 10000.0);
  // `local_attention` positions, half of them each way, and the row's own.
  attention.window =
      config.Count("attention.sliding_window", "local_attention", 128) / 2 + 1;
  const int64_t every = config.Count("attention.sliding_window_pattern",
                                     "global_attn_every_n_layers", 3);
  const std::vector<std::string> types = config.Texts("layer_types");
  for (int64_t i = 0; i < spec.layers; ++i) {
    const auto at = static_cast<size_t>(i);
    attention.sliding.push_back(
        at < types.size() ? types[at] == "sliding_attention" : i % every != 0);
  }
  if (config.gguf() != nullptr) {
    // Converters have called it so, for config.json's `norm_eps`.
    spec.norm_epsilon = config.Number("attention.layer_norm_rms_epsilon", "",
                                      spec.norm_epsilon);
    constexpr int64_t kMean = 1;
    spec.mean_rows =
        config.Count("classifier.pooling_type", "", kMean) == kMean;
    return spec;
  }
  const std::string pooling = config.Text("", "classifier_pooling", "cls");
  if (pooling != "cls" && pooling != "mean") {
    config.Refuse("classifier_pooling", pooling);
  }
  spec.mean_rows = pooling == "mean";
  return spec;
}

}  // namespace malmoi::models
