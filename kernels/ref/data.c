/* SPDX-License-Identifier: Apache-2.0
 * Reference kernels that move data: table look-up and its gradient, joining and padding. */
#include "kernels/ref/ref.h"
#include "kernels/ref/walk.h"

static void
run_embedding (const FwKernelCall *call)
{
  const FwTensor *table = &call->in[0], *ids = &call->in[1];
  WalkRows rows = walk_rows (&call->out[0]);
  for (int64_t row = 0; row < rows.count; row++) {
    double id = fw_load_element (ids->data, ids->dtype, walk_offset (ids, rows.shape, rows.axes, 0, row, 0));
    WalkRow y = walk_row (&call->out[0], &rows, row);
    if (id >= 0 && id < (double) table->dim[0]) {
      WalkRow x = walk_line (table, (int64_t) id * table->stride[0], 1);
      walk_copy (&x, &y, rows.length);
    } else {
      for (int64_t i = 0; i < rows.length; i++)
        walk_put (&y, i, 0);
    }
  }
}

static size_t
embedding_grad_scratch (const FwKernelCall *call)
{
  return (size_t) call->out[0].dim[1] * sizeof (double);
}

static void
run_embedding_grad (const FwKernelCall *call)
{
  const FwTensor *ids = &call->in[0], *dtable = &call->out[0];
  double *sum = call->scratch;
  WalkRows rows = walk_rows (&call->in[1]);
  for (int64_t id = 0; id < dtable->dim[0]; id++) {
    WalkRow line = walk_line (dtable, id * dtable->stride[0], 1);
    walk_clear (sum, rows.length);
    for (int64_t row = 0; row < rows.count; row++) {
      int64_t at = walk_offset (ids, rows.shape, rows.axes, 0, row, 0);
      if (fw_load_element (ids->data, ids->dtype, at) != (double) id)
        continue;
      WalkRow dy = walk_row (&call->in[1], &rows, row);
      for (int64_t i = 0; i < rows.length; i++)
        sum[i] += walk_get (&dy, i);
    }
    walk_store (&line, rows.length, sum);
  }
}

/* Copies @x into @y, its first element at @start. */
static void
place (const FwTensor *x, const FwTensor *y, const int64_t *start)
{
  FwTensor window = *y;
  int64_t origin = 0;
  for (int axis = 0; axis < x->rank; axis++) {
    origin += start[axis] * y->stride[axis];
    window.dim[axis] = x->dim[axis];
  }
  WalkRows rows = walk_rows (x);
  for (int64_t row = 0; row < rows.count; row++) {
    WalkRow from = walk_row (x, &rows, row), to = walk_row (&window, &rows, row);
    to.offset += origin;
    walk_copy (&from, &to, rows.length);
  }
}

static void
run_concat (const FwKernelCall *call)
{
  const FwConcatAttributes *attributes = call->attributes;
  int64_t start[FW_MAX_RANK] = { 0 };
  for (int i = 0; i < FW_MAX_INPUTS; i++) {
    if (call->in[i].rank < 0)
      continue;
    if (fw_present (&call->in[i]))
      place (&call->in[i], &call->out[0], start);
    start[attributes->axis] += call->in[i].dim[attributes->axis];
  }
}

static void
run_pad (const FwKernelCall *call)
{
  const FwPadAttributes *attributes = call->attributes;
  WalkRows rows = walk_rows (&call->out[0]);
  for (int64_t row = 0; row < rows.count; row++) {
    WalkRow y = walk_row (&call->out[0], &rows, row);
    for (int64_t i = 0; i < rows.length; i++)
      walk_put (&y, i, 0);
  }
  place (&call->in[0], &call->out[0], attributes->before);
}

const FwKernel fw_ref_embedding = { run_embedding, NULL };
const FwKernel fw_ref_embedding_grad = { run_embedding_grad, embedding_grad_scratch };
const FwKernel fw_ref_concat = { run_concat, NULL };
const FwKernel fw_ref_pad = { run_pad, NULL };
