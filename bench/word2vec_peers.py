#!/usr/bin/env python3
"""Speed and quality of word vectors against gensim, word2vec.c and fastText.

    python bench/word2vec_peers.py CORPUS [--program build/release/malmoi]
        [--word2vec PROGRAM] [--labelled FILE --test FILE] [--sets FILE...]
        [--threads N] [--epochs N] [--seeds N]

CORPUS: a sentence a line. The python that runs this has gensim and fasttext
(PyPI); one that is missing is left out, and said so. PROGRAM is word2vec.c
compiled with -O3 -march=native -ffast-math; with one thread it trains one epoch
whatever -iter says (its end-of-file flag is never reset), so it is timed with
-iter 1. FILE: fastText's __label__ lines.

Skip-gram, 100 dimensions, window 5, 5 negatives, subsampling 1e-3, min count 5.
Words/s count the corpus's words over the time of training alone: counting and
writing are left out for all (for word2vec.c by its own clock). The programs take
turns forwards and backwards; medians are printed.
"""
import argparse
import json
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time

parser = argparse.ArgumentParser()
parser.add_argument("corpus")
parser.add_argument("--program", default="build/release/malmoi")
parser.add_argument("--word2vec")
parser.add_argument("--labelled")
parser.add_argument("--test")
parser.add_argument("--sets", nargs="*", default=[])
parser.add_argument("--threads", type=int, default=1)
parser.add_argument("--epochs", type=int, default=1)
parser.add_argument("--seeds", type=int, default=1)
args = parser.parse_args()
kept_folder = tempfile.TemporaryDirectory()
folder = kept_folder.name


def malmoi(seed):
    out = os.path.join(folder, f"malmoi{seed}.txt")
    done = subprocess.run(
        [args.program, "word2vec", "train", args.corpus, "-o", out, "--json",
         "--epochs", str(args.epochs), "--seed", str(seed), "--threads",
         str(args.threads)], check=True, capture_output=True, text=True)
    return json.loads(done.stdout)["words_per_s"], out


def gensim(seed):
    from gensim.models import Word2Vec
    with open(args.corpus, encoding="utf-8") as file:
        sentences = [line.split() for line in file]
    model = Word2Vec(vector_size=100, window=5, negative=5, sg=1, min_count=5,
                     sample=1e-3, workers=args.threads, seed=seed)
    model.build_vocab(sentences)
    begin = time.time()
    model.train(sentences, total_examples=model.corpus_count,
                epochs=args.epochs)
    seconds = time.time() - begin
    out = os.path.join(folder, f"gensim{seed}.txt")
    model.wv.save_word2vec_format(out)
    return sum(map(len, sentences)) * args.epochs / seconds, out


def word2vec(seed):
    out = os.path.join(folder, "word2vec.txt")
    done = subprocess.run(
        [args.word2vec, "-train", args.corpus, "-output", out, "-size", "100",
         "-window", "5", "-sample", "1e-3", "-negative", "5", "-cbow", "0",
         "-iter", "1", "-threads", str(args.threads), "-min-count", "5"],
        check=True, capture_output=True, text=True)
    speeds = re.findall(r"Words/thread/sec: ([\d.]+)k", done.stdout)
    return float(speeds[-1]) * 1000 * args.threads, out


peers = {"malmoi": malmoi, "gensim": gensim, "word2vec.c": word2vec}
try:
    import gensim.models  # noqa: F401
except ImportError:
    print("gensim is not installed: left out")
    del peers["gensim"]
if not args.word2vec:
    del peers["word2vec.c"]
speeds = {name: [] for name in peers}
files = {name: [] for name in peers}
order = list(peers)
for seed in range(1, args.seeds + 1):
    for name in order + order[::-1] if args.seeds == 1 else order:
        speed, out = peers[name](seed)
        speeds[name].append(speed)
        files[name].append(out)
for name in peers:
    own = statistics.median(speeds[name])
    ratio = statistics.median(speeds["malmoi"]) / own
    print(f"{name:12} {own:12.0f} words/s   malmoi is {ratio:.1f} times as fast")
for path in args.sets:
    for name in peers:
        for out in sorted(set(files[name])):
            done = subprocess.run([args.program, "word2vec", "eval", out, path,
                                   "--json"], check=True, capture_output=True,
                                  text=True)
            result = json.loads(done.stdout)
            score = result.get("accuracy", result.get("spearman"))
            print(f"{os.path.basename(path):24} {name:12} {score:.4f}")

if args.labelled:
    import fasttext
    options = ["--rate", "0.5", "--epochs", "25", "--word-ngrams", "2",
               "--buckets", "200000"]
    model_path = os.path.join(folder, "classifier.bin")
    own, theirs = [], []
    for turn in range(4):
        if turn in (0, 3):
            done = subprocess.run(
                [args.program, "word2vec", "classify-train", args.labelled,
                 "-o", model_path, "--json", *options], check=True,
                capture_output=True, text=True)
            own.append(json.loads(done.stdout)["seconds"])
        else:
            begin = time.time()
            model = fasttext.train_supervised(
                args.labelled, lr=0.5, epoch=25, wordNgrams=2, dim=100,
                bucket=200000, thread=args.threads, verbose=0)
            theirs.append(time.time() - begin)
    print(f"classifier: malmoi {statistics.median(own):.2f} s, fastText "
          f"{statistics.median(theirs):.2f} s, counting and training")
    if args.test:
        _, accuracy, _ = fasttext.load_model(model_path).test(args.test)
        print(f"accuracy by fastText's own test: malmoi's model {accuracy:.4f},"
              f" its own {model.test(args.test)[1]:.4f}")
