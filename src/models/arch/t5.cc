// T5 (Raffel et al. 2020), FLAN-T5 (Chung et al. 2022) and mT5 (Xue et al.
// 2021): encoder-decoders without biases, whose positions are distances.
#include <cmath>
#include <string>

#include "models/arch/arch.h"
#include "models/arch/common.h"

namespace malmoi::models {

namespace {

constexpr TensorName kTensors[] = {
    {Role::kEmbedding, "token_embd.weight", "shared.weight"},
    {Role::kEmbedding, "token_embd.weight", "encoder.embed_tokens.weight"},
    {Role::kEmbedding, "token_embd.weight", "decoder.embed_tokens.weight"},
    {Role::kHead, "output.weight", "lm_head.weight"},
    {Role::kEncoderAttentionNorm, "enc.blk.{}.attn_norm.weight",
     "encoder.block.{}.layer.0.layer_norm.weight"},
    {Role::kEncoderQuery, "enc.blk.{}.attn_q.weight",
     "encoder.block.{}.layer.0.SelfAttention.q.weight"},
    {Role::kEncoderKey, "enc.blk.{}.attn_k.weight",
     "encoder.block.{}.layer.0.SelfAttention.k.weight"},
    {Role::kEncoderValue, "enc.blk.{}.attn_v.weight",
     "encoder.block.{}.layer.0.SelfAttention.v.weight"},
    {Role::kEncoderAttentionOutput, "enc.blk.{}.attn_o.weight",
     "encoder.block.{}.layer.0.SelfAttention.o.weight"},
    {Role::kEncoderDistanceBias, "enc.blk.0.attn_rel_b.weight",
     "encoder.block.0.layer.0.SelfAttention.relative_attention_bias.weight"},
    {Role::kEncoderFeedForwardNorm, "enc.blk.{}.ffn_norm.weight",
     "encoder.block.{}.layer.1.layer_norm.weight"},
    {Role::kEncoderGate, "enc.blk.{}.ffn_gate.weight",
     "encoder.block.{}.layer.1.DenseReluDense.wi_0.weight"},
    {Role::kEncoderUp, "enc.blk.{}.ffn_up.weight",
     "encoder.block.{}.layer.1.DenseReluDense.wi.weight"},
    {Role::kEncoderUp, "enc.blk.{}.ffn_up.weight",
     "encoder.block.{}.layer.1.DenseReluDense.wi_1.weight"},
    {Role::kEncoderDown, "enc.blk.{}.ffn_down.weight",
     "encoder.block.{}.layer.1.DenseReluDense.wo.weight"},
    {Role::kEncoderOutputNorm, "enc.output_norm.weight",
     "encoder.final_layer_norm.weight"},
    {Role::kAttentionNorm, "dec.blk.{}.attn_norm.weight",
     "decoder.block.{}.layer.0.layer_norm.weight"},
    {Role::kQuery, "dec.blk.{}.attn_q.weight",
     "decoder.block.{}.layer.0.SelfAttention.q.weight"},
    {Role::kKey, "dec.blk.{}.attn_k.weight",
     "decoder.block.{}.layer.0.SelfAttention.k.weight"},
    {Role::kValue, "dec.blk.{}.attn_v.weight",
     "decoder.block.{}.layer.0.SelfAttention.v.weight"},
    {Role::kAttentionOutput, "dec.blk.{}.attn_o.weight",
     "decoder.block.{}.layer.0.SelfAttention.o.weight"},
    {Role::kDistanceBias, "dec.blk.0.attn_rel_b.weight",
     "decoder.block.0.layer.0.SelfAttention.relative_attention_bias.weight"},
    {Role::kCrossNorm, "dec.blk.{}.cross_attn_norm.weight",
     "decoder.block.{}.layer.1.layer_norm.weight"},
    {Role::kCrossQuery, "dec.blk.{}.cross_attn_q.weight",
     "decoder.block.{}.layer.1.EncDecAttention.q.weight"},
    {Role::kCrossKey, "dec.blk.{}.cross_attn_k.weight",
     "decoder.block.{}.layer.1.EncDecAttention.k.weight"},
    {Role::kCrossValue, "dec.blk.{}.cross_attn_v.weight",
     "decoder.block.{}.layer.1.EncDecAttention.v.weight"},
    {Role::kCrossOutput, "dec.blk.{}.cross_attn_o.weight",
     "decoder.block.{}.layer.1.EncDecAttention.o.weight"},
    {Role::kFeedForwardNorm, "dec.blk.{}.ffn_norm.weight",
     "decoder.block.{}.layer.2.layer_norm.weight"},
    {Role::kGate, "dec.blk.{}.ffn_gate.weight",
     "decoder.block.{}.layer.2.DenseReluDense.wi_0.weight"},
    {Role::kUp, "dec.blk.{}.ffn_up.weight",
     "decoder.block.{}.layer.2.DenseReluDense.wi.weight"},
    {Role::kUp, "dec.blk.{}.ffn_up.weight",
     "decoder.block.{}.layer.2.DenseReluDense.wi_1.weight"},
    {Role::kDown, "dec.blk.{}.ffn_down.weight",
     "decoder.block.{}.layer.2.DenseReluDense.wo.weight"},
    {Role::kOutputNorm, "dec.output_norm.weight",
     "decoder.final_layer_norm.weight"},
};

// "gated-gelu" is GELU by tanh, whatever its name says.
void ReadFeedForward(const Config& config, EncoderDecoderSpec& spec,
                     std::string_view fallback) {
  if (config.gguf() != nullptr) {  // which has no key for it
    spec.gated = config.FindTensor("enc.blk.0.ffn_gate.weight") != nullptr;
    spec.activation = spec.gated ? Activation::kGeluTanh : Activation::kRelu;
    return;
  }
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
  spec.width = config.Count("embedding_length", "d_model");
  spec.encoder.layers = config.Count("block_count", "num_layers");
  spec.encoder.heads = config.Count("attention.head_count", "num_heads");
  spec.encoder.head_dim = config.Count("attention.key_length", "d_kv");
  spec.encoder.hidden = config.Count("feed_forward_length", "d_ff");
  spec.decoder = spec.encoder;
  spec.decoder.layers = config.Count("decoder_block_count",
                                     "num_decoder_layers", spec.encoder.layers);
  spec.norm = NormKind::kRms;
  spec.norm_epsilon = config.Number("attention.layer_norm_rms_epsilon",
                                    "layer_norm_epsilon", 1e-6);
  spec.pre_norms = true;
  spec.output_norm = true;
  spec.bias = false;
  spec.distance_buckets = config.Count("attention.relative_buckets_count",
                                       "relative_attention_num_buckets", 32);
  spec.farthest = config.Count("", "relative_attention_max_distance", 128);
  ReadFeedForward(config, spec, feed_forward);
  return spec;
}

}  // namespace

const std::span<const TensorName> kT5Tensors = kTensors;

// Where the head is the embedding, as in the first T5, logits are scaled.
// transformers 5 writes that apart, and "tied" for all. A GGUF (of mT5 too) has
// a head of its own or not.
EncoderDecoderSpec DescribeT5(const Checkpoint& checkpoint) {
  const Config config(checkpoint);
  EncoderDecoderSpec spec = Read(config, "relu");
  const char* key = config.Has("scale_decoder_outputs")
                        ? "scale_decoder_outputs"
                        : "tie_word_embeddings";
  const bool scaled = config.gguf() != nullptr
                          ? config.FindTensor("output.weight") == nullptr
                          : !config.Has(key) || config.Flag(key);
  if (scaled) {
    spec.logit_scale = 1.0 / std::sqrt(static_cast<double>(spec.width));
  }
  return spec;
}

EncoderDecoderSpec DescribeMt5(const Checkpoint& checkpoint) {
  return Read(Config(checkpoint), "gated-gelu");
}

}  // namespace malmoi::models
