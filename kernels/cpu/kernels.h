/* SPDX-License-Identifier: Apache-2.0
 * The kernels that each instruction set compiles, as its table (table.c) names them: fw_OP_run, and fw_OP_scratch where the
 * op wants scratch; that reads call->parallel->workers where workers need room of their own. kernels/ops.h says what they
 * compute. */
#pragma once
#include "kernels/cpu/isa.h"

#define fw_unary_run FW_ROWS (fw_unary_run)
#define fw_unary_grad_run FW_ROWS (fw_unary_grad_run)
#define fw_binary_run FW_ROWS (fw_binary_run)
#define fw_gated_run FW_ROWS (fw_gated_run)
#define fw_gated_grad_run FW_ROWS (fw_gated_grad_run)
#define fw_gate_residual_run FW_ROWS (fw_gate_residual_run)
#define fw_gate_residual_grad_run FW_ROWS (fw_gate_residual_grad_run)
#define fw_gate_residual_grad_scratch FW_ROWS (fw_gate_residual_grad_scratch)
#define fw_copy_run FW_ROWS (fw_copy_run)
#define fw_fill_run FW_ROWS (fw_fill_run)
#define fw_sinusoid_run FW_ROWS (fw_sinusoid_run)
#define fw_reduce_run FW_ROWS (fw_reduce_run)
#define fw_reduce_scratch FW_ROWS (fw_reduce_scratch)
#define fw_softmax_run FW_ROWS (fw_softmax_run)
#define fw_softmax_grad_run FW_ROWS (fw_softmax_grad_run)
#define fw_cross_entropy_run FW_ROWS (fw_cross_entropy_run)
#define fw_cross_entropy_grad_run FW_ROWS (fw_cross_entropy_grad_run)
#define fw_layer_norm_run FW_ROWS (fw_layer_norm_run)
#define fw_layer_norm_grad_run FW_ROWS (fw_layer_norm_grad_run)
#define fw_layer_norm_grad_scratch FW_ROWS (fw_layer_norm_grad_scratch)
#define fw_rms_norm_run FW_ROWS (fw_rms_norm_run)
#define fw_rms_norm_grad_run FW_ROWS (fw_rms_norm_grad_run)
#define fw_rms_norm_grad_scratch FW_ROWS (fw_rms_norm_grad_scratch)
#define fw_group_norm_run FW_ROWS (fw_group_norm_run)
#define fw_group_norm_scratch FW_ROWS (fw_group_norm_scratch)
#define fw_group_norm_grad_run FW_ROWS (fw_group_norm_grad_run)
#define fw_group_norm_grad_scratch FW_ROWS (fw_group_norm_grad_scratch)
#define fw_resample_run FW_ROWS (fw_resample_run)
#define fw_resample_grad_run FW_ROWS (fw_resample_grad_run)
#define fw_embedding_run FW_ROWS (fw_embedding_run)
#define fw_embedding_grad_run FW_ROWS (fw_embedding_grad_run)
#define fw_concat_run FW_ROWS (fw_concat_run)
#define fw_pad_run FW_ROWS (fw_pad_run)
#define fw_sum_squares_run FW_ROWS (fw_sum_squares_run)
#define fw_sum_squares_scratch FW_ROWS (fw_sum_squares_scratch)
#define fw_adamw_run FW_ROWS (fw_adamw_run)
#define fw_ema_run FW_ROWS (fw_ema_run)

void fw_unary_run (const FwKernelCall *call);
void fw_unary_grad_run (const FwKernelCall *call);
void fw_binary_run (const FwKernelCall *call);
void fw_gated_run (const FwKernelCall *call);
void fw_gated_grad_run (const FwKernelCall *call);
void fw_gate_residual_run (const FwKernelCall *call);
void fw_gate_residual_grad_run (const FwKernelCall *call);
size_t fw_gate_residual_grad_scratch (const FwKernelCall *call);
void fw_copy_run (const FwKernelCall *call);
void fw_fill_run (const FwKernelCall *call);
void fw_sinusoid_run (const FwKernelCall *call);
void fw_reduce_run (const FwKernelCall *call);
size_t fw_reduce_scratch (const FwKernelCall *call);
void fw_softmax_run (const FwKernelCall *call);
void fw_softmax_grad_run (const FwKernelCall *call);
void fw_cross_entropy_run (const FwKernelCall *call);
void fw_cross_entropy_grad_run (const FwKernelCall *call);
void fw_layer_norm_run (const FwKernelCall *call);
void fw_layer_norm_grad_run (const FwKernelCall *call);
size_t fw_layer_norm_grad_scratch (const FwKernelCall *call);
void fw_rms_norm_run (const FwKernelCall *call);
void fw_rms_norm_grad_run (const FwKernelCall *call);
size_t fw_rms_norm_grad_scratch (const FwKernelCall *call);
void fw_group_norm_run (const FwKernelCall *call);
size_t fw_group_norm_scratch (const FwKernelCall *call);
void fw_group_norm_grad_run (const FwKernelCall *call);
size_t fw_group_norm_grad_scratch (const FwKernelCall *call);
void fw_resample_run (const FwKernelCall *call);
void fw_resample_grad_run (const FwKernelCall *call);
void fw_embedding_run (const FwKernelCall *call);
void fw_embedding_grad_run (const FwKernelCall *call);
void fw_concat_run (const FwKernelCall *call);
void fw_pad_run (const FwKernelCall *call);
void fw_sum_squares_run (const FwKernelCall *call);
size_t fw_sum_squares_scratch (const FwKernelCall *call);
void fw_adamw_run (const FwKernelCall *call);
void fw_ema_run (const FwKernelCall *call);

#define fw_attention_run FW_ISA (fw_attention_run)
#define fw_attention_scratch FW_ISA (fw_attention_scratch)
#define fw_attention_grad_run FW_ISA (fw_attention_grad_run)
#define fw_attention_grad_scratch FW_ISA (fw_attention_grad_scratch)
#define fw_conv_run FW_ISA (fw_conv_run)
#define fw_conv_scratch FW_ISA (fw_conv_scratch)
#define fw_conv_grad_input_run FW_ISA (fw_conv_grad_input_run)
#define fw_conv_grad_input_scratch FW_ISA (fw_conv_grad_input_scratch)
#define fw_conv_grad_weight_run FW_ISA (fw_conv_grad_weight_run)
#define fw_conv_grad_weight_scratch FW_ISA (fw_conv_grad_weight_scratch)
#define fw_linear_run FW_ISA (fw_linear_run)
#define fw_linear_scratch FW_ISA (fw_linear_scratch)
#define fw_linear_grad_weight_run FW_ISA (fw_linear_grad_weight_run)
#define fw_linear_grad_weight_scratch FW_ISA (fw_linear_grad_weight_scratch)
#define fw_matmul_run FW_ISA (fw_matmul_run)
#define fw_matmul_scratch FW_ISA (fw_matmul_scratch)

void fw_attention_run (const FwKernelCall *call);
size_t fw_attention_scratch (const FwKernelCall *call);
void fw_attention_grad_run (const FwKernelCall *call);
size_t fw_attention_grad_scratch (const FwKernelCall *call);
void fw_conv_run (const FwKernelCall *call);
size_t fw_conv_scratch (const FwKernelCall *call);
void fw_conv_grad_input_run (const FwKernelCall *call);
size_t fw_conv_grad_input_scratch (const FwKernelCall *call);
void fw_conv_grad_weight_run (const FwKernelCall *call);
size_t fw_conv_grad_weight_scratch (const FwKernelCall *call);
void fw_linear_run (const FwKernelCall *call);
size_t fw_linear_scratch (const FwKernelCall *call);
void fw_linear_grad_weight_run (const FwKernelCall *call);
size_t fw_linear_grad_weight_scratch (const FwKernelCall *call);
void fw_matmul_run (const FwKernelCall *call);
size_t fw_matmul_scratch (const FwKernelCall *call);
