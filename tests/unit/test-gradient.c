/* SPDX-License-Identifier: Apache-2.0
 * Gradients of small graphs, every differentiable op among them, against differences; and what the transform makes of
 * parameters and slices used once, often, partly or not at all. */
#include <string.h>

#include "tests/unit/gradient-check.h"

#define SHAPE(...) (int) G_N_ELEMENTS (((const gint64[]) { __VA_ARGS__ })), (const gint64[]) { __VA_ARGS__ }

typedef struct {
  FwGraph *graph;
  GPtrArray *parameters;
} Recording;

static FwVal
parameter (Recording *r, int rank, const gint64 *dim)
{
  g_autofree char *name = g_strdup_printf ("p%u", r->parameters->len);
  return check_parameter (r->graph, r->parameters, name, rank, dim);
}

#define P(...) parameter (r, SHAPE (__VA_ARGS__))
#define IDS(name, ...) fw_external (r->graph, name, FW_DTYPE_I32, SHAPE (__VA_ARGS__))
#define MASK(...) fw_external (r->graph, "mask", FW_DTYPE_U8, SHAPE (__VA_ARGS__))
/* Numbers in [1.5, 2.5], where logarithms, roots and quotients are smooth. */
#define POSITIVE(...) fw_affine (r->graph, P (__VA_ARGS__), 0.5, 2)

/* A graph whose result, of any shape, is summed with random weights. */
typedef struct {
  const char *name;
  FwVal (*record) (Recording *r);
} Row;

static FwVal
record_row (FwGraph *graph, GPtrArray *parameters, gconstpointer data)
{
  Recording r = { graph, parameters };
  FwVal y = ((const Row *) data)->record (&r);
  const FwTensor layout = *fw_layout (graph, y);
  FwVal weights = fw_external (graph, "weights of the sum", FW_DTYPE_F64, layout.rank, layout.dim);
  return fw_reduce (graph, FW_REDUCE_SUM, fw_mul (graph, y, weights), ~0u);
}

#define ROW(name, expression) static FwVal row_##name (Recording *r) { return expression; }
#define G r->graph

ROW (reshape, fw_reshape_to (G, P (2, 6), 3, 4))
ROW (reshape_of_view, fw_reshape_to (G, fw_permute_to (G, P (2, 6), 1, 0), 3, 4))
ROW (permute, fw_permute_to (G, P (2, 3, 4), 2, 0, 1))
ROW (slice, fw_slice (G, P (2, 6), 1, 2, 3))
ROW (select, fw_select (G, P (2, 6, 3), 1, 4))
ROW (identity, fw_unary (G, FW_FN_IDENTITY, P (2, 3)))
ROW (neg, fw_unary (G, FW_FN_NEG, P (2, 3)))
ROW (exp, fw_unary (G, FW_FN_EXP, P (2, 3)))
ROW (log, fw_unary (G, FW_FN_LOG, POSITIVE (2, 3)))
ROW (sqrt, fw_unary (G, FW_FN_SQRT, POSITIVE (2, 3)))
ROW (square, fw_unary (G, FW_FN_SQUARE, P (2, 3)))
ROW (abs, fw_unary (G, FW_FN_ABS, P (2, 3)))
ROW (reciprocal, fw_unary (G, FW_FN_RECIPROCAL, POSITIVE (2, 3)))
ROW (tanh, fw_unary (G, FW_FN_TANH, P (2, 3)))
ROW (sigmoid, fw_unary (G, FW_FN_SIGMOID, P (2, 3)))
ROW (silu, fw_unary (G, FW_FN_SILU, P (2, 3)))
ROW (gelu_tanh, fw_unary (G, FW_FN_GELU_TANH, P (2, 3)))
ROW (gelu_erf, fw_unary (G, FW_FN_GELU_ERF, P (2, 3)))
ROW (quick_gelu, fw_unary (G, FW_FN_QUICK_GELU, P (2, 3)))
ROW (relu, fw_unary (G, FW_FN_RELU, P (2, 3)))
ROW (sin, fw_unary (G, FW_FN_SIN, P (2, 3)))
ROW (cos, fw_unary (G, FW_FN_COS, P (2, 3)))
ROW (affine, fw_affine (G, P (2, 3), -1.5, 0.25))
ROW (clamp, fw_clamp (G, P (3, 8), -0.5, 0.25))
ROW (add, fw_add (G, P (2, 3), P (2, 3)))
ROW (add_broadcast, fw_add (G, P (2, 1, 3), P (4, 1)))
ROW (sub_broadcast, fw_sub (G, P (3), P (2, 1, 3)))
ROW (mul_broadcast, fw_mul (G, P (2, 3), P (2, 1)))
ROW (div_broadcast, fw_binary (G, FW_BINARY_DIV, P (2, 3), POSITIVE (3)))
ROW (gated, fw_gated (G, FW_FN_GELU_TANH, P (2, 3), P (2, 3)))
ROW (gate_residual, fw_gate_residual (G, P (2, 3, 4), P (2, 1, 4), P (2, 3, 4)))
ROW (gate_residual_rank, fw_gate_residual (G, P (2, 3, 4), P (4), P (2, 3, 4)))
ROW (gate_residual_scalar, fw_gate_residual (G, P (2, 3), P (1), P (2, 3)))
ROW (modulate, fw_modulate (G, P (2, 3, 4), P (2, 1, 4), P (2, 1, 4)))
ROW (contiguous, fw_contiguous (G, fw_permute_to (G, P (2, 3), 1, 0)))
ROW (reduce_sum, fw_reduce (G, FW_REDUCE_SUM, P (2, 3, 4), 1 << 1))
ROW (reduce_mean, fw_reduce (G, FW_REDUCE_MEAN, P (2, 3, 4), 1 << 0 | 1 << 2))
ROW (softmax, fw_softmax (G, P (2, 5)))
ROW (cross_entropy, fw_cross_entropy (G, P (6, 4), IDS ("labels", 6)))
ROW (linear, fw_linear (G, P (2, 3, 4), P (5, 4), P (5)))
ROW (linear_no_bias, fw_linear (G, P (2, 4), P (5, 4), FW_NONE))
ROW (linear_turned, fw_linear (G, fw_permute_to (G, P (4, 3), 1, 0), fw_permute_to (G, P (4, 5), 1, 0),
                               fw_select (G, P (5, 2), 1, 1)))
ROW (linear_vector, fw_linear (G, P (4), P (5, 4), P (5)))
ROW (matmul, fw_matmul (G, P (2, 3, 4), P (2, 4, 5), 0.7))
ROW (matmul_turned, fw_matmul (G, fw_permute_to (G, P (4, 3), 1, 0), P (4, 5), 1))
ROW (attention, fw_attention (G, P (2, 3, 2, 4), P (2, 5, 2, 4), P (2, 5, 2, 6), MASK (2, 5), P (2, 3, 5), 0.5, FALSE))
ROW (attention_causal, fw_attention (G, P (2, 4, 2, 4), P (2, 4, 2, 4), P (2, 4, 2, 4), FW_NONE, FW_NONE, 0.5, TRUE))
ROW (attention_two_batches, fw_attention (G, P (2, 2, 3, 1, 4), P (2, 2, 3, 1, 4), P (2, 2, 3, 1, 4), FW_NONE, FW_NONE, 1, FALSE))
ROW (upsample, fw_upsample (G, P (1, 2, 2, 3, 2), 2, 3, 2))
ROW (layer_norm, fw_layer_norm (G, P (2, 3, 5), FW_NONE, FW_NONE, 1e-2))
ROW (layer_norm_affine, fw_layer_norm (G, P (2, 3, 5), P (5), P (5), 1e-2))
ROW (rms_norm, fw_rms_norm (G, P (2, 3, 5), P (5), 1e-2))
ROW (group_norm, fw_group_norm (G, P (2, 3, 6), P (6), P (6), 3, 1e-2))
ROW (embedding, fw_embedding (G, P (4, 3), IDS ("ids", 2, 5)))
ROW (concat, fw_concat (G, 1, (FwVal[]) { P (2, 3), P (2, 1), P (2, 4) }, 3))
ROW (pad, fw_pad (G, P (2, 3), (gint64[]) { 1, 0 }, (gint64[]) { 4, 5 }))

static FwVal
conv (Recording *r, gint64 bias, FwConvAttributes attributes)
{
  FwVal x = P (2, 3, 4, 5, 2), w = P (3, 2, 2, 3, 2);
  return fw_conv (r->graph, x, w, bias > 0 ? P (3) : FW_NONE, &attributes);
}

ROW (conv, conv (r, 1, (FwConvAttributes) { .stride = { 1, 1, 1 }, .pad_front = { 0, 1, 0 }, .pad_back = { 1, 1, 1 } }))
ROW (conv_strided, conv (r, 0, (FwConvAttributes) { .stride = { 1, 2, 2 }, .pad_back = { 0, 1, 1 } }))
ROW (conv_causal, conv (r, 1, (FwConvAttributes) { .stride = { 2, 1, 1 }, .pad_front = { 2 }, .time_mode = FW_PAD_REPEAT_FRONT }))
ROW (conv_enlarged, conv (r, 1, (FwConvAttributes) { .stride = { 1, 1, 1 }, .pad_front = { 0, 1, 1 }, .upsample = 2 }))

/* --- patterns that fusion looks for --- */

static FwVal
row_fused_activation (Recording *r)
{
  FwVal y = fw_unary (G, FW_FN_GELU_TANH, fw_linear (G, P (2, 3, 4), P (5, 4), P (5)));
  return fw_unary (G, FW_FN_SILU, fw_group_norm (G, fw_linear (G, y, P (6, 5), FW_NONE), P (6), P (6), 2, 1e-2));
}

static FwVal
row_fused_modulation (Recording *r)
{
  FwVal y = fw_modulate (G, fw_layer_norm (G, P (2, 3, 4), FW_NONE, FW_NONE, 1e-2), P (2, 1, 4), P (2, 1, 4));
  y = fw_modulate (G, fw_layer_norm (G, y, FW_NONE, FW_NONE, 1e-2), P (4), P (4));
  return fw_modulate (G, fw_layer_norm (G, y, FW_NONE, FW_NONE, 1e-2), P (2, 3, 1), P (2, 3, 1));
}

/* Shift and scale of other shapes cannot share one gradient. */
static FwVal
row_unlike_modulation (Recording *r)
{
  FwVal y = fw_modulate (G, fw_layer_norm (G, P (2, 3, 4), FW_NONE, FW_NONE, 1e-2), P (2, 3, 4), P (2, 1, 4));
  return fw_modulate (G, fw_layer_norm (G, y, FW_NONE, FW_NONE, 1e-2), P (4), P (2, 1, 4));
}

/* What arrives at the norm's input comes from elsewhere, and where it is shift and scale too from the norm's own gradient. */
static FwVal
row_fused_arrival (Recording *r)
{
  FwVal x = P (2, 3, 4), y = fw_modulate (G, fw_layer_norm (G, x, FW_NONE, FW_NONE, 1e-2), P (2, 1, 4), P (2, 1, 4));
  y = fw_add (G, x, fw_unary (G, FW_FN_SIN, y));
  return fw_modulate (G, fw_layer_norm (G, y, FW_NONE, FW_NONE, 1e-2), y, y);
}

static FwVal
row_fused_enlargement (Recording *r)
{
  FwConvAttributes attributes = { .stride = { 1, 1, 1 }, .pad_front = { 0, 1, 1 }, .pad_back = { 0, 1, 1 } };
  return fw_conv (G, fw_upsample (G, P (1, 2, 3, 2, 2), 1, 2, 2), P (2, 2, 1, 3, 3), P (2), &attributes);
}

static FwVal
row_fused_residual (Recording *r)
{
  FwVal h = P (2, 3, 4);
  h = fw_gate_residual (G, h, P (2, 1, 4), fw_linear (G, fw_unary (G, FW_FN_SIN, h), P (4, 4), P (4)));
  h = fw_add (G, h, fw_linear (G, fw_unary (G, FW_FN_COS, h), P (4, 4), FW_NONE));
  FwVal twice = fw_linear (G, h, P (4, 4), FW_NONE);
  return fw_gate_residual (G, fw_add (G, twice, twice), P (1), fw_unary (G, FW_FN_TANH, fw_linear (G, h, P (4, 4), P (4))));
}

/* Cut, and put together in another way: what q, k and v go through. */
static FwVal
row_qkv (Recording *r)
{
  FwVal qkv = fw_reshape_to (G, fw_linear (G, P (2, 6, 4), P (12, 4), P (12)), 2, 2, 3, 3, 2, 2), part[3];
  for (int i = 0; i < 3; i++)
    part[i] = fw_permute_to (G, fw_select (G, qkv, 3, i), 0, 2, 1, 3, 4);
  FwVal a = fw_permute_to (G, fw_attention (G, part[0], part[1], part[2], FW_NONE, FW_NONE, 0.7, FALSE), 0, 2, 1, 3, 4);
  return fw_linear (G, fw_reshape_to (G, a, 2, 6, 4), P (4, 4), P (4));
}

/* --- parameters and slices used once, often, partly --- */

static FwVal
row_used_twice (Recording *r)
{
  FwVal w = P (4, 4), x = P (3, 4);
  return fw_add (G, fw_linear (G, fw_linear (G, x, w, FW_NONE), w, FW_NONE), fw_mul (G, x, x));
}

static FwVal
row_slices_with_gaps (Recording *r)
{
  FwVal flat = P (20);
  FwVal a = fw_slice (G, flat, 0, 2, 4), b = fw_slice (G, flat, 0, 8, 4);
  return fw_mul (G, a, fw_unary (G, FW_FN_SIN, b));
}

static FwVal
row_slices_overlapping (Recording *r)
{
  FwVal flat = P (12);
  FwVal a = fw_slice (G, flat, 0, 0, 8), b = fw_slice (G, flat, 0, 4, 8), c = fw_slice (G, flat, 0, 4, 4);
  return fw_concat (G, 0, (FwVal[]) { fw_mul (G, a, b), fw_unary (G, FW_FN_EXP, c) }, 2);
}

/* Both halves receive the very same gradient value. */
static FwVal
row_slices_summed (Recording *r)
{
  FwVal flat = P (12);
  return fw_add (G, fw_slice (G, flat, 0, 0, 6), fw_slice (G, flat, 0, 6, 6));
}

static FwVal
row_slice_twice (Recording *r)
{
  FwVal flat = P (12);
  FwVal a = fw_slice (G, flat, 0, 3, 4), again = fw_slice (G, flat, 0, 3, 4), b = fw_slice (G, flat, 0, 7, 4);
  return fw_mul (G, fw_mul (G, a, fw_unary (G, FW_FN_SIN, again)), b);
}

static FwVal
row_slices_and_whole (Recording *r)
{
  FwVal x = P (4, 6);
  FwVal rows = fw_slice (G, x, 0, 1, 2), columns = fw_slice (G, x, 1, 2, 3);
  FwVal sum = fw_reduce (G, FW_REDUCE_SUM, fw_mul (G, rows, rows), 1);
  return fw_add (G, fw_mul (G, x, sum), fw_reduce (G, FW_REDUCE_MEAN, fw_unary (G, FW_FN_EXP, columns), 2));
}

static FwVal
row_concat_of_one_value (Recording *r)
{
  FwVal y = fw_unary (G, FW_FN_SIN, P (2, 3));
  return fw_concat (G, 1, (FwVal[]) { y, y, fw_slice (G, y, 1, 0, 2) }, 3);
}

static const Row rows[] = {
#define NAMED(name) { #name, row_##name }
  NAMED (reshape), NAMED (reshape_of_view), NAMED (permute), NAMED (slice), NAMED (select), NAMED (identity), NAMED (neg),
  NAMED (exp),
  NAMED (log), NAMED (sqrt), NAMED (square), NAMED (abs), NAMED (reciprocal), NAMED (tanh), NAMED (sigmoid), NAMED (silu),
  NAMED (gelu_tanh), NAMED (gelu_erf), NAMED (quick_gelu), NAMED (relu), NAMED (sin), NAMED (cos), NAMED (affine), NAMED (clamp),
  NAMED (add), NAMED (add_broadcast), NAMED (sub_broadcast), NAMED (mul_broadcast), NAMED (div_broadcast), NAMED (gated),
  NAMED (gate_residual), NAMED (gate_residual_rank), NAMED (gate_residual_scalar), NAMED (modulate), NAMED (contiguous),
  NAMED (reduce_sum), NAMED (reduce_mean), NAMED (softmax), NAMED (cross_entropy), NAMED (linear), NAMED (linear_no_bias),
  NAMED (linear_turned), NAMED (linear_vector), NAMED (matmul), NAMED (matmul_turned), NAMED (attention),
  NAMED (attention_causal),
  NAMED (attention_two_batches), NAMED (upsample), NAMED (layer_norm), NAMED (layer_norm_affine), NAMED (rms_norm),
  NAMED (group_norm), NAMED (embedding), NAMED (concat), NAMED (pad), NAMED (conv), NAMED (conv_strided), NAMED (conv_causal),
  NAMED (conv_enlarged), NAMED (fused_activation), NAMED (fused_modulation), NAMED (fused_arrival),
  NAMED (unlike_modulation), NAMED (fused_enlargement),
  NAMED (fused_residual), NAMED (qkv), NAMED (used_twice), NAMED (slices_with_gaps), NAMED (slices_overlapping),
  NAMED (slices_summed),
  NAMED (slice_twice), NAMED (slices_and_whole), NAMED (concat_of_one_value),
#undef NAMED
};

/* As recorded, and after fusion and placement, the gradient is that of the differences. */
static void
test_row (gconstpointer data)
{
  g_autoptr (FwDevice) device = test_device ("ref", 1);
  g_auto (Check) plain = { { NULL } }, fused = { { NULL } };
  check_init (&plain, record_row, data, CHECK_PLAIN, device);
  check_differences (&plain, 1e-5, 1e-6);
  check_init (&fused, record_row, data, CHECK_FORWARD | CHECK_FINAL, device);
  check_same (&plain, &fused, 1e-12);
}

/* Every op with a gradient rule stands in one of the rows, and so does every function of one variable. */
static void
test_complete (void)
{
  gboolean seen[FW_N_OPS] = { FALSE }, functions[FW_FN_N] = { FALSE };
  for (guint i = 0; i < G_N_ELEMENTS (rows); i++) {
    g_autoptr (FwGraph) graph = fw_graph_new (FW_DTYPE_F64);
    g_autoptr (GPtrArray) parameters = g_ptr_array_new_with_free_func (g_free);
    record_row (graph, parameters, &rows[i]);
    for (guint n = 0; n < fw_graph_n_nodes (graph); n++) {
      const FwNode *node = fw_graph_node (graph, n);
      seen[node->op - fw_ops] = TRUE;
      if (node->op == FW_OP (UNARY))
        functions[((const FwUnaryAttributes *) node->attributes)->function] = TRUE;
    }
  }
  for (guint op = 0; op < FW_N_OPS; op++)
    if (fw_ops[op].gradient != NULL && !seen[op])
      g_error ("no row differentiates %s", fw_ops[op].name);
  for (guint function = 0; function < FW_FN_N; function++)
    g_assert_true (functions[function]);
}

/* --- parameters without gradients --- */

static FwVal
record_unused (FwGraph *graph, GPtrArray *parameters, gconstpointer data)
{
  FwVal used = check_parameter (graph, parameters, "used", SHAPE (3));
  FwVal unused = check_parameter (graph, parameters, "unused", SHAPE (4));
  FwVal behind = check_parameter (graph, parameters, "behind", SHAPE (3));
  FwVal index = check_parameter (graph, parameters, "time", SHAPE (3));
  fw_unary (graph, FW_FN_EXP, unused);
  FwVal steps = fw_reduce (graph, FW_REDUCE_SUM, fw_sinusoid (graph, index, 2, 10, FW_DTYPE_F64), 2);
  FwVal y = fw_mul (graph, used, fw_add (graph, fw_detach (graph, fw_unary (graph, FW_FN_SIN, behind)),
                                         fw_reshape_to (graph, steps, 3)));
  return fw_reduce (graph, FW_REDUCE_SUM, y, 1);
}

static void
test_unused (void)
{
  g_autoptr (FwDevice) device = test_device ("ref", 1);
  g_auto (Check) check = { { NULL } };
  check_init (&check, record_unused, NULL, CHECK_PLAIN, device);
  g_assert_nonnull (fw_graph_named (check.run.graph, "grad.used"));
  g_assert_null (fw_graph_named (check.run.graph, "grad.unused"));
  g_assert_null (fw_graph_named (check.run.graph, "grad.behind"));
  g_assert_null (fw_graph_named (check.run.graph, "grad.time"));
  test_run_go (&check.run);
  const double *behind = test_run_memory (&check.run, "behind"), *time = test_run_memory (&check.run, "time");
  for (int i = 0; i < 3; i++)
    g_assert_cmpfloat_with_epsilon (test_run_result (&check.run, "grad.used", i),
                                    sin (behind[i]) + cos (time[i]) + sin (time[i]), 1e-12);
}

/* The gradient of a value in the middle, of the loss by itself, and of one parameter asked for twice. */
static void
test_any_value (void)
{
  g_autoptr (FwDevice) device = test_device ("ref", 1);
  g_auto (TestRun) run = { NULL };
  FwGraph *graph = fw_graph_new (FW_DTYPE_F64);
  FwVal x = fw_external (graph, "x", FW_DTYPE_F64, SHAPE (3)), y = fw_unary (graph, FW_FN_EXP, x);
  FwVal loss = fw_reduce (graph, FW_REDUCE_SUM, fw_unary (graph, FW_FN_SQUARE, y), 1), by[] = { x, y, loss, x }, gradients[4];
  fw_gradient (graph, loss, by, 4, FALSE, gradients);
  for (int i = 0; i < 4; i++) {
    g_autofree char *name = g_strdup_printf ("g%d", i);
    fw_keep (graph, name, gradients[i]);
  }
  test_run_init (&run, graph, device);
  test_run_go (&run);
  const double *numbers = test_run_memory (&run, "x");
  for (int i = 0; i < 3; i++) {
    g_assert_cmpfloat_with_epsilon (test_run_result (&run, "g0", i), 2 * exp (2 * numbers[i]), 1e-12);
    g_assert_cmpfloat_with_epsilon (test_run_result (&run, "g1", i), 2 * exp (numbers[i]), 1e-12);
    g_assert_cmpfloat (test_run_result (&run, "g3", i), ==, test_run_result (&run, "g0", i));
  }
  g_assert_cmpfloat (test_run_result (&run, "g2", 0), ==, 1);
}

/* Gradients of single-precision parameters are single precision, also where the last step back computed in bf16. */
static void
test_dtype (void)
{
  g_autoptr (FwGraph) graph = fw_graph_new (FW_DTYPE_BF16);
  FwVal flat = fw_external (graph, "flat", FW_DTYPE_F32, SHAPE (24));
  FwVal x = fw_external (graph, "x", FW_DTYPE_F32, SHAPE (4, 3));
  FwVal gradient;
  FwVal position = fw_reshape_to (graph, fw_slice (graph, flat, 0, 0, 12), 4, 3);
  FwVal w = fw_reshape_to (graph, fw_slice (graph, flat, 0, 12, 12), 4, 3);
  FwVal y = fw_linear (graph, fw_cast (graph, fw_add (graph, x, position), FW_DTYPE_BF16), w, FW_NONE);
  FwVal loss = fw_reduce (graph, FW_REDUCE_SUM, fw_unary (graph, FW_FN_SQUARE, y), 3);
  fw_gradient (graph, fw_reshape_to (graph, loss, 1), &flat, 1, FALSE, &gradient);
  g_assert_false (fw_graph_failed (graph));
  g_assert_cmpint (fw_layout (graph, gradient)->dtype, ==, FW_DTYPE_F32);
  g_assert_cmpint (fw_dim (graph, gradient, 0), ==, 24);
  g_assert_true (fw_tensor_is_contiguous (fw_layout (graph, gradient)));
}

/* A gradient that arrives turned is handed over dense. */
static void
test_dense (void)
{
  g_autoptr (FwGraph) graph = fw_graph_new (FW_DTYPE_F32);
  FwVal x = fw_external (graph, "x", FW_DTYPE_F32, SHAPE (4, 3)), gradient;
  FwVal y = fw_unary (graph, FW_FN_SQUARE, fw_permute_to (graph, x, 1, 0));
  fw_gradient (graph, fw_reduce (graph, FW_REDUCE_SUM, y, 3), &x, 1, FALSE, &gradient);
  g_assert_true (fw_tensor_is_contiguous (fw_layout (graph, gradient)));
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/gradient/complete", test_complete);
  for (guint i = 0; i < G_N_ELEMENTS (rows); i++) {
    g_autofree char *path = g_strconcat ("/gradient/row/", rows[i].name, NULL);
    g_test_add_data_func (path, &rows[i], test_row);
  }
  g_test_add_func ("/gradient/unused", test_unused);
  g_test_add_func ("/gradient/any-value", test_any_value);
  g_test_add_func ("/gradient/dtype", test_dtype);
  g_test_add_func ("/gradient/dense", test_dense);
  return g_test_run ();
}
