#!/usr/bin/env python3
"""Compares malmoi's tokenizers with Hugging Face `tokenizers`.

    python tools/compare_tokenizer.py COMPARE_TOKENIZER MODEL.gguf FOLDER...
        [--strings 10000] [--seed 1] [--json tokenizer.json]...

COMPARE_TOKENIZER is the program of that name (build target, not installed).
Texts are random strings, every text file in the folders (whole, and its
lines), and every code point there is. SmolLM2's vocabulary comes from
MODEL.gguf, read as GGUF and as tokenizer.json; the small tokenizers of the
golden files are run with all their variants. If MODEL.gguf holds a tokenizer
of the kind "llama", SentencePiece is the reference, and of --json files the
library; nothing else is compared then. For - as MODEL.gguf only the --json
files are compared.

A text counts as equal if the ids and the ranges are, and its tokens decode to
the bytes of the text, at once and as a stream. Where the vocabulary has no
token for a character, the library drops it; malmoi has to say so, exactly
there.
"""
import argparse
import collections
import glob
import json
import os
import random
import subprocess
import sys
import tempfile

from tokenizers import Tokenizer

from make_golden_tokenizer import (apply, byte_ranges, smollm2_json, strings,
                                   variants)

GOLDEN = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..",
                      "tests", "golden", "tokenizer")


def data_texts(folders):
    """Whole text files, and their lines in pieces of up to 40."""
    whole, lines = [], []
    for folder in folders:
        for path in sorted(glob.glob(os.path.join(folder, "*"))):
            try:
                with open(path, encoding="utf-8", newline="") as file:
                    text = file.read()
            except (UnicodeDecodeError, IsADirectoryError):
                print("not text:", path)
                continue
            whole.append(text)
            parts = text.splitlines(keepends=True)
            lines += ["".join(parts[i:i + 40])
                      for i in range(0, len(parts), 40)]
    return whole, lines


def code_points(few=False):
    """All of them: alone in a word, and in a row. few: without the planes
    where nothing is assigned."""
    points = [c for c in range(0x110000) if not 0xD800 <= c < 0xE000
              and not (few and (0x3ff00 < c < 0xe0000 or c > 0xe0200))]
    out = []
    for i in range(0, len(points), 256):
        row = [chr(c) for c in points[i:i + 256]]
        out.append("".join(f" a{c}b1{c}{c}. {c}" for c in row))
        out.append("".join(row))
    return out


def widen(text, ranges):
    """To whole characters."""
    data = text.encode()
    out = []
    for begin, end in ranges:
        while begin < len(data) and (data[begin] & 0xC0) == 0x80:
            begin -= 1
        while end < len(data) and (data[end] & 0xC0) == 0x80:
            end += 1
        out.append([begin, end])
    return out


class Comparison:
    def __init__(self, program, only):
        self.only = only
        self.program = program
        self.total = collections.Counter()

    def run(self, name, file, reference, texts, ranges=True, bytes_=True,
            plain=False, bare=False, decoded=None):
        if self.only and self.only not in name:
            return
        reference.encode_special_tokens = plain
        expected = reference.encode_batch(texts)
        lines = "".join(json.dumps(t) + "\n" for t in texts)
        done = subprocess.run(
            [self.program, file] + (["--no-special"] if plain else []) +
            (["--bare"] if bare else []),
            input=lines.encode(), capture_output=True, check=False)
        if done.returncode:
            print(name, "FAILED", done.stderr.decode()[-400:])
            self.total["failed programs"] += 1
            return
        answers = done.stdout.decode().split("\n")[:-1]
        assert len(answers) == len(texts), name
        count = collections.Counter(texts=len(texts))
        shown = 0
        for text, encoding, line in zip(texts, expected, answers):
            got = json.loads(line)
            problem = None
            count["tokens"] += len(encoding.ids)
            if got["ids"] != encoding.ids:
                problem = "ids"
            elif got["left_out"] and bytes_:
                count["left out"] += 1
                lossy = reference.decode(
                    encoding.ids, skip_special_tokens=False) != text
                if not lossy:
                    problem = "nothing was left out"
            else:
                if ranges:
                    want = byte_ranges(text, encoding)
                    have = widen(text, got["offsets"])
                    pairs = [(w, h) for w, h in zip(want, have)
                             if w[0] != w[1] and w != h]
                    if pairs:
                        problem = f"ranges {pairs[:3]}"
                want = decoded(text, encoding) if decoded else text
                if bytes_ and bytes.fromhex(got["bytes"]) != want.encode():
                    problem = "bytes"
                if bytes_ and got["stream"] != want:
                    problem = "stream"
            if problem:
                count["DIFFERENT"] += 1
                if shown < 3:
                    shown += 1
                    print("  ", name, problem, repr(text[:100]))
                    if problem == "ids":
                        at = next((i for i, (a, b) in enumerate(
                            zip(got["ids"], encoding.ids)) if a != b),
                            min(len(got["ids"]), len(encoding.ids)))
                        print("     at", at, got["ids"][at:at + 5],
                              encoding.ids[at:at + 5],
                              repr(text[slice(*[o for o in
                                                encoding.offsets[at]])]
                                   if at < len(encoding.offsets) else ""))
        self.total += count
        loaded = [l for l in done.stderr.decode().splitlines()
                  if " ms" in l]
        print(f"{name}: {dict(count)}", "; ".join(loaded), flush=True)


def with_added(texts, names, seed=5):
    """Every third text with the vocabulary's own added tokens in it, and with
    what looks like SentencePiece's spaces and bytes."""
    rng = random.Random(seed)
    names = [*names, "▁", "▁▁", " ▁", "<0x41>", "<0x0A>"]
    out = []
    for i, text in enumerate(texts):
        for _ in range(rng.randint(1, 3) if i % 3 == 0 else 0):
            at = rng.randint(0, len(text))
            text = text[:at] + rng.choice(names) + text[at:]
        out.append(text)
    return out


def pieces(comparison, arguments, sets):
    """Tokenizers of SentencePiece: the GGUF file, and tokenizer.json files."""
    from spm_reference import SpmReference
    reference = SpmReference(arguments.gguf)
    sets["random"] = with_added(sets["random"], reference.added)
    for plain in (False, True):
        for bare in (False, True):
            reference.add_special_tokens = not bare
            name = "gguf" + ", no special" * plain + ", bare" * bare
            for kind, texts in sets.items():
                if plain != bare and kind != "random":
                    continue
                comparison.run(
                    f"{name}, {kind}", arguments.gguf, reference, texts,
                    plain=plain, bare=bare,
                    decoded=lambda text, _: reference.decoded(text))
    json_files(comparison, arguments, sets)


def json_files(comparison, arguments, sets):
    """Those of --json, with their own added tokens in the texts."""
    for path in arguments.json:
        reference = Tokenizer.from_file(path)
        reference.no_truncation()
        reference.no_padding()
        names = [t.content for t in
                 reference.get_added_tokens_decoder().values()]
        for kind, texts in sets.items():
            comparison.run(
                f"{path}, {kind}", path, reference,
                with_added(texts, names) if kind == "random" else texts,
                decoded=lambda _, encoding: reference.decode(
                    encoding.ids, skip_special_tokens=False))
        comparison.run(
            f"{path}, no special", path, reference,
            with_added(sets["random"], names), plain=True,
            decoded=lambda _, encoding: reference.decode(
                encoding.ids, skip_special_tokens=False))


def is_pieces(path):
    import gguf
    kind = gguf.GGUFReader(path).fields["tokenizer.ggml.model"].contents()
    return kind == "llama"


def smollm2_and_small(comparison, arguments, sets, tame, few):
    smollm2 = smollm2_json(arguments.gguf)
    reference = Tokenizer.from_str(json.dumps(smollm2))
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "tokenizer.json")

        def save(value):
            with open(path, "w", encoding="utf-8") as file:
                json.dump(value, file)

        save(smollm2)
        for name, file in (("gguf", arguments.gguf), ("json", path)):
            for kind, texts in sets.items():
                comparison.run(f"SmolLM2 {name}, {kind}", file, reference,
                               texts)
        comparison.run("SmolLM2 gguf, no special", arguments.gguf, reference,
                       random_texts, plain=True)
        bases = {}
        for base in ("small", "pieces", "marked"):
            with open(os.path.join(GOLDEN, f"{base}.tokenizer.json"),
                      encoding="utf-8") as file:
                bases[base] = json.load(file)
        for name, (base, changes) in variants(bases["small"]).items():
            value = apply(bases[base], changes)
            save(value)
            reference = Tokenizer.from_str(json.dumps(value))
            plain_bytes = base == "small" and not changes
            for kind, texts in (("random", sets["random"][:len(tame)] + tame),
                                ("code points", few)):
                comparison.run(f"{name}, {kind}", path, reference, texts,
                               ranges=not name.startswith("NF"),
                               bytes_=plain_bytes)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("program")
    parser.add_argument("gguf")
    parser.add_argument("folders", nargs="*")
    parser.add_argument("--strings", type=int, default=10000)
    parser.add_argument("--only", help="tokenizers whose name has this")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--json", action="append", default=[])
    arguments = parser.parse_args()
    comparison = Comparison(arguments.program, arguments.only)
    random_texts = strings(arguments.strings, arguments.seed, wild=True)
    tame = strings(arguments.strings // 10, arguments.seed + 1)
    whole, lines = data_texts(arguments.folders)
    points = code_points()
    few = code_points(few=True)
    sets = {"random": random_texts, "files": whole, "lines": lines,
            "code points": points}
    if arguments.gguf == "-":
        json_files(comparison, arguments, sets)
    elif is_pieces(arguments.gguf):
        sets["code points"] = few  # the others are bytes, tokens by millions
        pieces(comparison, arguments, sets)
    else:
        smollm2_and_small(comparison, arguments, sets, tame, few)
    print("all:", dict(comparison.total))
    different = (comparison.total["DIFFERENT"] +
                 comparison.total["failed programs"])
    print(f"{different} differences")
    sys.exit(1 if different else 0)


if __name__ == "__main__":
    main()
