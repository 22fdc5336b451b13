#!/usr/bin/env python3
"""Search quality and scores of bm25 against bm25s on a judged collection.

    python tools/compare_bm25.py DOCS.xml QUERIES.xml QRELS.txt
        [--program build/release/malmoi]

The files are Cranfield's as of oussbenk/cranfield-trec-dataset. Documents are
title and text; words are those of scikit-learn's pattern, without stop words or
stemming, for both. Judgements of -1 and 0 count nothing.
"""
import argparse
import json
import math
import os
import re
import subprocess
import tempfile

import bm25s

parser = argparse.ArgumentParser()
parser.add_argument("docs")
parser.add_argument("queries")
parser.add_argument("qrels")
parser.add_argument("--program", default="build/release/malmoi")
args = parser.parse_args()


def field(text, name):
    found = re.search(rf"<{name}>(.*?)</{name}>", text, re.S)
    return " ".join(found[1].split()) if found else ""


docs = open(args.docs, encoding="utf-8").read().split("<doc>")[1:]
numbers = [int(field(doc, "docno")) for doc in docs]
texts = [field(doc, "title") + " " + field(doc, "text") for doc in docs]
queries = [field(top, "title")
           for top in open(args.queries, encoding="utf-8").read()
           .split("<top>")[1:]]
judged = {}
for line in open(args.qrels):
    query, _, doc, grade = line.split()
    judged.setdefault(int(query), {})[int(doc)] = max(0, int(grade))


def ndcg(query, hits):
    gain = lambda grades: sum(g / math.log2(i + 2)
                              for i, g in enumerate(grades[:10]))
    grades = judged.get(query, {})
    best = gain(sorted(grades.values(), reverse=True))
    return gain([grades.get(numbers[h], 0) for h in hits]) / best if best else 0


print(f"{len(texts)} documents, {len(queries)} queries\n")
print("| variant | nDCG@10 | of bm25s | largest difference of scores |")
print("|---|---|---|---|")
tokens = bm25s.tokenize(texts, stopwords=None, show_progress=False)
asked = bm25s.tokenize(queries, stopwords=None, show_progress=False,
                       return_ids=False)
with tempfile.TemporaryDirectory() as folder:
    lines, index = os.path.join(folder, "texts"), os.path.join(folder, "index")
    with open(lines, "w", encoding="utf-8") as file:
        file.writelines(text + "\n" for text in texts)
    for variant in ["lucene", "robertson", "atire", "bm25l", "bm25+"]:
        subprocess.run([args.program, "bm25", "index", lines, "-o", index,
                        "--variant", variant], check=True,
                       stdout=subprocess.DEVNULL)
        out = subprocess.run([args.program, "bm25", "search", index, "--json"],
                             input="\n".join(queries), check=True, text=True,
                             stdout=subprocess.PIPE).stdout.splitlines()
        peer = bm25s.BM25(method=variant)
        peer.index(tokens, show_progress=False)
        ours = theirs = worst = 0
        for i, (line, words) in enumerate(zip(out, asked)):
            scores = peer.get_scores(words)
            hits = json.loads(line)["hits"]
            worst = max([worst] + [abs(float(scores[hit["id"]]) - hit["score"])
                                   for hit in hits])
            order = sorted(range(len(texts)), key=lambda d: (-scores[d], d))
            ours += ndcg(i + 1, [hit["id"] for hit in hits])
            theirs += ndcg(i + 1, order[:10])
        print(f"| {variant} | {ours / len(queries):.4f} | "
              f"{theirs / len(queries):.4f} | {worst:.1e} |")
