/* SPDX-License-Identifier: Apache-2.0
 * The op table: one row per op with everything the engine knows of it. */
#pragma once
#include "engine/graph/graph.h"
#include "kernels/ops.h"

typedef struct _FwGradient FwGradient;

struct _FwOp {
  const char *name;
  guint n_in, n_out;             /* the most operands it takes; absent ones are 0 */
  guint n_required;              /* leading inputs that must be present */
  gsize attributes;              /* bytes of the attribute struct of kernels/ops.h */
  gboolean view;                 /* only another look at input 0: no kernel */
  gboolean (*infer) (FwGraph *graph, FwNode *node);                  /* shapes and dtypes of the outputs */
  void (*gradient) (FwGradient *gradient, const FwNode *node);       /* NULL: no derivative */
  double (*flops) (const FwGraph *graph, const FwNode *node);        /* NULL: counts as one per output element */
  const FwKernel *ref;
  gsize cpu;                     /* offset of its FwKernel in FwCpuPath */
  guint32 broadcast;             /* bit i: input i is expanded with stride 0 ... */
  gint8 broadcast_like;          /* ... to the shape of this input, or of output 0 when -1 */
  guint32 alias;                 /* bit 4*o + i (i < 4): output o may lie on input i */
  guint32 integers;              /* bit i: input i may hold ids, labels or a mask; all others are floats */
  guint32 dense;                 /* bit i: input i must lie contiguously */
  gboolean dense_results;        /* all outputs must */
  guint32 unbounded;             /* bit o: output o is a statistic that may be infinite where every number is sound */
};

typedef enum {
  FW_OP_RESHAPE, FW_OP_PERMUTE, FW_OP_SLICE, FW_OP_DETACH,
  FW_OP_UNARY, FW_OP_UNARY_GRAD, FW_OP_BINARY, FW_OP_GATED, FW_OP_GATED_GRAD, FW_OP_GATE_RESIDUAL, FW_OP_GATE_RESIDUAL_GRAD,
  FW_OP_COPY, FW_OP_FILL, FW_OP_SINUSOID,
  FW_OP_REDUCE, FW_OP_SOFTMAX, FW_OP_SOFTMAX_GRAD, FW_OP_CROSS_ENTROPY, FW_OP_CROSS_ENTROPY_GRAD,
  FW_OP_LINEAR, FW_OP_LINEAR_GRAD_WEIGHT, FW_OP_MATMUL, FW_OP_ATTENTION, FW_OP_ATTENTION_GRAD,
  FW_OP_CONV, FW_OP_CONV_GRAD_INPUT, FW_OP_CONV_GRAD_WEIGHT, FW_OP_RESAMPLE, FW_OP_RESAMPLE_GRAD,
  FW_OP_LAYER_NORM, FW_OP_LAYER_NORM_GRAD, FW_OP_RMS_NORM, FW_OP_RMS_NORM_GRAD, FW_OP_GROUP_NORM, FW_OP_GROUP_NORM_GRAD,
  FW_OP_EMBEDDING, FW_OP_EMBEDDING_GRAD, FW_OP_CONCAT, FW_OP_PAD,
  FW_OP_SUM_SQUARES, FW_OP_ADAMW, FW_OP_EMA,
  FW_N_OPS
} FwOpId;

extern const FwOp fw_ops[FW_N_OPS];
#define FW_OP(id) (&fw_ops[FW_OP_##id])

/* The type that holds the numbers of both float types: F64 if either is, else F32 unless they are equal. */
FwDtype fw_promote (FwDtype a, FwDtype b);
/* Whether @small, with axes of size 1 in front up to @large's rank, repeats to the shape of @large. */
gboolean fw_broadcasts_to (const FwTensor *small, const FwTensor *large);

/* Whether output @output of @op may lie on input @input. */
static inline gboolean
fw_op_may_alias (const FwOp *op, guint output, guint input)
{
  return input < 4 && (op->alias >> (4 * output + input)) & 1;
}

/* Views */
typedef struct { int rank; gint64 dim[FW_MAX_RANK]; } FwReshapeAttributes;
typedef struct { int axis[FW_MAX_RANK]; } FwPermuteAttributes;
typedef struct { int axis; gint64 start, size; } FwSliceAttributes;

/* What recording adds behind a kernel's own attributes: the dtype or shape of a result that no operand tells. */
typedef struct { FwDtype dtype; } FwCopyRecord;
typedef struct { FwFillAttributes kernel; FwDtype dtype; int rank; gint64 dim[FW_MAX_RANK]; } FwFillRecord;
typedef struct { FwSinusoidAttributes kernel; FwDtype dtype; gint64 dim; } FwSinusoidRecord;
typedef struct { FwConvAttributes kernel; gint64 dim[5]; } FwConvGradRecord;
typedef struct { gint64 dim[2]; } FwEmbeddingGradRecord;
typedef struct { FwPadAttributes kernel; gint64 dim[FW_MAX_RANK]; } FwPadRecord;

/* Rows' functions, defined in op-<family>.c. */
gboolean fw_infer_reshape (FwGraph *graph, FwNode *node);
gboolean fw_infer_permute (FwGraph *graph, FwNode *node);
gboolean fw_infer_slice (FwGraph *graph, FwNode *node);
gboolean fw_infer_detach (FwGraph *graph, FwNode *node);
void fw_grad_reshape (FwGradient *gradient, const FwNode *node);
void fw_grad_permute (FwGradient *gradient, const FwNode *node);
void fw_grad_slice (FwGradient *gradient, const FwNode *node);

gboolean fw_infer_same (FwGraph *graph, FwNode *node);          /* every output like input 0 */
gboolean fw_infer_binary (FwGraph *graph, FwNode *node);
gboolean fw_infer_gated (FwGraph *graph, FwNode *node);
gboolean fw_infer_gated_grad (FwGraph *graph, FwNode *node);
gboolean fw_infer_gate_residual (FwGraph *graph, FwNode *node);
gboolean fw_infer_gate_residual_grad (FwGraph *graph, FwNode *node);
gboolean fw_infer_copy (FwGraph *graph, FwNode *node);
gboolean fw_infer_fill (FwGraph *graph, FwNode *node);
gboolean fw_infer_sinusoid (FwGraph *graph, FwNode *node);
void fw_grad_unary (FwGradient *gradient, const FwNode *node);
void fw_grad_binary (FwGradient *gradient, const FwNode *node);
void fw_grad_gated (FwGradient *gradient, const FwNode *node);
void fw_grad_gate_residual (FwGradient *gradient, const FwNode *node);
void fw_grad_copy (FwGradient *gradient, const FwNode *node);

gboolean fw_infer_reduce (FwGraph *graph, FwNode *node);
gboolean fw_infer_cross_entropy (FwGraph *graph, FwNode *node);
void fw_grad_reduce (FwGradient *gradient, const FwNode *node);
void fw_grad_softmax (FwGradient *gradient, const FwNode *node);
void fw_grad_cross_entropy (FwGradient *gradient, const FwNode *node);

gboolean fw_infer_linear (FwGraph *graph, FwNode *node);
gboolean fw_infer_linear_grad_weight (FwGraph *graph, FwNode *node);
gboolean fw_infer_matmul (FwGraph *graph, FwNode *node);
gboolean fw_infer_attention (FwGraph *graph, FwNode *node);
gboolean fw_infer_attention_grad (FwGraph *graph, FwNode *node);
void fw_grad_linear (FwGradient *gradient, const FwNode *node);
void fw_grad_matmul (FwGradient *gradient, const FwNode *node);
void fw_grad_attention (FwGradient *gradient, const FwNode *node);
double fw_flops_linear (const FwGraph *graph, const FwNode *node);
double fw_flops_linear_grad_weight (const FwGraph *graph, const FwNode *node);
double fw_flops_matmul (const FwGraph *graph, const FwNode *node);
double fw_flops_attention (const FwGraph *graph, const FwNode *node);
double fw_flops_attention_grad (const FwGraph *graph, const FwNode *node);

gboolean fw_infer_conv (FwGraph *graph, FwNode *node);
gboolean fw_infer_conv_grad_input (FwGraph *graph, FwNode *node);
gboolean fw_infer_conv_grad_weight (FwGraph *graph, FwNode *node);
gboolean fw_infer_resample (FwGraph *graph, FwNode *node);
gboolean fw_infer_resample_grad (FwGraph *graph, FwNode *node);
void fw_grad_conv (FwGradient *gradient, const FwNode *node);
void fw_grad_resample (FwGradient *gradient, const FwNode *node);
double fw_flops_conv (const FwGraph *graph, const FwNode *node);
double fw_flops_conv_grad (const FwGraph *graph, const FwNode *node);

gboolean fw_infer_norm (FwGraph *graph, FwNode *node);
gboolean fw_infer_layer_norm (FwGraph *graph, FwNode *node);
gboolean fw_infer_group_norm (FwGraph *graph, FwNode *node);
gboolean fw_infer_layer_norm_grad (FwGraph *graph, FwNode *node);
gboolean fw_infer_norm_grad (FwGraph *graph, FwNode *node);
void fw_grad_layer_norm (FwGradient *gradient, const FwNode *node);
void fw_grad_rms_norm (FwGradient *gradient, const FwNode *node);
void fw_grad_group_norm (FwGradient *gradient, const FwNode *node);

gboolean fw_infer_embedding (FwGraph *graph, FwNode *node);
gboolean fw_infer_embedding_grad (FwGraph *graph, FwNode *node);
gboolean fw_infer_concat (FwGraph *graph, FwNode *node);
gboolean fw_infer_pad (FwGraph *graph, FwNode *node);
void fw_grad_embedding (FwGradient *gradient, const FwNode *node);
void fw_grad_concat (FwGradient *gradient, const FwNode *node);
void fw_grad_pad (FwGradient *gradient, const FwNode *node);

gboolean fw_infer_sum_squares (FwGraph *graph, FwNode *node);
gboolean fw_infer_adamw (FwGraph *graph, FwNode *node);
gboolean fw_infer_ema (FwGraph *graph, FwNode *node);
