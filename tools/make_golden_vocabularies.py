#!/usr/bin/env python3
"""Reference values for vocab.txt, vocab.json with merges.txt, tiktoken files,
rare stages, truncation and padding.

    python tools/make_golden_vocabularies.py OUT_FOLDER

OUT_FOLDER is tests/golden/tokenizer. The vocabularies are trained on malmoi's
own READMEs and lie in the output as text. References: transformers' classes
for the first two, `tiktoken` with the cl100k_base pattern, `tokenizers` for
lengths.
"""
import base64
import json
import os
import sys
import tempfile

import tiktoken
from tiktoken_ext import openai_public
from tokenizers import (BertWordPieceTokenizer, ByteLevelBPETokenizer,
                        Tokenizer)
from transformers import AutoTokenizer

from make_golden_tokenizer import byte_ranges, strings

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..")
READMES = [os.path.join(ROOT, n) for n in ("README.md", "README.ko.md")]


def read(path):
    with open(path, encoding="utf-8") as file:
        return file.read()


def cases(tokenizer, texts):
    out = []
    for text in texts:
        encoding = tokenizer(text)
        out.append({"text": text, "ids": encoding["input_ids"]})
    return out


def lengths(tokenizer, texts):
    """With the library behind a tokenizer of transformers."""
    backend = tokenizer.backend_tokenizer
    out = []
    pairs = [(texts[i], texts[i + 1]) for i in range(0, 40, 2)]
    for maximum in (3, 4, 5, 9, 16):
        for side in ("right", "left"):
            for strategy in ("longest_first", "only_first", "only_second"):
                backend.enable_truncation(maximum, strategy=strategy,
                                          direction=side)
                for first, second in pairs:
                    for pair in (None, second):
                        if pair is None and strategy == "only_second":
                            continue
                        try:
                            ids = backend.encode(first, pair).ids
                        except Exception:  # too short to cut so much
                            ids = None
                        out.append({"max": maximum, "left": side == "left",
                                    "strategy": strategy, "first": first,
                                    "second": pair, "ids": ids})
    backend.no_truncation()
    pads = []
    for length in (None, 12):
        for multiple in (None, 8):
            for side in ("right", "left"):
                backend.enable_padding(direction=side, pad_id=3, pad_type_id=1,
                                       length=length,
                                       pad_to_multiple_of=multiple)
                batch = backend.encode_batch(texts[:6])
                pads.append({"length": length or 0, "multiple": multiple or 0,
                             "left": side == "left", "texts": texts[:6],
                             "ids": [e.ids for e in batch],
                             "mask": [e.attention_mask for e in batch],
                             "types": [e.type_ids for e in batch]})
    return out, pads


STAGES = {
    "NFC": {"normalizer": {"type": "NFC"}},
    "NFKC": {"normalizer": {"type": "NFKC"}},
    "Nmt": {"normalizer": {"type": "Nmt"}},
    "ByteLevel": {"normalizer": {"type": "ByteLevel"},
                  "pre_tokenizer": None},
    "CharDelimiterSplit": {"pre_tokenizer": {
        "type": "Sequence", "pretokenizers": [
            {"type": "CharDelimiterSplit", "delimiter": "e"},
            {"type": "ByteLevel", "add_prefix_space": False,
             "trim_offsets": True, "use_regex": True}]}},
    "FixedLength": {"pre_tokenizer": {
        "type": "Sequence", "pretokenizers": [
            {"type": "FixedLength", "length": 3},
            {"type": "ByteLevel", "add_prefix_space": False,
             "trim_offsets": True, "use_regex": False}]}},
    "BPEDecoder": {"decoder": {"type": "BPEDecoder", "suffix": "e"}},
}


def stages(out, texts):
    """Of the small byte-level tokenizer, with other stages."""
    with open(os.path.join(out, "small.tokenizer.json"),
              encoding="utf-8") as file:
        base = json.load(file)
    groups = []
    for name, changes in STAGES.items():
        reference = Tokenizer.from_str(json.dumps({**base, **changes}))
        cases_ = []
        for text in texts:
            encoding = reference.encode(text)
            cases_.append({"text": text, "ids": encoding.ids,
                           "offsets": byte_ranges(text, encoding),
                           "decoded": reference.decode(
                               encoding.ids, skip_special_tokens=False)})
        groups.append({"name": name, "changes": changes, "cases": cases_})
    return groups


def main():
    out = sys.argv[1]
    texts = [t for t in strings(300, seed=12, wild=True) if len(t) < 60][:90]
    texts += ["", "The tokenizer isn't lost; 말모이!", "[MASK] <|endoftext|>"]
    golden = {"stages": stages(out, texts[:60] + [
        "cafe\u0301 e\u0323\u0302x \u1112\u1161\u11ab \u337f \ufb01n",
        "\u00e9\u0323 \u0344a\u0345 \uff76\uff9e \u2126\u0301"])}
    with tempfile.TemporaryDirectory() as folder:
        words = BertWordPieceTokenizer(lowercase=True)
        words.train(READMES, vocab_size=400, show_progress=False)
        words.save_model(folder)
        config = {"tokenizer_class": "BertTokenizer", "do_lower_case": True}
        with open(os.path.join(folder, "tokenizer_config.json"), "w",
                  encoding="utf-8") as file:
            json.dump(config, file)
        tokenizer = AutoTokenizer.from_pretrained(folder)
        golden["word_pieces"] = {
            "config": config, "vocab": read(os.path.join(folder, "vocab.txt")),
            "cases": cases(tokenizer, texts)}
        golden["truncation"], golden["padding"] = lengths(tokenizer, texts)
    with tempfile.TemporaryDirectory() as folder:
        bpe = ByteLevelBPETokenizer()
        bpe.train(READMES, vocab_size=600, show_progress=False,
                  special_tokens=["<|endoftext|>"])
        bpe.save_model(folder)
        golden["merges"] = {
            "vocab": json.loads(read(os.path.join(folder, "vocab.json"))),
            "merges": read(os.path.join(folder, "merges.txt")), "groups": []}
        for kind in ("GPT2Tokenizer", "Qwen2Tokenizer"):
            config = {"tokenizer_class": kind,
                      "unk_token": "<|endoftext|>",
                      "bos_token": "<|endoftext|>",
                      "eos_token": "<|endoftext|>",
                      "pad_token": "<|endoftext|>"}
            with open(os.path.join(folder, "tokenizer_config.json"), "w",
                      encoding="utf-8") as file:
                json.dump(config, file)
            golden["merges"]["groups"].append({
                "config": config,
                "cases": cases(AutoTokenizer.from_pretrained(folder), texts)})
    ranks = {bytes([b]): i for i, b in enumerate(range(256))}
    for word in ("he the re er in an on en at is ing tion 말 모이 tok token"
                 "  th    ken \n\n 12 123 안 녕").split(" "):
        ranks.setdefault(word.encode() or b"  ", len(ranks))
    openai_public.load_tiktoken_bpe = lambda *_, **__: ranks
    encoding = tiktoken.Encoding(**openai_public.cl100k_base())
    golden["tiktoken"] = {
        "ranks": "".join(f"{base64.b64encode(t).decode()} {r}\n"
                         for t, r in ranks.items()),
        "cases": [{"text": t, "ids": encoding.encode_ordinary(t)}
                  for t in texts + ["a\n  ", "  \n \n", "x \n\n y"]]}
    with open(os.path.join(out, "vocabularies.json"), "w",
              encoding="utf-8") as file:
        json.dump(golden, file, ensure_ascii=False, separators=(",", ":"))


if __name__ == "__main__":
    main()
