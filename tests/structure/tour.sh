#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# README's file tour is true: one sentence a file, the one that the file opens with. After files came or went, or changed
# their purpose, bring README up to date with: tests/structure/tour.sh --write
ROOT=${ROOT:-$(cd "$(dirname "$0")/../.." && pwd)}
source "$ROOT/tests/tap.sh"
cd "$ROOT" || exit 1

# The folders in the order of the tour, with what each is for.
folders='
app|What installs, builds and runs the program; one folder below is the headless front end.
app/cli|framewright-cli: the engine'\''s jobs on a command line.
engine/memory|Errors and files: what everything above stands on.
engine/graph|The recorded graph: ops, gradients and fusions.
engine/plan|From a graph to memory: who lives when, and where.
engine/exec|Running a plan on a device.
engine/model|The networks, each reading like its paper, and the cards that make a model of them.
engine/checkpoint|Reading and writing weights in the layouts people have.
engine/text|Captions to token ids.
engine/sample|Noise, schedules, and the samplers around a network.
engine/media|Clips in and out, as the client of a process of its own.
engine/media/child|That process: framewright-media, the only program that touches GStreamer.
engine/dataset|Where training samples come from.
engine/train|Training: recipes, stages, state, optimiser.
engine/job|What a front end asks for: jobs, their events, their time and memory, and what survives a crash.
kernels|The arithmetic, plain C without GLib: what a tensor, an op and a kernel are.
kernels/ref|Every op in double precision: the definition that all other kernels are held to.
kernels/cpu|The fast kernels, compiled once for each instruction set.
data/recipes|Training recipes; its README explains every key.
data/models|Model cards; its README explains every member.
data/models/pocket|The model that comes along; its README tells what it draws and how it was made.
tests|One runner for everything, and what its scripts share.
tests/structure|The shape of the source tree.
tests/unit|One program for each part, with GTest.
tests/ops|The table test of all ops: paths against the definition, gradients against differences.
tests/golden|The program that compares with the numbers of the original PyTorch code; the cases are in tests/data/golden.
tests/reference|The PyTorch side of comparisons: what made the expected numbers of tests/data/golden/full-width. No test runs it.
tests/e2e|The real program from end to end.
tests/faults|The real program when something is wrong.
tests/sanitizers|What runs under the address, undefined-behaviour and thread sanitizers besides the tests of parts.
tests/quality|The judge of what Pocket draws.
tests/bench|How fast it is.
tests/tools|Small programs that the tests use.
tests/data|Recorded numbers and files, small enough to keep.'

# Files that cannot say what they are in a comment of their own.
others='data/recipes/pocket.json|The training of the model that comes along, stage by stage.
data/recipes/pocket-smoke.json|The same in ten minutes, to see that every stage learns.
data/models/pocket/model.json|Its card: networks, defaults, licence, and the sha256 of every file.
tests/TABLES.md|How near the golden cases come and how true forecasts of memory are, as measured.
tests/quality/held-out.txt|The 64 prompts that Pocket is judged by, none of which it was trained on.'

# The first sentence of a file's opening comment.
sentence () { # FILE
  awk '
    FNR > 12 { exit }
    /^#!/ || /SPDX-License-Identifier/ { next }
    /^"""/ { docstring = 1; sub(/^"""/, "") }
    docstring {
      last = sub(/""".*/, "")
      text = text (text == "" ? "" : " ") $0
      if (last || $0 == "") exit
      next
    }
    /^(\/\*| \*|\/\/|#)/ {
      line = $0
      sub(/^(\/\*|\/\/|#| \*) ?/, "", line)
      last = sub(/ *\*\/ *$/, "", line)
      text = text (text == "" ? "" : " ") line
      if (last) exit
      next
    }
    { exit }
    END {
      if (match(text, /\.( |$)/)) text = substr(text, 1, RSTART)
      if (text !~ /[.:]$/) text = text "."
      print text
    }' "$1"
}

# One line a pair of header and source, or a file that stands alone.
print_files () { # FOLDER
  local file base name purpose
  for file in $(find "$1" -maxdepth 1 -type f \( -name '*.c' -o -name '*.h' -o -name '*.cpp' -o -name '*.sh' -o -name '*.py' -o -name run \) | LC_ALL=C sort); do
    base=${file%.*}
    name=$(basename "$file")
    if [[ $file == *.c && -e $base.h ]]; then
      continue
    elif [[ $file == *.h && -e $base.c ]]; then
      name=$(basename "$base").{h,c}
    elif [[ $file == *.h && -e $base.cpp ]]; then
      name=$(basename "$base").{h,cpp}
    elif [[ $file == *.cpp && -e $base.h ]]; then
      continue
    fi
    printf -- '- `%s` %s\n' "$name" "$(sentence "$file")"
  done
  while IFS='|' read -r file purpose; do
    [[ ${file%/*} == "$1" ]] && printf -- '- `%s` %s\n' "${file##*/}" "$purpose"
  done <<<"$others"
}

print_tour () {
  local folder purpose
  while IFS='|' read -r folder purpose; do
    [[ -n $folder ]] || continue
    printf '\n**%s/** %s\n\n' "$folder" "$purpose"
    print_files "$folder"
  done <<<"$folders"
}

begin='<!-- tour: written by tests/structure/tour.sh --write -->'
end='<!-- end of tour -->'
tour=$(print_tour)
if [[ ${1:-} == --write ]]; then
  new=$(awk -v begin="$begin" -v end="$end" '
    NR == FNR { tour = tour $0 "\n"; next }
    $0 == begin { print; printf "%s\n", tour; skip = 1 }
    $0 == end { skip = 0 }
    !skip { print }' <(printf '%s\n' "$tour") README.md)
  printf '%s\n' "$new" >README.md
  exit
fi

written=$(awk -v begin="$begin" -v end="$end" '$0 == end { exit } inside { print } $0 == begin { inside = 1 }' README.md)
none "README's file tour is true (else: tests/structure/tour.sh --write)" "$(diff <(cat -s <<<"$written") <(cat -s <<<"$tour"))"
none "files the tour speaks for are there" "$(cut -d '|' -f 1 <<<"$others" | xargs ls 2>&1 >/dev/null)"
none "the tour visits every folder with sources" \
  "$(comm -13 <(cut -d '|' -f 1 <<<"$folders" | sort) <(find app engine kernels tests -name '*.[ch]' -printf '%h\n' | sort -u))"
finish
