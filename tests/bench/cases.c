/* SPDX-License-Identifier: Apache-2.0
 * The shapes that are timed: those of a small and of a large diffusion transformer, of T5 and of image decoders. */
#include "tests/bench/bench.h"

#include <stdio.h>
#include <stdlib.h>

#define KERNEL(op) offsetof (FwCpuPath, op)

static FwTensor
random_tensor (FwDtype dtype, int rank, const int64_t *dim)
{
  static uint64_t state = 88172645463325252u;
  FwTensor tensor = fw_tensor_dense (NULL, dtype, rank, dim);
  int64_t count = fw_tensor_count (&tensor);
  size_t bytes = ((size_t) count * fw_dtype_size (dtype) + 64) / 64 * 64;
  tensor.data = aligned_alloc (64, bytes);
  for (int64_t i = 0; tensor.data && i < count; i++) {
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    fw_store_element (tensor.data, dtype, i, (double) (state >> 11) * 0x1p-52 - 1.0);
  }
  return tensor;
}

#define TENSOR(dtype, ...) \
  random_tensor (dtype, (int) (sizeof ((int64_t[]) { __VA_ARGS__ }) / sizeof (int64_t)), (int64_t[]) { __VA_ARGS__ })

static const FwTensor absent = { .rank = -1 };

static BenchCase *
add_case (BenchCase *cases, int *count, const char *name, size_t kernel)
{
  BenchCase *one = &cases[(*count)++];
  *one = (BenchCase) { .kernel = kernel, .unit = "GFLOP/s" };
  snprintf (one->name, sizeof one->name, "%s", name);
  for (int i = 0; i < FW_MAX_INPUTS; i++)
    one->call.in[i] = absent;
  one->call.attributes = &one->attributes;
  return one;
}

static void
add_linear (BenchCase *cases, int *count, FwDtype dtype, int64_t m, int64_t k, int64_t n, FwFunction function)
{
  BenchCase *one = add_case (cases, count, "linear", KERNEL (linear));
  one->attributes.linear = (FwLinearAttributes) { function, false };
  one->call.in[0] = TENSOR (dtype, m, k);
  one->call.in[1] = TENSOR (FW_DTYPE_F32, n, k);
  one->call.in[2] = TENSOR (FW_DTYPE_F32, n);
  one->call.out[0] = TENSOR (dtype, m, n);
  one->work = 2.0 * (double) m * (double) k * (double) n;
  snprintf (one->shape, sizeof one->shape, "%s %ldx%ldx%ld%s", fw_dtype_name (dtype), (long) m, (long) k, (long) n,
            function == FW_FN_IDENTITY ? "" : " gelu");
}

static void
add_grad_weight (BenchCase *cases, int *count, FwDtype dtype, int64_t m, int64_t k, int64_t n)
{
  BenchCase *one = add_case (cases, count, "linear_grad_weight", KERNEL (linear_grad_weight));
  one->call.in[0] = TENSOR (dtype, m, k);
  one->call.in[1] = TENSOR (dtype, m, n);
  one->call.out[0] = TENSOR (FW_DTYPE_F32, n, k);
  one->call.out[1] = TENSOR (FW_DTYPE_F32, n);
  one->work = 2.0 * (double) m * (double) k * (double) n;
  snprintf (one->shape, sizeof one->shape, "%s %ldx%ldx%ld", fw_dtype_name (dtype), (long) m, (long) k, (long) n);
}

/* @along_time: the sequence is the second of the token axes, so neighbours of a sequence lie far apart. */
static void
add_attention (BenchCase *cases, int *count, FwDtype dtype, int64_t batch, int64_t problems, int64_t tokens, int64_t heads,
               int64_t width, bool along_time, bool gradient)
{
  BenchCase *one = add_case (cases, count, gradient ? "attention_grad" : "attention",
                             gradient ? KERNEL (attention_grad) : KERNEL (attention));
  FwTensor packed = TENSOR (dtype, batch, problems, tokens, 3, heads, width), view = packed;
  view.rank = 5;
  view.dim[3] = heads;
  view.dim[4] = width;
  view.stride[3] = width;
  view.stride[4] = 1;
  view.stride[along_time ? 2 : 1] = (along_time ? problems : tokens) * 3 * heads * width;
  view.stride[along_time ? 1 : 2] = 3 * heads * width;
  for (int i = 0; i < 3; i++) {
    one->call.in[i] = view;
    one->call.in[i].data = (char *) view.data + (size_t) (i * heads * width) * fw_dtype_size (dtype);
  }
  FwTensor lse = TENSOR (FW_DTYPE_F32, batch, problems, heads, tokens);
  if (gradient) {
    for (int i = 5; i < 7; i++)
      one->call.in[i] = TENSOR (dtype, batch, problems, tokens, heads, width);
    one->call.in[7] = lse;
    for (int64_t i = 0; i < fw_tensor_count (&lse); i++)
      ((float *) lse.data)[i] = 4;
    for (int i = 0; i < 3; i++)
      one->call.out[i] = TENSOR (dtype, batch, problems, tokens, heads, width);
  } else {
    one->call.out[0] = TENSOR (dtype, batch, problems, tokens, heads, width);
    one->call.out[1] = lse;
  }
  one->attributes.attention.scale = 0.125;
  one->work = (gradient ? 10.0 : 4.0) * (double) (batch * problems * tokens * tokens * heads * width);
  snprintf (one->shape, sizeof one->shape, "%s %ldx%ldx%ldx%ldx%ld%s", fw_dtype_name (dtype), (long) batch, (long) problems,
            (long) tokens, (long) heads, (long) width, along_time ? " time" : "");
}

static void
add_conv (BenchCase *cases, int *count, FwDtype dtype, int64_t frames, int64_t side, int64_t inputs, int64_t outputs, int64_t time)
{
  BenchCase *one = add_case (cases, count, "conv", KERNEL (conv));
  one->attributes.conv = (FwConvAttributes) { { 1, 1, 1 }, { time / 2, 1, 1 }, { time / 2, 1, 1 }, FW_PAD_ZERO, 1 };
  one->call.in[0] = TENSOR (dtype, 1, frames, side, side, inputs);
  one->call.in[1] = TENSOR (FW_DTYPE_F32, outputs, inputs, time, 3, 3);
  one->call.in[2] = TENSOR (FW_DTYPE_F32, outputs);
  one->call.out[0] = TENSOR (dtype, 1, frames, side, side, outputs);
  one->work = 2.0 * (double) (frames * side * side * inputs * outputs * time * 9);
  snprintf (one->shape, sizeof one->shape, "%s %ldx%ldx%ldx%ld->%ld k%ld33", fw_dtype_name (dtype), (long) frames, (long) side,
            (long) side, (long) inputs, (long) outputs, (long) time);
}

static void
count_bytes (BenchCase *one)
{
  one->unit = "GB/s";
  for (int i = 0; i < FW_MAX_INPUTS; i++)
    if (fw_present (&one->call.in[i]))
      one->work += (double) fw_tensor_count (&one->call.in[i]) * (double) fw_dtype_size (one->call.in[i].dtype);
  for (int i = 0; i < FW_MAX_OUTPUTS; i++)
    if (fw_present (&one->call.out[i]))
      one->work += (double) fw_tensor_count (&one->call.out[i]) * (double) fw_dtype_size (one->call.out[i].dtype);
}

static void
add_passes (BenchCase *cases, int *count, FwDtype dtype)
{
  const char *type = fw_dtype_name (dtype);
  BenchCase *one = add_case (cases, count, "unary", KERNEL (unary));
  one->attributes.unary.function = FW_FN_GELU_TANH;
  one->call.in[0] = TENSOR (dtype, 8192, 1024);
  one->call.out[0] = TENSOR (dtype, 8192, 1024);
  snprintf (one->shape, sizeof one->shape, "%s 8192x1024 gelu_tanh", type);
  count_bytes (one);

  one = add_case (cases, count, "unary_grad", KERNEL (unary_grad));
  one->attributes.unary.function = FW_FN_GELU_TANH;
  one->call.in[0] = TENSOR (dtype, 8192, 1024);
  one->call.in[1] = TENSOR (dtype, 8192, 1024);
  one->call.out[0] = TENSOR (dtype, 8192, 1024);
  snprintf (one->shape, sizeof one->shape, "%s 8192x1024 gelu_tanh", type);
  count_bytes (one);

  one = add_case (cases, count, "binary", KERNEL (binary));
  one->call.in[0] = TENSOR (dtype, 8192, 256);
  one->call.in[1] = TENSOR (dtype, 8192, 256);
  one->call.out[0] = TENSOR (dtype, 8192, 256);
  snprintf (one->shape, sizeof one->shape, "%s 8192x256 add", type);
  count_bytes (one);

  one = add_case (cases, count, "layer_norm", KERNEL (layer_norm));
  one->attributes.norm.epsilon = 1e-6;
  one->call.in[0] = TENSOR (dtype, 8, 1024, 256);
  one->call.out[0] = TENSOR (dtype, 8, 1024, 256);
  count_bytes (one);
  for (int i = 3; i < 5; i++) {
    one->call.in[i] = TENSOR (FW_DTYPE_F32, 8, 1, 256);
    one->call.in[i].dim[1] = 1024;
    one->call.in[i].stride[1] = 0;
  }
  snprintf (one->shape, sizeof one->shape, "%s 8x1024x256 modulated", type);

  one = add_case (cases, count, "layer_norm_grad", KERNEL (layer_norm_grad));
  one->attributes.norm.epsilon = 1e-6;
  one->call.in[0] = TENSOR (dtype, 8, 1024, 256);
  one->call.in[3] = TENSOR (dtype, 8, 1024, 256);
  one->call.out[0] = TENSOR (dtype, 8, 1024, 256);
  count_bytes (one);
  one->call.in[2] = TENSOR (FW_DTYPE_F32, 8, 1, 256);
  one->call.in[2].dim[1] = 1024;
  one->call.in[2].stride[1] = 0;
  one->call.out[3] = TENSOR (FW_DTYPE_F32, 8, 1, 256);
  one->call.out[4] = TENSOR (FW_DTYPE_F32, 8, 1, 256);
  snprintf (one->shape, sizeof one->shape, "%s 8x1024x256 modulated", type);

  one = add_case (cases, count, "gate_residual_grad", KERNEL (gate_residual_grad));
  one->call.in[1] = TENSOR (dtype, 8, 1024, 256);
  one->call.in[2] = TENSOR (dtype, 8, 1024, 256);
  one->call.out[0] = TENSOR (dtype, 8, 1024, 256);
  count_bytes (one);
  one->call.in[0] = TENSOR (FW_DTYPE_F32, 8, 1, 256);
  one->call.in[0].dim[1] = 1024;
  one->call.in[0].stride[1] = 0;
  one->call.out[1] = TENSOR (FW_DTYPE_F32, 8, 1, 256);
  snprintf (one->shape, sizeof one->shape, "%s 8x1024x256", type);

  one = add_case (cases, count, "group_norm", KERNEL (group_norm));
  one->attributes.group_norm = (FwGroupNormAttributes) { 1e-6, 32, FW_FN_SILU };
  one->call.in[0] = TENSOR (dtype, 1, 128, 128, 256);
  one->call.in[1] = TENSOR (FW_DTYPE_F32, 256);
  one->call.in[2] = TENSOR (FW_DTYPE_F32, 256);
  one->call.out[0] = TENSOR (dtype, 1, 128, 128, 256);
  count_bytes (one);
  snprintf (one->shape, sizeof one->shape, "%s 128x128x256 silu", type);
}

static void
add_adamw (BenchCase *cases, int *count)
{
  BenchCase *one = add_case (cases, count, "adamw", KERNEL (adamw));
  one->attributes.adamw = (FwAdamwAttributes) { 0.9, 0.999, 1e-8, 0.01 };
  for (int i = 0; i < 4; i++)
    one->call.in[i] = TENSOR (FW_DTYPE_F32, 1 << 22);
  for (int i = 0; i < 1 << 22; i++)
    ((float *) one->call.in[2].data)[i] = 0.01f;
  one->call.in[4] = TENSOR (FW_DTYPE_F32, 4);
  float *hyper = one->call.in[4].data;
  hyper[0] = 1e-5f;
  hyper[1] = hyper[2] = hyper[3] = 1;
  for (int i = 0; i < 3; i++)
    one->call.out[i] = one->call.in[i];
  count_bytes (one);
  snprintf (one->shape, sizeof one->shape, "f32 4194304");
}

int
bench_cases (BenchCase *cases)
{
  static const FwDtype dtypes[] = { FW_DTYPE_BF16, FW_DTYPE_F32 };
  int count = 0;
  for (int i = 0; i < 2; i++) {
    FwDtype dtype = dtypes[i];
    add_linear (cases, &count, dtype, 4096, 1152, 1152, FW_FN_IDENTITY);
    add_linear (cases, &count, dtype, 8192, 256, 256, FW_FN_IDENTITY);
    add_linear (cases, &count, dtype, 8192, 256, 768, FW_FN_IDENTITY);
    add_linear (cases, &count, dtype, 8192, 256, 1024, FW_FN_IDENTITY);
    add_linear (cases, &count, dtype, 8192, 256, 1024, FW_FN_GELU_TANH);
    add_linear (cases, &count, dtype, 8192, 1024, 256, FW_FN_IDENTITY);
    add_linear (cases, &count, dtype, 120, 4096, 4096, FW_FN_IDENTITY);
    add_grad_weight (cases, &count, dtype, 8192, 256, 1024);
    add_grad_weight (cases, &count, dtype, 8192, 1024, 256);
    add_grad_weight (cases, &count, dtype, 8192, 256, 256);
    for (int gradient = 0; gradient < 2; gradient++) {
      add_attention (cases, &count, dtype, 8, 64, 16, 4, 64, true, gradient);
      add_attention (cases, &count, dtype, 8, 16, 64, 4, 64, false, gradient);
      add_attention (cases, &count, dtype, 1, 4, 256, 16, 72, false, gradient);
      add_attention (cases, &count, dtype, 1, 1, 1024, 4, 64, false, gradient);
    }
    add_conv (cases, &count, dtype, 1, 64, 512, 512, 1);
    add_conv (cases, &count, dtype, 1, 128, 256, 256, 1);
    add_conv (cases, &count, dtype, 5, 64, 128, 128, 3);
    add_passes (cases, &count, dtype);
  }
  add_adamw (cases, &count);
  return count;
}
