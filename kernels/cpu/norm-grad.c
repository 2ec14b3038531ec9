/* SPDX-License-Identifier: Apache-2.0
 * Gradients of layer_norm and rms_norm: with n the normalised row and g the gradient that reaches it,
 * dx = h + factor * (g - mean(g) - n mean(g n)), without mean(g) and h for rms_norm; the parameters' gradients are sums over rows
 * of dy n and dy. */
#include <math.h>

#include "kernels/cpu/kernels.h"
#include "kernels/cpu/row-math.h"
#include "kernels/cpu/sums.h"

enum { GRADIENT, INPUT, SCALE, RESULT, SCALE_GRADIENT, SHIFT_GRADIENT, ADDED, NARROW, TENSORS }; /* the tensors walked */
enum { PRODUCT_SUM, PLAIN_SUM };

/* What a row's gradient is made of: the row as floats, two tensors that are read in runs, and one that is dense. */
typedef struct {
  const float *x;
  const FwTensor *dy, *weight;   /* weight is NULL if rows are not multiplied */
  int64_t dy_place, dy_step, weight_place, weight_step;
  FwRun h;                       /* what is added to the gradient */
  float more;                    /* what is added to the weight */
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

/* A run of a row: x, dy and, or NULL, the weights; and what is added, or none. */
typedef struct {
  const float *x;
  FwRun dy;
  const float *weights;
  FwRun h;
} Run;

static Run
run_of_row (const Row *row, int64_t start, int64_t count, float *gradients, float *weights)
{
  Run run = { row->x + start, fw_run_at (row->dy, row->dy_place + start * row->dy_step, row->dy_step, count, gradients), NULL,
              { row->h.data, row->h.place + start, row->h.bf16 } };
  if (row->weight)
    run.weights = fw_run_load (row->weight, row->weight_place + start * row->weight_step, row->weight_step, count, weights);
  return run;
}

/* g = dy (weight + more), or dy where there are no weights. */
static FW_ALWAYS_INLINE FwVec
weighed (Run run, FwVec gradient, FwVec more, int64_t i, int64_t left)
{
  if (run.weights)
    gradient = gradient * (row_load_any (false, run.weights, i, left) + more);
  return gradient;
}

/* With n = x factor + shift: dy n and dy are added to @sum, g n and g to @total, for lanes [0, left) from element @i on. */
static FW_ALWAYS_INLINE void
weigh_lanes (Run run, FwVec more, FwVec factor, FwVec shift, float *const *sum, FwVec *total, int64_t i, int64_t left)
{
  FwVec normal = vec_fma (row_load_any (false, run.x, i, left), factor, shift), gradient = row_load_run (run.dy, i, left);
  float *products = sum[PRODUCT_SUM], *plain = sum[PLAIN_SUM];
  if (left < VEC)
    normal = vec_keep (normal, left);
  row_store_any (false, products, i, left, vec_fma (gradient, normal, row_load_any (false, products, i, left)));
  row_store_any (false, plain, i, left, row_load_any (false, plain, i, left) + gradient);
  gradient = weighed (run, gradient, more, i, left);
  total[PRODUCT_SUM] = vec_fma (gradient, normal, total[PRODUCT_SUM]);
  total[PLAIN_SUM] = total[PLAIN_SUM] + gradient;
}

static FW_ALWAYS_INLINE void
weigh_run (Run run, FwVec more, FwVec factor, FwVec shift, int64_t count, float *const *sum, FwVec *total)
{
  int64_t i = 0;
  for (; i + VEC <= count; i += VEC)
    weigh_lanes (run, more, factor, shift, sum, total, i, VEC);
  if (i < count)
    weigh_lanes (run, more, factor, shift, sum, total, i, count - i);
}

static FW_ALWAYS_INLINE void
backward_lanes (Run run, FwVec more, FwVec slope, FwVec along, FwVec centre, FwRun dx, int64_t i, int64_t left)
{
  FwVec gradient = weighed (run, row_load_run (run.dy, i, left), more, i, left);
  FwVec result = vec_fma (gradient, slope, -vec_fma (row_load_any (false, run.x, i, left), along, centre));
  if (run.h.data)
    result = result + row_load_run (run.h, i, left);
  row_store_run (dx, i, left, result);
}

/* dx = h + g slope - (x along + centre). */
static FW_ALWAYS_INLINE void
backward_run (Run run, FwVec more, FwVec slope, FwVec along, FwVec centre, int64_t count, FwRun dx)
{
  int64_t i = 0;
  for (; i + VEC <= count; i += VEC)
    backward_lanes (run, more, slope, along, centre, dx, i, VEC);
  if (i < count)
    backward_lanes (run, more, slope, along, centre, dx, i, count - i);
}

/* The loop for bf16 gradients of a stream in f32 that was modulated, the commonest, is compiled apart. */
static bool
is_common (Run run)
{
  return run.dy.bf16 && run.weights != NULL && !run.h.bf16;
}

static Run
common (Run run)
{
  return (Run) { run.x, { run.dy.data, run.dy.place, true }, run.weights, { run.h.data, run.h.place, false } };
}

/* Adds to the sums; @total becomes the sums of g n and of g. */
static void
weigh_row (const Row *row, float factor, float shift, int64_t count, float *const *sum, float *total)
{
  FwVec lanes[FW_MAX_SUMS] = { vec_zero (), vec_zero () }, more = vec_set (row->more);
  float gradients[FW_RUN], weights[FW_RUN];
  for (int64_t start = 0; start < count; start += FW_RUN) {
    int64_t some = FW_MIN (count - start, FW_RUN);
    Run run = run_of_row (row, start, some, gradients, weights);
    float *const sums[FW_MAX_SUMS] = { sum[PRODUCT_SUM] + start, sum[PLAIN_SUM] + start };
    if (is_common (run))
      weigh_run (common (run), more, vec_set (factor), vec_set (shift), some, sums, lanes);
    else
      weigh_run (run, more, vec_set (factor), vec_set (shift), some, sums, lanes);
  }
  total[PRODUCT_SUM] = vec_sum (lanes[PRODUCT_SUM]);
  total[PLAIN_SUM] = vec_sum (lanes[PLAIN_SUM]);
}

/* dx = h + factor (g - mean - n along), for n = x factor + shift. */
static void
backward_row (const Row *row, const FwTensor *dx, int64_t place, float factor, float shift, float mean, float along, int64_t count)
{
  FwVec more = vec_set (row->more), slope = vec_set (factor), of_x = vec_set (factor * factor * along);
  FwVec centre = vec_set (factor * (mean + shift * along));
  float gradients[FW_RUN], weights[FW_RUN];
  for (int64_t start = 0; start < count; start += FW_RUN) {
    int64_t some = FW_MIN (count - start, FW_RUN);
    Run run = run_of_row (row, start, some, gradients, weights);
    FwRun to = fw_run_of (dx, place + start);
    if (is_common (run) && !to.bf16)
      backward_run (common (run), more, slope, of_x, centre, some, (FwRun) { to.data, to.place, false });
    else
      backward_run (run, more, slope, of_x, centre, some, to);
  }
}

static void
copy_row (const FwTensor *from, int64_t place, const FwTensor *to, int64_t to_place, int64_t count)
{
  float values[FW_RUN];
  for (int64_t start = 0; start < count; start += FW_RUN) {
    int64_t some = FW_MIN (count - start, FW_RUN);
    fw_run_store (to, to_place + start, some, fw_run_load (from, place + start, 1, some, values));
  }
}

static void
norm_add (const FwSums *sums, const int64_t *offset, int64_t count, float *const *sum, float *work,
          const FwTensor *scale, bool centred)
{
  const FwKernelCall *call = sums->call;
  const FwNormAttributes *attributes = call->attributes;
  const FwTensor *w = &call->in[1], *dx = &call->out[0], *narrow = &call->out[5];
  const int64_t *step = sums->kept.step;
  Row row = { .x = load_row (&call->in[0], offset[INPUT], step[INPUT], count, work), .dy = &call->in[scale ? 3 : 2],
              .dy_place = offset[GRADIENT], .dy_step = step[GRADIENT] };
  if (scale)
    row.h = fw_run_of (&call->in[4], offset[ADDED]);
  if (fw_present (w)) {
    row.weight = w;
    row.weight_step = w->stride[0];
  } else if (scale && fw_present (scale)) {
    row.weight = scale;
    row.weight_place = offset[SCALE];
    row.weight_step = step[SCALE];
    row.more = 1;
  }
  float length = (float) count, total[FW_MAX_SUMS], mean = centred ? row_sum (row.x, count) / length : 0;
  float factor = 1.0f / sqrtf (row_spread (row.x, count, mean) / length + (float) attributes->epsilon), shift = -mean * factor;
  weigh_row (&row, factor, shift, count, sum, total);
  float mean_slope = centred ? total[PLAIN_SUM] / length : 0, along = total[PRODUCT_SUM] / length;
  bool twice = scale && fw_present (narrow);
  if (fw_present (dx))
    backward_row (&row, dx, offset[RESULT], factor, shift, mean_slope, along, count);
  else if (twice)
    backward_row (&row, narrow, offset[NARROW], factor, shift, mean_slope, along, count);
  if (twice && fw_present (dx))
    copy_row (dx, offset[RESULT], narrow, offset[NARROW], count);
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
  const FwTensor *tensors[TENSORS] = { dy, &call->in[0], scale, &call->out[0], &call->out[4], &call->out[3], &call->in[4],
                                        &call->out[5] };
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
