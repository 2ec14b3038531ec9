/* SPDX-License-Identifier: Apache-2.0
 * Recording: the sticky first failure, names, kept values, the verifier's rules, and graphs as text. */
#include <string.h>

#include "engine/graph/dump.h"
#include "engine/graph/gradient.h"
#include "engine/graph/verify.h"
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

/* --- the first failure --- */

static void
test_sticky (void)
{
  g_autoptr (FwGraph) graph = fw_graph_new (FW_DTYPE_F32);
  FwVal x = IN (2, 3);
  fw_scope_push (graph, "blocks.%d", 3);
  fw_scope_push (graph, "attn.proj");
  FwVal y = fw_linear (graph, x, IN (5, 4), FW_NONE);
  g_assert_cmpint (y.id, ==, 0);
  fw_scope_pop (graph);
  fw_scope_pop (graph);
  guint nodes = fw_graph_n_nodes (graph), values = fw_graph_n_values (graph);

  /* what follows is quiet, records nothing, and does not replace the message */
  y = fw_layer_norm (graph, fw_add (graph, y, x), FW_NONE, FW_NONE, 1e-6);
  fw_scope_push (graph, "later");
  fw_graph_fail (graph, "another failure");
  fw_keep (graph, "y", y);
  g_assert_cmpint (fw_external (graph, "later", FW_DTYPE_F32, SHAPE (1)).id, ==, 0);
  g_assert_cmpint (fw_weight (graph, "later", SHAPE (1)).id, ==, 0);
  FwVal gradient;
  fw_gradient (graph, y, &x, 1, TRUE, &gradient);
  g_assert_cmpint (gradient.id, ==, 0);
  g_assert_true (fw_graph_failed (graph));
  g_assert_cmpuint (fw_graph_n_nodes (graph), ==, nodes);
  g_assert_cmpuint (fw_graph_n_values (graph), ==, values);
  g_assert_null (fw_graph_named (graph, "y"));

  for (int i = 0; i < 2; i++) {
    g_autoptr (GError) error = NULL;
    g_assert_false (fw_graph_finish (graph, &error));
    g_assert_error (error, FW_ERROR, FW_ERROR_CHECKPOINT);
    g_assert_cmpstr (error->message, ==, "blocks.3.attn.proj: shapes do not fit in linear of f32[2, 3] f32[5, 4]");
  }
}

/* --- names, scopes and kept values --- */

static FwVal
remember (FwWeightSource *source, FwGraph *graph, const char *name, int rank, const gint64 *dim)
{
  return fw_external (graph, name, FW_DTYPE_BF16, rank, dim);
}

static void
test_weights (void)
{
  g_autoptr (FwGraph) graph = fw_graph_new (FW_DTYPE_F32);
  FwVal plain = fw_weight (graph, "head.weight", SHAPE (2));
  FwWeightSource source = { remember };
  fw_graph_set_weights (graph, &source);
  fw_scope_push (graph, "blocks.%d", 7);
  FwVal scoped = fw_weight (graph, "attn.qkv.weight", SHAPE (6, 2));
  g_assert_cmpstr (fw_graph_value (graph, plain.id)->name, ==, "head.weight");
  g_assert_cmpstr (fw_graph_value (graph, scoped.id)->name, ==, "blocks.7.attn.qkv.weight");
  g_assert_cmpint (fw_layout (graph, plain)->dtype, ==, FW_DTYPE_F32);
  g_assert_cmpint (fw_layout (graph, scoped)->dtype, ==, FW_DTYPE_BF16);
  g_assert_true (fw_graph_named (graph, "blocks.7.attn.qkv.weight") == fw_graph_value (graph, scoped.id));
  g_assert_null (fw_graph_named (graph, "attn.qkv.weight"));
}

static void
test_dtypes (void)
{
  g_autoptr (FwGraph) graph = fw_graph_new (FW_DTYPE_BF16);
  FwVal x = IN (2, 3), w = IN (4, 3);
  FwVal y = fw_linear (graph, x, w, FW_NONE);
  g_assert_cmpint (fw_layout (graph, y)->dtype, ==, FW_DTYPE_BF16);
  g_assert_cmpint (fw_layout (graph, fw_add (graph, y, y))->dtype, ==, FW_DTYPE_BF16);
  g_assert_cmpint (fw_layout (graph, fw_add (graph, y, fw_cast (graph, y, FW_DTYPE_F32)))->dtype, ==, FW_DTYPE_F32);
  fw_precise_begin (graph);
  g_assert_cmpint (fw_layout (graph, fw_linear (graph, x, w, FW_NONE))->dtype, ==, FW_DTYPE_F32);
  fw_precise_end (graph);
  g_assert_cmpint (fw_layout (graph, fw_layer_norm (graph, x, FW_NONE, FW_NONE, 1e-6))->dtype, ==, FW_DTYPE_BF16);
  g_autoptr (FwGraph) wide = fw_graph_new (FW_DTYPE_F64);
  g_assert_cmpint (fw_graph_accumulate (wide), ==, FW_DTYPE_F64);
  g_assert_cmpint (fw_graph_accumulate (graph), ==, FW_DTYPE_F32);
}

/* Whatever is kept lies densely and by itself after a run. */
static void
test_keep (void)
{
  g_autoptr (FwDevice) device = test_device ("ref", 1);
  g_auto (TestRun) run = { NULL };
  FwGraph *graph = fw_graph_new (FW_DTYPE_F32);
  FwVal x = fw_external (graph, "x", FW_DTYPE_F32, SHAPE (2, 3));
  FwVal y = fw_unary (graph, FW_FN_NEG, x);
  fw_keep (graph, "input", x);
  fw_keep (graph, "view", fw_permute_to (graph, y, 1, 0));
  fw_keep (graph, "y", y);
  fw_keep (graph, "again", y);
  /* attention answers in the memory order of q */
  FwVal q = fw_external (graph, "q", FW_DTYPE_F32, SHAPE (1, 2, 3, 1, 4));
  FwVal turned = fw_permute_to (graph, q, 0, 2, 1, 3, 4);
  FwVal a = fw_attention (graph, turned, turned, turned, FW_NONE, FW_NONE, 1, FALSE);
  g_assert_false (fw_tensor_is_contiguous (fw_layout (graph, a)));
  fw_keep (graph, "straight", fw_permute_to (graph, a, 0, 2, 1, 3, 4));
  fw_keep (graph, "attention", a);
  test_run_init (&run, graph, device);
  test_run_go (&run);
  const float *numbers = test_run_memory (&run, "x");
  for (int i = 0; i < 2; i++)
    for (int j = 0; j < 3; j++) {
      g_assert_cmpfloat (test_run_result (&run, "input", i * 3 + j), ==, numbers[i * 3 + j]);
      g_assert_cmpfloat (test_run_result (&run, "y", i * 3 + j), ==, -numbers[i * 3 + j]);
      g_assert_cmpfloat (test_run_result (&run, "again", i * 3 + j), ==, -numbers[i * 3 + j]);
      g_assert_cmpfloat (test_run_result (&run, "view", j * 2 + i), ==, -numbers[i * 3 + j]);
      for (int k = 0; k < 4; k++)
        g_assert_cmpfloat (test_run_result (&run, "attention", (j * 2 + i) * 4 + k), ==,
                           test_run_result (&run, "straight", (i * 3 + j) * 4 + k));
    }
}

/* --- the verifier --- */

typedef void (*Damage) (FwGraph *graph, FwNode *first, FwNode *last);

static void
damage_order (FwGraph *graph, FwNode *first, FwNode *last)
{
  first->in[0] = last->out[0];
}

static void
damage_removed (FwGraph *graph, FwNode *first, FwNode *last)
{
  fw_node_remove (first);
}

static void
damage_operand (FwGraph *graph, FwNode *first, FwNode *last)
{
  last->in[0] = 0;
}

static void
damage_id (FwGraph *graph, FwNode *first, FwNode *last)
{
  last->in[0] = 4711;
}

static void
damage_negative_id (FwGraph *graph, FwNode *first, FwNode *last)
{
  last->in[0] = -1;
}

static void
damage_producer (FwGraph *graph, FwNode *first, FwNode *last)
{
  last->out[0] = first->out[0];
}

static void
damage_offset (FwGraph *graph, FwNode *first, FwNode *last)
{
  fw_graph_value (graph, last->out[0])->offset++;
}

static void
damage_offset_below (FwGraph *graph, FwNode *first, FwNode *last)
{
  fw_graph_value (graph, last->out[0])->offset = -1;
}

static void
damage_stride (FwGraph *graph, FwNode *first, FwNode *last)
{
  fw_graph_value (graph, last->out[0])->layout.stride[0]++;
}

static void
damage_base (FwGraph *graph, FwNode *first, FwNode *last)
{
  fw_graph_value (graph, last->out[0])->base = 0;
}

static const struct { const char *name; Damage damage; const char *says; } damages[] = {
  { "order", damage_order, "reads a value before it is made" }, { "removed", damage_removed, "reads a value before it is made" },
  { "operand", damage_operand, "a required operand is absent" }, { "id", damage_id, "reads a value that does not exist" },
  { "negative id", damage_negative_id, "reads a value that does not exist" },
  { "producer", damage_producer, "a result belongs to another node" },
  { "offset", damage_offset, "a view leaves its storage" }, { "offset below", damage_offset_below, "a view leaves its storage" },
  { "stride", damage_stride, "a view leaves its storage" }, { "base", damage_base, "a view leaves its storage" },
};

static FwGraph *
sound_graph (void)
{
  FwGraph *graph = fw_graph_new (FW_DTYPE_F32);
  FwVal x = fw_external (graph, "x", FW_DTYPE_F32, SHAPE (2, 3));
  fw_scope_push (graph, "head");
  fw_slice (graph, fw_unary (graph, FW_FN_SILU, x), 1, 1, 2);
  return graph;
}

static void
test_verifier (void)
{
  g_autoptr (FwGraph) sound = sound_graph ();
  g_autoptr (GError) none = NULL;
  g_assert_true (fw_graph_verify (sound, &none));
  g_assert_no_error (none);
  for (guint i = 0; i < G_N_ELEMENTS (damages); i++) {
    g_autoptr (FwGraph) graph = sound_graph ();
    g_autoptr (GError) error = NULL;
    damages[i].damage (graph, fw_graph_node (graph, 0), fw_graph_node (graph, 1));
    g_test_message ("damage: %s", damages[i].name);
    g_assert_false (fw_graph_finish (graph, &error));
    g_assert_error (error, FW_ERROR, FW_ERROR_FAILED);
    g_assert_nonnull (strstr (error->message, damages[i].says));
    g_assert_nonnull (strstr (error->message, "head ("));
  }
}

/* --- as text --- */

static void
test_dump (void)
{
  g_autoptr (FwGraph) graph = fw_graph_new (FW_DTYPE_F32);
  FwVal x = fw_external (graph, "x", FW_DTYPE_F32, SHAPE (2, 3));
  fw_scope_push (graph, "head");
  FwVal y = fw_linear (graph, x, fw_weight (graph, "weight", SHAPE (4, 3)), FW_NONE);
  fw_scope_pop (graph);
  FwVal unused = fw_unary (graph, FW_FN_EXP, y);
  fw_node_remove (fw_graph_value (graph, unused.id)->producer);
  fw_keep (graph, "y", fw_unary (graph, FW_FN_NEG, y));
  g_autofree char *text = fw_graph_dump_text (graph), *dot = fw_graph_dump_dot (graph);
  g_assert_cmpstr (text, ==,
                   "   0  %3:f32[2, 4], %4:f32[2, 4], %5:f32[2, 4] = linear (x:f32[2, 3], head.weight:f32[4, 3], -, -, -)  # head\n"
                   "   2  y:f32[2, 4] = unary (%3:f32[2, 4])  # \n");
  g_assert_cmpstr (dot, ==,
                   "digraph framewright {\n  node [shape=box, fontname=monospace];\n"
                   "  n0 [label=\"head (linear)\"];\n"
                   "  \"x\" -> n0 [label=\"f32[2, 3]\"];\n"
                   "  \"head.weight\" -> n0 [label=\"f32[4, 3]\"];\n"
                   "  n2 [label=\"graph (unary)\"];\n"
                   "  n0 -> n2 [label=\"f32[2, 4]\"];\n"
                   "}\n");
}

/* The arena holds graphs larger than one block, and values larger than one. */
static void
test_arena (void)
{
  g_autoptr (FwGraph) graph = fw_graph_new (FW_DTYPE_F32);
  g_autofree float *table = g_new0 (float, 100000);
  table[99999] = 7;
  FwVal x = fw_constant (graph, "table", FW_DTYPE_F32, SHAPE (100000), table), y = x;
  for (int i = 0; i < 5000; i++)
    y = fw_unary (graph, FW_FN_NEG, y);
  g_autoptr (GError) error = NULL;
  g_assert_true (fw_graph_finish (graph, &error));
  g_assert_cmpuint (fw_graph_n_nodes (graph), ==, 5000);
  g_assert_cmpuint (fw_graph_n_values (graph), ==, 5002);
  g_assert_cmpfloat (((const float *) fw_graph_value (graph, x.id)->constant)[99999], ==, 7);
  for (guint n = 1; n < 5000; n++)
    g_assert_cmpint (fw_graph_node (graph, n)->in[0], ==, fw_graph_node (graph, n - 1)->out[0]);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/graph/sticky", test_sticky);
  g_test_add_func ("/graph/weights", test_weights);
  g_test_add_func ("/graph/dtypes", test_dtypes);
  g_test_add_func ("/graph/keep", test_keep);
  g_test_add_func ("/graph/verifier", test_verifier);
  g_test_add_func ("/graph/dump", test_dump);
  g_test_add_func ("/graph/arena", test_arena);
  return g_test_run ();
}
