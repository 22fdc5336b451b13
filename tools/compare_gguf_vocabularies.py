#!/usr/bin/env python3
"""Compares malmoi's tokenizers of GGUF files with the ids that llama.cpp keeps.

    python tools/compare_gguf_vocabularies.py COMPARE_TOKENIZER FOLDER

FOLDER is `models` of a checkout of llama.cpp: NAME.gguf is a vocabulary,
NAME.gguf.inp about 50 texts, NAME.gguf.out the ids that transformers gave for
them. A kind that malmoi refuses is told and does not count as a difference.
"""
import glob
import os
import sys

from compare_tokenizers import answers

BETWEEN = "\n__ggml_vocab_test__\n"


def main():
    program, folder = sys.argv[1:]
    different = 0
    for path in sorted(glob.glob(os.path.join(folder, "*.gguf.inp"))):
        model = path[:-len(".inp")]
        with open(path, encoding="utf-8", newline="") as file:
            texts = file.read().split(BETWEEN)
        with open(model + ".out", encoding="utf-8") as file:
            expected = [[int(i) for i in line.split()] for line in file]
        try:
            got = list(answers(program, model, texts, ["--bare"]))
        except RuntimeError as error:
            print(f"{os.path.basename(model)}: refused: {str(error)[:200]}")
            continue
        wrong = [(t, g["ids"], e) for t, g, e in zip(texts, got, expected)
                 if g["ids"] != e]
        different += len(wrong)
        print(f"{os.path.basename(model)}: {len(texts)} texts, "
              f"{len(wrong)} different {wrong[:2] or ''}")
    sys.exit(1 if different else 0)


if __name__ == "__main__":
    main()
