# SPDX-License-Identifier: Apache-2.0
# The shape of the source tree: calls go app -> engine -> kernels only, files are short and say what they are.
source "$ROOT/tests/tap.sh"
cd "$ROOT" || exit 1

sources=$(find app engine kernels tests -name '*.[ch]' -o -name '*.cpp' -o -name '*.cu' | sort)

includes () { # FOLDER PATTERN: the include lines below FOLDER that match PATTERN
  grep -rnE "^[[:space:]]*#[[:space:]]*include[[:space:]]*[<\"]($2)" --include='*.[ch]' --include='*.cpp' --include='*.cu' "$1"
}

none "engine includes nothing of app, tests or GTK" "$(includes engine 'app/|tests/|gtk|gdk/|adwaita')"
none "kernels include nothing of app, engine, tests or GLib" "$(includes kernels 'app/|engine/|tests/|glib|gio|json-glib|gtk')"
none "app includes engine, never kernels or tests" "$(includes app 'kernels/|tests/')"
none "only the media process includes GStreamer" "$(includes . 'gst/' | grep -v '^./engine/media/child/')"
none "own files are included by their path from the top" \
  "$(grep -rnE '^[[:space:]]*#[[:space:]]*include[[:space:]]*"' --include='*.[ch]' --include='*.cpp' app engine kernels tests |
    grep -vE '"(app|engine|kernels|tests)/')"
none "no source file is longer than 600 lines" "$(wc -l $sources | awk '$1 > 600 && $2 != "total" { print $2 ": " $1 " lines" }')"
none "every source file opens with its licence and a comment that says what it is" "$(awk '
  FNR == 1 { first = $0 }
  FNR == 2 && (first !~ /^(\/\*|\/\/) SPDX-License-Identifier: Apache-2.0/ || $0 !~ /^( \*|\/\/) .+/) { print FILENAME }' $sources)"
none "every script opens with its licence and a comment that says what it is" \
  "$(for script in app/run app/*.sh tests/run tests/*.sh tests/*/*.sh .ci/run; do
    grep -v '^#!' "$script" | head -n 2 | grep -qzP '^# SPDX-License-Identifier: Apache-2.0\n# .+' || echo "$script"
  done)"
none "nothing is left over" "$(grep -rnE '\b(TODO|FIXME|XXX|HACK)\b' --include='*.[ch]' --include='*.cpp' --include='meson.build' app engine kernels)"
none "the library leaves ending the process to its callers" \
  "$(grep -rnE '(^|[^a-z_])(exit|abort|assert|g_error|g_assert[a-z_]*) \(' --include='*.[ch]' engine kernels |
    grep -v '^engine/media/child/')"
none "the top level holds only the agreed names" \
  "$(find . -mindepth 1 -maxdepth 1 ! -name '.*' ! -name build ! -name 'build-*' -printf '%f\n' |
    grep -vxE 'README\.md|LICENSE|meson\.build|meson_options\.txt|app|engine|kernels|ui|data|po|tests')"
finish
