#!/usr/bin/env python3
"""How near --words is to a morphological analyzer: docs/counting.md.

    python tools/compare_korean.py KOREAN.csv [--program build/release/malmoi]

KOREAN.csv has the columns Q and A (songys/Chatbot_data). Needs kiwipiepy. What
Kiwi calls nouns, pronouns, numerals, verb and adjective stems, roots, adverbs,
determiners, interjections, foreign words and numbers are the words that should
be found; how often they are, text by text, is compared as multisets.
"""
import argparse
import collections
import csv
import json
import os
import subprocess
import tempfile
import time

from kiwipiepy import Kiwi

CONTENT = {"NNG", "NNP", "NNB", "NR", "NP", "VV", "VA", "MAG", "MM", "XR",
           "SL", "SN", "IC", "MAJ"}

parser = argparse.ArgumentParser()
parser.add_argument("csv")
parser.add_argument("--program", default="build/release/malmoi")
args = parser.parse_args()
with open(args.csv, encoding="utf-8", newline="") as file:
    texts = [f"{row['Q']} {row['A']}" for row in csv.DictReader(file)]
kiwi = Kiwi(num_workers=1)
start = time.perf_counter()
expected = [collections.Counter(token.form.lower() for token in tokens
                                if token.tag.split("-")[0] in CONTENT)
            for tokens in kiwi.tokenize(texts)]
print(f"{len(texts)} texts, {sum(map(len, expected))} different words in "
      f"them; Kiwi took {time.perf_counter() - start:.1f} s\n")
print("| `--words` | found | of what is found right | F1 | same sets |")
print("|---|---|---|---|---|")
with tempfile.TemporaryDirectory() as folder:
    path = os.path.join(folder, "texts.jsonl")
    with open(path, "w", encoding="utf-8") as file:
        for text in texts:
            file.write(json.dumps({"text": text}, ensure_ascii=False) + "\n")
    for rule in ["sklearn", "unicode", "korean"]:
        out = os.path.join(folder, "rows.jsonl")
        subprocess.run([args.program, "vectorize", "fit-transform", path,
                        "--words", rule, "--terms", "-o", out], check=True,
                       stdout=subprocess.DEVNULL)
        right = ours = theirs = same = 0
        with open(out, encoding="utf-8") as file:
            for line, words in zip(file, expected):
                found = collections.Counter(json.loads(line)["terms"])
                right += sum((found & words).values())
                ours += sum(found.values())
                theirs += sum(words.values())
                same += found == words
        print(f"| `{rule}` | {right / theirs:.1%} | {right / ours:.1%} | "
              f"{2 * right / (ours + theirs):.1%} | {same / len(texts):.1%} |")
