#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The forecast of a job's memory against what the kernel counts: never below, and at most 10 % or 25 MB above, whichever network
# makes up most of it, at three sizes each, for clips and in training. Prints the table; tests/run --all takes the worst of five runs.
source "$ROOT/tests/tap.sh"
cd "$SCRATCH" || exit 1
runs=1
[[ -n ${FRAMEWRIGHT_TEST_LONG:-} ]] && runs=5

# judge NAME FORECAST PEAK: prints a line of the table.
judge () {
  printf '# %-22s forecast %8.1f MB   measured %8.1f MB   %+6.1f MB\n' "$1" "$(awk "BEGIN { print $2 / 1e6 }")" \
    "$(awk "BEGIN { print $3 / 1e6 }")" "$(awk "BEGIN { print ($2 - $3) / 1e6 }")"
  if (($2 < $3)); then
    fail "$1" "forecast $2 is below the measured $3"
  elif (($2 - $3 > 25000000 && $2 > $3 + $3 / 10)); then
    fail "$1" "forecast $2 is too far above the measured $3"
  else
    pass "$1"
  fi
}

# run NAME COMMAND...: judges the command's events, the worst of several runs.
run () {
  local name=$1 forecast peak=0 found run
  shift
  for ((run = 0; run < runs; run++)); do
    timeout 200 "$@" --json --force >events 2>err || { fail "$name" "$(cat err)"; return; }
    forecast=$(grep -o '"forecast_bytes":[0-9]*' events | tail -n 1 | cut -d : -f 2)
    found=$(grep -o '"peak_bytes":[0-9]*' events | cut -d : -f 2 | sort -n | tail -n 1)
    ((found > peak)) && peak=$found
  done
  judge "$name" "$forecast" "$peak"
}

# clip NAME MODEL-OPTION... -- GENERATE-OPTION...: the first run also reads all weights for their digests.
clip () {
  local name=$1 model=()
  shift
  while [[ $1 != -- ]]; do
    model+=("$1")
    shift
  done
  shift
  rm -rf model
  "$BUILD/tests/random-model" model "${model[@]}" || return
  run "$name" "$CLI" generate --model model --prompt "a big red circle" --seed 1 --steps 2 --output clip.mp4 "$@"
}

# training NAME KEY=VALUE...: two steps of every stage of the tiny recipe, with other values at keys below "stages".
training () {
  local name=$1 stage key set=()
  shift
  for stage in vae text images clips; do
    set+=(--set "stages.$stage.steps=2" --set "stages.$stage.warm_up=1")
  done
  for key in "$@"; do
    set+=(--set "stages.$key")
  done
  run "$name" "$CLI" train --recipe "$ROOT/tests/data/recipes/tiny.json" --set "output=$SCRATCH/training" "${set[@]}"
}
data () { # SIZE FRAMES BATCH
  printf '[{"world": "shapes", "size": %d, "frames": %d, "batch": %d}]' "$@"
}

for width in 128 512 1024; do
  clip "T5, $width wide" text-width=$width text-depth=6 --
done
for size in 64 128 192; do
  clip "STDiT, 16x${size}x$size" width=256 depth=4 heads=4 size=$size frames=16 vae-width=4 --
done
for size in 64 128 256; do
  clip "VAE decode, ${size}x$size" vae-width=64 vae-levels=4 size=$size frames=2 --
done
clip "all, fp32" width=256 depth=4 heads=4 size=128 frames=16 vae-width=32 text-width=512 text-depth=4 -- --precision fp32
clip "all, bf16 weights" width=256 depth=4 heads=4 size=128 frames=16 vae-width=32 text-width=512 text-depth=4 bf16=1 --
clip "all, iddpm" width=256 depth=4 heads=4 size=128 frames=16 vae-width=32 text-width=512 text-depth=4 -- --sampler iddpm
clip "a picture" width=256 depth=4 heads=4 size=256 frames=1 vae-width=32 -- --output clip.png

# A VAE that is trained on small pictures encodes large ones for the stages behind it.
wide='vae.model.block_out_channels=[32, 64]'
for size in 64 128 192; do
  training "VAE encode, ${size}x$size" "$wide" "vae.data=$(data 16 1 1)" "images.data=$(data $size 1 8)" "clips.data=$(data 16 2 1)"
done
for size in 16 32 64; do
  training "training, ${size}x$size" "vae.data=$(data $size 1 8)" "images.data=$(data $size 1 16)" "clips.data=$(data $size 4 4)"
done
for batch in 4 16; do
  training "training, batches of $batch" "$wide" "vae.data=$(data 32 1 $batch)" "text.data=[{\"world\": \"shapes\", \"batch\": $batch}]" \
    "images.data=$(data 32 1 $batch)" "clips.data=$(data 32 4 $batch)"
done

# What the program says that it held, against what the kernel tells others of it: the program as it starts is all between them.
watch_from_outside () {
  local high line job
  "$CLI" generate --model model --prompt "a big red circle" --seed 1 --steps 2 --output clip.png --json --force >events 2>err &
  job=$!
  while line=$(grep VmHWM /proc/$job/status 2>/dev/null); do
    high=$(($(tr -dc 0-9 <<<"$line") * 1024))
    sleep 0.01
  done
  wait $job || return
  told=$(grep -o '"peak_bytes":[0-9]*' events | cut -d : -f 2 | sort -n | tail -n 1)
  echo "told $told, seen from outside $high"
  ((high >= told && high - told < 25000000))
}
check "the peak that is told is what is seen from outside" watch_from_outside
finish
