/* SPDX-License-Identifier: Apache-2.0
 * The fast CPU kernels, one set per instruction set, and the choice among them at run time. */
#pragma once
#include "kernels/ops.h"

/* A set of kernels for one kind of processor. A kernel whose run is NULL does not exist in this set: the caller uses
 * kernels/ref. Fields are named after the ops. */
typedef struct {
  const char *name;  /* "ref", "avx2", "avx512", "amx" */
  bool bf16;         /* whether products of bf16 numbers have hardware of their own */
  FwKernel unary, unary_grad, binary, gated, gated_grad, gate_residual, gate_residual_grad, copy, fill, sinusoid,
    reduce, softmax, softmax_grad, cross_entropy, cross_entropy_grad,
    linear, linear_grad_weight, matmul, attention, attention_grad,
    conv, conv_grad_input, conv_grad_weight, resample, resample_grad,
    layer_norm, layer_norm_grad, rms_norm, rms_norm_grad, group_norm, group_norm_grad,
    embedding, embedding_grad, concat, pad, sum_squares, adamw, ema;
} FwCpuPath;

/* The best path this processor and operating system allow, or the one named by @forced ("ref", "avx2", "avx512", "amx";
 * NULL for automatic). NULL if @forced is unknown or not possible here. The result is constant. Thread safe. */
const FwCpuPath *fw_cpu_path (const char *forced);
/* All paths that can run here, best first, NULL-terminated. */
const FwCpuPath *const *fw_cpu_paths (void);
/* To be called once by every thread before it runs kernels: denormals count as zero, AMX state is asked for. */
void fw_cpu_thread_init (void);
