#!/usr/bin/env python3
"""The table of bench/peers.sh: reads its runs, prints medians and ratios.

Each line of the file is JSON: [program, kind, output], where kind is plain,
depth or batched, and the output that of `malmoi bench --json`, of llama-bench
-o json, or (batched) the table of llama-batched-bench.
"""
import collections
import json
import statistics
import sys


def ours(kind, text):
    """Yields (work, tokens/s, share of the roof)."""
    for result in json.loads(text)["results"]:
        # Beside a depth or several sequences, the prompt is not the work.
        if kind == "plain" or result["work"].startswith("decode"):
            yield kind + result["work"].split()[0], result


def theirs(kind, text):
    if kind == "batched":
        for line in text.splitlines():
            cells = [cell.strip() for cell in line.split("|")[1:-1]]
            if len(cells) == 10 and cells[0].isdigit():
                yield "batcheddecode", float(cells[7])
        return
    # What the programs log comes before the list.
    for result in json.loads(text[text.index("[\n"):]):
        decodes = result["n_gen"] > 0
        yield kind + ("decode" if decodes else "prompt"), result["avg_ts"]


def main():
    speeds = collections.defaultdict(list)
    shares, predictions = (collections.defaultdict(list) for _ in range(2))
    works, programs = {}, []
    for line in open(sys.argv[1]):
        program, kind, text = json.loads(line)
        if program not in programs:
            programs.append(program)
        if program == "malmoi":
            for key, result in ours(kind, text):
                works.setdefault(key, result["work"])
                speeds[program, key].append(result["tokens_per_s"])
                shares[key].append(result["share_of_roof"])
                predictions[key].append(result["predicted_tokens_per_s"])
        else:
            for key, speed in theirs(kind, text):
                speeds[program, key].append(speed)
    print("tokens/s: median (least-most)")
    for key, work in works.items():
        medians = {p: statistics.median(speeds[p, key])
                   for p in programs if speeds[p, key]}
        mine = medians.pop("malmoi")
        print(work)
        for program in programs:
            values = speeds[program, key]
            if not values:
                continue
            median = statistics.median(values)
            note = ""
            if program == "malmoi":
                note = (f"  {100 * statistics.median(shares[key]):.1f} % of "
                        "the roof, predicted "
                        f"{statistics.median(predictions[key]):.1f}")
            else:
                note = f"  ratio {mine / median:.2f}"
            print(f"  {program:<26}{median:>10.1f} "
                  f"({min(values):.1f}-{max(values):.1f}){note}")
        if medians:
            best = max(medians, key=medians.get)
            print(f"  {'against the best peer':<26}{mine / medians[best]:>10.2f}"
                  f"  ({best})")


if __name__ == "__main__":
    main()
