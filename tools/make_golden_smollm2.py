#!/usr/bin/env python3
"""Reference values for SmolLM2-135M-Instruct (Q4_1), by transformers.

Run by hand: make_golden_smollm2.py MODEL.gguf OUTPUT_FOLDER
Needs torch, transformers, tokenizers, gguf, numpy.

The weights are those of the GGUF, dequantized to float32 by gguf-py; the
forward is transformers' in float32 on the CPU; token ids are those of the
tokenizers library on the same vocabulary and merges.

Writes
  verify.json   per prompt: ids; at some positions (all, for short prompts) the
                five largest logits and log-sum-exp; 64 greedy tokens, each with
                the margin between the two largest logits. Shipped in malmoi.
  layers.json   for one short prompt: the residual stream at its last token
                after the embedding and after each layer (for debugging).
  perplexity.json  of an English and a Korean text.
"""
import hashlib, json, sys
import numpy as np, torch, transformers, tokenizers, gguf
from tokenizers import Tokenizer, AddedToken, models, pre_tokenizers, decoders

torch.set_num_threads(1)
torch.manual_seed(0)


def field(reader, key, default=None):
    f = reader.get_field(key)
    return default if f is None else f.contents()


def unpermute(w, heads):
    """GGUF stores llama's query and key rows for neighbouring pairs."""
    rows, columns = w.shape
    return (w.reshape(heads, rows // heads // 2, 2, columns)
             .swapaxes(1, 2).reshape(rows, columns))


def load_model(reader):
    key = lambda name, default=None: field(reader, "llama." + name, default)
    heads = key("attention.head_count")
    kv_heads = key("attention.head_count_kv")
    config = transformers.LlamaConfig(
        vocab_size=len(field(reader, "tokenizer.ggml.tokens")),
        hidden_size=key("embedding_length"),
        intermediate_size=key("feed_forward_length"),
        num_hidden_layers=key("block_count"),
        num_attention_heads=heads, num_key_value_heads=kv_heads,
        max_position_embeddings=key("context_length"),
        rms_norm_eps=key("attention.layer_norm_rms_epsilon"),
        rope_theta=key("rope.freq_base", 10000.0),
        tie_word_embeddings=True, attn_implementation="eager")
    print(config)
    model = transformers.LlamaForCausalLM(config).eval()
    weights = {t.name: torch.from_numpy(np.array(
        gguf.quants.dequantize(t.data, t.tensor_type), dtype=np.float32))
        for t in reader.tensors}
    state = {"model.embed_tokens.weight": weights["token_embd.weight"],
             "lm_head.weight": weights["token_embd.weight"],
             "model.norm.weight": weights["output_norm.weight"]}
    names = {"attn_norm": "input_layernorm", "ffn_norm": "post_attention_layernorm",
             "attn_q": "self_attn.q_proj", "attn_k": "self_attn.k_proj",
             "attn_v": "self_attn.v_proj", "attn_output": "self_attn.o_proj",
             "ffn_gate": "mlp.gate_proj", "ffn_up": "mlp.up_proj",
             "ffn_down": "mlp.down_proj"}
    for i in range(config.num_hidden_layers):
        for ours, theirs in names.items():
            w = weights[f"blk.{i}.{ours}.weight"]
            if ours == "attn_q":
                w = torch.from_numpy(unpermute(w.numpy(), heads).copy())
            if ours == "attn_k":
                w = torch.from_numpy(unpermute(w.numpy(), kv_heads).copy())
            state[f"model.layers.{i}.{theirs}.weight"] = w
    missing, unexpected = model.load_state_dict(state, strict=False)
    assert not missing and not unexpected, (missing, unexpected)
    return model


def load_tokenizer(reader):
    tokens = field(reader, "tokenizer.ggml.tokens")
    types = field(reader, "tokenizer.ggml.token_type")
    merges = [tuple(m.split(" ", 1)) for m in field(reader, "tokenizer.ggml.merges")]
    t = Tokenizer(models.BPE(vocab={w: i for i, w in enumerate(tokens)}, merges=merges))
    t.pre_tokenizer = pre_tokenizers.Sequence([
        pre_tokenizers.Digits(individual_digits=True),
        pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True)])
    t.decoder = decoders.ByteLevel()
    t.add_special_tokens([AddedToken(tokens[i], special=True, normalized=False)
                          for i, kind in enumerate(types) if kind == 3])
    return t


def prompts():
    chat = ("<|im_start|>system\nYou are a helpful AI assistant named SmolLM, trained by "
            "Hugging Face<|im_end|>\n<|im_start|>user\nCreate a funny joke about chickens."
            "<|im_end|>\n<|im_start|>assistant\n")
    sentence = ("The committee met on Tuesday and agreed that the harbour wall would be "
                "rebuilt before winter. ")
    korean = ("말모이는 한국어로 된 첫 사전 원고이다. 주시경과 그의 제자들이 낱말을 모으기 시작했다. ")
    long_text = "".join(f"{i}. {sentence}{korean if i % 3 == 0 else ''}" for i in range(200))
    return [
        ("plain", "The capital of France is"),
        ("chat", chat),
        ("one token", "Hello"),
        ("story", "Once upon a time, in a small village by the sea, there lived"),
        ("korean", "대한민국의 수도는 어디입니까? 서울은"),
        ("korean long", korean * 3),
        ("python", "def fibonacci(n):\n    if n < 2:\n        return n\n    return"),
        ("cpp", "#include <vector>\nint main() {\n  std::vector<int> v = {1, 2, 3};\n  for (int x : v"),
        ("emoji", "I love pizza 🍕🍕 and my family 👨‍👩‍👧‍👦! 🇰🇷"),
        ("json", '{"name": "Ada", "born": 1815, "fields": ["mathematics", "computing"], "alive":'),
        ("numbers", "2 + 2 = 4, 12 + 30 = 42, 1024 * 768 = 786432, 3.14159"),
        ("whitespace", "a\n\n\nb\t\tc   d\r\n  e"),
        ("mixed", "한국어와 English를 mixed 하면 どうなる? Что будет?"),
        ("french", "Où est la bibliothèque ? Elle est à côté de l'hôtel de ville, près du"),
        ("list", "Shopping list:\n1. eggs\n2. milk\n3."),
        ("sql", "SELECT name, COUNT(*) FROM users WHERE age >= 18 GROUP BY"),
        ("markdown", "# Title\n\nSome *emphasis* and `code`.\n\n- item one\n- item"),
        ("question", "Q: Why is the sky blue?\nA:"),
        ("specials", "<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\nHello<|im_end|>\n"),
        ("1500 tokens", long_text),
    ]


@torch.no_grad()
def greedy(model, ids, count):
    out, margins = [], []
    past, step = None, torch.tensor([ids])
    for _ in range(count):
        r = model(step, past_key_values=past, use_cache=True)
        past = r.past_key_values
        top = torch.topk(r.logits[0, -1].double(), 2)
        out.append(int(top.indices[0]))
        margins.append(round(float(top.values[0] - top.values[1]), 5))
        step = torch.tensor([[out[-1]]])
    return out, margins


ENGLISH = ("The first dictionary of a language is rarely written by one person. Words have to be "
           "gathered from farms and fishing villages, from old letters and from the talk of "
           "markets, and each of them has to be weighed: is it still alive, where is it said, and "
           "by whom? The people who do this work are seldom paid well, and often not at all. They "
           "sort slips of paper into boxes, argue about spelling late at night, and hope that a "
           "printer will be found. What remains of them in the end is a book in which nobody reads "
           "the preface. Yet every sentence that is written afterwards stands on their shelves. ") * 3
KOREAN = ("사전을 만드는 일은 낱말을 모으는 일에서 시작한다. 사람들은 마을을 돌아다니며 말을 듣고, 종이에 적고, "
          "뜻을 풀이하였다. 오랜 시간이 지나 그 종이들은 한 권의 책이 되었다. 우리는 지금도 그 책을 펼쳐 본다. ") * 4


@torch.no_grad()
def main():
    path, folder = sys.argv[1:3]
    reader = gguf.GGUFReader(path)
    model, tokenizer = load_model(reader), load_tokenizer(reader)
    cases = []
    for name, text in prompts():
        ids = tokenizer.encode(text).ids
        if name == "1500 tokens":
            text = tokenizer.decode(ids[:1499], skip_special_tokens=False).rstrip("\ufffd")
            ids = tokenizer.encode(text).ids
        logits = model(torch.tensor([ids])).logits[0].double()
        if len(ids) > 100:
            positions = sorted({0, 1, len(ids) - 1, *range(31, len(ids), 48)})
        else:
            positions = list(range(len(ids)))
        rows = []
        for p in positions:
            top = torch.topk(logits[p], 5)
            rows.append({"p": p, "lse": round(float(torch.logsumexp(logits[p], 0)), 5),
                         "ids": top.indices.tolist(),
                         "logits": [round(float(v), 5) for v in top.values],
                         # all logits, projected: any wrong one shows
                         "mean": round(float(logits[p].mean()), 6),
                         "rms": round(float(logits[p].pow(2).mean().sqrt()), 6)})
        tokens, margins = greedy(model, ids, 64)
        cases.append({"name": name, "text": text, "ids": ids, "rows": rows,
                      "greedy": tokens, "margins": margins})
        print(name, len(ids), repr(tokenizer.decode(tokens))[:100], flush=True)
    with open(path, "rb") as f:
        digest = hashlib.sha256(f.read()).hexdigest()
    about = {"model": "SmolLM2-135M-Instruct Q4_1", "sha256": digest,
             "made_with": f"transformers {transformers.__version__}, torch {torch.__version__}, "
                          f"tokenizers {tokenizers.__version__}, gguf-py"}
    with open(f"{folder}/verify.json", "w") as f:
        json.dump({**about, "prompts": cases}, f, ensure_ascii=False, separators=(",", ":"))
    ids = tokenizer.encode(prompts()[0][1]).ids
    hidden = model(torch.tensor([ids]), output_hidden_states=True).hidden_states
    with open(f"{folder}/layers.json", "w") as f:  # the last entry is normed: left out
        json.dump({**about, "ids": ids, "hidden": [[round(float(v), 6) for v in h[0, -1]]
                                                  for h in hidden[:-1]]},
                  f, separators=(",", ":"))
    texts = []
    for text in (ENGLISH, KOREAN):
        ids = tokenizer.encode(text).ids
        logits = model(torch.tensor([ids])).logits[0].double()
        nll = torch.nn.functional.cross_entropy(
            logits[:-1], torch.tensor(ids[1:]), reduction="sum").item()
        texts.append({"text": text, "tokens": len(ids) - 1, "nll": nll,
                      "perplexity": float(np.exp(nll / (len(ids) - 1)))})
    with open(f"{folder}/perplexity.json", "w") as f:
        json.dump({**about, "texts": texts}, f, ensure_ascii=False, indent=1)


main()
