#include "models/arch/common.h"

#include <algorithm>
#include <cmath>
#include <string>

#include "models/arch/arch.h"
#include "models/arch/names.h"

namespace malmoi::models {

namespace {

constexpr TensorName kLlamaOwn[] = {
    {Role::kPostAttentionNorm, "blk.{}.post_attention_norm.weight",
     "model.layers.{}.post_norm1.weight"},
    {Role::kPostFeedForwardNorm, "blk.{}.post_ffw_norm.weight",
     "model.layers.{}.post_norm2.weight"},
};
constexpr auto kLlama =
    JoinNames(kEndNames, kFirstNormNames, kQueryKeyValueNames, kHeadNormNames,
              kAttentionOutputNames, kGatedNames, kSecondNormNames, kLlamaOwn);

constexpr TensorName kMixtureOwn[] = {
    {Role::kRouter, "blk.{}.ffn_gate_inp.weight",
     "model.layers.{}.mlp.gate.weight"},
    {Role::kExpertGate, "blk.{}.ffn_gate_exps.weight",
     "model.layers.{}.mlp.experts.{}.gate_proj.weight"},
    {Role::kExpertUp, "blk.{}.ffn_up_exps.weight",
     "model.layers.{}.mlp.experts.{}.up_proj.weight"},
    {Role::kExpertDown, "blk.{}.ffn_down_exps.weight",
     "model.layers.{}.mlp.experts.{}.down_proj.weight"},
    {Role::kSharedRouter, "blk.{}.ffn_gate_inp_shexp.weight",
     "model.layers.{}.mlp.shared_expert_gate.weight"},
    {Role::kSharedGate, "blk.{}.ffn_gate_shexp.weight",
     "model.layers.{}.mlp.shared_expert.gate_proj.weight"},
    {Role::kSharedUp, "blk.{}.ffn_up_shexp.weight",
     "model.layers.{}.mlp.shared_expert.up_proj.weight"},
    {Role::kSharedDown, "blk.{}.ffn_down_shexp.weight",
     "model.layers.{}.mlp.shared_expert.down_proj.weight"},
};
constexpr auto kMixture = JoinNames(
    kEndNames, kFirstNormNames, kQueryKeyValueNames, kHeadNormNames,
    kAttentionOutputNames, kGatedNames, kSecondNormNames, kMixtureOwn);

constexpr TensorName kMixtralOwn[] = {
    {Role::kRouter, "blk.{}.ffn_gate_inp.weight",
     "model.layers.{}.block_sparse_moe.gate.weight"},
    {Role::kExpertGate, "blk.{}.ffn_gate_exps.weight",
     "model.layers.{}.block_sparse_moe.experts.{}.w1.weight"},
    {Role::kExpertUp, "blk.{}.ffn_up_exps.weight",
     "model.layers.{}.block_sparse_moe.experts.{}.w3.weight"},
    {Role::kExpertDown, "blk.{}.ffn_down_exps.weight",
     "model.layers.{}.block_sparse_moe.experts.{}.w2.weight"},
};
constexpr auto kMixtral = JoinNames(
    kEndNames, kFirstNormNames, kQueryKeyValueNames, kHeadNormNames,
    kAttentionOutputNames, kGatedNames, kSecondNormNames, kMixtralOwn);

constexpr TensorName kGraniteMoeOwn[] = {
    {Role::kRouter, "blk.{}.ffn_gate_inp.weight",
     "model.layers.{}.block_sparse_moe.router.layer.weight"},
    {Role::kExpertGate, "blk.{}.ffn_gate_exps.weight", ""},
    {Role::kExpertUp, "blk.{}.ffn_up_exps.weight", ""},
    {Role::kExpertGateUp, "",
     "model.layers.{}.block_sparse_moe.input_linear.weight"},
    {Role::kExpertDown, "blk.{}.ffn_down_exps.weight",
     "model.layers.{}.block_sparse_moe.output_linear.weight"},
};
constexpr auto kGraniteMoe = JoinNames(
    kEndNames, kFirstNormNames, kQueryKeyValueNames, kHeadNormNames,
    kAttentionOutputNames, kGatedNames, kSecondNormNames, kGraniteMoeOwn);

constexpr TensorName kSandwichOwn[] = {
    {Role::kPostAttentionNorm, "blk.{}.post_attention_norm.weight",
     "model.layers.{}.post_attention_layernorm.weight"},
    {Role::kFeedForwardNorm, "blk.{}.ffn_norm.weight",
     "model.layers.{}.pre_feedforward_layernorm.weight"},
    {Role::kPostFeedForwardNorm, "blk.{}.post_ffw_norm.weight",
     "model.layers.{}.post_feedforward_layernorm.weight"},
};
constexpr auto kSandwich =
    JoinNames(kEndNames, kFirstNormNames, kQueryKeyValueNames, kHeadNormNames,
              kAttentionOutputNames, kGatedNames, kSandwichOwn);

// Precomputed frequencies and causal masks; ours are computed.
constexpr std::string_view kBuffers[] = {"rope_freqs.weight",
                                         "model.rotary_emb.",
                                         "*.rotary_emb.inv_freq",
                                         "*.attn.bias",
                                         "*.attn.masked_bias",
                                         "*.attention.bias",
                                         "*.masked_bias",
                                         "rope_factors_long.weight",
                                         "rope_factors_short.weight"};

constexpr std::string_view kHeads[] = {"*.position_ids",
                                       "cls.",
                                       "classifier.",
                                       "pre_classifier.",
                                       "qa_outputs.",
                                       "lm_head.",
                                       "vocab_layer_norm.",
                                       "vocab_transform.",
                                       "vocab_projector.",
                                       "predictions.",
                                       "generator_predictions.",
                                       "generator_lm_head.",
                                       "discriminator_predictions.",
                                       "lm_predictions.",
                                       "mask_predictions.",
                                       "head.",
                                       "decoder.",
                                       "pooler."};

}  // namespace

const std::span<const std::string_view> kEncoderIgnored = kHeads;
const std::span<const TensorName> kLlamaTensors = kLlama;
const std::span<const TensorName> kSandwichTensors = kSandwich;
const std::span<const TensorName> kMixtureTensors = kMixture;
const std::span<const TensorName> kMixtralTensors = kMixtral;
const std::span<const TensorName> kGraniteMoeTensors = kGraniteMoe;
const std::span<const std::string_view> kOldBuffers = kBuffers;

Activation ReadActivation(const Config& config, Activation fallback) {
  const std::string text = config.Text(
      "hidden_activation",
      "hidden_act|hidden_activation|activation_function|activation", "");
  if (text.empty()) return fallback;
  if (text == "silu" || text == "swish") return Activation::kSilu;
  if (text == "gelu") return Activation::kGelu;
  if (text == "gelu_new" || text == "gelu_pytorch_tanh" ||
      text == "gelu_fast") {
    return Activation::kGeluTanh;
  }
  if (text == "relu") return Activation::kRelu;
  if (text == "relu2") return Activation::kReluSquared;
  config.Refuse("activation", text);
}

void CheckSize(const Config& config, std::string_view what, int64_t value,
               int64_t most) {
  if (value > most) config.Refuse(what, std::to_string(value));
}

Spec ReadCommon(const Config& config, NormKind norm, int64_t hidden_per_width) {
  Spec spec;
  spec.layers =
      config.Count("block_count", "num_hidden_layers|n_layer|num_layers");
  CheckSize(config, "layers", spec.layers, 10'000);
  spec.width = config.Count("embedding_length", "hidden_size|n_embd");
  spec.context =
      config.Count("context_length", "max_position_embeddings|n_positions");
  spec.norm = norm;
  if (norm == NormKind::kRms) {
    spec.norm_epsilon =
        config.Number("attention.layer_norm_rms_epsilon",
                      "rms_norm_eps|layer_norm_epsilon|norm_eps");
  } else {
    spec.norm_epsilon =
        config.Number("attention.layer_norm_epsilon",
                      "layer_norm_eps|layer_norm_epsilon|norm_epsilon", 1e-5);
  }
  AttentionSpec& attention = spec.attention;
  attention.heads =
      config.Count("attention.head_count", "num_attention_heads|n_head");
  attention.kv_heads =
      config.Count("attention.head_count_kv",
                   "num_key_value_heads|num_kv_heads", attention.heads);
  attention.head_dim = config.Count("attention.key_length", "head_dim",
                                    spec.width / attention.heads);
  CheckSize(config, "attention heads", attention.heads, 1 << 16);
  CheckSize(config, "size of an attention head", attention.head_dim, 1 << 16);
  attention.scale = 1.0 / std::sqrt(static_cast<double>(attention.head_dim));
  attention.rope = ReadRope(config, attention.head_dim, spec.context);
  attention.rope.pairs = RopePairs::kHalves;
  if (attention.rope.dynamic_factor > 1) {
    spec.context = static_cast<int64_t>(static_cast<double>(spec.context) *
                                        attention.rope.dynamic_factor);
  }
  std::optional<int64_t> hidden;
  if (hidden_per_width > 0) hidden = hidden_per_width * spec.width;
  spec.feed_forward.hidden =
      config.Count("feed_forward_length",
                   "intermediate_size|ffn_hidden_size|n_inner", hidden);
  CheckSize(config, "feed-forward size", spec.feed_forward.hidden, 1 << 24);
  spec.feed_forward.activation = ReadActivation(config, Activation::kSilu);
  return spec;
}

EncoderSpec ReadEncoder(const Config& config) {
  EncoderSpec spec;
  spec.layers =
      config.Count("block_count", "num_hidden_layers|n_layers|n_layer");
  CheckSize(config, "layers", spec.layers, 10'000);
  spec.groups = spec.layers;
  spec.width = config.Count("embedding_length", "hidden_size|dim|n_embd");
  spec.embedding_width = config.Count("", "embedding_size", spec.width);
  AttentionSpec& attention = spec.attention;
  attention.heads = config.Count("attention.head_count",
                                 "num_attention_heads|n_heads|n_head");
  attention.kv_heads = attention.heads;
  attention.head_dim = spec.width / attention.heads;
  attention.scale = 1.0 / std::sqrt(static_cast<double>(attention.head_dim));
  spec.feed_forward.hidden = config.Count(
      "feed_forward_length", "intermediate_size|hidden_dim|n_inner");
  spec.positions =
      config.Count("context_length", "max_position_embeddings|n_positions");
  spec.types = config.CountOrZero("", "type_vocab_size");
  if (config.gguf() != nullptr) {  // its key is not the architecture's
    const Tensor* types = config.FindTensor("token_types.weight");
    if (types != nullptr) spec.types = types->rows();
  }
  spec.feed_forward.activation = ReadActivation(config, Activation::kGelu);
  spec.norm_epsilon =
      config.Number("attention.layer_norm_epsilon",
                    "layer_norm_eps|layer_norm_epsilon|norm_eps", 1e-12);
  const std::string kind =
      config.Text("", "position_embedding_type", "absolute");
  if (kind != "absolute") config.Refuse("position_embedding_type", kind);
  if (spec.width % attention.heads != 0) {
    config.Refuse("number of attention heads", std::to_string(attention.heads));
  }
  return spec;
}

bool HasBias(const Config& config, std::string_view gguf_tensor,
             std::string_view hf, bool fallback) {
  if (config.gguf() != nullptr) {
    return config.FindTensor(gguf_tensor) != nullptr;
  }
  return config.Has(hf) ? config.Flag(hf) : fallback;
}

void ReadLlamaBiases(const Config& config, Spec& spec) {
  spec.attention.bias = HasBias(config, "blk.0.attn_q.bias", "attention_bias");
  spec.attention.output_bias =
      HasBias(config, "blk.0.attn_output.bias", "attention_bias");
  spec.feed_forward.bias = HasBias(config, "blk.0.ffn_up.bias", "mlp_bias");
}

void ReadExperts(const Config& config, Spec& spec) {
  ExpertsSpec& experts = spec.experts;
  experts.count = config.Count("expert_count", "num_experts|num_local_experts");
  experts.used = config.Count("expert_used_count", "num_experts_per_tok");
  experts.hidden =
      config.Count("expert_feed_forward_length", "moe_intermediate_size",
                   spec.feed_forward.hidden);
  CheckSize(config, "number of experts", experts.count, 4096);
  if (experts.used > experts.count) {
    config.Refuse("number of experts used", std::to_string(experts.used));
  }
}

void ReadDenseLayers(const Config& config, Spec& spec) {
  const int64_t step = config.Count("", "decoder_sparse_step", 1);
  const std::vector<int64_t> dense = config.Flags("mlp_only_layers");
  for (int64_t i = 0; i < spec.layers; ++i) {
    spec.experts.dense.push_back((i + 1) % step != 0 ||
                                 std::find(dense.begin(), dense.end(), i) !=
                                     dense.end());
  }
}

namespace {

std::vector<bool> SlidingLayers(const Config& config, int64_t layers,
                                int64_t pattern) {
  const auto every = [&](int64_t n) {
    std::vector<bool> sliding;
    for (int64_t i = 0; i < layers; ++i) {
      sliding.push_back(n == 0 || (i + 1) % n != 0);
    }
    return sliding;
  };
  if (config.gguf() != nullptr) {
    const char* key = "attention.sliding_window_pattern";
    if (const auto flags = config.gguf()->GetBools(config.GgufKey(key))) {
      if (static_cast<int64_t>(flags->size()) != layers) {
        config.Refuse("sliding window pattern of this length",
                      std::to_string(flags->size()));
      }
      return *flags;
    }
    const int64_t stored = config.CountOrZero(key, "");
    return every(stored > 0 ? stored : pattern);
  }
  const std::vector<std::string> types = config.Texts("layer_types");
  if (types.empty()) {
    const int64_t stored = config.CountOrZero("", "sliding_window_pattern");
    return every(stored > 0 ? stored : pattern);
  }
  if (static_cast<int64_t>(types.size()) != layers) {
    config.Refuse("layer_types of this length", std::to_string(types.size()));
  }
  std::vector<bool> sliding;
  for (const std::string& type : types) {
    if (type != "sliding_attention" && type != "full_attention") {
      config.Refuse("layer type", type);
    }
    sliding.push_back(type == "sliding_attention");
  }
  return sliding;
}

}  // namespace

void ReadSliding(const Config& config, int64_t pattern, Spec& spec) {
  AttentionSpec& attention = spec.attention;
  attention.window =
      config.CountOrZero("attention.sliding_window", "sliding_window");
  if (attention.window == 0) return;
  attention.sliding = SlidingLayers(config, spec.layers, pattern);
  attention.sliding_rope = attention.rope;
}

void ReadOwnSlidingRope(const Config& config, std::string_view hf_theta,
                        double theta, Spec& spec) {
  AttentionSpec& attention = spec.attention;
  attention.rope =
      ReadRope(config, attention.head_dim, spec.context, "full_attention");
  attention.rope.pairs = RopePairs::kHalves;
  attention.sliding_rope = {};
  attention.sliding_rope.pairs = RopePairs::kHalves;
  attention.sliding_rope.dim = attention.rope.dim;
  attention.sliding_rope.theta =
      config.Number("rope.freq_base_swa", hf_theta, theta);
}

void ReadQueryScale(const Config& config, int64_t layers_by_width, Spec& spec) {
  AttentionSpec& attention = spec.attention;
  const double divisor =
      config.gguf() != nullptr && spec.layers == layers_by_width
          ? static_cast<double>(spec.width / attention.heads)
          : config.Number("", "query_pre_attn_scalar",
                          static_cast<double>(attention.head_dim));
  attention.scale = 1.0 / std::sqrt(divisor);
}

void InterleaveHeads(Spec& spec) {
  spec.attention.rope.pairs = RopePairs::kAdjacent;
  spec.attention.interleaved = true;
}

void UnrotateFullLayers(Spec& spec) {
  for (const bool slides : spec.attention.sliding) {
    spec.attention.unrotated.push_back(!slides);
  }
}

}  // namespace malmoi::models
