#!/usr/bin/env python3
"""Reference values of small random models, one of each decoder.

Run by hand: make_golden_zoo.py OUTPUT_FOLDER LLAMA_CPP [NAME...]
LLAMA_CPP is a checkout of llama.cpp, for its converter. Needs torch,
transformers, tokenizers, safetensors, numpy, sentencepiece.

Each OUTPUT_FOLDER/NAME is a model as a Hugging Face folder, as model.gguf
where llama.cpp knows it, and what transformers computes of it in float32:
see OUTPUT_FOLDER/README.md. The models are in zoo_configs.py.
OUTPUT_FOLDER/LAYOUTS.md lists the tensors of both files, written anew from
all folders there.
"""
import contextlib, copy, glob, json, math, os, shutil, sys, tempfile
import tokenizers, torch, transformers
from safetensors.torch import save_file

import zoo_mxfp4
from golden_models import (TEXT, greedy, make_tokenizer, prompt, write_json,
                           write_tokenizer_files)
from zoo_configs import models
from zoo_gguf import Converter, gguf_lines, safetensors_lines
from zoo_old_configs import old_config

torch.set_num_threads(1)
transformers.utils.logging.set_verbosity_error()
transformers.utils.logging.disable_progress_bar()

# Three prompts, each longer than any window of the models.
PROMPTS = ((18, "Sorted words, by 1911, have to be written.\n"),
           (21, "weighed 말 and gathered 모이: is one person the first?\n"),
           (27, TEXT))
GREEDY = 32


def blocks(model):
    """The list of decoder layers."""
    inner = model.base_model
    for name in ("layers", "h"):
        if hasattr(inner, name):
            return getattr(inner, name)
    raise RuntimeError("where are the layers?")


def routers(model):
    """(module, experts of each token) of every mixture of experts."""
    used = getattr(model.config, "num_experts_per_tok", 0)
    for name, module in model.named_modules():
        last = name.rsplit(".")[-1]
        if last in ("gate", "router") and getattr(
                module, "weight", None) is not None:
            yield module, used
        elif last == "router" and hasattr(module, "layer"):
            yield module.layer, used


def standard_deviation(name, shape, how):
    """Of a matrix's random weights: what keeps a sum of its row near one."""
    gain = 1.5
    if any(part in name for part in ("q_proj", "qkv", "query_key_value",
                                     "c_attn", "k_proj")):
        gain = 2.0
    gain = next((value for part, value in how.get("gains", {}).items()
                 if part in name), gain)
    transposed = how.get("transposed", ())
    inputs = shape[-2] if name.endswith(transposed) else shape[-1]
    return gain / math.sqrt(inputs)


@torch.no_grad()
def make_model(config, how, seed):
    """A model of random weights that bfloat16 holds exactly."""
    config = copy.deepcopy(config)
    config._attn_implementation = how.get("attention", "eager")
    model = transformers.AutoModelForCausalLM.from_config(
        config, dtype=torch.float32).eval()
    numbers = torch.Generator().manual_seed(seed)
    for name, w in model.named_parameters():
        random = torch.randn(w.shape, generator=numbers)
        norm = "norm" in name or ".ln_" in name
        if "bias" in name.rsplit(".")[-1]:
            random *= 0.3
        elif norm:
            offset = 0.0 if how.get("norms_plus_one") else 1.0
            middle = next((value for part, value in how.get("norms", {}).items()
                           if part in name), 1.0)
            random = middle + 0.3 * random + offset - 1.0
        elif "wpe" in name:
            random *= 0.3
        elif "embed" in name or "wte" in name:
            random *= how.get("embedding", 0.5)
        elif w.dim() > 1:
            random *= standard_deviation(name, w.shape, how)
        w.copy_(random)
        w.copy_(w.bfloat16().float())
    if how.get("mxfp4"):
        zoo_mxfp4.round_experts(model)
    return model


def reset(model, how):
    """Forget how long a text was, which dynamic scaling remembers."""
    if how.get("stateful"):
        model(torch.tensor([[0]]), use_cache=False)


@contextlib.contextmanager
def watching(pairs):
    """Keep what is given to modules, or what they give: (module, function)."""
    hooks = [module.register_forward_hook(function, with_kwargs=True)
             for module, function in pairs]
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()


@torch.no_grad()
def expect(model, how, ids):
    """What the model makes of ids in one forward, and the router's margin."""
    reset(model, how)
    entered, left, gaps = [], [], []

    def layer(module, inputs, words, output):
        entered.append(inputs[0] if inputs else words["hidden_states"])
        left.append(output[0] if isinstance(output, tuple) else output)

    def router(module, inputs, words, output, used):
        scores = torch.nn.functional.linear(
            inputs[0].reshape(-1, module.weight.shape[1]), module.weight,
            getattr(module, "bias", None))
        top = torch.topk(scores, used + 1).values
        gaps.append(float((top[:, -2] - top[:, -1]).min()))

    pairs = [(module, layer) for module in blocks(model)]
    for module, used in routers(model):
        pairs.append((module, lambda *a, used=used: router(*a, used)))
    with watching(pairs):
        logits = model(torch.tensor([ids]), use_cache=False).logits[0]
    square = lambda x: x.reshape(len(ids), -1).clone()
    return {"ids": torch.tensor(ids).int(), "embedding": square(entered[0]),
            "layers": torch.stack([square(x) for x in left]),
            "logits": logits.clone()}, min(gaps, default=math.inf)


def expect_all(model, how, prompts):
    """All expected tensors, the greedy margin, the routers' margin."""
    tensors, gaps = {}, []
    for i, ids in enumerate(prompts):
        values, gap = expect(model, how, ids)
        gaps.append(gap)
        if i < len(prompts) - 1:
            del values["layers"]
        tensors |= {f"{i}.{name}": value for name, value in values.items()}
    reset(model, how)
    tokens, margin = greedy(model, prompts[0], GREEDY)
    tensors["0.greedy"] = torch.tensor(tokens).int()
    gaps.append(expect(model, how, prompts[0] + tokens)[1])
    return tensors, margin, min(gaps)


def find_model(config, how, prompts):
    """The first seed whose greedy tokens are many and leave no doubt."""
    for seed in range(how.get("seed", 0), 2000):
        model = make_model(config, how, seed)
        tensors, margin, gap = expect_all(model, how, prompts)
        kinds = len(set(tensors["0.greedy"].tolist()))
        if margin > 0.01 and kinds >= 8 and gap > 1e-3:
            return seed, model, tensors, margin, gap
    raise RuntimeError("no seed will do")


@torch.no_grad()
def least_effect(model, how, ids):
    """The parameter whose loss would be noticed least: norms all one, other
    weights all zero. (largest change of a logit, name)"""
    reset(model, how)
    run = lambda: model(torch.tensor([ids]), use_cache=False).logits
    before, effects = run(), []
    for name, w in model.named_parameters():
        kept = w.clone()
        one = "norm" in name or ".ln_" in name
        one = one and not name.endswith("bias") \
            and not how.get("norms_plus_one")
        w.fill_(1.0 if one else 0.0)
        effects.append((float((run() - before).abs().max()), name))
        w.copy_(kept)
    return min(effects)


@torch.no_grad()
def check_saved(folder, config, ids, how, logits):
    """What was saved is the model, also with this file for config.json."""
    config = transformers.AutoConfig.from_pretrained(f"{folder}/{config}")
    model = transformers.AutoModelForCausalLM.from_pretrained(
        folder, config=config, dtype=torch.float32,
        attn_implementation=how.get("attention", "eager")).eval().float()
    reset(model, how)
    got = model(torch.tensor([ids]), use_cache=False).logits[0]
    assert torch.equal(got, logits), float((got - logits).abs().max())


def save(model, folder, tokenizer, how):
    copy.deepcopy(model).bfloat16().save_pretrained(folder)
    if "rewrite" in how:
        how["rewrite"](folder)
    if how.get("mxfp4"):
        zoo_mxfp4.rewrite(folder)
    if tokenizer:
        write_tokenizer_files(folder, tokenizer)


def write_old_config(folder):
    with open(f"{folder}/config.json", encoding="utf-8") as f:
        old = old_config(json.load(f))
    if old:
        write_json(f"{folder}/config_old.json", old)


def write_gguf(converter, model, how, tokenizer, path):
    """The converter reads a folder with the tokenizer in it."""
    with tempfile.TemporaryDirectory() as folder:
        model = copy.deepcopy(model)
        if "for_gguf" in how:
            with torch.no_grad():
                how["for_gguf"](model)
        save(model, folder, tokenizer, how)
        if "rewrite_gguf" in how:
            how["rewrite_gguf"](folder)
        converter.convert(folder, path, how.get("words", {}))


def layouts(root, gguf):
    """LAYOUTS.md: the tensors of both files of each folder."""
    out = ["# What is in the files\n",
           "Written by `tools/make_golden_zoo.py`. Shapes are outermost first "
           "in both (GGUF\nstores them the other way round). Without a type: "
           "BF16. Keys without `general.` and\n`tokenizer.`.\n"]
    for name in sorted(os.listdir(root)):
        folder = f"{root}/{name}"
        if not os.path.exists(f"{folder}/model.safetensors"):
            continue
        lines = safetensors_lines(f"{folder}/model.safetensors")
        out += [f"## {name}\n", "```", *lines, "```"]
        if os.path.exists(f"{folder}/model.gguf"):
            tensors, keys = gguf_lines(f"{folder}/model.gguf", gguf)
            out += ["", "GGUF:", "```", *tensors, "", *keys, "```"]
        out.append("")
    with open(f"{root}/LAYOUTS.md", "w", encoding="utf-8") as f:
        f.write("\n".join(out))


def main():
    root, tokenizer = sys.argv[1], make_tokenizer()
    converter = Converter(sys.argv[2], tokenizer)
    prompts = [prompt(tokenizer, length, text) for length, text in PROMPTS]
    texts, ids = [text for text, _ in prompts], [ids for _, ids in prompts]
    made_with = (f"transformers {transformers.__version__}, "
                 f"torch {torch.__version__}, "
                 f"tokenizers {tokenizers.__version__}")
    for name, config, how in models():
        if sys.argv[3:] and name not in sys.argv[3:]:
            continue
        folder = f"{root}/{name}"
        shutil.rmtree(folder, ignore_errors=True)
        os.makedirs(folder)
        seed, model, tensors, margin, gap = find_model(config, how, ids)
        effect, parameter = least_effect(model, how, ids[2])
        about = {"model": name, "seed": seed, "prompts": texts,
                 "smallest_margin": round(margin, 5),
                 "logits_standard_deviation":
                     round(float(tensors["2.logits"].std()), 3),
                 "least_effect": f"{effect:.3g} of {parameter}",
                 "made_with": made_with}
        if gap < math.inf:
            about["smallest_router_margin"] = round(gap, 5)
        print({key: about[key] for key in about
               if key not in ("prompts", "made_with")}, flush=True)
        save(model, folder, None, how)
        with contextlib.suppress(FileNotFoundError):
            os.remove(f"{folder}/generation_config.json")
        if not how.get("rewrite"):
            write_old_config(folder)
            for file in glob.glob(f"{folder}/config*.json"):
                check_saved(folder, os.path.basename(file), ids[2], how,
                            tensors["2.logits"])
        save_file(tensors, f"{folder}/expected.safetensors",
                  metadata={"about": json.dumps(about, ensure_ascii=False)})
        if how.get("gguf", True):
            write_gguf(converter, model, how, tokenizer,
                       f"{folder}/model.gguf")
    layouts(root, converter.gguf)


if __name__ == "__main__":
    main()
