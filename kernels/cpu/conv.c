/* SPDX-License-Identifier: Apache-2.0
 * conv: an implicit matrix product whose depth is the channels of every tap in turn; rows are gathered while packing. */
#include "kernels/cpu/conv.h"
#include "kernels/cpu/kernels.h"
#include "kernels/cpu/row-math.h"
#include "kernels/cpu/run.h"

/* Columns are output channels; along the depth their numbers lie one filter apart. */
static void
conv_pack_b (const FwGemm *gemm, int64_t batch, int64_t first, int64_t count, int64_t start, int64_t depth, int64_t padded,
             int64_t panel_depth, char *to)
{
  const FwWindowProduct *conv = gemm->operands;
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

/* @count sums and their biases become numbers of the output, element @offset of it and the following. */
static FW_ALWAYS_INLINE void
finish_row (const bool bf16, const FwTensor *y, int64_t offset, int64_t count, const float *bias, const float *c)
{
  float *wide = (float *) y->data + offset;
  uint16_t *narrow = (uint16_t *) y->data + offset;
  for (int64_t i = 0; i < count; i += VEC) {
    FwVec value = vec_load (c + i) + vec_load (bias + i);
    int64_t left = count - i;
    if (bf16 && left >= VEC)
      vec_store_bf16 (narrow + i, value);
    else if (bf16)
      vec_store_bf16_part (narrow + i, value, left);
    else if (left >= VEC)
      vec_store (wide + i, value);
    else
      vec_store_part (wide + i, value, left);
  }
}

static void
conv_finish (const FwGemm *gemm, int64_t batch, int64_t row, int64_t rows, int64_t column, int64_t columns, float *c,
             int64_t c_stride)
{
  const FwWindowProduct *conv = gemm->operands;
  const FwTensor *bias = &gemm->call->in[2], *y = &gemm->call->out[0];
  int64_t offset[FW_MAX_BLOCK_ROWS];
  fw_window_rows (&conv->window, y, row, rows, offset);
  for (int64_t start = 0; start < columns; start += FW_RUN) {
    float biases[FW_RUN] = { 0 };
    int64_t count = FW_MIN (columns - start, FW_RUN);
    if (fw_present (bias)) {
      const float *loaded = fw_run_load (bias, (column + start) * bias->stride[0], bias->stride[0], count, biases);
      if (loaded != biases)
        memcpy (biases, loaded, (size_t) count * sizeof *biases);
    }
    for (int64_t r = 0; r < rows; r++) {
      if (y->dtype == FW_DTYPE_BF16)
        finish_row (true, y, offset[r] + column + start, count, biases, c + r * c_stride + start);
      else
        finish_row (false, y, offset[r] + column + start, count, biases, c + r * c_stride + start);
    }
  }
}

static size_t
plan (FwWindowProduct *conv, const FwKernelCall *call)
{
  const FwTensor *x = &call->in[0], *w = &call->in[1], *y = &call->out[0];
  const FwMicroKernel *kernel = fw_micro_for (x->dtype);
  fw_conv_window (&conv->window, call->attributes, x, w, y);
  conv->tensor = x;
  conv->padded_channels = fw_round_up (x->dim[4], kernel->unit);
  conv->gemm = (FwGemm) { .call = call, .kernel = kernel, .batches = 1, .rows = y->dim[0] * y->dim[1] * y->dim[2] * y->dim[3],
                          .columns = y->dim[4], .depth = fw_window_taps (&conv->window) * conv->padded_channels,
                          .operands = conv, .pack_b = conv_pack_b, .finish = conv_finish };
  return fw_window_product_plan (conv);
}

size_t
fw_conv_scratch (const FwKernelCall *call)
{
  FwWindowProduct conv;
  return plan (&conv, call);
}

void
fw_conv_run (const FwKernelCall *call)
{
  FwWindowProduct conv;
  plan (&conv, call);
  fw_window_product_run (&conv);
}
