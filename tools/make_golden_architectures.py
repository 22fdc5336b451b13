#!/usr/bin/env python3
"""Reference values of small random models, one of each architecture.

Run by hand: make_golden_architectures.py OUTPUT_FOLDER
Needs torch, transformers, tokenizers, safetensors, gguf, numpy.

Each OUTPUT_FOLDER/NAME is a whole model twice, as a Hugging Face folder and
as model.gguf in the layout of llama.cpp's converter, and what transformers
computes of it in float32. What is in each file written, and the facts of the
layouts, are told in OUTPUT_FOLDER/README.md.
"""
import copy, json, math, os, sys
import gguf, numpy as np, tokenizers, torch, transformers
from safetensors.torch import save_file

from golden_models import (BOS, EOS, VOCABULARY, greedy, make_tokenizer,
                           prompt, write_json, write_tokenizer_files)

torch.set_num_threads(1)

LENGTH, SHORT_LENGTH, GREEDY = 48, 20, 32
COMMON = {"vocab_size": VOCABULARY, "bos_token_id": BOS, "eos_token_id": EOS,
          "pad_token_id": None, "num_attention_heads": 4}
LONGROPE = {"rope_type": "longrope", "rope_theta": 10000.0,
            "partial_rotary_factor": 0.75,
            "short_factor": [1.0, 1.05, 1.1875, 1.25, 1.4, 1.625],
            "long_factor": [1.0625, 1.5, 2.75, 4.7, 9.125, 17.5]}


def configs():
    """(name, configuration, GGUF architecture) of each model."""
    yield "llama", transformers.LlamaConfig(
        **COMMON, hidden_size=64, intermediate_size=40, num_hidden_layers=2,
        num_key_value_heads=2, max_position_embeddings=256,
        tie_word_embeddings=False, attention_bias=False, rms_norm_eps=1e-5,
        rope_parameters={"rope_type": "llama3", "rope_theta": 500000.0,
                         "factor": 8.0, "low_freq_factor": 1.0,
                         "high_freq_factor": 4.0,
                         "original_max_position_embeddings": 64}
    ), gguf.MODEL_ARCH.LLAMA
    yield "phi3", transformers.Phi3Config(
        **COMMON, hidden_size=64, intermediate_size=40, num_hidden_layers=2,
        num_key_value_heads=2, max_position_embeddings=256,
        original_max_position_embeddings=256, tie_word_embeddings=False,
        sliding_window=16, rms_norm_eps=1e-5,
        rope_parameters={"rope_type": "default", "rope_theta": 10000.0,
                         "partial_rotary_factor": 1.0}
    ), gguf.MODEL_ARCH.PHI3
    yield "phi3-longrope", transformers.Phi3Config(
        **COMMON, hidden_size=64, intermediate_size=56, num_hidden_layers=2,
        num_key_value_heads=2, max_position_embeddings=96,
        original_max_position_embeddings=24, tie_word_embeddings=True,
        sliding_window=None, rms_norm_eps=1e-5, rope_parameters=LONGROPE
    ), gguf.MODEL_ARCH.PHI3
    yield "gemma3", transformers.Gemma3TextConfig(
        **COMMON, hidden_size=32, intermediate_size=40, num_hidden_layers=7,
        num_key_value_heads=1, head_dim=16, max_position_embeddings=256,
        query_pre_attn_scalar=4, sliding_window=16,
        rope_parameters={
            "full_attention": {"rope_type": "linear", "factor": 8.0,
                               "rope_theta": 1000000.0},
            "sliding_attention": {"rope_type": "default",
                                  "rope_theta": 10000.0}}
    ), gguf.MODEL_ARCH.GEMMA3


def old_config(config):
    """config.json with the names that transformers 4 wrote."""
    old = dict(config)
    rope = old.pop("rope_parameters")
    old["torch_dtype"] = old.pop("dtype")
    old["transformers_version"] = "4.51.3"
    if config["model_type"] == "gemma3_text":
        rope, local = rope["full_attention"], rope["sliding_attention"]
        old["rope_local_base_freq"] = local["rope_theta"]
        old["sliding_window_pattern"] = 6
        old.pop("layer_types")
        old.pop("_sliding_window_pattern", None)
    old["rope_theta"] = rope["rope_theta"]
    if config["model_type"] == "phi3":
        old["partial_rotary_factor"] = rope["partial_rotary_factor"]
        if rope["rope_type"] == "longrope":
            rope = {"type": "longrope", "short_factor": rope["short_factor"],
                    "long_factor": rope["long_factor"]}
    kept = ("rope_theta", "partial_rotary_factor")
    old["rope_scaling"] = None if rope.get("rope_type") == "default" else {
        name: value for name, value in rope.items() if name not in kept}
    return dict(sorted(old.items()))


@torch.no_grad()
def make_model(config, seed):
    """A model of random weights that bfloat16 holds exactly."""
    config = copy.deepcopy(config)
    config._attn_implementation = "eager"
    model = transformers.AutoModelForCausalLM.from_config(
        config, dtype=torch.float32).eval()
    numbers = torch.Generator().manual_seed(seed)
    gemma = config.model_type == "gemma3_text"
    for name, w in model.named_parameters():
        random = torch.randn(w.shape, generator=numbers)
        if "norm" in name:
            # A norm of its own after each block keeps gemma's blocks small,
            # and its tied head would repeat the last token for ever.
            large = "post" in name or name == "model.norm.weight"
            middle = 2.0 * large if gemma else 1.0
            w.copy_(middle + 0.3 * random)
        elif "embed_tokens" in name:
            w.copy_((0.25 if gemma else 0.5) * random)
        else:
            gain = 2.5 if "q_proj" in name or "qkv" in name else 1.5
            w.copy_(gain * random / math.sqrt(w.shape[1]))
        w.copy_(w.bfloat16().float())
    return model


@torch.no_grad()
def expect(model, ids):
    """What the model makes of ids in one forward, and the smallest margin."""
    states, hooks = [], []
    keep = lambda module, inputs, output: states.append(
        (output[0] if isinstance(output, tuple) else output).reshape(
            len(ids), -1).clone())
    parts = model.model
    for module in (parts.embed_tokens, *parts.layers, parts.norm):
        hooks.append(module.register_forward_hook(keep))
    logits = model(torch.tensor([ids]), use_cache=False).logits[0]
    for hook in hooks:
        hook.remove()
    tokens, margin = greedy(model, ids, GREEDY)
    return {"ids": torch.tensor(ids).int(), "embedding": states[0],
            "layers": torch.stack(states[1:-1]), "final_norm": states[-1],
            "logits": logits, "greedy": torch.tensor(tokens).int()}, margin


def expect_all(config, model, ids):
    if getattr(config, "rope_parameters", {}).get("rope_type") != "longrope":
        return expect(model, ids)
    tensors, margins = {}, []
    for name, count in (("short", SHORT_LENGTH), ("long", LENGTH)):
        values, margin = expect(model, ids[:count])
        tensors |= {f"{name}.{key}": value for key, value in values.items()}
        margins.append(margin)
    return tensors, min(margins)


def find_model(config, ids):
    """The first seed whose greedy tokens are many and leave no doubt."""
    for seed in range(1000):
        model = make_model(config, seed)
        tensors, margin = expect_all(config, model, ids)
        kinds = min(len(set(value.tolist())) for name, value in tensors.items()
                    if name.endswith("greedy"))
        if margin > 0.01 and kinds >= 8:
            return seed, model, tensors, margin
    raise RuntimeError("no seed will do")


def permute(w, heads):
    """The converter's order of llama's query and key rows: by pairs."""
    rows, columns = w.shape
    return (w.reshape(heads, 2, rows // heads // 2, columns)
             .swapaxes(1, 2).reshape(rows, columns))


def llama3_factors(config):
    """What the llama3 scaling divides each frequency by."""
    rope = config.rope_parameters
    original = rope["original_max_position_embeddings"]
    low, high = rope["low_freq_factor"], rope["high_freq_factor"]
    for i in range(0, config.head_dim, 2):
        turns = original / (2 * math.pi * rope["rope_theta"] **
                            (i / config.head_dim))
        smooth = min(max((turns - low) / (high - low), 0), 1)
        yield 1 / ((1 - smooth) / rope["factor"] + smooth)


def write_hyperparameters(out, config):
    """The keys that the converter writes."""
    out.add_context_length(config.max_position_embeddings)
    out.add_embedding_length(config.hidden_size)
    out.add_block_count(config.num_hidden_layers)
    out.add_feed_forward_length(config.intermediate_size)
    out.add_head_count(config.num_attention_heads)
    out.add_head_count_kv(config.num_key_value_heads)
    out.add_layer_norm_rms_eps(config.rms_norm_eps)
    out.add_file_type(gguf.LlamaFileType.ALL_F32)
    rope = config.rope_parameters
    if config.model_type == "llama":
        out.add_vocab_size(config.vocab_size)
        out.add_rope_freq_base(rope["rope_theta"])
        out.add_rope_dimension_count(config.head_dim)
        out.add_key_length(config.head_dim)
        out.add_value_length(config.head_dim)
        out.add_tensor("rope_freqs.weight", np.array(
            list(llama3_factors(config)), np.float32))
    elif config.model_type == "phi3":
        head_size = config.hidden_size // config.num_attention_heads
        original = config.original_max_position_embeddings
        out.add_rope_freq_base(rope["rope_theta"])
        out.add_rope_dimension_count(
            int(rope["partial_rotary_factor"] * head_size))
        out.add_rope_scaling_orig_ctx_len(original)
        out.add_sliding_window(config.sliding_window or 0)
        if rope["rope_type"] == "longrope":
            scale = config.max_position_embeddings / original
            out.add_rope_scaling_attn_factors(
                math.sqrt(1 + math.log(scale) / math.log(original)))
            for kind in ("long", "short"):
                out.add_tensor(f"rope_factors_{kind}.weight", np.array(
                    rope[f"{kind}_factor"], np.float32))
    else:
        full, local = rope["full_attention"], rope["sliding_attention"]
        out.add_key_length(config.head_dim)
        out.add_value_length(config.head_dim)
        out.add_sliding_window(config.sliding_window)
        out.add_rope_freq_base(full["rope_theta"])
        out.add_rope_freq_base_swa(local["rope_theta"])
        out.add_rope_scaling_type(gguf.RopeScalingType.LINEAR)
        out.add_rope_scaling_factor(full["factor"])


def write_tokenizer(out, tokenizer):
    described = json.loads(tokenizer.to_str())
    kinds = [gguf.TokenType.NORMAL] * BOS + [gguf.TokenType.CONTROL] * 2
    out.add_tokenizer_model("gpt2")
    out.add_tokenizer_pre("gpt-2")
    out.add_token_list([tokenizer.id_to_token(i) for i in range(VOCABULARY)])
    out.add_token_types(kinds)
    out.add_token_merges([" ".join(m) for m in described["model"]["merges"]])
    out.add_bos_token_id(BOS)
    out.add_eos_token_id(EOS)
    out.add_add_bos_token(False)


def write_gguf(path, model, architecture, tokenizer):
    config = model.config
    out = gguf.GGUFWriter(path, gguf.MODEL_ARCH_NAMES[architecture])
    out.add_type(gguf.GGUFType.MODEL)
    out.add_name("random weights")  # llama.cpp acts upon "phi3" in a name
    write_hyperparameters(out, config)
    out.add_quantization_version(gguf.GGML_QUANT_VERSION)
    write_tokenizer(out, tokenizer)
    names = gguf.get_tensor_name_map(architecture, config.num_hidden_layers)
    for key, w in model.state_dict().items():
        if key == "lm_head.weight" and config.tie_word_embeddings:
            continue
        w = w.numpy()
        if config.model_type == "gemma3_text" and key.endswith("norm.weight"):
            w = w + np.float32(1)
            if "q_norm" in key:
                # No key says query_pre_attn_scalar: see the README.
                w = w * np.float32(math.sqrt(
                    config.head_dim / config.query_pre_attn_scalar))
        if config.model_type == "llama" and "q_proj" in key:
            w = permute(w, config.num_attention_heads)
        if config.model_type == "llama" and "k_proj" in key:
            w = permute(w, config.num_key_value_heads)
        out.add_tensor(names.get_name(key, try_suffixes=(".weight",)), w)
    out.write_header_to_file()
    out.write_kv_data_to_file()
    out.write_tensors_to_file()
    out.close()


def main():
    tokenizer = make_tokenizer()
    text, ids = prompt(tokenizer, LENGTH)
    made_with = (f"transformers {transformers.__version__}, "
                 f"torch {torch.__version__}, "
                 f"tokenizers {tokenizers.__version__}, gguf-py")
    for name, config, architecture in configs():
        folder = f"{sys.argv[1]}/{name}"
        os.makedirs(folder, exist_ok=True)
        seed, model, tensors, margin = find_model(config, ids)
        about = {"model": name, "seed": seed, "prompt": text,
                 "smallest_margin": round(margin, 5), "made_with": made_with}
        print(about, flush=True)
        save_file(tensors, f"{folder}/expected.safetensors",
                  metadata={"about": json.dumps(about, ensure_ascii=False)})
        write_gguf(f"{folder}/model.gguf", model, architecture, tokenizer)
        copy.deepcopy(model).bfloat16().save_pretrained(folder)
        with open(f"{folder}/config.json", encoding="utf-8") as f:
            write_json(f"{folder}/config_old.json", old_config(json.load(f)))
        write_tokenizer_files(folder, tokenizer)


if __name__ == "__main__":
    main()
