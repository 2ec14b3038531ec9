#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The forecast of a job's memory against what the kernel counts: never below, and at most 10 % or 25 MB above, whichever network
# makes up most of it, at three sizes each. Prints the table; tests/run --all takes the worst of five runs.
source "$ROOT/tests/tap.sh"
cd "$SCRATCH" || exit 1
runs=1
[[ -n ${FRAMEWRIGHT_TEST_LONG:-} ]] && runs=5

# measure NAME MODEL-OPTION... -- GENERATE-OPTION...: the first run also reads all weights for their digests.
measure () {
  local name=$1 forecast peak=0 found run
  shift
  local model=()
  while [[ $1 != -- ]]; do
    model+=("$1")
    shift
  done
  shift
  rm -rf model
  "$BUILD/tests/random-model" model "${model[@]}" || return
  for ((run = 0; run < runs; run++)); do
    timeout 200 "$CLI" generate --model model --prompt "a big red circle" --seed 1 --steps 2 --output clip.mp4 --force --json "$@" >events 2>err ||
      { fail "$name" "$(cat err)"; return; }
    forecast=$(grep -o '"forecast_bytes":[0-9]*' events | tail -n 1 | cut -d : -f 2)
    found=$(grep -o '"peak_bytes":[0-9]*' events | cut -d : -f 2 | sort -n | tail -n 1)
    ((found > peak)) && peak=$found
  done
  printf '# %-22s forecast %8.1f MB   measured %8.1f MB   %+6.1f MB\n' "$name" "$(awk "BEGIN { print $forecast / 1e6 }")" \
    "$(awk "BEGIN { print $peak / 1e6 }")" "$(awk "BEGIN { print ($forecast - $peak) / 1e6 }")"
  if ((forecast < peak)); then
    fail "$name" "forecast $forecast is below the measured $peak"
  elif ((forecast - peak > 25000000 && forecast > peak + peak / 10)); then
    fail "$name" "forecast $forecast is too far above the measured $peak"
  else
    pass "$name"
  fi
}

for width in 128 512 1024; do
  measure "T5, $width wide" text-width=$width text-depth=6 --
done
for size in 64 128 192; do
  measure "STDiT, 16x${size}x$size" width=256 depth=4 heads=4 size=$size frames=16 vae-width=4 --
done
for size in 64 128 256; do
  measure "VAE, ${size}x$size" vae-width=64 vae-levels=4 size=$size frames=2 --
done
measure "all, fp32" width=256 depth=4 heads=4 size=128 frames=16 vae-width=32 text-width=512 text-depth=4 -- --precision fp32
measure "all, bf16 weights" width=256 depth=4 heads=4 size=128 frames=16 vae-width=32 text-width=512 text-depth=4 bf16=1 --
measure "all, iddpm" width=256 depth=4 heads=4 size=128 frames=16 vae-width=32 text-width=512 text-depth=4 -- --sampler iddpm
measure "a picture" width=256 depth=4 heads=4 size=256 frames=1 vae-width=32 -- --output clip.png
finish
