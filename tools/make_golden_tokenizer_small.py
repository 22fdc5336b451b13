#!/usr/bin/env python3
"""Small tokenizers trained here, and what the tokenizers library makes of
strings with them. Run by hand: make_golden_tokenizer_small.py OUTPUT_FOLDER"""
import json, random, sys
from tokenizers import AddedToken, Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers, Regex

random.seed(3)
CORPUS = ["The quick brown fox jumps over the lazy dog. " * 3, "말모이는 우리말을 모은 사전이다. 우리말 사전을 만들자. " * 3,
          "def main():\n    return [i for i in range(10)]\n" * 3, "it's we're they'll I'd don't\n\n\tx = 12345 + 678.9;"] * 5
ATOMS = ["hello", " world", "한국어", " 말모이", "é", "e\u0301", "ß", "🍕", "👨‍👩‍👧", "\n", "\n\n", "\t", "  ", "    ", " ", "1", "42", "３", "½",
         "'s", "'re", "don't", ".", ",", "!?", "<|im_end|>", "<|im_start|>", "$", "#include", "{", "}", "x=y", "\u00a0", "\u3000",
         "\u200b", "\ufeff", "ñandú", "Übung", "日本語", "Ω", "\u0301", "\x00", "\x7f", "ㄱㅏ", "각", "\u1100\u1161\u11a8", "٣", "Ⅳ"]


def strings():
    yield from ATOMS
    for _ in range(120):
        yield "".join(random.choice(ATOMS) for _ in range(random.randrange(2, 12)))
    for _ in range(40):
        yield "".join(chr(random.choice([random.randrange(32, 127), random.randrange(0xa0, 0x2fff), random.randrange(0xac00, 0xd7a3),
                                         random.randrange(0x1f300, 0x1f6ff)])) for _ in range(random.randrange(1, 20)))
    yield "a" * 200
    yield "ab" * 100 + " " * 50


def train(pre, normalizer=None):
    t = Tokenizer(models.BPE())
    t.pre_tokenizer = pre
    t.decoder = decoders.ByteLevel()
    if normalizer:
        t.normalizer = normalizer
    t.train_from_iterator(CORPUS, trainers.BpeTrainer(vocab_size=500, show_progress=False,
                          initial_alphabet=pre_tokenizers.ByteLevel.alphabet()))
    t.add_special_tokens([AddedToken("<|im_start|>", special=True), AddedToken("<|im_end|>", special=True)])
    return t


LLAMA3 = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
byte_level = lambda **k: pre_tokenizers.ByteLevel(**{"add_prefix_space": False, "use_regex": True, **k})
sets = [
    (train(pre_tokenizers.Sequence([pre_tokenizers.Digits(individual_digits=True), byte_level()])), True),
    (train(pre_tokenizers.Sequence([pre_tokenizers.Split(Regex(LLAMA3), "isolated"), byte_level(use_regex=False)])), True),
    (train(byte_level(add_prefix_space=True)), False),
    (train(byte_level(), normalizers.NFC()), False),
]
out = []
for tokenizer, exact in sets:
    out.append({"tokenizer": json.loads(tokenizer.to_str()),
                "cases": [{"text": s, "ids": tokenizer.encode(s).ids, "exact": exact} for s in strings()]})
json.dump(out, open(sys.argv[1] + "/small.json", "w"), ensure_ascii=False, separators=(",", ":"))
