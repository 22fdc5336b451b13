// The architectures that `convert` writes as GGUF, with the keys of llama.cpp's
// converter.
#include <array>
#include <string>

#include "base/error.h"
#include "models/gguf_form.h"

namespace malmoi::models {

namespace {

template <size_t... kSizes>
constexpr auto JoinKeys(const GgufKey (&... groups)[kSizes]) {
  std::array<GgufKey, (kSizes + ...)> all{};
  size_t next = 0;
  const auto add = [&](const auto& group) {
    for (const GgufKey& key : group) all[next++] = key;
  };
  (add(groups), ...);
  return all;
}

constexpr GgufKey kShape[] = {
    {Fact::kLayers, "block_count", "num_hidden_layers"},
    {Fact::kContext, "context_length", "max_position_embeddings"},
    {Fact::kWidth, "embedding_length", "hidden_size"},
    {Fact::kHidden, "feed_forward_length", "intermediate_size"},
    {Fact::kHeads, "attention.head_count", "num_attention_heads"},
};
constexpr GgufKey kKvHeads[] = {
    {Fact::kKvHeads, "attention.head_count_kv", "num_key_value_heads"},
};
constexpr GgufKey kRotation[] = {
    {Fact::kTheta, "rope.freq_base", "rope_theta"},
    {Fact::kScaling, "", ""},
};
constexpr GgufKey kRms[] = {
    {Fact::kEpsilon, "attention.layer_norm_rms_epsilon",
     "rms_norm_eps|norm_eps|layer_norm_epsilon"},
};
constexpr GgufKey kNorm[] = {
    {Fact::kEpsilon, "attention.layer_norm_epsilon",
     "layer_norm_eps|layer_norm_epsilon|norm_epsilon"},
};
constexpr GgufKey kHeadDim[] = {
    {Fact::kHeadDim, "attention.key_length", "head_dim"},
};
constexpr GgufKey kUsualTheta[] = {
    {Fact::kUnusualTheta, "rope.freq_base", "rope_theta"},
};
constexpr GgufKey kVocabulary[] = {
    {Fact::kVocabulary, "vocab_size", "vocab_size"},
};
constexpr GgufKey kRopeDim[] = {
    {Fact::kRopeDim, "rope.dimension_count", ""},
};
constexpr GgufKey kParallel[] = {
    {Fact::kParallel, "use_parallel_residual", "use_parallel_residual"},
};
constexpr GgufKey kLogitScale[] = {
    {Fact::kNumber, "logit_scale", "logit_scale"},
    {Fact::kNoScaling, "rope.scaling.type", ""},
};
constexpr GgufKey kExperts[] = {
    {Fact::kCount, "expert_count", "num_local_experts"},
    {Fact::kCount, "expert_used_count", "num_experts_per_tok"},
};
constexpr GgufKey kNumExperts[] = {
    {Fact::kCount, "expert_count", "num_experts|num_local_experts"},
    {Fact::kCount, "expert_used_count", "num_experts_per_tok"},
};
constexpr GgufKey kExpertSize[] = {
    {Fact::kCount, "expert_feed_forward_length", "moe_intermediate_size"},
};
constexpr GgufKey kSharedExpertSize[] = {
    {Fact::kCount, "expert_shared_feed_forward_length",
     "shared_expert_intermediate_size"},
};
constexpr GgufKey kWindow[] = {
    {Fact::kWindow, "attention.sliding_window", "sliding_window"},
};
constexpr GgufKey kSlidingLayers[] = {
    {Fact::kSlidingLayers, "attention.sliding_window_pattern", "layer_types"},
};
constexpr GgufKey kSlidingTheta[] = {
    {Fact::kSlidingTheta, "rope.freq_base_swa", "rope_local_base_freq"},
};
constexpr GgufKey kClip[] = {
    {Fact::kNumber, "attention.clamp_kqv", "clip_qkv"},
};

// Of config.json alone.
constexpr GgufKey kAct[] = {{Fact::kActivation, "", "hidden_act"}};
constexpr GgufKey kBias[] = {{Fact::kAttentionBias, "", "attention_bias"}};
constexpr GgufKey kBiases[] = {
    {Fact::kActivation, "", "hidden_act"},
    {Fact::kAttentionBias, "", "attention_bias"},
    {Fact::kFeedForwardBias, "", "mlp_bias"},
};
constexpr GgufKey kLayerTypes[] = {{Fact::kSlidingLayers, "", "layer_types"}};
constexpr GgufKey kNormalize[] = {{Fact::kNormalize, "", "norm_topk_prob"}};

constexpr auto kUsual =
    JoinKeys(kShape, kKvHeads, kRotation, kRms, kHeadDim, kAct, kBias);
constexpr auto kLlama = JoinKeys(kShape, kKvHeads, kRotation, kRms, kHeadDim,
                                 kVocabulary, kRopeDim, kBiases);
constexpr auto kMixtral = JoinKeys(kShape, kKvHeads, kRotation, kRms, kHeadDim,
                                   kVocabulary, kRopeDim, kExperts, kAct);
constexpr GgufKey kStarCoder2Own[] = {
    {Fact::kActivation, "", "hidden_act"},
    {Fact::kAttentionBias, "", "use_bias"},
    {Fact::kEpsilon, "", "norm_epsilon"},
};
constexpr auto kNormed =
    JoinKeys(kShape, kKvHeads, kRotation, kNorm, kHeadDim, kStarCoder2Own);

constexpr GgufKey kGpt2Own[] = {
    {Fact::kLayers, "block_count", "n_layer"},
    {Fact::kContext, "context_length", "n_positions"},
    {Fact::kWidth, "embedding_length", "n_embd"},
    {Fact::kHidden, "feed_forward_length", "n_inner"},
    {Fact::kHeads, "attention.head_count", "n_head"},
    {Fact::kEpsilon, "attention.layer_norm_epsilon", "layer_norm_epsilon"},
    {Fact::kActivation, "", "activation_function"},
};
constexpr auto kGptNeoX =
    JoinKeys(kShape, kNorm, kRopeDim, kParallel, kUsualTheta, kAct, kBias);
constexpr auto kPhi2 =
    JoinKeys(kShape, kKvHeads, kNorm, kRopeDim, kUsualTheta, kAct);
constexpr GgufKey kStableLmOwn[] = {
    {Fact::kActivation, "", "hidden_act"},
    {Fact::kAttentionBias, "", "use_qkv_bias"},
    {Fact::kHeadNorms, "", "qk_layernorm"},
};
constexpr auto kStableLm = JoinKeys(kShape, kKvHeads, kNorm, kRopeDim,
                                    kParallel, kUsualTheta, kStableLmOwn);
constexpr GgufKey kPhi3Own[] = {
    {Fact::kTheta, "rope.freq_base", "rope_theta"},
    {Fact::kLongRope, "", ""},
    {Fact::kWindowOrZero, "attention.sliding_window", "sliding_window"},
    {Fact::kActivation, "", "hidden_act"},
};
constexpr auto kPhi3 = JoinKeys(kShape, kKvHeads, kRms, kRopeDim, kPhi3Own);
constexpr GgufKey kGemmaOwn[] = {
    {Fact::kOwnHeadDim, "attention.key_length", "head_dim"},
    {Fact::kActivation, "", "hidden_activation"},
    {Fact::kActivation, "", "hidden_act"},
};
constexpr GgufKey kScoreDivisor[] = {
    {Fact::kScoreDivisor, "", "query_pre_attn_scalar"},
};
constexpr auto kGemma =
    JoinKeys(kShape, kKvHeads, kRms, kGemmaOwn, kUsualTheta);
constexpr GgufKey kCaps[] = {
    {Fact::kNumber, "attn_logit_softcapping", "attn_logit_softcapping"},
    {Fact::kNumber, "final_logit_softcapping", "final_logit_softcapping"},
};
constexpr auto kGemma2 =
    JoinKeys(kShape, kKvHeads, kRms, kGemmaOwn, kUsualTheta, kCaps, kWindow,
             kLayerTypes, kScoreDivisor);
constexpr auto kGemma3 =
    JoinKeys(kShape, kKvHeads, kRotation, kRms, kGemmaOwn, kWindow,
             kSlidingTheta, kLayerTypes, kScoreDivisor);
// The window is of both sides together.
constexpr GgufKey kBothWays[] = {
    {Fact::kCount, "attention.sliding_window", "sliding_window"},
    {Fact::kYes, "", "use_bidirectional_attention"},
};
constexpr auto kGemmaEmbedding =
    JoinKeys(kShape, kKvHeads, kRotation, kRms, kGemmaOwn, kBothWays,
             kSlidingTheta, kLayerTypes, kScoreDivisor);
constexpr GgufKey kQkvBias[] = {{Fact::kAttentionBias, "", "qkv_bias"}};
constexpr auto kQwen2Moe =
    JoinKeys(kShape, kKvHeads, kRotation, kRms, kHeadDim, kNumExperts,
             kExpertSize, kSharedExpertSize, kAct, kNormalize, kQkvBias);
constexpr auto kQwen3Moe =
    JoinKeys(kShape, kKvHeads, kRotation, kRms, kHeadDim, kNumExperts,
             kExpertSize, kAct, kNormalize, kBias);
constexpr auto kOlmo =
    JoinKeys(kShape, kKvHeads, kRotation, kNorm, kHeadDim, kClip, kAct, kBias);
constexpr GgufKey kOlmo3Own[] = {
    {Fact::kSlidingTheta, "rope.freq_base_swa", ""},
    {Fact::kRopeByLayer, "", ""},
};
constexpr auto kOlmo3 =
    JoinKeys(kShape, kKvHeads, kRotation, kRms, kHeadDim, kWindow,
             kSlidingLayers, kAct, kBias, kOlmo3Own);
constexpr auto kOlmoe = JoinKeys(kShape, kKvHeads, kRotation, kRms, kHeadDim,
                                 kNumExperts, kAct, kNormalize);
constexpr GgufKey kMultipliers[] = {
    {Fact::kNumber, "attention.scale", "attention_multiplier"},
    {Fact::kNumber, "embedding_scale", "embedding_multiplier"},
    {Fact::kNumber, "residual_scale", "residual_multiplier"},
    {Fact::kNumber, "logit_scale", "logits_scaling"},
};
constexpr auto kGranite =
    JoinKeys(kShape, kKvHeads, kRotation, kRms, kVocabulary, kRopeDim,
             kMultipliers, kBiases);
constexpr auto kGraniteMoe =
    JoinKeys(kShape, kKvHeads, kRotation, kRms, kVocabulary, kRopeDim,
             kMultipliers, kExperts, kBiases);
constexpr GgufKey kGraniteHybridOwn[] = {
    {Fact::kKvHeadsByLayer, "attention.head_count_kv", "num_key_value_heads"},
    {Fact::kHidden, "", "shared_intermediate_size"},
    {Fact::kCount, "expert_shared_feed_forward_length",
     "shared_intermediate_size"},
    {Fact::kCount, "ssm.conv_kernel", "mamba_d_conv"},
    {Fact::kCount, "ssm.state_size", "mamba_d_state"},
    {Fact::kCount, "ssm.group_count", "mamba_n_groups"},
    {Fact::kInner, "ssm.inner_size", "mamba_expand"},
    {Fact::kCount, "ssm.time_step_rank", "mamba_n_heads"},
    {Fact::kRotates, "rope.scaling.finetuned", ""},
    {Fact::kPositionKind, "", "position_embedding_type"},
    {Fact::kKinds, "attention", "layer_types|mamba"},
    {Fact::kStateHeadDim, "", "mamba_d_head"},
    {Fact::kFilterBias, "", "mamba_conv_bias"},
};
constexpr auto kGraniteHybrid =
    JoinKeys(kShape, kRotation, kRms, kVocabulary, kRopeDim, kMultipliers,
             kExperts, kGraniteHybridOwn, kBiases);
constexpr GgufKey kFalconOwn[] = {
    {Fact::kText, "tensor_data_layout", "jploski"},
    {Fact::kKvHeads, "", "num_kv_heads"},
    {Fact::kEpsilon, "", "layer_norm_epsilon"},
    {Fact::kHidden, "", "ffn_hidden_size"},
    {Fact::kActivation, "", "activation"},
    {Fact::kAttentionBias, "", "bias"},
    {Fact::kManyKeys, "", "new_decoder_architecture"},
    {Fact::kOneKey, "", "multi_query"},
    {Fact::kNormCount, "", "num_ln_in_parallel_attn"},
    {Fact::kYes, "", "parallel_attn"},
    {Fact::kNo, "", "alibi"},
};
constexpr auto kFalcon =
    JoinKeys(kShape, kKvHeads, kNorm, kUsualTheta, kFalconOwn);
constexpr GgufKey kQkNorm[] = {{Fact::kHeadNorms, "", "use_qk_norm"}};
constexpr auto kCohere = JoinKeys(kShape, kKvHeads, kRotation, kNorm, kHeadDim,
                                  kLogitScale, kQkNorm, kAct, kBias);
constexpr auto kCohere2 =
    JoinKeys(kShape, kKvHeads, kRotation, kNorm, kHeadDim, kLogitScale, kWindow,
             kVocabulary, kRopeDim, kLayerTypes, kAct, kBias);
constexpr GgufKey kExaoneOwn[] = {
    {Fact::kLayers, "block_count", "num_layers"},
    {Fact::kContext, "context_length", "max_position_embeddings"},
    {Fact::kWidth, "embedding_length", "hidden_size"},
    {Fact::kHidden, "feed_forward_length", "intermediate_size"},
    {Fact::kHeads, "attention.head_count", "num_attention_heads"},
    {Fact::kEpsilon, "attention.layer_norm_rms_epsilon", "layer_norm_epsilon"},
    {Fact::kActivation, "", "activation_function"},
};
constexpr auto kExaone =
    JoinKeys(kExaoneOwn, kKvHeads, kRotation, kHeadDim, kRopeDim);
constexpr auto kExaone4 = JoinKeys(kShape, kKvHeads, kRotation, kRms, kHeadDim,
                                   kVocabulary, kWindow, kSlidingLayers, kAct);
constexpr GgufKey kGptOssOwn[] = {
    {Fact::kCount, "expert_feed_forward_length", "intermediate_size"},
    {Fact::kUnrounded, "", "truncate"},
};
constexpr auto kGptOss =
    JoinKeys(kShape, kKvHeads, kRotation, kRms, kHeadDim, kExperts, kWindow,
             kGptOssOwn, kLayerTypes, kBias);
constexpr GgufKey kLfm2Own[] = {
    {Fact::kKvHeadsByLayer, "attention.head_count_kv", "num_key_value_heads"},
    {Fact::kCount, "shortconv.l_cache", "conv_L_cache"},
    {Fact::kEpsilon, "", "norm_eps"},
    {Fact::kKinds, "full_attention", "layer_types|conv"},
    {Fact::kNo, "", "block_auto_adjust_ff_dim"},
    {Fact::kNo, "", "conv_bias"},
};
constexpr auto kLfm2 = JoinKeys(kShape, kRotation, kRms, kVocabulary, kLfm2Own);

// Of state spaces alone: what other models have is there, and 0.
constexpr GgufKey kState[] = {
    {Fact::kLayers, "block_count", "num_hidden_layers"},
    {Fact::kContext, "context_length", ""},
    {Fact::kWidth, "embedding_length", "hidden_size"},
    {Fact::kZero, "feed_forward_length", ""},
    {Fact::kZero, "attention.head_count", ""},
    {Fact::kEpsilon, "attention.layer_norm_rms_epsilon", "layer_norm_epsilon"},
    {Fact::kCount, "ssm.conv_kernel", "conv_kernel"},
    {Fact::kCount, "ssm.state_size", "state_size"},
    {Fact::kInner, "ssm.inner_size", "expand"},
    {Fact::kFilterBias, "", "use_conv_bias"},
    {Fact::kNo, "", "use_bias"},
};
constexpr GgufKey kMambaOwn[] = {
    {Fact::kStepRank, "ssm.time_step_rank", "time_step_rank"},
    {Fact::kPartNorms, "ssm.dt_b_c_rms", ""},
};
constexpr auto kMamba = JoinKeys(kState, kMambaOwn);
constexpr GgufKey kFalconMambaOwn[] = {
    {Fact::kEpsilon, "", "mixer_rms_eps"},
};
constexpr auto kFalconMamba = JoinKeys(kState, kMambaOwn, kFalconMambaOwn);
constexpr GgufKey kMamba2Own[] = {
    {Fact::kStateHeads, "ssm.time_step_rank", "num_heads"},
    {Fact::kCount, "ssm.group_count", "n_groups"},
    {Fact::kStateHeadDim, "", "head_dim"},
};
constexpr auto kMamba2 = JoinKeys(kState, kMamba2Own);
constexpr GgufKey kFalconH1Own[] = {
    {Fact::kOwnHeadDim, "attention.key_length", "head_dim"},
    {Fact::kCount, "ssm.conv_kernel", "mamba_d_conv"},
    {Fact::kCount, "ssm.state_size", "mamba_d_state"},
    {Fact::kCount, "ssm.inner_size", "mamba_d_ssm"},
    {Fact::kCount, "ssm.time_step_rank", "mamba_n_heads"},
    {Fact::kCount, "ssm.group_count", "mamba_n_groups"},
    {Fact::kStateHeadDim, "", "mamba_d_head"},
    {Fact::kFilterBias, "", "mamba_conv_bias"},
    {Fact::kGatedNorm, "", "mamba_rms_norm"},
    {Fact::kNo, "", "mamba_norm_before_gate"},
    {Fact::kActivation, "", "hidden_act"},
};
constexpr auto kFalconH1 =
    JoinKeys(kShape, kKvHeads, kRotation, kRms, kVocabulary, kFalconH1Own);

constexpr GgufKey kBertOwn[] = {
    {Fact::kNotCausal, "attention.causal", ""},
    {Fact::kLabels, "classifier.output_labels", ""},
};
constexpr GgufKey kTokenTypes[] = {
    {Fact::kTokenTypes, "token_type_count", "type_vocab_size"},
};
constexpr auto kBert = JoinKeys(kShape, kNorm, kBertOwn, kTokenTypes, kAct);
constexpr auto kNomicBert =
    JoinKeys(kShape, kNorm, kRotation, kBertOwn, kTokenTypes, kAct);
constexpr GgufKey kDistilBertOwn[] = {
    {Fact::kLayers, "block_count", "n_layers"},
    {Fact::kContext, "context_length", "max_position_embeddings"},
    {Fact::kWidth, "embedding_length", "dim"},
    {Fact::kHidden, "feed_forward_length", "hidden_dim"},
    {Fact::kHeads, "attention.head_count", "n_heads"},
    {Fact::kTokenTypes, "token_type_count", ""},
    {Fact::kActivation, "", "activation"},
};
constexpr auto kDistilBert = JoinKeys(kDistilBertOwn, kNorm, kBertOwn);
constexpr GgufKey kModernBertOwn[] = {
    {Fact::kEpsilon, "attention.layer_norm_rms_epsilon", "norm_eps"},
    {Fact::kTheta, "rope.freq_base", "global_rope_theta"},
    {Fact::kSlidingTheta, "rope.freq_base_swa", "local_rope_theta"},
    {Fact::kNoScaling, "rope.scaling.type", ""},
    {Fact::kCount, "attention.sliding_window", "local_attention"},
    {Fact::kCount, "attention.sliding_window_pattern",
     "global_attn_every_n_layers"},
    {Fact::kPoolingOfHead, "classifier.pooling_type", "classifier_pooling"},
    {Fact::kWord, "hidden_activation", "hidden_activation"},
};
constexpr GgufKey kNoTypes[] = {{Fact::kTokenTypes, "token_type_count", ""}};
constexpr auto kModernBert =
    JoinKeys(kShape, kVocabulary, kModernBertOwn, kBertOwn, kNoTypes);

constexpr GgufKey kT5[] = {
    {Fact::kContext, "context_length", "n_positions"},
    {Fact::kWidth, "embedding_length", "d_model"},
    {Fact::kHidden, "feed_forward_length", "d_ff"},
    {Fact::kLayers, "block_count", "num_layers"},
    {Fact::kDecoderLayers, "decoder_block_count", "num_decoder_layers"},
    {Fact::kHeads, "attention.head_count", "num_heads"},
    {Fact::kOwnHeadDim, "attention.key_length", "d_kv"},
    {Fact::kEpsilon, "attention.layer_norm_epsilon", "layer_norm_epsilon"},
    {Fact::kEpsilon, "attention.layer_norm_rms_epsilon", ""},
    {Fact::kBuckets, "attention.relative_buckets_count",
     "relative_attention_num_buckets"},
    {Fact::kStartToken, "decoder_start_token_id", "decoder_start_token_id"},
    {Fact::kGatedActivation, "", "feed_forward_proj"},
};

constexpr int64_t kNoContext = int64_t{1} << 20;

constexpr GgufForm kForms[] = {
    {"bert", "bert", "BertModel", kBert},
    {"cohere", "command-r", "CohereForCausalLM", kCohere},
    {"cohere2", "cohere2", "Cohere2ForCausalLM", kCohere2},
    {"distilbert", "bert", "DistilBertModel", kDistilBert},
    {"exaone", "exaone", "ExaoneForCausalLM", kExaone},
    {"exaone4", "exaone4", "Exaone4ForCausalLM", kExaone4},
    {.model_type = "falcon",
     .architecture = "falcon",
     .hf_class = "FalconForCausalLM",
     .keys = kFalcon,
     .context = 2048},
    {.model_type = "falcon_h1",
     .architecture = "falcon-h1",
     .hf_class = "FalconH1ForCausalLM",
     .keys = kFalconH1,
     .merges_scales = true,
     .grouped_norms = true,
     .single_columns = true},
    {.model_type = "falcon_mamba",
     .architecture = "mamba",
     .hf_class = "FalconMambaForCausalLM",
     .keys = kFalconMamba,
     .context = kNoContext},
    {.model_type = "gemma",
     .architecture = "gemma",
     .hf_class = "GemmaForCausalLM",
     .keys = kGemma,
     .norm_offset = 1},
    {.model_type = "gemma2",
     .architecture = "gemma2",
     .hf_class = "Gemma2ForCausalLM",
     .keys = kGemma2,
     .norm_offset = 1},
    {.model_type = "gemma3_text",
     .architecture = "gemma3",
     .hf_class = "Gemma3ForCausalLM",
     .keys = kGemma3,
     .norm_offset = 1},
    {.model_type = "gemma3_text",
     .architecture = "gemma-embedding",
     .hf_class = "Gemma3TextModel",
     .keys = kGemmaEmbedding,
     .norm_offset = 1,
     .both_ways = true,
     .dense_layers = 2},
    {"gpt2", "gpt2", "GPT2LMHeadModel", kGpt2Own},
    {.model_type = "gpt_neox",
     .architecture = "gptneox",
     .hf_class = "GPTNeoXForCausalLM",
     .keys = kGptNeoX,
     .file_type = false},
    {"gpt_oss", "gpt-oss", "GptOssForCausalLM", kGptOss},
    {.model_type = "granite",
     .architecture = "granite",
     .hf_class = "GraniteForCausalLM",
     .keys = kGranite,
     .interleaved = true},
    {.model_type = "granitemoe",
     .architecture = "granitemoe",
     .hf_class = "GraniteMoeForCausalLM",
     .keys = kGraniteMoe,
     .interleaved = true},
    {.model_type = "granitemoehybrid",
     .architecture = "granite",
     .hf_class = "GraniteMoeHybridForCausalLM",
     .keys = kGraniteHybrid,
     .attention_only = true,
     .interleaved = true},
    {.model_type = "granitemoehybrid",
     .architecture = "granitehybrid",
     .hf_class = "GraniteMoeHybridForCausalLM",
     .keys = kGraniteHybrid,
     .context = kNoContext,
     .interleaved = true,
     .grouped_norms = true,
     .single_columns = true},
    {"lfm2", "lfm2", "Lfm2ForCausalLM", kLfm2},
    {.model_type = "llama",
     .architecture = "llama",
     .hf_class = "LlamaForCausalLM",
     .keys = kLlama,
     .interleaved = true},
    {.model_type = "mamba",
     .architecture = "mamba",
     .hf_class = "MambaForCausalLM",
     .keys = kMamba,
     .context = kNoContext},
    {.model_type = "mamba2",
     .architecture = "mamba2",
     .hf_class = "Mamba2ForCausalLM",
     .keys = kMamba2,
     .context = kNoContext,
     .grouped_norms = true,
     .single_columns = true},
    {.model_type = "mistral",
     .architecture = "llama",
     .hf_class = "MistralForCausalLM",
     .keys = kLlama,
     .interleaved = true},
    {.model_type = "mixtral",
     .architecture = "llama",
     .hf_class = "MixtralForCausalLM",
     .keys = kMixtral,
     .interleaved = true},
    {.model_type = "olmo",
     .architecture = "olmo",
     .hf_class = "OlmoForCausalLM",
     .keys = kOlmo,
     .interleaved = true},
    {"modernbert", "modern-bert", "ModernBertModel", kModernBert},
    {"mt5", "t5", "MT5ForConditionalGeneration", kT5},
    {"nomic_bert", "nomic-bert", "NomicBertModel", kNomicBert},
    {"olmo2", "olmo2", "Olmo2ForCausalLM", kUsual},
    {"olmo3", "olmo2", "Olmo3ForCausalLM", kOlmo3},
    {"olmoe", "olmoe", "OlmoeForCausalLM", kOlmoe},
    {"phi", "phi2", "PhiForCausalLM", kPhi2},
    {"phi3", "phi3", "Phi3ForCausalLM", kPhi3},
    {"qwen2", "qwen2", "Qwen2ForCausalLM", kUsual},
    {"qwen2_moe", "qwen2moe", "Qwen2MoeForCausalLM", kQwen2Moe},
    {"qwen3", "qwen3", "Qwen3ForCausalLM", kUsual},
    {"qwen3_moe", "qwen3moe", "Qwen3MoeForCausalLM", kQwen3Moe},
    {.model_type = "roberta",
     .architecture = "bert",
     .hf_class = "RobertaModel",
     .keys = kBert,
     .cut_positions = true},
    {.model_type = "smollm3",
     .architecture = "smollm3",
     .hf_class = "SmolLM3ForCausalLM",
     .keys = kLlama,
     .interleaved = true},
    {"stablelm", "stablelm", "StableLmForCausalLM", kStableLm},
    {"starcoder2", "starcoder2", "Starcoder2ForCausalLM", kNormed},
    {"t5", "t5", "T5ForConditionalGeneration", kT5},
    {.model_type = "xlm-roberta",
     .architecture = "bert",
     .hf_class = "XLMRobertaModel",
     .keys = kBert,
     .cut_positions = true},
};

}  // namespace

std::span<const GgufForm> GgufForms() { return kForms; }

const GgufForm& FindGgufForm(std::string_view model_type, const Spec& spec,
                             std::string_view where) {
  std::string known;
  const GgufForm* found = nullptr;
  for (const GgufForm& form : kForms) {
    if (form.model_type == model_type &&
        (!form.attention_only || spec.StateLayers() == 0) &&
        form.both_ways == spec.attention.both_ways && found == nullptr) {
      found = &form;
    }
    if (known.ends_with(form.model_type)) continue;
    known += (known.empty() ? "" : ", ") + std::string(form.model_type);
  }
  if (found != nullptr) return *found;
  throw Error(ErrorCode::kUnsupported,
              {.where = std::string(where),
               .what = "an architecture that is not converted",
               .expected = known,
               .got = std::string(model_type),
               .hint = "a GGUF of this model, or llama.cpp's "
                       "convert_hf_to_gguf.py"});
}

}  // namespace malmoi::models
