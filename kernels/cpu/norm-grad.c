/* SPDX-License-Identifier: Apache-2.0
 * Gradients of layer_norm and rms_norm: with n the normalised row and g the gradient that reaches it,
 * dx = factor * (g - mean(g) - n mean(g n)), without mean(g) for rms_norm; the parameters' gradients are sums over rows of
 * dy n and dy. */
#include <math.h>

#include "kernels/cpu/kernels.h"
#include "kernels/cpu/row-math.h"
#include "kernels/cpu/sums.h"

enum { GRADIENT, INPUT, SCALE, RESULT, SCALE_GRADIENT, SHIFT_GRADIENT, TENSORS }; /* the tensors walked */
enum { PRODUCT_SUM, PLAIN_SUM };

/* In place: @x becomes n. Returns the factor. */
static float
normalise (float *x, int64_t count, double epsilon, bool centred)
{
  float mean = centred ? row_sum (x, count) / (float) count : 0;
  float factor = 1.0f / sqrtf (row_spread (x, count, mean) / (float) count + (float) epsilon);
  FwVec times = vec_set (factor), shift = vec_set (-mean * factor);
  for (int64_t i = 0; i < count; i += VEC)
    row_store (x, i, count, vec_fma (row_load (x, i, count), times, shift));
  return factor;
}

/* A whole row in runs: always copied, so that it may be changed. */
static void
load_row (const FwTensor *tensor, int64_t offset, int64_t step, int64_t count, float *buffer)
{
  for (int64_t start = 0; start < count; start += FW_RUN) {
    int64_t some = FW_MIN (count - start, FW_RUN);
    const float *values = fw_run_load (tensor, offset + start * step, step, some, buffer + start);
    if (values != buffer + start)
      memcpy (buffer + start, values, (size_t) some * sizeof *buffer);
  }
}

/* g = dy * (factor + more). */
static void
weigh (const FwTensor *factor, int64_t offset, int64_t step, float more, float *g, int64_t count)
{
  float buffer[FW_RUN];
  FwVec extra = vec_set (more);
  for (int64_t start = 0; start < count; start += FW_RUN) {
    int64_t some = FW_MIN (count - start, FW_RUN);
    const float *values = fw_run_load (factor, offset + start * step, step, some, buffer);
    for (int64_t i = 0; i < some; i += VEC)
      row_store (g + start, i, some, row_load (g + start, i, some) * (row_load (values, i, some) + extra));
  }
}

/* n = factor * (g - mean(g) - n mean(g n)). */
static void
backward_row (const float *g, float *n, int64_t count, float factor, bool centred)
{
  FwVec along = vec_set (row_dot (g, n, count) / (float) count), times = vec_set (factor);
  FwVec mean = vec_set (centred ? row_sum (g, count) / (float) count : 0);
  for (int64_t i = 0; i < count; i += VEC)
    row_store (n, i, count, times * (row_load (g, i, count) - mean - row_load (n, i, count) * along));
}

static void
norm_add (const FwSums *sums, const int64_t *offset, int64_t count, float *const *sum, float *work,
          const FwTensor *scale, bool centred)
{
  const FwKernelCall *call = sums->call;
  const FwNormAttributes *attributes = call->attributes;
  const FwTensor *w = &call->in[1], *dy = &call->in[scale ? 3 : 2], *dx = &call->out[0];
  float *n = work, *g = work + fw_round_up (sums->stretch, 16);
  load_row (&call->in[0], offset[INPUT], sums->kept.step[INPUT], count, n);
  load_row (dy, offset[GRADIENT], sums->kept.step[GRADIENT], count, g);
  float factor = normalise (n, count, attributes->epsilon, centred);
  row_add_product (g, n, sum[PRODUCT_SUM], count);
  row_add (g, sum[PLAIN_SUM], count);
  if (!fw_present (dx))
    return;
  if (fw_present (w))
    weigh (w, 0, w->stride[0], 0, g, count);
  else if (scale && fw_present (scale))
    weigh (scale, offset[SCALE], sums->kept.step[SCALE], 1, g, count);
  backward_row (g, n, count, factor, centred);
  fw_run_store (dx, offset[RESULT], count, n);
}

static void
layer_norm_add (const FwSums *sums, const int64_t *offset, int64_t count, float *const *sum, float *work)
{
  norm_add (sums, offset, count, sum, work, &sums->call->in[2], true);
}

static void
rms_norm_add (const FwSums *sums, const int64_t *offset, int64_t count, float *const *sum, float *work)
{
  norm_add (sums, offset, count, sum, work, NULL, false);
}

static void
store_sum (const FwTensor *out, int64_t offset, int64_t count, const float *sum)
{
  if (fw_present (out))
    fw_run_store (out, offset, count, sum);
}

/* A scale that is one number for the whole row has one gradient. */
static void
store_modulation (const FwSums *sums, const FwTensor *out, int64_t offset, int64_t count, float *sum)
{
  if (sums->sum_row) {
    sum[0] = row_sum (sum, count);
    count = 1;
  }
  store_sum (out, offset, count, sum);
}

static void
layer_norm_finish (const FwSums *sums, const int64_t *offset, int64_t count, float *const *sum)
{
  const FwKernelCall *call = sums->call;
  store_modulation (sums, &call->out[3], offset[SHIFT_GRADIENT], count, sum[PLAIN_SUM]);
  store_modulation (sums, &call->out[4], offset[SCALE_GRADIENT], count, sum[PRODUCT_SUM]);
  if (fw_present (&call->in[1])) {
    store_sum (&call->out[1], 0, count, sum[PRODUCT_SUM]);
    store_sum (&call->out[2], 0, count, sum[PLAIN_SUM]);
  }
}

static void
rms_norm_finish (const FwSums *sums, const int64_t *offset, int64_t count, float *const *sum)
{
  store_sum (&sums->call->out[1], 0, count, sum[PRODUCT_SUM]);
}

/* All axes but the last. */
static uint32_t
leading_axes (const FwTensor *shape)
{
  return shape->rank > 1 ? (1u << (shape->rank - 1)) - 1u : 0;
}

static size_t
plan_layer_norm (FwSums *sums, const FwKernelCall *call)
{
  const FwTensor *scale = &call->in[2], *dy = &call->in[3];
  *sums = (FwSums) { .call = call, .add = layer_norm_add, .finish = layer_norm_finish, .whole_rows = true };
  const FwTensor *tensors[TENSORS] = { dy, &call->in[0], scale, &call->out[0], &call->out[4], &call->out[3] };
  return fw_sums_init (sums, TENSORS, tensors, scale->rank >= 0 ? fw_broadcast_axes (dy, scale) : leading_axes (dy));
}

size_t
fw_layer_norm_grad_scratch (const FwKernelCall *call)
{
  FwSums sums;
  return plan_layer_norm (&sums, call);
}

void
fw_layer_norm_grad_run (const FwKernelCall *call)
{
  FwSums sums;
  plan_layer_norm (&sums, call);
  fw_sums_run (&sums);
}

static size_t
plan_rms_norm (FwSums *sums, const FwKernelCall *call)
{
  const FwTensor *dy = &call->in[2];
  *sums = (FwSums) { .call = call, .add = rms_norm_add, .finish = rms_norm_finish, .whole_rows = true };
  return fw_sums_init (sums, RESULT + 1, (const FwTensor *[]) { dy, &call->in[0], dy, &call->out[0] }, leading_axes (dy));
}

size_t
fw_rms_norm_grad_scratch (const FwKernelCall *call)
{
  FwSums sums;
  return plan_rms_norm (&sums, call);
}

void
fw_rms_norm_grad_run (const FwKernelCall *call)
{
  FwSums sums;
  plan_rms_norm (&sums, call);
  fw_sums_run (&sums);
}
