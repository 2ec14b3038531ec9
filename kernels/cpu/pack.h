/* SPDX-License-Identifier: Apache-2.0
 * Packing: from strided f32 or bf16 matrices to the blocks and panels that microkernels read, converting on the way. */
#pragma once
#include "kernels/cpu/micro.h"

/* Lines of numbers: element e of line i lies at data + (offset of i) + e * step. A line with a negative offset is zero. */
typedef struct {
  const void *data;
  FwDtype dtype;          /* F32 or BF16 */
  const int64_t *offset;  /* of each line; NULL for i * stride */
  int64_t stride;
  int64_t step;
} FwLines;

#define fw_pack_rows FW_ISA (fw_pack_rows)
#define fw_pack_rows_across FW_ISA (fw_pack_rows_across)
#define fw_pack_columns FW_ISA (fw_pack_columns)
#define fw_pack_columns_across FW_ISA (fw_pack_columns_across)

/* Each packs @rows x @depth (or @depth x @columns) numbers into @to. Depth is filled up with zeros to @padded, a multiple of
 * the kernel's unit. The plain forms read lines that run along the depth, the others lines that run across it; reading
 * begins with element @first of line 0. For columns, @to is a series of panels fw_panel_bytes (kernel, panel_depth) apart. */
void fw_pack_rows (const FwMicroKernel *kernel, char *to, const FwLines *from, int64_t first, int64_t rows, int64_t depth,
                   int64_t padded);
void fw_pack_rows_across (const FwMicroKernel *kernel, char *to, const FwLines *from, int64_t first, int64_t rows,
                          int64_t depth, int64_t padded);
void fw_pack_columns (const FwMicroKernel *kernel, char *to, int64_t panel_depth, const FwLines *from, int64_t first,
                      int64_t columns, int64_t depth, int64_t padded);
void fw_pack_columns_across (const FwMicroKernel *kernel, char *to, int64_t panel_depth, const FwLines *from, int64_t first,
                             int64_t columns, int64_t depth, int64_t padded);
