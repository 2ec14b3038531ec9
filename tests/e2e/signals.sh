#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Signals end a job within 200 ms with code 130 and leave nothing behind, whichever they are and however often they come; so
# does a reader of the events that goes away.
source "$ROOT/tests/tap.sh"
cd "$SCRATCH" || exit 1
export XDG_STATE_HOME=$SCRATCH/state
"$BUILD/tests/random-model" model width=256 depth=4 heads=4 size=96 frames=16 steps=400 || exit 1
job=
trap '[[ -z $job ]] || kill -9 "$job" 2>/dev/null' EXIT

start () { # runs in the background as $job until its second step
  rm -rf clip events errors
  "$CLI" generate --model model/ --prompt "a big blue square" --seed 5 --output clip --json >events 2>errors </dev/null &
  job=$!
  local tries=0
  until grep -qs '"step":2,' events; do
    kill -0 "$job" 2>/dev/null && ((tries++ < 6000)) || return 1
    sleep 0.01
  done
}

for signals in INT TERM HUP "INT INT" "INT TERM INT"; do
  start
  check "$signals: the job begins" test $? -eq 0
  began=${EPOCHREALTIME/[.,]/}
  for signal in $signals; do
    kill "-$signal" "$job" 2>/dev/null
  done
  wait "$job"
  code=$?
  took=$(((${EPOCHREALTIME/[.,]/} - began) / 1000))
  check "$signals: ends with 130" test "$code" -eq 130
  check "$signals: within 200 ms ($took)" test "$took" -lt 200
  check "$signals: says one line" test "$(wc -l <errors)" -eq 1
  check "$signals: its last event says so" grep -q '^{"event":"stopped"' <(tail -n 1 events)
  check "$signals: leaves no clip" test ! -e clip
done

timeout 60 bash -c '"$CLI" generate --model model/ --prompt x --output clip --json 2>errors | head -n 3 >events; exit "${PIPESTATUS[0]}"'
check "a reader that goes away ends the job" test $? -eq 1
check "which tells why" grep -q 'cannot write to standard output' errors
check "and leaves no clip" test ! -e clip
check "no process is left behind" test -z "$(pgrep -f "framewright.*$SCRATCH")"
finish
