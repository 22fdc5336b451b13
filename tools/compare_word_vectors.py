#!/usr/bin/env python3
"""Neighbours, analogies and sets of questions: malmoi against gensim.

compare_word_vectors.py VECTORS.txt WORDS... [--sets FILE...] [--program P]
VECTORS is GloVe's or word2vec's text (tools/wink_vectors.py makes one). Needs
gensim and scipy. Ends with 1 where a word or a score differs.
"""
import argparse
import json
import subprocess
import sys

from gensim.models import KeyedVectors

parser = argparse.ArgumentParser()
parser.add_argument("vectors")
parser.add_argument("words", nargs="+")
parser.add_argument("--sets", nargs="*", default=[])
parser.add_argument("--program", default="build/release/malmoi")
args = parser.parse_args()

with open(args.vectors, encoding="utf-8") as file:
    header = len(file.readline().split()) == 2
keyed = KeyedVectors.load_word2vec_format(args.vectors, no_header=not header)
wrong = 0


def ask(action, *words):
    done = subprocess.run([args.program, "word2vec", action, args.vectors,
                           *words, "--json"], check=True, capture_output=True,
                          text=True)
    return [json.loads(line) for line in done.stdout.splitlines()]


def compare(what, own, theirs):
    global wrong
    same = len(own) == len(theirs)
    largest = 0
    for mine, (word, score) in zip(own, theirs):
        largest = max(largest, abs(mine["score"] - score))
        same = same and mine["word"] == word
    same = same and largest < 2e-6
    wrong += not same
    print(f"{'equal' if same else 'DIFFERENT'}  {what}: "
          f"{', '.join(mine['word'] for mine in own[:4])}  "
          f"(scores within {largest:.1e})")


for word, own in zip(args.words, ask("neighbors", *args.words)):
    compare(word, own, keyed.most_similar(word, topn=10))
for a, b, c in [("man", "king", "woman"), ("france", "paris", "italy"),
                ("good", "better", "bad")]:
    compare(f"{b} - {a} + {c}", ask("analogy", a, b, c)[0],
            keyed.most_similar(positive=[b, c], negative=[a], topn=10))
    compare(f"{b} · {c} / {a}", ask("analogy", a, b, c, "--multiply")[0],
            keyed.most_similar_cosmul(positive=[b, c], negative=[a], topn=10))
for path in args.sets:
    own = ask("eval", path)[0]
    if own["kind"] == "analogies":
        score, sections = keyed.evaluate_word_analogies(path)
        theirs = [[len(s["correct"]), len(s["correct"]) + len(s["incorrect"])]
                  for s in sections]
        mine = [[s["correct"], s["asked"]] for s in own["sections"]]
        same = mine + [[own["correct"], own["asked"]]] == theirs
        print(f"{'equal' if same else 'DIFFERENT'}  {path}: {own['correct']} of"
              f" {own['asked']} in {len(mine)} sections; gensim {theirs[-1]}")
    else:
        pearson, spearman, _ = keyed.evaluate_word_pairs(path)
        same = (abs(own["pearson"] - pearson[0]) < 1e-5 and
                abs(own["spearman"] - spearman[0]) < 1e-5)
        print(f"{'equal' if same else 'DIFFERENT'}  {path}: Pearson "
              f"{own['pearson']:.6f} {pearson[0]:.6f}, Spearman "
              f"{own['spearman']:.6f} {spearman[0]:.6f}")
    wrong += not same
sys.exit(wrong > 0)
