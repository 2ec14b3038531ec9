#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# tests/bench/compare.sh PYTHON [ROUNDS [RUNS [MODE...]]]: one training step in Framewright and in PyTorch, side by side.
# PYTHON is an interpreter that has torch. Each round runs both programs of every mode after one another, RUNS steps each, so that
# a machine that changes its speed meets both alike; the table shows medians of the rounds' medians, and of the ratios within
# a round. Modes: bf16-eager bf16-compile f32-eager f32-compile avx2-bf16 avx2-f32. The last column compares processor time, which
# means something on a busy machine if OMP_WAIT_POLICY=passive lets PyTorch's threads sleep while they wait.
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
program=${BUILD:-$root/build}/tests/bench/bench-train-step
[[ $# -ge 1 && -x $program ]] || { sed -n '3,8s/^# //p' "${BASH_SOURCE[0]}"; echo "needs $program"; exit 2; }
python=$1 rounds=${2:-3} runs=${3:-5}
shift $(($# < 3 ? $# : 3))
modes=(${@:-bf16-eager bf16-compile f32-eager avx2-bf16 avx2-f32})

# ONEDNN and ATen hold PyTorch's kernels to AVX2; MKL, which does its fp32 products, has a switch of its own.
avx2=(ONEDNN_MAX_CPU_ISA=AVX2 ATEN_CPU_CAPABILITY=avx2 MKL_ENABLE_INSTRUCTIONS=AVX2)
declare -A environment=([avx2-bf16]="FRAMEWRIGHT_CPU=avx2 ${avx2[*]}" [avx2-f32]="FRAMEWRIGHT_CPU=avx2 ${avx2[*]}")

field () { # JSON NAME
  sed -n "s/.*\"$2\": \([0-9.]*\).*/\1/p" <<<"$1"
}

median () { # numbers on stdin
  sort -g | awk '{ n[NR] = $1 } END { printf "%.3f", NR % 2 ? n[(NR + 1) / 2] : (n[NR / 2] + n[NR / 2 + 1]) / 2 }'
}

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
for ((round = 1; round <= rounds; round++)); do
  for mode in "${modes[@]}"; do
    dtype=bf16 how=eager
    [[ $mode == *f32* ]] && dtype=f32
    [[ $mode == *-compile ]] && how=compile
    # shellcheck disable=SC2086
    ours=$(env ${environment[$mode]:-} "$program" "$runs" "$dtype")
    # shellcheck disable=SC2086
    theirs=$(env ${environment[$mode]:-} "$python" "$root/tests/bench/train-step.py" --runs "$runs" --dtype "$dtype" \
      --mode "$how")
    echo "round $round, $mode: $(field "$ours" median_s) s, PyTorch $(field "$theirs" median_s) s" >&2
    echo "$(field "$ours" median_s) $(field "$theirs" median_s) $(field "$ours" best_s) $(field "$theirs" best_s)" \
      "$(field "$ours" cpu_s) $(field "$theirs" cpu_s)" >>"$scratch/$mode"
  done
done

echo "| Training step | Framewright, s (best) | PyTorch, s (best) | times as fast (least … most) | by processor time |"
echo "|---|---|---|---|---|"
for mode in "${modes[@]}"; do
  column () { awk -v c="$1" '{ print $c }' "$scratch/$mode"; }
  ratios=$(awk '{ printf "%.2f\n", $2 / $1 }' "$scratch/$mode" | sort -g)
  ours="$(column 1 | median) ($(column 3 | sort -g | head -n 1))"
  theirs="$(column 2 | median) ($(column 4 | sort -g | head -n 1))"
  echo "| $mode | $ours | $theirs |" \
    "**$(median <<<"$ratios")** ($(head -n 1 <<<"$ratios") … $(tail -n 1 <<<"$ratios")) |" \
    "$(awk '{ printf "%.2f\n", $6 / $5 }' "$scratch/$mode" | median) |"
done
