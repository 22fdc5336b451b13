#!/usr/bin/env bash
# Speed against llama.cpp, measured in the same minutes on this machine:
#   bench/peers.sh [MODEL.gguf [SDIST.tar.gz]]
# MODEL is the pulled smollm2 when it is not given (or is ""). llama-bench is
# built once, below build/peers, from the PyPI source package llama-cpp-python
# (pinned by hash; SDIST is a copy of it, otherwise pip gets it) with clang-19
# and for this machine's instructions. Then malmoi and llama-bench run in turn
# (A B B A ...), and medians over all runs and their ratios are printed.
#   bench/peers.sh --build [SDIST.tar.gz]   only builds llama-bench
# Environment: THREADS (2), ROUNDS of A B B A (3), REPETITIONS in a run (3),
# PROMPT (512), DECODE (128), PEER_CC and PEER_CXX (clang-19, clang++-19).
set -euo pipefail
cd "$(dirname "$(readlink -f "$0")")/.."
version=0.3.36
sdist_sha256=832db0699007f1be95a7e41ef12e88926b02ba836461e36a36372db2760c1a2e
threads=${THREADS:-2} rounds=${ROUNDS:-3} repetitions=${REPETITIONS:-3}
prompt=${PROMPT:-512} decode=${DECODE:-128}
cc=${PEER_CC:-clang-19} cxx=${PEER_CXX:-clang++-19}
peers=build/peers

# The instruction sets that this compiler uses on this machine: a build for
# another one is not reused.
isa=$("$cc" -march=native -dM -E -x c /dev/null | sort |
  sed -nE 's/^#define __((AVX|FMA|F16C|BMI2|ARM_FEATURE|AMX)[A-Z0-9_]*)__ 1$/\1/p;
           s/^#define __(ARM_FEATURE_[A-Z0-9_]*) .*$/\1/p' | tr '\n' ' ')
build=$peers/build-$(basename "$cc")-$(sha256sum <<<"$isa" | cut -c1-8)
bench=$build/bin/llama-bench

build_llama_bench() {
  local sdist=${1:-$peers/llama_cpp_python-$version.tar.gz}
  local source=$peers/llama_cpp_python-$version/vendor/llama.cpp
  mkdir -p "$peers"
  if [[ ! -f $sdist ]]; then
    echo "peers: getting llama-cpp-python $version (77 MB)" >&2
    echo "llama-cpp-python==$version --hash=sha256:$sdist_sha256" \
      >"$peers/requirements.txt"
    python3 -m pip download -q --no-deps --no-binary :all: --require-hashes \
      -r "$peers/requirements.txt" -d "$peers"
  fi
  sha256sum -c --quiet <<<"$sdist_sha256  $sdist"
  tar -xzf "$sdist" -C "$peers"
  echo "peers: building llama-bench in $build; this takes minutes" >&2
  cmake -S "$source" -B "$build" -G Ninja -DCMAKE_BUILD_TYPE=Release \
    -DCMAKE_C_COMPILER="$cc" -DCMAKE_CXX_COMPILER="$cxx" -DGGML_NATIVE=ON \
    -DGGML_CUDA=OFF -DBUILD_SHARED_LIBS=OFF -DLLAMA_CURL=OFF \
    -DLLAMA_OPENSSL=OFF -DLLAMA_BUILD_TESTS=OFF -DLLAMA_BUILD_EXAMPLES=OFF \
    -DLLAMA_BUILD_SERVER=OFF -DLLAMA_BUILD_APP=OFF -DLLAMA_BUILD_TOOLS=ON \
    -DLLAMA_USE_PREBUILT_UI=OFF >"$peers/configure.log" 2>&1 ||
    { tail -n 30 "$peers/configure.log" >&2; return 1; }
  ninja -j "$(nproc)" -C "$build" llama-bench >"$peers/build.log" 2>&1 ||
    { tail -n 40 "$peers/build.log" >&2; return 1; }
}

if [[ ${1-} == --build ]]; then
  build_llama_bench "${2-}"
  echo "$bench"
  exit
fi
[[ -x $bench ]] || build_llama_bench "${2-}"
[[ -x build/release/malmoi ]] ||
  { echo "peers: build/release/malmoi is not built; try ./run" >&2; exit 1; }
model=${1:-$(build/release/malmoi pull smollm2)}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# Each run appends one line: its JSON, on one line, after the program's name.
run() {
  local program=$1
  shift
  "$@" >"$work/out" 2>"$work/err" ||
    { echo "peers: $* failed" >&2; tail -n 20 "$work/err" >&2; exit 1; }
  { printf '%s ' "$program"; tr -d '\n' <"$work/out"; echo; } >>"$work/runs"
}
ours() {
  run malmoi build/release/malmoi bench "$model" --prompt "$prompt" \
    --decode "$decode" --threads "$threads" --repetitions "$repetitions" --json
}
theirs() {
  run llama.cpp "$bench" -m "$model" -p "$prompt" -n "$decode" \
    -t "$threads" -r "$repetitions" -o json
}
for ((i = 1; i <= rounds; ++i)); do
  echo "peers: round $i of $rounds" >&2
  for turn in ours theirs theirs ours; do "$turn"; done
done

echo "machine    $(lscpu | sed -n 's/^Model name: *//p' | head -n 1)," \
  "$(nproc) CPUs, $threads threads"
echo "malmoi     $(build/release/malmoi doctor 2>/dev/null |
  sed -nE 's/^.*kernels[: ]+//p' | head -n 1)"
echo "llama.cpp  $("$cc" --version | head -n 1), $isa"
echo "flags      $(lscpu | sed -n 's/^Flags: *//p' | tr ' ' '\n' |
  grep -E '^(avx|fma|f16c|amx|sse4_2|bmi2)' | tr '\n' ' ' || true)"
python3 - "$work/runs" <<'PY'
import collections, json, statistics, sys

speeds, shares = collections.defaultdict(list), collections.defaultdict(list)
works = []
for line in open(sys.argv[1]):
    program, text = line.split(" ", 1)
    if program == "malmoi":
        for r in json.loads(text)["results"]:
            if r["work"] not in works:
                works.append(r["work"])
            speeds[program, r["work"]].append(r["tokens_per_s"])
            if r.get("share_of_roof") is not None:
                shares[r["work"]].append(r["share_of_roof"])
    else:
        for r in json.loads(text):
            kind = (f"prompt {r['n_prompt']}" if r["n_prompt"]
                    else f"decode {r['n_gen']}")
            speeds[program, kind].append(r["avg_ts"])
print(f"{'tokens/s, median (least-most)':<30}"
      f"{'malmoi':>26}{'llama.cpp':>26}{'ratio':>7}{'of roof':>9}")
for work in works:
    cells, medians = [], []
    for program in ("malmoi", "llama.cpp"):
        s = speeds[program, work]
        medians.append(statistics.median(s))
        cells.append(f"{medians[-1]:.1f} ({min(s):.1f}-{max(s):.1f})")
    roof = statistics.median(shares[work]) if shares[work] else None
    roof = f"{100 * roof:.1f}%" if roof is not None else "-"
    print(f"{work:<30}{cells[0]:>26}{cells[1]:>26}"
          f"{medians[0] / medians[1]:>7.2f}{roof:>9}")
PY
