/* SPDX-License-Identifier: Apache-2.0
 * Packing of heads for attention. */
#include "kernels/cpu/attention.h"

void
fw_pack_head_rows (const FwMicroKernel *kernel, const FwHead *head, int64_t first, int64_t count, char *to)
{
  FwLines lines = fw_head_lines (head, first);
  for (int64_t start = 0; start < head->width; start += kernel->depth) {
    int64_t depth = FW_MIN (head->width - start, kernel->depth);
    fw_pack_rows (kernel, to, &lines, start, count, depth, fw_round_up (depth, kernel->step));
    to += fw_round_up (count, FW_ROW_PADDING) * kernel->row_bytes;
  }
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
fw_multiply_width (const FwMicroKernel *kernel, int64_t rows, int64_t columns, int64_t width, const char *a, const char *b,
                   float *c, int64_t c_stride)
{
  int64_t longest = FW_MIN (width, kernel->depth), panel_bytes = fw_panel_bytes (kernel, longest);
  for (int64_t start = 0; start < width; start += kernel->depth) {
    int64_t depth = fw_round_up (FW_MIN (width - start, kernel->depth), kernel->step);
    fw_multiply_block (kernel, rows, columns, depth, a, b, panel_bytes, c, c_stride, start > 0);
    a += fw_round_up (rows, FW_ROW_PADDING) * kernel->row_bytes;
    b += fw_ceil_div (columns, kernel->columns) * panel_bytes;
  }
}
