/* SPDX-License-Identifier: Apache-2.0
 * Ops that move data: embedding, concat, pad; and sinusoid, which only writes. */
#include <math.h>

#include "kernels/cpu/kernels.h"
#include "kernels/cpu/row-math.h"
#include "kernels/cpu/rows.h"
#include "kernels/cpu/run.h"

enum { ELEMENTS_PER_RANGE = 1 << 16 };

typedef struct {
  const FwKernelCall *call;
  FwRows rows;
} Move;

static void
copy_row (const FwTensor *x, int64_t from, int64_t step, const FwTensor *y, int64_t to, int64_t count)
{
  float buffer[FW_RUN];
  size_t size = fw_dtype_size (y->dtype);
  if (x->dtype == y->dtype && (step == 1 || count == 1)) {
    memcpy ((char *) y->data + (size_t) to * size, (const char *) x->data + (size_t) from * size, (size_t) count * size);
    return;
  }
  for (int64_t start = 0; start < count; start += FW_RUN) {
    int64_t some = FW_MIN (count - start, FW_RUN);
    fw_run_store (y, to + start, some, fw_run_load (x, from + start * step, step, some, buffer));
  }
}

static void
clear_row (const FwTensor *y, int64_t to, int64_t count)
{
  size_t size = fw_dtype_size (y->dtype);
  memset ((char *) y->data + (size_t) to * size, 0, (size_t) count * size);
}

static void
run_rows (Move *move, void (*range) (void *, int64_t, int64_t, int))
{
  FwParallel *parallel = move->call->parallel;
  if (move->rows.rows > 0 && move->rows.length > 0)
    parallel->run (parallel, move->rows.rows, FW_MAX (1, ELEMENTS_PER_RANGE / move->rows.length), range, move);
}

static void
embedding_range (void *context, int64_t begin, int64_t end, int worker)
{
  const Move *move = context;
  const FwTensor *table = &move->call->in[0], *ids = &move->call->in[1], *y = &move->call->out[0];
  FwCursor cursor;
  fw_rows_seek (&move->rows, begin, &cursor);
  for (int64_t row = begin; row < end; row++, fw_rows_next (&move->rows, &cursor)) {
    int64_t id = (int64_t) fw_load_element (ids->data, ids->dtype, cursor.offset[1]);
    if (id >= 0 && id < table->dim[0])
      copy_row (table, id * table->stride[0], table->stride[1], y, cursor.offset[0], move->rows.length);
    else
      clear_row (y, cursor.offset[0], move->rows.length);
  }
}

/* @ids as a tensor of @rows' shape, which has one axis more. */
static FwTensor
spread_ids (const FwTensor *ids, const FwTensor *rows)
{
  FwTensor spread = *ids;
  spread.rank = rows->rank;
  spread.dim[rows->rank - 1] = rows->dim[rows->rank - 1];
  spread.stride[rows->rank - 1] = 0;
  return spread;
}

void
fw_embedding_run (const FwKernelCall *call)
{
  Move move = { .call = call };
  FwTensor ids = spread_ids (&call->in[1], &call->out[0]);
  fw_rows_init (&move.rows, 2, (const FwTensor *[]) { &call->out[0], &ids }, false);
  run_rows (&move, embedding_range);
}

/* One run of columns of the table's gradient: the rows whose ids are in [first, past), added up in order. @sums holds those
 * rows, @stride apart. */
static void
add_embeddings (const Move *move, int64_t start, int64_t count, int64_t first, int64_t past, float *sums, int64_t stride)
{
  const FwTensor *ids = &move->call->in[0], *dy = &move->call->in[1];
  float gradients[FW_RUN];
  FwCursor cursor;
  fw_rows_seek (&move->rows, 0, &cursor);
  for (int64_t id = first; id < past; id++)
    memset (sums + (id - first) * stride, 0, (size_t) count * sizeof *sums);
  for (int64_t row = 0; row < move->rows.rows; row++, fw_rows_next (&move->rows, &cursor)) {
    int64_t id = (int64_t) fw_load_element (ids->data, ids->dtype, cursor.offset[1]), step = move->rows.step[0];
    if (id >= first && id < past)
      row_add (fw_run_load (dy, cursor.offset[0] + start * step, step, count, gradients), sums + (id - first) * stride, count);
  }
}

/* No two workers add to one element. A table that is not f32 cannot hold the sums, so its rows are made one by one. */
static void
embedding_grad_columns (void *context, int64_t begin, int64_t end, int worker)
{
  const Move *move = context;
  const FwTensor *dtable = &move->call->out[0];
  float sums[FW_RUN];
  for (int64_t block = begin; block < end; block++) {
    int64_t start = block * FW_RUN, count = FW_MIN (dtable->dim[1] - start, FW_RUN);
    if (dtable->dtype == FW_DTYPE_F32) {
      add_embeddings (move, start, count, 0, dtable->dim[0], (float *) dtable->data + start, dtable->stride[0]);
      continue;
    }
    for (int64_t id = 0; id < dtable->dim[0]; id++) {
      add_embeddings (move, start, count, id, id + 1, sums, 0);
      fw_run_store (dtable, id * dtable->stride[0] + start, count, sums);
    }
  }
}

void
fw_embedding_grad_run (const FwKernelCall *call)
{
  Move move = { .call = call };
  FwTensor ids = spread_ids (&call->in[0], &call->in[1]);
  fw_rows_init (&move.rows, 2, (const FwTensor *[]) { &call->in[1], &ids }, false);
  call->parallel->run (call->parallel, fw_ceil_div (call->out[0].dim[1], FW_RUN), 1, embedding_grad_columns, &move);
}

static void
copy_rows_range (void *context, int64_t begin, int64_t end, int worker)
{
  const Move *move = context;
  FwCursor cursor;
  fw_rows_seek (&move->rows, begin, &cursor);
  for (int64_t row = begin; row < end; row++, fw_rows_next (&move->rows, &cursor))
    copy_row (&move->call->in[0], cursor.offset[1], move->rows.step[1], &move->call->out[0], cursor.offset[0], move->rows.length);
}

/* Copies @x to the part of @y that begins @place elements in and has x's shape. */
static void
copy_into (const FwKernelCall *call, const FwTensor *x, const FwTensor *y, int64_t place)
{
  FwTensor part = *y;
  part.data = (char *) y->data + (size_t) place * fw_dtype_size (y->dtype);
  for (int axis = 0; axis < x->rank; axis++)
    part.dim[axis] = x->dim[axis];
  FwKernelCall one = { .in = { *x }, .out = { part }, .parallel = call->parallel };
  Move move = { .call = &one };
  fw_rows_init (&move.rows, 2, (const FwTensor *[]) { &part, x }, true);
  run_rows (&move, copy_rows_range);
}

void
fw_concat_run (const FwKernelCall *call)
{
  const FwConcatAttributes *attributes = call->attributes;
  const FwTensor *y = &call->out[0];
  int64_t begin = 0;
  for (int i = 0; i < FW_MAX_INPUTS; i++) {
    const FwTensor *part = &call->in[i];
    if (part->rank < 0)
      continue;
    if (fw_present (part))
      copy_into (call, part, y, begin * y->stride[attributes->axis]);
    begin += part->dim[attributes->axis];
  }
}

static void
clear_range (void *context, int64_t begin, int64_t end, int worker)
{
  const Move *move = context;
  FwCursor cursor;
  fw_rows_seek (&move->rows, begin, &cursor);
  for (int64_t row = begin; row < end; row++, fw_rows_next (&move->rows, &cursor))
    clear_row (&move->call->out[0], cursor.offset[0], move->rows.length);
}

void
fw_pad_run (const FwKernelCall *call)
{
  const FwPadAttributes *attributes = call->attributes;
  const FwTensor *y = &call->out[0];
  Move move = { .call = call };
  fw_rows_init (&move.rows, 1, (const FwTensor *[]) { y }, false);
  run_rows (&move, clear_range);
  int64_t place = 0;
  for (int axis = 0; axis < y->rank; axis++)
    place += attributes->before[axis] * y->stride[axis];
  copy_into (call, &call->in[0], y, place);
}

void
fw_sinusoid_run (const FwKernelCall *call)
{
  const FwSinusoidAttributes *attributes = call->attributes;
  const FwTensor *t = &call->in[0], *e = &call->out[0];
  int64_t half = e->dim[1] / 2;
  for (int64_t row = 0; row < e->dim[0]; row++) {
    float time = (float) fw_load_element (t->data, t->dtype, row * t->stride[0]);
    for (int64_t i = 0; i < half; i++) {
      float frequency = (float) exp (-log (attributes->max_period) * (double) i / (double) half), angle = time * frequency;
      fw_store_element (e->data, e->dtype, row * e->stride[0] + i, cos ((double) angle));
      fw_store_element (e->data, e->dtype, row * e->stride[0] + half + i, sin ((double) angle));
    }
    if (e->dim[1] % 2)
      fw_store_element (e->data, e->dtype, row * e->stride[0] + 2 * half, 0);
  }
}
