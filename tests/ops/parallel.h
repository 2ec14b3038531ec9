/* SPDX-License-Identifier: Apache-2.0
 * Three parallel loops to lend to kernels: in order, in shuffled order with uneven ranges, and on real threads. */
#pragma once
#include "kernels/kernel.h"

typedef struct {
  FwParallel loop; /* first, so that run() finds the rest */
  uint64_t seed;
  bool misused;    /* a grain below 1, or a negative count */
} TestParallel;

TestParallel parallel_serial (void);
TestParallel parallel_shuffled (int workers, uint64_t seed);
TestParallel parallel_threads (int workers);
