#!/usr/bin/env python3
"""Speed of tokenizers against `tokenizers` and `gigatoken`, in one run.

    python bench/tokenizer_peers.py FOLDER... --text FILE... [--rounds N]
        [--program build/release/src/tokenizer_speed] [--cpu N] [--offsets]

FOLDER holds a tokenizer.json (tools/fetch_tokenizers.py lays them); FILE is a
text in UTF-8. The python that runs this has the packages tokenizers and
gigatoken (PyPI); one that is missing is left out, and said so. malmoi is the
target tokenizer_speed.

Each measurement is a process of its own on one CPU with one thread: it loads
the tokenizer, makes a first call of 1 KB, and encodes the text once, in
documents of about 8 KiB of whole lines, so that no document is seen twice and
every cache begins almost empty. Nothing but encoding is timed: ids only,
without special tokens. The programs take turns forwards and backwards
(A B C C B A); medians are printed. gigatoken gets all documents in one call
(its fastest way) and, beside that, all of the text in one call; the faster
counts. tokenizers gets encode_batch_fast().
"""
import argparse
import json
import os
import statistics
import subprocess
import sys

PEERS = ("tokenizers", "gigatoken")


def documents(path):
    with open(path, encoding="utf-8", newline="") as file:
        text = file.read()
    out, lines, size = [], [], 0
    for line in text.split("\n"):
        lines.append(line)
        size += len(line.encode()) + 1
        if size >= 8192:
            out.append("\n".join(lines) + "\n")
            lines, size = [], 0
    out.append("\n".join(lines))
    return [document for document in out if document]


def measure(peer, folder, path):
    """In a process of its own: prints what tokenizer_speed prints."""
    from time import perf_counter as now
    texts = documents(path)
    path = os.path.join(folder, "tokenizer.json")
    start = now()
    if peer == "tokenizers":
        import tokenizers
        tokenizer = tokenizers.Tokenizer.from_file(path)
        tokenizer.no_truncation()
        tokenizer.no_padding()

        def encode(batch):
            return tokenizer.encode_batch_fast(batch, add_special_tokens=False)
        prepared = [texts]
    else:
        import gigatoken

        def load():
            return gigatoken.Tokenizer(path)
        tokenizer = load()

        def encode(batch):
            if isinstance(batch, bytes):
                return [tokenizer.encode(batch)]
            return tokenizer.encode_batch(batch, parallel=False)
        prepared = [[text.encode() for text in texts],
                    "".join(texts).encode()]
    load_ms = (now() - start) * 1e3
    seconds = []
    for batch in prepared:
        if seconds:
            tokenizer = load()
        start = now()
        first = texts[0][:1024]
        encode([first] if peer == "tokenizers" else [first.encode()])
        cold_ms = (now() - start) * 1e3
        start = now()
        result = encode(batch)
        seconds.append(now() - start)
        tokens = sum(len(row.ids if peer == "tokenizers" else row)
                     for row in result)
    print(json.dumps({
        "load_ms": load_ms, "cold_ms": cold_ms, "seconds": min(seconds),
        "bytes": sum(len(text.encode()) for text in texts),
        "tokens": tokens}))


def main():
    if sys.argv[1:2] == ["--measure"]:
        return measure(*sys.argv[2:5])
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("folder", nargs="+")
    parser.add_argument("--text", nargs="+", required=True)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--cpu", default="1")
    parser.add_argument("--offsets", action="store_true")
    parser.add_argument("--program",
                        default="build/release/src/tokenizer_speed")
    args = parser.parse_args()
    env = dict(os.environ, RAYON_NUM_THREADS="1",
               TOKENIZERS_PARALLELISM="false")

    def run(who, folder, text):
        command = [args.program, folder, text] + ["--offsets"] * args.offsets
        if who != "malmoi":
            command = [sys.executable, __file__, "--measure", who, folder,
                       text]
        done = subprocess.run(["taskset", "-c", args.cpu, *command],
                              capture_output=True, text=True, env=env)
        if done.returncode:
            return (done.stderr.strip().split("\n") or ["?"])[-1]
        return json.loads(done.stdout)

    print("| tokenizer | text | MB | tokens | malmoi MB/s | tokenizers | ratio "
          "| gigatoken | ratio | first KB, ms | load, ms (tokenizers) |")
    print("|---|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|")
    notes = []
    for folder in args.folder:
        for text in args.text:
            order = ["malmoi", *PEERS]
            order = (order + order[::-1]) * args.rounds
            found = {who: [] for who in ("malmoi", *PEERS)}
            for who in order:
                if found[who] is None:
                    continue
                result = run(who, folder, text)
                if isinstance(result, str):
                    note = f"{who}, {os.path.basename(folder)}: {result}"
                    if note not in notes:
                        notes.append(note)
                    found[who] = None
                else:
                    found[who].append(result)
            cells = [os.path.basename(os.path.normpath(folder)),
                     os.path.basename(text)]

            def median(who, value):
                return statistics.median(map(value, found[who]))

            def speed(result):
                return result["bytes"] / result["seconds"] / 1e6
            ours = found["malmoi"]
            if not ours:
                continue
            mine = median("malmoi", speed)
            cells += [f"{ours[0]['bytes'] / 1e6:.1f}", f"{ours[0]['tokens']:,}",
                      f"{mine:.1f}"]
            for who in PEERS:
                if not found[who]:
                    cells += ["–", "–"]
                    continue
                theirs = median(who, speed)
                cells += [f"{theirs:.1f}", f"{mine / theirs:.2f}"]
                if found[who][0]["tokens"] != ours[0]["tokens"]:
                    notes.append(f"{who}, {cells[0]}, {cells[1]}: "
                                 f"{found[who][0]['tokens']} tokens")
            cells.append(f"{median('malmoi', lambda r: r['cold_ms']):.2f}")
            load = f"{median('malmoi', lambda r: r['load_ms']):.0f}"
            if found["tokenizers"]:
                load += f" ({median('tokenizers', lambda r: r['load_ms']):.0f})"
            print("| " + " | ".join([*cells, load]) + " |", flush=True)
    for note in notes:
        print("note:", note)


if __name__ == "__main__":
    main()
