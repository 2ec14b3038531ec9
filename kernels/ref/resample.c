/* SPDX-License-Identifier: Apache-2.0
 * Reference nearest-neighbour enlargement over time, height and width, channels last, and its gradient. */
#include "kernels/ref/ref.h"
#include "kernels/ref/walk.h"

/* The row of channels of @tensor at row-major position @index of [B, T, Y, X] in @shape, coordinates divided by the factors. */
static WalkRow
reduced_row (const FwTensor *tensor, const FwTensor *shape, const int *factor, int64_t index)
{
  int64_t offset = 0;
  for (int axis = 3; axis >= 0; axis--) {
    int64_t position = index % shape->dim[axis];
    offset += (axis == 0 ? position : position / factor[axis - 1]) * tensor->stride[axis];
    index /= shape->dim[axis];
  }
  return walk_line (tensor, offset, 4);
}

static void
run_resample (const FwKernelCall *call)
{
  const FwResampleAttributes *attributes = call->attributes;
  WalkRows rows = walk_rows (&call->out[0]);
  for (int64_t row = 0; row < rows.count; row++) {
    WalkRow x = reduced_row (&call->in[0], rows.shape, attributes->factor, row);
    WalkRow y = walk_row (&call->out[0], &rows, row);
    walk_copy (&x, &y, rows.length);
  }
}

static size_t
resample_grad_scratch (const FwKernelCall *call)
{
  return (size_t) walk_rows (&call->out[0]).length * sizeof (double);
}

static void
run_resample_grad (const FwKernelCall *call)
{
  const FwResampleAttributes *attributes = call->attributes;
  const FwTensor *dy = &call->in[0], *dx = &call->out[0];
  const int *factor = attributes->factor;
  double *sum = call->scratch;
  WalkRows rows = walk_rows (dx);
  for (int64_t row = 0; row < rows.count; row++) {
    int64_t x = row % dx->dim[3], y = row / dx->dim[3] % dx->dim[2], t = row / dx->dim[3] / dx->dim[2] % dx->dim[1];
    int64_t start = row / dx->dim[3] / dx->dim[2] / dx->dim[1] * dy->stride[0] + t * factor[0] * dy->stride[1]
      + y * factor[1] * dy->stride[2] + x * factor[2] * dy->stride[3];
    walk_clear (sum, rows.length);
    for (int64_t copy = 0; copy < (int64_t) factor[0] * factor[1] * factor[2]; copy++) {
      WalkRow slope = walk_line (dy, start + copy / factor[2] / factor[1] * dy->stride[1]
                                 + copy / factor[2] % factor[1] * dy->stride[2] + copy % factor[2] * dy->stride[3], 4);
      for (int64_t i = 0; i < rows.length; i++)
        sum[i] += walk_get (&slope, i);
    }
    WalkRow line = walk_row (dx, &rows, row);
    walk_store (&line, rows.length, sum);
  }
}

const FwKernel fw_ref_resample = { run_resample, NULL };
const FwKernel fw_ref_resample_grad = { run_resample_grad, resample_grad_scratch };
