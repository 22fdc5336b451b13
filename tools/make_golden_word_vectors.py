#!/usr/bin/env python3
"""Writes tests/golden/word_vectors: vectors and models as gensim and fastText
save them, and what they answer.

make_golden_word_vectors.py FOLDER
Needs gensim, scipy, numpy and fasttext (0.9.2). The words are made up; vectors.*
hold 80 of them with random vectors of 12 dimensions, so that every answer is
a test of the rules and none of a language.
"""
import json
import os
import sys

import fasttext
import numpy as np
from gensim.models import KeyedVectors

folder = sys.argv[1]
random = np.random.default_rng(7)


def path(name):
    return os.path.join(folder, name)


# Words in both cases and other scripts.
words = [f"w{i}" for i in range(60)]
words += [f"W{i}" for i in range(0, 20, 2)]
words += ["서울", "대한민국", "école", "École", "straße", "a_b", "x-1", "…",
          "日本", "ω"]
vectors = random.normal(size=(len(words), 12)).astype(np.float32)
# So that analogies come out now and then: w(2k+1) = w(2k) + one direction.
for k in range(0, 40, 2):
    vectors[k + 1] = vectors[k] + vectors[59] + 0.3 * vectors[k + 1]
keyed = KeyedVectors(12)
keyed.add_vectors(words, vectors)
keyed.save_word2vec_format(path("vectors.txt"))
keyed.save_word2vec_format(path("vectors.bin"), binary=True)
keyed.save_word2vec_format(path("vectors.glove"), write_header=False)
np.save(path("vectors.npy"), vectors)
with open(path("vectors.vocab"), "w") as out:
    out.write("\n".join(words) + "\n")


def pairs(found):
    return [[word, float(score)] for word, score in found]


with open(path("questions.txt"), "w") as out:
    for section, first in [("even", 0), ("odd", 1)]:
        out.write(f": {section}\n")
        for a in range(first, 40, 4):
            for c in range(2 - first, 38, 6):
                case = str.upper if (a + c) % 3 == 0 else str
                out.write(case(f"w{a} w{a + 1} w{c} w{c + 1}") + "\n")
    out.write(": unknown\nw0 w1 w2 nothing\nw0 w1 W2 w3\n")
with open(path("pairs.tsv"), "w") as out:
    out.write("# people's scores\n")
    # No pair twice and none of one word: equal cosines would be ordered by the
    # last bit of a float.
    for i in range(0, 29):
        first = f"W{i}" if i % 3 == 0 else f"w{i}"
        out.write(f"{first}\tw{58 - i}\t{(i * 37) % 11}\n")
    out.write("w1\tnothing\t3\n")

answers = {"neighbors": {}, "analogies": [], "evaluations": [], "pairs": []}
for word in ["w0", "w59", "서울", "École"]:
    answers["neighbors"][word] = pairs(keyed.most_similar(word, topn=8))
answers["restricted"] = pairs(keyed.most_similar("w5",
                                           topn=5, restrict_vocab=30))
for a, b, c in [("w0", "w1", "w2"), ("w10", "w11", "W12"), ("ω", "日本", "x-1")]:
    answers["analogies"].append({
        "question": [a, b, c],
        "add": pairs(keyed.most_similar(positive=[b, c], negative=[a], topn=5)),
        "mul": pairs(keyed.most_similar_cosmul(positive=[b, c], negative=[a],
                                               topn=5))})
for options in [{}, {"case_insensitive": False}, {"restrict_vocab": 45},
                {"dummy4unknown": True}]:
    score, sections = keyed.evaluate_word_analogies(path("questions.txt"),
                                                    **options)
    answers["evaluations"].append({"options": options, "sections": [
        [s["section"], len(s["correct"]),
         len(s["correct"]) + len(s["incorrect"])] for s in sections]})
    pearson, spearman, unknown = keyed.evaluate_word_pairs(path("pairs.tsv"),
                                                           **options)
    answers["pairs"].append([float(pearson[0]), float(spearman[0]),
                             float(unknown)])

# fastText: made-up syllables, so that words share parts.
syllables = ["ka", "to", "mi", "re", "su", "no", "vé", "가", "나", "le"]
names = ["".join(random.choice(syllables, random.integers(2, 5)))
         for _ in range(400)]
corpus = path("corpus.tmp")
with open(corpus, "w") as out:
    for _ in range(400):
        out.write(" ".join(random.choice(names, 12)) + "\n")
unknown = ["katomi", "나가", "z", "revéle", "totototo"]
answers["fasttext"] = {}
for kind in ["skipgram", "cbow"]:
    model = fasttext.train_unsupervised(corpus, kind, dim=6, bucket=97, epoch=2,
                                        minCount=3, minn=2, maxn=4, thread=1,
                                        verbose=0)
    model.save_model(path(f"{kind}.bin"))
    some = model.words[:5] + unknown + ["</s>"]
    answers["fasttext"][kind] = {
        "words": len(model.words),
        "vectors": {w: model.get_word_vector(w).tolist() for w in some},
        "parts": {w: [int(i) for i in model.get_subwords(w)[1]]
                  for w in some}}

# Classifiers: a label has its own syllables.
labelled = path("labelled.tmp")
texts = []
with open(labelled, "w") as out:
    for i in range(600):
        label = i % 4
        own = [n for n in names if syllables[label] in n]
        text = " ".join(random.choice(own if random.random() < 0.8 else names, 6))
        texts.append(text)
        out.write(f"__label__{'abcd'[label]} {text}\n")
answers["classifiers"] = {}
asked = texts[:6] + ["katomi nothing 나가", "", "zzz"]
for name, options in {
        "softmax": {"wordNgrams": 2, "bucket": 50},
        "hs": {"loss": "hs", "minn": 2, "maxn": 3, "bucket": 40},
        "ova": {"loss": "ova"}}.items():
    model = fasttext.train_supervised(labelled, dim=6, epoch=15, lr=0.5,
                                      thread=1, verbose=0, **options)
    file = f"{name}.bin"
    if name == "softmax":
        model.quantize(input=labelled, retrain=False, cutoff=300, qnorm=True,
                       dsub=2)
        file = "softmax.ftz"
    model.save_model(path(file))
    answers["classifiers"][file] = [
        [[label.replace("__label__", ""), float(p)]
         for p, label in model.f.predict(text + "\n", 4, 0.0, "strict")]
        for text in asked]
answers["asked"] = asked
os.remove(corpus)
os.remove(labelled)
with open(path("answers.json"), "w") as out:
    json.dump(answers, out, ensure_ascii=False, indent=0)
