# Sourced by ./run and ./test: configures and builds one preset, quietly, one
# build at a time (a lock), with the log shown when something fails.

# build_quietly PRESET LABEL CMAKE_ARGS -- NINJA_ARGS: everything goes to
# build/PRESET/build.log; one line of progress goes to stderr.
build_quietly() {
  local preset=$1 label=$2 dir log configure=() rc=0
  shift 2
  while (($#)) && [[ $1 != -- ]]; do
    configure+=("$1")
    shift
  done
  shift
  dir=$MALMOI_ROOT/build/$preset
  log=$dir/build.log
  mkdir -p "$dir"
  : >"$log"
  # A tree that was moved or copied carries a cache of its old place.
  if [[ -f $dir/CMakeCache.txt ]] &&
    ! grep -qxF "CMAKE_HOME_DIRECTORY:INTERNAL=$MALMOI_ROOT" \
      "$dir/CMakeCache.txt"; then
    configure+=(--fresh)
  fi
  if [[ ! -f $dir/build.ninja ]] || ((${#configure[@]})); then
    (cd "$MALMOI_ROOT" && cmake --preset "$preset" "${configure[@]}") \
      </dev/null >>"$log" 2>&1 || rc=$?
  fi
  if ((rc == 0)); then
    NINJA_STATUS='[%f/%t] ' ninja -C "$dir" -j "$(nproc)" "$@" \
      </dev/null 2>&1 | show_progress "$label" "$log"
    rc=${PIPESTATUS[0]}
  fi
  if ((rc)); then
    grep -nE 'FAILED|error:|Error' "$log" | head -n 20 >&2 || true
    tail -n 40 "$log" >&2
    echo "malmoi: the build failed; the whole log is $log" >&2
  fi
  return "$rc"
}

# show_progress LABEL LOG: stdin to LOG; on a terminal one line that counts.
show_progress() {
  local line shown=no
  while IFS= read -r line; do
    printf '%s\n' "$line" >>"$2"
    if [[ -t 2 && $line == \[+([0-9])/+([0-9])\]* ]]; then
      printf '\r\033[K%s %s' "$1" "${line%%]*}]" >&2
      shown=yes
    fi
  done
  [[ $shown == no ]] || printf '\r\033[K' >&2
}

# with_build_lock COMMAND...: one build of this checkout at a time.
with_build_lock() {
  if ! mkdir -p "$MALMOI_ROOT/build" 2>/dev/null ||
    [[ ! -w $MALMOI_ROOT/build ]]; then
    echo "malmoi: cannot write $MALMOI_ROOT/build; try a checkout of your" \
      "own" >&2
    return 1
  fi
  if command -v flock >/dev/null; then
    exec 9>"$MALMOI_ROOT/build/.lock"
    flock 9
  fi
  local rc=0
  "$@" || rc=$?
  exec 9>&-
  return "$rc"
}
