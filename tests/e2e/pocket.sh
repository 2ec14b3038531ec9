#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The model that comes along: it is the one that is taken, its files are whole and free, eight held-out prompts give what they say,
# and a clip as it comes takes no longer and no more memory than is promised.
source "$ROOT/tests/tap.sh"
cd "$SCRATCH" || exit 1

check "its files are whole" "$CLI" models verify pocket
check "they are free to use" bash -c '"$0" models show pocket | grep -q CC0' "$CLI"

# Every eighth of the held-out prompts; as of all 64, nine in ten must be right in all five attributes.
awk 'NR % 8 == 0' "$ROOT/tests/quality/held-out.txt" >prompts.txt
"$BUILD/tests/quality/quality" --generate "$CLI" --prompts prompts.txt --clips clips --report report.json >judge.log 2>&1
sed 's/^/# /' judge.log
right=$(sed -n 's/.*"all_five_right" : \([0-9]*\).*/\1/p' report.json)
check "held-out prompts are drawn (${right:-none} of 8 right in all five attributes)" test "${right:-0}" -ge 7

# clip SECONDS MIB: a clip without any option, its time and its peak
clip () {
  local began=${EPOCHREALTIME/[.,]/} peak
  "$CLI" generate --prompt "a big red circle moving left on a navy background" --output clip.mp4 --force --json >events || return 1
  peak=$(grep -o '"peak_bytes":[0-9]*' events | cut -d : -f 2 | sort -n | tail -n 1)
  awk -v s=$((${EPOCHREALTIME/[.,]/} - began)) -v p="$peak" -v most="$1" -v mib="$2" \
    'BEGIN { printf "# %.1f s, %.0f MiB\n", s / 1e6, p / 1048576; exit !(s / 1e6 < most && p / 1048576 < mib) }'
}
check "a clip in 15 s and 1.5 GB" clip 15 1430
FRAMEWRIGHT_CPU=avx2 check "and in 30 s without AVX-512" clip 30 1430
finish
