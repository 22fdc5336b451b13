#!/usr/bin/env bash
# Speed against llama.cpp and ik_llama.cpp, measured in the same minutes on
# this machine:
#   bench/peers.sh [MODEL.gguf [SDIST.tar.gz]]
# MODEL is the pulled smollm2 when it is not given (or is ""). The peers are
# built once, below build/peers, with clang-19 and for this machine's
# instructions: llama.cpp from the PyPI source package llama-cpp-python
# (pinned by hash; SDIST is a copy of it, otherwise pip gets it), ik_llama.cpp
# from git (pinned by commit; IK_SOURCE is a folder with its source). Then all
# programs run in turn, forwards and backwards (A B B A), pinned to the same
# CPUs. Medians over all runs are printed, and the ratio to the best peer.
# ik_llama.cpp runs once for each of IK_VARIANTS; its best counts.
#   bench/peers.sh --build [SDIST.tar.gz]   only builds the peers
# Environment: THREADS (2), CPUS (the first THREADS that may be used), ROUNDS
# of A B B A (3), REPETITIONS in a run (3), PROMPT (512), DECODE (128), DEPTH
# (0; otherwise also decoding at that depth, the peers with 8-bit keys and
# values), SEQUENCES (1; otherwise also that many decoding at once), PEERS
# ("llama ik"), IK_VARIANTS ("1,1 0,1 1,0 0,0": run-time repacking, flash
# attention), OURS (more options of malmoi bench), LLAMA_BIN and IK_BIN
# (folders with programs that are built already), PEER_CC and PEER_CXX
# (clang-19, clang++-19).
set -euo pipefail
cd "$(dirname "$(readlink -f "$0")")/.."
version=0.3.36
sdist_sha256=832db0699007f1be95a7e41ef12e88926b02ba836461e36a36372db2760c1a2e
ik_url=https://github.com/ikawrakow/ik_llama.cpp
ik_commit=8337e4cd3861406fc04e0854b1409cd1b027fbc9
threads=${THREADS:-2} rounds=${ROUNDS:-3} repetitions=${REPETITIONS:-3}
prompt=${PROMPT:-512} decode=${DECODE:-128}
depth=${DEPTH:-0} sequences=${SEQUENCES:-1}
read -ra peer_names <<<"${PEERS-llama ik}"
read -ra ik_variants <<<"${IK_VARIANTS:-1,1 0,1 1,0 0,0}"
read -ra ours_options <<<"${OURS-}"
cpus=${CPUS:-$(python3 -c 'import os, sys
cpus = sorted(os.sched_getaffinity(0))[: int(sys.argv[1])]
print(",".join(map(str, cpus)))' "$threads")}
cc=${PEER_CC:-clang-19} cxx=${PEER_CXX:-clang++-19}
peers=build/peers

# The instruction sets that this compiler uses on this machine: a build for
# another one is not reused.
isa=$("$cc" -march=native -dM -E -x c /dev/null | sort |
  sed -nE 's/^#define __((AVX|FMA|F16C|BMI2|ARM_FEATURE|AMX)[A-Z0-9_]*)__ 1$/\1/p;
           s/^#define __(ARM_FEATURE_[A-Z0-9_]*) .*$/\1/p' | tr '\n' ' ')
tag=$(basename "$cc")-$(sha256sum <<<"$isa" | cut -c1-8)
llama_build=$peers/build-$tag llama_bin=${LLAMA_BIN:-$peers/build-$tag/bin}
ik_build=$peers/ik-build-$tag ik_bin=${IK_BIN:-$peers/ik-build-$tag/bin}

# SOURCE BUILD [FLAG...]: builds the two programs that measure.
build() {
  local source=$1 build=$2
  shift 2
  echo "peers: building $build; this takes minutes" >&2
  cmake -S "$source" -B "$build" -G Ninja -DCMAKE_BUILD_TYPE=Release \
    -DCMAKE_C_COMPILER="$cc" -DCMAKE_CXX_COMPILER="$cxx" -DGGML_NATIVE=ON \
    -DGGML_CUDA=OFF -DBUILD_SHARED_LIBS=OFF -DLLAMA_CURL=OFF \
    -DLLAMA_BUILD_TESTS=OFF -DLLAMA_BUILD_SERVER=OFF "$@" \
    >"$peers/configure.log" 2>&1 ||
    { tail -n 30 "$peers/configure.log" >&2; return 1; }
  ninja -j "$(nproc)" -C "$build" llama-bench llama-batched-bench \
    >"$peers/build.log" 2>&1 ||
    { tail -n 40 "$peers/build.log" >&2; return 1; }
}

build_llama() {
  local sdist=${1:-$peers/llama_cpp_python-$version.tar.gz}
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
  build "$peers/llama_cpp_python-$version/vendor/llama.cpp" "$llama_build" \
    -DLLAMA_OPENSSL=OFF -DLLAMA_BUILD_EXAMPLES=OFF -DLLAMA_BUILD_APP=OFF \
    -DLLAMA_BUILD_TOOLS=ON -DLLAMA_USE_PREBUILT_UI=OFF
}

build_ik() {
  local source=${IK_SOURCE:-$peers/ik}
  mkdir -p "$peers"
  if [[ ! -d $source ]]; then
    echo "peers: getting ik_llama.cpp ${ik_commit:0:8}" >&2
    git clone -q --filter=blob:none "$ik_url" "$source"
    git -C "$source" checkout -q "$ik_commit"
  fi
  build "$source" "$ik_build" -DLLAMA_BUILD_EXAMPLES=ON
}

# FOLDER: whether both programs are there.
built() { [[ -x $1/llama-bench && -x $1/llama-batched-bench ]]; }

sdist=${2-}
for peer in "${peer_names[@]}"; do
  case $peer in
    llama) built "$llama_bin" || build_llama "$sdist" ;;
    ik) built "$ik_bin" || build_ik ;;
    *) echo "peers: PEERS: no such peer; expected llama, ik; got $peer" >&2
      exit 2 ;;
  esac
done
[[ ${1-} == --build ]] && exit
[[ -x build/release/malmoi ]] ||
  { echo "peers: build/release/malmoi is not built; try ./run" >&2; exit 1; }
model=${1:-$(build/release/malmoi pull smollm2)}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# PROGRAM KIND COMMAND...: each run appends a line: who, what, its output.
run() {
  local program=$1 kind=$2
  shift 2
  taskset -c "$cpus" "$@" >"$work/out" 2>"$work/err" ||
    { echo "peers: $* failed" >&2; tail -n 20 "$work/err" >&2; exit 1; }
  # ik_llama.cpp's batched bench writes its table to standard error.
  [[ $kind != batched ]] || cat "$work/err" >>"$work/out"
  python3 -c 'import json, sys
print(json.dumps([*sys.argv[1:3], open(sys.argv[3]).read()]))' \
    "$program" "$kind" "$work/out" >>"$work/runs"
}
malmoi() {
  run malmoi "$1" build/release/malmoi bench "$model" --threads "$threads" \
    --repetitions "$repetitions" --json "${ours_options[@]}" "${@:2}"
}
turn_malmoi() {
  malmoi plain --prompt "$prompt" --decode "$decode"
  ((depth == 0)) || malmoi depth --prompt 1 --decode "$decode" --depth "$depth" --kv q8
  ((sequences == 1)) ||
    malmoi batched --prompt 1 --decode "$decode" --sequences "$sequences"
}
# PROGRAM FOLDER DEPTH_OPTIONS PLAIN_OPTIONS BATCHED_OPTIONS, words each.
turn_peer() {
  local program=$1 bin=$2
  local -a at plain batched
  read -ra at <<<"$3"
  read -ra plain <<<"$4"
  read -ra batched <<<"$5"
  local -a common=(-m "$model" -t "$threads")
  run "$program" plain "$bin/llama-bench" "${common[@]}" -p "$prompt" \
    -n "$decode" -r "$repetitions" -o json "${plain[@]}"
  ((depth == 0)) || run "$program" depth "$bin/llama-bench" "${common[@]}" \
    -p 0 -r "$repetitions" -ctk q8_0 -ctv q8_0 -o json "${at[@]}"
  ((sequences == 1)) || run "$program" batched "$bin/llama-batched-bench" \
    "${common[@]}" -c $((sequences * (decode + 8))) -npp 8 -ntg "$decode" \
    -npl "$sequences" "${batched[@]}"
}
turn_llama() {
  turn_peer llama.cpp "$llama_bin" "-n $decode -d $depth -fa 1" "" ""
}
turn_ik() {  # RTR,FA
  local rtr=${1%,*} fa=${1#*,}
  local flags="-rtr $rtr -fa $fa" batched="-fa off"
  ((fa == 0)) || batched="-fa on"
  ((rtr == 0)) || batched+=" -rtr"
  # Keys and values of 8 bits need flash attention there.
  turn_peer "ik_llama.cpp rtr=$rtr fa=$fa" "$ik_bin" \
    "-n 0 -gp $depth,$decode -rtr $rtr -fa 1" "$flags" "$batched"
}

turns=(turn_malmoi)
for peer in "${peer_names[@]}"; do
  if [[ $peer == llama ]]; then
    turns+=(turn_llama)
  else
    for variant in "${ik_variants[@]}"; do turns+=("turn_ik $variant"); done
  fi
done
for ((i = 1; i <= rounds; ++i)); do
  echo "peers: round $i of $rounds" >&2
  for ((t = 0; t < ${#turns[@]}; ++t)); do ${turns[t]}; done
  for ((t = ${#turns[@]} - 1; t >= 0; --t)); do ${turns[t]}; done
done

echo "machine    $(lscpu | sed -n 's/^Model name: *//p' | head -n 1)," \
  "$(nproc) CPUs, $threads threads on CPUs $cpus"
echo "malmoi     $(build/release/malmoi doctor 2>/dev/null |
  sed -nE 's/^.*kernels[: ]+//p' | head -n 1)"
echo "peers      $("$cc" --version | head -n 1), $isa"
echo "flags      $(lscpu | sed -n 's/^Flags: *//p' | tr ' ' '\n' |
  grep -E '^(avx|fma|f16c|amx|sse4_2|bmi2)' | tr '\n' ' ' || true)"
python3 bench/peers_table.py "$work/runs"
