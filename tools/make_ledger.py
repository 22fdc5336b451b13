#!/usr/bin/env python3
"""docs/ledger.md from the ledger of a run of the tests.

MALMOI_LEDGER=FILE ctest --test-dir build/release -R 'Test' ; tools/make_ledger.py FILE > docs/ledger.md
A line of FILE is: model, what it was read from, largest relative difference.
"""
import collections, sys

rows, sources = collections.defaultdict(dict), []
for line in open(sys.argv[1]):
    model, source, worst = line.split()
    if source not in sources:
        sources.append(source)
    rows[model][source] = max(float(worst), rows[model].get(source, 0))
sources.sort(key=lambda s: (s != "folder", s != "gguf", s))
largest = max(max(row.values()) for row in rows.values())
print(f"""# The ledger

Small random models of every architecture, {len(rows)} in all, against transformers in float32: the largest difference of any layer or
logit, relative to the largest value, by what the weights were read from (1e-4 is allowed; the largest here is {largest:.1e}). `./test`
measures and prints it anew; `malmoi verify` repeats a part of it wherever malmoi is installed. Written by `tools/make_ledger.py`.

| model | {' | '.join(sources)} |
|---|{'---|' * len(sources)}""")
for model in sorted(rows):
    cells = [f"{rows[model][s]:.1e}" if s in rows[model] else "" for s in sources]
    print(f"| {model} | {' | '.join(cells)} |")
