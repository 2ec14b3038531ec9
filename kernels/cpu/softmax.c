/* SPDX-License-Identifier: Apache-2.0
 * softmax and cross_entropy with their gradients: rows in runs, once for the largest element, once for the sum of
 * exponentials, once for the result. */
#include <math.h>

#include "kernels/cpu/kernels.h"
#include "kernels/cpu/row-math.h"
#include "kernels/cpu/rows.h"
#include "kernels/cpu/run.h"

enum { ELEMENTS_PER_RANGE = 1 << 15 };

typedef struct {
  const FwKernelCall *call;
  FwRows rows;
} Softmax;

static void
run_rows (const FwKernelCall *call, int count, const FwTensor *const *tensors, void (*range) (void *, int64_t, int64_t, int))
{
  Softmax softmax = { .call = call };
  fw_rows_init (&softmax.rows, count, tensors, false);
  if (softmax.rows.rows > 0)
    call->parallel->run (call->parallel, softmax.rows.rows, FW_MAX (1, ELEMENTS_PER_RANGE / softmax.rows.length), range, &softmax);
}

/* Largest element and sum of exp(x - largest) of one row. */
static void
statistics (const FwTensor *x, int64_t offset, int64_t step, int64_t length, float *buffer, float *largest, float *sum)
{
  float exponential[FW_RUN];
  *largest = -INFINITY;
  *sum = 0;
  for (int64_t start = 0; start < length; start += FW_RUN) {
    int64_t count = FW_MIN (length - start, FW_RUN);
    *largest = row_largest (fw_run_load (x, offset + start * step, step, count, buffer), count, *largest);
  }
  for (int64_t start = 0; start < length; start += FW_RUN) {
    int64_t count = FW_MIN (length - start, FW_RUN);
    *sum += row_exp (fw_run_load (x, offset + start * step, step, count, buffer), exponential, count, *largest);
  }
}

static void
softmax_range (void *context, int64_t begin, int64_t end, int worker)
{
  const Softmax *softmax = context;
  const FwTensor *x = &softmax->call->in[0], *y = &softmax->call->out[0];
  int64_t length = softmax->rows.length, step = softmax->rows.step[1];
  float input[FW_RUN], output[FW_RUN], largest, sum;
  FwCursor cursor;
  fw_rows_seek (&softmax->rows, begin, &cursor);
  for (int64_t row = begin; row < end; row++, fw_rows_next (&softmax->rows, &cursor)) {
    statistics (x, cursor.offset[1], step, length, input, &largest, &sum);
    for (int64_t start = 0; start < length; start += FW_RUN) {
      int64_t count = FW_MIN (length - start, FW_RUN);
      row_exp (fw_run_load (x, cursor.offset[1] + start * step, step, count, input), output, count, largest);
      row_scale (output, output, count, 1.0f / sum);
      fw_run_store (y, cursor.offset[0] + start, count, output);
    }
  }
}

void
fw_softmax_run (const FwKernelCall *call)
{
  run_rows (call, 2, (const FwTensor *[]) { &call->out[0], &call->in[0] }, softmax_range);
}

static void
softmax_grad_range (void *context, int64_t begin, int64_t end, int worker)
{
  const Softmax *softmax = context;
  const FwTensor *y = &softmax->call->in[0], *dy = &softmax->call->in[1], *dx = &softmax->call->out[0];
  int64_t length = softmax->rows.length, y_step = softmax->rows.step[1], dy_step = softmax->rows.step[2];
  float values[FW_RUN], gradients[FW_RUN], output[FW_RUN];
  FwCursor cursor;
  fw_rows_seek (&softmax->rows, begin, &cursor);
  for (int64_t row = begin; row < end; row++, fw_rows_next (&softmax->rows, &cursor)) {
    float dot = 0;
    for (int64_t start = 0; start < length; start += FW_RUN) {
      int64_t count = FW_MIN (length - start, FW_RUN);
      dot += row_dot (fw_run_load (y, cursor.offset[1] + start * y_step, y_step, count, values),
                      fw_run_load (dy, cursor.offset[2] + start * dy_step, dy_step, count, gradients), count);
    }
    for (int64_t start = 0; start < length; start += FW_RUN) {
      int64_t count = FW_MIN (length - start, FW_RUN);
      const float *p = fw_run_load (y, cursor.offset[1] + start * y_step, y_step, count, values);
      const float *g = fw_run_load (dy, cursor.offset[2] + start * dy_step, dy_step, count, gradients);
      for (int64_t i = 0; i < count; i += VEC)
        row_store (output, i, count, row_load (p, i, count) * (row_load (g, i, count) - vec_set (dot)));
      fw_run_store (dx, cursor.offset[0] + start, count, output);
    }
  }
}

void
fw_softmax_grad_run (const FwKernelCall *call)
{
  run_rows (call, 3, (const FwTensor *[]) { &call->out[0], &call->in[0], &call->in[1] }, softmax_grad_range);
}

/* The label of a row; -1 if it names no class, then the row counts for nothing. */
static int64_t
label_of (const FwKernelCall *call, int64_t row)
{
  int64_t label = (int64_t) fw_load_element (call->in[1].data, call->in[1].dtype, row * call->in[1].stride[0]);
  return label < call->in[0].dim[1] ? label : -1;
}

static void
cross_entropy_range (void *context, int64_t begin, int64_t end, int worker)
{
  const Softmax *softmax = context;
  const FwTensor *logits = &softmax->call->in[0], *loss = &softmax->call->out[0];
  float input[FW_RUN], largest, sum;
  for (int64_t row = begin; row < end; row++) {
    int64_t offset = row * logits->stride[0], step = logits->stride[1], label = label_of (softmax->call, row);
    double result = 0;
    if (label >= 0) {
      statistics (logits, offset, step, logits->dim[1], input, &largest, &sum);
      result = log (sum) + largest - fw_load_element (logits->data, logits->dtype, offset + label * step);
    }
    fw_store_element (loss->data, loss->dtype, row * loss->stride[0], result);
  }
}

void
fw_cross_entropy_run (const FwKernelCall *call)
{
  run_rows (call, 1, (const FwTensor *[]) { &call->in[0] }, cross_entropy_range);
}

static void
cross_entropy_grad_range (void *context, int64_t begin, int64_t end, int worker)
{
  const Softmax *softmax = context;
  const FwTensor *logits = &softmax->call->in[0], *dloss = &softmax->call->in[2], *dx = &softmax->call->out[0];
  float input[FW_RUN], output[FW_RUN], largest, sum;
  for (int64_t row = begin; row < end; row++) {
    int64_t offset = row * logits->stride[0], step = logits->stride[1], length = logits->dim[1];
    statistics (logits, offset, step, length, input, &largest, &sum);
    int64_t label = label_of (softmax->call, row);
    float weight = label < 0 ? 0 : (float) fw_load_element (dloss->data, dloss->dtype, row * dloss->stride[0]);
    for (int64_t start = 0; start < length; start += FW_RUN) {
      int64_t count = FW_MIN (length - start, FW_RUN);
      row_exp (fw_run_load (logits, offset + start * step, step, count, input), output, count, largest);
      row_scale (output, output, count, weight / sum);
      if (label >= start && label < start + count)
        output[label - start] -= weight;
      fw_run_store (dx, row * dx->stride[0] + start, count, output);
    }
  }
}

void
fw_cross_entropy_grad_run (const FwKernelCall *call)
{
  run_rows (call, 1, (const FwTensor *[]) { &call->in[0] }, cross_entropy_grad_range);
}
