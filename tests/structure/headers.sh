# SPDX-License-Identifier: Apache-2.0
# Every header compiles alone, with the flags the build uses; those of the vector kernels with the least set they are built for.
source "$ROOT/tests/tap.sh"
cd "$ROOT" || exit 1

compile_alone () { # HEADER: prints its name if it does not compile, and keeps why
  local flags=()
  [[ $1 == kernels/cpu/* && $(uname -m) == x86_64 ]] && flags=(-mavx2 -mfma -DFW_ISA_NAME=avx2 -DFW_ROWS_NAME=avx2 '-DFW_PATH_NAME="avx2"')
  # shellcheck disable=SC2086
  "${CC:-cc}" -x c -std=gnu11 -fsyntax-only -Wall -Wextra -Wno-unused-parameter -Werror -D_GNU_SOURCE -I. $PACKAGE_FLAGS \
    "${flags[@]}" -include "$1" /dev/null >"$SCRATCH/${1//\//-}.log" 2>&1 || echo "$1"
}
export -f compile_alone
PACKAGE_FLAGS=$(pkg-config --cflags gio-unix-2.0 json-glib-1.0 gstreamer-1.0)
export PACKAGE_FLAGS

# The list of entities is rows for the one file that includes it, which gives them their meaning.
headers=$(find app engine kernels tests -name '*.h' ! -name html-entities-table.h | sort)
failed=$(xargs -P "$(nproc)" -I HEADER bash -c 'compile_alone HEADER' <<<"$headers")
while read -r header; do
  none "$header" "$(grep -qxF "$header" <<<"$failed" && cat "$SCRATCH/${header//\//-}.log")"
done <<<"$headers"
finish
