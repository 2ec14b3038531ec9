/* SPDX-License-Identifier: Apache-2.0
 * The one table of ops. */
#include "engine/graph/op-table.h"

#include "kernels/cpu/cpu.h"
#include "kernels/ops.h"
#include "kernels/ref/ref.h"

#define KERNELS(op) .ref = &fw_ref_##op, .cpu = offsetof (FwCpuPath, op)

const FwOp fw_ops[FW_N_OPS] = {
  [FW_OP_RESHAPE] = { "reshape", 1, 1, 1, sizeof (FwReshapeAttributes), TRUE, fw_infer_reshape, fw_grad_reshape,
                      .integers = 1 },
  [FW_OP_PERMUTE] = { "permute", 1, 1, 1, sizeof (FwPermuteAttributes), TRUE, fw_infer_permute, fw_grad_permute,
                      .integers = 1 },
  [FW_OP_SLICE] = { "slice", 1, 1, 1, sizeof (FwSliceAttributes), TRUE, fw_infer_slice, fw_grad_slice,
                    .integers = 1 },
  [FW_OP_DETACH] = { "detach", 1, 1, 1, 0, TRUE, fw_infer_detach, .integers = 1 },

  [FW_OP_UNARY] = { "unary", 1, 1, 1, sizeof (FwUnaryAttributes), FALSE, fw_infer_same, fw_grad_unary,
                    KERNELS (unary), .alias = 1 },
  [FW_OP_UNARY_GRAD] = { "unary_grad", 2, 1, 2, sizeof (FwUnaryAttributes), FALSE, fw_infer_same,
                         KERNELS (unary_grad), .alias = 2 },
  [FW_OP_BINARY] = { "binary", 2, 1, 2, sizeof (FwBinaryAttributes), FALSE, fw_infer_binary, fw_grad_binary, KERNELS (binary),
                     .broadcast = 3, .broadcast_like = -1, .alias = 3 },
  [FW_OP_GATED] = { "gated", 2, 1, 2, sizeof (FwGatedAttributes), FALSE, fw_infer_gated, fw_grad_gated, KERNELS (gated) },
  [FW_OP_GATED_GRAD] = { "gated_grad", 3, 2, 3, sizeof (FwGatedAttributes), FALSE, fw_infer_gated_grad, KERNELS (gated_grad) },
  [FW_OP_GATE_RESIDUAL] = { "gate_residual", 3, 1, 3, 0, FALSE, fw_infer_gate_residual, fw_grad_gate_residual,
                            KERNELS (gate_residual), .broadcast = 6, .broadcast_like = -1, .alias = 1 },
  [FW_OP_GATE_RESIDUAL_GRAD] = { "gate_residual_grad", 3, 2, 3, 0, FALSE, fw_infer_gate_residual_grad,
                                 KERNELS (gate_residual_grad), .broadcast = 3, .broadcast_like = 2 },
  [FW_OP_COPY] = { "copy", 1, 1, 1, sizeof (FwCopyRecord), FALSE, fw_infer_copy, fw_grad_copy, KERNELS (copy), .integers = 1 },
  [FW_OP_FILL] = { "fill", 0, 1, 0, sizeof (FwFillRecord), FALSE, fw_infer_fill, KERNELS (fill) },
  [FW_OP_SINUSOID] = { "sinusoid", 1, 1, 1, sizeof (FwSinusoidRecord), FALSE, fw_infer_sinusoid, KERNELS (sinusoid) },

  [FW_OP_REDUCE] = { "reduce", 1, 1, 1, sizeof (FwReduceAttributes), FALSE, fw_infer_reduce, fw_grad_reduce, KERNELS (reduce) },
  [FW_OP_SOFTMAX] = { "softmax", 1, 1, 1, 0, FALSE, fw_infer_same, fw_grad_softmax, KERNELS (softmax) },
  [FW_OP_SOFTMAX_GRAD] = { "softmax_grad", 2, 1, 2, 0, FALSE, fw_infer_same, KERNELS (softmax_grad) },
  [FW_OP_CROSS_ENTROPY] = { "cross_entropy", 2, 1, 2, 0, FALSE, fw_infer_cross_entropy, fw_grad_cross_entropy,
                            KERNELS (cross_entropy), .integers = 2 },
  [FW_OP_CROSS_ENTROPY_GRAD] = { "cross_entropy_grad", 3, 1, 3, 0, FALSE, fw_infer_same, KERNELS (cross_entropy_grad),
                                .integers = 2 },

  [FW_OP_LINEAR] = { "linear", 5, 3, 2, sizeof (FwLinearAttributes), FALSE, fw_infer_linear, fw_grad_linear, fw_flops_linear,
                     KERNELS (linear), .broadcast = 1 << 4, .broadcast_like = -1, .alias = 8 },
  [FW_OP_LINEAR_GRAD_WEIGHT] = { "linear_grad_weight", 2, 2, 2, 0, FALSE, fw_infer_linear_grad_weight, NULL,
                                 fw_flops_linear_grad_weight, KERNELS (linear_grad_weight) },
  [FW_OP_MATMUL] = { "matmul", 2, 1, 2, sizeof (FwMatmulAttributes), FALSE, fw_infer_matmul, fw_grad_matmul, fw_flops_matmul,
                     KERNELS (matmul) },
  [FW_OP_ATTENTION] = { "attention", 5, 2, 3, sizeof (FwAttentionAttributes), FALSE, fw_infer_attention, fw_grad_attention,
                        fw_flops_attention, KERNELS (attention), .integers = 1 << 3, .unbounded = 1 << 1 },
  [FW_OP_ATTENTION_GRAD] = { "attention_grad", 8, 4, 3, sizeof (FwAttentionAttributes), FALSE, fw_infer_attention_grad, NULL,
                             fw_flops_attention_grad, KERNELS (attention_grad), .integers = 1 << 3 },

  [FW_OP_CONV] = { "conv", 3, 1, 2, sizeof (FwConvAttributes), FALSE, fw_infer_conv, fw_grad_conv, fw_flops_conv, KERNELS (conv),
                   .dense = 6 },
  [FW_OP_CONV_GRAD_INPUT] = { "conv_grad_input", 2, 1, 2, sizeof (FwConvGradRecord), FALSE, fw_infer_conv_grad_input, NULL,
                              fw_flops_conv_grad, KERNELS (conv_grad_input), .dense = 2 },
  [FW_OP_CONV_GRAD_WEIGHT] = { "conv_grad_weight", 2, 2, 2, sizeof (FwConvGradRecord), FALSE, fw_infer_conv_grad_weight, NULL,
                               fw_flops_conv_grad, KERNELS (conv_grad_weight), .dense_results = TRUE },
  [FW_OP_RESAMPLE] = { "resample", 1, 1, 1, sizeof (FwResampleAttributes), FALSE, fw_infer_resample, fw_grad_resample,
                       KERNELS (resample) },
  [FW_OP_RESAMPLE_GRAD] = { "resample_grad", 1, 1, 1, sizeof (FwResampleAttributes), FALSE, fw_infer_resample_grad,
                            KERNELS (resample_grad) },

  [FW_OP_LAYER_NORM] = { "layer_norm", 5, 1, 1, sizeof (FwNormAttributes), FALSE, fw_infer_layer_norm, fw_grad_layer_norm,
                         KERNELS (layer_norm), .broadcast = 3 << 3, .broadcast_like = 0 },
  [FW_OP_LAYER_NORM_GRAD] = { "layer_norm_grad", 5, 6, 1, sizeof (FwNormAttributes), FALSE, fw_infer_layer_norm_grad,
                              KERNELS (layer_norm_grad), .broadcast = 1 << 2, .broadcast_like = 0 },
  [FW_OP_RMS_NORM] = { "rms_norm", 2, 1, 2, sizeof (FwNormAttributes), FALSE, fw_infer_norm, fw_grad_rms_norm,
                       KERNELS (rms_norm) },
  [FW_OP_RMS_NORM_GRAD] = { "rms_norm_grad", 3, 2, 3, sizeof (FwNormAttributes), FALSE, fw_infer_norm_grad,
                            KERNELS (rms_norm_grad) },
  [FW_OP_GROUP_NORM] = { "group_norm", 3, 1, 3, sizeof (FwGroupNormAttributes), FALSE, fw_infer_group_norm, fw_grad_group_norm,
                         KERNELS (group_norm), .dense = 1, .dense_results = TRUE },
  [FW_OP_GROUP_NORM_GRAD] = { "group_norm_grad", 4, 3, 4, sizeof (FwGroupNormAttributes), FALSE, fw_infer_norm_grad,
                              KERNELS (group_norm_grad), .dense = 9, .dense_results = TRUE },

  [FW_OP_EMBEDDING] = { "embedding", 2, 1, 2, 0, FALSE, fw_infer_embedding, fw_grad_embedding,
                        KERNELS (embedding), .integers = 2 },
  [FW_OP_EMBEDDING_GRAD] = { "embedding_grad", 2, 1, 2, sizeof (FwEmbeddingGradRecord), FALSE, fw_infer_embedding_grad,
                             KERNELS (embedding_grad), .integers = 1 },
  [FW_OP_CONCAT] = { "concat", FW_MAX_INPUTS, 1, 1, sizeof (FwConcatAttributes), FALSE, fw_infer_concat, fw_grad_concat,
                     KERNELS (concat), .integers = ~0u, .dense_results = TRUE },
  [FW_OP_PAD] = { "pad", 1, 1, 1, sizeof (FwPadRecord), FALSE, fw_infer_pad, fw_grad_pad, KERNELS (pad), .integers = 1 },

  [FW_OP_SUM_SQUARES] = { "sum_squares", 1, 1, 1, 0, FALSE, fw_infer_sum_squares, KERNELS (sum_squares), .dense = 1 },
  [FW_OP_ADAMW] = { "adamw", 5, 3, 5, sizeof (FwAdamwAttributes), FALSE, fw_infer_adamw, KERNELS (adamw), .dense = 0x1f },
  [FW_OP_EMA] = { "ema", 3, 1, 3, 0, FALSE, fw_infer_ema, KERNELS (ema), .dense = 7 },
};
