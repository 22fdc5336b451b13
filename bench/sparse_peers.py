#!/usr/bin/env python3
"""Speed of vectorize and bm25 against scikit-learn and bm25s, in one run.

    python bench/sparse_peers.py TEXT [--korean CSV] [--rounds N]
        [--program build/release/malmoi] [--threads 1]

TEXT has one text a line. The python that runs this has scikit-learn and bm25s
(with numba, if it is there, which bm25s then uses for queries).

malmoi is timed as a whole process: its start, reading the file, the work, and
writing the result. The peers are timed inside of their process from the file's
reading on, without imports; matrices are written with scipy.sparse.save_npz,
uncompressed as ours are; no file of that name is there before, because a file
system may write all of a replaced one to the disk at once. They take turns
forwards and backwards (A B B A), the
median of each is printed, and whether the results agree. For BM25 the words of
TEXT are made 100,000 documents of equal length; 20,000 queries are 2 to 6 words
in a row from random documents, ten hits each. bm25s tokenizes by the same rule
(stopwords=None). Time by query includes tokenizing; of malmoi also its start.
"""
import argparse
import os
import random
import statistics
import subprocess
import tempfile
import time

parser = argparse.ArgumentParser()
parser.add_argument("text")
parser.add_argument("--korean")
parser.add_argument("--rounds", type=int, default=2)
parser.add_argument("--program", default="build/release/malmoi")
parser.add_argument("--threads", default="1")
parser.add_argument("--only", default="", help="names of works, by semicolons")
args = parser.parse_args()
_folder = tempfile.TemporaryDirectory(prefix="malmoi_peers_")
FOLDER = _folder.name


def sklearn_work(path, out, options):
    import scipy.sparse
    from sklearn.feature_extraction.text import CountVectorizer, TfidfVectorizer
    kind = TfidfVectorizer if options.pop("tfidf", False) else CountVectorizer
    vectorizer = kind(**options)
    start = time.perf_counter()
    with open(path, encoding="utf-8") as file:
        texts = file.read().split("\n")
    if texts and texts[-1] == "":
        texts.pop()
    matrix = vectorizer.fit_transform(texts)
    scipy.sparse.save_npz(out, matrix, compressed=False)
    taken = time.perf_counter() - start
    return taken, vectorizer.get_feature_names_out()


def bm25s_work(texts_path, queries_path):
    import bm25s
    start = time.perf_counter()
    texts = open(texts_path, encoding="utf-8").read().splitlines()
    tokens = bm25s.tokenize(texts, stopwords=None, show_progress=False)
    try:
        import numba  # noqa: F401
        index = bm25s.BM25(backend="numba")
    except ImportError:
        index = bm25s.BM25()
    index.index(tokens, show_progress=False)
    built = time.perf_counter() - start
    queries = open(queries_path, encoding="utf-8").read().splitlines()
    ask = lambda some: index.retrieve(
        bm25s.tokenize(some, stopwords=None, show_progress=False,
                       return_ids=False),
        k=10, show_progress=False)
    ask(queries[:200])  # numba compiles
    start = time.perf_counter()
    hits, scores = ask(queries)
    return built, time.perf_counter() - start, hits, scores


def wanted(name):
    return not args.only or name in args.only.split(";")


def malmoi(*arguments, **more):
    start = time.perf_counter()
    subprocess.run([args.program, *arguments, "--threads", args.threads],
                   check=True, stdout=subprocess.DEVNULL, **more)
    return time.perf_counter() - start


def in_child(function, *arguments):
    """Runs a peer's work in a fresh process."""
    import multiprocessing
    context = multiprocessing.get_context("spawn")
    with context.Pool(1) as pool:
        return pool.apply(function, arguments)


def remove(path):
    if os.path.exists(path):
        os.remove(path)


def turns(ours, theirs):
    a, b = [], []
    for _ in range(args.rounds):
        a.append(ours())
        b.append(theirs())
        b.append(theirs())
        a.append(ours())
    return a, b


def same_matrix(ours, theirs):
    import numpy as np
    import scipy.sparse
    a, b = scipy.sparse.load_npz(ours), scipy.sparse.load_npz(theirs)
    b.sort_indices()
    if a.shape != b.shape or (a.indices != b.indices).any():
        return "no"
    return f"{np.abs(a.data - b.data).max():.1e}"


def vectorize(name, path, ours, theirs):
    out, other = f"{FOLDER}/a.npz", f"{FOLDER}/b.npz"

    def own():
        remove(out)
        return malmoi("vectorize", "fit-transform", path, "-o", out, *ours)

    def peer():
        remove(other)
        return in_child(sklearn_work, path, other, dict(theirs))[0]

    a, b = turns(own, peer)
    a, b = statistics.median(a), statistics.median(b)
    print(f"| {name} | {a:.3f} s | {b:.2f} s | {b / a:.1f} | "
          f"{same_matrix(out, other)} |", flush=True)


def bm25():
    words = open(args.text, encoding="utf-8").read().split()
    count = 100000
    texts, queries = f"{FOLDER}/texts.txt", f"{FOLDER}/queries.txt"
    bounds = [i * len(words) // count for i in range(count + 1)]
    with open(texts, "w", encoding="utf-8") as file:
        for a, b in zip(bounds, bounds[1:]):
            file.write(" ".join(words[a:b]) + "\n")
    chance = random.Random(1)
    with open(queries, "w", encoding="utf-8") as file:
        for _ in range(20000):
            at = bounds[chance.randrange(count)]
            file.write(" ".join(words[at:at + chance.randint(2, 6)]) + "\n")
    index = f"{FOLDER}/index"
    ours, theirs, scores = [], [], None

    def own():
        remove(index)
        built = malmoi("bm25", "index", texts, "-o", index)
        with open(queries) as file:
            return built, malmoi("bm25", "search", index, "--json", stdin=file)

    for _ in range(args.rounds):
        ours.append(own())
        for _ in range(2):
            built, asked, _, scores = in_child(bm25s_work, texts, queries)
            theirs.append((built, asked))
        ours.append(own())
    import json
    with open(queries) as file:
        lines = subprocess.run([args.program, "bm25", "search", index,
                                "--json"], stdin=file, capture_output=True,
                               text=True, check=True).stdout.splitlines()
    worst = max(abs(hit["score"] - score)
                for line, row in zip(lines, scores)
                for hit, score in zip(json.loads(line)["hits"], row))
    for i, name in enumerate(["BM25, index of 100,000 documents",
                              "BM25, 20,000 queries, top 10"]):
        a = statistics.median(x[i] for x in ours)
        b = statistics.median(x[i] for x in theirs)
        print(f"| {name} | {a:.3f} s | {b:.2f} s | {b / a:.1f} | "
              f"{worst:.1e} |", flush=True)


if __name__ == "__main__":
    print(f"threads of malmoi: {args.threads}; medians of {2 * args.rounds}\n")
    print("| work | malmoi | peer | ratio | largest difference |")
    print("|---|---|---|---|---|")
    works = [("counts", [], {}),
             ("TF-IDF", ["--tfidf"], {"tfidf": True}),
             ("counts, 1-2 words", ["--ngrams", "1-2"],
              {"ngram_range": (1, 2)}),
             ("counts, char_wb 3-5",
              ["--analyzer", "char_wb", "--ngrams", "3-5"],
              {"analyzer": "char_wb", "ngram_range": (3, 5)})]
    for name, ours, theirs in works:
        if wanted(name):
            vectorize(name, args.text, ours, theirs)
    if args.korean:
        import csv
        path = f"{FOLDER}/korean.txt"
        with open(args.korean, encoding="utf-8", newline="") as file, \
                open(path, "w", encoding="utf-8") as out:
            rows = list(csv.reader(file))[1:]
            # Ten times over: 12,000 lines alone are less than a start.
            for _ in range(10):
                for row in rows:
                    out.write(row[0] + " " + row[1] + "\n")
        if wanted("Korean, TF-IDF"):
            vectorize("Korean, TF-IDF", path, ["--tfidf"], {"tfidf": True})
    if wanted("BM25"):
        bm25()
