#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The whole of generate and train once, small, and looks at models, for builds with sanitizers: what these find ends the program with another code.
source "$ROOT/tests/tap.sh"
cd "$SCRATCH" || exit 1
"$BUILD/tests/random-model" model || exit 1

job () { # NAME CODE COMMAND...: ends with the code, and no sanitizer has spoken
  local name=$1 code=$2 status
  shift 2
  timeout 300 "$@" >stdout 2>stderr </dev/null
  status=$?
  if [[ $status == "$code" ]] && ! grep -qE 'Sanitizer|runtime error' stderr; then
    pass "$name"
  else
    fail "$name" "exit $status instead of $code: $(grep -E -A 12 'Sanitizer|runtime error|^framewright' stderr | head -n 40)"
  fi
}

generate () { # NAME CODE OPTION...
  local name=$1 code=$2
  shift 2
  job "$name" "$code" "$CLI" generate --model model/ --prompt "a small red circle" --seed 3 --json "$@"
}

generate "a clip" 0 --output clip.mp4
generate "with IDDPM, a negative prompt and previews, as pictures" 0 --sampler iddpm --negative blue --preview-dir . --output pictures
generate "in fp32 on one path" 0 --precision fp32 --output fp32.mkv
job "repeated from its recipe" 0 "$CLI" generate --from clip.mp4 --output again.mp4
generate "refused: it exists" 2 --output clip.mp4
job "a checkpoint inspected" 0 "$CLI" inspect model/transformer.safetensors
job "a model verified" 0 "$CLI" models verify model/
job "devices and encoders" 0 "$CLI" models devices --json
generate "refused: too little memory" 1 --memory 1M --output small.mp4
printf x >>model/vae/diffusion_pytorch_model.safetensors
generate "refused: a damaged file" 1 --output damaged.mp4
"$BUILD/tests/random-model" model width=256 depth=6 heads=4 frames=16 size=64
job "interrupted" 130 timeout --signal=INT --preserve-status 4 "$CLI" generate --model model/ --prompt x --seed 1 --steps 1000 --output stopped
job "a training" 0 "$CLI" train --recipe "$ROOT/tests/data/recipes/tiny.json" --set "output=$SCRATCH/trained"
job "and what it draws" 0 "$CLI" generate --model trained/tiny/model/ --prompt "a big red circle" --output drawn.mp4
finish
