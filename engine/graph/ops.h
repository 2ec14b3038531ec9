/* SPDX-License-Identifier: Apache-2.0
 * Recording functions: what model code is written with. Each records one node (or a few) and returns its value; operands
 * named in brackets may be FW_NONE. kernels/ops.h says what each op computes. Shapes: trailing axes as written. */
#pragma once
#include "engine/graph/graph.h"
#include "kernels/ops.h"

/* Views: no arithmetic, no copy (a reshape that strides cannot express copies first). One size of a reshape may be -1. */
FwVal fw_reshape (FwGraph *graph, FwVal x, int rank, const gint64 *dim);
#define fw_reshape_to(graph, x, ...) \
  fw_reshape (graph, x, (int) G_N_ELEMENTS (((const gint64[]) { __VA_ARGS__ })), (const gint64[]) { __VA_ARGS__ })
FwVal fw_permute (FwGraph *graph, FwVal x, const int *axis);
#define fw_permute_to(graph, x, ...) fw_permute (graph, x, (const int[]) { __VA_ARGS__ })
FwVal fw_slice (FwGraph *graph, FwVal x, int axis, gint64 start, gint64 size);
/* Index @i of @axis, the axis removed. */
FwVal fw_select (FwGraph *graph, FwVal x, int axis, gint64 i);
/* x, through which no gradient passes. */
FwVal fw_detach (FwGraph *graph, FwVal x);

/* Pointwise. Binary operands broadcast as in numpy. */
FwVal fw_unary (FwGraph *graph, FwFunction function, FwVal x);
FwVal fw_affine (FwGraph *graph, FwVal x, double a, double b);
FwVal fw_clamp (FwGraph *graph, FwVal x, double low, double high);
FwVal fw_binary (FwGraph *graph, FwBinaryFunction function, FwVal a, FwVal b);
FwVal fw_add (FwGraph *graph, FwVal a, FwVal b);
FwVal fw_sub (FwGraph *graph, FwVal a, FwVal b);
FwVal fw_mul (FwGraph *graph, FwVal a, FwVal b);
/* fn(a) * b */
FwVal fw_gated (FwGraph *graph, FwFunction function, FwVal a, FwVal b);
/* h + gate * a */
FwVal fw_gate_residual (FwGraph *graph, FwVal h, FwVal gate, FwVal a);
/* x * (1 + scale) + shift */
FwVal fw_modulate (FwGraph *graph, FwVal x, FwVal shift, FwVal scale);
/* A dense copy as @dtype; returns x itself when nothing changes. */
FwVal fw_cast (FwGraph *graph, FwVal x, FwDtype dtype);
FwVal fw_contiguous (FwGraph *graph, FwVal x);
/* x, copied if the elements of its last axis do not lie side by side. */
FwVal fw_dense_rows (FwGraph *graph, FwVal x);
FwVal fw_fill (FwGraph *graph, double value, FwDtype dtype, int rank, const gint64 *dim);
/* t[B] -> [B, dim], cosines first (Open-Sora 1.0 spec 2.2). */
FwVal fw_sinusoid (FwGraph *graph, FwVal t, gint64 dim, double max_period, FwDtype dtype);

/* Sums. Reduced axes keep size 1. */
FwVal fw_reduce (FwGraph *graph, FwReduceFunction function, FwVal x, guint32 axes);
/* Sums x down to the shape @like broadcasts from. */
FwVal fw_reduce_to (FwGraph *graph, FwVal x, const FwTensor *like);
FwVal fw_softmax (FwGraph *graph, FwVal x);
FwVal fw_cross_entropy (FwGraph *graph, FwVal logits, FwVal labels);

/* Products. linear: x[..., K], w[N, K], [bias[N]]. */
FwVal fw_linear (FwGraph *graph, FwVal x, FwVal w, FwVal bias);
FwVal fw_matmul (FwGraph *graph, FwVal a, FwVal b, double alpha);
/* q, k, v: [B, N, H, K] or [B1, B2, N, H, K]; [mask[B1, Nk] u8]; [bias[H, Nq, Nk]] -> as q. */
FwVal fw_attention (FwGraph *graph, FwVal q, FwVal k, FwVal v, FwVal mask, FwVal bias, double scale, gboolean causal);

/* Convolution of [B, T, Y, X, I] with torch's w[O, I, kt, ky, kx]. */
FwVal fw_conv (FwGraph *graph, FwVal x, FwVal w, FwVal bias, const FwConvAttributes *attributes);
FwVal fw_upsample (FwGraph *graph, FwVal x, int time, int height, int width);

/* Norms: [w], [b] affine. */
FwVal fw_layer_norm (FwGraph *graph, FwVal x, FwVal w, FwVal b, double epsilon);
FwVal fw_rms_norm (FwGraph *graph, FwVal x, FwVal w, double epsilon);
FwVal fw_group_norm (FwGraph *graph, FwVal x, FwVal w, FwVal b, int groups, double epsilon);

/* Data. */
FwVal fw_embedding (FwGraph *graph, FwVal table, FwVal ids);
FwVal fw_concat (FwGraph *graph, int axis, const FwVal *parts, guint n_parts);
FwVal fw_pad (FwGraph *graph, FwVal x, const gint64 *before, const gint64 *dim);

/* Optimiser; see kernels/ops.h. The results lie on their operands. */
FwVal fw_sum_squares (FwGraph *graph, FwVal x);
void fw_adamw (FwGraph *graph, FwVal p, FwVal m, FwVal v, FwVal g, FwVal hyper, const FwAdamwAttributes *attributes);
void fw_ema (FwGraph *graph, FwVal e, FwVal p, FwVal hyper);
