/* SPDX-License-Identifier: Apache-2.0
 * Fusions: each one happens where it may and nowhere else, counted in nodes, and leaves the numbers alone. */
#include "engine/graph/gradient.h"
#include "engine/graph/rewrite.h"
#include "engine/model/sd-vae.h"
#include "engine/model/stdit.h"
#include "engine/model/t5.h"
#include "engine/train/parameters.h"
#include "tests/unit/graph-run.h"

#define SHAPE(...) (int) G_N_ELEMENTS (((const gint64[]) { __VA_ARGS__ })), (const gint64[]) { __VA_ARGS__ }
#define IN(name, ...) fw_external (graph, name, fw_graph_accumulate (graph), SHAPE (__VA_ARGS__))

typedef struct {
  const char *name;
  FwVal (*record) (FwGraph *graph);
  FwOpId op;               /* counted ... */
  guint before, after;     /* ... as recorded, and when both rewrites have run */
} Row;

static FwVal
linear (FwGraph *graph, FwVal x)
{
  return fw_linear (graph, x, IN ("w", 4, 4), IN ("bias", 4));
}

static FwVal
norm (FwGraph *graph, FwVal x)
{
  return fw_layer_norm (graph, x, FW_NONE, FW_NONE, 1e-3);
}

static FwVal
activation_of_linear (FwGraph *graph)
{
  return fw_unary (graph, FW_FN_SILU, linear (graph, IN ("x", 3, 4)));
}

static FwVal
activation_of_group_norm (FwGraph *graph)
{
  return fw_unary (graph, FW_FN_SILU, fw_group_norm (graph, IN ("x", 2, 3, 4), IN ("w", 4), IN ("b", 4), 2, 1e-3));
}

/* The kernels of products know no functions with parameters. */
static FwVal
affine_of_linear (FwGraph *graph)
{
  return fw_affine (graph, linear (graph, IN ("x", 3, 4)), 2, 1);
}

static FwVal
second_activation (FwGraph *graph)
{
  return fw_unary (graph, FW_FN_SIN, fw_unary (graph, FW_FN_SILU, linear (graph, IN ("x", 3, 4))));
}

static FwVal
activation_of_shared (FwGraph *graph)
{
  FwVal y = linear (graph, IN ("x", 3, 4));
  return fw_mul (graph, fw_unary (graph, FW_FN_SILU, y), y);
}

static FwVal
activation_of_kept (FwGraph *graph)
{
  FwVal y = linear (graph, IN ("x", 3, 4));
  fw_keep (graph, "linear", y);
  return fw_unary (graph, FW_FN_SILU, y);
}

static FwVal
modulation (FwGraph *graph)
{
  return fw_modulate (graph, norm (graph, IN ("x", 2, 3, 4)), IN ("shift", 2, 1, 4), IN ("scale", 2, 1, 4));
}

static FwVal
modulation_of_affine_norm (FwGraph *graph)
{
  FwVal n = fw_layer_norm (graph, IN ("x", 2, 3, 4), IN ("w", 4), IN ("b", 4), 1e-3);
  return fw_modulate (graph, n, IN ("shift", 2, 1, 4), IN ("scale", 2, 1, 4));
}

static FwVal
modulation_unlike (FwGraph *graph)
{
  return fw_modulate (graph, norm (graph, IN ("x", 2, 3, 4)), IN ("shift", 2, 3, 4), IN ("scale", 2, 1, 4));
}

static FwVal
modulation_that_repeats (FwGraph *graph)
{
  return fw_modulate (graph, norm (graph, IN ("x", 1, 4)), IN ("shift", 3, 4), IN ("scale", 3, 4));
}

static FwVal
modulation_of_kept (FwGraph *graph)
{
  FwVal n = norm (graph, IN ("x", 2, 3, 4));
  fw_keep (graph, "norm", n);
  return fw_modulate (graph, n, IN ("shift", 2, 1, 4), IN ("scale", 2, 1, 4));
}

/* Shift is the very value that becomes 1 + scale. */
static FwVal
modulation_by_its_own_factor (FwGraph *graph)
{
  FwVal factor = fw_affine (graph, IN ("scale", 2, 1, 4), 1, 1);
  return fw_add (graph, fw_mul (graph, norm (graph, IN ("x", 2, 3, 4)), factor), factor);
}

static FwVal
convolution (FwGraph *graph, FwVal x)
{
  return fw_conv (graph, x, IN ("w", 3, 2, 1, 3, 3), IN ("b", 3),
                  &(FwConvAttributes) { .stride = { 1, 1, 1 }, .pad_front = { 0, 1, 1 } });
}

static FwVal
enlargement (FwGraph *graph)
{
  return convolution (graph, fw_upsample (graph, IN ("x", 1, 2, 3, 4, 2), 1, 2, 2));
}

static FwVal
enlargement_in_time (FwGraph *graph)
{
  return convolution (graph, fw_upsample (graph, IN ("x", 1, 2, 3, 4, 2), 2, 2, 2));
}

static FwVal
gated_residual (FwGraph *graph)
{
  return fw_gate_residual (graph, IN ("h", 2, 3, 4), IN ("gate", 2, 1, 4), linear (graph, IN ("x", 2, 3, 4)));
}

static FwVal
gated_residual_of_one_number (FwGraph *graph)
{
  return fw_gate_residual (graph, IN ("h", 2, 3, 4), IN ("gate", 1), linear (graph, IN ("x", 2, 3, 4)));
}

static FwVal
gated_residual_of_columns (FwGraph *graph)
{
  return fw_gate_residual (graph, fw_permute_to (graph, IN ("h", 4, 3), 1, 0), fw_permute_to (graph, IN ("gate", 4, 3), 1, 0),
                           linear (graph, IN ("x", 3, 4)));
}

static FwVal
plain_residual (FwGraph *graph)
{
  return fw_add (graph, IN ("h", 2, 3, 4), linear (graph, IN ("x", 2, 3, 4)));
}

static FwVal
residual_read_later (FwGraph *graph)
{
  FwVal y = linear (graph, IN ("x", 2, 3, 4));
  return fw_mul (graph, fw_add (graph, IN ("h", 2, 3, 4), y), y);
}

static FwVal
residual_read_before (FwGraph *graph)
{
  FwVal y = linear (graph, IN ("x", 2, 3, 4)), z = fw_unary (graph, FW_FN_SIN, y);
  return fw_mul (graph, fw_add (graph, IN ("h", 2, 3, 4), y), z);
}

static FwVal
residual_of_itself (FwGraph *graph)
{
  FwVal y = linear (graph, IN ("x", 2, 3, 4));
  return fw_add (graph, y, y);
}

static FwVal
residual_of_its_view (FwGraph *graph)
{
  FwVal y = linear (graph, IN ("x", 4, 4));
  return fw_add (graph, fw_permute_to (graph, y, 1, 0), y);
}

static FwVal
residual_that_repeats (FwGraph *graph)
{
  return fw_add (graph, IN ("h", 4), linear (graph, IN ("x", 3, 4)));
}

static FwVal
residual_of_kept (FwGraph *graph)
{
  FwVal y = linear (graph, IN ("x", 2, 3, 4));
  fw_keep (graph, "linear", y);
  return fw_add (graph, IN ("h", 2, 3, 4), y);
}

static FwVal
factor (FwGraph *graph)
{
  return fw_mul (graph, linear (graph, IN ("x", 2, 3, 4)), IN ("factor", 2, 3, 4));
}

static FwVal
factor_that_repeats (FwGraph *graph)
{
  return fw_mul (graph, linear (graph, IN ("x", 2, 3, 4)), IN ("factor", 4));
}

static FwVal
factor_of_shared (FwGraph *graph)
{
  FwVal y = linear (graph, IN ("x", 2, 3, 4));
  return fw_sub (graph, fw_mul (graph, y, IN ("factor", 2, 3, 4)), y);
}

static FwVal
factor_on_a_residual (FwGraph *graph)
{
  return fw_mul (graph, fw_add (graph, IN ("h", 2, 3, 4), linear (graph, IN ("x", 2, 3, 4))), IN ("factor", 2, 3, 4));
}

/* A factor and then a residual: what the factor multiplies is no longer what a gradient would need. */
static FwVal
residual_on_a_factor (FwGraph *graph)
{
  return fw_add (graph, IN ("h", 2, 3, 4), factor (graph));
}

static FwVal
norm_gradient (FwGraph *graph)
{
  FwVal in[] = { IN ("x", 2, 3, 4), FW_NONE, FW_NONE, IN ("dy", 2, 3, 4) };
  return fw_record (graph, FW_OP (LAYER_NORM_GRAD), &(FwNormAttributes) { 1e-3 }, in, 4);
}

static FwVal
arrival (FwGraph *graph)
{
  return fw_add (graph, norm_gradient (graph), IN ("h", 2, 3, 4));
}

static FwVal
arrival_made_later (FwGraph *graph)
{
  FwVal dx = norm_gradient (graph);
  return fw_add (graph, fw_unary (graph, FW_FN_SIN, IN ("h", 2, 3, 4)), dx);
}

static FwVal
arrival_that_repeats (FwGraph *graph)
{
  return fw_add (graph, norm_gradient (graph), IN ("h", 4));
}

static FwVal
arrival_turned (FwGraph *graph)
{
  FwVal h = fw_permute_to (graph, IN ("h", 2, 4, 3), 0, 2, 1);
  return fw_add (graph, norm_gradient (graph), h);
}

static FwVal
conversion (FwGraph *graph)
{
  return fw_affine (graph, fw_cast (graph, fw_unary (graph, FW_FN_SIN, IN ("x", 3, 4)), FW_DTYPE_BF16), 2, 0);
}

static FwVal
conversion_of_shared (FwGraph *graph)
{
  FwVal y = fw_unary (graph, FW_FN_SIN, IN ("x", 3, 4));
  return fw_add (graph, fw_cast (graph, y, FW_DTYPE_BF16), y);
}

static FwVal
conversion_to_integers (FwGraph *graph)
{
  FwVal ids = fw_cast (graph, fw_affine (graph, IN ("x", 3), 2, 2), FW_DTYPE_I32);
  return fw_embedding (graph, IN ("table", 4, 2), ids);
}

static const Row rows[] = {
  { "activation of linear", activation_of_linear, FW_OP_UNARY, 1, 0 },
  { "activation of group norm", activation_of_group_norm, FW_OP_UNARY, 1, 0 },
  { "affine of linear", affine_of_linear, FW_OP_UNARY, 1, 1 },
  { "second activation", second_activation, FW_OP_UNARY, 2, 1 },
  { "activation of shared", activation_of_shared, FW_OP_UNARY, 1, 1 },
  { "activation of kept", activation_of_kept, FW_OP_UNARY, 1, 1 },
  { "modulation", modulation, FW_OP_BINARY, 2, 0 },
  { "modulation of affine norm", modulation_of_affine_norm, FW_OP_BINARY, 2, 2 },
  { "modulation unlike", modulation_unlike, FW_OP_BINARY, 2, 2 },
  { "modulation that repeats", modulation_that_repeats, FW_OP_BINARY, 2, 2 },
  { "modulation of kept", modulation_of_kept, FW_OP_BINARY, 2, 2 },
  { "modulation by its own factor", modulation_by_its_own_factor, FW_OP_BINARY, 2, 2 },
  { "enlargement", enlargement, FW_OP_RESAMPLE, 1, 0 },
  { "enlargement in time", enlargement_in_time, FW_OP_RESAMPLE, 1, 1 },
  { "gated residual", gated_residual, FW_OP_GATE_RESIDUAL, 1, 0 },
  { "gated residual of one number", gated_residual_of_one_number, FW_OP_GATE_RESIDUAL, 1, 0 },
  { "gated residual of columns", gated_residual_of_columns, FW_OP_GATE_RESIDUAL, 1, 0 },
  { "plain residual", plain_residual, FW_OP_BINARY, 1, 0 },
  { "residual read later", residual_read_later, FW_OP_BINARY, 2, 1 },
  { "residual read before", residual_read_before, FW_OP_BINARY, 2, 2 },
  { "residual of itself", residual_of_itself, FW_OP_BINARY, 1, 1 },
  { "residual of its view", residual_of_its_view, FW_OP_BINARY, 1, 1 },
  { "residual that repeats", residual_that_repeats, FW_OP_BINARY, 1, 1 },
  { "residual of kept", residual_of_kept, FW_OP_BINARY, 1, 1 },
  { "factor", factor, FW_OP_BINARY, 1, 0 },
  { "factor that repeats", factor_that_repeats, FW_OP_BINARY, 1, 1 },
  { "factor of shared", factor_of_shared, FW_OP_BINARY, 2, 2 },
  { "factor on a residual", factor_on_a_residual, FW_OP_BINARY, 2, 1 },
  { "residual on a factor", residual_on_a_factor, FW_OP_BINARY, 2, 1 },
  { "arrival", arrival, FW_OP_BINARY, 1, 0 },
  { "arrival made later", arrival_made_later, FW_OP_BINARY, 1, 1 },
  { "arrival that repeats", arrival_that_repeats, FW_OP_BINARY, 1, 1 },
  { "arrival turned", arrival_turned, FW_OP_BINARY, 1, 1 },
  { "conversion", conversion, FW_OP_COPY, 1, 0 },
  { "conversion of shared", conversion_of_shared, FW_OP_COPY, 1, 1 },
  { "conversion to integers", conversion_to_integers, FW_OP_COPY, 1, 1 },
};

static FwGraph *
graph_of (const Row *row, FwDtype compute, gboolean fused)
{
  FwGraph *graph = fw_graph_new (compute);
  fw_keep (graph, "y", row->record (graph));
  g_assert_cmpuint (test_nodes (graph, &fw_ops[row->op]), ==, row->before);
  if (fused) {
    fw_rewrite_forward (graph);
    fw_rewrite_final (graph);
    g_assert_cmpuint (test_nodes (graph, &fw_ops[row->op]), ==, row->after);
  }
  return graph;
}

/* In double, and in single precision on the fast kernels. */
static void
test_row (gconstpointer data)
{
  const struct { const char *path; FwDtype compute; double tolerance; } ways[] = {
    { "ref", FW_DTYPE_F64, 1e-14 }, { NULL, FW_DTYPE_F32, 1e-6 },
  };
  for (guint i = 0; i < G_N_ELEMENTS (ways); i++) {
    g_autoptr (FwDevice) device = test_device (ways[i].path, 1);
    g_auto (TestRun) plain = { NULL }, fused = { NULL };
    test_run_init (&plain, graph_of (data, ways[i].compute, FALSE), device);
    test_run_init (&fused, graph_of (data, ways[i].compute, TRUE), device);
    test_run_go (&plain);
    test_run_go (&fused);
    g_assert_cmpfloat (test_run_difference (&plain, &fused, "y"), <=, ways[i].tolerance * test_run_largest (&plain, "y"));
    if (fw_graph_named (plain.graph, "linear") != NULL)
      g_assert_true (test_run_same (&plain, &fused, "linear"));
  }
}

/* A stream in f32 whose next readers want bf16: the layer stores both, once. */
static void
narrowed_stream (FwGraph *graph)
{
  FwVal x = fw_cast (graph, IN ("x", 2, 3, 4), FW_DTYPE_BF16), h = fw_add (graph, IN ("h", 2, 3, 4), linear (graph, x));
  fw_keep (graph, "stream", h);
  fw_keep (graph, "y", fw_affine (graph, fw_cast (graph, h, FW_DTYPE_BF16), 2, 0));
  fw_keep (graph, "z", fw_affine (graph, fw_cast (graph, h, FW_DTYPE_BF16), 3, 0));
}

/* What is stored twice is the product: a residual may not be added on the way. */
static void
narrowed_product (FwGraph *graph)
{
  FwVal x = fw_cast (graph, IN ("x", 2, 3, 4), FW_DTYPE_BF16), p = fw_cast (graph, linear (graph, x), FW_DTYPE_F32);
  fw_keep (graph, "y", fw_affine (graph, fw_cast (graph, p, FW_DTYPE_BF16), 2, 0));
  fw_keep (graph, "stream", fw_add (graph, IN ("h", 2, 3, 4), p));
  fw_keep (graph, "z", fw_affine (graph, p, 3, 0));
}

/* A norm that comes to write bf16 changes the type of its views too. */
static void
viewed_modulation (FwGraph *graph)
{
  FwVal y = fw_modulate (graph, norm (graph, IN ("x", 2, 3, 4)), IN ("shift", 2, 1, 4), IN ("scale", 2, 1, 4));
  fw_keep (graph, "stream", fw_affine (graph, fw_slice (graph, y, 0, 1, 1), 2, 0));
  fw_keep (graph, "y", fw_affine (graph, y, 2, 0));
  fw_keep (graph, "z", fw_affine (graph, y, 3, 0));
}

typedef struct {
  const char *name;
  void (*record) (FwGraph *graph);
} Streams;

static const Streams streams[] = {
  { "narrowed stream", narrowed_stream }, { "narrowed product", narrowed_product }, { "viewed modulation", viewed_modulation },
};

static FwGraph *
streams_of (const Streams *row, gboolean fused)
{
  FwGraph *graph = fw_graph_new (FW_DTYPE_BF16);
  row->record (graph);
  if (fused) {
    fw_rewrite_forward (graph);
    fw_rewrite_final (graph);
  }
  return graph;
}

static void
test_streams (gconstpointer row)
{
  g_autoptr (FwDevice) device = test_device (NULL, 1);
  g_auto (TestRun) plain = { NULL }, fused = { NULL };
  test_run_init (&plain, streams_of (row, FALSE), device);
  test_run_init (&fused, streams_of (row, TRUE), device);
  g_assert_cmpuint (fused.plan->n_steps, <, plain.plan->n_steps);
  test_run_go (&plain);
  test_run_go (&fused);
  for (const char *const *name = (const char *const[]) { "stream", "y", "z", NULL }; *name != NULL; name++)
    g_assert_cmpfloat (test_run_difference (&plain, &fused, *name), <=, 0x1p-6 * test_run_largest (&plain, *name));
}

/* --- the networks --- */

static const FwStditConfig stdit = {
  .in_channels = 2, .hidden_size = 8, .depth = 3, .num_heads = 2, .mlp_ratio = 2, .patch_size = { 1, 2, 2 },
  .caption_channels = 6, .model_max_length = 4, .space_scale = 1, .time_scale = 1,
};

static FwVal
record_stdit (FwGraph *graph)
{
  FwVal mask = fw_external (graph, "mask", FW_DTYPE_U8, SHAPE (1, 4));
  return fw_stdit (graph, &stdit, IN ("x", 1, 2, 2, 4, 4), IN ("t", 1), IN ("y", 1, 4, 6), mask);
}

static void
fuse (FwGraph *graph, FwVal y)
{
  fw_keep (graph, "out", y);
  fw_rewrite_forward (graph);
  fw_rewrite_final (graph);
}

/* What is left: a table added per block and in the last layer, the two position tables, one SiLU with two readers. */
static void
test_stdit (void)
{
  g_autoptr (FwGraph) graph = fw_graph_new (FW_DTYPE_F32);
  fuse (graph, record_stdit (graph));
  g_assert_false (fw_graph_failed (graph));
  g_assert_cmpuint (test_nodes (graph, FW_OP (GATE_RESIDUAL)), ==, 0);
  g_assert_cmpuint (test_nodes (graph, FW_OP (BINARY)), ==, stdit.depth + 3);
  g_assert_cmpuint (test_nodes (graph, FW_OP (UNARY)), ==, 1);
  g_assert_cmpuint (test_nodes (graph, FW_OP (ATTENTION)), ==, 3 * stdit.depth);
}

static void
test_t5 (void)
{
  const FwT5Config config = { 10, 6, 4, 8, 3, 2, 8, 16, 1e-6 };
  g_autoptr (FwGraph) graph = fw_graph_new (FW_DTYPE_F32);
  fuse (graph, fw_t5_encoder (graph, &config, fw_external (graph, "ids", FW_DTYPE_I32, SHAPE (1, 5)), FW_NONE));
  g_assert_false (fw_graph_failed (graph));
  g_assert_cmpuint (test_nodes (graph, FW_OP (BINARY)), ==, 0);
  g_assert_cmpuint (test_nodes (graph, FW_OP (GATED)), ==, 3);
}

static void
test_sd_vae (void)
{
  const FwSdVaeConfig config = { 3, 2, 1, 2, 3, { 4, 4, 6 }, 1 };
  g_autoptr (FwGraph) graph = fw_graph_new (FW_DTYPE_F32);
  fuse (graph, fw_sd_vae_decode (graph, &config, IN ("latent", 1, 2, 2, 2)));
  g_assert_false (fw_graph_failed (graph));
  g_assert_cmpuint (test_nodes (graph, FW_OP (UNARY)), ==, 0);
  g_assert_cmpuint (test_nodes (graph, FW_OP (RESAMPLE)), ==, 0);
}

static void
record_names (FwGraph *graph, gpointer data)
{
  fw_keep (graph, "out", record_stdit (graph));
}

/* The gradient of all weights as one array, and those of q, k and v as one tensor, come about without a copy; so do the
 * gaps that align the weights. */
static void
test_flat_gradient (void)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (FwDevice) device = test_device (NULL, 1);
  g_autoptr (FwParameters) parameters = fw_parameters_new (record_names, NULL, &error);
  g_assert_no_error (error);
  for (int checkpoint = 0; checkpoint < 2; checkpoint++) {
    g_auto (TestRun) run = { NULL };
    FwGraph *graph = fw_graph_new (FW_DTYPE_F32);
    FwVal flat, gradient;
    fw_graph_set_weights (graph, fw_parameters_source (parameters, graph, &flat));
    FwVal y = record_stdit (graph), loss = fw_reduce (graph, FW_REDUCE_MEAN, fw_unary (graph, FW_FN_SQUARE, y), ~0u);
    fw_rewrite_forward (graph);
    fw_gradient (graph, loss, &flat, 1, checkpoint, &gradient);
    fw_keep (graph, "gradient", gradient);
    fw_rewrite_final (graph);
    test_run_init (&run, graph, device);
    guint concats = 0;
    for (guint s = 0; s < run.plan->n_steps; s++)
      concats += run.plan->steps[s].node->op == FW_OP (CONCAT);
    g_assert_cmpuint (test_nodes (graph, FW_OP (CONCAT)), >, 3 * (guint) stdit.depth);
    g_assert_cmpuint (concats, ==, 0);
    test_run_go (&run);
    g_assert_cmpint (test_run_count (&run, "gradient"), ==, fw_parameters_size (parameters));
    for (guint i = 1; i < fw_parameters_count (parameters); i++) {
      const FwParameter *before = fw_parameters_get (parameters, i - 1), *parameter = fw_parameters_get (parameters, i);
      for (gint64 n = before->offset + before->count; n < parameter->offset; n++)
        g_assert_cmpfloat (test_run_result (&run, "gradient", n), ==, 0);
    }
  }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  for (guint i = 0; i < G_N_ELEMENTS (rows); i++) {
    g_autofree char *path = g_strconcat ("/rewrite/", rows[i].name, NULL);
    g_test_add_data_func (path, &rows[i], test_row);
  }
  for (guint i = 0; i < G_N_ELEMENTS (streams); i++) {
    g_autofree char *path = g_strconcat ("/rewrite/", streams[i].name, NULL);
    g_test_add_data_func (path, &streams[i], test_streams);
  }
  g_test_add_func ("/rewrite/stdit", test_stdit);
  g_test_add_func ("/rewrite/t5", test_t5);
  g_test_add_func ("/rewrite/sd-vae", test_sd_vae);
  g_test_add_func ("/rewrite/flat-gradient", test_flat_gradient);
  return g_test_run ();
}
