#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Clang reads every source without a warning, with the flags of the build that gcc made.
source "$ROOT/tests/tap.sh"
cd "$BUILD" || exit 1

read_source () { # COMMAND of the compilation database
  local command=$1 file
  file=$(sed 's/.* -c //' <<<"$command")
  command=$(sed -E 's/^(ccache )?([^ ]*\+\+) /clang++ /; t; s/^(ccache )?[^ ]* /clang /' <<<"$command" |
    sed -E 's/ -M[DQF]( [^- ][^ ]*)?//g; s/ -o [^ ]*//; s/-fdiagnostics-color=always//')
  eval "$command -fsyntax-only -Werror -Wno-error=unused-command-line-argument" >"$SCRATCH/$$.log" 2>&1 ||
    { echo "$file"; grep -m 5 -E 'error|warning' "$SCRATCH/$$.log"; }
}
export -f read_source

commands=$(sed -n 's/^ *"command": "\(.*\)",$/\1/p' compile_commands.json | sed 's/\\"/"/g; s/\\\\/\\/g')
none "clang reads $(wc -l <<<"$commands") sources without a warning" \
  "$(tr '\n' '\0' <<<"$commands" | xargs -0 -P "$(nproc)" -I COMMAND bash -c 'read_source "$1"' bash COMMAND)"
finish
