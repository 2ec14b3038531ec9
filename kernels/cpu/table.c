/* SPDX-License-Identifier: Apache-2.0
 * The table of one instruction set. FW_PATH_NAME is what the path is called outside. */
#include "kernels/cpu/kernels.h"

#ifdef FW_BF16_PRODUCTS
#define BF16_PRODUCTS true
#else
#define BF16_PRODUCTS false
#endif

#define fw_cpu_path FW_ISA (fw_cpu_path)
extern const FwCpuPath fw_cpu_path;

const FwCpuPath fw_cpu_path = {
  .name = FW_PATH_NAME,
  .bf16 = BF16_PRODUCTS,
  .unary = { fw_unary_run, NULL },
  .unary_grad = { fw_unary_grad_run, NULL },
  .binary = { fw_binary_run, NULL },
  .gated = { fw_gated_run, NULL },
  .gated_grad = { fw_gated_grad_run, NULL },
  .gate_residual = { fw_gate_residual_run, NULL },
  .gate_residual_grad = { fw_gate_residual_grad_run, fw_gate_residual_grad_scratch },
  .copy = { fw_copy_run, NULL },
  .fill = { fw_fill_run, NULL },
  .sinusoid = { fw_sinusoid_run, NULL },
  .reduce = { fw_reduce_run, fw_reduce_scratch },
  .softmax = { fw_softmax_run, NULL },
  .softmax_grad = { fw_softmax_grad_run, NULL },
  .cross_entropy = { fw_cross_entropy_run, NULL },
  .cross_entropy_grad = { fw_cross_entropy_grad_run, NULL },
  .layer_norm = { fw_layer_norm_run, NULL },
  .layer_norm_grad = { fw_layer_norm_grad_run, fw_layer_norm_grad_scratch },
  .rms_norm = { fw_rms_norm_run, NULL },
  .rms_norm_grad = { fw_rms_norm_grad_run, fw_rms_norm_grad_scratch },
  .group_norm = { fw_group_norm_run, fw_group_norm_scratch },
  .group_norm_grad = { fw_group_norm_grad_run, fw_group_norm_grad_scratch },
  .linear = { fw_linear_run, fw_linear_scratch },
  .linear_grad_weight = { fw_linear_grad_weight_run, fw_linear_grad_weight_scratch },
  .matmul = { fw_matmul_run, fw_matmul_scratch },
  .attention = { fw_attention_run, fw_attention_scratch },
  .attention_grad = { fw_attention_grad_run, fw_attention_grad_scratch },
  .conv = { fw_conv_run, fw_conv_scratch },
  .conv_grad_input = { fw_conv_grad_input_run, fw_conv_grad_input_scratch },
  .conv_grad_weight = { fw_conv_grad_weight_run, fw_conv_grad_weight_scratch },
  .resample = { fw_resample_run, NULL },
  .resample_grad = { fw_resample_grad_run, NULL },
  .embedding = { fw_embedding_run, NULL },
  .embedding_grad = { fw_embedding_grad_run, NULL },
  .concat = { fw_concat_run, NULL },
  .pad = { fw_pad_run, NULL },
  .sum_squares = { fw_sum_squares_run, fw_sum_squares_scratch },
  .adamw = { fw_adamw_run, NULL },
  .ema = { fw_ema_run, NULL },
};
