#!/usr/bin/env python3
"""Reference values of tokenizers, made with Hugging Face `tokenizers`.

    python tools/make_golden_tokenizer.py MODEL.gguf DATA_FOLDER OUT_FOLDER

MODEL.gguf is SmolLM2: its vocabulary and merges become a tokenizer.json with
the stages that SmolLM2's own has. DATA_FOLDER holds English and Korean text,
with which small tokenizers are trained. OUT_FOLDER is tests/golden/tokenizer.

Ranges in the output are bytes, and cover whole characters.
"""
import glob
import json
import os
import random
import sys

from tokenizers import Tokenizer, models, pre_tokenizers, trainers

LLAMA3 = (r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}|"
          r" ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+")
QWEN2 = LLAMA3.replace(r"\p{N}{1,3}", r"\p{N}")
TEKKEN = (r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*"
          r"[\p{Ll}\p{Lm}\p{Lo}\p{M}]+|[^\r\n\p{L}\p{N}]?"
          r"[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*|\p{N}|"
          r" ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+")


def byte_level(prefix=False, regex=True):
    return {"type": "ByteLevel", "add_prefix_space": prefix,
            "trim_offsets": True, "use_regex": regex}


def sequence(key, *parts):
    return {"type": "Sequence", key: list(parts)}


def split(pattern, behavior="Isolated", invert=False, kind="Regex"):
    return {"type": "Split", "pattern": {kind: pattern}, "behavior": behavior,
            "invert": invert}


def smollm2_json(path):
    """The tokenizer.json of SmolLM2 from the metadata of its GGUF file."""
    import gguf
    fields = gguf.GGUFReader(path).fields
    tokens = fields["tokenizer.ggml.tokens"].contents()
    merges = fields["tokenizer.ggml.merges"].contents()
    types = fields["tokenizer.ggml.token_type"].contents()
    return {
        "version": "1.0", "truncation": None, "padding": None,
        "added_tokens": [
            {"id": i, "content": tokens[i], "single_word": False,
             "lstrip": False, "rstrip": False, "normalized": False,
             "special": True} for i, t in enumerate(types) if t == 3],
        "normalizer": None,
        "pre_tokenizer": sequence(
            "pretokenizers", {"type": "Digits", "individual_digits": True},
            byte_level()),
        "post_processor": None, "decoder": byte_level(True),
        "model": {"type": "BPE", "dropout": None, "unk_token": None,
                  "continuing_subword_prefix": None,
                  "end_of_word_suffix": None, "fuse_unk": False,
                  "byte_fallback": False, "ignore_merges": False,
                  "vocab": {t: i for i, t in enumerate(tokens)},
                  "merges": merges}}


ENGLISH = ("The quick brown fox jumps over the lazy dog. I'll say it's what "
           "THEY'VE done, don't you?").split()
KOREAN = ("말모이는 우리말을 모으는 사전 편찬 사업이었다. 안녕하세요? 오늘 날씨가 참 "
          "좋네요 ㅋㅋㅋ ㅠㅠ 값어치 닭볶음탕 뷁").split()
EMOJI = ["😀", "👨‍👩‍👧‍👦", "🏳️‍🌈", "👍🏽", "🇰🇷", "❤️", "☕", "🧑🏿‍🚀", "1️⃣"]
CODE = ["def f(x):\n    return x**2", "for (int i = 0; i < n; ++i) {\n\t",
        "#include <vector>\r\n", "a[i]->b::c<T>()", "\"\\n\"", "// TODO: 말",
        "SELECT * FROM t WHERE id=42;", "x = {'a': [1, 2.5e-3]}\n\n"]
DIGITS = ["0", "7", "42", "1,234.5", "2024-11-24", "١٢٣", "²³¹", "½", "Ⅷ",
          "①②", "๓", "1234567", "𝟘𝟙", "\U00011de0"]
SPACES = [" ", "  ", "   ", "\t", "\n", "\n\n", "\r\n", "\u00a0", "\u3000",
          "\u2028", "\u200b", "\u200d", "\x0b", "\x0c", "\x85", "\u180e",
          "\ufeff", "        "]
MARKS = ["é", "e\u0301", "ñ", "n\u0303", "각", "\u1100\u1161\u11a8", "ṩ",
         "s\u0323\u0307", "ﬁ", "Å", "Ω", "İ", "ǅ", "ß", "ſ", "K",
         "\u0301", "a\u0300\u0316", "क्षि", "กำ", "เก็บ"]
CONTROL = ["\x00", "\x01", "\x1b[31m", "\x7f", "\x9f", "\x07"]
UNASSIGNED = ["\u0378", "\u0897", "\U0001ccf3", "\U000e0041", "\ue000",
              "\U00031350", "\u1c89\u1c8a", "\ua7cb", "\uffff",
              "\U0001faea", "\U000105c0"]
OTHER = ["Привет", "日本語テキスト", "中文字符", "مرحبا بالعالم", "שלום", "𝔘𝔫𝔦",
         "¡Hola!", "“quotes”", "…", "—", "€100", "50%", "'s", "'LL", "'ſ",
         "_", "__init__", "a_b", "http://x.kr/?q=1&r=2", "foo@bar.com", "'"]
SPECIAL = ["<|im_start|>", "<|im_end|>", "<|endoftext|>", "<repo_name>",
           "<|im_start", "<s>", "<mask>", "wordy", "Ünï", "<|im_end|> \n"]
CLASSES = [ENGLISH, KOREAN, EMOJI, CODE, DIGITS, SPACES, MARKS, OTHER, SPECIAL]


def strings(count, seed=1, wild=False):
    """Random texts. wild: also control, private and unassigned characters,
    and any code point at all."""
    rng = random.Random(seed)
    classes = CLASSES + ([CONTROL, UNASSIGNED] if wild else [])
    out = []
    for _ in range(count):
        parts = []
        favourite = rng.choice(classes)
        for _ in range(rng.choice([1, 2, 3, 5, 8, 13, 30])):
            group = favourite if rng.random() < 0.5 else rng.choice(classes)
            part = rng.choice(group)
            kind = rng.random()
            if kind < 0.1:
                part *= rng.randint(2, 9)
            elif kind < 0.15 and len(part) > 1:
                part = part[rng.randrange(len(part)):]
            elif wild and kind < 0.25:
                c = rng.choice([rng.randrange(0x300), rng.randrange(0x10000),
                                rng.randrange(0x110000)])
                part = chr(c) if not 0xd800 <= c < 0xe000 else "?"
            parts.append(part)
            if rng.random() < 0.5:
                parts.append(rng.choice([" ", " ", " ", "  ", "\n", ""]))
        out.append("".join(parts))
    return out


def byte_ranges(text, encoding):
    starts = [0]
    for c in text:
        starts.append(starts[-1] + len(c.encode()))
    return [[starts[b], starts[e]] for b, e in encoding.offsets]


def cases(tokenizer, texts, offsets=True):
    out = []
    for text in texts:
        encoding = tokenizer.encode(text)
        case = {"text": text, "ids": encoding.ids}
        if offsets:
            case["offsets"] = byte_ranges(text, encoding)
        out.append(case)
    return out


def corpus(folder):
    """Lines of English, Korean and code (Python's json module)."""
    lines = []
    here = os.path.dirname(json.__file__)
    for path in [os.path.join(folder, "tinyshakespeare.txt"),
                 os.path.join(folder, "korean-chatbot.csv"),
                 *sorted(glob.glob(os.path.join(here, "*.py")))]:
        with open(path, encoding="utf-8") as file:
            lines += file.read(200_000).splitlines(keepends=True)
    return lines


def train(folder, pre_tokenizer, **options):
    model = {k: options.pop(k) for k in ("unk_token", "byte_fallback",
                                         "fuse_unk", "end_of_word_suffix",
                                         "continuing_subword_prefix")
             if k in options}
    tokenizer = Tokenizer(models.BPE(**model))
    tokenizer.pre_tokenizer = pre_tokenizer
    for key in ("end_of_word_suffix", "continuing_subword_prefix"):
        if key in model:
            options[key] = model[key]
    trainer = trainers.BpeTrainer(show_progress=False, **options)
    tokenizer.train_from_iterator(corpus(folder), trainer)
    return json.loads(tokenizer.to_str())


ADDED = [
    {"content": "<mask>", "lstrip": True, "special": True},
    {"content": "<s>", "rstrip": True, "special": True},
    {"content": "wordy", "single_word": True, "normalized": True},
    {"content": "Ünï", "normalized": True},
    {"content": "<s><s>", "special": False, "normalized": False},
]


def added(first_id):
    return [{"id": first_id + i, "single_word": False, "lstrip": False,
             "rstrip": False, "normalized": False, "special": False, **token}
            for i, token in enumerate(ADDED)]


def template(ids):
    """<s> before a text, <mask> after it."""
    return {"type": "TemplateProcessing",
            "single": [{"SpecialToken": {"id": "<s>", "type_id": 0}},
                       {"Sequence": {"id": "A", "type_id": 0}},
                       {"SpecialToken": {"id": "<mask>", "type_id": 0}}],
            "pair": [{"Sequence": {"id": "A", "type_id": 0}},
                     {"Sequence": {"id": "B", "type_id": 1}}],
            "special_tokens": {
                name: {"id": name, "ids": [ids[name]], "tokens": [name]}
                for name in ("<s>", "<mask>")}}


def variants(base):
    """name -> (tokenizer.json it changes, changes). Stages in many forms."""
    ids = {t["content"]: t["id"] for t in base["added_tokens"]}
    out = {}
    for form in ("NFC", "NFD", "NFKC", "NFKD", "Lowercase"):
        out[form] = ("small", {"normalizer": {"type": form}})
    out["normalizers"] = ("small", {"normalizer": sequence(
        "normalizers", {"type": "Strip", "strip_left": True,
                        "strip_right": False},
        {"type": "Replace", "pattern": {"Regex": r"\s+"}, "content": " "},
        {"type": "Replace", "pattern": {"String": "'"}, "content": "’’"},
        {"type": "Prepend", "prepend": "→"})})
    out["prefix space, trimmed"] = ("small", {
        "pre_tokenizer": byte_level(True),
        "post_processor": byte_level(True)})
    out["template"] = ("small", {"post_processor": sequence(
        "processors", byte_level(False), template(ids))})
    out["roberta"] = ("small", {
        "pre_tokenizer": byte_level(False),
        "post_processor": {
            "type": "RobertaProcessing", "sep": ["<mask>", ids["<mask>"]],
            "cls": ["<s>", ids["<s>"]], "trim_offsets": True,
            "add_prefix_space": False}})
    for name, pattern in (("llama3", LLAMA3), ("qwen2", QWEN2),
                          ("tekken", TEKKEN)):
        out[name] = ("small", {"pre_tokenizer": sequence(
            "pretokenizers", split(pattern), byte_level(regex=False))})
    out["ignore merges"] = ("small", {
        "pre_tokenizer": sequence("pretokenizers", split(LLAMA3),
                                  byte_level(regex=False)),
        "model": {"ignore_merges": True}})
    out["falcon"] = ("small", {"pre_tokenizer": sequence(
        "pretokenizers", {"type": "Punctuation", "behavior": "Contiguous"},
        byte_level(), {"type": "Digits", "individual_digits": False},
        split("[0-9][0-9][0-9]"))})
    for behavior in ("Removed", "Isolated", "MergedWithPrevious",
                     "MergedWithNext", "Contiguous"):
        for invert in (False, True):
            out[f"split {behavior} {invert}"] = ("small", {
                "pre_tokenizer": sequence(
                    "pretokenizers", split(r"\d|[aeiou가-힣]", behavior,
                                           invert),
                    byte_level(regex=False))})
        out[f"punctuation {behavior}"] = ("small", {
            "pre_tokenizer": sequence(
                "pretokenizers", {"type": "Punctuation",
                                  "behavior": behavior}, byte_level())})
        out[f"text {behavior}"] = ("small", {"pre_tokenizer": sequence(
            "pretokenizers", split(" ", behavior, False, "String"),
            byte_level(True, False))})
    for name, pattern in (
            ("empty matches", r"(?=[A-Z0-9가-힣])|x*"),
            ("classes", r"\w+|[^\w\s]|\h\h|\S"), ("lines", r"^.|.$|\p{Han}"),
            ("scripts", r"[\p{Hangul}\p{Latin}]+|\P{L}+"),
            ("quantifiers", r"[a-z]{,3}\d|a++|o{2}")):
        out[name] = ("small", {"pre_tokenizer": sequence(
            "pretokenizers", split(pattern), byte_level(regex=False))})
    for name in ("Whitespace", "WhitespaceSplit"):
        out[name] = ("small", {"pre_tokenizer": sequence(
            "pretokenizers", {"type": name}, byte_level(regex=False))})
    out["digits"] = ("small", {"pre_tokenizer": sequence(
        "pretokenizers", {"type": "Digits", "individual_digits": False},
        byte_level())})
    out["pieces"] = ("pieces", {})
    out["pieces, fused unknown"] = ("pieces", {
        "model": {"byte_fallback": False, "unk_token": "<unk>",
                  "fuse_unk": True}})
    out["pieces, unknown"] = ("pieces", {
        "model": {"byte_fallback": False, "unk_token": "<unk>",
                  "fuse_unk": False}})
    out["pieces, legacy"] = ("pieces", {
        "normalizer": sequence(
            "normalizers", {"type": "Prepend", "prepend": "▁"},
            {"type": "Replace", "pattern": {"String": " "}, "content": "▁"}),
        "pre_tokenizer": None})
    for scheme in ("always", "never"):
        for cut in (True, False):
            out[f"metaspace {scheme} {cut}"] = ("pieces", {
                "pre_tokenizer": {"type": "Metaspace", "replacement": "▁",
                                  "prepend_scheme": scheme, "split": cut}})
    out["marked"] = ("marked", {})
    return out


def apply(base, changes):
    result = dict(base)
    for key, value in changes.items():
        result[key] = {**base["model"], **value} if key == "model" else value
    return result


def small_tokenizers(folder):
    base = train(folder, pre_tokenizers.Sequence(
        [pre_tokenizers.Digits(True),
         pre_tokenizers.ByteLevel(add_prefix_space=False)]),
        vocab_size=1000,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet())
    base["added_tokens"] = added(len(base["model"]["vocab"]))
    base["decoder"] = byte_level(True)
    bytes_ = [f"<0x{b:02X}>" for b in range(256)]
    pieces = train(folder, pre_tokenizers.Metaspace(prepend_scheme="first"),
                   vocab_size=900, unk_token="<unk>", byte_fallback=True,
                   limit_alphabet=150,
                   special_tokens=["<unk>", "<s>", *bytes_])
    pieces["added_tokens"] = [t for t in pieces["added_tokens"]
                              if not t["content"].startswith("<0x")]
    pieces["decoder"] = sequence(
        "decoders",
        {"type": "Replace", "pattern": {"String": "▁"}, "content": " "},
        {"type": "ByteFallback"}, {"type": "Fuse"},
        {"type": "Strip", "content": " ", "start": 1, "stop": 0})
    marked = train(folder, pre_tokenizers.Whitespace(), vocab_size=900,
                   unk_token="<unk>", limit_alphabet=120,
                   special_tokens=["<unk>"], end_of_word_suffix="</w>",
                   continuing_subword_prefix="##")
    return {"small": base, "pieces": pieces, "marked": marked}


def main():
    gguf_path, data, out = sys.argv[1:]
    os.makedirs(out, exist_ok=True)

    def write(name, value):
        path = os.path.join(out, name)
        with open(path, "w", encoding="utf-8") as file:
            json.dump(value, file, ensure_ascii=False, separators=(",", ":"))
            file.write("\n")
        print(path, os.path.getsize(path))

    smollm2 = Tokenizer.from_str(json.dumps(smollm2_json(gguf_path)))
    write("smollm2.json", cases(smollm2, strings(300, seed=3)))
    bases = small_tokenizers(data)
    for name, value in bases.items():
        write(f"{name}.tokenizer.json", value)
    groups = []
    texts = [text for text in strings(900, seed=4) if len(text) < 90]
    for name, (base, changes) in variants(bases["small"]).items():
        tokenizer = Tokenizer.from_str(
            json.dumps(apply(bases[base], changes)))
        # The normal forms' own alignment leaves combined marks out.
        exact = not name.startswith("NF")
        part = texts[:10] if base == "small" else texts[:24]
        texts = texts[7:] + texts[:7]
        group = {"name": name, "base": base, "changes": changes,
                 "cases": cases(tokenizer, part, exact)}
        for case in group["cases"]:
            case["decoded"] = tokenizer.decode(case["ids"],
                                               skip_special_tokens=False)
        tokenizer.encode_special_tokens = True
        group["plain"] = cases(tokenizer, part[:3], exact)
        groups.append(group)
    write("variants.json", groups)


if __name__ == "__main__":
    main()
