/* SPDX-License-Identifier: Apache-2.0
 * What the kernel benchmark's files share: operands, cases and a pool of threads. */
#pragma once
#include "kernels/cpu/cpu.h"

/* One thing to time: a call of one op, with the work it counts for. */
typedef struct {
  char name[32], shape[64];
  size_t kernel;          /* offset of the op's kernel in FwCpuPath */
  FwKernelCall call;
  union {
    FwLinearAttributes linear;
    FwAttentionAttributes attention;
    FwUnaryAttributes unary;
    FwBinaryAttributes binary;
    FwNormAttributes norm;
    FwGroupNormAttributes group_norm;
    FwConvAttributes conv;
    FwAdamwAttributes adamw;
  } attributes;
  double work;            /* floating-point operations, or bytes moved */
  const char *unit;       /* "GFLOP/s" or "GB/s" */
} BenchCase;

enum { BENCH_MAX_CASES = 96 };

/* All cases; returns how many. Operands are allocated and filled with random numbers. */
int bench_cases (BenchCase *cases);

FwParallel *bench_pool_new (int workers);
void bench_pool_free (FwParallel *pool);
