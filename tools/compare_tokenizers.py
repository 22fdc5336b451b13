#!/usr/bin/env python3
"""Compares malmoi with Hugging Face `tokenizers` on 100,000 lines.

    python tools/compare_tokenizers.py COMPARE_TOKENIZER LINES.jsonl FOLDER...
        [--markdown OUT.md] [--bare] [--limit N]

FOLDER holds a tokenizer.json, as tools/fetch_tokenizers.py lays them;
LINES.jsonl is made by tools/make_tokenizer_lines.py; COMPARE_TOKENIZER is the
build target of that name. Compared are ids, the range of each token, and the
decoded text with and without special tokens, at once and as a stream.

A line with characters that no token spells, which both leave out and malmoi
must report, is counted as "left out".

Ranges of the library count characters; here they are bytes of whole
characters. The library takes valid text only. For invalid bytes malmoi must
name the first bad byte, where Python finds it, and both must agree on the
text with U+FFFD in place of what is bad.
"""
import argparse
import collections
import itertools
import json
import os
import subprocess
import sys
import tempfile
import time

import numpy as np
from tokenizers import Tokenizer

CHUNK = 2000


def read_lines(path, limit):
    with open(path, encoding="utf-8") as file:
        lines = [json.loads(line) for line in file]
    return lines[::max(1, len(lines) // limit)] if limit else lines


def fill(text, names):
    """Own added tokens, in turn, at the marks."""
    parts = text.split("{S}")
    return parts[0] + "".join(next(names) + part for part in parts[1:])


def range_problem(text, encoding, got):
    """Empty ranges are those of added tokens, which come from nowhere."""
    want = np.array(encoding.offsets, np.int64).reshape(-1, 2)
    have = np.array(got, np.int64).reshape(-1, 2)
    empty = want[:, 0] == want[:, 1]
    nowhere = empty & (have[:, 0] == have[:, 1])
    if not text.isascii():
        points = np.frombuffer(text.encode("utf-32-le"), np.uint32)
        bytes_ = (1 + (points > 0x7F).astype(np.int64) + (points > 0x7FF) +
                  (points > 0xFFFF))
        places = np.concatenate([[0], np.cumsum(bytes_)])
        want = places[want]
        # To whole characters: the first place at or before, at or after.
        have[:, 0] = places[np.searchsorted(places, have[:, 0], "right") - 1]
        have[:, 1] = places[np.searchsorted(places, have[:, 1], "left")]
    wrong = np.flatnonzero((want != have).any(axis=1) & ~nowhere)
    if not len(wrong):
        return None
    at = wrong[0]
    return f"range of token {at}: {tuple(have[at])}, expected {tuple(want[at])}"


def left_out_problem(text, got):
    """Where no token spells a character, the library's later ranges in that
    word are too far left by its length. Ours must have the decoded bytes, in
    order, and besides at most what was left out within a token."""
    data = text.encode()
    ranges = b"".join(data[begin:end] for begin, end in got["offsets"])
    spelled = bytes.fromhex(got["bytes"])
    rest = iter(ranges)
    if (len(ranges) - len(spelled) <= got["left_out"] and
            all(byte in rest for byte in spelled)):
        return None
    return "ranges beside left out"


def decoded(hexed):
    return bytes.fromhex(hexed).decode("utf-8", "replace")


def problem_of(text, encoding, got, whole, skipped):
    if "error" in got:
        return "error: " + got["error"]
    if got["ids"] != encoding.ids:
        at = next((i for i, (a, b) in enumerate(zip(got["ids"], encoding.ids))
                   if a != b), min(len(got["ids"]), len(encoding.ids)))
        return (f"ids at {at}: {got['ids'][at:at + 6]}, expected "
                f"{encoding.ids[at:at + 6]} {encoding.tokens[at:at + 6]}")
    problem = (left_out_problem(text, got) if got["left_out"] else
               range_problem(text, encoding, got["offsets"]))
    if problem:
        return problem
    for name, have, want in (("decoded", decoded(got["bytes"]), whole),
                             ("skipped", decoded(got["skipped"]), skipped),
                             ("stream", got["stream"], whole)):
        if have != want:
            at = next((i for i, (a, b) in enumerate(zip(have, want))
                       if a != b), min(len(have), len(want)))
            return (f"{name} at {at}: {have[at - 3:at + 20]!r}, expected "
                    f"{want[at - 3:at + 20]!r}")
    return None


def answers(program, path, inputs, options):
    with tempfile.TemporaryFile() as file:
        for value in inputs:
            file.write(json.dumps(value).encode() + b"\n")
        file.seek(0)
        process = subprocess.Popen(
            [program, path, *options], stdin=file,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        for line in process.stdout:
            yield json.loads(line)
        errors = process.stderr.read().decode()
        if process.wait():
            raise RuntimeError(errors[-600:])


def compare(program, folder, lines, bare):
    path = os.path.join(folder, "tokenizer.json")
    reference = Tokenizer.from_file(path)
    reference.no_truncation()
    reference.no_padding()
    names = [t.content for _, t in
             sorted(reference.get_added_tokens_decoder().items())]
    # All of them in turn, the first ones (special tokens) more often.
    cycle = itertools.cycle([n for i, n in enumerate(names)
                             for n in [n] + names[i % 7:i % 7 + 1]] or [""])
    count = collections.Counter()
    shown = []
    items = []  # what malmoi reads, the text for the library, Python's error
    for line in lines:
        if "text" in line:
            text = fill(line["text"], cycle)
            items.append((text, text, None, line["kind"]))
            continue
        data = bytes.fromhex(line["hex"])
        try:
            data.decode()
        except UnicodeDecodeError as error:
            items.append(({"hex": line["hex"]}, None,
                          f"byte 0x{data[error.start]:02x} at offset "
                          f"{error.start}", "invalid"))
        text = data.decode("utf-8", "replace")
        items.append((text, text, None, "replaced"))
    stream = answers(program, path, (item[0] for item in items),
                     ["--bare"] * bare)
    for first in range(0, len(items), CHUNK):
        chunk = items[first:first + CHUNK]
        valid = [text for _, text, _, _ in chunk if text is not None]
        encodings = reference.encode_batch(valid,
                                           add_special_tokens=not bare)
        ids = [e.ids for e in encodings]
        wholes = reference.decode_batch(ids, skip_special_tokens=False)
        skips = reference.decode_batch(ids, skip_special_tokens=True)
        results = iter(zip(encodings, wholes, skips))
        for _, text, error, kind in chunk:
            got = next(stream)
            count["lines"] += kind != "replaced"
            if error is not None:
                problem = (None if "invalid UTF-8" in got.get("error", "") and
                           error in got["error"] else
                           f"{got}, expected an error with {error}")
            else:
                encoding, whole, skipped = next(results)
                count["tokens"] += len(encoding.ids)
                count["left out"] += bool(got.get("left_out"))
                problem = problem_of(text, encoding, got, whole, skipped)
            if problem:
                count["different"] += 1
                count["different: " + kind] += 1
                if len(shown) < 6 and not any(
                        s[1][:3] == problem[:3] and s[0] == kind
                        for s in shown):
                    shown.append((kind, problem, text))
    for kind, problem, text in shown:
        print(f"    {kind}: {problem}; {text[:90]!r}" if text else
              f"    {kind}: {problem}")
    return count


def kind_of(folder):
    with open(os.path.join(folder, "tokenizer.json"), encoding="utf-8") as f:
        json_ = json.load(f)
    model = json_["model"]
    name = model.get("type") or (
        "BPE" if "merges" in model else "WordPiece")
    if name == "BPE":
        name += (" with byte fallback" if model.get("byte_fallback") else
                 ", byte level" if "ByteLevel" in json.dumps(json_["decoder"])
                 else "")
    return name


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("program")
    parser.add_argument("lines")
    parser.add_argument("folders", nargs="+")
    parser.add_argument("--markdown", help="appends rows of the table")
    parser.add_argument("--bare", action="store_true",
                        help="adds no special tokens")
    parser.add_argument("--limit", type=int, help="every n-th line only")
    arguments = parser.parse_args()
    lines = read_lines(arguments.lines, arguments.limit)
    different = 0
    for folder in arguments.folders:
        name = os.path.basename(os.path.normpath(folder))
        begin = time.time()
        try:
            count = compare(arguments.program, folder, lines, arguments.bare)
        except RuntimeError as error:
            print(f"{name}: FAILED {error}", flush=True)
            different += 1
            continue
        different += count["different"]
        print(f"{name}: {dict(count)} in {time.time() - begin:.0f} s",
              flush=True)
        if arguments.markdown:
            with open(arguments.markdown, "a", encoding="utf-8") as file:
                file.write(f"| {name} | {kind_of(folder)} | "
                           f"{count['lines']:,} | {count['tokens']:,} | "
                           f"{count['left out']} | {count['different']} |\n")
    print(f"{different} differences")
    sys.exit(1 if different else 0)


if __name__ == "__main__":
    main()
