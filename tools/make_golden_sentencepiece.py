#!/usr/bin/env python3
"""Small SentencePiece models and what the library makes of texts with them.

    python tools/make_golden_sentencepiece.py OUT_FOLDER

OUT_FOLDER is tests/golden/tokenizer. The models are trained on malmoi's own
READMEs, so they have its licence. They differ in all that malmoi reads from
such a file: kind, byte fallback, user-defined symbols, rules of normalization,
spaces.
"""
import json
import os
import sys
import tempfile

import sentencepiece

from make_golden_tokenizer import strings

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..")
RULES = [("\ufb01", "fi"), ("\u212b", "\u00c5"), ("…", "..."), ("\u3000", " "), ("\u00a0", " "),
         ("ｶﾞ", "ガ"), ("ｶ", "カ"), ("\u200b", " "), ("①", "1"), ("№", "No")]
KINDS = {
    "unigram": {"model_type": "unigram", "user_defined_symbols": "<sep>,말모이"},
    "unigram_bytes": {"model_type": "unigram", "byte_fallback": True,
                      "remove_extra_whitespaces": False},
    "bpe": {"model_type": "bpe", "user_defined_symbols": "<sep>,말모이,  "},
    "bpe_bytes": {"model_type": "bpe", "byte_fallback": True,
                  "remove_extra_whitespaces": False,
                  "add_dummy_prefix": False},
}


def train(name, options, folder):
    corpus = os.path.join(folder, "corpus.txt")
    with open(corpus, "w", encoding="utf-8") as out:
        for readme in ("README.md", "README.ko.md"):
            with open(os.path.join(ROOT, readme), encoding="utf-8") as file:
                out.write(file.read())
    rules = os.path.join(folder, "rules.tsv")
    with open(rules, "w", encoding="utf-8") as out:
        for before, after in RULES:
            out.write(" ".join(f"{ord(c):X}" for c in before) + "\t" +
                      " ".join(f"{ord(c):X}" for c in after) + "\n")
    sentencepiece.SentencePieceTrainer.train(
        input=corpus, model_prefix=os.path.join(folder, name), vocab_size=700,
        character_coverage=0.98, normalization_rule_tsv=rules, num_threads=1,
        hard_vocab_limit=False, minloglevel=2, **options)
    with open(os.path.join(folder, name + ".model"), "rb") as file:
        return file.read()


def main():
    out = sys.argv[1]
    texts = [t for t in strings(400, seed=11, wild=True) if len(t) < 80][:150]
    texts += ["", " ", "   ", "  two  spaces  ", "<sep>", "a<sep>말모이 말모이b",
              "말말모이이", "ﬁﬁ…　①№", "ｶﾞｶ", "<s>a</s><unk>", "▁a▁▁b", "<0x41>",
              "말모이는 우리말을 모으는 사전 편찬 사업이었다.", "malmoi " * 30]
    golden = []
    with tempfile.TemporaryDirectory() as folder:
        for name, options in KINDS.items():
            data = train(name, options, folder)
            with open(os.path.join(out, f"sentencepiece_{name}.model"),
                      "wb") as file:
                file.write(data)
            model = sentencepiece.SentencePieceProcessor(model_proto=data)
            golden.append({"file": f"sentencepiece_{name}.model", "cases": [
                {"text": t, "ids": model.encode(t),
                 "decoded": model.decode(model.encode(t))} for t in texts]})
    with open(os.path.join(out, "sentencepiece.json"), "w",
              encoding="utf-8") as file:
        json.dump(golden, file, ensure_ascii=False, separators=(",", ":"))


if __name__ == "__main__":
    main()
