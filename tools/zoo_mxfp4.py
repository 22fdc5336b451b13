"""Experts in MXFP4, as gpt-oss is published (Open Compute Project, Microscaling
Formats 1.0): blocks of 32 inputs, each value 4 bits (E2M1), a shared power of
two (E8M0)."""
import json

import torch
from safetensors.torch import load_file, save_file

VALUES = torch.tensor([0.0, 0.5, 1.0, 1.5, 2.0, 3.0, 4.0, 6.0])


def is_expert(name):
    return name.endswith(("experts.gate_up_proj", "experts.down_proj"))


def quantize(weights):
    """[..., inputs, outputs] as codes [..., outputs, inputs/32, 32] and powers
    of two with the bias of E8M0, [..., outputs, inputs/32]."""
    w = weights.float().transpose(-1, -2)
    w = w.reshape(*w.shape[:-1], -1, 32)
    power = torch.floor(torch.log2(w.abs().amax(-1).clamp(min=1e-30))) - 2
    scaled = w / torch.exp2(power)[..., None]
    codes = (scaled.abs()[..., None] - VALUES).abs().argmin(-1)
    return codes + 8 * (scaled < 0), (power + 127).to(torch.uint8)


def dequantize(codes, scales):
    values = torch.where(codes >= 8, -1.0, 1.0) * VALUES[codes % 8]
    w = values * torch.exp2(scales.float() - 127)[..., None]
    return w.flatten(-2).transpose(-1, -2)


@torch.no_grad()
def round_experts(model):
    for name, w in model.named_parameters():
        if is_expert(name):
            w.copy_(dequantize(*quantize(w)))


def rewrite(folder):
    """Stores the experts of a folder in blocks and scales."""
    tensors = {}
    for name, w in load_file(f"{folder}/model.safetensors").items():
        if not is_expert(name):
            tensors[name] = w
            continue
        codes, scales = quantize(w)
        assert torch.equal(dequantize(codes, scales), w.float())
        tensors[name + "_blocks"] = (
            codes[..., 0::2] | codes[..., 1::2] << 4).to(torch.uint8)
        tensors[name + "_scales"] = scales
    save_file(tensors, f"{folder}/model.safetensors",
              metadata={"format": "pt"})
    with open(f"{folder}/config.json", encoding="utf-8") as f:
        config = json.load(f)
    config["quantization_config"] = {
        "modules_to_not_convert": [
            "model.layers.*.self_attn", "model.layers.*.mlp.router",
            "model.embed_tokens", "lm_head"],
        "quant_method": "mxfp4"}
    with open(f"{folder}/config.json", "w", encoding="utf-8") as f:
        json.dump(config, f, indent=2, sort_keys=True)
        f.write("\n")
