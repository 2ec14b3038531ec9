/* SPDX-License-Identifier: Apache-2.0
 * Walking strided tensors: counts, offsets and rows. A shape is walked in row-major order; tensors that go with it
 * have the same rank and sizes, but for outputs that hold sums: they have size 1 along the axes summed over. */
#pragma once
#include "kernels/kernel.h"

#include <string.h>

enum { WALK_ALL = (1 << FW_MAX_RANK) - 1 };

/* Product of the sizes of those of the first @axes axes of @shape whose bit is set in @mask. */
static inline int64_t
walk_count (const FwTensor *shape, int axes, uint32_t mask)
{
  int64_t count = 1;
  for (int axis = 0; axis < axes; axis++)
    if (mask >> axis & 1)
      count *= shape->dim[axis];
  return count;
}

/* Where a position in the first @axes axes of @shape lies in @tensor. Axes in @mask take their coordinates from the
 * row-major index @inner, the others from @outer: with @inner 0 that is where the sum over the axes in @mask belongs. */
static inline int64_t
walk_offset (const FwTensor *tensor, const FwTensor *shape, int axes, uint32_t mask, int64_t outer, int64_t inner)
{
  int64_t offset = 0;
  for (int axis = axes - 1; axis >= 0; axis--) {
    if (shape->dim[axis] <= 1)
      continue;
    int64_t *index = mask >> axis & 1 ? &inner : &outer;
    offset += *index % shape->dim[axis] * tensor->stride[axis];
    *index /= shape->dim[axis];
  }
  return offset;
}

/* The axes over which @tensor, an output that goes with @shape, holds sums. */
static inline uint32_t
walk_summed_axes (const FwTensor *tensor, const FwTensor *shape, int axes)
{
  uint32_t mask = 0;
  for (int axis = 0; axis < axes; axis++)
    if (tensor->dim[axis] == 1 && shape->dim[axis] != 1)
      mask |= 1u << axis;
  return mask;
}

/* A line of elements, @step apart; data == NULL stands for an operand that is absent: it must not be read, and what is put
 * there is dropped. */
typedef struct {
  void *data;
  FwDtype dtype;
  int64_t offset, step;
} WalkRow;

/* @shape seen as @count rows of @length elements along its last axis; rank 0 is one row of one element. */
typedef struct {
  const FwTensor *shape;
  int axes; /* all but the last */
  int64_t count, length;
} WalkRows;

static inline WalkRows
walk_rows (const FwTensor *shape)
{
  if (shape->rank == 0)
    return (WalkRows) { shape, 0, 1, 1 };
  int axes = shape->rank - 1;
  return (WalkRows) { shape, axes, walk_count (shape, axes, WALK_ALL), shape->dim[axes] };
}

/* The line of @tensor along @axis that starts at @offset. */
static inline WalkRow
walk_line (const FwTensor *tensor, int64_t offset, int axis)
{
  return (WalkRow) { tensor->data, tensor->dtype, offset, axis < tensor->rank ? tensor->stride[axis] : 0 };
}

/* The whole of @tensor, of rank 1 or absent. */
static inline WalkRow
walk_vector (const FwTensor *tensor)
{
  return fw_present (tensor) ? walk_line (tensor, 0, 0) : (WalkRow) { 0 };
}

/* The row of @tensor that goes with row @index of the shape in @rows. */
static inline WalkRow
walk_row (const FwTensor *tensor, const WalkRows *rows, int64_t index)
{
  if (!fw_present (tensor))
    return (WalkRow) { 0 };
  return walk_line (tensor, walk_offset (tensor, rows->shape, rows->axes, 0, index, 0), rows->axes);
}

static inline double
walk_get (const WalkRow *row, int64_t i)
{
  return fw_load_element (row->data, row->dtype, row->offset + i * row->step);
}

static inline void
walk_put (const WalkRow *row, int64_t i, double value)
{
  if (row->data != NULL)
    fw_store_element (row->data, row->dtype, row->offset + i * row->step, value);
}

static inline void
walk_load (const WalkRow *row, int64_t count, double *values)
{
  for (int64_t i = 0; i < count; i++)
    values[i] = walk_get (row, i);
}

static inline void
walk_store (const WalkRow *row, int64_t count, const double *values)
{
  for (int64_t i = 0; i < count; i++)
    walk_put (row, i, values[i]);
}

/* Copies elements, exactly if both lines have the same type. */
static inline void
walk_copy (const WalkRow *from, const WalkRow *to, int64_t count)
{
  size_t size = fw_dtype_size (from->dtype);
  for (int64_t i = 0; i < count; i++)
    if (from->dtype == to->dtype)
      memcpy ((char *) to->data + (size_t) (to->offset + i * to->step) * size,
              (const char *) from->data + (size_t) (from->offset + i * from->step) * size, size);
    else
      walk_put (to, i, walk_get (from, i));
}

static inline double
walk_dot (const double *a, const double *b, int64_t count)
{
  double sum = 0;
  for (int64_t i = 0; i < count; i++)
    sum += a[i] * b[i];
  return sum;
}

/* sum += factor * values */
static inline void
walk_add_scaled (double *restrict sum, double factor, const double *restrict values, int64_t count)
{
  for (int64_t i = 0; i < count; i++)
    sum[i] += factor * values[i];
}

static inline void
walk_clear (double *values, int64_t count)
{
  for (int64_t i = 0; i < count; i++)
    values[i] = 0;
}
