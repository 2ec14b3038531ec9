/* SPDX-License-Identifier: Apache-2.0
 * Reference layer norm and RMS norm with their gradients; kernels/ref/group-norm.c has group norm. */
#include "kernels/ref/ref.h"
#include "kernels/ref/walk.h"

#include <math.h>

static size_t
one_row (const FwKernelCall *call)
{
  return (size_t) walk_rows (&call->in[0]).length * sizeof (double);
}

static size_t
three_rows (const FwKernelCall *call)
{
  return 3 * one_row (call);
}

static size_t
four_rows (const FwKernelCall *call)
{
  return 4 * one_row (call);
}

/* values = (values - mean) / sqrt (variance + epsilon); returns 1 / sqrt (variance + epsilon). */
static double
standardize (double *values, int64_t count, double epsilon)
{
  double mean = 0, variance = 0;
  for (int64_t i = 0; i < count; i++)
    mean += values[i] / (double) count;
  for (int64_t i = 0; i < count; i++)
    variance += (values[i] - mean) * (values[i] - mean) / (double) count;
  double inverse = 1 / sqrt (variance + epsilon);
  for (int64_t i = 0; i < count; i++)
    values[i] = (values[i] - mean) * inverse;
  return inverse;
}

static void
run_layer_norm (const FwKernelCall *call)
{
  const FwNormAttributes *attributes = call->attributes;
  WalkRows rows = walk_rows (&call->in[0]);
  WalkRow w = walk_vector (&call->in[1]), b = walk_vector (&call->in[2]);
  double *normal = call->scratch;
  for (int64_t row = 0; row < rows.count; row++) {
    WalkRow x = walk_row (&call->in[0], &rows, row), y = walk_row (&call->out[0], &rows, row);
    WalkRow shift = walk_row (&call->in[3], &rows, row), scale = walk_row (&call->in[4], &rows, row);
    walk_load (&x, rows.length, normal);
    standardize (normal, rows.length, attributes->epsilon);
    for (int64_t i = 0; i < rows.length; i++) {
      double value = normal[i];
      if (w.data != NULL)
        value *= walk_get (&w, i);
      if (b.data != NULL)
        value += walk_get (&b, i);
      if (scale.data != NULL)
        value = value * (1 + walk_get (&scale, i)) + walk_get (&shift, i);
      walk_put (&y, i, value);
    }
  }
}

/* dx, twice, from @slope, the derivative by the standardised values @normal, and @h, which may be absent. */
static void
standardize_grad (const double *normal, const double *slope, int64_t count, double inverse, const WalkRow *h, const WalkRow *dx,
                  const WalkRow *narrow)
{
  double mean = 0, along = 0;
  for (int64_t i = 0; i < count; i++) {
    mean += slope[i] / (double) count;
    along += slope[i] * normal[i] / (double) count;
  }
  for (int64_t i = 0; i < count; i++) {
    double value = (h->data != NULL ? walk_get (h, i) : 0) + inverse * (slope[i] - mean - normal[i] * along);
    walk_put (dx, i, value);
    walk_put (narrow, i, value);
  }
}

/* dshift and dscale: for each of their elements the sum over the rows, and perhaps the columns, that share it. */
static void
layer_norm_grad_modulation (const FwKernelCall *call, const FwTensor *output, bool times_normal)
{
  const FwNormAttributes *attributes = call->attributes;
  const FwTensor *x = &call->in[0], *dy = &call->in[3];
  WalkRows rows = walk_rows (x);
  uint32_t summed = walk_summed_axes (output, x, rows.axes);
  int64_t outer_count = walk_count (x, rows.axes, WALK_ALL & ~summed), inner_count = walk_count (x, rows.axes, summed);
  double *normal = call->scratch, *sum = normal + rows.length;
  for (int64_t outer = 0; outer < outer_count; outer++) {
    walk_clear (sum, rows.length);
    for (int64_t inner = 0; inner < inner_count; inner++) {
      WalkRow line = walk_line (x, walk_offset (x, x, rows.axes, summed, outer, inner), rows.axes);
      WalkRow slope = walk_line (dy, walk_offset (dy, x, rows.axes, summed, outer, inner), rows.axes);
      walk_load (&line, rows.length, normal);
      standardize (normal, rows.length, attributes->epsilon);
      for (int64_t i = 0; i < rows.length; i++)
        sum[i] += walk_get (&slope, i) * (times_normal ? normal[i] : 1);
    }
    WalkRow result = walk_line (output, walk_offset (output, x, rows.axes, summed, outer, 0), rows.axes);
    if (output->dim[rows.axes] == 1)
      for (int64_t i = 1; i < rows.length; i++)
        sum[0] += sum[i];
    walk_store (&result, output->dim[rows.axes], sum);
  }
}

static void
run_layer_norm_grad (const FwKernelCall *call)
{
  const FwNormAttributes *attributes = call->attributes;
  WalkRows rows = walk_rows (&call->in[0]);
  WalkRow w = walk_vector (&call->in[1]), dw = walk_vector (&call->out[1]), db = walk_vector (&call->out[2]);
  double *normal = call->scratch, *slope = normal + rows.length;
  double *w_sum = slope + rows.length, *b_sum = w_sum + rows.length;
  walk_clear (w_sum, rows.length);
  walk_clear (b_sum, rows.length);
  for (int64_t row = 0; row < rows.count; row++) {
    WalkRow x = walk_row (&call->in[0], &rows, row), scale = walk_row (&call->in[2], &rows, row);
    WalkRow dy = walk_row (&call->in[3], &rows, row), dx = walk_row (&call->out[0], &rows, row);
    WalkRow h = walk_row (&call->in[4], &rows, row), narrow = walk_row (&call->out[5], &rows, row);
    walk_load (&x, rows.length, normal);
    walk_load (&dy, rows.length, slope);
    double inverse = standardize (normal, rows.length, attributes->epsilon);
    for (int64_t i = 0; i < rows.length; i++) {
      if (scale.data != NULL)
        slope[i] *= 1 + walk_get (&scale, i);
      w_sum[i] += slope[i] * normal[i];
      b_sum[i] += slope[i];
      if (w.data != NULL)
        slope[i] *= walk_get (&w, i);
    }
    standardize_grad (normal, slope, rows.length, inverse, &h, &dx, &narrow);
  }
  walk_store (&dw, rows.length, w_sum);
  walk_store (&db, rows.length, b_sum);
  if (fw_present (&call->out[3]))
    layer_norm_grad_modulation (call, &call->out[3], false);
  if (fw_present (&call->out[4]))
    layer_norm_grad_modulation (call, &call->out[4], true);
}

/* 1 / sqrt (mean square + epsilon) */
static double
inverse_root_mean_square (const double *values, int64_t count, double epsilon)
{
  return 1 / sqrt (walk_dot (values, values, count) / (double) count + epsilon);
}

static void
run_rms_norm (const FwKernelCall *call)
{
  const FwNormAttributes *attributes = call->attributes;
  WalkRows rows = walk_rows (&call->in[0]);
  WalkRow w = walk_vector (&call->in[1]);
  double *values = call->scratch;
  for (int64_t row = 0; row < rows.count; row++) {
    WalkRow x = walk_row (&call->in[0], &rows, row), y = walk_row (&call->out[0], &rows, row);
    walk_load (&x, rows.length, values);
    double inverse = inverse_root_mean_square (values, rows.length, attributes->epsilon);
    for (int64_t i = 0; i < rows.length; i++)
      walk_put (&y, i, values[i] * inverse * walk_get (&w, i));
  }
}

static void
run_rms_norm_grad (const FwKernelCall *call)
{
  const FwNormAttributes *attributes = call->attributes;
  WalkRows rows = walk_rows (&call->in[0]);
  WalkRow w = walk_vector (&call->in[1]), dw = walk_vector (&call->out[1]);
  double *values = call->scratch, *slope = values + rows.length, *w_sum = slope + rows.length;
  walk_clear (w_sum, rows.length);
  for (int64_t row = 0; row < rows.count; row++) {
    WalkRow x = walk_row (&call->in[0], &rows, row), dy = walk_row (&call->in[2], &rows, row);
    WalkRow dx = walk_row (&call->out[0], &rows, row);
    walk_load (&x, rows.length, values);
    walk_load (&dy, rows.length, slope);
    double inverse = inverse_root_mean_square (values, rows.length, attributes->epsilon);
    for (int64_t i = 0; i < rows.length; i++) {
      w_sum[i] += slope[i] * values[i] * inverse;
      slope[i] *= walk_get (&w, i);
    }
    double along = walk_dot (slope, values, rows.length) * inverse * inverse / (double) rows.length;
    for (int64_t i = 0; i < rows.length; i++)
      walk_put (&dx, i, inverse * (slope[i] - values[i] * along));
  }
  walk_store (&dw, rows.length, w_sum);
}

const FwKernel fw_ref_layer_norm = { run_layer_norm, one_row };
const FwKernel fw_ref_layer_norm_grad = { run_layer_norm_grad, four_rows };
const FwKernel fw_ref_rms_norm = { run_rms_norm, one_row };
const FwKernel fw_ref_rms_norm_grad = { run_rms_norm_grad, three_rows };
