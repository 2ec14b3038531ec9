/* SPDX-License-Identifier: Apache-2.0
 * Sums over some axes of strided tensors, in an order that depends on the shape alone: the reduced rows of every result
 * are cut into segments, summed side by side, and the segments' sums are added in order. */
#pragma once
#include "kernels/cpu/rows.h"
#include "kernels/cpu/run.h"

enum { FW_MAX_SUMS = 2 };

typedef struct FwSums {
  const FwKernelCall *call;
  /* Adds one stretch of a row to the sums: @offset is its first element in each tensor, @count its length; sum[k] holds
   * @count elements. @work has room for two stretches. */
  void (*add) (const struct FwSums *sums, const int64_t *offset, int64_t count, float *const *sum, float *work);
  /* Writes finished sums; arguments as above, and @sum may be changed. */
  void (*finish) (const struct FwSums *sums, const int64_t *offset, int64_t count, float *const *sum);
  bool whole_rows;  /* add() must see whole rows */
  bool sum_row;     /* the row itself is summed too: its stretches all go to the same sums */
  float constant;   /* for the callbacks */

  FwRows kept, reduced;
  int64_t stretch, stretches, units, segments, tasks;
  float *space;     /* per task: FW_MAX_SUMS sums and two stretches of work */
} FwSums;

#define fw_sums_init FW_ROWS (fw_sums_init)
#define fw_sums_run FW_ROWS (fw_sums_run)
#define fw_broadcast_axes FW_ROWS (fw_broadcast_axes)

/* Plans sums over the axes in @axes (bit i: axis i) of @count tensors, the first of which gives the shape. The caller has
 * filled the fields up to constant. Returns the bytes of scratch wanted. */
size_t fw_sums_init (FwSums *sums, int count, const FwTensor *const *tensors, uint32_t axes);
/* Runs the plan in call->scratch. */
void fw_sums_run (FwSums *sums);
/* The axes of @shape along which @operand is broadcast. */
uint32_t fw_broadcast_axes (const FwTensor *shape, const FwTensor *operand);
