#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Killed at any step, a generate job that is resumed ends with the frames of an undisturbed one; cancelled, it ends at once.
source "$ROOT/tests/tap.sh"
cd "$SCRATCH" || exit 1
prompt="a big red circle moving left on a navy background"
"$BUILD/tests/random-model" model width=256 depth=4 heads=4 size=64 frames=16 steps=60
export XDG_STATE_HOME=$SCRATCH/state

generate () { # OPTION...: quiet; fails as the program fails
  timeout 120 "$CLI" generate --model "$SCRATCH/model" --prompt "$prompt" --seed 9 "$@" >out 2>err || { cat err; return 1; }
}
journals () {
  find state -name '*.journal' 2>find.log | wc -l
}

check "an undisturbed run" generate --output whole
# How long its sampling takes says where to kill.
began=${EPOCHREALTIME/[.,]/}
generate --output timed
took=$(((${EPOCHREALTIME/[.,]/} - began) / 1000))
killed=0 kept=0
for share in 20 30 40 50 60 25 35 55; do
  "$CLI" generate --model "$SCRATCH/model" --prompt "$prompt" --seed 9 --output broken --resume >out 2>err &
  job=$!
  sleep "$(awk -v t="$took" -v s="$share" 'BEGIN { print t * s / 100000 }')"
  kill -9 $job 2>kill.log && killed=$((killed + 1))
  wait $job 2>kill.log
  [[ $(journals) -gt 0 ]] && kept=$((kept + 1))
  [[ -e broken || ($killed -ge 2 && $kept -ge 2) ]] && break
done
check "runs were killed ($killed)" test $killed -ge 1
check "and left a journal ($kept)" test $kept -ge 1
check "resuming" generate --output broken --resume
check "goes on where the last run was killed" grep -q 'Going on after step' err
check "ends with the same frames" diff -r whole broken
check "resuming again has nothing to do" generate --output broken --resume
check "no journal is left" test "$(journals)" = 0

# A run that is killed while it decodes has its sampling behind it, of which the run that goes on learns no speed.
"$BUILD/tests/random-model" decoding width=32 depth=2 heads=2 size=64 frames=16 vae-width=64 vae-levels=3
decode () { # OPTION...
  exec "$CLI" generate --model "$SCRATCH/decoding" --prompt "$prompt" --seed 9 --steps 3 --output late "$@"
}
kill_decoding () {
  local tries=0
  decode --json >events 2>err &
  job=$!
  until grep -q '"phase":"decode"' events; do
    kill -0 $job && ((tries++ < 6000)) || return 1
    sleep 0.01
  done
  kill -9 $job
  wait $job
  [[ $? == 137 ]]
}
check "a run is killed while it decodes" kill_decoding
XDG_CACHE_HOME=$SCRATCH/fresh check "it is resumed" decode --resume
check "learns what decoding costs" grep -qh '"decode AutoencoderKL' fresh/framewright/costs-*.json
none "but not what sampling does" "$(grep -h '"sample' fresh/framewright/costs-*.json)"

# Several clips with a seed drawn by chance: finished ones are kept, the seed is found again.
printf 'a big red circle\na small blue square\n' >prompts.txt
request=(--model "$SCRATCH/model" --prompts prompts.txt --count 2 --steps 8 --output several)
several () { # OPTION...
  timeout 120 "$CLI" generate "${request[@]}" "$@" >out 2>err || { cat err; return 1; }
}
"$CLI" generate "${request[@]}" >out 2>err &
job=$!
for ((i = 0; i < 600; i++)); do
  [[ -e several/002.mp4 ]] && break
  sleep 0.05
done
sleep 0.1
kill -9 $job 2>kill.log
wait $job 2>kill.log
[[ -e several/004.mp4 ]] && skip "several clips are interrupted" "they were made too fast"
touch -r model/model.json several/001.mp4
check "several clips, interrupted, are continued" several --resume
check "are all there" test "$(ls several/*.mp4 | wc -l)" = 4
check "the finished ones were kept" test ! several/001.mp4 -nt model/model.json
seed=$(grep -o '"seed":[0-9]*' several/001.json | cut -d : -f 2)
check "the last has the seed that follows" grep -q "\"seed\":$((seed + 3))" several/004.json
mv several before
check "an undisturbed run with that seed" several --seed "$seed"
for clip in 001 002 003 004; do
  check "makes the same clip $clip" cmp before/$clip.mp4 several/$clip.mp4
done
exits "resuming with another seed replaces nothing" 2 'exists and is another clip' \
  "$CLI" generate "${request[@]}" --seed $((seed + 1)) --resume
rm -rf state

cancel () { # DELAY: sets took, the milliseconds between the signal and the end, and code
  "$CLI" generate --model "$SCRATCH/model" --prompt "$prompt" --seed 9 --steps 400 --output cancelled >out 2>err &
  local job=$! began
  sleep "$1"
  began=${EPOCHREALTIME/[.,]/}
  kill -INT $job
  wait $job
  code=$?
  took=$(((${EPOCHREALTIME/[.,]/} - began) / 1000))
}
cancel 1.5
check "a cancelled job ends with 130" test "$code" = 130
check "soon after the signal ($took ms)" test "$took" -lt 200
check "leaves no clip" test ! -e cancelled
check "says one line" test "$(grep -c '^framewright-cli: ' err)" = 1
check "and can be continued" test "$(journals)" = 1
exits "but not with other settings" 2 'other settings' "$CLI" generate --model "$SCRATCH/model" --prompt "$prompt" --seed 9 --steps 399 --output cancelled --resume
find state -name '*.journal' -exec truncate -s -5 {} +
exits "a damaged journal is said to be one" 1 'damaged' "$CLI" generate --model "$SCRATCH/model" --prompt "$prompt" --seed 9 --steps 400 --output cancelled --resume
finish
