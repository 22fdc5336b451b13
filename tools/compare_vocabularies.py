#!/usr/bin/env python3
"""Compares malmoi's readers of vocabularies with the libraries they are from.

    python tools/compare_vocabularies.py COMPARE_TOKENIZER LINES.jsonl PATH...
        [--limit N]

PATH is a FILE.model (compared with `sentencepiece`), or a folder with one
NAME.tiktoken (with `tiktoken`), with vocab.txt or with vocab.json and
merges.txt (with transformers, whose class tokenizer_config.json names).
LINES.jsonl is made by tools/make_tokenizer_lines.py. Ids and decoded text are
compared; texts cannot forge special tokens here.
"""
import argparse
import base64
import glob
import os
import sys

from compare_tokenizers import answers, decoded, read_lines


class SentencePiece:
    def __init__(self, path):
        import sentencepiece
        self.model = sentencepiece.SentencePieceProcessor(model_file=path)

    def __call__(self, texts):
        ids = self.model.encode(texts)
        return ids, self.model.decode(ids)


class Tiktoken:
    def __init__(self, path):
        import tiktoken
        from tiktoken_ext import openai_public
        with open(path, "rb") as file:
            ranks = {base64.b64decode(token): int(rank) for token, rank in
                     (line.split() for line in file if line.strip())}
        name = os.path.basename(path)[:-len(".tiktoken")]
        for loader in ("load_tiktoken_bpe", "data_gym_to_mergeable_bpe_ranks"):
            setattr(openai_public, loader, lambda *_, **__: ranks)
        self.encoding = tiktoken.Encoding(
            **openai_public.ENCODING_CONSTRUCTORS[name]())

    def __call__(self, texts):
        ids = [self.encoding.encode_ordinary(t) for t in texts]
        return ids, [self.encoding.decode(i) for i in ids]


class Transformers:
    def __init__(self, folder):
        from transformers import AutoTokenizer
        self.tokenizer = AutoTokenizer.from_pretrained(folder)

    def __call__(self, texts):
        ids = self.tokenizer(texts, add_special_tokens=False,
                             split_special_tokens=True)["input_ids"]
        return ids, [self.tokenizer.backend_tokenizer.decode(
            i, skip_special_tokens=False) for i in ids]


def reference_of(path):
    if path.endswith(".model"):
        return SentencePiece(path)
    ranks = glob.glob(os.path.join(path, "*.tiktoken"))
    return Tiktoken(ranks[0]) if ranks else Transformers(path)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("program")
    parser.add_argument("lines")
    parser.add_argument("paths", nargs="+")
    parser.add_argument("--limit", type=int, help="about so many lines")
    arguments = parser.parse_args()
    texts = [line["text"] if "text" in line else
             bytes.fromhex(line["hex"]).decode("utf-8", "replace")
             for line in read_lines(arguments.lines, arguments.limit)]
    different = 0
    for path in arguments.paths:
        ids, wholes = reference_of(path)(texts)
        count = 0
        got = answers(arguments.program, path, texts,
                      ["--no-special", "--bare"])
        for text, want, whole, have in zip(texts, ids, wholes, got):
            if have.get("ids") == want and decoded(have["bytes"]) == whole:
                continue
            count += 1
            if count <= 4:
                at = next((i for i, (a, b) in enumerate(
                    zip(have.get("ids", []), want)) if a != b), 0)
                print(f"    {text[:60]!r}: {have.get('ids', have)[at:at + 8]}, "
                      f"expected {want[at:at + 8]}; "
                      f"{decoded(have.get('bytes', ''))[:60]!r}, "
                      f"expected {whole[:60]!r}")
        different += count
        print(f"{os.path.basename(path)}: {len(texts)} lines, "
              f"{sum(map(len, ids))} tokens, {count} different", flush=True)
    sys.exit(1 if different else 0)


if __name__ == "__main__":
    main()
