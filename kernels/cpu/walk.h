/* SPDX-License-Identifier: Apache-2.0
 * A parallel walk over strided tensors in runs of at most FW_RUN elements: the loop of all pointwise kernels. */
#pragma once
#include "kernels/cpu/rows.h"
#include "kernels/cpu/run.h"

typedef struct FwWalk {
  const FwKernelCall *call;
  FwRows rows;
  int64_t runs_per_row;
  /* One run: @offset is the first element in each tensor, @count the run's length. */
  void (*run) (const struct FwWalk *walk, const int64_t *offset, int64_t count);
  float a, b;  /* constants of the op */
  int choice;  /* which function of the op's table */
} FwWalk;

#define fw_walk FW_ROWS (fw_walk)

/* Walks @count tensors, the first of which gives the shape, calling walk->run from the workers of walk->call. */
void fw_walk (FwWalk *walk, int count, const FwTensor *const *tensors);
