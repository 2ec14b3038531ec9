#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The judge of told times, tests/eta.sh, judged: what it must find wrong, and by how much.
source "$ROOT/tests/tap.sh"
source "$ROOT/tests/eta.sh"
cd "$SCRATCH" || exit 1

event () { # SECONDS ETA
  printf '%d {"event":"progress","phase":"x","fraction":0.5,"eta_s":%s,"peak_bytes":1}\n' $(($1 * 1000000)) "$2"
}
judged () { # NAME WORST EVENT...: of a run of 100 seconds
  local name=$1 want=$2
  shift 2
  printf '%s\n' "$@" "$(event 100 0.0)" >events
  check "$name" test "$(worst events)" = "$want"
}
judged "told truly" 0.000 "$(event 25 75.0)" "$(event 50 5e1)"
judged "ten seconds too many" 0.100 "$(event 25 75.0)" "$(event 50 60)"
judged "ten seconds too few" 0.100 "$(event 50 40)" "$(event 75 25)"
judged "anything before a quarter" 0.000 "$(event 10 4000)" "$(event 20 null)" "$(event 40 60)"
judged "not told after a quarter" 1.000 "$(event 25 75)" "$(event 40 null)"
judged "other events" 0.000 "$(event 25 75)" '50000000 {"event":"figure","step":3,"name":"loss","value":1.0}'
printf '100000000 {"event":"done","eta_s":0.0}\n' >events
check "nothing told at all" test "$(worst events)" = 1.000
finish
