/* SPDX-License-Identifier: Apache-2.0
 * group_norm with a fused function, and its gradient. The positions of a sample are cut into segments that fit in a cache;
 * each is visited once for its groups' means and once for the spread about them, and the segments' results are joined in
 * order, so that no large mean spoils a small variance. */
#include <math.h>

#include "kernels/cpu/functions.h"
#include "kernels/cpu/kernels.h"
#include "kernels/cpu/row-math.h"
#include "kernels/cpu/run.h"

enum { ELEMENTS_PER_SEGMENT = 1 << 15 };

typedef struct { double mean, spread; } Moments;

typedef struct {
  const FwKernelCall *call;
  const FwTensor *x, *dy;
  int64_t samples, positions, channels, groups, width; /* width: channels of a group */
  int64_t segment, segments;                           /* positions of a segment; segments of a sample */
  FwFunctionKernel function;
  double epsilon;
  Moments *moments;   /* [samples][segments][groups] */
  float *factor;      /* [samples][channels]: z = x * factor + shift is the value before the function */
  float *shift;
  double *dw, *db;    /* gradient only, [channels] */
  float *plain;       /* [samples][segments][channels], sums of dz */
  float *product;     /* ... and of dz * x */
  float *keep_dz, *keep_x, *constant; /* [samples][channels]: dx = dz * keep_dz + x * keep_x + constant */
} GroupNorm;

static size_t
plan (GroupNorm *norm, const FwKernelCall *call, bool gradient)
{
  const FwGroupNormAttributes *attributes = call->attributes;
  const FwTensor *x = &call->in[0];
  *norm = (GroupNorm) { .call = call, .x = x, .dy = &call->in[3], .samples = x->dim[0], .positions = 1,
                        .channels = x->dim[x->rank - 1], .groups = attributes->groups, .epsilon = attributes->epsilon,
                        .function = fw_functions[attributes->function] };
  for (int axis = 1; axis < x->rank - 1; axis++)
    norm->positions *= x->dim[axis];
  norm->width = norm->channels / norm->groups;
  norm->segment = FW_MAX (1, ELEMENTS_PER_SEGMENT / FW_MAX (1, norm->channels));
  norm->segments = fw_ceil_div (norm->positions, norm->segment);
  int64_t pairs = norm->samples * norm->segments, per_sample = norm->samples * norm->channels;
  norm->moments = call->scratch;
  norm->dw = fw_room_at (norm->moments, pairs * norm->groups * (int64_t) sizeof *norm->moments);
  norm->db = fw_room_at (norm->dw, norm->channels * (int64_t) sizeof *norm->dw);
  norm->factor = (float *) (norm->db + norm->channels);
  norm->shift = norm->factor + per_sample;
  norm->keep_dz = norm->shift + per_sample;
  norm->keep_x = norm->keep_dz + per_sample;
  norm->constant = norm->keep_x + per_sample;
  norm->plain = norm->constant + per_sample;
  norm->product = norm->plain + pairs * norm->channels;
  return (size_t) (pairs * norm->groups) * sizeof (Moments) + (size_t) norm->channels * 2 * sizeof (double)
         + (size_t) (gradient ? 5 * per_sample + 2 * pairs * norm->channels : 2 * per_sample) * sizeof (float);
}

static void
clear (float *values, int64_t count)
{
  memset (values, 0, (size_t) count * sizeof *values);
}

/* Sums over groups of one run of channels, added to a moment. */
static void
fold_groups (const GroupNorm *norm, const float *sums, int64_t start, int64_t count, Moments *moments, bool spread)
{
  for (int64_t c = 0; c < count; c++) {
    Moments *group = &moments[(start + c) / norm->width];
    *(spread ? &group->spread : &group->mean) += (double) sums[c];
  }
}

/* sums += (x - centre)^2. */
static void
add_spread (const float *x, const float *centre, float *sums, int64_t count)
{
  for (int64_t i = 0; i < count; i += VEC) {
    FwVec apart = row_load (x, i, count) - row_load (centre, i, count);
    row_store (sums, i, count, vec_fma (apart, apart, row_load (sums, i, count)));
  }
}

static void
segment_moments (const GroupNorm *norm, int64_t sample, int64_t segment, Moments *moments)
{
  float buffer[FW_RUN], sums[FW_RUN], centre[FW_RUN];
  int64_t first = segment * norm->segment, past = FW_MIN (first + norm->segment, norm->positions);
  memset (moments, 0, (size_t) norm->groups * sizeof *moments);
  for (int spread = 0; spread < 2; spread++) {
    for (int64_t start = 0; start < norm->channels; start += FW_RUN) {
      int64_t count = FW_MIN (norm->channels - start, FW_RUN);
      clear (sums, count);
      for (int64_t c = 0; spread && c < count; c++)
        centre[c] = (float) moments[(start + c) / norm->width].mean;
      for (int64_t position = first; position < past; position++) {
        const float *x = fw_run_load (norm->x, (sample * norm->positions + position) * norm->channels + start, 1, count, buffer);
        if (spread)
          add_spread (x, centre, sums, count);
        else
          row_add (x, sums, count);
      }
      fold_groups (norm, sums, start, count, moments, spread);
    }
    if (!spread)
      for (int64_t group = 0; group < norm->groups; group++)
        moments[group].mean = (double) (float) (moments[group].mean / (double) ((past - first) * norm->width));
  }
}

static void
moments_range (void *context, int64_t begin, int64_t end, int worker)
{
  const GroupNorm *norm = context;
  for (int64_t item = begin; item < end; item++)
    segment_moments (norm, item / norm->segments, item % norm->segments, norm->moments + item * norm->groups);
}

/* The mean and 1/deviation of one group from its segments. The means that the spreads were taken about were rounded to
 * float; the excess over the true mean of each segment is too small to matter. */
static void
join_moments (const GroupNorm *norm, int64_t sample, int64_t group, double *mean, double *inverse)
{
  double count = 0, spread = 0;
  *mean = 0;
  for (int64_t segment = 0; segment < norm->segments; segment++) {
    Moments part = norm->moments[(sample * norm->segments + segment) * norm->groups + group];
    double more = (double) (FW_MIN (norm->segment, norm->positions - segment * norm->segment) * norm->width);
    double apart = part.mean - *mean;
    spread += part.spread + apart * apart * count * more / (count + more);
    *mean += apart * more / (count + more);
    count += more;
  }
  *inverse = 1.0 / sqrt (spread / count + norm->epsilon);
}

static double
parameter (const FwTensor *tensor, int64_t channel)
{
  return fw_load_element (tensor->data, tensor->dtype, channel * tensor->stride[0]);
}

static void
find_moments (GroupNorm *norm)
{
  FwParallel *parallel = norm->call->parallel;
  parallel->run (parallel, norm->samples * norm->segments, 4, moments_range, norm);
  for (int64_t sample = 0; sample < norm->samples; sample++)
    for (int64_t group = 0; group < norm->groups; group++) {
      double mean, inverse;
      join_moments (norm, sample, group, &mean, &inverse);
      for (int64_t channel = group * norm->width; channel < (group + 1) * norm->width; channel++) {
        double factor = inverse * parameter (&norm->call->in[1], channel);
        norm->factor[sample * norm->channels + channel] = (float) factor;
        norm->shift[sample * norm->channels + channel] = (float) (parameter (&norm->call->in[2], channel) - mean * factor);
      }
    }
}

/* y = x * factor + shift. */
static void
affine (const float *x, const float *factor, const float *shift, float *y, int64_t count)
{
  for (int64_t i = 0; i < count; i += VEC)
    row_store (y, i, count, vec_fma (row_load (x, i, count), row_load (factor, i, count), row_load (shift, i, count)));
}

static void
apply_range (void *context, int64_t begin, int64_t end, int worker)
{
  const GroupNorm *norm = context;
  float buffer[FW_RUN], output[FW_RUN];
  for (int64_t item = begin; item < end; item++) {
    int64_t sample = item / norm->segments, first = item % norm->segments * norm->segment;
    int64_t past = FW_MIN (first + norm->segment, norm->positions);
    for (int64_t position = first; position < past; position++)
      for (int64_t start = 0; start < norm->channels; start += FW_RUN) {
        int64_t count = FW_MIN (norm->channels - start, FW_RUN), place = sample * norm->channels + start;
        int64_t offset = (sample * norm->positions + position) * norm->channels + start;
        const float *x = fw_run_load (norm->x, offset, 1, count, buffer);
        affine (x, norm->factor + place, norm->shift + place, output, count);
        if (norm->function.apply)
          norm->function.apply (output, output, count, 0, 0);
        fw_run_store (&norm->call->out[0], offset, count, output);
      }
  }
}

size_t
fw_group_norm_scratch (const FwKernelCall *call)
{
  GroupNorm norm;
  return plan (&norm, call, false);
}

void
fw_group_norm_run (const FwKernelCall *call)
{
  GroupNorm norm;
  plan (&norm, call, false);
  if (norm.positions == 0)
    return;
  find_moments (&norm);
  call->parallel->run (call->parallel, norm.samples * norm.segments, 4, apply_range, &norm);
}

/* dz = dy * fn'(z) of one run. */
static void
inner_gradient (const GroupNorm *norm, const float *z, int64_t offset, int64_t count, float *dz)
{
  float buffer[FW_RUN];
  norm->function.derive (z, fw_run_load (norm->dy, offset, 1, count, buffer), dz, count, 0, 0);
}

static void
sums_range (void *context, int64_t begin, int64_t end, int worker)
{
  const GroupNorm *norm = context;
  float buffer[FW_RUN], z[FW_RUN], dz[FW_RUN];
  for (int64_t item = begin; item < end; item++) {
    int64_t sample = item / norm->segments, first = item % norm->segments * norm->segment;
    int64_t past = FW_MIN (first + norm->segment, norm->positions);
    clear (norm->plain + item * norm->channels, norm->channels);
    clear (norm->product + item * norm->channels, norm->channels);
    for (int64_t position = first; position < past; position++)
      for (int64_t start = 0; start < norm->channels; start += FW_RUN) {
        int64_t count = FW_MIN (norm->channels - start, FW_RUN), place = sample * norm->channels + start;
        int64_t offset = (sample * norm->positions + position) * norm->channels + start;
        const float *x = fw_run_load (norm->x, offset, 1, count, buffer);
        affine (x, norm->factor + place, norm->shift + place, z, count);
        inner_gradient (norm, z, offset, count, dz);
        row_add (dz, norm->plain + item * norm->channels + start, count);
        row_add_product (dz, x, norm->product + item * norm->channels + start, count);
      }
  }
}

/* Adds up the segments of one sample. */
static void
join_sums (const GroupNorm *norm, int64_t sample, int64_t channel, double *plain, double *product)
{
  *plain = *product = 0;
  for (int64_t segment = 0; segment < norm->segments; segment++) {
    int64_t place = (sample * norm->segments + segment) * norm->channels + channel;
    *plain += (double) norm->plain[place];
    *product += (double) norm->product[place];
  }
}

/* The three coefficients of dx for one group, and its share of dw and db. With n = (x - mean) * inverse, the sum of dz n
 * is inverse * (sum of dz x - mean * sum of dz). */
static void
finish_group (GroupNorm *norm, int64_t sample, int64_t group)
{
  double mean, inverse, sum = 0, along = 0, count = (double) (norm->positions * norm->width);
  join_moments (norm, sample, group, &mean, &inverse);
  for (int64_t c = 0; c < norm->width; c++) {
    double plain, product, weight = parameter (&norm->call->in[1], group * norm->width + c);
    join_sums (norm, sample, group * norm->width + c, &plain, &product);
    product = inverse * (product - mean * plain);
    norm->dw[group * norm->width + c] += product;
    norm->db[group * norm->width + c] += plain;
    sum += weight * plain;
    along += weight * product;
  }
  for (int64_t c = 0; c < norm->width; c++) {
    int64_t channel = group * norm->width + c, place = sample * norm->channels + channel;
    norm->keep_dz[place] = (float) (inverse * parameter (&norm->call->in[1], channel));
    norm->keep_x[place] = (float) (-inverse * inverse * along / count);
    norm->constant[place] = (float) (inverse * (inverse * mean * along - sum) / count);
  }
}

static void
gradient_range (void *context, int64_t begin, int64_t end, int worker)
{
  const GroupNorm *norm = context;
  float buffer[FW_RUN], z[FW_RUN], dz[FW_RUN];
  for (int64_t item = begin; item < end; item++) {
    int64_t sample = item / norm->segments, first = item % norm->segments * norm->segment;
    int64_t past = FW_MIN (first + norm->segment, norm->positions);
    for (int64_t position = first; position < past; position++)
      for (int64_t start = 0; start < norm->channels; start += FW_RUN) {
        int64_t count = FW_MIN (norm->channels - start, FW_RUN), place = sample * norm->channels + start;
        int64_t offset = (sample * norm->positions + position) * norm->channels + start;
        const float *x = fw_run_load (norm->x, offset, 1, count, buffer);
        affine (x, norm->factor + place, norm->shift + place, z, count);
        inner_gradient (norm, z, offset, count, dz);
        affine (x, norm->keep_x + place, norm->constant + place, z, count);
        row_add_product (dz, norm->keep_dz + place, z, count);
        fw_run_store (&norm->call->out[0], offset, count, z);
      }
  }
}

static void
store_parameter (const FwTensor *out, int64_t channel, double value)
{
  if (fw_present (out))
    fw_store_element (out->data, out->dtype, channel, value);
}

static void
finish_parameters (GroupNorm *norm)
{
  memset (norm->dw, 0, (size_t) norm->channels * 2 * sizeof *norm->dw);
  for (int64_t sample = 0; sample < norm->samples; sample++)
    for (int64_t group = 0; group < norm->groups; group++)
      finish_group (norm, sample, group);
  for (int64_t channel = 0; channel < norm->channels; channel++) {
    store_parameter (&norm->call->out[1], channel, norm->dw[channel]);
    store_parameter (&norm->call->out[2], channel, norm->db[channel]);
  }
}

size_t
fw_group_norm_grad_scratch (const FwKernelCall *call)
{
  GroupNorm norm;
  return plan (&norm, call, true);
}

void
fw_group_norm_grad_run (const FwKernelCall *call)
{
  GroupNorm norm;
  plan (&norm, call, true);
  if (norm.positions == 0)
    return;
  find_moments (&norm);
  call->parallel->run (call->parallel, norm.samples * norm.segments, 4, sums_range, &norm);
  finish_parameters (&norm);
  if (fw_present (&call->out[0]))
    call->parallel->run (call->parallel, norm.samples * norm.segments, 4, gradient_range, &norm);
}
