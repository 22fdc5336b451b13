#!/usr/bin/env python3
"""Reference values of what malmoi inspect shows: attention and the logit lens.

Run by hand: make_golden_inspect.py GOLDEN_FOLDER
Needs torch, transformers, safetensors. GOLDEN_FOLDER is tests/golden, whose
small models are read.

Each GOLDEN_FOLDER/inspect/NAME.safetensors is of one of them, of a
prompt of its expected.safetensors (the first; of encoders the third, of
encoder-decoders the second), in float32, eager attention:
  attention        [layers that attend, heads, rows, positions], attentions
  encoder, decoder, cross   the same of encoder-decoders
  rollout          [positions, positions], of some
  lens             [1 + layers, vocabulary], the last position's logits: the
                   stream behind the embedding and behind each layer is put in
                   the place of the last layer's output, and the model goes on
                   with its own norm, head, scale and cap.
"""
import os, sys
import torch, transformers as tf
from safetensors import safe_open
from safetensors.torch import save_file

from golden_random import VERSIONS

torch.set_num_threads(1)
tf.utils.logging.set_verbosity_error()
tf.utils.logging.disable_progress_bar()

DECODERS = (
    "architectures/llama", "architectures/gemma3", "zoo/gpt2", "zoo/gemma2",
    "zoo/gpt_oss", "zoo/falcon-alibi", "zoo/falcon-new", "zoo/qwen2-window",
    "zoo/qwen3", "zoo/olmo2", "zoo/phi", "zoo/cohere2", "zoo/granite",
    "zoo/exaone4-hybrid", "zoo/gpt_neox", "zoo/olmoe", "zoo/lfm2",
    "zoo/stablelm-parallel", "zoo_state_space/falcon-h1",
    "zoo_state_space/granite-hybrid-attention", "zoo_state_space/mamba")
# Eager attention of transformers 5.24 adds the slopes twice.
FUSED = ("zoo/falcon-alibi",)
ROLLOUT = ("architectures/llama", "zoo/gpt_oss", "bert")
ENCODERS = ("bert", "distilbert", "deberta-v2", "modernbert", "mpnet",
            "nomic-bert", "albert", "roberta")
ENCODER_DECODERS = ("t5", "flan-t5", "bart", "marian", "m2m-100", "mbart")


def ids_of(folder, name, prompt=0):
    with safe_open(f"{folder}/expected.safetensors", "pt") as file:
        key = f"{prompt}.{name}"
        key = key if key in file.keys() else name
        return file.get_tensor(key).long()[None] if key in file.keys() else None


def load(cls, folder, attention="eager"):
    return cls.from_pretrained(folder, dtype=torch.float32,
                               attn_implementation=attention).eval()


def fused_attentions(model, ids):
    """Of a model whose eager attention computes something else: the softmax of
    what is given to torch's fused one."""
    fused, kept = torch.nn.functional.scaled_dot_product_attention, []

    def watch(query, key, value, attn_mask=None, dropout_p=0.0,
              is_causal=False, scale=None, **words):
        scores = query @ key.transpose(-1, -2)
        scores = scores * (scale or query.shape[-1] ** -0.5)
        if is_causal:
            future = torch.ones(scores.shape[-2:]).triu(1).bool()
            scores = scores.masked_fill(future, -torch.inf)
        if attn_mask is not None:
            scores = scores + attn_mask
        kept.append(scores.softmax(-1))
        out = fused(query, key, value, attn_mask, dropout_p, is_causal,
                    scale=scale, **words)
        assert torch.allclose(out, kept[-1] @ value, atol=1e-5)
        return out

    torch.nn.functional.scaled_dot_product_attention = watch
    model(ids, use_cache=False)
    torch.nn.functional.scaled_dot_product_attention = fused
    return kept


def blocks(model):
    inner = model.base_model
    for name in ("layers", "h"):
        if hasattr(inner, name):
            return getattr(inner, name)
    raise RuntimeError("where are the layers?")


def stacked(attentions):
    """Of the layers that attend: others give None or nothing."""
    kept = [a[0] for a in attentions or () if a is not None]
    return torch.stack(kept) if kept else None


@torch.no_grad()
def lens(model, ids):
    """The last position's logits of every layer's stream."""
    layers = blocks(model)
    streams = []

    def keep(module, inputs, words, output):
        if not streams:
            streams.append(inputs[0] if inputs else words["hidden_states"])
        streams.append(output[0] if isinstance(output, tuple) else output)

    hooks = [layer.register_forward_hook(keep, with_kwargs=True)
             for layer in layers]
    model(ids, use_cache=False)
    for hook in hooks:
        hook.remove()
    rows = []
    for stream in streams:
        def put(module, inputs, output):
            if isinstance(output, tuple):
                return (stream, *output[1:])
            return stream
        hook = layers[-1].register_forward_hook(put)
        rows.append(model(ids, use_cache=False).logits[0, -1])
        hook.remove()
    return torch.stack(rows)


def rollout(attention):
    """Abnar & Zuidema 2020, of layers that all attend."""
    flow = torch.eye(attention.shape[-1])
    for layer in attention.mean(1):
        layer = layer / layer.sum(-1, keepdim=True)
        flow = (layer + torch.eye(len(layer))) / 2 @ flow
    return flow


def write(folder, name, tensors):
    if name in ROLLOUT:
        tensors["rollout"] = rollout(tensors["attention"])
    tensors = {key: value.float().contiguous().clone()
               for key, value in tensors.items() if value is not None}
    path = f"{folder}/inspect/{name.split('/')[-1]}.safetensors"
    save_file(tensors, path, metadata={"made_with": VERSIONS})
    print(name, {key: tuple(v.shape) for key, v in tensors.items()},
          os.path.getsize(path))


@torch.no_grad()
def main(golden):
    os.makedirs(f"{golden}/inspect", exist_ok=True)
    for name in DECODERS:
        folder = f"{golden}/{name}"
        ids = ids_of(folder, "ids")
        if name in FUSED:
            model = load(tf.AutoModelForCausalLM, folder, "sdpa")
            attentions = fused_attentions(model, ids)
        else:
            model = load(tf.AutoModelForCausalLM, folder)
            out = model(ids, output_attentions=True, use_cache=False)
            attentions = getattr(out, "attentions", None)
        write(golden, name, {"attention": stacked(attentions),
                             "lens": lens(model, ids)})
    for name in ENCODERS:
        folder = f"{golden}/zoo_encoders/{name}"
        model = load(tf.AutoModel, folder)
        types = ids_of(folder, "types", 2)
        words = {} if types is None else {"token_type_ids": types}
        out = model(ids_of(folder, "ids", 2), output_attentions=True, **words)
        write(golden, name, {"attention": stacked(out.attentions)})
    for name in ENCODER_DECODERS:
        folder = f"{golden}/zoo_seq2seq/{name}"
        model = load(tf.AutoModelForSeq2SeqLM, folder)
        out = model(input_ids=ids_of(folder, "ids", 1),
                    decoder_input_ids=ids_of(folder, "decoder_ids", 1),
                    output_attentions=True, use_cache=False)
        write(golden, name, {"encoder": stacked(out.encoder_attentions),
                             "decoder": stacked(out.decoder_attentions),
                             "cross": stacked(out.cross_attentions)})


main(sys.argv[1])
