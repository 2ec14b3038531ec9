# SPDX-License-Identifier: Apache-2.0
# For test scripts: prints TAP lines that tests/run counts. Sourced; a script ends with `finish`.
# tests/run sets $ROOT (the source tree), $BUILD (the build folder), $CLI (framewright-cli) and $SCRATCH (an empty folder).

tap_count=0

pass () { # NAME
  tap_count=$((tap_count + 1))
  echo "ok $tap_count $1"
}

fail () { # NAME WHY
  tap_count=$((tap_count + 1))
  echo "not ok $tap_count $1"
  printf '%s\n' "$2" | sed 's/^/# /'
}

skip () { # NAME WHY
  tap_count=$((tap_count + 1))
  echo "ok $tap_count $1 # SKIP $2"
}

check () { # NAME COMMAND...: passes if the command succeeds; its output tells why not
  local name=$1 output
  shift
  if output=$("$@" 2>&1); then pass "$name"; else fail "$name" "exit $?: $output"; fi
}

none () { # NAME LINES: passes if there are no lines
  if [[ -z $2 ]]; then pass "$1"; else fail "$1" "$2"; fi
}

# exits NAME CODE PATTERN COMMAND...: the exit code is CODE, and on a failure stderr is one line that matches PATTERN.
exits () {
  local name=$1 code=$2 pattern=$3 status lines
  shift 3
  timeout 60 "$@" >"$SCRATCH/stdout" 2>"$SCRATCH/stderr" </dev/null
  status=$?
  lines=$(wc -l <"$SCRATCH/stderr")
  if [[ $status != "$code" ]]; then
    fail "$name" "exit $status instead of $code: $(head -n 5 "$SCRATCH/stderr")"
  elif [[ $code != 0 && $lines != 1 ]]; then
    fail "$name" "$lines lines on stderr instead of one: $(head -n 5 "$SCRATCH/stderr")"
  elif ! grep -qE -- "$pattern" "$SCRATCH/stderr" "$SCRATCH/stdout"; then
    fail "$name" "nothing matches “$pattern”: $(head -n 5 "$SCRATCH/stderr")"
  else
    pass "$name"
  fi
}

finish () {
  echo "1..$tap_count"
}
