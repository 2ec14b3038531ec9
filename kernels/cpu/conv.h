/* SPDX-License-Identifier: Apache-2.0
 * How convolution and its gradients find, for a position and a tap of the filter, the position that is read. */
#pragma once
#include "kernels/cpu/gemm.h"

/* One tap along one axis. Position p reads (p * multiply + add) / divide where that lies in [0, limit). */
typedef struct {
  int64_t tap;            /* its place along the filter's axis */
  int64_t multiply, add, divide, limit;
  bool exact;             /* nothing is read where the division leaves a rest */
  bool repeat;            /* what lies in front of 0 is read at 0 */
  int64_t fixed;          /* read wherever p is, if not negative */
} FwAxisTap;

/* The taps along one axis: the filter's, each `shifts` times with add growing by one; then one for every pair of a tap and an
 * output position below `front` whose tap lies in front of the input. */
typedef struct {
  FwAxisTap first;
  int64_t taps, shifts, slope;     /* add changes by slope from tap to tap */
  int64_t front, stride, pad;
} FwWindowAxis;

/* A window over time, height and width, and the rows that it slides over. */
typedef struct {
  FwWindowAxis axis[3];
  int64_t count[3];                /* taps along each axis */
  int64_t frame, frames;           /* rows are the positions [batch][frame, frame + frames)[height][width] */
  int64_t batch, height, width;
} FwWindow;

#define fw_conv_window FW_ISA (fw_conv_window)
#define fw_conv_input_window FW_ISA (fw_conv_input_window)
#define fw_window_taps FW_ISA (fw_window_taps)
#define fw_window_tap FW_ISA (fw_window_tap)
#define fw_window_offsets FW_ISA (fw_window_offsets)
#define fw_window_rows FW_ISA (fw_window_rows)
#define fw_window_pack_rows FW_ISA (fw_window_pack_rows)
#define fw_axis_tap FW_ISA (fw_axis_tap)
#define fw_axis_offsets FW_ISA (fw_axis_offsets)
#define fw_window_product_plan FW_ISA (fw_window_product_plan)
#define fw_window_product_run FW_ISA (fw_window_product_run)

/* How many taps there are in all, and the place of tap @index in the filter's [kt][ky][kx]. */
int64_t fw_window_taps (const FwWindow *window);
void fw_window_tap (const FwWindow *window, int64_t index, int64_t *place);
/* Element offsets in @tensor, [B, T, Y, X, C], of what rows [first, first + count) read through tap @index; -1 for nothing. */
void fw_window_offsets (const FwWindow *window, const FwTensor *tensor, int64_t index, int64_t first, int64_t count,
                        int64_t *offset);
/* The element offsets of rows [first, first + count) themselves in @tensor. */
void fw_window_rows (const FwWindow *window, const FwTensor *tensor, int64_t first, int64_t count, int64_t *offset);
/* Packs rows of A whose depth is the channels of @tensor through one tap after another, each filled up to @padded_channels. */
void fw_window_pack_rows (const FwWindow *window, const FwMicroKernel *kernel, const FwTensor *tensor, int64_t padded_channels,
                          int64_t first, int64_t count, int64_t start, int64_t depth, int64_t padded, char *to);
/* Tap @index of an axis, and what @count positions from @position on read through a tap: element offsets where neighbours are
 * @stride apart, @base that of place 0; -1 for nothing. */
FwAxisTap fw_axis_tap (const FwWindowAxis *axis, int64_t index);
void fw_axis_offsets (const FwAxisTap *tap, int64_t position, int64_t count, int64_t base, int64_t stride, int64_t *offset);
/* The window of the convolution itself, over the positions of its output. */
void fw_conv_window (FwWindow *window, const FwConvAttributes *attributes, const FwTensor *x, const FwTensor *w,
                     const FwTensor *y);
/* The window of its gradient, over frames [frame, frame + frames) of its input: output o reads input
 * (o * stride + tap - pad) / factor, so input i gathers from o = (i * factor + shift + pad - tap) / stride for every shift
 * below the factor; where the first frame is repeated, frame 0 alone also from those outputs whose tap lies in front of it. */
void fw_conv_input_window (FwWindow *window, const FwConvAttributes *attributes, const FwTensor *dy, const FwTensor *w,
                           const FwTensor *dx, int64_t frame, int64_t frames);

/* A matrix product whose A is a tensor seen through a window. */
typedef struct FwWindowProduct {
  FwGemm gemm;                     /* without pack_a; operands are the product itself */
  FwWindow window;
  const FwTensor *tensor;
  int64_t padded_channels;         /* of the tensor, a whole number of units */

  bool by_lines;                   /* conv-lines.c multiplies, else rows are packed as any product's */
  int64_t x_pieces, piece_width, y_pieces, piece_height; /* positions of one piece of work */
  int64_t lines, line_positions;   /* copied for one piece from every frame that it sees */
  int64_t position_bytes, line_bytes, copy_bytes, block_parts, worker_bytes;
  FwMicroPart *parts;              /* [depth_blocks][block_parts] */
  char *workers;
} FwWindowProduct;

/* Fills what follows padded_channels, and the plan of gemm. Returns the bytes of scratch wanted at @gemm.call->scratch. */
size_t fw_window_product_plan (FwWindowProduct *product);
void fw_window_product_run (FwWindowProduct *product);
