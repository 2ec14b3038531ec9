/* SPDX-License-Identifier: Apache-2.0
 * Reference sums, softmax and cross entropy. */
#include "kernels/ref/ref.h"
#include "kernels/ref/walk.h"

#include <math.h>

static void
run_reduce (const FwKernelCall *call)
{
  const FwReduceAttributes *attributes = call->attributes;
  const FwTensor *x = &call->in[0], *y = &call->out[0];
  int axes = x->rank;
  uint32_t summed = attributes->axes;
  int64_t outer_count = walk_count (x, axes, WALK_ALL & ~summed), inner_count = walk_count (x, axes, summed);
  for (int64_t outer = 0; outer < outer_count; outer++) {
    double sum = 0;
    for (int64_t inner = 0; inner < inner_count; inner++)
      sum += fw_load_element (x->data, x->dtype, walk_offset (x, x, axes, summed, outer, inner));
    if (attributes->function == FW_REDUCE_MEAN)
      sum /= (double) inner_count;
    fw_store_element (y->data, y->dtype, walk_offset (y, x, axes, summed, outer, 0), sum);
  }
}

/* values = softmax (values); returns log sum exp. */
static double
softmax (double *values, int64_t count)
{
  double largest = -INFINITY, sum = 0;
  for (int64_t i = 0; i < count; i++)
    largest = fmax (largest, values[i]);
  for (int64_t i = 0; i < count; i++)
    sum += values[i] = exp (values[i] - largest);
  for (int64_t i = 0; i < count; i++)
    values[i] /= sum;
  return largest + log (sum);
}

static size_t
row_scratch (const FwKernelCall *call)
{
  return (size_t) walk_rows (&call->in[0]).length * sizeof (double);
}

static void
run_softmax (const FwKernelCall *call)
{
  double *values = call->scratch;
  WalkRows rows = walk_rows (&call->in[0]);
  for (int64_t row = 0; row < rows.count; row++) {
    WalkRow x = walk_row (&call->in[0], &rows, row);
    WalkRow y = walk_row (&call->out[0], &rows, row);
    walk_load (&x, rows.length, values);
    softmax (values, rows.length);
    walk_store (&y, rows.length, values);
  }
}

static void
run_softmax_grad (const FwKernelCall *call)
{
  WalkRows rows = walk_rows (&call->in[0]);
  for (int64_t row = 0; row < rows.count; row++) {
    WalkRow y = walk_row (&call->in[0], &rows, row);
    WalkRow dy = walk_row (&call->in[1], &rows, row);
    WalkRow dx = walk_row (&call->out[0], &rows, row);
    double sum = 0;
    for (int64_t i = 0; i < rows.length; i++)
      sum += walk_get (&y, i) * walk_get (&dy, i);
    for (int64_t i = 0; i < rows.length; i++)
      walk_put (&dx, i, walk_get (&y, i) * (walk_get (&dy, i) - sum));
  }
}

static void
run_cross_entropy (const FwKernelCall *call)
{
  double *values = call->scratch;
  WalkRows rows = walk_rows (&call->in[0]);
  WalkRow labels = walk_vector (&call->in[1]), loss = walk_vector (&call->out[0]);
  for (int64_t row = 0; row < rows.count; row++) {
    WalkRow logits = walk_row (&call->in[0], &rows, row);
    double label = walk_get (&labels, row);
    bool counts = label >= 0 && label < (double) rows.length;
    walk_load (&logits, rows.length, values);
    walk_put (&loss, row, counts ? softmax (values, rows.length) - walk_get (&logits, (int64_t) label) : 0);
  }
}

static void
run_cross_entropy_grad (const FwKernelCall *call)
{
  double *values = call->scratch;
  WalkRows rows = walk_rows (&call->in[0]);
  WalkRow labels = walk_vector (&call->in[1]), dloss = walk_vector (&call->in[2]);
  for (int64_t row = 0; row < rows.count; row++) {
    WalkRow logits = walk_row (&call->in[0], &rows, row);
    WalkRow dlogits = walk_row (&call->out[0], &rows, row);
    double label = walk_get (&labels, row);
    bool counts = label >= 0 && label < (double) rows.length;
    walk_load (&logits, rows.length, values);
    softmax (values, rows.length);
    for (int64_t i = 0; i < rows.length; i++)
      walk_put (&dlogits, i, counts ? walk_get (&dloss, row) * (values[i] - ((double) i == label)) : 0);
  }
}

const FwKernel fw_ref_reduce = { run_reduce, NULL };
const FwKernel fw_ref_softmax = { run_softmax, row_scratch };
const FwKernel fw_ref_softmax_grad = { run_softmax_grad, NULL };
const FwKernel fw_ref_cross_entropy = { run_cross_entropy, row_scratch };
const FwKernel fw_ref_cross_entropy_grad = { run_cross_entropy_grad, row_scratch };
