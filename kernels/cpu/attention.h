/* SPDX-License-Identifier: Apache-2.0
 * What attention and its gradient share: heads as strided matrices, and blocks of them packed for the microkernels. */
#pragma once
#include "kernels/cpu/gemm.h"

/* The rows (tokens) of one head of one sequence: row i begins at element place + i * stride of the tensor. */
typedef struct {
  const FwTensor *tensor;
  int64_t place, stride, width;
} FwHead;

/* The head of a [B1, B2, N, H, width] tensor; a B2 of size 1 is shared by all sequences. */
static inline FwHead
fw_head (const FwTensor *tensor, int64_t b1, int64_t b2, int64_t head)
{
  int64_t place = b1 * tensor->stride[0] + (tensor->dim[1] == 1 ? 0 : b2 * tensor->stride[1]) + head * tensor->stride[3];
  return (FwHead) { tensor, place, tensor->stride[2], tensor->dim[4] };
}

/* Whether key @key of batch @b1 counts; @mask, [B1, keys], may be absent. */
static inline bool
fw_key_counts (const FwTensor *mask, int64_t b1, int64_t key)
{
  return !fw_present (mask) || ((const uint8_t *) mask->data)[b1 * mask->stride[0] + key * mask->stride[1]] != 0;
}

/* Whether all sequences of a batch share their keys and values, and so the gradients of these. */
static inline bool
fw_shares_keys (const FwTensor *q, const FwTensor *dk)
{
  return q->dim[1] > 1 && (dk->dim[1] == 1 || dk->stride[1] == 0);
}

/* The rows of a head from @first on as lines. */
static inline FwLines
fw_head_lines (const FwHead *head, int64_t first)
{
  const FwTensor *tensor = head->tensor;
  size_t size = tensor->dtype == FW_DTYPE_BF16 ? 2 : 4;
  return (FwLines) { .data = (const char *) tensor->data + (size_t) (head->place + first * head->stride) * size,
                     .dtype = tensor->dtype, .stride = head->stride, .step = 1 };
}

/* Brings rows [first, first + count) of a head, as far as there are so many, near to the processor: rows lie too far apart for
 * it to foresee them. */
static inline void
fw_fetch_head (const FwHead *head, int64_t first, int64_t count)
{
  for (int64_t row = first; row < FW_MIN (first + count, head->tensor->dim[2]); row++)
    fw_fetch (head->tensor, head->place + row * head->stride, head->width);
}

/* Adds the same rows, of a head that may be absent, to what is asked for during products. */
static inline void
fw_expect_head (FwFetching *fetching, const FwHead *head, int64_t first, int64_t count)
{
  if (!fw_present (head->tensor))
    return;
  FwLines lines = fw_head_lines (head, first);
  int64_t size = (int64_t) fw_dtype_size (head->tensor->dtype), rows = FW_MIN (count, head->tensor->dim[2] - first);
  fw_fetching_add (fetching, lines.data, rows, head->stride * size, head->width * size);
}

/* A head's width may exceed the depth of one block: it is cut into blocks of the kernel's depth. */
static inline int64_t
fw_width_blocks (const FwMicroKernel *kernel, int64_t width)
{
  return fw_ceil_div (width, kernel->depth);
}

/* Bytes of @rows packed along a width, and of @columns packed along a width. */
static inline int64_t
fw_rows_bytes (const FwMicroKernel *kernel, int64_t rows, int64_t width)
{
  return fw_width_blocks (kernel, width) * fw_round_up (rows, FW_ROW_PADDING) * kernel->row_bytes;
}

static inline int64_t
fw_columns_bytes (const FwMicroKernel *kernel, int64_t columns, int64_t width)
{
  int64_t depth = FW_MIN (width, kernel->depth);
  return fw_width_blocks (kernel, width) * fw_ceil_div (columns, kernel->columns) * fw_panel_bytes (kernel, depth);
}

/* A block of A made of a head's rows: packed, or where they lie. */
typedef struct {
  const char *data;
  int64_t row_bytes;
  bool in_place;
} FwHeadRows;

#define fw_head_rows FW_ISA (fw_head_rows)
#define fw_store_head_rows FW_ISA (fw_store_head_rows)
#define fw_pack_head_columns FW_ISA (fw_pack_head_columns)
#define fw_pack_head_across FW_ISA (fw_pack_head_across)
#define fw_multiply_width FW_ISA (fw_multiply_width)

/* @count rows of a head from @first on as rows of A along the width, packed in @room if microkernels cannot read them where they
 * lie. */
FwHeadRows fw_head_rows (const FwMicroKernel *kernel, const FwHead *head, int64_t first, int64_t count, char *room);
/* The same rows as columns of B along the width, and as the depth of B, whose columns are then the numbers of a row. */
void fw_pack_head_columns (const FwMicroKernel *kernel, const FwHead *head, int64_t first, int64_t count, char *to);
void fw_pack_head_across (const FwMicroKernel *kernel, const FwHead *head, int64_t first, int64_t count, char *to);
/* C = A B over a width, of rows and columns of heads, asking for all of @fetching meanwhile. */
void fw_multiply_width (const FwMicroKernel *kernel, int64_t rows, int64_t columns, int64_t width, FwHeadRows a, const char *b,
                        float *c, int64_t c_stride, FwFetching *fetching);
/* Rows [first, first + count) of a head become the rows of @values, @stride numbers apart, times @factor; or, where @factors is not
 * NULL, each times a factor of its own. */
void fw_store_head_rows (const FwHead *head, int64_t first, int64_t count, const float *values, int64_t stride, float factor,
                         const float *factors);
