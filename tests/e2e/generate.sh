#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Clips out of a model of random weights: files, names, repeatability, recipes, events, budgets.
source "$ROOT/tests/tap.sh"
cd "$SCRATCH" || exit 1
prompt="a big red circle moving left on a navy background"

generate () { # OPTION...: quiet; fails as the program fails
  timeout 120 "$CLI" generate --model "$SCRATCH/model" "$@" >out 2>err || { cat err; return 1; }
}
same () { # A B: two folders of pictures show the same, whatever their recipes say
  diff -r -x recipe.json "$1" "$2"
}
differ () {
  ! same "$1" "$2" >diff.log
}

check "a model of random weights is written" "$BUILD/tests/random-model" model width=64 depth=3 heads=4 size=64 frames=8 steps=6

check "a clip as MP4" generate --prompt "$prompt" --seed 5 --output clip.mp4
check "is an MP4 file" bash -c 'head -c 12 clip.mp4 | grep -q ftyp'
check "its recipe lies beside it" grep -q '"seed":5' clip.json
check "and names the weights by digest" grep -q "$(sha256sum model/transformer.safetensors | cut -d ' ' -f 1)" clip.json
rm -f stdout stderr
check "nothing else is left" test "$(ls -A | sort | tr '\n' ' ')" = "clip.json clip.mp4 err model out "
exits "an existing clip is not replaced" 2 'exists' "$CLI" generate --model model --prompt x --output clip.mp4
check "unless forced" generate --prompt "$prompt" --seed 5 --output clip.mp4 --force
check "a clip as WebM" generate --prompt "$prompt" --seed 5 --frames 2 --output wide.webm
check "a clip as pictures" generate --prompt "$prompt" --seed 5 --output first
check "is one picture a frame" test "$(ls first/*.png | wc -l)" = 8
check "one picture" generate --prompt "$prompt" --seed 5 --frames 1 --output still.png
check "is a PNG file" bash -c 'head -c 4 still.png | grep -q PNG'

check "the same again" generate --prompt "$prompt" --seed 5 --output second
check "shows the same" same first second
check "another seed" generate --prompt "$prompt" --seed 6 --output third
check "shows something else" differ first third
check "another prompt" generate --prompt "a small blue square" --seed 5 --output fourth
check "shows something else" differ first fourth
check "a negative prompt" generate --prompt "$prompt" --negative "a small blue square" --seed 5 --output fifth
check "shows something else" differ first fifth
for sampler in iddpm dpm-solver; do
  for precision in fp32 bf16; do
    check "$sampler in $precision" generate --prompt "$prompt" --sampler $sampler --precision $precision --seed 5 --output $sampler-$precision
  done
done
check "the samplers differ" differ iddpm-fp32 dpm-solver-fp32

check "a sidecar's recipe is repeated" generate --from clip.json --output repeated
check "and shows the same" same first repeated
check "a clip's recipe is repeated" generate --from clip.mp4 --output repeated.mp4
check "bit for bit" cmp clip.mp4 repeated.mp4
cp clip.mp4 lone.mp4
check "the recipe inside the clip is enough" generate --from lone.mp4 --output lone-repeated.mp4
check "bit for bit" cmp clip.mp4 lone-repeated.mp4
check "a folder's recipe is repeated with another seed" generate --from first --seed 6 --output reseeded
check "which shows what that seed shows" same third reseeded
check "a recipe names the model by its absolute path" grep -q '"model":"'"$(realpath -s model)"'"' clip.json
mkdir -p elsewhere
check "a clip of a model that was named by a short path" \
  env -C "$SCRATCH" "$CLI" generate --model model/model.json --prompt "$prompt" --seed 5 --output short
check "is repeated from another folder" env -C elsewhere "$CLI" generate --from ../short --output again
check "and shows the same" same first elsewhere/again
mkdir moved
cp -r model moved/model
"$CLI" generate --model moved/model --prompt "$prompt" --seed 5 --output strayed >out
mv moved gone
exits "a model that is not there any more is told" 1 \
  "The clip was made with the model “$PWD/moved/model”, which is not there; say --model PATH" "$CLI" generate --from strayed --output never.mp4
sed 's/"model":"[^"]*"/"model":"nonesuch"/' clip.json >nonesuch.json
exits "also by its name" 1 'with the model “nonesuch”, which is not there; say --model PATH' "$CLI" generate --from nonesuch.json --output never.mp4
check "unless a model is named" generate --from strayed --output found
check "which says nothing where its files are the same" test ! -s err
check "and shows the same" same first found
cp -r model other
"$BUILD/tests/random-model" other width=64 depth=3 heads=4 size=64 frames=8 steps=6 seed=2
check "another model is whole" "$CLI" models verify other
sed 's|"model":"[^"]*"|"model":"'"$SCRATCH"'/other"|' clip.json >foreign.json
exits "a recipe made with other weights is refused" 1 'not the file that the recipe was made with' "$CLI" generate --from foreign.json --output never.mp4
check "unless that model is named" generate --from clip.json --model other --output despite
check "and then one line says so" grep -qE '^The clip was made with the model “.*/model”, whose files are not those of “.*/other”' err
check "or one event" generate --from clip.json --model other --output despite.mp4 --json
check "which is a message" grep -qE '"event":"message".*"text":"The clip was made with the model “' out

printf 'a big red circle\n\n  a small blue square  \n' >prompts.txt
check "a file of prompts, two clips each" generate --prompts prompts.txt --count 2 --seed 7 --output many
check "is four clips in a folder" test "$(ls many/*.mp4 | wc -l)" = 4
check "with seeds counting up" grep -q '"seed":10' many/004.json
check "the third is of the second prompt" grep -q '"prompt":"a small blue square"' many/003.json
check "an ending numbers the files" generate --prompts prompts.txt --seed 7 --output pair.mp4
check "of the two prompts" test -f pair-001.mp4 -a -f pair-002.mp4
check "a clip alone" generate --prompt "a big red circle" --seed 7 --output alone
check "and one of several" generate --prompt "a big red circle" --seed 6 --count 2 --output two.png --frames 1
check "a folder that exists takes the clip" generate --prompt x --seed 7 --output many --force
check "as its first" grep -q '"prompt":"x"' many/001.json

mkdir previews
check "previews" generate --prompt "$prompt" --seed 5 --output sixth --preview-dir previews
check "are one a step" test "$(ls previews/*.png | wc -l)" = 6
check "and do not change the clip" same first sixth
# The bar of previews that take far longer than their steps, as the middle of the steps sees it.
"$BUILD/tests/random-model" decoding width=32 depth=2 heads=2 size=64 frames=4 vae-width=64 vae-levels=3
XDG_CACHE_HOME=$SCRATCH/decoding-cache check "a clip without previews" generate --model decoding --prompt x --seed 5 --steps 30 --output quick
XDG_CACHE_HOME=$SCRATCH/decoding-cache \
  "$CLI" generate --model decoding --prompt x --seed 5 --steps 30 --output slow --preview-dir previews --json >events
middle=$(grep '"step":15,"steps":30' events | grep -o '"fraction":[0-9.e-]*' | head -n 1 | cut -d : -f 2)
check "in the middle of the steps that previews slow down, the bar is not near its end (${middle:-nowhere})" \
  awk "BEGIN { exit !(${middle:-1} < 0.7) }"

# Each text is work: what one costs is learned alike from one and from many, as far as a busy machine lets it be measured.
"$BUILD/tests/random-model" reading text-width=512 text-depth=6
seq 1 120 >numbers.txt
learn () { # CACHE OPTION...: prints the seconds that were learned for a FLOP of the text network
  XDG_CACHE_HOME=$SCRATCH/$1 generate --model reading --seed 5 --steps 2 --frames 1 --size 16x16 --output "$1/clip.png" "${@:2}" || return
  grep -h '"text T5' "$1"/framewright/costs-*.json | sed 's/.*: //; s/,$//'
}
alone=$(learn alone --prompt 17) together=$(learn together --prompts numbers.txt)
check "many texts are as many times the work (${alone:-nothing} and ${together:-nothing} s a FLOP)" \
  awk "BEGIN { exit !(${together:-1} < 50 * ${alone:-0}) }"
exits "clips of one prompt need no more memory than one" 1 'needs [0-9]+.MiB' \
  "$CLI" generate --model model --prompt "$prompt" --output never.mp4 --memory 1M
one=$(grep -oE 'needs [0-9]+' stderr | head -n 1)
exits "however many there are" 1 "$one.MiB" "$CLI" generate --model model --prompt "$prompt" --output never.mp4 --memory 1M --count 10000

"$CLI" generate --model model --prompt "$prompt" --seed 5 --output seventh --json >events 2>err
check "events are JSON, phases in order, the bar never goes back" python3 - events <<'PY'
import json, sys
fraction, phases = 0.0, []
for line in open(sys.argv[1]):
    event = json.loads(line)
    assert event.get("fraction", 1) >= fraction, line
    fraction = event.get("fraction", fraction)
    if "phase" in event and (not phases or phases[-1] != event["phase"]):
        phases.append(event["phase"])
    if event["event"] == "result":
        result = event["result"]
assert phases == ["text", "sample", "decode", "save"], phases
assert result["path"].endswith("seventh") and result["frames"] == 8 and result["recipe"]["steps"] == 6, result
PY

# The lean way must make the same clip: the batch of guidance row by row, one frame at a time.
forecast=$(grep -o '"forecast_bytes":[0-9]*' events | tail -n 1 | cut -d : -f 2)
exits "a budget that is too small is refused with what the leanest way takes" 1 'needs [0-9]+.MiB, but 1.0.MiB may be used: even the smallest' \
  "$CLI" generate --model model --prompt "$prompt" --output never.mp4 --memory 1M
leanest=$(($(grep -oE 'needs [0-9]+' stderr | head -n 1 | tr -dc 0-9) << 20))
check "which is less than what was planned" test "$leanest" -lt "$forecast"
for budget in $((forecast - 1)) "$leanest"; do
  check "a budget of $budget bytes" generate --prompt "$prompt" --seed 5 --output "lean-$budget" --memory "$budget" --json
  peak=$(grep -o '"peak_bytes":[0-9]*' out | cut -d : -f 2 | sort -n | tail -n 1)
  check "is kept ($peak)" test "${peak:-0}" -gt 0 -a "$peak" -le "$budget"
  check "makes the same clip" same first "lean-$budget"
done
exits "a budget below that is refused" 1 'may be used: ' \
  "$CLI" generate --model model --prompt "$prompt" --output never.mp4 --memory $((leanest - (1 << 20)))
exits "a clip that is too large is told what would fit" 1 '(--frames [0-9]+ or --size|--size) [0-9]+x[0-9]+ would fit' \
  "$CLI" generate --model model --prompt x --output never.mp4 --memory 60M --size 512x512 --frames 64
size=$(grep -oE -- '--size [0-9]+x[0-9]+' stderr)
# shellcheck disable=SC2086
check "and that fits" generate --prompt x --output fits.mp4 --memory 60M --frames 64 --steps 2 $size
words=$(printf 'red %.0s' {1..10000})
timeout 60 "$CLI" generate --model model --prompt "$words" --steps 2 --frames 1 --output cut.png >out 2>err
check "a text that is cut is told by where, in one short line" test "$(wc -l <err)" = 1 -a "$(wc -c <err)" -lt 300
check "by its words" grep -q 'does not read its end: “.*red red.*…”$' err
finish
