#!/usr/bin/env python3
"""Makes tests/golden/adapters: LoRA adapters by PEFT for models of the zoo.

  tools/make_golden_adapters.py tests/golden/zoo tests/golden/adapters \
      [LLAMA_CPP_FOLDER]

Each folder is what `save_pretrained` writes, with random weights in place of
training, and `expected.safetensors`: logits of the model with it, and 32
greedy tokens, by transformers in float32. With llama.cpp's folder, `lora.gguf`
by its converter, too. By hand, with torch, transformers, peft, safetensors.
"""
import json, subprocess, sys
from pathlib import Path

import torch
from peft import LoraConfig, PeftModel, get_peft_model
from safetensors.torch import save_file
from transformers import (AutoModelForCausalLM,
                          AutoModelForSequenceClassification)

ALL = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj",
       "down_proj"]
# (folder, model, configuration)
CASES = [
    ("llama", "llama-linear", dict(r=4, lora_alpha=8, target_modules=ALL)),
    ("qwen2", "qwen2", dict(
        r=6, lora_alpha=5, use_rslora=True, target_modules=ALL[:4],
        rank_pattern={"layers.1.self_attn.q_proj": 3},
        alpha_pattern={"layers.1.self_attn.v_proj": 11, "k_proj": 7})),
    ("qwen2-head", "qwen2", dict(
        r=2, lora_alpha=4, target_modules=["q_proj", "down_proj"],
        modules_to_save=["lm_head"])),
    ("phi3", "../architectures/phi3", dict(
        r=5, lora_alpha=10, target_modules=["qkv_proj", "o_proj",
                                            "gate_up_proj", "down_proj"])),
    ("gpt2", "gpt2", dict(
        r=4, lora_alpha=8, fan_in_fan_out=True,
        target_modules=["c_attn", "c_proj", "c_fc"])),
    ("gpt_neox", "gpt_neox", dict(
        r=4, lora_alpha=8, target_modules=["query_key_value",
                                           "dense_h_to_4h"])),
    ("mistral-head", "mistral-full", dict(
        r=4, lora_alpha=8, target_modules=["lm_head", "v_proj"])),
]


def load(model):
    return AutoModelForCausalLM.from_pretrained(
        model, dtype=torch.float32, attn_implementation="eager").eval()


def expect(model, ids):
    with torch.inference_mode():
        logits = model(ids).logits[0]
        sequence = ids
        for _ in range(32):
            last = model(sequence, use_cache=False).logits[0, -1]
            top = last.topk(2).values
            assert top[0] - top[1] > 1e-3, "a tie: another seed"
            sequence = torch.cat([sequence, last.argmax().view(1, 1)], 1)
    return logits, sequence[0, ids.shape[1]:].int()


def make(zoo, target, name, base, settings, seed):
    torch.manual_seed(seed)
    model = get_peft_model(load(zoo / base), LoraConfig(
        task_type="CAUSAL_LM", **settings)).eval()
    with torch.no_grad():
        for key, value in model.named_parameters():
            if "lora_" in key:
                value.copy_(torch.randn(value.shape) * 0.15)
            elif "modules_to_save" in key:
                value.add_(torch.randn(value.shape) * 0.2)
    folder = target / name
    model.peft_config["default"].base_model_name_or_path = base
    model.save_pretrained(folder)
    (folder / "README.md").unlink(missing_ok=True)
    ids = torch.randint(0, 256, (1, 20),
                        generator=torch.Generator().manual_seed(7))
    again = PeftModel.from_pretrained(load(zoo / base), folder).eval()
    with again.disable_adapter():
        plain = again(ids).logits[0]
    logits, greedy = expect(again, ids)
    print(name, "moves logits by", float((logits - plain).abs().max()))
    save_file({"ids": ids[0].int(), "logits": logits, "greedy": greedy},
              folder / "expected.safetensors")


def make_classifier(base, folder):
    """A trained head on a bare encoder's adapter, as people publish them."""
    torch.manual_seed(3)
    plain = lambda: AutoModelForSequenceClassification.from_pretrained(
        base, dtype=torch.float32, attn_implementation="eager").eval()
    model = get_peft_model(plain(), LoraConfig(
        task_type="SEQ_CLS", r=3, lora_alpha=6,
        target_modules=["query", "value", "dense"])).eval()
    with torch.no_grad():
        for key, value in model.named_parameters():
            if "lora_" in key:
                value.copy_(torch.randn(value.shape) * 0.15)
            elif "modules_to_save" in key:
                value.add_(torch.randn(value.shape) * 0.2)
    model.peft_config["default"].base_model_name_or_path = base.name
    model.save_pretrained(folder)
    (folder / "README.md").unlink(missing_ok=True)
    ids = torch.randint(5, 256, (1, 12),
                        generator=torch.Generator().manual_seed(7))
    again = PeftModel.from_pretrained(plain(), folder).eval()
    with torch.inference_mode():
        logits = again(ids).logits[0]
        with again.disable_adapter():
            print("bert", logits, again(ids).logits[0])
    save_file({"ids": ids[0].int(), "logits": logits},
              folder / "expected.safetensors")


def main():
    torch.set_num_threads(1)
    zoo, target = map(Path, sys.argv[1:3])
    make_classifier(zoo.parent / "zoo_encoders/bert-sequence-classification",
                    target / "bert-classify")
    for name, base, settings in CASES:
        for seed in range(50):
            try:
                make(zoo, target, name, base, settings, seed)
                break
            except AssertionError:
                continue
        if len(sys.argv) > 3 and name == "llama":
            subprocess.run(
                [sys.executable, f"{sys.argv[3]}/convert_lora_to_gguf.py",
                 "--base", zoo / base, "--outtype", "f32", "--outfile",
                 target / name / "lora.gguf", target / name], check=True)


main()
