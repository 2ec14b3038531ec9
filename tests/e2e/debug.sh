#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# FRAMEWRIGHT_DEBUG: whole jobs on this machine's best path, every step held to the reference kernels, and what they run in print.
source "$ROOT/tests/tap.sh"
cd "$SCRATCH" || exit 1
"$BUILD/tests/random-model" model

generate () { # PRECISION FOLDER
  timeout 300 "$CLI" generate --model model --prompt "a circle" --seed 3 --steps 2 --precision "$1" --output "$2"
}
train () { # FOLDER: a few steps of every stage
  local stage few=()
  for stage in vae text images clips; do
    few+=(--set "stages.$stage.steps=2" --set "stages.$stage.warm_up=1")
  done
  timeout 300 "$CLI" train --recipe "$ROOT/tests/data/recipes/tiny.json" --set "output=$SCRATCH/$1" "${few[@]}"
}
same () { # A B: folders
  diff -r -x log -x recipe.json "$1" "$2"
}

for precision in fp32 bf16; do
  check "a clip in $precision" generate $precision $precision
  for mode in watch compare; do
    FRAMEWRIGHT_DEBUG=$mode check "every step of it under $mode" generate $precision $precision-$mode
    check "makes the same clip" same $precision $precision-$mode
  done
done
check "a training" train plain
for mode in watch compare; do
  FRAMEWRIGHT_DEBUG=$mode check "every step of it under $mode" train $mode
  check "makes the same model" same plain/tiny/model $mode/tiny/model
done

prints () { # MODE PATTERN
  FRAMEWRIGHT_DEBUG=$1 generate fp32 "print-$1" >out 2>err
  check "$1 prints" grep -qE -- "$2" err
}
prints graph ' = attention \(.*  # blocks\.0'
prints dot '^  n[0-9]+ \[label="blocks\.0.*\(linear\)"\];$'
prints plan '^[0-9]+ steps, .* GFLOP, slab '
exits "another word is refused" 1 'no way of debugging “loudly”; choose watch.*FRAMEWRIGHT_DEBUG' \
  env FRAMEWRIGHT_DEBUG=loudly "$CLI" generate --model model --prompt x --output never.mp4
finish
