#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Killed at each of many random moments, and resumed once or killed again before, a job ends with the pictures of an
# undisturbed one.
source "$ROOT/tests/tap.sh"
cd "$SCRATCH" || exit 1
export XDG_STATE_HOME=$SCRATCH/state
"$BUILD/tests/random-model" model width=256 depth=4 heads=4 size=64 frames=16 steps=30 || exit 1

generate () { # OUTPUT OPTION...
  exec "$CLI" generate --model model/ --prompt "a big blue square" --seed 5 --output "$@" >log 2>&1 </dev/null
}

pictures () {
  cat "$1"/*.png | sha256sum
}

began=${EPOCHREALTIME/[.,]/}
(generate whole)
check "an undisturbed run" test $? -eq 0
took=$((${EPOCHREALTIME/[.,]/} - began))
continued=0
for run in {1..20}; do
  rm -rf broken
  for again in 1 2; do
    generate broken --resume &
    job=$!
    sleep "$(awk -v took=$took -v part="$RANDOM" 'BEGIN { printf "%.3f", took / 1e6 * part / 32768 / 2 }')"
    kill -9 $job 2>/dev/null
    wait $job 2>/dev/null
  done
  [[ -n $(find state -name '*.journal') ]] && continued=$((continued + 1))
  (generate broken --resume)
  check "run $run is resumed" test $? -eq 0
  check "run $run has the same pictures" test "$(pictures whole)" = "$(pictures broken)"
done
check "most runs were continued, not begun again ($continued of 20)" test $continued -ge 10
finish
