# Sourced by ./run and ./test: sees that the packages of packages.txt are
# installed. As root it installs them; an ordinary user is told the one line
# that does. Elsewhere than on Debian and its children it only says what is
# needed and goes on.

# packages_of SECTION...: "NAME" or "NAME optional", one a line.
packages_of() {
  local line name rest wanted=no section
  while IFS= read -r line || [[ -n $line ]]; do
    line=${line%%#*}
    read -r name rest <<<"$line" || true
    [[ -z $name ]] && continue
    if [[ $name == \[*\] ]]; then
      wanted=no
      for section in "$@"; do
        [[ $name == "[$section]" ]] && wanted=yes
      done
    elif [[ $wanted == yes ]]; then
      echo "$name${rest:+ ${rest%% *}}"
    fi
  done <"$MALMOI_ROOT/packages.txt"
}

# missing_of SECTION...: the lines of packages_of that are not installed.
missing_of() {
  local listed name rest installed
  listed=$(packages_of "$@")
  installed=$(dpkg-query -W -f '${Package} ${db:Status-Status}\n' \
    $(sed 's/ .*//' <<<"$listed") 2>/dev/null |
    sed -n 's/ installed$//p' || true)
  while read -r name rest; do
    grep -qxF "$name" <<<"$installed" || echo "$name${rest:+ $rest}"
  done <<<"$listed"
}

# apt_quietly LOG ARGS...: apt-get, tried twice, without questions.
apt_quietly() {
  local log=$1 try
  shift
  for try in 1 2; do
    if DEBIAN_FRONTEND=noninteractive apt-get -qq \
      -o DPkg::Lock::Timeout=300 -o Acquire::Retries=2 "$@" \
      </dev/null >>"$log" 2>&1; then
      return 0
    fi
    [[ $try == 1 ]] && sleep 2
  done
  return 1
}

# ensure_packages SECTION...: returns 0 when the build can go on.
ensure_packages() {
  local missing name rest required=() optional=() log
  if ! command -v dpkg-query >/dev/null || ! command -v apt-get >/dev/null
  then
    echo "malmoi: not a Debian system; going on with what is here. Needed" \
      "are, by their Debian names: $(packages_of "$@" | sed 's/ .*//' |
        tr '\n' ' ')" >&2
    return 0
  fi
  missing=$(missing_of "$@")
  [[ -z $missing ]] && return 0
  while read -r name rest; do
    if [[ $rest == optional ]]; then
      optional+=("$name")
    else
      required+=("$name")
    fi
  done <<<"$missing"

  if [[ $(id -u) != 0 ]]; then
    if ((${#required[@]})); then
      echo "malmoi: system packages are missing; install them with" >&2
      echo "sudo apt-get install -y ${required[*]} ${optional[*]}" |
        sed 's/ *$//' >&2
      return 1
    fi
    echo "malmoi: going on without ${optional[*]} (optional; sudo apt-get" \
      "install -y ${optional[*]})" >&2
    return 0
  fi

  # What this distribution never had is not looked for again each time.
  if ((${#required[@]} == 0)) && apt-cache show g++ >/dev/null 2>&1 &&
    ! apt-cache show "${optional[@]}" >/dev/null 2>&1; then
    echo "malmoi: going on without ${optional[*]} (optional; not in this" \
      "distribution)" >&2
    return 0
  fi

  log=$(mktemp)
  echo "malmoi: installing system packages:" \
    "$(sed 's/ .*//' <<<"$missing" | tr '\n' ' ')" >&2
  # A failed update is not yet a failure: the lists here may be good enough.
  apt_quietly "$log" update || true
  local found=()
  for name in "${optional[@]}"; do
    if apt-cache show "$name" >/dev/null 2>&1; then
      found+=("$name")
    else
      echo "malmoi: this distribution has no $name; going on without it" >&2
    fi
  done
  if ((${#required[@]} + ${#found[@]})) &&
    ! apt_quietly "$log" install -y --no-install-recommends \
      "${required[@]}" "${found[@]}"; then
    # Optional packages must not stand in the way of the required ones.
    if ((${#required[@]})) && ! apt_quietly "$log" install -y \
      --no-install-recommends "${required[@]}"; then
      tail -n 30 "$log" >&2
      echo "malmoi: could not install the packages; see $log" >&2
      return 1
    fi
    ((${#found[@]} == 0)) ||
      echo "malmoi: going on without ${found[*]} (did not install)" >&2
  fi
  rm -f "$log"
}
