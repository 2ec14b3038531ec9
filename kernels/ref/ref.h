/* SPDX-License-Identifier: Apache-2.0
 * The reference kernels: plain C in double, any float dtype, any strides. They define what the ops of kernels/ops.h mean. */
#pragma once
#include "kernels/ops.h"

extern const FwKernel fw_ref_unary, fw_ref_unary_grad, fw_ref_binary, fw_ref_gated, fw_ref_gated_grad,
  fw_ref_gate_residual, fw_ref_gate_residual_grad, fw_ref_copy, fw_ref_fill, fw_ref_sinusoid;
extern const FwKernel fw_ref_reduce, fw_ref_softmax, fw_ref_softmax_grad, fw_ref_cross_entropy, fw_ref_cross_entropy_grad;
extern const FwKernel fw_ref_linear, fw_ref_linear_grad_weight, fw_ref_matmul, fw_ref_attention, fw_ref_attention_grad;
extern const FwKernel fw_ref_conv, fw_ref_conv_grad_input, fw_ref_conv_grad_weight, fw_ref_resample, fw_ref_resample_grad;
extern const FwKernel fw_ref_layer_norm, fw_ref_layer_norm_grad, fw_ref_rms_norm, fw_ref_rms_norm_grad,
  fw_ref_group_norm, fw_ref_group_norm_grad;
extern const FwKernel fw_ref_embedding, fw_ref_embedding_grad, fw_ref_concat, fw_ref_pad;
extern const FwKernel fw_ref_sum_squares, fw_ref_adamw, fw_ref_ema;
