/* SPDX-License-Identifier: Apache-2.0
 * Reference convolution over time, height and width, channels last; kernels/ref/convolution-grad.c has its gradients and
 * kernels/ref/resample.c the enlargement. */
#include "kernels/ref/convolution.h"
#include "kernels/ref/ref.h"

enum { BLOCK_POSITIONS = 32 };

int64_t
fw_ref_conv_source (const FwConvAttributes *attributes, int axis, int64_t position, int64_t tap, int64_t size)
{
  int64_t factor = axis == 0 ? 1 : attributes->upsample;
  int64_t at = position * attributes->stride[axis] + tap - attributes->pad_front[axis];
  if (at < 0)
    return axis == 0 && attributes->time_mode == FW_PAD_REPEAT_FRONT ? 0 : -1;
  return at < size * factor ? at / factor : -1;
}

static int64_t
patch_size (const FwTensor *w)
{
  return w->dim[1] * w->dim[2] * w->dim[3] * w->dim[4];
}

static size_t
conv_scratch (const FwKernelCall *call)
{
  return (size_t) patch_size (&call->in[1]) * (BLOCK_POSITIONS + 1) * sizeof (double);
}

/* The window of x under output position [t, y, x] of @sample, in the order of the weights: channel, time, height, width. */
static void
load_patch (const FwKernelCall *call, int64_t sample, const int64_t *position, double *patch)
{
  const FwConvAttributes *attributes = call->attributes;
  const FwTensor *x = &call->in[0], *w = &call->in[1];
  int64_t taps = w->dim[2] * w->dim[3] * w->dim[4];
  for (int64_t tap = 0; tap < taps; tap++) {
    int64_t taps_at[3] = { tap / w->dim[4] / w->dim[3], tap / w->dim[4] % w->dim[3], tap % w->dim[4] };
    int64_t offset = sample * x->stride[0];
    bool inside = true;
    for (int axis = 0; axis < 3; axis++) {
      int64_t source = fw_ref_conv_source (attributes, axis, position[axis], taps_at[axis], x->dim[1 + axis]);
      inside = inside && source >= 0;
      offset += source * x->stride[1 + axis];
    }
    WalkRow channels = walk_line (x, offset, 4);
    for (int64_t i = 0; i < w->dim[1]; i++)
      patch[i * taps + tap] = inside ? walk_get (&channels, i) : 0;
  }
}

static void
load_filter (const FwTensor *w, int64_t channel, double *values)
{
  for (int64_t i = 0; i < w->dim[1]; i++)
    for (int64_t t = 0; t < w->dim[2]; t++)
      for (int64_t y = 0; y < w->dim[3]; y++, values += w->dim[4]) {
        WalkRow line = walk_line (w, channel * w->stride[0] + i * w->stride[1] + t * w->stride[2] + y * w->stride[3], 4);
        walk_load (&line, w->dim[4], values);
      }
}

static void
run_conv (const FwKernelCall *call)
{
  const FwTensor *w = &call->in[1], *y = &call->out[0];
  WalkRow bias = walk_vector (&call->in[2]);
  int64_t positions = walk_count (y, 4, WALK_ALL), size = patch_size (w);
  double *filter = call->scratch, *patches = filter + size;
  WalkRow results[BLOCK_POSITIONS];
  WalkRows rows = walk_rows (y);

  for (int64_t first = 0; first < positions; first += BLOCK_POSITIONS) {
    int64_t count = positions - first < BLOCK_POSITIONS ? positions - first : BLOCK_POSITIONS;
    for (int64_t p = 0; p < count; p++) {
      int64_t index = first + p;
      int64_t position[3] = { index / y->dim[3] / y->dim[2] % y->dim[1], index / y->dim[3] % y->dim[2], index % y->dim[3] };
      load_patch (call, index / y->dim[3] / y->dim[2] / y->dim[1], position, patches + p * size);
      results[p] = walk_row (y, &rows, index);
    }
    for (int64_t o = 0; o < w->dim[0]; o++) {
      load_filter (w, o, filter);
      for (int64_t p = 0; p < count; p++)
        walk_put (&results[p], o, walk_dot (patches + p * size, filter, size) + (bias.data != NULL ? walk_get (&bias, o) : 0));
    }
  }
}

const FwKernel fw_ref_conv = { run_conv, conv_scratch };
