#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# tests/tables.sh [--write]: measures how close the golden cases come and how true the forecasts of memory are, on this machine and
# with the programs in build/ (or $BUILD), and prints both as tables, or writes them to tests/TABLES.md. No test compares them.
set -euo pipefail
export ROOT=${ROOT:-$(cd "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/.." && pwd)}
export BUILD=${BUILD:-$ROOT/build} LC_ALL=C.UTF-8
export CLI=$BUILD/app/cli/framewright-cli
SCRATCH=$(mktemp -d)
trap 'rm -rf "$SCRATCH"' EXIT
export SCRATCH XDG_CACHE_HOME=$SCRATCH/cache XDG_STATE_HOME=$SCRATCH/state XDG_DATA_HOME=$SCRATCH/data

# One row a case: its comparison that came nearest to its tolerance, and its largest drift from fp32 to bf16.
print_golden () {
  echo '| case | comparisons | nearest to its tolerance | largest error | relative | tolerance | used | bf16 drift (allowed) |'
  echo '|---|--:|---|--:|--:|---|--:|---|'
  cd "$ROOT/tests/data/golden"
  find . \( -name case.json -o -name manifest.json \) -printf '%P\n' | sed 's|/[^/]*$||' | LC_ALL=C sort | xargs "$BUILD/tests/golden" | awk '
    function print_case () {
      if (name == "") return
      if (used == "") what = "all exact | | | | "
      printf "| %s | %s | %s | %s |\n", name, (count > 0 ? count : ""), what, drift
    }
    function number (key) { return match($0, key " [0-9.e+-]+") ? substr($0, RSTART + length(key) + 1, RLENGTH - length(key) - 1) : "" }
    /^[^ ].* \(.*\)$/ { print_case(); name = $1; count = 0; used = ""; what = ""; drift = ""; least = 0; next }
    / max abs / {
      count++
      share = substr($0, match($0, /; [^;]* of what/) + 2) + 0
      if (used == "" || share > used) {
        used = share
        what = $2 " | " number("max abs") " | " number("relative") " | atol " number("atol") ", rtol " number("rtol") " | " \
          sprintf("%.0f %%", 100 * share)
      }
      next
    }
    /bf16 drift/ {
      count++
      max = number("max") + 0
      if (drift == "" || max > least) { least = max; bound = number("at most"); drift = max (bound != "" ? " (" bound ")" : "") }
    }
    END { print_case() }'
}

print_forecasts () {
  echo '| job | forecast | measured peak | forecast above it |'
  echo '|---|--:|--:|--:|'
  bash "$ROOT/tests/e2e/memory.sh" |
    sed -nE 's/^# (.*[^ ]) +forecast +([0-9.]+ MB) +measured +([0-9.]+ MB) +[+]?(-?[0-9.]+ MB)$/| \1 | \2 | \3 | \4 |/p'
}

print_tables () {
  local golden forecasts
  golden=$(print_golden)
  forecasts=$(print_forecasts)
  cat <<END
# Measured

Written by \`tests/tables.sh --write\` on $(grep -m 1 'model name' /proc/cpuinfo | sed 's/.*: //'), $(nproc) cores, $("$CLI" models devices | sed -n 's/^cpu  \(path [a-z0-9]*\).*/\1/p').

## Golden cases

What PyTorch or the original programs computed, in \`tests/data/golden\`, against this program in fp32. An error is allowed up to
atol + rtol · |expected|; of each case the comparison is shown that used most of that. The drift is how far bf16 moves a result, as a
share of its largest magnitude.

$golden

## Memory

The forecast that a job tells before it begins, against the most that the process then held above what it held idle. A forecast may
not be below, and at most 10 % or 25 MB above (\`tests/e2e/memory.sh\`).

$forecasts
END
}

case ${1:-} in
  --write) print_tables >"$SCRATCH/tables" && cp "$SCRATCH/tables" "$ROOT/tests/TABLES.md" ;;
  '') print_tables ;;
  *) echo "usage: tests/tables.sh [--write]" >&2; exit 2 ;;
esac
