#!/usr/bin/env python3
"""Makes tests/golden/fp8: folders with FP8 weights and their logits.

  tools/make_golden_fp8.py tests/golden/zoo/qwen3 tests/golden/fp8

The matrices of a small random model become e4m3 by torch, scaled as the three
kinds of published folders do it. `expected.safetensors` holds the matrices
that torch makes of them again (bfloat16) and the logits of transformers with
those matrices, in float32. By hand, with torch, transformers, safetensors.
"""
import json, shutil, sys
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from transformers import AutoConfig, AutoModelForCausalLM
from transformers.integrations.finegrained_fp8 import Fp8Dequantize

MOST = torch.finfo(torch.float8_e4m3fn).max


def blocks(weight, rows, columns):
    """(codes, scales): each block's largest value becomes the largest code."""
    r, c = weight.shape
    padded = torch.zeros(-(-r // rows) * rows, -(-c // columns) * columns)
    padded[:r, :c] = weight
    parts = padded.reshape(padded.shape[0] // rows, rows, -1, columns)
    scales = parts.abs().amax(dim=(1, 3)).clamp(min=1e-12) / MOST
    codes = (parts / scales[:, None, :, None]).to(torch.float8_e4m3fn)
    full = codes.float() * scales[:, None, :, None]
    cut = lambda t: t.reshape(padded.shape)[:r, :c].contiguous()
    return cut(codes), scales, cut(full).to(torch.bfloat16)


# 24 does not divide 32 or 40: the last blocks are cut.
KINDS = {
    "blocks": (lambda w: (8, 8), "weight_scale_inv", {
        "quant_method": "fp8", "fmt": "e4m3",
        "activation_scheme": "dynamic", "weight_block_size": [8, 8]}),
    "cut-blocks": (lambda w: (24, 24), "weight_scale_inv", {
        "quant_method": "fp8", "fmt": "e4m3",
        "activation_scheme": "dynamic", "weight_block_size": [24, 24]}),
    "channels": (lambda w: (1, w.shape[1]), "weight_scale", {
        "quant_method": "compressed-tensors", "format": "float-quantized",
        "config_groups": {"group_0": {"targets": ["Linear"], "weights": {
            "num_bits": 8, "type": "float", "strategy": "channel"}}}}),
    "tensors": (lambda w: tuple(w.shape), "weight_scale_inv", {
        "quant_method": "fp8", "activation_scheme": "static"}),
}


def make(source, folder, kind):
    size, suffix, quantization = KINDS[kind]
    folder.mkdir(parents=True, exist_ok=True)
    stored, plain, expected = {}, {}, {}
    for name, tensor in load_file(source / "model.safetensors").items():
        plain[name] = tensor.float()
        stored[name] = tensor
        if not name.endswith("_proj.weight"):
            continue
        codes, scales, full = blocks(tensor.float(), *size(tensor))
        if kind == "tensors":
            scales = scales.reshape(())
            stored[name[:-len("weight")] + "input_scale"] = torch.tensor(0.5)
        base = name[:-len("weight")]
        stored[name], stored[base + suffix] = codes, scales
        plain[name] = full.float()
        if "layers.0.self_attn.k" in name or "layers.1.mlp.down" in name:
            expected[name] = full
        if kind != "cut-blocks":  # transformers needs whole blocks
            theirs = Fp8Dequantize(None)._dequantize_one(
                codes, scales.reshape(scales.shape or (1, 1)),
                torch.bfloat16)
            assert torch.equal(theirs, full), name
    save_file(stored, folder / "model.safetensors", {"format": "pt"})
    config = json.loads((source / "config.json").read_text())
    model = AutoModelForCausalLM.from_config(
        AutoConfig.from_pretrained(source), dtype=torch.float32,
        attn_implementation="eager").eval()
    missing, unexpected = model.load_state_dict(plain, strict=False)
    assert not unexpected and set(missing) <= {"lm_head.weight"}
    ids = torch.randint(0, 256, (1, 24),
                        generator=torch.Generator().manual_seed(5))
    with torch.inference_mode():
        expected["logits"] = model(ids).logits[0]
    expected["ids"] = ids[0].int()
    save_file(expected, folder / "expected.safetensors")
    config["quantization_config"] = quantization
    (folder / "config.json").write_text(json.dumps(config, indent=1) + "\n")


def main():
    torch.set_num_threads(1)
    source, target = map(Path, sys.argv[1:])
    for kind in KINDS:
        make(source, target / kind, kind)


main()
