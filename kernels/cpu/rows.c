/* SPDX-License-Identifier: Apache-2.0
 * Planning of walks over strided tensors. */
#include "kernels/cpu/rows.h"

static int64_t
stride_of (const FwTensor *tensor, int axis)
{
  return tensor->rank < 0 || tensor->dim[axis] == 1 ? 0 : tensor->stride[axis];
}

static bool
mergeable (const FwRows *rows, const int64_t *inner_stride, int64_t inner_dim, const FwTensor *const *tensors, int axis)
{
  for (int t = 0; t < rows->tensors; t++)
    if (stride_of (tensors[t], axis) != inner_stride[t] * inner_dim)
      return false;
  return true;
}

/* Axes come out innermost first; fw_rows_init turns them round. */
static void
add_axis (FwRows *rows, const FwTensor *const *tensors, int axis)
{
  int64_t dim = tensors[0]->dim[axis], inner[FW_MAX_WALKED];
  if (dim == 1)
    return;
  if (rows->rank > 0) {
    for (int t = 0; t < rows->tensors; t++)
      inner[t] = rows->stride[t][rows->rank - 1];
    if (mergeable (rows, inner, rows->dim[rows->rank - 1], tensors, axis)) {
      rows->dim[rows->rank - 1] *= dim;
      return;
    }
  }
  for (int t = 0; t < rows->tensors; t++)
    rows->stride[t][rows->rank] = stride_of (tensors[t], axis);
  rows->dim[rows->rank++] = dim;
}

/* A row along which some tensor moves by more than one element at a time may not serve, as outputs are written densely. */
static bool
dense_along (int count, const FwTensor *const *tensors, int axis)
{
  for (int t = 0; t < count; t++)
    if (stride_of (tensors[t], axis) > 1)
      return false;
  return true;
}

static void
reverse (int64_t *values, int count)
{
  for (int i = 0; i < count / 2; i++) {
    int64_t kept = values[i];
    values[i] = values[count - 1 - i];
    values[count - 1 - i] = kept;
  }
}

void
fw_rows_init (FwRows *rows, int count, const FwTensor *const *tensors, bool merge_row)
{
  const FwTensor *shape = tensors[0];
  *rows = (FwRows) { .tensors = count, .length = 1 };
  for (int t = 0; t < count; t++) {
    rows->data[t] = tensors[t]->data;
    rows->size[t] = (int64_t) fw_dtype_size (tensors[t]->dtype);
  }
  rows->rows = fw_tensor_count (shape) == 0 ? 0 : 1;
  if (rows->rows == 0)
    return;
  int last = shape->rank - 1;
  if (merge_row) {
    int widest = last;
    while (widest > 0 && shape->dim[widest] == 1)
      widest--;
    if (widest < last && dense_along (count, tensors, widest))
      last = widest;
  }
  if (last >= 0) {
    rows->length = shape->dim[last];
    for (int t = 0; t < count; t++)
      rows->step[t] = stride_of (tensors[t], last);
    last--;
  }
  while (merge_row && last >= 0 && (shape->dim[last] == 1 || mergeable (rows, rows->step, rows->length, tensors, last)))
    rows->length *= shape->dim[last--];
  for (int axis = last; axis >= 0; axis--)
    add_axis (rows, tensors, axis);
  reverse (rows->dim, rows->rank);
  for (int t = 0; t < count; t++)
    reverse (rows->stride[t], rows->rank);
  for (int axis = 0; axis < rows->rank; axis++)
    rows->rows *= rows->dim[axis];
}

void
fw_rows_seek (const FwRows *rows, int64_t row, FwCursor *cursor)
{
  *cursor = (FwCursor) { 0 };
  for (int axis = rows->rank - 1; axis >= 0; axis--) {
    cursor->index[axis] = row % rows->dim[axis];
    row /= rows->dim[axis];
    for (int t = 0; t < rows->tensors; t++)
      cursor->offset[t] += cursor->index[axis] * rows->stride[t][axis];
  }
}

void
fw_rows_offsets (const FwRows *rows, int tensor, int64_t first, int64_t count, int64_t *offset)
{
  FwCursor cursor;
  fw_rows_seek (rows, first, &cursor);
  for (int64_t i = 0; i < count; i++, fw_rows_next (rows, &cursor))
    offset[i] = cursor.offset[tensor];
}
