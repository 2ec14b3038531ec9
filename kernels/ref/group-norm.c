/* SPDX-License-Identifier: Apache-2.0
 * Reference group norm, channels last, followed by a function, and its gradient. */
#include "kernels/ref/function.h"
#include "kernels/ref/ref.h"
#include "kernels/ref/walk.h"

#include <math.h>

/* One group of one sample: @positions lines of @width channels, @channels apart, the first at @start. */
typedef struct {
  int64_t start, positions, width, channels, first_channel;
  double mean, inverse; /* 1 / sqrt (variance + epsilon) */
} Group;

static double
at (const FwTensor *tensor, const Group *group, int64_t position, int64_t channel)
{
  return fw_load_element (tensor->data, tensor->dtype, group->start + position * group->channels + channel);
}

static Group
measure_group (const FwTensor *x, const FwGroupNormAttributes *attributes, int64_t sample, int64_t index)
{
  int64_t channels = x->dim[x->rank - 1], positions = 1;
  for (int axis = 1; axis < x->rank - 1; axis++)
    positions *= x->dim[axis];
  int64_t width = channels / attributes->groups;
  Group group = { sample * positions * channels + index * width, positions, width, channels, index * width, 0, 0 };
  double variance = 0, count = (double) (positions * width);
  for (int64_t p = 0; p < positions; p++)
    for (int64_t c = 0; c < width; c++)
      group.mean += at (x, &group, p, c) / count;
  for (int64_t p = 0; p < positions; p++)
    for (int64_t c = 0; c < width; c++) {
      double apart = at (x, &group, p, c) - group.mean;
      variance += apart * apart / count;
    }
  group.inverse = 1 / sqrt (variance + attributes->epsilon);
  return group;
}

static void
run_group_norm (const FwKernelCall *call)
{
  const FwGroupNormAttributes *attributes = call->attributes;
  const FwTensor *x = &call->in[0], *y = &call->out[0];
  WalkRow w = walk_vector (&call->in[1]), b = walk_vector (&call->in[2]);
  for (int64_t sample = 0; sample < x->dim[0]; sample++)
    for (int64_t index = 0; index < attributes->groups; index++) {
      Group group = measure_group (x, attributes, sample, index);
      for (int64_t p = 0; p < group.positions; p++)
        for (int64_t c = 0; c < group.width; c++) {
          double normal = (at (x, &group, p, c) - group.mean) * group.inverse;
          double value = normal * walk_get (&w, group.first_channel + c) + walk_get (&b, group.first_channel + c);
          fw_store_element (y->data, y->dtype, group.start + p * group.channels + c,
                            fw_ref_function (attributes->function, value, 0, 0));
        }
    }
}

static size_t
group_norm_grad_scratch (const FwKernelCall *call)
{
  return 2 * (size_t) walk_rows (&call->in[0]).length * sizeof (double);
}

/* One group's dx, and its part of the sums for dw and db. The standardised value and the derivative by the function's
 * argument are computed anew in both passes. */
static void
group_norm_grad_group (const FwKernelCall *call, const Group *group, double *w_sum, double *b_sum)
{
  const FwGroupNormAttributes *attributes = call->attributes;
  const FwTensor *x = &call->in[0], *dy = &call->in[3], *dx = &call->out[0];
  WalkRow w = walk_vector (&call->in[1]), b = walk_vector (&call->in[2]);
  double mean = 0, along = 0, count = (double) (group->positions * group->width);
  for (int pass = 0; pass < (fw_present (dx) ? 2 : 1); pass++)
    for (int64_t p = 0; p < group->positions; p++)
      for (int64_t c = 0; c < group->width; c++) {
        int64_t channel = group->first_channel + c;
        double weight = walk_get (&w, channel);
        double normal = (at (x, group, p, c) - group->mean) * group->inverse;
        double argument = normal * weight + walk_get (&b, channel);
        double slope = at (dy, group, p, c) * fw_ref_derivative (attributes->function, argument, 0, 0);
        if (pass == 0) {
          w_sum[channel] += slope * normal;
          b_sum[channel] += slope;
          mean += slope * weight / count;
          along += slope * weight * normal / count;
        } else {
          fw_store_element (dx->data, dx->dtype, group->start + p * group->channels + c,
                            group->inverse * (slope * weight - mean - normal * along));
        }
      }
}

static void
run_group_norm_grad (const FwKernelCall *call)
{
  const FwGroupNormAttributes *attributes = call->attributes;
  const FwTensor *x = &call->in[0];
  int64_t channels = x->dim[x->rank - 1];
  WalkRow dw = walk_vector (&call->out[1]), db = walk_vector (&call->out[2]);
  double *w_sum = call->scratch, *b_sum = w_sum + channels;
  walk_clear (w_sum, 2 * channels);
  for (int64_t sample = 0; sample < x->dim[0]; sample++)
    for (int64_t index = 0; index < attributes->groups; index++) {
      Group group = measure_group (x, attributes, sample, index);
      group_norm_grad_group (call, &group, w_sum, b_sum);
    }
  walk_store (&dw, channels, w_sum);
  walk_store (&db, channels, b_sum);
}

const FwKernel fw_ref_group_norm = { run_group_norm, NULL };
const FwKernel fw_ref_group_norm_grad = { run_group_norm_grad, group_norm_grad_scratch };
