#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# What the program says of itself, of models and of checkpoints.
source "$ROOT/tests/tap.sh"
cd "$SCRATCH" || exit 1
golden=$ROOT/tests/data/golden

exits "--version" 0 "^framewright-cli [0-9]+\.[0-9]+\.[0-9]+$" "$CLI" --version
exits "--help names the commands" 0 "^  generate " "$CLI" --help
for command in generate train models inspect bench; do
  exits "$command --help" 0 "^Usage: framewright-cli $command " "$CLI" $command --help
done
"$CLI" >stdout 2>stderr
check "no command: code 2" test $? -eq 2
check "no command: help on stderr alone" test -s stderr -a ! -s stdout

says () { # NAME LINE COMMAND...: succeeds, and prints a line that matches
  local name=$1 line=$2
  shift 2
  if timeout 60 "$@" >stdout 2>stderr && grep -qE -- "$line" stdout; then
    pass "$name"
  else
    fail "$name" "no “$line” in: $(head -n 6 stdout stderr)"
  fi
}

"$BUILD/tests/random-model" model
says "models devices tells the path" '^cpu  path (avx2|avx512|amx|ref), ' "$CLI" models devices
says "and the one that is forced" '^cpu  path ref, fp32' env FRAMEWRIGHT_CPU=ref "$CLI" models devices
exits "but not one that no processor has" 1 "FRAMEWRIGHT_CPU" env FRAMEWRIGHT_CPU=mmx "$CLI" models devices
mkdir -p data/models
cp -r model data/models/mine
sed -i 's/"name": "random"/"name": "mine"/' data/models/mine/model.json
says "models list finds a card" '^mine +Random weights' env FRAMEWRIGHT_DATA="$PWD/data" "$CLI" models list
says "models show tells the clip" '^Clip +4 frames, 32x32, 8 a second' env FRAMEWRIGHT_DATA="$PWD/data" "$CLI" models show mine
says "and of a path" '^Name +random' "$CLI" models show model/
says "models verify tells the digests" "^$(sha256sum model/text/spiece.model | cut -c 1-64)  " "$CLI" models verify model/
printf x >>model/transformer.safetensors
exits "and finds a damaged file" 1 "transformer.safetensors" "$CLI" models verify model/
exits "models show of nothing" 2 "There is no model" "$CLI" models show nothing
exits "models show without a name" 2 "takes one model" "$CLI" models show
exits "models without an action" 2 "too few" "$CLI" models
exits "models with an unknown action" 2 "not “paint”" "$CLI" models paint

kind () { # CASE KIND
  says "$1 is known" "^Kind +$2" "$CLI" inspect "$golden/$1/weights.safetensors"
}
kind opensora/stdit_mask "STDiT video transformer"
kind t5/base "T5 v1.1 text encoder"
kind sdvae/sd_layout "image VAE"
says "inspect counts" '^Content +248 tensors, 0.27 million values' "$CLI" inspect "$golden/sdvae/sd_layout/weights.safetensors"
says "inspect lists" '^f32 +28 +decoder.conv_in.bias$' "$CLI" inspect "$golden/sdvae/sd_layout/weights.safetensors"
says "inspect --json" '^\{"layout":"safetensors","kind":"STDiT .*"shape":\[' "$CLI" inspect --json "$golden/opensora/stdit_mask/weights.safetensors"
says "a checkpoint in shards" '^Layout +.*2 shards' "$CLI" inspect "$golden/t5/sharded/st"
says "bench times a network" '^\{"bench": ?"t5"' \
  "$CLI" bench t5 --runs 1 --precision fp32
exits "bench of nothing" 2 "nothing" "$CLI" bench nothing

for file in "$golden"/pth/hostile/*.pth "$golden"/safetensors/hostile/*.safetensors; do
  "$CLI" inspect "$file" >stdout 2>stderr
  code=$?
  [[ $code == 0 || ($code == 1 && $(wc -l <stderr) == 1) ]] || odd+=" $(basename "$file"):$code"
done
none "a hostile checkpoint is read or refused in one line" "${odd:-}"
none "and none was executed" "$(ls -d /tmp/open_studio_* 2>/dev/null)"
finish
