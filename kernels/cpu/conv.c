/* SPDX-License-Identifier: Apache-2.0
 * conv: an implicit matrix product whose depth is the channels of every tap in turn; rows are gathered while packing. */
#include "kernels/cpu/conv.h"
#include "kernels/cpu/kernels.h"
#include "kernels/cpu/row-math.h"
#include "kernels/cpu/run.h"

typedef struct {
  FwWindow window;
  int64_t padded_channels; /* of the input, a whole number of units */
} Conv;

static void
conv_pack_a (const FwGemm *gemm, int64_t batch, int64_t first, int64_t count, int64_t start, int64_t depth, int64_t padded,
             char *to)
{
  const Conv *conv = gemm->operands;
  fw_window_pack_rows (&conv->window, gemm->kernel, &gemm->call->in[0], conv->padded_channels, first, count, start, depth,
                       padded, to);
}

/* Columns are output channels; along the depth their numbers lie one filter apart. */
static void
conv_pack_b (const FwGemm *gemm, int64_t batch, int64_t first, int64_t count, int64_t start, int64_t depth, int64_t padded,
             int64_t panel_depth, char *to)
{
  const Conv *conv = gemm->operands;
  const FwTensor *w = &gemm->call->in[1];
  int64_t past = start + depth, unit = gemm->kernel->unit, unit_bytes = gemm->kernel->columns * 4;
  for (int64_t at = start; at < past;) {
    int64_t channel = at % conv->padded_channels, some = FW_MIN (conv->padded_channels - channel, past - at), next = at + some;
    int64_t place[3];
    fw_window_tap (&conv->window, at / conv->padded_channels, place);
    int64_t base = first * w->stride[0] + place[0] * w->stride[2] + place[1] * w->stride[3] + place[2] * w->stride[4];
    FwLines lines = { .data = (const char *) w->data + (size_t) base * fw_dtype_size (w->dtype), .dtype = w->dtype,
                      .stride = w->stride[0], .step = w->stride[1] };
    if (next == past)
      some += padded - depth;
    fw_pack_columns (gemm->kernel, to + (at - start) / unit * unit_bytes, panel_depth, &lines, channel, count,
                     FW_MIN (w->dim[1], channel + some) - channel, some);
    at = next;
  }
}

static void
conv_finish (const FwGemm *gemm, int64_t batch, int64_t row, int64_t rows, int64_t column, int64_t columns, float *c,
             int64_t c_stride)
{
  const Conv *conv = gemm->operands;
  const FwTensor *bias = &gemm->call->in[2], *y = &gemm->call->out[0];
  int64_t offset[FW_MAX_BLOCK_ROWS];
  fw_window_rows (&conv->window, y, row, rows, offset);
  for (int64_t r = 0; r < rows; r++, c += c_stride) {
    for (int64_t start = 0; fw_present (bias) && start < columns; start += FW_RUN) {
      int64_t count = FW_MIN (columns - start, FW_RUN), step = bias->stride[0];
      fw_run_add (bias, (column + start) * step, step, count, c + start);
    }
    fw_run_store (y, offset[r] + column, columns, c);
  }
}

static size_t
plan (FwGemm *gemm, Conv *conv, const FwKernelCall *call)
{
  const FwTensor *x = &call->in[0], *w = &call->in[1], *y = &call->out[0];
  const FwMicroKernel *kernel = fw_micro_for (x->dtype);
  fw_conv_window (&conv->window, call->attributes, x, w, y);
  conv->padded_channels = fw_round_up (x->dim[4], kernel->unit);
  *gemm = (FwGemm) { .call = call, .kernel = kernel, .batches = 1, .rows = y->dim[0] * y->dim[1] * y->dim[2] * y->dim[3],
                     .columns = y->dim[4], .depth = fw_window_taps (&conv->window) * conv->padded_channels, .operands = conv,
                     .pack_a = conv_pack_a, .pack_b = conv_pack_b, .finish = conv_finish };
  return fw_gemm_plan (gemm);
}

size_t
fw_conv_scratch (const FwKernelCall *call)
{
  FwGemm gemm;
  Conv conv;
  return plan (&gemm, &conv, call);
}

void
fw_conv_run (const FwKernelCall *call)
{
  FwGemm gemm;
  Conv conv;
  plan (&gemm, &conv, call);
  fw_gemm_run (&gemm);
}
