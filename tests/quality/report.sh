#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# tests/quality/report.sh FOLDER [MODEL]: what a Pocket model is worth. Makes and judges a clip of each held-out prompt (quality.json,
# quality.png), four of one prompt (seeds.json), and shows that all of it comes from what was learned and from the prompt: the
# clips judged by each other's prompts (swapped.json), and clips of models in which one network's weights are noise
# (without-transformer.json, without-text.json, without-vae.json). Fails where one of these is not as it must be.
set -uo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
build=${BUILD:-$root/build}
[[ $# -ge 1 && -x $build/tests/quality/quality ]] || { sed -n '3,7s/^# //p' "${BASH_SOURCE[0]}"; echo "needs $build"; exit 2; }
folder=$1 model=${2:-$root/data/models/pocket}
prompts=$root/tests/quality/held-out.txt
mkdir -p "$folder" && cd "$folder" || exit 1
missed=0

# step WHAT ARGUMENT...: the judge with these arguments; tells its last lines.
step () {
  local what=$1 log
  shift
  echo "$what"
  log=$("$build/tests/quality/quality" "$@" 2>&1) || { missed=1; echo "  NOT AS IT MUST BE"; }
  grep -vE '^(pass|FAIL) |\.mp4$' <<<"$log" | tail -n 10 | sed 's/^/  /'
}
make=(--generate "$build/app/cli/framewright-cli")

step "The held-out prompts" "${make[@]}" --model "$model" --prompts "$prompts" --clips clips --report quality.json --sheet quality.png
step "Each clip judged by the next one's prompt" --chance --swap --clips clips --report swapped.json
echo "a small white circle standing still on a navy background" >one-prompt.txt
step "Four seeds of one prompt" --spread "${make[@]}" --model "$model" --prompts one-prompt.txt --seeds 4 --clips seeds --report seeds.json
for name in transformer text vae; do
  rm -rf scrambled
  cp -r "$model" scrambled
  for weights in $(cd scrambled && find "$name"* -name '*.safetensors'); do
    "$build/tests/scramble" scrambled "$weights" || exit 1
  done
  step "Without what the $name has learned" --chance "${make[@]}" --model scrambled/ --prompts "$prompts" --first 32 \
    --clips "without-$name" --report "without-$name.json"
done
rm -rf scrambled one-prompt.txt
exit $missed
