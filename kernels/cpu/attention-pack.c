/* SPDX-License-Identifier: Apache-2.0
 * Heads on their way to and from microkernels. */
#include "kernels/cpu/attention.h"
#include "kernels/cpu/row-math.h"

FwHeadRows
fw_head_rows (const FwMicroKernel *kernel, const FwHead *head, int64_t first, int64_t count, char *room)
{
  FwLines lines = fw_head_lines (head, first);
  int64_t row_bytes = head->stride * (int64_t) fw_dtype_size (head->tensor->dtype);
  if (head->width <= kernel->depth && fw_micro_reads (kernel, head->tensor->dtype, head->width, row_bytes))
    return (FwHeadRows) { lines.data, row_bytes, true };
  char *to = room;
  for (int64_t start = 0; start < head->width; start += kernel->depth) {
    int64_t depth = FW_MIN (head->width - start, kernel->depth);
    fw_pack_rows (kernel, to, &lines, start, count, depth, fw_round_up (depth, kernel->step));
    to += fw_round_up (count, FW_ROW_PADDING) * kernel->row_bytes;
  }
  return (FwHeadRows) { room, kernel->row_bytes, false };
}

void
fw_pack_head_columns (const FwMicroKernel *kernel, const FwHead *head, int64_t first, int64_t count, char *to)
{
  FwLines lines = fw_head_lines (head, first);
  int64_t longest = FW_MIN (head->width, kernel->depth);
  for (int64_t start = 0; start < head->width; start += kernel->depth) {
    int64_t depth = FW_MIN (head->width - start, kernel->depth);
    fw_pack_columns (kernel, to, longest, &lines, start, count, depth, fw_round_up (depth, kernel->step));
    to += fw_ceil_div (count, kernel->columns) * fw_panel_bytes (kernel, longest);
  }
}

void
fw_pack_head_across (const FwMicroKernel *kernel, const FwHead *head, int64_t first, int64_t count, char *to)
{
  FwLines lines = fw_head_lines (head, first);
  fw_pack_columns_across (kernel, to, count, &lines, 0, head->width, count, fw_round_up (count, kernel->step));
}

void
fw_multiply_width (const FwMicroKernel *kernel, int64_t rows, int64_t columns, int64_t width, FwHeadRows a, const char *b,
                   float *c, int64_t c_stride, FwFetching *fetching)
{
  int64_t longest = FW_MIN (width, kernel->depth), panel_bytes = fw_panel_bytes (kernel, longest);
  if (a.in_place) {
    fw_multiply_block (kernel, rows, columns, width, a.data, a.row_bytes, b, panel_bytes, c, c_stride, false, fetching);
    return;
  }
  for (int64_t start = 0; start < width; start += kernel->depth) {
    int64_t depth = fw_round_up (FW_MIN (width - start, kernel->depth), kernel->step);
    fw_multiply_block (kernel, rows, columns, depth, a.data, kernel->row_bytes, b, panel_bytes, c, c_stride, start > 0, fetching);
    a.data += fw_round_up (rows, FW_ROW_PADDING) * kernel->row_bytes;
    b += fw_ceil_div (columns, kernel->columns) * panel_bytes;
  }
}

static FW_ALWAYS_INLINE void
store_row (const bool bf16, void *data, int64_t place, int64_t width, const float *values, FwVec factor)
{
  int64_t i = 0;
  for (; bf16 && i + 2 * VEC <= width; i += 2 * VEC)
    bits_store ((uint16_t *) data + place + i,
                vec_pairs_along (vec_load (values + i) * factor, vec_load (values + i + VEC) * factor));
  for (; i < width; i += VEC)
    row_store_any (bf16, data, place + i, width - i, row_load (values, i, width) * factor);
}

void
fw_store_head_rows (const FwHead *head, int64_t first, int64_t count, const float *values, int64_t stride, float factor,
                    const float *factors)
{
  void *data = head->tensor->data;
  int64_t place = head->place + first * head->stride;
  for (int64_t row = 0; row < count; row++, place += head->stride, values += stride) {
    FwVec times = vec_set (factors ? factors[row] : factor);
    if (head->tensor->dtype == FW_DTYPE_BF16)
      store_row (true, data, place, head->width, values, times);
    else
      store_row (false, data, place, head->width, values, times);
  }
}
