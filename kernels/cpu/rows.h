/* SPDX-License-Identifier: Apache-2.0
 * Walking several strided tensors of one shape together, row by row: the last axis is the row, the axes before it are
 * merged where every tensor allows it. */
#pragma once
#include "kernels/cpu/isa.h"

enum { FW_MAX_WALKED = 8 };

typedef struct {
  int tensors, rank;                             /* axes before the row */
  int64_t dim[FW_MAX_RANK];
  int64_t stride[FW_MAX_WALKED][FW_MAX_RANK];
  int64_t rows;                                  /* product of dim */
  int64_t length, step[FW_MAX_WALKED];           /* elements of a row, and the distance between them */
  const char *data[FW_MAX_WALKED];               /* where the tensors begin; NULL for absent ones */
  int64_t size[FW_MAX_WALKED];                   /* bytes of their elements */
} FwRows;

/* A place in the walk: offset[t] is the element of tensor t that its current row begins with. */
typedef struct {
  int64_t index[FW_MAX_RANK];
  int64_t offset[FW_MAX_WALKED];
} FwCursor;

/* Plans a walk over @tensors, the first of which gives the shape; absent ones count as stride 0. With @merge_row the row
 * grows as long as it can; otherwise it is the last axis. A shape without elements gives rows == 0. */
void fw_rows_init (FwRows *rows, int count, const FwTensor *const *tensors, bool merge_row);
void fw_rows_seek (const FwRows *rows, int64_t row, FwCursor *cursor);
/* The offsets of rows [first, first + count) of one of the tensors. */
void fw_rows_offsets (const FwRows *rows, int tensor, int64_t first, int64_t count, int64_t *offset);

/* Asks for @count elements of a row to come, in every tensor that moves from row to row: what the processor fetches ahead by
 * itself ends with each page. @offset is where the present row begins in each tensor. */
static inline void
fw_rows_fetch (const FwRows *rows, const int64_t *offset, int64_t count)
{
  enum { ROWS_AHEAD = 4 };
  for (int t = 0; rows->rank > 0 && t < rows->tensors; t++) {
    int64_t stride = rows->stride[t][rows->rank - 1];
    if (stride != 0 && rows->data[t] != NULL)
      fw_fetch_bytes (rows->data[t] + (offset[t] + ROWS_AHEAD * stride) * rows->size[t], count * rows->size[t]);
  }
}

/* To the next row; past the last one the cursor wraps to the first. */
static inline void
fw_rows_next (const FwRows *rows, FwCursor *cursor)
{
  for (int axis = rows->rank - 1; axis >= 0; axis--) {
    bool wraps = ++cursor->index[axis] == rows->dim[axis];
    for (int t = 0; t < rows->tensors; t++)
      cursor->offset[t] += wraps ? -rows->stride[t][axis] * (rows->dim[axis] - 1) : rows->stride[t][axis];
    if (!wraps)
      return;
    cursor->index[axis] = 0;
  }
}
