/* SPDX-License-Identifier: Apache-2.0
 * Gradients of reference convolution: the same taps as forward, read backwards. */
#include "kernels/ref/convolution.h"
#include "kernels/ref/ref.h"

/* The [O, I] matrix of one tap of the filter. */
static void
load_tap (const FwTensor *w, int64_t t, int64_t y, int64_t x, double *matrix)
{
  for (int64_t o = 0; o < w->dim[0]; o++) {
    int64_t offset = o * w->stride[0] + t * w->stride[2] + y * w->stride[3] + x * w->stride[4];
    WalkRow line = walk_line (w, offset, 1);
    walk_load (&line, w->dim[1], matrix + o * w->dim[1]);
  }
}

static size_t
conv_grad_input_scratch (const FwKernelCall *call)
{
  const FwTensor *w = &call->in[1], *dx = &call->out[0];
  return (size_t) (w->dim[0] * w->dim[1] + w->dim[0] + dx->dim[3] * dx->dim[4]) * sizeof (double);
}

/* Adds to sums[X, I] what output row [sample, t, y] passes back through the taps [tap_t, tap_y, all]. */
static void
add_row (const FwKernelCall *call, int64_t sample, int64_t t, int64_t y, int64_t tap_t, int64_t tap_y, double *sums)
{
  const FwTensor *dy = &call->in[0], *w = &call->in[1], *dx = &call->out[0];
  int64_t outputs = w->dim[0], inputs = w->dim[1];
  double *matrix = call->scratch, *slopes = matrix + outputs * inputs;
  for (int64_t tap_x = 0; tap_x < w->dim[4]; tap_x++) {
    load_tap (w, tap_t, tap_y, tap_x, matrix);
    for (int64_t x = 0; x < dy->dim[3]; x++) {
      int64_t source = fw_ref_conv_source (call->attributes, 2, x, tap_x, dx->dim[3]);
      if (source < 0)
        continue;
      int64_t offset = sample * dy->stride[0] + t * dy->stride[1] + y * dy->stride[2] + x * dy->stride[3];
      WalkRow line = walk_line (dy, offset, 4);
      walk_load (&line, outputs, slopes);
      for (int64_t o = 0; o < outputs; o++)
        walk_add_scaled (sums + source * inputs, slopes[o], matrix + o * inputs, inputs);
    }
  }
}

static void
run_conv_grad_input (const FwKernelCall *call)
{
  const FwTensor *dy = &call->in[0], *w = &call->in[1], *dx = &call->out[0];
  int64_t width = dx->dim[3], inputs = dx->dim[4];
  double *sums = (double *) call->scratch + w->dim[0] * w->dim[1] + w->dim[0];
  for (int64_t row = 0; row < dx->dim[0] * dx->dim[1] * dx->dim[2]; row++) {
    int64_t y_in = row % dx->dim[2], t_in = row / dx->dim[2] % dx->dim[1], sample = row / dx->dim[2] / dx->dim[1];
    walk_clear (sums, width * inputs);
    for (int64_t t_pair = 0; t_pair < dy->dim[1] * w->dim[2]; t_pair++) {
      int64_t t = t_pair / w->dim[2], tap_t = t_pair % w->dim[2];
      if (fw_ref_conv_source (call->attributes, 0, t, tap_t, dx->dim[1]) != t_in)
        continue;
      for (int64_t y_pair = 0; y_pair < dy->dim[2] * w->dim[3]; y_pair++) {
        int64_t y = y_pair / w->dim[3], tap_y = y_pair % w->dim[3];
        if (fw_ref_conv_source (call->attributes, 1, y, tap_y, dx->dim[2]) == y_in)
          add_row (call, sample, t, y, tap_t, tap_y, sums);
      }
    }
    for (int64_t x = 0; x < width; x++) {
      int64_t offset = sample * dx->stride[0] + t_in * dx->stride[1] + y_in * dx->stride[2] + x * dx->stride[3];
      WalkRow line = walk_line (dx, offset, 4);
      walk_store (&line, inputs, sums + x * inputs);
    }
  }
}

static size_t
conv_grad_weight_scratch (const FwKernelCall *call)
{
  int64_t outputs = call->in[1].dim[4], inputs = call->in[0].dim[4];
  return (size_t) (outputs * inputs + outputs + inputs) * sizeof (double);
}

/* Where the input row that @tap sees from row-major output position @index lies in x, or -1 in the padding. */
static int64_t
source_offset (const FwKernelCall *call, int64_t index, const int64_t *tap)
{
  const FwTensor *x = &call->in[0], *dy = &call->in[1];
  int64_t offset = 0;
  for (int axis = 2; axis >= 0; axis--) {
    int64_t source = fw_ref_conv_source (call->attributes, axis, index % dy->dim[1 + axis], tap[axis], x->dim[1 + axis]);
    if (source < 0)
      return -1;
    offset += source * x->stride[1 + axis];
    index /= dy->dim[1 + axis];
  }
  return offset + index * x->stride[0];
}

static void
run_conv_grad_weight (const FwKernelCall *call)
{
  const FwTensor *x = &call->in[0], *dy = &call->in[1], *dw = &call->out[0];
  int64_t outputs = dy->dim[4], inputs = x->dim[4];
  double *sums = call->scratch, *slopes = sums + outputs * inputs, *values = slopes + outputs;
  WalkRow dbias = walk_vector (&call->out[1]);
  WalkRows rows = walk_rows (dy);
  for (int64_t index = 0; index < dw->dim[2] * dw->dim[3] * dw->dim[4] && fw_present (dw); index++) {
    int64_t tap[3] = { index / dw->dim[4] / dw->dim[3], index / dw->dim[4] % dw->dim[3], index % dw->dim[4] };
    walk_clear (sums, outputs * inputs);
    for (int64_t row = 0; row < rows.count; row++) {
      int64_t offset = source_offset (call, row, tap);
      if (offset < 0)
        continue;
      WalkRow seen = walk_line (x, offset, 4), slope = walk_row (dy, &rows, row);
      walk_load (&seen, inputs, values);
      walk_load (&slope, outputs, slopes);
      for (int64_t o = 0; o < outputs; o++)
        walk_add_scaled (sums + o * inputs, slopes[o], values, inputs);
    }
    for (int64_t o = 0; o < outputs; o++) {
      int64_t offset = o * dw->stride[0] + tap[0] * dw->stride[2] + tap[1] * dw->stride[3] + tap[2] * dw->stride[4];
      WalkRow line = walk_line (dw, offset, 1);
      walk_store (&line, inputs, sums + o * inputs);
    }
  }
  walk_clear (slopes, outputs);
  for (int64_t row = 0; row < rows.count; row++) {
    WalkRow slope = walk_row (dy, &rows, row);
    for (int64_t o = 0; o < outputs; o++)
      slopes[o] += walk_get (&slope, o);
  }
  walk_store (&dbias, outputs, slopes);
}

const FwKernel fw_ref_conv_grad_input = { run_conv_grad_input, conv_grad_input_scratch };
const FwKernel fw_ref_conv_grad_weight = { run_conv_grad_weight, conv_grad_weight_scratch };
