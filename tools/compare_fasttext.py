#!/usr/bin/env python3
"""A fastText .bin of malmoi's training, or of anyone's, read by fastText and by
malmoi: the vectors of its words and of made-up ones.

compare_fasttext.py MODEL.bin [--program build/release/malmoi]
Needs fasttext. Ends with 1 where they differ by more than 1e-6.
"""
import argparse
import json
import os
import subprocess
import sys
import tempfile

import fasttext

parser = argparse.ArgumentParser()
parser.add_argument("model")
parser.add_argument("--program", default="build/release/malmoi")
args = parser.parse_args()

model = fasttext.load_model(args.model)
with tempfile.TemporaryDirectory() as folder:
    text = os.path.join(folder, "vectors.vec")
    subprocess.run([args.program, "word2vec", "convert", args.model, "-o",
                    text], check=True)
    largest, words = 0.0, []
    with open(text, encoding="utf-8") as file:
        next(file)
        for line in file:
            word, *values = line.rstrip("\n").split(" ")
            words.append(word)
            own = model.get_word_vector(word)
            largest = max(largest, *(abs(float(v) - float(w))
                                     for v, w in zip(values, own)))
print(f"{len(words)} words, {model.get_dimension()} dimensions: largest "
      f"difference {largest:.1e}")
# Unknown words: cosines of pairs.
unknown = [word + suffix for word in words[:40:8] for suffix in ("ish", "ly")]
unknown = [word for word in unknown if word not in set(words)]
worst = 0.0
for a in unknown:
    x = model.get_word_vector(a)
    b = words[3]
    y = model.get_word_vector(b)
    theirs = float(x @ y) / float((x @ x) ** 0.5 * (y @ y) ** 0.5)
    done = subprocess.run([args.program, "word2vec", "similar", args.model, a,
                           b, "--json"], check=True, capture_output=True,
                          text=True)
    worst = max(worst, abs(json.loads(done.stdout)["score"] - theirs))
print(f"{len(unknown)} unknown words ({', '.join(unknown[:3])} …): largest "
      f"difference of cosines {worst:.1e}")
sys.exit(largest > 1e-6 or worst > 1e-6)
