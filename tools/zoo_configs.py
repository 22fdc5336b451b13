"""The models of make_golden_zoo.py, as (name, configuration, how).

`how` says how random weights are made, and how files are:
  embedding       standard deviation of the embedding (0.5)
  gains           of matrices by a part of their name (1.5, queries and keys 2)
  norms           middle of norm weights by a part of their name (1)
  norms_plus_one  the architecture adds 1 to its norm weights
  transposed      endings of the names of matrices whose rows are inputs
  stateful        a forward depends on the longest before it
  gguf            False: a GGUF cannot say this
  for_gguf        changes a copy of the model that the GGUF is made of, where
                  another model gives the same logits
  words           of the configuration that only the converter sees: older ones,
                  which transformers no longer gives it
  rewrite         changes the files of a folder that was written,
  rewrite_gguf    of the one that the converter reads
"""
import json

import torch
from safetensors.torch import load_file, save_file
from transformers import (
    Cohere2Config, CohereConfig, Exaone4Config, FalconConfig, Gemma2Config,
    GemmaConfig, GPT2Config, GPTNeoXConfig, GptOssConfig, GraniteConfig,
    GraniteMoeConfig, HyperCLOVAXConfig, Lfm2Config, LlamaConfig,
    MistralConfig, MixtralConfig, Olmo2Config, Olmo3Config, OlmoConfig,
    OlmoeConfig, Phi3Config, PhiConfig, Qwen2Config, Qwen2MoeConfig,
    Qwen3Config, Qwen3MoeConfig, SmolLM3Config, StableLmConfig,
    Starcoder2Config)

from golden_models import BOS, EOS, VOCABULARY

TOKENS = {"vocab_size": VOCABULARY, "bos_token_id": BOS, "eos_token_id": EOS,
          "pad_token_id": None}
# 32 wide, 4 heads of 2 keys. Epsilons are large enough to be seen.
GROUPED = {**TOKENS, "hidden_size": 32, "num_attention_heads": 4,
           "num_key_value_heads": 2, "num_hidden_layers": 2,
           "max_position_embeddings": 256}
RMS = {**GROUPED, "intermediate_size": 40, "rms_norm_eps": 1e-3}
LAYER_NORM = {**GROUPED, "intermediate_size": 40, "layer_norm_eps": 1e-3}
WINDOW = 9  # shorter than any prompt
LLAMA3 = {"rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0,
          "high_freq_factor": 4.0, "original_max_position_embeddings": 64}


def rope(theta, **others):
    return {"rope_type": "default", "rope_theta": theta} | others


def gpt_models():
    yield "gpt2", GPT2Config(
        **TOKENS, n_positions=72, n_ctx=72, n_embd=32, n_layer=2, n_head=4,
        layer_norm_epsilon=1e-3), {
            "transposed": ("c_attn.weight", "c_proj.weight", "c_fc.weight")}
    for name, parallel in (("gpt_neox", True), ("gpt_neox-serial", False)):
        yield name, GPTNeoXConfig(
            **TOKENS, hidden_size=32, num_attention_heads=2,
            num_hidden_layers=2, intermediate_size=56, layer_norm_eps=1e-3,
            max_position_embeddings=256, use_parallel_residual=parallel,
            rope_parameters=rope(10000.0, partial_rotary_factor=0.25)), {
                "words": {"rotary_pct": 0.25}}
    yield "phi", PhiConfig(
        **TOKENS, hidden_size=32, num_attention_heads=2,
        num_key_value_heads=2, num_hidden_layers=2, intermediate_size=128,
        max_position_embeddings=256, layer_norm_eps=1e-3,
        rope_parameters=rope(10000.0, partial_rotary_factor=0.5)), {}


def llama_models():
    for name, rope_parameters, positions, how in (
            ("llama-linear", rope(5000.0, rope_type="linear", factor=4.0),
             256, {}),
            ("llama-dynamic", rope(1000.0, rope_type="dynamic", factor=3.0),
             24, {"gguf": False, "stateful": True}),
            ("llama-yarn", rope(
                10000.0, rope_type="yarn", factor=4.0, beta_fast=4.0,
                beta_slow=0.5, original_max_position_embeddings=128),
             512, {})):
        yield name, LlamaConfig(
            **RMS | {"max_position_embeddings": positions}, head_dim=12,
            rope_parameters=rope_parameters), how
    yield "llama-bias", LlamaConfig(
        **RMS, head_dim=16, attention_bias=True, mlp_bias=True,
        rope_parameters=rope(1000.0)), {}
    for name, window, how in (("mistral", 16, {"gguf": False}),
                              ("mistral-full", None, {})):
        yield name, MistralConfig(
            **RMS, head_dim=12, sliding_window=window,
            rope_parameters=rope(2000.0)), how
    yield "smollm3", SmolLM3Config(
        **RMS | {"num_hidden_layers": 4}, tie_word_embeddings=True,
        rope_parameters=rope(2000.0)), {}
    yield "smollm3-list", SmolLM3Config(
        **RMS | {"num_hidden_layers": 3}, no_rope_layers=[0, 1, 1],
        rope_parameters=rope(2000.0)), {"gguf": False}


def qwen_models():
    yield "qwen2", Qwen2Config(
        **RMS, tie_word_embeddings=True, rope_parameters=rope(3000.0)), {}
    yield "qwen2-window", Qwen2Config(
        **RMS | {"num_hidden_layers": 3}, tie_word_embeddings=True,
        use_sliding_window=True, sliding_window=WINDOW, max_window_layers=1,
        rope_parameters=rope(3000.0)), {"gguf": False}
    yield "qwen3", Qwen3Config(
        **RMS, head_dim=12, rope_parameters=rope(3000.0)), {}


def gemma_models():
    # A tied head of large embeddings would repeat the last token for ever.
    how = {"embedding": 0.25, "norms_plus_one": True,
           "norms": {"post": 3.0, "model.norm": 2.0}}
    yield "gemma", GemmaConfig(
        **RMS | {"num_key_value_heads": 1}, head_dim=16,
        rope_parameters=rope(10000.0)), {
            **how, "norms": {"model.norm": 2.0}, "embedding": 0.15}

    def halve_divisor(model):
        # A GGUF cannot say query_pre_attn_scalar, which is head_dim there.
        for layer in model.model.layers:
            layer.self_attn.q_proj.weight *= 2.0  # sqrt(16 / 4)
        model.config.query_pre_attn_scalar = 16

    yield "gemma2", Gemma2Config(
        **RMS | {"num_hidden_layers": 3}, head_dim=16, sliding_window=WINDOW,
        query_pre_attn_scalar=4, attn_logit_softcapping=3.0,
        final_logit_softcapping=6.0, rope_parameters=rope(10000.0)), {
            **how, "for_gguf": halve_divisor}


def mixtures():
    """Of experts."""
    few = {"num_experts_per_tok": 2}
    yield "mixtral", MixtralConfig(
        **RMS | {"intermediate_size": 24}, **few, num_local_experts=5,
        rope_parameters=rope(3000.0)), {}
    qwen = {**RMS, **few, "num_experts": 5, "moe_intermediate_size": 24,
            "rope_parameters": rope(3000.0)}
    shared = {"shared_expert_intermediate_size": 28}
    yield "qwen2_moe", Qwen2MoeConfig(**qwen, **shared), {}
    # Experts in layer 1 only: 0 and 2 are no second ones, 3 is listed.
    yield "qwen2_moe-mixed", Qwen2MoeConfig(
        **qwen | {"num_hidden_layers": 4}, **shared, decoder_sparse_step=2,
        mlp_only_layers=[3], norm_topk_prob=True, qkv_bias=False,
        tie_word_embeddings=True), {"gguf": False}
    yield "qwen3_moe", Qwen3MoeConfig(
        **qwen, head_dim=12, norm_topk_prob=True), {}
    yield "qwen3_moe-mixed", Qwen3MoeConfig(
        **qwen | {"num_hidden_layers": 3}, head_dim=12, norm_topk_prob=False,
        mlp_only_layers=[1], tie_word_embeddings=True), {"gguf": False}
    # Its GGUF has one size for keys and queries, and always this epsilon.
    yield "olmoe", OlmoeConfig(
        **RMS | {"num_key_value_heads": 4, "intermediate_size": 24,
                 "rms_norm_eps": 1e-5}, **few, num_experts=5, clip_qkv=1.5,
        rope_parameters=rope(3000.0)), {"gguf": False}
    yield "olmoe-free", OlmoeConfig(
        **RMS | {"num_key_value_heads": 4, "intermediate_size": 24,
                 "rms_norm_eps": 1e-5}, **few, num_experts=5,
        rope_parameters=rope(3000.0)), {}
    yield "granitemoe", GraniteMoeConfig(
        **RMS | {"intermediate_size": 24}, **few, **GRANITE,
        num_local_experts=5), SMALL_EMBEDDING
    yield "granite", GraniteConfig(**RMS, **GRANITE), SMALL_EMBEDDING


SMALL_EMBEDDING = {"embedding": 0.15}
GRANITE = {"embedding_multiplier": 3.0, "logits_scaling": 0.5,
           "residual_multiplier": 0.6, "attention_multiplier": 0.2,
           "tie_word_embeddings": True, "rope_parameters": rope(3000.0)}


def olmo_models():
    yield "olmo", OlmoConfig(
        **GROUPED, intermediate_size=40, clip_qkv=1.5,
        rope_parameters=rope(3000.0)), {}
    yield "olmo2", Olmo2Config(**RMS, rope_parameters=rope(3000.0)), {}
    yield "olmo3", Olmo3Config(
        **RMS | {"num_hidden_layers": 4}, sliding_window=WINDOW,
        rope_parameters={
            "sliding_attention": rope(3000.0),
            "full_attention": rope(
                3000.0, rope_type="yarn", factor=4.0, beta_fast=32.0,
                beta_slow=1.0, original_max_position_embeddings=64)}), {}


def stable_models():
    yield "stablelm", StableLmConfig(
        **LAYER_NORM | {"num_attention_heads": 2, "num_key_value_heads": 1},
        rope_parameters=rope(10000.0, partial_rotary_factor=0.25),
        use_qkv_bias=True), {}
    yield "stablelm-parallel", StableLmConfig(
        **LAYER_NORM,
        rope_parameters=rope(10000.0, partial_rotary_factor=0.5),
        use_parallel_residual=True, qk_layernorm=True), {
            "rewrite_gguf": stack_norms}
    for name, window, how in (("starcoder2", None, {}),
                              ("starcoder2-window", WINDOW, {"gguf": False})):
        yield name, Starcoder2Config(
            **GROUPED, intermediate_size=56, norm_epsilon=1e-3,
            sliding_window=window, rope_parameters=rope(3000.0)), how


def stack_norms(folder):
    """What llama.cpp's converter once did itself: its modify_tensors became a
    generator, which returns the stacked norms to nobody."""
    tensors = load_file(f"{folder}/model.safetensors")
    heads = {}
    for name in sorted(tensors):
        if ".norms." in name:  # q_layernorm.norms.0.weight
            heads.setdefault(name.rsplit(".norms.")[0], []).append(
                tensors.pop(name))
    for name, norms in heads.items():
        tensors[f"{name}.weight"] = torch.stack(norms)
    save_file(tensors, f"{folder}/model.safetensors",
              metadata={"format": "pt"})


def falcon_models():
    common = {**TOKENS, "num_hidden_layers": 2, "layer_norm_epsilon": 1e-3,
              "num_attention_heads": 4, "hidden_size": 32,
              "rope_parameters": rope(10000.0)}
    # transformers saves num_kv_heads 4 although there is one.
    yield "falcon", FalconConfig(**common), {"words": {"num_kv_heads": 1}}
    newer = {**common, "new_decoder_architecture": True, "num_kv_heads": 2}
    yield "falcon-new", FalconConfig(**newer), {}
    yield "falcon-new-one-norm", FalconConfig(
        **newer, num_ln_in_parallel_attn=1), {}
    yield "falcon-alibi", FalconConfig(
        **common | {"num_attention_heads": 6, "hidden_size": 48},
        alibi=True, bias=True, multi_query=False, parallel_attn=False,
        ffn_hidden_size=56), {
            # Eager attention of transformers 5.24 adds the slopes twice, in
            # the mask and to the scores; the usual one adds them once.
            "gguf": False, "attention": "sdpa"}


def cohere_models():
    for name, normed in (("cohere", False), ("cohere-qk-norm", True)):
        yield name, CohereConfig(
            **LAYER_NORM, logit_scale=0.4, use_qk_norm=normed,
            rope_parameters=rope(3000.0)), {}
    yield "cohere2", Cohere2Config(
        **LAYER_NORM | {"num_hidden_layers": 4}, logit_scale=0.4,
        sliding_window=WINDOW, rope_parameters=rope(3000.0)), {
            "words": {"rotary_pct": 1.0}}


def korean_models():
    yield "exaone", LlamaConfig(
        **RMS, rope_parameters=rope(5000.0, **LLAMA3)), {
            "rewrite": in_exaones_words,
            "words": {"activation_function": "silu"}}
    yield "exaone4", Exaone4Config(
        **RMS, sliding_window=None, tie_word_embeddings=True,
        layer_types=["full_attention"] * 2,
        rope_parameters=rope(5000.0, **LLAMA3)), {}
    yield "exaone4-hybrid", Exaone4Config(
        **RMS | {"num_hidden_layers": 4}, sliding_window=WINDOW,
        rope_parameters=rope(5000.0, **LLAMA3)), {}
    yield "hyperclovax", HyperCLOVAXConfig(
        **RMS, **GRANITE | {"logits_scaling": 2.0}, head_dim=12), {
            "gguf": False, **SMALL_EMBEDDING}


def in_exaones_words(folder):
    """EXAONE 3 as its makers publish it, out of the same computation."""
    with open(f"{folder}/config.json", encoding="utf-8") as f:
        llama = json.load(f)
    kept = ("bos_token_id", "eos_token_id", "head_dim", "hidden_size",
            "intermediate_size", "max_position_embeddings",
            "num_attention_heads", "num_key_value_heads",
            "tie_word_embeddings", "vocab_size")
    config = {
        "architectures": ["ExaoneForCausalLM"], "model_type": "exaone",
        "activation_function": "silu", "attention_dropout": 0.0,
        "embed_dropout": 0.0, "layer_norm_epsilon": llama["rms_norm_eps"],
        "num_layers": llama["num_hidden_layers"], "rope_scaling": LLAMA3,
        "rope_theta": llama["rope_parameters"]["rope_theta"],
        "torch_dtype": "bfloat16", "transformers_version": "4.43.1",
        "use_cache": True} | {key: llama[key] for key in kept}
    with open(f"{folder}/config.json", "w", encoding="utf-8") as f:
        json.dump(dict(sorted(config.items())), f, indent=2)
        f.write("\n")
    renamed = {}
    for name, w in load_file(f"{folder}/model.safetensors").items():
        for old, new in (("model.embed_tokens", "transformer.wte"),
                         ("model.norm", "transformer.ln_f"),
                         ("model.layers", "transformer.h"),
                         ("self_attn.o_proj", "attn.attention.out_proj"),
                         ("self_attn", "attn.attention"),
                         ("input_layernorm", "ln_1"),
                         ("post_attention_layernorm", "ln_2"),
                         ("mlp.gate_proj", "mlp.c_fc_0"),
                         ("mlp.up_proj", "mlp.c_fc_1"),
                         ("mlp.down_proj", "mlp.c_proj")):
            name = name.replace(old, new)
        renamed[name] = w
    save_file(renamed, f"{folder}/model.safetensors",
              metadata={"format": "pt"})


def late_models():
    # Gates and linear parts that go over swiglu_limit.
    # Blocks of MXFP4 are 32 inputs.
    for name, width, hidden in (("gpt_oss", 32, 24), ("gpt_oss-mxfp4", 64, 32)):
        yield name, GptOssConfig(
            **RMS | {"intermediate_size": hidden, "hidden_size": width},
            head_dim=16, sliding_window=WINDOW,
            num_local_experts=5, num_experts_per_tok=2, swiglu_limit=7.0,
            rope_parameters=rope(
                5000.0, rope_type="yarn", factor=4.0, beta_fast=8.0,
                beta_slow=1.0, truncate=False,
                original_max_position_embeddings=64)), {
                    "transposed": ("gate_up_proj", "experts.down_proj"),
                    "mxfp4": name.endswith("mxfp4"),
                    "gains": {"gate_up_proj": 4.0, "experts.down_proj": 0.25}}
    yield "phi4-mini", Phi3Config(
        **RMS | {"num_attention_heads": 2, "num_key_value_heads": 1,
                 "max_position_embeddings": 96},
        original_max_position_embeddings=24, sliding_window=None,
        tie_word_embeddings=True, rope_parameters=rope(
            10000.0, rope_type="longrope", partial_rotary_factor=0.75,
            short_factor=[1.0, 1.125, 1.25, 1.3, 1.4, 1.5],
            long_factor=[1.0, 1.75, 3.5, 5.3, 10.25, 19.0])), {}
    yield "lfm2", Lfm2Config(
        **GROUPED | {"num_hidden_layers": 3}, norm_eps=1e-3,
        layer_types=["conv", "full_attention", "conv"], conv_L_cache=3,
        block_auto_adjust_ff_dim=True, intermediate_size=75,
        block_multiple_of=8, rope_parameters=rope(3000.0)), {}


def models():
    yield from gpt_models()
    yield from llama_models()
    yield from qwen_models()
    yield from gemma_models()
    yield from mixtures()
    yield from olmo_models()
    yield from stable_models()
    yield from falcon_models()
    yield from cohere_models()
    yield from korean_models()
    yield from late_models()
