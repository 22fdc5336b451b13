#!/usr/bin/env bash
# Speed against llama.cpp, measured in the same minutes on this machine:
#   bench/peers.sh [MODEL.gguf]     (default: the pulled smollm2)
# Builds llama-bench once, below build/peers, from the PyPI source package
# llama-cpp-python (pinned by hash), with clang-19 and for this machine; then
# runs malmoi and llama-bench in turn (A B B A ...) and prints medians and
# ratios. THREADS=2 ROUNDS=3 SDIST=path override.
set -euo pipefail
cd "$(dirname "$0")/.."
version=0.3.36
threads=${THREADS:-2} rounds=${ROUNDS:-3}
peers=build/peers
bench=$peers/build/bin/llama-bench

if [[ ! -x $bench ]]; then
  mkdir -p "$peers"
  sdist=${SDIST:-$peers/llama_cpp_python-$version.tar.gz}
  [[ -f $sdist ]] || python3 -m pip download --no-deps --no-binary :all: \
    --no-build-isolation -q -d "$peers" "llama-cpp-python==$version"
  sha256sum -c --quiet <<<"832db0699007f1be95a7e41ef12e88926b02ba836461e36a36372db2760c1a2e  $sdist"
  tar -xzf "$sdist" -C "$peers"
  cmake -S "$peers/llama_cpp_python-$version/vendor/llama.cpp" \
    -B "$peers/build" -G Ninja -DCMAKE_BUILD_TYPE=Release \
    -DCMAKE_C_COMPILER=clang-19 -DCMAKE_CXX_COMPILER=clang++-19 \
    -DGGML_NATIVE=ON -DLLAMA_CURL=OFF -DBUILD_SHARED_LIBS=OFF \
    -DLLAMA_BUILD_TESTS=OFF -DLLAMA_BUILD_EXAMPLES=OFF \
    -DLLAMA_BUILD_SERVER=OFF >"$peers/configure.log"
  ninja -C "$peers/build" llama-bench >"$peers/build.log"
fi

model=${1:-$(build/release/malmoi pull smollm2)}
results=$(mktemp)
trap 'rm -f "$results"' EXIT

ours() {
  build/release/malmoi bench "$model" --prompt 512 --decode 128 \
    --threads "$threads" --repetitions 3 --json 2>/dev/null |
    python3 -c 'import json, sys
for r in json.load(sys.stdin)["results"]:
    print("malmoi", r["work"].split()[0], r["tokens_per_s"], r["share_of_roof"])'
}
theirs() {
  "$bench" -m "$model" -p 512 -n 128 -t "$threads" -r 3 -o json 2>/dev/null |
    python3 -c 'import json, sys
for r in json.load(sys.stdin):
    print("llama.cpp", "prompt" if r["n_prompt"] else "decode", r["avg_ts"], 0)'
}
for ((i = 0; i < rounds; ++i)); do
  for run in ours theirs theirs ours; do
    $run >>"$results"
  done
done
lscpu | grep -E 'Model name|^CPU\(s\)' | sed 's/  */ /g'
build/release/malmoi doctor | grep kernels
python3 - "$results" <<'PY'
import collections, statistics, sys
rows = collections.defaultdict(list)
share = {}
for line in open(sys.argv[1]):
    who, work, speed, part = line.split()
    rows[who, work].append(float(speed))
    if who == "malmoi":
        share[work] = float(part)
print(f"{'':8}{'malmoi':>12}{'llama.cpp':>12}{'ratio':>8}{'of roof':>9}")
for work in ("prompt", "decode"):
    a = statistics.median(rows["malmoi", work])
    b = statistics.median(rows["llama.cpp", work])
    print(f"{work:8}{a:10.1f}/s{b:10.1f}/s{a / b:8.2f}{100 * share[work]:8.1f}%")
PY
