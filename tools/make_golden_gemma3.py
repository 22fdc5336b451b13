#!/usr/bin/env python3
"""Reference values for Gemma-3-270M (Q4_K_M), by transformers.

Run by hand: make_golden_gemma3.py MODEL.gguf OUTPUT_FOLDER
Needs torch, transformers, safetensors, gguf, sentencepiece, protobuf, numpy.

The weights are those of the GGUF, dequantized to float32 by gguf-py; the
forward is transformers' in float32 on the CPU; token ids are sentencepiece's
on the same vocabulary. What is in each file written is told in
OUTPUT_FOLDER/README.md, and the shapes are those of make_golden_smollm2.py.
"""
import hashlib, json, sys
from types import SimpleNamespace
import gguf, numpy as np, sentencepiece, torch, transformers
from make_golden_smollm2 import (
    ENGLISH, KOREAN, field, greedy, hidden_states, numeric_study, perplexity,
    prompts as older_prompts, verify_rows, write_json)
from make_golden_tokenizer_spm import Reference

BOS = 2


def load_model(reader):
    key = lambda name, default=None: field(reader, "gemma3." + name, default)
    head_size = key("attention.key_length")
    config = transformers.Gemma3TextConfig(
        vocab_size=len(field(reader, "tokenizer.ggml.tokens")),
        hidden_size=key("embedding_length"),
        intermediate_size=key("feed_forward_length"),
        num_hidden_layers=key("block_count"),
        num_attention_heads=key("attention.head_count"),
        num_key_value_heads=key("attention.head_count_kv"),
        head_dim=head_size, query_pre_attn_scalar=head_size,
        max_position_embeddings=key("context_length"),
        rms_norm_eps=key("attention.layer_norm_rms_epsilon"),
        sliding_window=key("attention.sliding_window"),
        rope_parameters={
            "full_attention": {"rope_type": "default",
                               "rope_theta": key("rope.freq_base")},
            "sliding_attention": {
                "rope_type": "default",
                "rope_theta": key("rope.freq_base_swa", 10000.0)}},
        tie_word_embeddings=True)
    config._attn_implementation = "eager"
    print(config)
    model = transformers.Gemma3ForCausalLM(config).eval()
    names = gguf.get_tensor_name_map(gguf.MODEL_ARCH.GEMMA3,
                                     config.num_hidden_layers)
    weights = {t.name: torch.from_numpy(np.array(
        gguf.quants.dequantize(t.data, t.tensor_type), dtype=np.float32))
        for t in reader.tensors}
    state = {}
    for name in model.state_dict():
        if name == "lm_head.weight":
            state[name] = weights["token_embd.weight"]
            continue
        w = weights.pop(names.get_name(name, try_suffixes=(".weight",)))
        if name.endswith("norm.weight"):
            assert torch.equal((w - 1) + 1, w), name
            w = w - 1  # transformers adds it
        state[name] = w
        if name.endswith("embed_tokens.weight"):
            weights["token_embd.weight"] = w
    assert list(weights) == ["token_embd.weight"], list(weights)
    model.load_state_dict(state)
    return model


def prompts():
    """(name, text) of each; the longest reaches beyond the window of 512."""
    chosen = ["plain", "one token", "korean", "python", "emoji", "json",
              "whitespace", "mixed"]
    older = dict(older_prompts())
    chat = ("<start_of_turn>user\nName three colours.<end_of_turn>\n"
            "<start_of_turn>model\n")
    out = [(name, "<bos>" + older[name]) for name in chosen]
    out.insert(1, ("chat", "<bos>" + chat))
    out.append(("700 tokens", f"<bos>{ENGLISH}\n\n{KOREAN}"))
    return out


def all_cases(tokenizer):
    """(name, text, ids) of each prompt; ids encode text exactly."""
    for name, text in prompts():
        ids = tokenizer.encode(text)
        if name == "700 tokens":
            text = tokenizer.decode(ids[:700]).rstrip("\ufffd")
            ids = tokenizer.encode(text)
        assert ids[0] == BOS and tokenizer.decode(ids) == text, name
        yield name, text, ids


def rows_of(logits):
    """The rows of one prompt in verify.json: all, or some of a long one.

    Of that, also those where the first token leaves the window: most heads
    look at it, so that a window wrong by one shows there.
    """
    count = len(logits)
    positions = range(count) if count < 100 else sorted(
        {0, 1, *range(15, count, 16), 512, 513, count - 1})
    for p in positions:
        for row in verify_rows(logits[p:p + 1].double()):
            yield {**row, "p": p}


def check_greedy(model, ids, tokens, margins):
    """The tokens, from one forward instead of a cache."""
    rows = model(torch.tensor([ids + tokens[:-1]]), use_cache=False).logits[0]
    best = rows[len(ids) - 1:].argmax(-1).tolist()
    for i, (a, b) in enumerate(zip(tokens, best)):
        assert a == b or margins[i] < 1e-3, (i, a, b, margins[i])


@torch.no_grad()
def main():
    path, folder = sys.argv[1:3]
    reader = gguf.GGUFReader(path)
    model, tokenizer = load_model(reader), Reference(path)
    cases = list(all_cases(tokenizer))
    with open(path, "rb") as f:
        digest = hashlib.sha256(f.read()).hexdigest()
    about = {"model": "Gemma-3-270M Q4_K_M", "sha256": digest,
             "made_with": f"transformers {transformers.__version__}, "
                          f"torch {torch.__version__}, sentencepiece "
                          f"{sentencepiece.__version__}, gguf-py"}
    write_json(f"{folder}/prompts.json",
               [{"name": n, "text": t, "ids": i} for n, t, i in cases])
    references, verify, continued = [], [], []
    for name, text, ids in cases:
        logits = model(torch.tensor([ids]), use_cache=False).logits[0]
        references.append(logits)
        tokens, margins = greedy(model, ids, 64)
        check_greedy(model, ids, tokens, margins)
        answer = {"greedy": tokens, "margins": margins}
        verify.append({"name": name, "text": text, "ids": ids,
                       "rows": list(rows_of(logits)), **answer})
        continued.append({"name": name, **answer,
                          "text": tokenizer.decode(tokens)})
        print(name, len(ids), repr(tokenizer.decode(tokens))[:100],
              min(margins), flush=True)
    write_json(f"{folder}/verify.json", {**about, "prompts": verify})
    write_json(f"{folder}/greedy.json", {**about, "prompts": continued})
    hidden = hidden_states(model, cases[0][2])
    last = [hidden["embedding"][-1], *hidden["layers"][:, -1]]
    write_json(f"{folder}/layers.json",
               {**about, "ids": cases[0][2],
                "hidden": [[round(float(v), 6) for v in h] for h in last]})
    scored = SimpleNamespace(encode=lambda text: SimpleNamespace(
        ids=[BOS, *tokenizer.encode(text)]))
    write_json(f"{folder}/perplexity.json",
               {**about, "texts": [
                   perplexity(model, scored, text) for text in
                   (ENGLISH, KOREAN, f"{ENGLISH}\n\n{KOREAN}")]}, indent=1)
    print("all but the study is written", flush=True)
    write_json(f"{folder}/study.json",
               {**about, "study": numeric_study(model, cases, references)},
               indent=1)


if __name__ == "__main__":
    main()
