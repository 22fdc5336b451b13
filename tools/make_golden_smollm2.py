#!/usr/bin/env python3
"""Reference values for SmolLM2-135M-Instruct (Q4_1), by transformers.

Run by hand: make_golden_smollm2.py MODEL.gguf OUTPUT_FOLDER
Needs torch, transformers, tokenizers, safetensors, gguf, numpy.

The weights are those of the GGUF, dequantized to float32 by gguf-py; the
forward is transformers' in float32 on the CPU; token ids are those of the
tokenizers library on the same vocabulary and merges. What is in each file
written is told in OUTPUT_FOLDER/README.md.
"""
import hashlib, json, sys
import numpy as np, torch, transformers, tokenizers, gguf
from safetensors.torch import save_file
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
    """The greedy continuation, and top-1 minus top-2 at each step."""
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


ENGLISH = (
    "The first dictionary of a language is rarely written by one person. "
    "Words have to be gathered from farms and fishing villages, from old "
    "letters and from the talk of markets, and each of them has to be "
    "weighed: is it still alive, where is it said, and by whom? The people "
    "who do this work are seldom paid well, and often not at all. They sort "
    "slips of paper into boxes, argue about spelling late at night, and hope "
    "that a printer will be found. What remains of them in the end is a book "
    "in which nobody reads the preface.\n\n"
    "My grandmother kept such a box under her bed. It had once held 48 tins "
    "of sardines, and it smelled of the harbour for as long as she lived. "
    "When a visitor used a word she did not know, she would stop pouring the "
    "tea, ask for it again, slowly, and write it down with the name of the "
    "village beside it. A neighbour told her it was a waste of good paper. "
    "\"Paper can be bought,\" she said, \"but old Marten is ninety-one.\"\n\n"
    "After the war a student came from the university with a tape recorder "
    "that weighed more than his bicycle. He stayed for three weeks and ate "
    "most of our potatoes. He explained that a word is not one thing: it has "
    "a sound, a shape on the page, a family, a history, and a crowd of "
    "neighbours it is usually seen with, and if you know the neighbours you "
    "can often guess the word. My grandmother thought this over. Then she "
    "said that it was the same with people, and that she could have told him "
    "so without the machine.\n\n"
    "The dictionary was finished in 1974, in two volumes, bound in green "
    "cloth. Her name is not in it, but I have found at least thirty of her "
    "slips there, unchanged, down to the comma. I open it sometimes at "
    "random, the way others open the Bible, and I read a page. There is the "
    "word for the first thin ice that will not carry a dog, and the word for "
    "the place at the table nearest to the stove. Nobody has said them aloud "
    "in this valley for years. Yet they are not lost; somebody asked, and "
    "somebody wrote down the answer.")
KOREAN = (
    "사전을 만드는 일은 낱말을 모으는 일에서 시작한다. 사람들은 마을을 돌아다니며 말을 "
    "듣고, 종이에 적고, 뜻을 풀이하였다. 오랜 시간이 지나 그 종이들은 한 권의 책이 되었다. "
    "말모이는 1911년 무렵 주시경과 제자들이 쓰기 시작한 첫 우리말 사전의 이름이다. 그러나 "
    "스승이 일찍 세상을 떠나고 제자들도 흩어지면서 원고는 끝내 책으로 나오지 못하였다.\n\n"
    "할머니의 방에는 낡은 나무 상자가 하나 있었다. 상자 안에는 손바닥만 한 종이가 가득했고, "
    "종이마다 낱말 하나와 그 말을 들은 고장의 이름이 적혀 있었다. 모르는 말을 들으면 할머니는 "
    "차를 따르다가도 손을 멈추고 다시 한 번 천천히 말해 달라고 부탁했다. 이웃 사람은 종이가 "
    "아깝다고 했지만, 할머니는 종이야 다시 사면 되지만 사람은 다시 오지 않는다고 대답했다.\n\n"
    "봄이 되면 강가의 얼음이 풀리고 아이들은 학교 가는 길에 물수제비를 떴다. 얇게 언 첫 얼음을 "
    "가리키는 말이 따로 있다는 것을 나는 그때 배웠다. 지금은 아무도 그 말을 쓰지 않는다. "
    "그래도 누군가 물었고 누군가 적어 두었기 때문에, 사전을 펼치면 그 말은 아직 거기에 있다.")
# Logits kept at every position, whatever their rank: two specials, a byte,
# a frequent word and others up to the last row of the vocabulary.
FIXED_IDS = [0, 2, 17, 198, 1000, 10000, 30000, 49151]


def all_cases(tokenizer):
    """(name, text, ids) of each prompt; ids encode text exactly."""
    for name, text in prompts():
        ids = tokenizer.encode(text).ids
        if name == "1500 tokens":
            text = tokenizer.decode(
                ids[:1499], skip_special_tokens=False).rstrip("\ufffd")
            ids = tokenizer.encode(text).ids
        yield name, text, ids


def verify_positions(count):
    """Every position of a short prompt, some of a long one."""
    if count > 100:
        return sorted({0, 1, count - 1, *range(31, count, 48)})
    return list(range(count))


def verify_rows(logits):
    """The rows of one prompt in verify.json."""
    for p in verify_positions(len(logits)):
        top = torch.topk(logits[p], 5)
        yield {"p": p,
               "lse": round(float(torch.logsumexp(logits[p], 0)), 5),
               "ids": top.indices.tolist(),
               "logits": [round(float(v), 5) for v in top.values],
               # Of all logits: any wrong one shows.
               "mean": round(float(logits[p].mean()), 6),
               "rms": round(float(logits[p].pow(2).mean().sqrt()), 6)}


def logit_tensors(name, logits):
    """Entries of logits.safetensors for one prompt, all positions."""
    top = torch.topk(logits, 16)
    lse = torch.logsumexp(logits.double(), -1).float()
    return {f"{name}/top16_ids": top.indices.int(),
            f"{name}/top16_logits": top.values.contiguous(),
            f"{name}/logsumexp": lse,
            f"{name}/fixed_logits": logits[:, FIXED_IDS].contiguous()}


def hidden_states(model, ids):
    """The residual stream after the embedding, each layer, the last norm."""
    states, hooks = [], []
    keep = lambda module, inputs, output: states.append(
        (output[0] if isinstance(output, tuple) else output).reshape(
            len(ids), -1).clone())
    parts = model.model
    for module in (parts.embed_tokens, *parts.layers, parts.norm):
        hooks.append(module.register_forward_hook(keep))
    model(torch.tensor([ids]))
    for hook in hooks:
        hook.remove()
    return {"ids": torch.tensor(ids).int(), "embedding": states[0],
            "layers": torch.stack(states[1:-1]), "final_norm": states[-1]}


class HalfCache(transformers.DynamicCache):
    """Keys and values rounded to float16, as a program's cache may be."""

    def update(self, keys, values, *args, **kwargs):
        return super().update(keys.half().float(), values.half().float(),
                              *args, **kwargs)


def quantize_inputs(model, block):
    """Hooks that round each Linear's input to int8, one scale per block.

    Symmetric, scale = max|x| / 127, round half to even; block 0: per row.
    """
    def hook(module, inputs):
        x = inputs[0]
        blocks = x.reshape(*x.shape[:-1], -1, block or x.shape[-1])
        scale = blocks.abs().amax(-1, keepdim=True) / 127
        safe = torch.where(scale == 0, 1, scale)
        return ((blocks / safe).round() * scale).reshape(x.shape)
    return [m.register_forward_pre_hook(hook) for m in model.modules()
            if isinstance(m, torch.nn.Linear)]


def measure_error(model, cases, references, setup, cache=None):
    """How far the logits move when the forward is changed by setup.

    verify_*: over the positions, and of the five logits, of verify.json.
    """
    hooks = setup() or []
    largest, total, count, kls, changed, per_prompt = 0., 0., 0, [], 0, []
    verify_largest, verify_kls = 0., []
    for (name, _, ids), reference in zip(cases, references):
        r = model(torch.tensor([ids]), use_cache=cache is not None,
                  past_key_values=cache() if cache else None)
        logits = r.logits[0]
        error = (logits - reference).abs()
        log_p = torch.log_softmax(reference, -1)
        log_q = torch.log_softmax(logits, -1)
        kl = (log_p.exp() * (log_p - log_q)).sum(-1).clamp(min=0)
        kls.append(kl)
        changed += int((logits.argmax(-1) != reference.argmax(-1)).sum())
        largest = max(largest, float(error.max()))
        total += float(error.double().sum())
        count += error.numel()
        rows = verify_positions(len(ids))
        verify_kls.append(kl[rows])
        top = reference[rows].topk(5).indices
        verify_largest = max(verify_largest,
                             float(error[rows].gather(1, top).max()))
        per_prompt.append((name, float(error.max()), float(kl.mean())))
    for hook in hooks:
        hook.remove()
    kl = torch.cat(kls)
    worst = max(per_prompt, key=lambda r: r[1])
    return {"max_abs_logit": largest, "mean_abs_logit": total / count,
            "mean_kl": float(kl.mean()), "p99_kl": float(kl.quantile(0.99)),
            "max_kl": float(kl.max()), "other_top1": changed,
            "positions": len(kl), "worst_prompt": worst[0],
            "largest_prompt_mean_kl": max(r[2] for r in per_prompt),
            "verify_max_abs_logit": verify_largest,
            "verify_mean_kl": float(torch.cat(verify_kls).mean())}


def numeric_study(model, cases, references):
    """Errors to expect of other arithmetic; the README's table."""
    def attention(kind):
        return lambda: model.set_attn_implementation(kind)
    study = {}
    study["another order of f32 sums (sdpa)"] = measure_error(
        model, cases, references, attention("sdpa"))
    study["keys and values in f16"] = measure_error(
        model, cases, references, attention("eager"), cache=HalfCache)
    for name, block in (("int8 activations per 32", 32),
                        ("int8 activations per row", 0)):
        study[name] = measure_error(model, cases, references,
                                    lambda: quantize_inputs(model, block))
    study["int8 per 32 and f16 keys and values"] = measure_error(
        model, cases, references, lambda: quantize_inputs(model, 32),
        cache=HalfCache)
    return study


def perplexity(model, tokenizer, text):
    """One context, no token put in front: the first one is not scored."""
    ids = tokenizer.encode(text).ids
    logits = model(torch.tensor([ids])).logits[0].double()
    nll = torch.nn.functional.cross_entropy(
        logits[:-1], torch.tensor(ids[1:]), reduction="sum").item()
    return {"text": text, "tokens": len(ids) - 1, "nll": nll,
            "perplexity": float(np.exp(nll / (len(ids) - 1)))}


def write_json(path, value, **kwargs):
    kwargs = kwargs or {"separators": (",", ":")}
    with open(path, "w", encoding="utf-8") as f:
        json.dump(value, f, ensure_ascii=False, **kwargs)
        f.write("\n")


@torch.no_grad()
def main():
    path, folder = sys.argv[1:3]
    reader = gguf.GGUFReader(path)
    model, tokenizer = load_model(reader), load_tokenizer(reader)
    cases = list(all_cases(tokenizer))
    with open(path, "rb") as f:
        digest = hashlib.sha256(f.read()).hexdigest()
    about = {"model": "SmolLM2-135M-Instruct Q4_1", "sha256": digest,
             "made_with": f"transformers {transformers.__version__}, "
                          f"torch {torch.__version__}, "
                          f"tokenizers {tokenizers.__version__}, gguf-py"}
    metadata = {"about": json.dumps(about)}  # one key: the file's is unordered
    write_json(f"{folder}/prompts.json",
               [{"name": n, "text": t, "ids": i} for n, t, i in cases])
    references, tensors, verify, continued = [], {}, [], []
    for name, text, ids in cases:
        logits = model(torch.tensor([ids])).logits[0]
        references.append(logits)
        tensors |= logit_tensors(name, logits)
        tokens, margins = greedy(model, ids, 64)
        answer = {"greedy": tokens, "margins": margins}
        verify.append({"name": name, "text": text, "ids": ids,
                       "rows": list(verify_rows(logits.double())), **answer})
        continued.append({"name": name, **answer,
                          "text": tokenizer.decode(
                              tokens, skip_special_tokens=False)})
        print(name, len(ids), repr(tokenizer.decode(tokens))[:100], flush=True)
    write_json(f"{folder}/verify.json", {**about, "prompts": verify})
    write_json(f"{folder}/greedy.json", {**about, "prompts": continued})
    tensors["fixed_ids"] = torch.tensor(FIXED_IDS).int()
    save_file(tensors, f"{folder}/logits.safetensors", metadata=metadata)
    hidden = hidden_states(model, cases[0][2])
    save_file(hidden, f"{folder}/layers.safetensors", metadata=metadata)
    last = [hidden["embedding"][-1], *hidden["layers"][:, -1]]
    write_json(f"{folder}/layers.json",
               {**about, "ids": cases[0][2],
                "hidden": [[round(float(v), 6) for v in h] for h in last]})
    write_json(f"{folder}/perplexity.json",
               {**about, "texts": [perplexity(model, tokenizer, text)
                                   for text in (ENGLISH, KOREAN)]}, indent=1)
    print("all but the study is written", flush=True)
    write_json(f"{folder}/study.json",
               {**about, "study": numeric_study(model, cases, references)},
               indent=1)


if __name__ == "__main__":
    main()
