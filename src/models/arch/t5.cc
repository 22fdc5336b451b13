// T5 (Raffel et al. 2020), FLAN-T5 (Chung et al. 2022) and mT5 (Xue et al.
// 2021): encoder-decoders without biases, whose positions are distances.
#include <cmath>
#include <string>

#include "models/arch/arch.h"
#include "models/arch/common.h"

namespace malmoi::models {

namespace {

constexpr TensorName kTensors[] = {
    {Role::kEmbedding, "", "shared.weight"},
    {Role::kEmbedding, "", "encoder.embed_tokens.weight"},
    {Role::kEmbedding, "", "decoder.embed_tokens.weight"},
    {Role::kHead, "", "lm_head.weight"},
    {Role::kEncoderAttentionNorm, "",
     "encoder.block.{}.layer.0.layer_norm.weight"},
    {Role::kEncoderQuery, "",
     "encoder.block.{}.layer.0.SelfAttention.q.weight"},
    {Role::kEncoderKey, "", "encoder.block.{}.layer.0.SelfAttention.k.weight"},
    {Role::kEncoderValue, "",
     "encoder.block.{}.layer.0.SelfAttention.v.weight"},
    {Role::kEncoderAttentionOutput, "",
     "encoder.block.{}.layer.0.SelfAttention.o.weight"},
    {Role::kEncoderDistanceBias, "",
     "encoder.block.0.layer.0.SelfAttention.relative_attention_bias.weight"},
    {Role::kEncoderFeedForwardNorm, "",
     "encoder.block.{}.layer.1.layer_norm.weight"},
    {Role::kEncoderGate, "",
     "encoder.block.{}.layer.1.DenseReluDense.wi_0.weight"},
    {Role::kEncoderUp, "", "encoder.block.{}.layer.1.DenseReluDense.wi.weight"},
    {Role::kEncoderUp, "",
     "encoder.block.{}.layer.1.DenseReluDense.wi_1.weight"},
    {Role::kEncoderDown, "",
     "encoder.block.{}.layer.1.DenseReluDense.wo.weight"},
    {Role::kEncoderOutputNorm, "", "encoder.final_layer_norm.weight"},
    {Role::kAttentionNorm, "", "decoder.block.{}.layer.0.layer_norm.weight"},
    {Role::kQuery, "", "decoder.block.{}.layer.0.SelfAttention.q.weight"},
    {Role::kKey, "", "decoder.block.{}.layer.0.SelfAttention.k.weight"},
    {Role::kValue, "", "decoder.block.{}.layer.0.SelfAttention.v.weight"},
    {Role::kAttentionOutput, "",
     "decoder.block.{}.layer.0.SelfAttention.o.weight"},
    {Role::kDistanceBias, "",
     "decoder.block.0.layer.0.SelfAttention.relative_attention_bias.weight"},
    {Role::kCrossNorm, "", "decoder.block.{}.layer.1.layer_norm.weight"},
    {Role::kCrossQuery, "",
     "decoder.block.{}.layer.1.EncDecAttention.q.weight"},
    {Role::kCrossKey, "", "decoder.block.{}.layer.1.EncDecAttention.k.weight"},
    {Role::kCrossValue, "",
     "decoder.block.{}.layer.1.EncDecAttention.v.weight"},
    {Role::kCrossOutput, "",
     "decoder.block.{}.layer.1.EncDecAttention.o.weight"},
    {Role::kFeedForwardNorm, "", "decoder.block.{}.layer.2.layer_norm.weight"},
    {Role::kGate, "", "decoder.block.{}.layer.2.DenseReluDense.wi_0.weight"},
    {Role::kUp, "", "decoder.block.{}.layer.2.DenseReluDense.wi.weight"},
    {Role::kUp, "", "decoder.block.{}.layer.2.DenseReluDense.wi_1.weight"},
    {Role::kDown, "", "decoder.block.{}.layer.2.DenseReluDense.wo.weight"},
    {Role::kOutputNorm, "", "decoder.final_layer_norm.weight"},
};

// "gated-gelu" is GELU by tanh, whatever its name says.
void ReadFeedForward(const Config& config, EncoderDecoderSpec& spec,
                     std::string_view fallback) {
  const std::string kind = config.Text("", "feed_forward_proj", fallback);
  spec.gated = kind.starts_with("gated-");
  if (kind == "relu" || kind == "gated-relu") {
    spec.activation = Activation::kRelu;
  } else if (kind == "gelu") {
    spec.activation = Activation::kGelu;
  } else if (kind == "gated-gelu" || kind == "gelu_new") {
    spec.activation = Activation::kGeluTanh;
  } else if (kind == "silu" || kind == "gated-silu") {
    spec.activation = Activation::kSilu;
  } else {
    config.Refuse("feed_forward_proj", kind);
  }
}

EncoderDecoderSpec Read(const Config& config, std::string_view feed_forward) {
  EncoderDecoderSpec spec;
  spec.width = config.Count("", "d_model");
  spec.encoder.layers = config.Count("", "num_layers");
  spec.encoder.heads = config.Count("", "num_heads");
  spec.encoder.head_dim = config.Count("", "d_kv");
  spec.encoder.hidden = config.Count("", "d_ff");
  spec.decoder = spec.encoder;
  spec.decoder.layers =
      config.Count("", "num_decoder_layers", spec.encoder.layers);
  spec.norm = NormKind::kRms;
  spec.norm_epsilon = config.Number("", "layer_norm_epsilon", 1e-6);
  spec.pre_norms = true;
  spec.output_norm = true;
  spec.bias = false;
  spec.distance_buckets =
      config.Count("", "relative_attention_num_buckets", 32);
  spec.farthest = config.Count("", "relative_attention_max_distance", 128);
  ReadFeedForward(config, spec, feed_forward);
  return spec;
}

}  // namespace

const std::span<const TensorName> kT5Tensors = kTensors;

// Where the head is the embedding, as in the first T5, logits are scaled.
// transformers 5 writes that apart, and "tied" for all.
EncoderDecoderSpec DescribeT5(const Checkpoint& checkpoint) {
  const Config config(checkpoint);
  EncoderDecoderSpec spec = Read(config, "relu");
  const char* key = config.Has("scale_decoder_outputs")
                        ? "scale_decoder_outputs"
                        : "tie_word_embeddings";
  if (!config.Has(key) || config.Flag(key)) {
    spec.logit_scale = 1.0 / std::sqrt(static_cast<double>(spec.width));
  }
  return spec;
}

EncoderDecoderSpec DescribeMt5(const Checkpoint& checkpoint) {
  return Read(Config(checkpoint), "gated-gelu");
}

}  // namespace malmoi::models
