#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# A small recipe runs through every kind of stage: it learns, it ends in a model that draws, and it makes the same bits however many
# workers take part; its progress and memory are told truly.
source "$ROOT/tests/tap.sh"
cd "$SCRATCH" || exit 1
recipe=$ROOT/tests/data/recipes/tiny.json

train () { # FOLDER OPTION...: quiet; fails as the program fails
  local folder=$1
  shift
  timeout 300 "$CLI" train --recipe "$recipe" --set "output=$SCRATCH/$folder" "$@" >out 2>err || { cat err; return 1; }
}
sums () { # FOLDER: of everything that the recipe makes
  (cd "$1/tiny" && find . -type f ! -path './state/*' ! -path './log/*' -print0 | sort -z | xargs -0 sha256sum)
}
field () { # NAME: its values in the events of the last run, one a line
  sed -n "s/.*\"$1\":\([0-9.e+-]*\).*/\1/p" out
}
loss () { # STAGE first|last: the first or last line of its log
  awk -F , -v which="$2" 'NR == 2 { first = $2 } NR > 1 { last = $2 } END { print which == "first" ? first : last }' "one/tiny/log/$1.csv"
}

check "a recipe runs to its end" train one --json
progress=$(grep -c '"event":"progress"' out)
check "progress is told ($progress times)" test "$progress" -gt 5
none "the bar never goes back" "$(field fraction | awk '$1 < last { print last " then " $1 } { last = $1 }')"
none "it rests at 100 % only at the end" "$(field fraction | sed '$d' | awk '$1 >= 1')"
peak=$(field peak_bytes | sort -g | tail -n 1) forecast=$(field forecast_bytes | tail -n 1)
check "memory ($peak bytes) stays within the forecast ($forecast)" test "$peak" -le "$forecast"
check "which is at most 25 MB above it" test $((forecast - peak)) -le 25000000
check "each stage is told as a phase" test "$(sed -n 's/.*"phase":"\([a-z]*\)".*/\1/p' out | uniq | tr '\n' ' ')" = "vae pieces text images clips model "
for stage in vae text images; do
  check "$stage learns (loss $(loss $stage first) to $(loss $stage last))" awk -v a="$(loss $stage first)" -v b="$(loss $stage last)" \
    'BEGIN { exit !(b < 0.7 * a) }'
done
none "no state is left but marks" "$(find one/tiny/state -type f ! -name '*.done' ! -name lock)"
sums one >one.sums

check "the model is whole" "$CLI" models verify "$SCRATCH/one/tiny/model"
check "and draws a clip" timeout 60 "$CLI" generate --model "$SCRATCH/one/tiny/model" --prompt "a big red circle growing on a navy background" --output clip
check "of the size that the recipe says" test "$(find clip -name '*.png' | wc -l)" = 4

check "going on with a finished training has nothing to do" train one --resume --json
check "and says where it is" grep -q "\"path\":\"$SCRATCH/one/tiny\"" out
sums one >again.sums
check "and changes nothing" cmp one.sums again.sums

if [[ $(nproc) -gt 1 ]]; then
  first=$(taskset -cp $$ | sed 's/.*: *\([0-9]*\).*/\1/')
  check "with one worker" taskset -c "$first" bash -c "$(declare -f train); CLI=$CLI SCRATCH=$SCRATCH recipe=$recipe; train alone"
  sums alone >alone.sums
  check "the same bits come out as with $(nproc)" cmp one.sums alone.sums
else
  skip "one worker and several make the same bits" "there is one core only"
fi
check "another seed" train other --set seed=8
sums other >other.sums
check "makes other weights" bash -c '! cmp -s one.sums other.sums'
finish
