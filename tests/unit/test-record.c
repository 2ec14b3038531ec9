/* SPDX-License-Identifier: Apache-2.0
 * Recording what cannot be: in every family of ops, wrong ranks, axes, sizes and types give one sentence and nothing else. */
#include <string.h>

#include "engine/graph/gradient.h"
#include "tests/unit/graph-run.h"

#define SHAPE(...) (int) G_N_ELEMENTS (((const gint64[]) { __VA_ARGS__ })), (const gint64[]) { __VA_ARGS__ }

static guint inputs;

/* A new external value of this dtype and shape. */
static FwVal
input (FwGraph *graph, FwDtype dtype, int rank, const gint64 *dim)
{
  g_autofree char *name = g_strdup_printf ("input%u", inputs++);
  return fw_external (graph, name, dtype, rank, dim);
}

#define IN(...) input (graph, FW_DTYPE_F32, SHAPE (__VA_ARGS__))
#define IDS(...) input (graph, FW_DTYPE_I32, SHAPE (__VA_ARGS__))
#define MASK(...) input (graph, FW_DTYPE_U8, SHAPE (__VA_ARGS__))
#define SCALAR input (graph, FW_DTYPE_F32, 0, NULL)

static void
assert_failed (FwGraph *graph, const char *expected)
{
  g_autoptr (GError) error = NULL;
  g_assert_false (fw_graph_finish (graph, &error));
  g_assert_error (error, FW_ERROR, FW_ERROR_CHECKPOINT);
  if (strstr (error->message, expected) == NULL)
    g_test_message ("“%s” says nothing of “%s”", error->message, expected);
  g_assert_nonnull (strstr (error->message, expected));
  g_assert_null (strchr (error->message, '\n'));
}

/* A function that records something that cannot be, and what the sentence must hold. */
typedef struct {
  const char *name;
  void (*record) (FwGraph *graph);
  const char *says;
} Bad;

#define BAD(name, expression) static void name (FwGraph *graph) { (void) (expression); }

BAD (reshape_count, fw_reshape_to (graph, IN (2, 3), 4, 2))
BAD (reshape_open, fw_reshape_to (graph, IN (2, 3), -1, 4))
BAD (reshape_two_open, fw_reshape_to (graph, IN (2, 3), -1, -1))
BAD (reshape_two_open_empty, fw_reshape_to (graph, IN (0, 3), -1, -1))
BAD (reshape_negative, fw_reshape_to (graph, IN (2, 3), -2, -3))
BAD (reshape_rank_9, fw_reshape_to (graph, IN (2, 3), 1, 1, 1, 1, 1, 1, 1, 2, 3))
BAD (reshape_rank_negative, fw_reshape (graph, IN (1), -1, NULL))
BAD (reshape_huge, fw_reshape_to (graph, IN (4), G_MAXINT64 / 2, 8))
BAD (permute_twice, fw_permute_to (graph, IN (2, 3), 0, 0))
BAD (permute_beyond, fw_permute_to (graph, IN (2, 3), 0, 2))
BAD (permute_negative, fw_permute_to (graph, IN (2, 3), -1, 0))
BAD (slice_axis, fw_slice (graph, IN (2, 3), 2, 0, 1))
BAD (slice_axis_negative, fw_slice (graph, IN (2, 3), -3, 0, 1))
BAD (slice_end, fw_slice (graph, IN (2, 3), 1, 2, 2))
BAD (slice_start_negative, fw_slice (graph, IN (2, 3), 1, -1, 2))
BAD (slice_size_negative, fw_slice (graph, IN (2, 3), 1, 2, -1))
BAD (slice_huge, fw_slice (graph, IN (2, 3), 1, G_MAXINT64, G_MAXINT64))
BAD (slice_scalar, fw_slice (graph, SCALAR, 0, 0, 1))
BAD (select_beyond, fw_select (graph, IN (2, 3), 0, 2))
BAD (select_axis, fw_select (graph, IN (2, 3), 5, 0))
BAD (detach_nothing, fw_detach (graph, FW_NONE))
BAD (unary_nothing, fw_unary (graph, FW_FN_SILU, FW_NONE))
BAD (unary_ids, fw_unary (graph, FW_FN_SILU, IDS (2)))
BAD (binary_shapes, fw_add (graph, IN (2, 3), IN (2, 4)))
BAD (binary_nothing, fw_mul (graph, IN (2, 3), FW_NONE))
BAD (binary_ids, fw_add (graph, IDS (2), IDS (2)))
BAD (binary_mask, fw_mul (graph, IN (2), MASK (2)))
BAD (binary_overflow, fw_add (graph, IN (1LL << 40, 1), IN (1, 1LL << 40)))
BAD (gated_shapes, fw_gated (graph, FW_FN_SILU, IN (2, 3), IN (2, 4)))
BAD (gated_ranks, fw_gated (graph, FW_FN_SILU, IN (2, 3), IN (3)))
BAD (residual_a, fw_gate_residual (graph, IN (2, 3), IN (3), IN (2, 4)))
BAD (residual_gate, fw_gate_residual (graph, IN (2, 3), IN (2), IN (2, 3)))
BAD (residual_gate_rank, fw_gate_residual (graph, IN (2, 3), IN (1, 2, 3), IN (2, 3)))
BAD (copy_nothing, fw_cast (graph, FW_NONE, FW_DTYPE_BF16))
BAD (fill_rank_9, fw_fill (graph, 0, FW_DTYPE_F32, SHAPE (1, 1, 1, 1, 1, 1, 1, 1, 1)))
BAD (fill_negative, fw_fill (graph, 0, FW_DTYPE_F32, SHAPE (2, -1)))
BAD (fill_huge, fw_fill (graph, 0, FW_DTYPE_F32, SHAPE (1LL << 31, 1LL << 31)))
BAD (sinusoid_rank_0, fw_sinusoid (graph, SCALAR, 8, 10000, FW_DTYPE_F32))
BAD (sinusoid_rank_2, fw_sinusoid (graph, IN (2, 2), 8, 10000, FW_DTYPE_F32))
BAD (sinusoid_negative, fw_sinusoid (graph, IN (2), -8, 10000, FW_DTYPE_F32))
BAD (reduce_nothing, fw_reduce (graph, FW_REDUCE_SUM, FW_NONE, 1))
BAD (softmax_nothing, fw_softmax (graph, FW_NONE))
BAD (cross_entropy_ranks, fw_cross_entropy (graph, IN (2, 3, 4), IDS (2, 3)))
BAD (cross_entropy_rows, fw_cross_entropy (graph, IN (2, 3), IDS (3)))
BAD (cross_entropy_labels, fw_cross_entropy (graph, IN (2, 3), IN (2)))
BAD (linear_depth, fw_linear (graph, IN (2, 3), IN (4, 5), FW_NONE))
BAD (linear_w_rank, fw_linear (graph, IN (2, 3), IN (3), FW_NONE))
BAD (linear_scalar, fw_linear (graph, SCALAR, IN (2, 1), FW_NONE))
BAD (linear_bias, fw_linear (graph, IN (2, 3), IN (4, 3), IN (3)))
BAD (linear_bias_rank, fw_linear (graph, IN (2, 3), IN (4, 3), IN (1, 4)))
BAD (linear_no_weight, fw_linear (graph, IN (2, 3), FW_NONE, IN (4)))
BAD (linear_ids, fw_linear (graph, IDS (2, 3), IN (4, 3), FW_NONE))
BAD (matmul_depth, fw_matmul (graph, IN (2, 3), IN (4, 5), 1))
BAD (matmul_ranks, fw_matmul (graph, IN (1, 2, 3), IN (3, 5), 1))
BAD (matmul_batch, fw_matmul (graph, IN (2, 2, 3), IN (3, 3, 5), 1))
BAD (matmul_vector, fw_matmul (graph, IN (3), IN (3), 1))
BAD (attention_ranks, fw_attention (graph, IN (2, 3, 8), IN (2, 3, 8), IN (2, 3, 8), FW_NONE, FW_NONE, 1, FALSE))
BAD (attention_mixed, fw_attention (graph, IN (2, 3, 2, 4), IN (2, 1, 3, 2, 4), IN (2, 3, 4), FW_NONE, FW_NONE, 1, FALSE))
BAD (attention_heads, fw_attention (graph, IN (2, 3, 2, 4), IN (2, 3, 1, 4), IN (2, 3, 1, 4), FW_NONE, FW_NONE, 1, FALSE))
BAD (attention_values, fw_attention (graph, IN (2, 3, 2, 4), IN (2, 5, 2, 4), IN (2, 4, 2, 4), FW_NONE, FW_NONE, 1, FALSE))
BAD (attention_width, fw_attention (graph, IN (2, 3, 2, 4), IN (2, 5, 2, 5), IN (2, 5, 2, 4), FW_NONE, FW_NONE, 1, FALSE))
BAD (attention_mask, fw_attention (graph, IN (2, 3, 2, 4), IN (2, 5, 2, 4), IN (2, 5, 2, 4), MASK (2, 3), FW_NONE, 1, FALSE))
BAD (attention_float_mask, fw_attention (graph, IN (2, 3, 2, 4), IN (2, 5, 2, 4), IN (2, 5, 2, 4), IN (2, 5), FW_NONE, 1, FALSE))
BAD (attention_bias, fw_attention (graph, IN (2, 3, 2, 4), IN (2, 5, 2, 4), IN (2, 5, 2, 4), FW_NONE, IN (2, 5, 3), 1, FALSE))
BAD (attention_nothing, fw_attention (graph, IN (2, 3, 2, 4), FW_NONE, IN (2, 5, 2, 4), FW_NONE, FW_NONE, 1, FALSE))

#define CONV(x, w, bias, ...) fw_conv (graph, x, w, bias, &(FwConvAttributes) { __VA_ARGS__ })
BAD (conv_rank, CONV (IN (1, 4, 4, 3), IN (2, 3, 1, 3, 3), FW_NONE, .stride = { 1, 1, 1 }))
BAD (conv_w_rank, CONV (IN (1, 1, 4, 4, 3), IN (2, 3, 3, 3), FW_NONE, .stride = { 1, 1, 1 }))
BAD (conv_channels, CONV (IN (1, 1, 4, 4, 3), IN (2, 4, 1, 3, 3), FW_NONE, .stride = { 1, 1, 1 }))
BAD (conv_bias, CONV (IN (1, 1, 4, 4, 3), IN (2, 3, 1, 3, 3), IN (3), .stride = { 1, 1, 1 }))
BAD (conv_stride, CONV (IN (1, 1, 4, 4, 3), IN (2, 3, 1, 3, 3), FW_NONE, .stride = { 1, 0, 1 }))
BAD (conv_kernel_too_large, CONV (IN (1, 1, 2, 4, 3), IN (2, 3, 1, 3, 3), FW_NONE, .stride = { 1, 1, 1 }))
BAD (conv_empty_kernel, CONV (IN (1, 1, 4, 4, 3), IN (2, 3, 0, 3, 3), FW_NONE, .stride = { 1, 1, 1 }))
BAD (conv_negative_pad, CONV (IN (1, 1, 4, 4, 3), IN (2, 3, 1, 3, 3), FW_NONE, .stride = { 1, 1, 1 }, .pad_front = { 0, -1, 0 }))
BAD (conv_enlargement, CONV (IN (1, 1, 4, 4, 3), IN (2, 3, 1, 3, 3), FW_NONE, .stride = { 1, 1, 1 }, .upsample = 3))
BAD (upsample_rank, fw_upsample (graph, IN (4, 4, 3), 1, 2, 2))
BAD (upsample_zero, fw_upsample (graph, IN (1, 1, 4, 4, 3), 1, 0, 2))
BAD (upsample_negative, fw_upsample (graph, IN (1, 1, 4, 4, 3), -1, -2, 1))
BAD (upsample_huge, fw_upsample (graph, IN (1, 1 << 20, 1 << 10, 1 << 10, 3), G_MAXINT, G_MAXINT, 1))

BAD (layer_norm_scalar, fw_layer_norm (graph, SCALAR, IN (1), IN (1), 1e-6))
BAD (layer_norm_w, fw_layer_norm (graph, IN (2, 3), IN (2), IN (3), 1e-6))
BAD (layer_norm_b, fw_layer_norm (graph, IN (2, 3), IN (3), IN (2), 1e-6))
BAD (layer_norm_no_b, fw_layer_norm (graph, IN (2, 3), IN (3), FW_NONE, 1e-6))
BAD (layer_norm_no_w, fw_layer_norm (graph, IN (2, 3), FW_NONE, IN (3), 1e-6))
BAD (rms_norm_scalar, fw_rms_norm (graph, SCALAR, IN (1), 1e-6))
BAD (rms_norm_w, fw_rms_norm (graph, IN (2, 3), IN (4), 1e-6))
BAD (rms_norm_no_w, fw_rms_norm (graph, IN (2, 3), FW_NONE, 1e-6))
BAD (group_norm_groups, fw_group_norm (graph, IN (2, 5, 6), IN (6), IN (6), 4, 1e-6))
BAD (group_norm_no_groups, fw_group_norm (graph, IN (2, 5, 6), IN (6), IN (6), 0, 1e-6))
BAD (group_norm_rank, fw_group_norm (graph, IN (6), IN (6), IN (6), 2, 1e-6))
BAD (group_norm_w, fw_group_norm (graph, IN (2, 5, 6), IN (5), IN (6), 2, 1e-6))
BAD (group_norm_no_b, fw_group_norm (graph, IN (2, 5, 6), IN (6), FW_NONE, 2, 1e-6))

BAD (embedding_table, fw_embedding (graph, IN (2, 3, 4), IDS (2)))
BAD (embedding_ids, fw_embedding (graph, IN (2, 3), IN (2)))
BAD (embedding_rank, fw_embedding (graph, IN (2, 3), IDS (1, 1, 1, 1, 1, 1, 1, 1)))
BAD (concat_nothing, fw_concat (graph, 0, NULL, 0))
BAD (concat_axis, fw_concat (graph, 2, (FwVal[]) { IN (2, 3), IN (2, 3) }, 2))
BAD (concat_axis_negative, fw_concat (graph, -1, (FwVal[]) { IN (2, 3), IN (2, 3) }, 2))
BAD (concat_shapes, fw_concat (graph, 0, (FwVal[]) { IN (2, 3), IN (2, 4) }, 2))
BAD (concat_ranks, fw_concat (graph, 0, (FwVal[]) { IN (2, 3), IN (2, 3, 1) }, 2))
BAD (concat_gap, fw_concat (graph, 0, (FwVal[]) { IN (2, 3), FW_NONE, IN (2, 3) }, 3))
BAD (pad_small, fw_pad (graph, IN (2, 3), (gint64[]) { 0, 1 }, (gint64[]) { 2, 3 }))
BAD (pad_negative, fw_pad (graph, IN (2, 3), (gint64[]) { 0, -1 }, (gint64[]) { 2, 3 }))
BAD (pad_huge, fw_pad (graph, IN (2, 3), (gint64[]) { 0, G_MAXINT64 }, (gint64[]) { 2, 8 }))

static const FwAdamwAttributes adamw = { 0.9, 0.999, 1e-8, 0 };
BAD (sum_squares_nothing, fw_sum_squares (graph, FW_NONE))

static void
adamw_gradient (FwGraph *graph)
{
  fw_adamw (graph, IN (4), IN (4), IN (4), IN (3), IN (4), &adamw);
}

static void
adamw_moment (FwGraph *graph)
{
  fw_adamw (graph, IN (4), IN (4), IN (5), IN (4), IN (4), &adamw);
}

static void
adamw_hyper (FwGraph *graph)
{
  fw_adamw (graph, IN (4), IN (4), IN (4), IN (4), IN (3), &adamw);
}

static void
adamw_rank (FwGraph *graph)
{
  fw_adamw (graph, IN (2, 2), IN (2, 2), IN (2, 2), IN (2, 2), IN (4), &adamw);
}

static void
adamw_scalar (FwGraph *graph)
{
  fw_adamw (graph, SCALAR, SCALAR, SCALAR, SCALAR, IN (4), &adamw);
}

static void
ema_weights (FwGraph *graph)
{
  fw_ema (graph, IN (4), IN (3), IN (1));
}

static void
ema_decay (FwGraph *graph)
{
  fw_ema (graph, IN (4), IN (4), IN (2));
}

BAD (external_rank_9, IN (1, 1, 1, 1, 1, 1, 1, 1, 1))
BAD (external_rank_negative, input (graph, FW_DTYPE_F32, -1, NULL))
BAD (external_negative, IN (2, -3))
BAD (external_overflow, IN (1LL << 32, 1LL << 32))
BAD (external_empty_overflow, IN (0, 1LL << 62, 1LL << 62))
BAD (constant_overflow, fw_constant (graph, "c", FW_DTYPE_F32, SHAPE (G_MAXINT64, 2), NULL))

static void
name_twice (FwGraph *graph)
{
  fw_external (graph, "x", FW_DTYPE_F32, SHAPE (1));
  fw_persistent (graph, "x", FW_DTYPE_F32, SHAPE (1));
}

static void
keep_name_twice (FwGraph *graph)
{
  FwVal x = IN (2);
  fw_keep (graph, "y", x);
  fw_keep (graph, "y", x);
}

static void
no_scalar_loss (FwGraph *graph)
{
  FwVal x = IN (2), gradient;
  fw_gradient (graph, fw_add (graph, x, x), &x, 1, FALSE, &gradient);
}

static void
no_gradient_of_maximum (FwGraph *graph)
{
  FwVal x = IN (1), gradient;
  fw_gradient (graph, fw_binary (graph, FW_BINARY_MAX, x, IN (1)), &x, 1, FALSE, &gradient);
}

static const Bad bad[] = {
#define ROW(name, says) { #name, name, says }
  ROW (reshape_count, "f32[2, 3] cannot be reshaped"),
  ROW (reshape_open, "f32[2, 3] cannot be reshaped"),
  ROW (reshape_two_open, "cannot be reshaped"),
  ROW (reshape_two_open_empty, "cannot be reshaped"),
  ROW (reshape_negative, "cannot be reshaped"),
  ROW (reshape_rank_9, "rank 9 is outside 0..8"),
  ROW (reshape_rank_negative, "rank -1 is outside 0..8"),
  ROW (reshape_huge, "f32[4] cannot be reshaped"),
  ROW (permute_twice, "permute of f32[2, 3]"),
  ROW (permute_beyond, "permute of f32[2, 3]"),
  ROW (permute_negative, "permute of f32[2, 3]"),
  ROW (slice_axis, "slice of f32[2, 3]"),
  ROW (slice_axis_negative, "slice of f32[2, 3]"),
  ROW (slice_end, "slice of f32[2, 3]"),
  ROW (slice_start_negative, "slice of f32[2, 3]"),
  ROW (slice_size_negative, "slice of f32[2, 3]"),
  ROW (slice_huge, "slice of f32[2, 3]"),
  ROW (slice_scalar, "slice of f32[]"),
  ROW (select_beyond, "slice of f32[2, 3]"),
  ROW (select_axis, "slice of f32[2, 3]"),
  ROW (detach_nothing, "operand 0 is missing in detach"),
  ROW (unary_nothing, "operand 0 is missing in unary"),
  ROW (unary_ids, "i32[2]"),
  ROW (binary_shapes, "binary of f32[2, 3] f32[2, 4]"),
  ROW (binary_nothing, "operand 1 is missing in binary"),
  ROW (binary_ids, "i32[2]"),
  ROW (binary_mask, "u8[2]"),
  ROW (binary_overflow, "impossible size"),
  ROW (gated_shapes, "gated of f32[2, 3] f32[2, 4]"),
  ROW (gated_ranks, "gated of f32[2, 3] f32[3]"),
  ROW (residual_a, "gate_residual of f32[2, 3] f32[3] f32[2, 4]"),
  ROW (residual_gate, "gate_residual of f32[2, 3] f32[2] f32[2, 3]"),
  ROW (residual_gate_rank, "gate_residual of"),
  ROW (copy_nothing, "operand 0 is missing in copy"),
  ROW (fill_rank_9, "rank 9 is outside 0..8"),
  ROW (fill_negative, "impossible size was asked for in fill"),
  ROW (fill_huge, "impossible size was asked for in fill"),
  ROW (sinusoid_rank_0, "sinusoid of f32[]"),
  ROW (sinusoid_rank_2, "sinusoid of f32[2, 2]"),
  ROW (sinusoid_negative, "sinusoid of f32[2]"),
  ROW (reduce_nothing, "operand 0 is missing in reduce"),
  ROW (softmax_nothing, "operand 0 is missing in softmax"),
  ROW (cross_entropy_ranks, "cross_entropy of f32[2, 3, 4] i32[2, 3]"),
  ROW (cross_entropy_rows, "cross_entropy of f32[2, 3] i32[3]"),
  ROW (cross_entropy_labels, "cross_entropy of f32[2, 3] f32[2]"),
  ROW (linear_depth, "linear of f32[2, 3] f32[4, 5]"),
  ROW (linear_w_rank, "linear of"),
  ROW (linear_scalar, "linear of f32[]"),
  ROW (linear_bias, "linear of f32[2, 3] f32[4, 3] f32[3]"),
  ROW (linear_bias_rank, "linear of"),
  ROW (linear_no_weight, "operand 1 is missing in linear"),
  ROW (linear_ids, "linear of i32[2, 3]"),
  ROW (matmul_depth, "matmul of f32[2, 3] f32[4, 5]"),
  ROW (matmul_ranks, "matmul of"),
  ROW (matmul_batch, "matmul of"),
  ROW (matmul_vector, "matmul of"),
  ROW (attention_ranks, "attention of f32[2, 3, 8]"),
  ROW (attention_mixed, "attention of"),
  ROW (attention_heads, "attention of"),
  ROW (attention_values, "attention of"),
  ROW (attention_width, "attention of"),
  ROW (attention_mask, "u8[2, 3]"),
  ROW (attention_float_mask, "f32[2, 5]"),
  ROW (attention_bias, "f32[2, 5, 3]"),
  ROW (attention_nothing, "operand 1 is missing in attention"),
  ROW (conv_rank, "conv of f32[1, 4, 4, 3]"),
  ROW (conv_w_rank, "conv of"),
  ROW (conv_channels, "conv of"),
  ROW (conv_bias, "conv of"),
  ROW (conv_stride, "conv of"),
  ROW (conv_kernel_too_large, "conv of"),
  ROW (conv_empty_kernel, "conv of"),
  ROW (conv_negative_pad, "conv of"),
  ROW (conv_enlargement, "conv of"),
  ROW (upsample_rank, "resample of f32[4, 4, 3]"),
  ROW (upsample_zero, "resample of"),
  ROW (upsample_negative, "resample of"),
  ROW (upsample_huge, "resample of"),
  ROW (layer_norm_scalar, "layer_norm of f32[]"),
  ROW (layer_norm_w, "layer_norm of f32[2, 3] f32[2] f32[3]"),
  ROW (layer_norm_b, "layer_norm of"),
  ROW (layer_norm_no_b, "layer_norm of"),
  ROW (layer_norm_no_w, "layer_norm of"),
  ROW (rms_norm_scalar, "rms_norm of f32[]"),
  ROW (rms_norm_w, "rms_norm of f32[2, 3] f32[4]"),
  ROW (rms_norm_no_w, "operand 1 is missing in rms_norm"),
  ROW (group_norm_groups, "6 channels do not divide into 4 groups"),
  ROW (group_norm_no_groups, "6 channels do not divide into 0 groups"),
  ROW (group_norm_rank, "group_norm of f32[6]"),
  ROW (group_norm_w, "group_norm of"),
  ROW (group_norm_no_b, "operand 2 is missing in group_norm"),
  ROW (embedding_table, "embedding of f32[2, 3, 4] i32[2]"),
  ROW (embedding_ids, "embedding of f32[2, 3] f32[2]"),
  ROW (embedding_rank, "embedding of"),
  ROW (concat_nothing, "operand 0 is missing in concat"),
  ROW (concat_axis, "concat of f32[2, 3] f32[2, 3]"),
  ROW (concat_axis_negative, "concat of"),
  ROW (concat_shapes, "concat of f32[2, 3] f32[2, 4]"),
  ROW (concat_ranks, "concat of"),
  ROW (concat_gap, "part 1 of 3 is missing"),
  ROW (pad_small, "pad of f32[2, 3]"),
  ROW (pad_negative, "pad of f32[2, 3]"),
  ROW (pad_huge, "pad of f32[2, 3]"),
  ROW (sum_squares_nothing, "operand 0 is missing in sum_squares"),
  ROW (adamw_gradient, "adamw of"),
  ROW (adamw_moment, "adamw of"),
  ROW (adamw_hyper, "adamw of"),
  ROW (adamw_rank, "adamw of"),
  ROW (adamw_scalar, "adamw of"),
  ROW (ema_weights, "ema of f32[4] f32[3] f32[1]"),
  ROW (ema_decay, "ema of"),
  ROW (external_rank_9, "rank 9 is outside 0..8"),
  ROW (external_rank_negative, "rank -1 is outside 0..8"),
  ROW (external_negative, "impossible size"),
  ROW (external_overflow, "impossible size"),
  ROW (external_empty_overflow, "impossible size"),
  ROW (constant_overflow, "impossible size"),
  ROW (name_twice, "“x” is used twice"),
  ROW (keep_name_twice, "“y” is used twice"),
  ROW (no_scalar_loss, "not a single number"),
  ROW (no_gradient_of_maximum, "no gradient"),
#undef ROW
};

static void
test_bad (gconstpointer data)
{
  const Bad *row = data;
  g_autoptr (FwGraph) graph = fw_graph_new (FW_DTYPE_F32);
  fw_scope_push (graph, "here");
  row->record (graph);
  assert_failed (graph, row->says);
  g_autoptr (GError) error = NULL;
  fw_graph_finish (graph, &error);
  g_assert_true (strncmp (error->message, "here", 4) == 0);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  for (guint i = 0; i < G_N_ELEMENTS (bad); i++) {
    g_autofree char *path = g_strconcat ("/record/", bad[i].name, NULL);
    g_test_add_data_func (path, &bad[i], test_bad);
  }
  return g_test_run ();
}
