# SPDX-License-Identifier: Apache-2.0
# Every header compiles alone, with the flags the build uses.
source "$ROOT/tests/tap.sh"
cd "$ROOT" || exit 1
read -ra flags < <(pkg-config --cflags gio-unix-2.0 json-glib-1.0 gstreamer-video-1.0)

compiles () { # HEADER
  ${CC:-cc} -x c -std=gnu11 -fsyntax-only -Wall -Wextra -Wno-unused-parameter -Werror -D_GNU_SOURCE -I. "${flags[@]}" -include "$1" /dev/null
}

while read -r header; do
  check "$header" compiles "$header"
done < <(find app engine kernels tests -name '*.h' | sort)
finish
