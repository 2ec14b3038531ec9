# SPDX-License-Identifier: Apache-2.0
# Judges the time left that a job told: files of its --json events, each line behind the microseconds at which it came. Sourced.

# The worst share of the run's length by which a told time left was wrong, from a quarter on; 1 where one was not told at all.
worst () { # EVENTS
  awk '
    { time[NR] = $1 / 1e6; tells[NR] = /"event":"progress"/
      eta[NR] = match($0, /"eta_s":[0-9.e+-]+/) ? substr($0, RSTART + 8, RLENGTH - 8) : "" }
    END {
      for (i = 1; i <= NR; i++) {
        if (time[i] < time[NR] / 4 || !tells[i]) continue
        wrong = eta[i] == "" ? 1 : (time[i] + eta[i] - time[NR]) / time[NR]
        if (wrong < 0) wrong = -wrong
        if (wrong > most) most = wrong
        judged++
      }
      printf "%.3f", judged ? most : 1
    }' "$1"
}
