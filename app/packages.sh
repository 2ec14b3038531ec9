# SPDX-License-Identifier: Apache-2.0
# What app/run and tests/run share: the distribution packages they need, and the building of build/. Sourced with $root set
# to the top folder; everything said goes to stderr.

# libprotobuf-dev: what libsentencepiece-dev wants of it, Ubuntu 24.04's does not say.
build_packages=(gcc g++ meson ninja-build pkg-config zlib1g-dev libglib2.0-dev libjson-glib-dev libsentencepiece-dev
  libprotobuf-dev libseccomp-dev libgstreamer1.0-dev libgstreamer-plugins-base1.0-dev gstreamer1.0-plugins-base
  gstreamer1.0-plugins-good gstreamer1.0-plugins-bad gstreamer1.0-plugins-ugly gstreamer1.0-libav)
test_packages=(clang libclang-rt-dev qemu-user git)

oldest_gtk=4.8
supported="Framewright needs GTK $oldest_gtk or newer: use Debian 12 or newer, or Ubuntu 24.04 or newer"

say () {
  printf 'framewright: %s\n' "$*" >&2
}

stop () {
  say "$*"
  exit 1
}

older () { # older A B: is version A older than B?
  [[ $1 != "$2" && $(printf '%s\n' "$1" "$2" | sort -V | head -n 1) == "$1" ]]
}

# Runs a package tool as root: directly, or through sudo, which may ask only where there is a terminal to ask on.
as_root () {
  if [[ $(id -u) == 0 ]]; then
    env DEBIAN_FRONTEND=noninteractive "$@"
  elif [[ -t 0 ]]; then
    sudo env DEBIAN_FRONTEND=noninteractive "$@"
  else
    sudo -n env DEBIAN_FRONTEND=noninteractive "$@"
  fi
}

# Sets `missing` to the names among "$@" that are not installed.
find_missing () {
  local name state
  local -A installed=()
  while read -r state name; do
    [[ $state == ii ]] && installed[$name]=1
  done < <(dpkg-query -W -f '${db:Status-Abbrev} ${Package}\n' "$@" 2>/dev/null)
  missing=()
  for name in "$@"; do
    [[ -n ${installed[$name]:-} ]] || missing+=("$name")
  done
}

# Turns apt's status lines into one line for every tenth of the work.
apt_progress () {
  local kind percent tenth last=
  while IFS=: read -r kind _ percent _; do
    [[ ($kind == dlstatus || $kind == pmstatus) && $percent == [0-9]* ]] || continue
    tenth=$((${percent%%.*} / 10))
    [[ $kind$tenth == "$last" ]] && continue
    last=$kind$tenth
    [[ $kind == dlstatus ]] && kind=downloading || kind=installing
    say "$kind packages: $((tenth * 10)) %"
  done
}

# Makes sure that the packages "$@" are installed; without anything missing, no package tool is called.
ensure_packages () {
  local gtk missing log
  gtk=$(pkg-config --modversion gtk4 2>/dev/null) && older "$gtk" "$oldest_gtk" && stop "$supported (this system has GTK $gtk)."
  if ! command -v dpkg-query >/dev/null; then
    for tool in cc c++ meson ninja pkg-config; do
      command -v "$tool" >/dev/null || stop "cannot find “$tool”: install what these Debian packages hold: $*"
    done
    return
  fi
  find_missing "$@"
  [[ ${#missing[@]} -gt 0 ]] || return 0
  if [[ $(id -u) != 0 ]] && ! command -v sudo >/dev/null; then
    stop "some packages are missing and there is no sudo here; as root run: apt-get install ${missing[*]}"
  fi
  mkdir -p "$root/build"
  log=$root/build/packages.log
  say "installing ${#missing[@]} missing packages: ${missing[*]}"
  say "reading the package lists"
  as_root apt-get -q update >"$log" 2>&1 ||
    stop "apt-get update failed; see $log: $(tail -n 1 "$log")"
  gtk=$(apt-cache policy libgtk-4-1 | awk '$1 == "Candidate:" { print $2 }')
  [[ $gtk != [0-9]* ]] && gtk=0
  older "${gtk%%[-+~]*}" "$oldest_gtk" && stop "$supported (this system offers GTK ${gtk/#0/none})."
  # The descriptor for the status is made behind sudo, which would close it.
  as_root sh -c 'log=$1; shift
    exec apt-get -q -y --no-install-recommends -o DPkg::Lock::Timeout=300 -o Dpkg::Use-Pty=0 -o APT::Status-Fd=3 install "$@" 3>&1 >>"$log" 2>&1' \
    sh "$log" "${missing[@]}" | apt_progress
  [[ ${PIPESTATUS[0]} == 0 ]] || stop "apt-get install failed; see $log: $(grep -m 1 '^E:' "$log" || tail -n 1 "$log")"
}

# Turns ninja's lines "DONE TOTAL ..." into one line for every tenth of a build of some size.
build_progress () {
  local done total last=0
  while read -r done total _; do
    [[ $done$total =~ ^[0-9]+$ && $done && $total ]] || continue
    if ((total >= 20 && done * 10 / total != last)); then
      last=$((done * 10 / total))
      say "building: $done of $total"
    fi
  done
}

# build_folder FOLDER TARGET... [-- SETUP-OPTION...]: configures FOLDER once and brings the targets up to date, quiet unless
# it fails or takes long. One builder at a time.
build_folder () {
  local folder=$1 log=$1/build.log
  shift
  local targets=()
  while [[ $# -gt 0 && $1 != -- ]]; do
    targets+=("$1")
    shift
  done
  [[ $# -gt 0 ]] && shift
  mkdir -p "$folder"
  exec 8>"$folder/.lock"
  flock 8
  if [[ ! -e $folder/build.ninja ]]; then
    say "configuring ${folder#"$root"/}"
    meson setup "$@" "$folder" "$root" >"$log" 2>&1 8>&- || { tail -n 30 "$log" >&2; stop "meson setup failed; see $log"; }
  fi
  NINJA_STATUS='%f %t ' ninja -C "$folder" ${targets[@]+"${targets[@]}"} 2>&1 8>&- | tee "$log" | build_progress
  if [[ ${PIPESTATUS[0]} != 0 ]]; then
    grep -v '^[0-9]* [0-9]* ' "$log" | tail -n 40 >&2
    stop "the build failed; see $log"
  fi
  exec 8>&-
}
