#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# A training that is killed at 20 random moments and continued ends bit for bit as one that was left alone; Ctrl+C ends it at once and
# keeps every step that was done.
source "$ROOT/tests/tap.sh"
cd "$SCRATCH" || exit 1
recipe=$ROOT/tests/data/recipes/tiny.json
RANDOM=${FRAMEWRIGHT_TEST_SEED:=$((10#$(date +%N) % 32768))}
echo "# FRAMEWRIGHT_TEST_SEED=$FRAMEWRIGHT_TEST_SEED repeats these moments"

train () { # FOLDER OPTION...
  local folder=$1
  shift
  timeout 300 "$CLI" train --recipe "$recipe" --set "output=$SCRATCH/$folder" "$@"
}
sums () { # FOLDER: of everything that the recipe makes
  (cd "$1/tiny" && find . -type f ! -path './state/*' ! -path './log/*' -print0 | sort -z | xargs -0 sha256sum)
}
curve () { # FOLDER: the logs without their times
  for stage in vae text images clips; do cut -d , -f 1-4 "$1/tiny/log/$stage.csv"; done
}
milliseconds () { # SINCE, an $EPOCHREALTIME
  echo $(((${EPOCHREALTIME/[.,]/} - ${1/[.,]/}) / 1000))
}

check "an undisturbed run" train whole
began=$EPOCHREALTIME
check "again, its state saved after every step" train saved --set save_seconds=0
took=$(milliseconds "$began")
sums whole >whole.sums
sums saved >saved.sums
check "saving changes nothing" cmp whole.sums saved.sums

# Moments between the start and a seventh of a run: some come before the first step, some while a state is written.
killed=0 ended=0 wrong=
while [[ $killed -lt 20 && $ended -lt 20 ]]; do
  "$CLI" train --recipe "$recipe" --set "output=$SCRATCH/broken" --set save_seconds=0 --resume >out 2>err &
  job=$!
  sleep "$(awk -v t="$took" -v r=$RANDOM 'BEGIN { print t / 1000 / 7 * r / 32768 }')"
  if kill -9 $job 2>kill.log; then
    killed=$((killed + 1))
    wait $job 2>kill.log
  elif wait $job; then
    ended=$((ended + 1))
    sums broken >broken.sums
    cmp -s whole.sums broken.sums || wrong="run $ended ended with other files"
    rm -r broken
  else
    wrong="a run failed: $(cat err)"
    break
  fi
done
none "20 times killed ($ended runs ended between)" "$wrong"
check "it was 20 times" test $killed = 20
check "and continued" train broken --set save_seconds=0 --resume
sums broken >broken.sums
check "it ends bit for bit the same" cmp whole.sums broken.sums
curve whole >whole.curve
curve broken >broken.curve
check "and with the same loss curves" cmp whole.curve broken.curve

# interrupt FOLDER MOMENT OPTION...: sends SIGINT a random part of MOMENT milliseconds after the first event of a step; sets code and
# answer (milliseconds), and keeps the events in out.
interrupt () {
  local folder=$1 moment=$2 job sent
  shift 2
  "$CLI" train --recipe "$recipe" --set "output=$SCRATCH/$folder" --json "$@" >out 2>err &
  job=$!
  until grep -q '"step":' out; do
    sleep 0.01
    kill -0 $job 2>kill.log || break
  done
  sleep "$(awk -v t="$moment" -v r=$RANDOM 'BEGIN { print t / 1000 * r / 32768 }')"
  sent=$EPOCHREALTIME
  kill -INT $job
  wait $job
  code=$?
  answer=$(milliseconds "$sent")
}
# The step that the state of a stage holds.
saved_step () { # FOLDER STAGE
  head -c 4000 "$1/tiny/state/$2.safetensors" | grep -ao '"step":"[0-9]*"' | tr -dc 0-9
}
last_step () {
  sed -n 's/.*"step":\([0-9]*\),"steps".*/\1/p' out | tail -n 1
}
# Other work on the machine can delay one answer, not all of five.
prompt_answer () { # NAME COMMAND...: an interrupt, tried up to five times until the answer comes within 200 ms
  local name=$1 answers=
  shift
  for attempt in 1 2 3 4 5; do
    "$@" "$attempt" || { fail "$name" "exit $code: $(cat err)"; return; }
    answers+=" $answer"
    [[ $answer -le 200 ]] && break
  done
  check "$name (${answers# } ms)" test "$answer" -le 200
}

interrupt kept 500 --set stages.vae.steps=100000
check "Ctrl+C ends with 130" test $code = 130
check "and keeps the steps done ($(last_step) told, $(saved_step kept vae) kept), though no save was due" test "$(saved_step kept vae)" -ge "$(last_step)"

# Steps of about a second: pictures of 128x128, many at a time.
mid_step () {
  rm -rf slow
  interrupt slow 1500 --set 'stages.vae.data=[{"world":"shapes","size":128,"batch":48}]' --set stages.vae.steps=1000
  [[ $code == 130 ]]
}
prompt_answer "Ctrl+C in the middle of a step is answered within 200 ms" mid_step
check "with one line" test "$(wc -l <err)" = 1

# A state of more than 100 MB that is written after every short step, so nearly all of the time.
wide=(--set stages.text.model.d_model=512 --set stages.text.model.d_ff=2048 --set stages.text.model.num_layers=2 --set stages.text.steps=10000
  --set stages.vae.steps=1 --set stages.pieces.sentences=400 --set 'stages.text.data=[{"world":"shapes","batch":1}]' --set save_seconds=0)
lost=
mid_write () {
  local before
  rm -rf wide
  until [[ -e wide/tiny/state/text.safetensors ]]; do
    interrupt wide 8000 "${wide[@]}" --force
    [[ $code == 130 ]] || return 1
  done
  before=$(last_step)
  [[ $(saved_step wide text) -ge $before ]] || lost="step $before was told, $(saved_step wide text) is kept"
  interrupt wide 3000 "${wide[@]}" --resume
  [[ $code == 130 ]]
}
prompt_answer "and in the middle of writing a large state" mid_write
none "no step is lost" "$lost"
check "the state is whole" test "$(stat -c %s wide/tiny/state/text.safetensors)" -gt 100000000
finish
