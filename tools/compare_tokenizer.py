#!/usr/bin/env python3
"""Compares `malmoi tokenize` with the tokenizers library on random strings
and on the files of a folder.

Run by hand: compare_tokenizer.py MALMOI MODEL.gguf [FOLDER] (needs gguf,
tokenizers). Prints how many strings differ; exits 1 if any does.
"""
import json, os, random, subprocess, sys
import gguf
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers

binary, path = sys.argv[1:3]
reader = gguf.GGUFReader(path)
get = lambda key: reader.get_field("tokenizer.ggml." + key).contents()
tokens, types = get("tokens"), get("token_type")
reference = Tokenizer(models.BPE(vocab={w: i for i, w in enumerate(tokens)},
                                 merges=[tuple(m.split(" ", 1)) for m in get("merges")]))
reference.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.Digits(individual_digits=True),
                                                   pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True)])
reference.decoder = decoders.ByteLevel()
reference.add_special_tokens([AddedToken(tokens[i], special=True, normalized=False) for i, t in enumerate(types) if t == 3])

CHARS = [b for b in range(256) if 33 <= b < 127 or 161 <= b < 173 or b >= 174]
BYTE = {chr(b): b for b in CHARS}
BYTE.update({chr(256 + i): b for i, b in enumerate(b for b in range(256) if b not in CHARS)})
TABLE = [t.encode() if types[i] == 3 else bytes(BYTE[c] for c in t) for i, t in enumerate(tokens)]
MISSING = set(range(256)) - {t[0] for t in TABLE if len(t) == 1}

random.seed(int(os.environ.get("SEED", 1)))
special = [tokens[i] for i, t in enumerate(types) if t == 3]
WORDS = ("the of and to in is that for it as was with 가 나는 한국어 말모이 사전 입니다 안녕하세요 def return int main() { } ; == != -> "
         "don't we'll I'm 's 're 123 4567 3.14 0x1F https://example.org a@b.c").split() + special
RANGES = [(0x20, 0x7e), (0xa0, 0x24f), (0x370, 0x3ff), (0x400, 0x4ff), (0x590, 0x6ff), (0x900, 0xdff), (0xe00, 0xeff), (0x1100, 0x11ff),
          (0x2000, 0x206f), (0x2100, 0x24ff), (0x3000, 0x30ff), (0x4e00, 0x9fff), (0xac00, 0xd7a3), (0x1f300, 0x1faff), (0, 0x1f), (0x80, 0x9f),
          (0x300, 0x36f), (0xfe00, 0xfe0f), (0xff00, 0xffef), (0x10000, 0x107ff), (0x1d400, 0x1d7ff), (0x10a00, 0x11fff), (0x0, 0xd7ff), (0xe000, 0x10ffff)]


def piece():
    r = random.random()
    if r < 0.35:
        return random.choice(["", " ", "  ", "\n"]) + random.choice(WORDS)
    if r < 0.5:
        return random.choice([" ", "  ", "\t", "\n", "\r\n", "\n\n", "\u3000", "\u00a0", "\u180e", "\u2028", "    "])
    if r < 0.6:
        return random.choice(["👨‍👩‍👧‍👦", "🏳️‍🌈", "🇰🇷", "é", "e\u0301", "각", "\u1100\u1161\u11a8", "½", "Ⅳ", "٣", "①", "ﬁ"])
    low, high = random.choice(RANGES)
    return "".join(chr(random.randint(low, high)) for _ in range(random.randint(1, 6)))


strings = ["".join(piece() for _ in range(random.randint(1, 14))) for _ in range(10000)]
if len(sys.argv) > 3:
    for root, _, names in os.walk(sys.argv[3]):
        for name in sorted(names):
            with open(os.path.join(root, name), "rb") as f:
                try:
                    strings.append(f.read().decode("utf-8"))
                except UnicodeDecodeError:
                    print("not UTF-8, left out:", name)
result = subprocess.run([binary, "tokenize", "--json", "-m", path], input="".join(json.dumps(s, ensure_ascii=False) + "\n" for s in strings),
                        capture_output=True, text=True, check=True)
lines = result.stdout.split("\n")
assert len(lines) == len(strings) + 1, (len(lines), result.stderr)
differences = spellable = restored = 0
for text, line in zip(strings, lines):
    got, ids = json.loads(line), reference.encode(text).ids
    data = text.encode()
    at = 0
    whole = not any(b in MISSING for b in data)  # the vocabulary can spell it
    for begin, end in got["offsets"]:  # every byte belongs to one token
        assert begin == at or not whole, (text[:80], begin, at)
        at = end
    if whole:
        assert at == len(data), text[:80]
        restored += b"".join(TABLE[i] for i in got["ids"]) == data
        spellable += 1
    if got["ids"] != ids:
        differences += 1
        if differences <= 10:
            first = next((i for i, (a, b) in enumerate(zip(got["ids"], ids)) if a != b), -1)
            print("differs:", repr(text[:100]), got["ids"][first:first + 6], ids[first:first + 6])
print(len(strings), "strings,", sum(len(s) for s in strings), "characters,", differences, "differences;", restored, "of", spellable,
      "that the vocabulary can spell decode to the same bytes")
sys.exit(differences != 0 or restored != spellable)
