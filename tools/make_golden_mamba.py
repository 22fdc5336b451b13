#!/usr/bin/env python3
"""Reference values of small random state space models and hybrids.

Run by hand: make_golden_mamba.py OUTPUT_FOLDER [NAME...]
Needs torch, transformers, tokenizers, safetensors, gguf, and llama.cpp's
converter (the folder in LLAMA_CPP).

Each OUTPUT_FOLDER/NAME is a Hugging Face folder, most also model.gguf as
llama.cpp's own converter makes it, and what transformers computes in float32
(its plain torch path). What is in each file, and how each architecture
computes, are told in OUTPUT_FOLDER/README.md.
"""
import json, os, shutil, subprocess, sys, tempfile
import torch, transformers as tf
from golden_random import (Watch, build, load_expected, print_tensors, reload,
                           save)
from make_golden_architectures import make_tokenizer, write_json

LLAMA_CPP = os.environ.get("LLAMA_CPP", "llama.cpp")
VOCABULARY, BOS, EOS = 300, 298, 299
LENGTHS, GREEDY, ALL_LOGITS = (5, 33, 48), 32, 5

# The converter rounds the vocabulary up to a multiple of this.
COMMON = dict(vocab_size=VOCABULARY, bos_token_id=BOS, eos_token_id=EOS,
              pad_token_id=None, pad_vocab_size_multiple=4)
MAMBA = COMMON | dict(
    hidden_size=32, state_size=10, num_hidden_layers=2, conv_kernel=4,
    expand=2, time_step_rank=3, layer_norm_epsilon=1e-3)
MAMBA2 = COMMON | dict(
    hidden_size=32, state_size=12, num_hidden_layers=2, conv_kernel=4,
    expand=2, num_heads=8, head_dim=8, chunk_size=16,
    layer_norm_epsilon=1e-3)
GRANITE = COMMON | dict(
    hidden_size=32, intermediate_size=40, shared_intermediate_size=40,
    num_attention_heads=4, num_key_value_heads=2, num_local_experts=0,
    num_experts_per_tok=0, max_position_embeddings=128, rms_norm_eps=1e-3,
    embedding_multiplier=3.0, residual_multiplier=0.75,
    attention_multiplier=0.25, logits_scaling=0.5,
    tie_word_embeddings=True, mamba_n_heads=8, mamba_d_head=8,
    mamba_d_state=12, mamba_n_groups=1, mamba_d_conv=4, mamba_expand=2,
    mamba_chunk_size=16,
    rope_parameters={"rope_type": "default", "rope_theta": 10000.0})
# Powers of two: the converter multiplies weights by them, without loss.
FALCON_H1 = COMMON | dict(
    hidden_size=32, intermediate_size=40, num_hidden_layers=2,
    num_attention_heads=4, num_key_value_heads=2, head_dim=8,
    max_position_embeddings=128, rms_norm_eps=1e-3, mamba_d_ssm=48,
    mamba_n_heads=6, mamba_d_head=8, mamba_d_state=12, mamba_n_groups=2,
    mamba_d_conv=4, mamba_chunk_size=16, mamba_norm_before_gate=False,
    embedding_multiplier=2.0, lm_head_multiplier=0.5, key_multiplier=0.5,
    attention_in_multiplier=0.5, attention_out_multiplier=2.0,
    mlp_multipliers=[0.5, 2.0], ssm_in_multiplier=0.5,
    ssm_out_multiplier=2.0, ssm_multipliers=[2.0, 4.0, 1.0, 0.5, 0.25],
    rope_parameters={"rope_type": "default", "rope_theta": 10000.0})

# name: (prefix of the classes, values of the configuration, with GGUF)
MODELS = {
    "mamba": ("Mamba", MAMBA, True),
    "mamba2": ("Mamba2", MAMBA2 | dict(n_groups=1), True),
    "mamba2-groups":
        ("Mamba2", MAMBA2 | dict(n_groups=2, tie_word_embeddings=True), True),
    "falcon-mamba":
        ("FalconMamba", MAMBA | dict(tie_word_embeddings=False,
                                     mixer_rms_eps=1e-3), True),
    # A GGUF knows neither those biases nor an epsilon of its own.
    "falcon-mamba-bias":
        ("FalconMamba", MAMBA | dict(tie_word_embeddings=False, use_bias=True,
                                     conv_kernel=3, mixer_rms_eps=0.03),
         False),
    "granite-hybrid":
        ("GraniteMoeHybrid", GRANITE | dict(
            vocab_size=304,  # the converter insists on a multiple of 8
            num_hidden_layers=3, position_embedding_type="nope",
            layer_types=["mamba", "attention", "mamba"]), True),
    "granite-hybrid-attention":
        ("GraniteMoeHybrid", GRANITE | dict(
            num_hidden_layers=2, position_embedding_type="rope",
            layer_types=["attention", "attention"]), True),
    "granite-hybrid-experts":
        ("GraniteMoeHybrid", GRANITE | dict(
            vocab_size=304, num_hidden_layers=3, num_local_experts=5,
            num_experts_per_tok=2, intermediate_size=24,
            position_embedding_type="nope",
            layer_types=["mamba", "attention", "mamba"]), True),
    "falcon-h1":
        ("FalconH1", FALCON_H1 | dict(mamba_rms_norm=False), True),
    "falcon-h1-norm":
        ("FalconH1", FALCON_H1 | dict(mamba_rms_norm=True), True),
}
GAINS = (("embed", 0.25), ("q_proj", 2.5), ("x_proj", 2.0),
         ("conv1d.weight", 2.0))


def special(name, random):
    if name.endswith("A_log"):
        return 0.5 + 0.8 * random
    if name.endswith(("dt_bias", "dt_proj.bias")):
        return -1.5 + random
    if name.endswith(".D"):
        return 1 + 0.5 * random
    return None


def make_prompts(seed):
    numbers = torch.Generator().manual_seed(1000 + seed)
    return [torch.randint(0, BOS, (n,), generator=numbers) for n in LENGTHS]


@torch.no_grad()
def expect(model, ids, with_states):
    layers = list(model.base_model.layers)
    with Watch(layers[0], layers) as watch:
        out = model(ids[None], use_cache=False)
    rows = len(ids) if len(ids) <= ALL_LOGITS else 1
    tensors = {"ids": ids.int(), "embedding": watch.entered[0][0],
               "layers": torch.cat(watch.left),
               "logits": out.logits[0, -rows:]}
    cache = model(ids[None], use_cache=True).cache
    states = [layer for layer in cache.layers if hasattr(layer, "conv_states")]
    if with_states and states:
        tensors["conv_states"] = torch.cat([s.conv_states[0] for s in states])
        tensors["ssm_states"] = torch.cat(
            [s.recurrent_states[0] for s in states])
    return {name: value.clone() for name, value in tensors.items()}


@torch.no_grad()
def greedy(model, ids, limit):
    """GREEDY tokens, by forwards of everything, and the smallest margin."""
    tokens, margins = ids.tolist(), []
    for _ in range(GREEDY):
        logits = model(torch.tensor([tokens]), use_cache=False).logits[0, -1]
        top = torch.topk(logits, 2)
        margins.append(float(top.values[0] - top.values[1]))
        if margins[-1] < limit:
            return None, 0
        tokens.append(int(top.indices[0]))
    return torch.tensor(tokens[-GREEDY:]), min(margins)


@torch.no_grad()
def step_by_step(model, ids, tokens):
    """The same greedy tokens, by the recurrent form."""
    cache, got, last = None, [], ids[None]
    for _ in range(len(tokens)):
        out = model(last, cache=cache, use_cache=True)
        cache, last = out.cache, out.logits[:, -1].argmax(-1, keepdim=True)
        got.append(int(last))
    return got == tokens.tolist()


def find(prefix, values):
    """The first seed whose greedy tokens are many and leave no doubt."""
    config = getattr(tf, prefix + "Config")(**values)
    for seed in range(1000):
        model = build(getattr(tf, prefix + "ForCausalLM"), config, seed,
                      GAINS, special)
        found = []
        for ids in make_prompts(seed):
            tokens, margin = greedy(model, ids, 0.01)
            if tokens is None or len(set(tokens.tolist())) < 8:
                break
            found.append((tokens, margin))
        else:
            return seed, model, found
    raise RuntimeError("no seed will do")


def expect_all(model, seed):
    return {f"{i}.{name}": value
            for i, ids in enumerate(make_prompts(seed))
            for name, value in expect(model, ids, i == 1).items()}


CONVERT = """
import runpy, sys
sys.path[:0] = [sys.argv[1], sys.argv[1] + "/gguf-py"]
import conversion.base
conversion.base.TextModel.get_vocab_base_pre = lambda *_: "gpt-2"
script = sys.argv.pop(1) + "/convert_hf_to_gguf.py"
runpy.run_path(script, run_name="__main__")
"""


def old_config(config):
    """config.json with the names that transformers 4 wrote."""
    old = dict(config)
    old["torch_dtype"] = old.pop("dtype")
    old["transformers_version"] = "4.51.3"
    if "rope_parameters" in old:
        old["rope_theta"] = old.pop("rope_parameters")["rope_theta"]
        old["rope_scaling"] = None
    if "time_step_limit" in old:
        old["time_step_limit"] = [0.0, float("inf")]  # not JSON, but so it is
    if "layer_types" in old and config["model_type"] == "granitemoehybrid":
        names = {"linear_attention": "mamba", "full_attention": "attention"}
        old["layer_types"] = [names[kind] for kind in old["layer_types"]]
    return dict(sorted(old.items()))


def write_gguf(folder, outfile):
    """By llama.cpp's converter, told that the tokenizer is as GPT-2's."""
    with tempfile.TemporaryDirectory() as old:
        shutil.copytree(folder, old, dirs_exist_ok=True)
        os.rename(f"{old}/config_old.json", f"{old}/config.json")
        subprocess.run([
            sys.executable, "-c", CONVERT, LLAMA_CPP, old, "--outfile",
            outfile, "--outtype", "bf16", "--model-name", "random weights"],
            check=True)


def check(model, folder, seed):
    stored = load_expected(folder)
    for key, value in expect_all(reload(model, folder), seed).items():
        assert torch.equal(value, stored[key]), key


def make(folder, name):
    prefix, values, with_gguf = MODELS[name]
    seed, model, found = find(prefix, values)
    tensors = expect_all(model, seed)
    for i, (tokens, _) in enumerate(found):
        tensors[f"{i}.greedy"] = tokens.int()
        assert step_by_step(model, make_prompts(seed)[i], tokens), i
    save(folder, model, tensors, {
        "model": name, "class": prefix + "ForCausalLM", "seed": seed,
        "lengths": LENGTHS,
        "smallest_margin": round(min(margin for _, margin in found), 5)})
    with open(f"{folder}/config.json", encoding="utf-8") as f:
        new = f.read()
    write_json(f"{folder}/config_old.json", old_config(json.loads(new)))
    check(model, folder, seed)
    shutil.copy(f"{folder}/config_old.json", f"{folder}/config.json")
    check(model, folder, seed)
    with open(f"{folder}/config.json", "w", encoding="utf-8") as f:
        f.write(new)
    tokenizer = make_tokenizer()
    tokenizer.save(f"{folder}/tokenizer.json", pretty=False)
    write_json(f"{folder}/tokenizer_config.json", {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "add_bos_token": False, "bos_token": "<s>", "eos_token": "</s>",
        "clean_up_tokenization_spaces": False})
    if with_gguf:
        write_gguf(folder, f"{folder}/model.gguf")
    else:
        os.remove(f"{folder}/tokenizer.json")
        os.remove(f"{folder}/tokenizer_config.json")
    print(name, "seed", seed)
    print_tensors(folder)
    print({key: list(value.shape) for key, value in tensors.items()
           if key.startswith("1.")}, flush=True)


def main():
    for name in sys.argv[2:] or MODELS:
        make(f"{sys.argv[1]}/{name}", name)


if __name__ == "__main__":
    main()
