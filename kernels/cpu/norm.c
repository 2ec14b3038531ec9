/* SPDX-License-Identifier: Apache-2.0
 * layer_norm with weights or with a fused shift and scale, and rms_norm. Rows are taken in runs, once for the mean, once
 * for the spread about it and once for the result. */
#include <math.h>

#include "kernels/cpu/kernels.h"
#include "kernels/cpu/row-math.h"
#include "kernels/cpu/rows.h"
#include "kernels/cpu/run.h"

enum { ELEMENTS_PER_RANGE = 1 << 16 };
enum { RESULT, INPUT, SHIFT, SCALE }; /* the tensors walked */

typedef struct {
  const FwKernelCall *call;
  FwRows rows;
  double epsilon;
} Norm;

/* One run of a row as floats. A row that is one run is converted once: @kept says that @buffer holds it already. */
static const float *
load_input (const Norm *norm, const FwCursor *cursor, int64_t start, int64_t count, const float *kept, float *buffer)
{
  if (kept)
    return kept;
  int64_t step = norm->rows.step[INPUT];
  return fw_run_load (&norm->call->in[0], cursor->offset[INPUT] + start * step, step, count, buffer);
}

typedef struct { float mean, factor; } Statistics;

static Statistics
layer_statistics (const Norm *norm, const FwCursor *cursor, const float *kept, float *buffer)
{
  int64_t length = norm->rows.length;
  float sum = 0, spread = 0;
  for (int64_t start = 0; start < length; start += FW_RUN) {
    int64_t count = FW_MIN (length - start, FW_RUN);
    sum += row_sum (load_input (norm, cursor, start, count, kept, buffer), count);
  }
  float mean = sum / (float) length;
  for (int64_t start = 0; start < length; start += FW_RUN) {
    int64_t count = FW_MIN (length - start, FW_RUN);
    spread += row_spread (load_input (norm, cursor, start, count, kept, buffer), count, mean);
  }
  return (Statistics) { mean, 1.0f / sqrtf (spread / (float) length + (float) norm->epsilon) };
}

static Statistics
rms_statistics (const Norm *norm, const FwCursor *cursor, const float *kept, float *buffer)
{
  int64_t length = norm->rows.length;
  float sum = 0;
  for (int64_t start = 0; start < length; start += FW_RUN) {
    int64_t count = FW_MIN (length - start, FW_RUN);
    const float *x = load_input (norm, cursor, start, count, kept, buffer);
    sum += row_dot (x, x, count);
  }
  return (Statistics) { 0, 1.0f / sqrtf (sum / (float) length + (float) norm->epsilon) };
}

/* y = (x factor + shift) (weight + more) + bias for lanes [0, left) from element @i on; @weight and @bias may be NULL. */
static FW_ALWAYS_INLINE void
affine_lanes (const float *x, FwRun y, FwVec factor, FwVec shift, const float *weight, FwVec more, const float *bias, int64_t i,
              int64_t left)
{
  FwVec value = vec_fma (row_load_any (false, x, i, left), factor, shift);
  if (weight)
    value = value * (row_load_any (false, weight, i, left) + more);
  if (bias)
    value = value + row_load_any (false, bias, i, left);
  row_store_run (y, i, left, value);
}

/* y = (x - mean) * factor * (weight + more) + bias. */
static FW_ALWAYS_INLINE void
apply_affine (const float *x, FwRun y, int64_t count, Statistics s, const float *weight, float more, const float *bias)
{
  FwVec factor = vec_set (s.factor), shift = vec_set (-s.mean * s.factor), extra = vec_set (more);
  int64_t i = 0;
  for (; i + VEC <= count; i += VEC)
    affine_lanes (x, y, factor, shift, weight, extra, bias, i, VEC);
  if (i < count)
    affine_lanes (x, y, factor, shift, weight, extra, bias, i, count - i);
}

static void
normalise_row (const Norm *norm, const FwCursor *cursor, const FwTensor *weight, const FwTensor *bias,
               Statistics (*statistics) (const Norm *, const FwCursor *, const float *, float *))
{
  const FwKernelCall *call = norm->call;
  int64_t length = norm->rows.length;
  float input[FW_RUN], weights[FW_RUN], biases[FW_RUN];
  const float *kept = length <= FW_RUN ? load_input (norm, cursor, 0, length, NULL, input) : NULL;
  Statistics found = statistics (norm, cursor, kept, input);
  for (int64_t start = 0; start < length; start += FW_RUN) {
    int64_t count = FW_MIN (length - start, FW_RUN);
    const float *x = load_input (norm, cursor, start, count, kept, input), *w = NULL, *b = NULL;
    float more = 0;
    if (weight && fw_present (weight)) {
      w = fw_run_load (weight, start * weight->stride[0], weight->stride[0], count, weights);
      if (bias && fw_present (bias))
        b = fw_run_load (bias, start * bias->stride[0], bias->stride[0], count, biases);
    } else if (norm->rows.tensors > SCALE && fw_present (&call->in[4])) {
      int64_t scale_step = norm->rows.step[SCALE], shift_step = norm->rows.step[SHIFT];
      w = fw_run_load (&call->in[4], cursor->offset[SCALE] + start * scale_step, scale_step, count, weights);
      b = fw_run_load (&call->in[3], cursor->offset[SHIFT] + start * shift_step, shift_step, count, biases);
      more = 1;
    }
    FwRun y = fw_run_of (&call->out[0], cursor->offset[RESULT] + start);
    if (w && b && y.bf16) /* compiled apart, for it is the commonest */
      apply_affine (x, (FwRun) { y.data, y.place, true }, count, found, w, more, b);
    else
      apply_affine (x, y, count, found, w, more, b);
  }
}

static void
layer_norm_range (void *context, int64_t begin, int64_t end, int worker)
{
  const Norm *norm = context;
  FwCursor cursor;
  fw_rows_seek (&norm->rows, begin, &cursor);
  for (int64_t row = begin; row < end; row++) {
    fw_rows_fetch (&norm->rows, cursor.offset, norm->rows.length);
    normalise_row (norm, &cursor, &norm->call->in[1], &norm->call->in[2], layer_statistics);
    fw_rows_next (&norm->rows, &cursor);
  }
}

static void
rms_norm_range (void *context, int64_t begin, int64_t end, int worker)
{
  const Norm *norm = context;
  FwCursor cursor;
  fw_rows_seek (&norm->rows, begin, &cursor);
  for (int64_t row = begin; row < end; row++) {
    fw_rows_fetch (&norm->rows, cursor.offset, norm->rows.length);
    normalise_row (norm, &cursor, &norm->call->in[1], NULL, rms_statistics);
    fw_rows_next (&norm->rows, &cursor);
  }
}

static void
run_norm (const FwKernelCall *call, int tensors, void (*range) (void *, int64_t, int64_t, int))
{
  const FwNormAttributes *attributes = call->attributes;
  Norm norm = { .call = call, .epsilon = attributes->epsilon };
  fw_rows_init (&norm.rows, tensors, (const FwTensor *[]) { &call->out[0], &call->in[0], &call->in[3], &call->in[4] }, false);
  if (norm.rows.rows > 0)
    call->parallel->run (call->parallel, norm.rows.rows, FW_MAX (1, ELEMENTS_PER_RANGE / norm.rows.length), range, &norm);
}

void
fw_layer_norm_run (const FwKernelCall *call)
{
  run_norm (call, 4, layer_norm_range);
}

void
fw_rms_norm_run (const FwKernelCall *call)
{
  run_norm (call, 2, rms_norm_range);
}
