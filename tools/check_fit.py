#!/usr/bin/env python3
"""Predicted against measured speed, and what would make them agree.

    tools/check_fit.py [--malmoi PROGRAM] [--options "..."] MODEL...

Runs `malmoi bench` on each MODEL (with a depth and several sequences too),
prints prediction and measurement, then fits one factor to each constant of
`Calibration` in src/generate/fit.cc: what it must be divided by (element_ops
and region_s: multiplied with). A factor that the works cannot tell stays near
1. Results of an earlier run may be given instead of models, as .json files.
"""
import argparse
import json
import os
import subprocess

PARTS = ("arithmetic", "memory", "attention", "elements", "regions")
WORKS = ([], ["--prompt", "1", "--depth", "1024", "--decode", "64"],
         ["--prompt", "1", "--sequences", "8", "--decode", "64"])


def measure(args, model):
    if model.endswith(".json"):
        with open(model) as file:
            return json.load(file)
    results = []
    for work in WORKS:
        command = [args.malmoi, "bench", model, "--json", *work,
                   *args.options.split()]
        output = subprocess.run(command, check=True, capture_output=True,
                                text=True).stdout
        results += [dict(result, model=os.path.basename(model))
                    for result in json.loads(output)["results"]
                    if result["work"] != "prompt 1"]
    return results


def error(results, factors):
    """Squared relative errors, and a little for leaving 1."""
    total = 0
    for result in results:
        parts = result["predicted_s"]
        now = sum(parts[p] * factors[p] for p in PARTS)
        real = (sum(parts.values()) * result["predicted_tokens_per_s"]
                / result["tokens_per_s"])
        total += (now / real - 1) ** 2
    return total + 1e-3 * sum((f - 1) ** 2 for f in factors.values())


def fit(results):
    factors = dict.fromkeys(PARTS, 1.0)
    step = 0.3
    while step > 1e-4:
        best = error(results, factors)
        better = False
        for part in PARTS:
            for scale in (1 + step, 1 / (1 + step)):
                tried = dict(factors)
                tried[part] *= scale
                if error(results, tried) < best:
                    factors, best, better = tried, error(results, tried), True
        if not better:
            step /= 2
    return factors


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--malmoi", default="build/release/malmoi")
    parser.add_argument("--options", default="", help="of malmoi bench")
    parser.add_argument("--save", help="write the results to this .json file")
    parser.add_argument("models", nargs="+")
    args = parser.parse_args()
    results = [r for model in args.models for r in measure(args, model)]
    if args.save:
        with open(args.save, "w") as file:
            json.dump(results, file, indent=1)
    factors = fit(results)
    print(f"{'model':<28}{'work':<22}{'measured':>10}{'predicted':>10}"
          f"{'error':>8}{'fitted':>8}")
    for r in results:
        parts = r["predicted_s"]
        now = sum(parts[p] * factors[p] for p in PARTS)
        ratio = r["predicted_tokens_per_s"] / r["tokens_per_s"]
        fitted = ratio * sum(parts.values()) / now
        print(f"{r['model']:<28}{r['work']:<22}{r['tokens_per_s']:>10.1f}"
              f"{r['predicted_tokens_per_s']:>10.1f}{100 * ratio - 100:>+7.1f}%"
              f"{100 * fitted - 100:>+7.1f}%")
    print("divide   " + ", ".join(f"{p} {factors[p]:.3f}" for p in PARTS[:3]))
    print("multiply " + ", ".join(
        f"{name} {factors[p]:.3f}" for name, p in
        (("element_ops", "elements"), ("region_s", "regions"))))


if __name__ == "__main__":
    main()
