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

/* The rows that a row's gradient is made of: the first two are floats of the whole row, the tensors are read in runs. */
typedef struct {
  const float *x;
  float *n, *g;                  /* room: the normalised row and the gradient that reaches it */
  const FwTensor *dy, *factor;   /* factor is NULL if rows are not multiplied */
  int64_t dy_place, dy_step, factor_place, factor_step;
  float more;                    /* what is added to the factor */
} Row;

/* A whole row as floats: where it lies, or converted in @buffer. */
static const float *
load_row (const FwTensor *tensor, int64_t offset, int64_t step, int64_t count, float *buffer)
{
  if (tensor->dtype == FW_DTYPE_F32 && step == 1)
    return (const float *) tensor->data + offset;
  for (int64_t start = 0; start < count; start += FW_RUN) {
    int64_t some = FW_MIN (count - start, FW_RUN);
    const float *values = fw_run_load (tensor, offset + start * step, step, some, buffer + start);
    if (values != buffer + start)
      memcpy (buffer + start, values, (size_t) some * sizeof *buffer);
  }
  return buffer;
}

/* n = x factor + shift; g = dy (weights + more), or dy where there are none. dy n and dy are added to @sum, g and g n to
 * @total. */
VEC_INLINE void
weigh_run (const float *x, const float *dy, const float *weights, FwVec more, FwVec factor, FwVec shift, int64_t count,
           float *n, float *g, float *const *sum, FwVec *total)
{
  for (int64_t i = 0; i < count; i += VEC) {
    FwVec normal = vec_fma (row_load (x, i, count), factor, shift), gradient = row_load (dy, i, count);
    if (i + VEC > count)
      normal = vec_keep (normal, count - i);
    row_store (sum[PRODUCT_SUM], i, count, vec_fma (gradient, normal, row_load (sum[PRODUCT_SUM], i, count)));
    row_store (sum[PLAIN_SUM], i, count, row_load (sum[PLAIN_SUM], i, count) + gradient);
    if (weights)
      gradient = gradient * (row_load (weights, i, count) + more);
    total[PRODUCT_SUM] = vec_fma (gradient, normal, total[PRODUCT_SUM]);
    total[PLAIN_SUM] = total[PLAIN_SUM] + gradient;
    row_store (n, i, count, normal);
    row_store (g, i, count, gradient);
  }
}

/* Fills n and g and adds to the sums; @total becomes the sums of g n and of g. */
static void
weigh_row (const Row *row, float factor, float shift, int64_t count, float *const *sum, float *total)
{
  FwVec lanes[FW_MAX_SUMS] = { vec_zero (), vec_zero () }, times = vec_set (factor), more = vec_set (row->more);
  float gradients[FW_RUN], factors[FW_RUN];
  for (int64_t start = 0; start < count; start += FW_RUN) {
    int64_t some = FW_MIN (count - start, FW_RUN);
    const float *dy = fw_run_load (row->dy, row->dy_place + start * row->dy_step, row->dy_step, some, gradients);
    float *const sums[FW_MAX_SUMS] = { sum[PRODUCT_SUM] + start, sum[PLAIN_SUM] + start };
    if (row->factor)
      weigh_run (row->x + start, dy,
                 fw_run_load (row->factor, row->factor_place + start * row->factor_step, row->factor_step, some, factors), more,
                 times, vec_set (shift), some, row->n + start, row->g + start, sums, lanes);
    else
      weigh_run (row->x + start, dy, NULL, more, times, vec_set (shift), some, row->n + start, row->g + start, sums, lanes);
  }
  total[PRODUCT_SUM] = vec_sum (lanes[PRODUCT_SUM]);
  total[PLAIN_SUM] = vec_sum (lanes[PLAIN_SUM]);
}

/* dx = factor (g - mean - n along); @dx may be @n. */
static void
backward_row (const Row *row, float *dx, int64_t count, float factor, float mean, float along)
{
  FwVec times = vec_set (factor), centre = vec_set (mean), slope = vec_set (along);
  for (int64_t i = 0; i < count; i += VEC)
    row_store (dx, i, count, times * (row_load (row->g, i, count) - centre - row_load (row->n, i, count) * slope));
}

static void
norm_add (const FwSums *sums, const int64_t *offset, int64_t count, float *const *sum, float *work,
          const FwTensor *scale, bool centred)
{
  const FwKernelCall *call = sums->call;
  const FwNormAttributes *attributes = call->attributes;
  const FwTensor *w = &call->in[1], *dx = &call->out[0];
  const int64_t *step = sums->kept.step;
  Row row = { .n = work, .g = work + fw_round_up (sums->stretch, 16), .dy = &call->in[scale ? 3 : 2],
              .dy_place = offset[GRADIENT], .dy_step = step[GRADIENT] };
  row.x = load_row (&call->in[0], offset[INPUT], step[INPUT], count, row.n);
  if (fw_present (w)) {
    row.factor = w;
    row.factor_step = w->stride[0];
  } else if (scale && fw_present (scale)) {
    row.factor = scale;
    row.factor_place = offset[SCALE];
    row.factor_step = step[SCALE];
    row.more = 1;
  }
  float length = (float) count, total[FW_MAX_SUMS], mean = centred ? row_sum (row.x, count) / length : 0;
  float factor = 1.0f / sqrtf (row_spread (row.x, count, mean) / length + (float) attributes->epsilon);
  weigh_row (&row, factor, -mean * factor, count, sum, total);
  if (!fw_present (dx))
    return;
  bool direct = dx->dtype == FW_DTYPE_F32;
  backward_row (&row, direct ? (float *) dx->data + offset[RESULT] : row.n, count, factor,
                centred ? total[PLAIN_SUM] / length : 0, total[PRODUCT_SUM] / length);
  if (!direct)
    fw_run_store (dx, offset[RESULT], count, row.n);
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
