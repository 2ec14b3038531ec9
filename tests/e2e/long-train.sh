#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The smoke recipe of Pocket: in about ten minutes on two cores every stage learns, the time left is told truly, and a model comes out
# that draws. Needs a machine that does nothing else.
source "$ROOT/tests/tap.sh"
source "$ROOT/tests/eta.sh"
cd "$SCRATCH" || exit 1
export XDG_CACHE_HOME=$SCRATCH/cache

# Events with the microseconds at which they came.
run () {
  local began=${EPOCHREALTIME/[.,]/} line
  while read -r line; do
    printf '%d %s\n' $((${EPOCHREALTIME/[.,]/} - began)) "$line"
  done < <("$CLI" train --recipe "$ROOT/data/recipes/pocket-smoke.json" --set "output=$SCRATCH" --json) >events
}
# The mean loss of a stage's last tenth as a share of that of its first tenth.
share () { # STAGE
  awk -F , 'NR > 1 { loss[++n] = $2 }
    END { part = int((n + 9) / 10); for (i = 1; i <= part; i++) { first += loss[i]; last += loss[n + 1 - i] } printf "%.3f", last / first }' "pocket-smoke/log/$1.csv"
}
learns () { # STAGE MOST
  check "$1 learns: its loss falls to $(share "$1") of what it was" awk -v share="$(share "$1")" -v most="$2" 'BEGIN { exit !(share > 0 && share < most) }'
}

run
seconds=$(awk 'END { printf "%.0f", $1 / 1e6 }' events)
check "the recipe runs to its end" grep -q '"event":"result"' events
check "in ten minutes ($seconds s)" test "$seconds" -le 600
learns vae 0.3
learns text 0.2
learns images-64 0.1
learns clips-64 0.65
learns clips-128 0.9
wrong=$(worst events)
check "the time left is within 15 % from a quarter of the run on (worst $wrong)" awk "BEGIN { exit !($wrong < 0.15) }"
none "the bar never goes back" "$(grep -o '"fraction":[0-9.e-]*' events | cut -d : -f 2 | awk '$1 < last { print last " then " $1 } { last = $1 }')"
peak=$(grep -o '"peak_bytes":[0-9]*' events | cut -d : -f 2 | sort -g | tail -n 1)
forecast=$(grep -o '"forecast_bytes":[0-9]*' events | tail -n 1 | cut -d : -f 2)
check "memory ($peak bytes) stays within the forecast ($forecast)" test "$peak" -le "$forecast"
most=$((peak / 10 > 25000000 ? peak / 10 : 25000000))
check "which is at most a tenth or 25 MB above it" test $((forecast - peak)) -le $most
check "the model is whole" "$CLI" models verify "$SCRATCH/pocket-smoke/model"
check "and draws" timeout 120 "$CLI" generate --model "$SCRATCH/pocket-smoke/model" --prompt "a big red circle moving left on a navy background" --output clip
finish
