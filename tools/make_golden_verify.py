#!/usr/bin/env python3
"""What `malmoi verify` holds every architecture to, wherever it is installed.

Run by hand: make_golden_verify.py GOLDEN_FOLDER OUTPUT.json [NAME...]
Needs torch, transformers, safetensors, numpy.

GOLDEN_FOLDER/*/NAME are the small random models of the tests. Their weights
are too large to travel with the program, so that others are made here by a
formula that the program knows as well (value() below): each tensor keeps its
name, its shape, its mean and its spread. transformers computes in float32 what
OUTPUT.json then says: of decoders and encoder-decoders logits, of encoders
rows, at the last position of a text, and the largest logit at each.
"""
import glob, json, math, os, sys, tempfile
import numpy as np, torch, transformers
from safetensors.numpy import load_file, save_file
from safetensors.torch import load_file as load_torch

torch.set_num_threads(1)
transformers.utils.logging.set_verbosity_error()
transformers.utils.logging.disable_progress_bar()

KINDS = (("architectures", "decoder"), ("zoo", "decoder"),
         ("zoo_state_space", "decoder"), ("zoo_encoders", "encoder"),
         ("zoo_seq2seq", "encoder_decoder"))
VALUES = 24


def mix(x):
    """splitmix64 (Steele, Lea & Flood 2014) of a vector of states."""
    x = x + np.uint64(0x9e3779b97f4a7c15)
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xbf58476d1ce4e5b9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94d049bb133111eb)
    return x ^ (x >> np.uint64(31))


def name_hash(name):
    """64-bit FNV-1a."""
    h = 0xcbf29ce484222325
    for byte in name.encode():
        h = (h ^ byte) * 0x100000001b3 % 2**64
    return h


def value(name, shape, low, spread):
    """low + spread times a fraction of 24 bits, each step rounded to f32."""
    count = math.prod(shape)
    with np.errstate(over="ignore"):
        bits = mix(np.uint64(name_hash(name)) +
                   np.arange(count, dtype=np.uint64))
    fraction = (bits >> np.uint64(40)).astype(np.float32) / np.float32(2**24)
    return (fraction * np.float32(spread) +
            np.float32(low)).reshape(shape)


def rounded(x):
    return float(f"{x:.7g}")


@torch.no_grad()
def expect(kind, folder, given):
    auto = {"decoder": transformers.AutoModelForCausalLM,
            "encoder": transformers.AutoModel,
            "encoder_decoder": transformers.AutoModelForSeq2SeqLM}[kind]
    # Eager attention of transformers 5.24 adds ALiBi's slopes twice.
    alibi = json.load(open(os.path.join(folder, "config.json"))).get("alibi")
    model, info = auto.from_pretrained(
        folder, dtype=torch.float32, output_loading_info=True,
        attn_implementation="sdpa" if alibi else "eager")
    missing = [k for k in info["missing_keys"] if "pooler" not in k]
    if missing or info["mismatched_keys"]:
        raise RuntimeError(f"{folder}: missing {missing} {info}")
    model.eval()
    words = {name: torch.tensor([ids]).long() for name, ids in given.items()}
    if kind == "encoder":
        out = model(**words).last_hidden_state[0]
    elif kind == "encoder_decoder":
        out = model(use_cache=False, **words).logits[0]
    else:
        out = model(use_cache=False, **words).logits[0]
    last = out[-1].double()
    step = max(1, len(last) // VALUES)
    result = {"step": step, "values": [rounded(x) for x in last[::step]],
              "rms": rounded(float(last.pow(2).mean().sqrt()))}
    if kind != "encoder":
        result["best"] = out.argmax(-1).tolist()
    return result


def main():
    golden, output, wanted = sys.argv[1], sys.argv[2], sys.argv[3:]
    models = []
    if wanted and os.path.exists(output):
        models = [m for m in json.load(open(output))["models"]
                  if m["name"] not in wanted]
    for part, kind in KINDS:
        for folder in sorted(glob.glob(f"{golden}/{part}/*/")):
            name = os.path.basename(folder[:-1])
            weights = os.path.join(folder, "model.safetensors")
            if (wanted and name not in wanted) or not os.path.exists(weights):
                continue
            config = json.load(open(os.path.join(folder, "config.json")))
            if part == "zoo_encoders" and "-" in name and name not in (
                    "deberta-v2", "nomic-bert", "xlm-roberta"):
                continue  # a head on an encoder that is here without
            expected = load_torch(os.path.join(folder, "expected.safetensors"))
            ids = lambda key: next(
                (expected[k].tolist() for k in ("0." + key, "gelu." + key, key)
                 if k in expected), None)
            given = {"input_ids": ids("ids")}
            if given["input_ids"] is None:
                key = next(k for k in sorted(expected) if k.endswith("ids"))
                given["input_ids"] = expected[key].tolist()
            if kind == "encoder" and ids("types"):
                given["token_type_ids"] = ids("types")
            if kind == "encoder_decoder":
                given["decoder_input_ids"] = ids("decoder_ids")
            old = load_torch(weights)
            if not all(w.is_floating_point() for w in old.values()):
                continue  # blocks of a quantization
            tensors, new = [], {}
            for key in sorted(old):
                w = old[key].double()
                spread = float(w.std()) * math.sqrt(12) if w.numel() > 1 else 0
                low = float(w.mean()) - spread / 2
                low, spread = rounded(low), rounded(spread)
                tensors.append([key, list(w.shape), low, spread])
                new[key] = value(key, list(w.shape), low, spread)
            with tempfile.TemporaryDirectory() as scratch:
                save_file(new, os.path.join(scratch, "model.safetensors"),
                          metadata={"format": "pt"})
                json.dump(config, open(os.path.join(scratch, "config.json"),
                                       "w"))
                want = expect(kind, scratch, given)
            models.append({"name": name, "kind": kind,
                           "architecture": config["model_type"],
                           "config": config, "tensors": tensors,
                           "given": given, **want})
            print(name, want["rms"], flush=True)
    models.sort(key=lambda m: (m["kind"], m["name"]))
    lines = ",\n".join(json.dumps(m, separators=(",", ":")) for m in models)
    with open(output, "w") as file:
        file.write('{"transformers":"%s","models":[\n%s\n]}\n' %
                   (transformers.__version__, lines))


if __name__ == "__main__":
    main()
