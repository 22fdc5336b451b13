#!/usr/bin/env python3
"""Adds what fastText's get_sentence_vector gives of the models of
tests/golden/word_vectors to tests/golden/static/answers.json.

Run by hand: make_golden_static_fasttext.py ANSWERS_JSON WORD_VECTORS
Needs fasttext (0.9.2).
"""
import json
import sys

import fasttext

answers_path, words = sys.argv[1:3]
answers = json.load(open(answers_path, encoding="utf-8"))
SENTENCES = ["w1 w2 nowhere", "서울 w3 w4 w4", "lovely w5", ""]
answers["fasttext_sentences"] = SENTENCES
for name in ["skipgram", "cbow", "ova", "hs"]:
    model = fasttext.load_model(f"{words}/{name}.bin")
    answers[f"fasttext_{name}"] = [
        [round(float(x), 8) for x in model.get_sentence_vector(s)]
        for s in SENTENCES]
with open(answers_path, "w", encoding="utf-8") as file:
    json.dump(answers, file, ensure_ascii=False)
    file.write("\n")
