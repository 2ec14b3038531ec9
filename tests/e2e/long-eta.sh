#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The time left that a clip and a benchmark tell, on this machine as it is: from a quarter of the run on, within 15 % of its true length, in
# every phase. Needs a machine that does nothing else.
source "$ROOT/tests/tap.sh"
source "$ROOT/tests/eta.sh"
cd "$SCRATCH" || exit 1
export XDG_CACHE_HOME=$SCRATCH/cache
"$BUILD/tests/random-model" model width=256 depth=6 heads=4 frames=16 size=128 vae-width=32 vae-levels=4 steps=30 || exit 1

run () { # EVENTS COMMAND...: its events with the microseconds at which they came
  local events=$1 began=${EPOCHREALTIME/[.,]/} line
  shift
  while read -r line; do
    printf '%d %s\n' $((${EPOCHREALTIME/[.,]/} - began)) "$line"
  done < <("$@" --json) >"$events"
}
judge () { # NAME EVENTS
  local share
  share=$(worst "$2")
  check "$1 of $(awk 'END { printf "%.1f", $1 / 1e6 }' "$2") s was forecast within 15 % (worst $share)" awk "BEGIN { exit !($share < 0.15) }"
  none "its bar never goes back" "$(grep -o '"fraction":[0-9.e-]*' "$2" | cut -d : -f 2 | awk '$1 < last { print last " then " $1 } { last = $1 }')"
}

for turn in first second third; do
  run "$turn" "$CLI" generate --model model/ --prompt "a big red circle" --seed 1 --output clip.mp4 --force
  judge "the $turn run" "$turn"
done
for turn in first second; do
  run "$turn-bench" "$CLI" bench t5 --runs 60
  judge "the $turn benchmark" "$turn-bench"
done
finish
