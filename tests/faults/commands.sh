#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# What can be wrong around jobs: words, prompts, recipes, checkpoints and standard output. One clear line, exit 1 or 2.
source "$ROOT/tests/tap.sh"
cd "$SCRATCH" || exit 1
"$BUILD/tests/random-model" model || exit 1
mkfifo pipe
: >empty
printf '\xff\xfe' >latin
printf '[%.0s' {1..100000} >deep

refused () { # NAME CODE PATTERN OPTION...
  local name=$1 code=$2 pattern=$3
  shift 3
  exits "$name" "$code" "$pattern" "$CLI" generate --model model/ "$@"
}

exits "an unknown command" 2 "unknown command “paint”" "$CLI" paint
exits "an unknown option before the command" 2 "unknown command" "$CLI" --json
refused "an unknown option" 2 "unknown option “--frame”" --prompt x --output a.mp4 --frame 3
refused "an option without its value" 2 "--seed needs a value" --prompt x --output a.mp4 --seed
refused "a flag with a value" 2 "--force takes no value" --prompt x --output a.mp4 --force=yes
refused "a stray word" 2 "unexpected “y”" --prompt x --output a.mp4 y
refused "no output" 2 "--output" --prompt x
refused "no prompt" 2 "--prompt" --output a.mp4
refused "an empty prompt" 2 "--prompt is empty" --prompt '' --output a.mp4
refused "a prompt that is not UTF-8" 2 "UTF-8" --prompt $'\xff' --output a.mp4
refused "two sources of prompts" 2 "exclude" --prompt x --prompts empty --output a.mp4
refused "an unknown precision" 2 "one of auto, fp32, bf16" --prompt x --output a.mp4 --precision fp7
for memory in 0 -5G nan 1Q 1e300; do
  refused "--memory $memory" 2 "--memory takes bytes" --prompt x --output a.mp4 "--memory=$memory"
done
refused "prompts that are not there" 1 "nowhere" --prompts nowhere --output a.mp4
refused "prompts from a FIFO" 1 "not a regular file" --prompts pipe --output a.mp4
refused "prompts from a folder" 1 "not a regular file" --prompts model --output a.mp4
refused "an empty file of prompts" 1 "no prompt" --prompts empty --output a.mp4
refused "prompts that are not UTF-8" 1 "UTF-8" --prompts latin --output a.mp4
yes | head -n 10001 >many
refused "too many prompts" 1 "more than 10000 prompts" --prompts many --output a.mp4
yes | head -n 101 >many
refused "too many clips of them" 2 "at most 10000 clips, not 10100" --prompts many --count 100 --output a.mp4
truncate -s 2G sparse
refused "endless prompts" 1 "2147483648 bytes, more than" --prompts sparse --output a.mp4
refused "an endless recipe" 1 "sparse" --from sparse --output a.mp4
refused "a recipe from a FIFO" 1 "" --from pipe --output a.mp4
cp deep deep.json
refused "a recipe nested too deeply" 1 "deep" --from deep.json --output a.mp4
check "nothing was written in all this" test ! -e a.mp4

"$CLI" generate --model model/ --prompt x --frames 2 --steps 2 --output good.mp4 >stdout
altered () { # NAME CODE PATTERN SED-SCRIPT: repeating a recipe after a change
  local name=$1 code=$2 pattern=$3
  sed "$4" good.json >altered.json
  exits "a recipe with $name" "$code" "$pattern" "$CLI" generate --from altered.json --output a.mp4
}
altered "noise of another kind" 2 "torch-cpu noise only" 's/torch-cpu/torch-cuda/'
altered "an unknown sampler" 2 "Unknown sampler" 's/dpm-solver/%n%s/'
altered "an unknown precision" 2 "no precision" 's/"precision":"[a-z0-9]*"/"precision":"fp\\n7"/'
altered "a negative seed" 1 "seed" 's/"seed":[0-9]*/"seed":-1/'
altered "steps that are text" 1 "steps" 's/"steps":2/"steps":"2"/'
altered "steps beyond all integers" 1 "steps" 's/"steps":2/"steps":1e30/'
altered "no frames" 1 "frames" 's/"frames":2/"frames":0/'
altered "frames beyond 32 bits" 1 "frames" 's/"frames":2/"frames":4294967298/'
altered "a gigantic width" 1 "width" 's/"width":32/"width":1000000000/'
altered "guidance that is no number" 1 "cannot be read" 's/"guidance":2.0/"guidance":NaN/'
altered "an unknown key" 1 "not known" 's/^{/{"colour":1,/'
altered "a model that is a FIFO" 1 "pipe” is no model" 's/"model":"[^"]*"/"model":".\/pipe"/'

# A clip of a stranger whose comment, which holds the recipe, is not one: of the same length, written over it.
python3 - good.mp4 foreign.mp4 <<'PYTHON'
import sys
clip = open (sys.argv[1], 'rb').read ()
start = clip.index (b'{"framewright"')
length = clip.index (b'}]}', start) + 3 - start
open (sys.argv[2], 'wb').write (clip[:start] + b'[' * length + clip[start + length:])
PYTHON
exits "a clip with a foreign comment" 1 "foreign.mp4" "$CLI" generate --from foreign.mp4 --output a.mp4
check "nothing was written in all this" test ! -e a.mp4

exits "training by no recipe" 2 "--recipe" "$CLI" train
exits "training by a recipe that is not there" 1 "nowhere" "$CLI" train --recipe nowhere
exits "training by a FIFO" 1 "not a regular file" "$CLI" train --recipe pipe
exits "training by a recipe nested too deeply" 1 "deep" "$CLI" train --recipe deep
exits "training by an empty recipe" 1 "empty" "$CLI" train --recipe empty
exits "training with a setting that is none" 2 "KEY=VALUE" "$CLI" train --recipe empty --set rate
exits "training again and going on" 2 "exclude" "$CLI" train --recipe empty --resume --force

exits "bench without a suite" 2 "too few" "$CLI" bench
exits "bench of an unknown suite" 2 "no suite" "$CLI" bench paint
for runs in 0 -1 nan 1e3 99999999999999999999; do
  exits "bench --runs $runs" 2 "--runs takes a whole number" "$CLI" bench t5 "--runs=$runs"
done
exits "inspecting an empty path" 1 "Cannot open" "$CLI" inspect ''
exits "inspecting nothing" 2 "too few" "$CLI" inspect
exits "inspecting what is not there" 1 "nowhere" "$CLI" inspect nowhere
exits "inspecting a FIFO" 1 "not a regular file" "$CLI" inspect pipe
exits "inspecting a device" 1 "not a regular file" "$CLI" inspect /dev/zero
exits "inspecting an empty file" 1 "empty" "$CLI" inspect empty
head -c 1000 model/transformer.safetensors >cut.safetensors
exits "inspecting a cut checkpoint" 1 "cut" "$CLI" inspect cut.safetensors

for command in --version "inspect model/transformer.safetensors" "models devices"; do
  exits "$command on a full device" 1 "cannot write to standard output" bash -c "\"\$CLI\" $command >/dev/full"
done
exits "a file that may not grow" 1 "File too large" bash -c 'ulimit -f 1; exec "$CLI" generate --model model/ --prompt x --output b.mp4'
check "leaves nothing" test ! -e b.mp4
exits "standard output that is closed" 1 "cannot write to standard output" \
  bash -c 'exec "$CLI" generate --model model/ --prompt x --steps 2 --frames 1 --output closed.png >&-'
for fd in 0 1 2; do
  "$CLI" generate --model model/ --prompt x --frames 64 --steps 1000 --output b.mp4 <stdout >events 2>errors {fd}>&- &
  job=$!
  for ((tries = 0; tries < 200; tries++)); do # while the program is loaded, libraries stand there for a moment
    place=$(readlink "/proc/$job/fd/$fd")
    [[ $place == /dev/null ]] && break
    sleep 0.01
  done
  kill "$job"
  wait "$job"
  check "no file takes the place of stream $fd where that is closed" test "$place" = /dev/null
done
exits "events on a full device" 1 "cannot write to standard output" \
  bash -c '"$CLI" generate --model model/ --prompt x --output b.mp4 --json >/dev/full'
finish
