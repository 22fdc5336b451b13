#!/usr/bin/env python3
"""Time and quality of a map against umap-learn, in one run.

    python bench/map_peers.py VECTORS.npy WORK [--part run|quality]
        [--rounds N] [--threads N] [--free] [--pause]
        [--program build/release/src/map_speed] [--peer python]

VECTORS.npy is f32, [rows, columns] (`malmoi embed --output npy --save ...`).
The peer is umap.UMAP(metric="cosine"), with its defaults, in a process of its
own, with random_state=42, which is reproducible and lays out in one thread;
with --free also without, on all threads. Its first fit compiles (cold), those
afterwards are measured (warm); importing is not counted. Ours is a process for
each fit, timed from the vectors in memory to the layout. They take turns
(A B B A). `--part quality` then prints for each what scikit-learn says:
trustworthiness and the share of 15 neighbours kept.
The python has umap-learn and scikit-learn (PyPI).
"""
import argparse
import json
import os
import statistics
import subprocess
import sys
import time


def peer(args):
    """A fit that compiles, then one for each line of standard input."""
    import numpy as np
    import warnings
    warnings.filterwarnings("ignore")
    import umap
    vectors = np.load(args.vectors)
    seed = {} if args.seedless else {"random_state": 42}
    name = "peer-free.npy" if args.seedless else "peer.npy"
    while True:
        start, cpu = time.perf_counter(), time.process_time()
        places = umap.UMAP(metric="cosine", **seed).fit_transform(vectors)
        seconds = time.perf_counter() - start
        cpu = time.process_time() - cpu
        np.save(os.path.join(args.work, name), places.astype(np.float32))
        print(json.dumps({"seconds": seconds, "cpu_seconds": cpu}),
              flush=True)
        if not sys.stdin.readline():
            break


def quality(args):
    import numpy as np
    from sklearn.manifold import trustworthiness
    from sklearn.neighbors import NearestNeighbors
    vectors = np.load(args.vectors)

    def near(rows, metric):
        search = NearestNeighbors(n_neighbors=15, metric=metric,
                                  algorithm="brute").fit(rows)
        return search.kneighbors(return_distance=False)
    want = near(vectors, "cosine")
    for name in ("ours.npy", "peer.npy", "peer-free.npy"):
        path = os.path.join(args.work, name)
        if not os.path.exists(path):
            continue
        places = np.load(path)
        kept = sum(len(set(a) & set(b)) for a, b in
                   zip(want, near(places, "euclidean"))) / want.size
        trust = trustworthiness(vectors, places, n_neighbors=15,
                                metric="cosine")
        print(f"{name:14} trustworthiness {trust:.4f}  kept {kept:.4f}",
              flush=True)


def times(found):
    return found["seconds"], found["cpu_seconds"]


def median(pairs):
    return [statistics.median(column) for column in zip(*pairs)]


class Peer:
    def __init__(self, args, seedless):
        environment = dict(os.environ, OMP_NUM_THREADS=str(args.threads),
                           NUMBA_NUM_THREADS=str(args.threads))
        line = [args.peer, __file__, args.vectors, args.work, "--part", "peer"]
        self.name = "umap-learn" + (", no seed" if seedless else "")
        self.process = subprocess.Popen(
            line + (["--seedless"] if seedless else []), env=environment,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
            stderr=subprocess.DEVNULL)
        self.times = []
        print(f"{self.name}: cold {self.read()[0]:.2f} s", flush=True)

    def read(self):
        return times(json.loads(self.process.stdout.readline()))

    def fit(self):
        self.process.stdin.write("again\n")
        self.process.stdin.flush()
        self.times.append(self.read())


def run(args):
    os.makedirs(args.work, exist_ok=True)
    peers = [Peer(args, seedless) for seedless in
             ((False, True) if args.free else (False,))]
    ours = []

    def one_ours():
        done = subprocess.run(
            [args.program, args.vectors, os.path.join(args.work, "ours.npy"),
             str(args.threads)], check=True, stdout=subprocess.PIPE)
        ours.append(times(json.loads(done.stdout)))
    if args.pause:
        print("ready", flush=True)
        sys.stdin.readline()
    for _ in range(args.rounds):
        one_ours()
        for one in peers:
            one.fit()
        for one in reversed(peers):
            one.fit()
        one_ours()
    first = median(ours)
    print(f"malmoi: {first[0]:.2f} s, of processors {first[1]:.2f} s (" +
          " ".join(f"{x:.2f}" for x, _ in ours) + ")")
    for one in peers:
        own = median(one.times)
        print(f"{one.name}: warm {own[0]:.2f} s, {own[0] / first[0]:.2f} "
              f"times; of processors {own[1]:.2f} s, {own[1] / first[1]:.2f} "
              "times (" + " ".join(f"{x:.2f}" for x, _ in one.times) + ")",
              flush=True)
        one.process.stdin.close()


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("vectors")
    parser.add_argument("work")
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--program", default="build/release/src/map_speed")
    parser.add_argument("--peer", default=sys.executable)
    parser.add_argument("--part", choices=("run", "peer", "quality"),
                        default="run")
    parser.add_argument("--free", action="store_true",
                        help="also without a seed, on all threads")
    parser.add_argument("--pause", action="store_true",
                        help="wait for a line once all have compiled")
    parser.add_argument("--seedless", action="store_true")
    args = parser.parse_args()
    {"run": run, "peer": peer, "quality": quality}[args.part](args)


if __name__ == "__main__":
    main()
