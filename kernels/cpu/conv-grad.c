/* SPDX-License-Identifier: Apache-2.0
 * Gradients of conv as matrix products. For the input, a position gathers from all outputs that read it; for the weights,
 * every tap is a product of its own over all positions. */
#include "kernels/cpu/conv.h"
#include "kernels/cpu/kernels.h"
#include "kernels/cpu/row-math.h"
#include "kernels/cpu/run.h"
#include "kernels/cpu/sums.h"

/* Columns are input channels; the depth goes over output channels, which are lines a whole filter apart. */
static void
input_pack_b (const FwGemm *gemm, int64_t batch, int64_t first, int64_t count, int64_t start, int64_t depth, int64_t padded,
              int64_t panel_depth, char *to)
{
  const FwWindowProduct *grad = gemm->operands;
  const FwTensor *w = &gemm->call->in[1];
  int64_t past = start + depth, unit = gemm->kernel->unit, unit_bytes = gemm->kernel->columns * 4;
  for (int64_t at = start; at < past;) {
    int64_t channel = at % grad->padded_channels, some = FW_MIN (grad->padded_channels - channel, past - at), next = at + some;
    int64_t place[3];
    fw_window_tap (&grad->window, at / grad->padded_channels, place);
    int64_t base = channel * w->stride[0] + first * w->stride[1] + place[0] * w->stride[2] + place[1] * w->stride[3]
                   + place[2] * w->stride[4];
    FwLines lines = { .data = (const char *) w->data + (size_t) base * fw_dtype_size (w->dtype), .dtype = w->dtype,
                      .stride = w->stride[0], .step = w->stride[1] };
    if (next == past)
      some += padded - depth;
    fw_pack_columns_across (gemm->kernel, to + (at - start) / unit * unit_bytes, panel_depth, &lines, 0, count,
                            FW_MIN (w->dim[0], channel + some) - channel, some);
    at = next;
  }
}

static void
input_finish (const FwGemm *gemm, int64_t batch, int64_t row, int64_t rows, int64_t column, int64_t columns, float *c,
              int64_t c_stride)
{
  const FwWindowProduct *grad = gemm->operands;
  const FwTensor *dx = &gemm->call->out[0];
  int64_t offset[FW_MAX_BLOCK_ROWS];
  fw_window_rows (&grad->window, dx, row, rows, offset);
  for (int64_t r = 0; r < rows; r++)
    fw_run_store (dx, offset[r] + column, columns, c + r * c_stride);
}

static size_t
plan_input (FwWindowProduct *grad, const FwKernelCall *call, int64_t frame, int64_t frames)
{
  const FwTensor *dy = &call->in[0], *dx = &call->out[0];
  const FwMicroKernel *kernel = fw_micro_for (dy->dtype);
  fw_conv_input_window (&grad->window, call->attributes, dy, &call->in[1], dx, frame, frames);
  grad->tensor = dy;
  grad->padded_channels = fw_round_up (dy->dim[4], kernel->unit);
  grad->gemm = (FwGemm) { .call = call, .kernel = kernel, .batches = 1, .rows = dx->dim[0] * frames * dx->dim[2] * dx->dim[3],
                          .columns = dx->dim[4], .depth = fw_window_taps (&grad->window) * grad->padded_channels,
                          .operands = grad, .pack_b = input_pack_b, .finish = input_finish };
  return fw_window_product_plan (grad);
}

/* With repetition the first frame gathers through more taps than the others, so it is a product of its own. */
static int64_t
frames_apart (const FwKernelCall *call)
{
  const FwConvAttributes *attributes = call->attributes;
  return attributes->time_mode == FW_PAD_REPEAT_FRONT ? FW_MIN (1, call->out[0].dim[1]) : 0;
}

size_t
fw_conv_grad_input_scratch (const FwKernelCall *call)
{
  FwWindowProduct grad;
  int64_t apart = frames_apart (call);
  size_t front = plan_input (&grad, call, 0, apart);
  size_t rest = plan_input (&grad, call, apart, call->out[0].dim[1] - apart);
  return FW_MAX (front, rest);
}

void
fw_conv_grad_input_run (const FwKernelCall *call)
{
  FwWindowProduct grad;
  int64_t apart = frames_apart (call);
  plan_input (&grad, call, 0, apart);
  fw_window_product_run (&grad);
  plan_input (&grad, call, apart, call->out[0].dim[1] - apart);
  fw_window_product_run (&grad);
}

static void
weight_pack_a (const FwGemm *gemm, int64_t batch, int64_t first, int64_t count, int64_t start, int64_t depth, int64_t padded,
               char *to)
{
  const FwTensor *dy = &gemm->call->in[1];
  int64_t offset[FW_MAX_BLOCK_DEPTH];
  fw_window_rows (gemm->operands, dy, start, depth, offset);
  FwLines lines = { .data = dy->data, .dtype = dy->dtype, .offset = offset, .step = 1 };
  fw_pack_rows_across (gemm->kernel, to, &lines, first, count, depth, padded);
}

static void
weight_pack_b (const FwGemm *gemm, int64_t batch, int64_t first, int64_t count, int64_t start, int64_t depth, int64_t padded,
               int64_t panel_depth, char *to)
{
  const FwTensor *x = &gemm->call->in[0];
  int64_t offset[FW_MAX_BLOCK_DEPTH];
  fw_window_offsets (gemm->operands, x, batch, start, depth, offset);
  FwLines lines = { .data = x->data, .dtype = x->dtype, .offset = offset, .step = 1 };
  fw_pack_columns_across (gemm->kernel, to, panel_depth, &lines, first, count, depth, padded);
}

static void
weight_finish (const FwGemm *gemm, int64_t batch, int64_t row, int64_t rows, int64_t column, int64_t columns, float *c,
               int64_t c_stride)
{
  const FwTensor *dw = &gemm->call->out[0];
  int64_t place[3];
  fw_window_tap (gemm->operands, batch, place);
  for (int64_t r = 0; r < rows; r++) {
    int64_t base = (row + r) * dw->stride[0] + place[0] * dw->stride[2] + place[1] * dw->stride[3] + place[2] * dw->stride[4];
    for (int64_t i = 0; i < columns; i++)
      fw_store_element (dw->data, dw->dtype, base + (column + i) * dw->stride[1], c[r * c_stride + i]);
  }
}

static size_t
plan_weight (FwGemm *gemm, FwWindow *window, const FwKernelCall *call)
{
  const FwTensor *x = &call->in[0], *dy = &call->in[1], *dw = &call->out[0];
  bool bf16 = x->dtype == FW_DTYPE_BF16 || dy->dtype == FW_DTYPE_BF16;
  fw_conv_window (window, call->attributes, x, dw, dy);
  *gemm = (FwGemm) { .call = call, .kernel = fw_micro_for (bf16 ? FW_DTYPE_BF16 : FW_DTYPE_F32),
                     .batches = fw_window_taps (window), .rows = dy->dim[4], .columns = x->dim[4],
                     .depth = dy->dim[0] * dy->dim[1] * dy->dim[2] * dy->dim[3], .split_depth = true, .pack_b_in_place = true,
                     .operands = window, .pack_a = weight_pack_a, .pack_b = weight_pack_b, .finish = weight_finish };
  return fw_gemm_plan (gemm);
}

static void
bias_add (const FwSums *sums, const int64_t *offset, int64_t count, float *const *sum, float *work)
{
  fw_run_add (&sums->call->in[1], offset[0], sums->kept.step[0], count, sum[0]);
}

static void
bias_finish (const FwSums *sums, const int64_t *offset, int64_t count, float *const *sum)
{
  fw_run_store (&sums->call->out[1], offset[0], count, sum[0]);
}

static size_t
plan_bias (FwSums *sums, const FwKernelCall *call)
{
  const FwTensor *dy = &call->in[1];
  *sums = (FwSums) { .call = call, .add = bias_add, .finish = bias_finish };
  return fw_sums_init (sums, 1, &dy, 0xf);
}

size_t
fw_conv_grad_weight_scratch (const FwKernelCall *call)
{
  FwGemm gemm;
  FwWindow window;
  FwSums sums;
  size_t product = plan_weight (&gemm, &window, call), bias = plan_bias (&sums, call);
  return FW_MAX (product, bias);
}

void
fw_conv_grad_weight_run (const FwKernelCall *call)
{
  if (fw_present (&call->out[1])) {
    FwSums sums;
    plan_bias (&sums, call);
    fw_sums_run (&sums);
  }
  if (fw_present (&call->out[0])) {
    FwGemm gemm;
    FwWindow window;
    plan_weight (&gemm, &window, call);
    fw_gemm_run (&gemm);
  }
}
