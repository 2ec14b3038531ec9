/* SPDX-License-Identifier: Apache-2.0
 * resample, nearest-neighbour enlargement by whole factors, and its gradient. */
#include "kernels/cpu/kernels.h"
#include "kernels/cpu/row-math.h"
#include "kernels/cpu/run.h"

enum { ELEMENTS_PER_RANGE = 1 << 16 };

/* Offset of the position of @small that position @index (batch, time, height, width) of the enlarged tensor repeats. */
static int64_t
repeated_offset (const FwTensor *small, const int64_t *index, const int *factor)
{
  return index[0] * small->stride[0] + index[1] / factor[0] * small->stride[1]
         + index[2] / factor[1] * small->stride[2] + index[3] / factor[2] * small->stride[3];
}

static void
split_position (const FwTensor *shape, int64_t position, int64_t *index)
{
  for (int axis = 3; axis >= 0; axis--) {
    index[axis] = position % shape->dim[axis];
    position /= shape->dim[axis];
  }
}

static int64_t
position_offset (const FwTensor *tensor, const int64_t *index)
{
  return index[0] * tensor->stride[0] + index[1] * tensor->stride[1] + index[2] * tensor->stride[2] + index[3] * tensor->stride[3];
}

static void
resample_range (void *context, int64_t begin, int64_t end, int worker)
{
  const FwKernelCall *call = context;
  const FwResampleAttributes *attributes = call->attributes;
  const FwTensor *x = &call->in[0], *y = &call->out[0];
  float buffer[FW_RUN];
  for (int64_t position = begin; position < end; position++) {
    int64_t index[4];
    split_position (y, position, index);
    int64_t from = repeated_offset (x, index, attributes->factor), to = position_offset (y, index);
    for (int64_t start = 0; start < y->dim[4]; start += FW_RUN) {
      int64_t count = FW_MIN (y->dim[4] - start, FW_RUN);
      fw_run_store (y, to + start, count, fw_run_load (x, from + start * x->stride[4], x->stride[4], count, buffer));
    }
  }
}

/* Runs @range over all positions of the output. */
static void
run_positions (const FwKernelCall *call, void (*range) (void *, int64_t, int64_t, int))
{
  const FwTensor *out = &call->out[0];
  int64_t positions = out->dim[0] * out->dim[1] * out->dim[2] * out->dim[3];
  if (positions * out->dim[4] > 0)
    call->parallel->run (call->parallel, positions, FW_MAX (1, ELEMENTS_PER_RANGE / out->dim[4]), range, (void *) call);
}

void
fw_resample_run (const FwKernelCall *call)
{
  run_positions (call, resample_range);
}

static void
resample_grad_range (void *context, int64_t begin, int64_t end, int worker)
{
  const FwKernelCall *call = context;
  const FwResampleAttributes *attributes = call->attributes;
  const FwTensor *dy = &call->in[0], *dx = &call->out[0];
  const int *factor = attributes->factor;
  float sums[FW_RUN], gradients[FW_RUN];
  for (int64_t position = begin; position < end; position++) {
    int64_t index[4], copies = (int64_t) factor[0] * factor[1] * factor[2], step = dy->stride[4];
    split_position (dx, position, index);
    for (int64_t start = 0; start < dx->dim[4]; start += FW_RUN) {
      int64_t count = FW_MIN (dx->dim[4] - start, FW_RUN);
      memset (sums, 0, sizeof sums);
      for (int64_t copy = 0; copy < copies; copy++) {
        int64_t large[4] = { index[0], index[1] * factor[0] + copy / (factor[1] * factor[2]),
                             index[2] * factor[1] + copy / factor[2] % factor[1], index[3] * factor[2] + copy % factor[2] };
        row_add (fw_run_load (dy, position_offset (dy, large) + start * step, step, count, gradients), sums, count);
      }
      fw_run_store (dx, position_offset (dx, index) + start, count, sums);
    }
  }
}

void
fw_resample_grad_run (const FwKernelCall *call)
{
  run_positions (call, resample_grad_range);
}
