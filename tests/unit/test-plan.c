/* SPDX-License-Identifier: Apache-2.0
 * Planning: packed blocks never meet, sharing and placement never change a bit, what nobody needs is left out. */
#include <string.h>

#include "engine/graph/place.h"
#include "engine/graph/rewrite.h"
#include "engine/plan/liveness.h"
#include "engine/plan/pack.h"
#include "tests/unit/own-memory.h"
#include "tests/unit/random-graph.h"

#define SHAPE(...) (int) G_N_ELEMENTS (((const gint64[]) { __VA_ARGS__ })), (const gint64[]) { __VA_ARGS__ }

/* --- packing --- */

static gsize
most_alive (const FwInterval *blocks, guint n, gint32 steps)
{
  gsize most = 0;
  for (gint32 step = 0; step < steps; step++) {
    gsize alive = 0;
    for (guint i = 0; i < n; i++)
      alive += blocks[i].first <= step && step <= blocks[i].last ? blocks[i].bytes : 0;
    most = MAX (most, alive);
  }
  return most;
}

static void
test_pack (void)
{
  enum { ROUNDS = 60, STEPS = 40 };
  GRand *random = g_rand_new_with_seed (1);
  double sum = 0, worst = 0;
  for (int round = 0; round < ROUNDS; round++) {
    guint n = (guint) g_rand_int_range (random, 1, 120);
    g_autofree FwInterval *blocks = g_new0 (FwInterval, n);
    g_autofree gsize *asked = g_new0 (gsize, n);
    for (guint i = 0; i < n; i++) {
      gint32 first = g_rand_int_range (random, 0, STEPS), length = g_rand_int_range (random, 0, i % 7 == 0 ? STEPS : 5);
      asked[i] = (gsize) g_rand_int_range (random, 1, i % 5 == 0 ? 5000 : 400);
      blocks[i] = (FwInterval) { first, MIN (first + length, STEPS - 1), asked[i], G_MAXSIZE };
    }
    gsize slab = fw_pack (blocks, n), highest = 0;
    for (guint i = 0; i < n; i++) {
      g_assert_cmpuint (blocks[i].offset % FW_ALIGNMENT, ==, 0);
      g_assert_cmpuint (blocks[i].bytes, >=, asked[i]);
      g_assert_cmpuint (blocks[i].bytes, <, asked[i] + FW_ALIGNMENT);
      highest = MAX (highest, blocks[i].offset + blocks[i].bytes);
      for (guint j = 0; j < i; j++)
        if (blocks[i].first <= blocks[j].last && blocks[j].first <= blocks[i].last)
          g_assert_true (blocks[i].offset + blocks[i].bytes <= blocks[j].offset
                         || blocks[j].offset + blocks[j].bytes <= blocks[i].offset);
    }
    g_assert_cmpuint (slab, ==, highest);
    double ratio = (double) slab / (double) most_alive (blocks, n, STEPS);
    g_assert_cmpfloat (ratio, >=, 1);
    sum += ratio;
    worst = MAX (worst, ratio);
  }
  g_rand_free (random);
  g_test_message ("slab over the most that lives at once: %.3f on average, %.3f at worst", sum / ROUNDS, worst);
  g_assert_cmpfloat (sum / ROUNDS, <, 1.06);
  g_assert_cmpfloat (worst, <, 1.5);
}

static void
test_pack_edges (void)
{
  FwInterval none[1], same[3] = { { 0, 0, 64, 9 }, { 1, 1, 64, 9 }, { 2, 2, 64, 9 } };
  FwInterval zero[2] = { { 0, 1, 0, 9 }, { 0, 1, 1, 9 } };
  g_assert_cmpuint (fw_pack (none, 0), ==, 0);
  g_assert_cmpuint (fw_pack (same, 3), ==, 64);
  g_assert_cmpuint (fw_pack (zero, 2), ==, 64);
}

/* --- random graphs --- */

/* The fast kernels sum in an order that depends on strides, which placement changes; fusion leaves out roundings. */
typedef struct {
  const char *path;
  FwDtype compute;
  double placed, fused;   /* relative tolerances; negative: not compared */
} Precision;

static const Precision reference = { "ref", FW_DTYPE_F64, 0, 1e-12 }, best = { NULL, FW_DTYPE_F32, 1e-5, 1e-5 };
static const Precision narrow = { NULL, FW_DTYPE_BF16, -1, -1 };

/* The largest relative difference of what both keep; exact unless @tolerance. */
static void
assert_as_own_memory (TestRun *run, const OwnMemory *own, double tolerance)
{
  for (guint i = 0; i < RANDOM_KEPT; i++) {
    g_autofree char *name = g_strdup_printf ("kept%u", i);
    const FwValue *value = fw_graph_named (own->run->graph, name);
    const char *want = own_data (own, value->id), *got = fw_exec_data (run->exec, name);
    FwDtype dtype = value->layout.dtype;
    gint64 count = fw_tensor_count (&value->layout);
    g_assert_cmpint (count, ==, test_run_count (run, name));
    if (tolerance < 0)
      continue;
    if (tolerance == 0) {
      g_assert_cmpmem (got, count * fw_dtype_size (dtype), want, count * fw_dtype_size (dtype));
      continue;
    }
    double largest = 1e-30;
    for (gint64 n = 0; n < count; n++)
      largest = MAX (largest, fabs (fw_load_element (want, dtype, n)));
    for (gint64 n = 0; n < count; n++)
      g_assert_cmpfloat (fabs (fw_load_element (got, dtype, n) - fw_load_element (want, dtype, n)), <=, tolerance * largest);
  }
}

/* As test_run_init(), with a slab full of NaNs. */
static void
run_poisoned (TestRun *run, FwGraph *graph, FwDevice *device)
{
  test_run_init (run, graph, device);
  g_clear_pointer (&run->exec, fw_exec_free);
  gpointer slab = g_malloc (run->plan->slab_bytes + 64);
  memset (slab, OWN_POISON, run->plan->slab_bytes + 64);
  g_hash_table_insert (run->memory, g_strdup ("the slab"), slab);
  run->exec = fw_exec_new (run->plan, device, (gpointer) (((guintptr) slab + 63) & ~(guintptr) 63), NULL);
  test_run_bind (run);
  test_run_go (run);
  memset (slab, OWN_POISON, run->plan->slab_bytes + 64); /* nothing is carried from run to run in there */
  test_run_go (run);
}

/* Changes the inputs that may change from run to run. */
static void
change_inputs (TestRun *run)
{
  for (guint id = 1; id < fw_graph_n_values (run->graph); id++) {
    const FwValue *value = fw_graph_value (run->graph, (gint32) id);
    if (value->class != FW_VALUE_EXTERNAL || value->base != value->id || value->steady)
      continue;
    gpointer memory = test_run_memory (run, value->name);
    for (gint64 i = 0; i < value->storage; i++)
      fw_store_element (memory, value->layout.dtype, i, 0.7 - fw_load_element (memory, value->layout.dtype, i));
  }
}

/* Each graph: as recorded, with every storage in memory of its own; then planned; then placed and planned; then fused,
 * placed and planned. */
static void
test_random_graphs (gconstpointer data)
{
  enum { GRAPHS = 300 };
  const Precision *precision = data;
  g_autoptr (FwDevice) device = test_device (precision->path, 2);
  guint concats = 0, copied = 0, prologues = 0;
  for (guint32 seed = 0; seed < GRAPHS; seed++) {
    g_test_message ("seed %u", seed);
    guint nodes = 6 + seed % 40;
    g_auto (TestRun) plain = { NULL }, planned = { NULL }, placed = { NULL }, fused = { NULL };
    g_auto (OwnMemory) own = { NULL };
    test_run_init (&plain, random_graph (seed, precision->compute, nodes), device);
    own_memory_run (&own, &plain);
    run_poisoned (&planned, random_graph (seed, precision->compute, nodes), device);
    assert_as_own_memory (&planned, &own, 0);
    prologues += planned.plan->n_prologue;

    FwGraph *graph = random_graph (seed, precision->compute, nodes);
    fw_place_parts (graph);
    run_poisoned (&placed, graph, device);
    assert_as_own_memory (&placed, &own, precision->placed);
    concats += test_nodes (graph, FW_OP (CONCAT));
    for (guint s = 0; s < placed.plan->n_steps; s++)
      copied += placed.plan->steps[s].node->op == FW_OP (CONCAT);

    graph = random_graph (seed, precision->compute, nodes);
    fw_rewrite_forward (graph);
    fw_rewrite_final (graph);
    run_poisoned (&fused, graph, device);
    assert_as_own_memory (&fused, &own, precision->fused);

    /* with other inputs, but the same steady values, of which nothing is computed again */
    TestRun *again[] = { &plain, &planned, &placed, &fused };
    const double tolerances[] = { 0, 0, precision->placed, precision->fused };
    for (guint i = 0; i < G_N_ELEMENTS (again); i++)
      change_inputs (again[i]);
    own_memory_clear (&own);
    own_memory_run (&own, &plain);
    for (guint i = 1; i < G_N_ELEMENTS (again); i++) {
      test_run_go (again[i]);
      assert_as_own_memory (again[i], &own, tolerances[i]);
    }
  }
  g_test_message ("%u of %u concatenations copy; %u steps run once", copied, concats, prologues);
  g_assert_cmpuint (prologues, >, 0);
  g_assert_cmpuint (copied, <, concats);
}

/* --- liveness --- */

static void
test_dead (void)
{
  g_autoptr (FwDevice) device = test_device ("ref", 1);
  g_auto (TestRun) run = { NULL };
  FwGraph *graph = fw_graph_new (FW_DTYPE_F32);
  FwVal x = fw_external (graph, "x", FW_DTYPE_F32, SHAPE (4));
  FwVal unused = fw_external (graph, "unused", FW_DTYPE_F32, SHAPE (1000));
  FwVal y = fw_unary (graph, FW_FN_NEG, x);
  FwVal dead = fw_unary (graph, FW_FN_EXP, fw_add (graph, unused, unused));
  fw_reshape_to (graph, dead, 10, 100);
  fw_keep (graph, "y", y);
  /* what changes memory that outlives the run is needed without being read */
  FwVal state = fw_persistent (graph, "state", FW_DTYPE_F32, SHAPE (4));
  FwVal decay = fw_external (graph, "decay", FW_DTYPE_F32, SHAPE (1));
  fw_ema (graph, state, y, decay);
  test_run_init (&run, graph, device);
  g_assert_cmpuint (run.plan->n_steps, ==, 2);
  g_assert_true (run.plan->steps[0].node->op == FW_OP (UNARY));
  g_assert_true (run.plan->steps[1].node->op == FW_OP (EMA));
  g_assert_cmpuint (run.plan->slab_bytes, ==, 64);
  g_assert_cmpuint (run.plan->persistent_bytes, ==, 64);
  g_assert_cmpint (run.plan->storage[fw_graph_named (graph, "x")->id].place, ==, FW_PLACE_EXTERNAL);
  g_assert_cmpint (run.plan->storage[fw_graph_named (graph, "state")->id].place, ==, FW_PLACE_PERSISTENT);
  g_assert_cmpint (run.plan->storage[fw_graph_named (graph, "y")->id].place, ==, FW_PLACE_SLAB);
  g_assert_cmpint (run.plan->storage[dead.id].place, ==, FW_PLACE_NONE);
}

/* A chain of pointwise ops needs two values at a time at most, and with ops that may work in place only one. */
static void
test_in_place (void)
{
  g_autoptr (FwDevice) device = test_device ("ref", 1);
  g_auto (TestRun) run = { NULL };
  FwGraph *graph = fw_graph_new (FW_DTYPE_F32);
  FwVal x = fw_external (graph, "x", FW_DTYPE_F32, SHAPE (1024)), y = x;
  for (int i = 0; i < 10; i++)
    y = fw_unary (graph, FW_FN_NEG, y);
  fw_keep (graph, "y", y);
  test_run_init (&run, graph, device);
  g_assert_cmpuint (run.plan->slab_bytes, ==, 1024 * sizeof (float));
  test_run_go (&run);
  for (int i = 0; i < 1024; i++)
    g_assert_cmpfloat (test_run_result (&run, "y", i), ==, ((float *) test_run_memory (&run, "x"))[i]);
}

/* A kept whole whose parts were written into it keeps its memory although no node writes the whole itself. */
static void
test_kept_whole (void)
{
  g_autoptr (FwDevice) device = test_device ("ref", 1);
  g_auto (TestRun) run = { NULL };
  FwGraph *graph = fw_graph_new (FW_DTYPE_F32);
  FwVal x = fw_external (graph, "x", FW_DTYPE_F32, SHAPE (64)), later = x;
  FwVal parts[] = { fw_unary (graph, FW_FN_NEG, x), fw_unary (graph, FW_FN_SQUARE, x) };
  fw_keep (graph, "whole", fw_concat (graph, 0, parts, 2));
  for (int i = 0; i < 4; i++)
    later = fw_softmax (graph, fw_reduce (graph, FW_REDUCE_SUM, fw_concat (graph, 0, (FwVal[]) { later, later }, 2), 0));
  fw_keep (graph, "later", later);
  fw_rewrite_final (graph);
  test_run_init (&run, graph, device);
  test_run_go (&run);
  const float *numbers = test_run_memory (&run, "x");
  for (int i = 0; i < 64; i++) {
    g_assert_cmpfloat (test_run_result (&run, "whole", i), ==, -numbers[i]);
    g_assert_cmpfloat (test_run_result (&run, "whole", 64 + i), ==, numbers[i] * numbers[i]);
  }
}

/* --- placement --- */

static guint
concat_steps (const FwPlan *plan)
{
  guint count = 0;
  for (guint s = 0; s < plan->n_steps; s++)
    count += plan->steps[s].node->op == FW_OP (CONCAT);
  return count;
}

typedef struct {
  const char *name;
  FwVal (*record) (FwGraph *graph, FwVal x, FwVal y); /* x and y are [4, 6] */
  guint copies;                                       /* concatenations that still run */
} Placement;

static FwVal
neg (FwGraph *graph, FwVal x)
{
  return fw_unary (graph, FW_FN_NEG, x);
}

static FwVal
place_rows (FwGraph *graph, FwVal x, FwVal y)
{
  return fw_concat (graph, 0, (FwVal[]) { neg (graph, x), neg (graph, y) }, 2);
}

static FwVal
place_columns (FwGraph *graph, FwVal x, FwVal y)
{
  return fw_concat (graph, 1, (FwVal[]) { neg (graph, x), neg (graph, y) }, 2);
}

static FwVal
place_nested (FwGraph *graph, FwVal x, FwVal y)
{
  FwVal inner = fw_concat (graph, 0, (FwVal[]) { neg (graph, x), neg (graph, y) }, 2);
  return fw_concat (graph, 0, (FwVal[]) { neg (graph, y), inner, neg (graph, x) }, 3);
}

static FwVal
place_permuted (FwGraph *graph, FwVal x, FwVal y)
{
  FwVal part = fw_permute_to (graph, neg (graph, fw_reshape_to (graph, x, 2, 2, 6)), 1, 0, 2);
  return fw_concat (graph, 2, (FwVal[]) { part, neg (graph, fw_reshape_to (graph, y, 2, 2, 6)) }, 2);
}

/* Rows that lay side by side would fall apart. */
static FwVal
place_transposed (FwGraph *graph, FwVal x, FwVal y)
{
  FwVal part = fw_permute_to (graph, neg (graph, x), 1, 0);
  return fw_concat (graph, 0, (FwVal[]) { part, neg (graph, fw_permute_to (graph, y, 1, 0)) }, 2);
}

/* Strides of four rows cannot say where two rows of twice the length lie. */
static FwVal
place_reshaped (FwGraph *graph, FwVal x, FwVal y)
{
  FwVal part = fw_reshape_to (graph, neg (graph, x), 2, 12);
  return fw_concat (graph, 1, (FwVal[]) { part, fw_reshape_to (graph, neg (graph, y), 2, 12) }, 2);
}

/* A slice that crosses a border of the part's rows cannot be expressed once the rows lie apart. */
static FwVal
place_crossing (FwGraph *graph, FwVal x, FwVal y)
{
  FwVal flat = fw_reshape_to (graph, neg (graph, x), 24), crossing = fw_slice (graph, flat, 0, 4, 4);
  fw_keep (graph, "crossing", fw_unary (graph, FW_FN_SQUARE, crossing));
  return fw_concat (graph, 1, (FwVal[]) { fw_reshape_to (graph, flat, 4, 6), neg (graph, y) }, 2);
}

static FwVal
place_twice (FwGraph *graph, FwVal x, FwVal y)
{
  FwVal part = neg (graph, x);
  return fw_concat (graph, 0, (FwVal[]) { part, part }, 2);
}

static FwVal
place_in_two (FwGraph *graph, FwVal x, FwVal y)
{
  FwVal part = neg (graph, x), first = fw_concat (graph, 0, (FwVal[]) { neg (graph, y), part }, 2);
  return fw_concat (graph, 0, (FwVal[]) { part, first }, 2);
}

static FwVal
place_input (FwGraph *graph, FwVal x, FwVal y)
{
  return fw_concat (graph, 0, (FwVal[]) { x, neg (graph, y) }, 2);
}

static FwVal
place_slice (FwGraph *graph, FwVal x, FwVal y)
{
  FwVal part = fw_slice (graph, neg (graph, x), 0, 1, 2);
  return fw_concat (graph, 0, (FwVal[]) { part, neg (graph, y) }, 2);
}

/* The norm's kernel wants its input contiguous, so the part may not be scattered. */
static FwVal
place_dense_reader (FwGraph *graph, FwVal x, FwVal y)
{
  FwVal part = neg (graph, x);
  FwVal w = fw_external (graph, "w", FW_DTYPE_F32, SHAPE (6));
  FwVal b = fw_external (graph, "b", FW_DTYPE_F32, SHAPE (6));
  fw_keep (graph, "norm", fw_group_norm (graph, part, w, b, 2, 1e-3));
  return fw_concat (graph, 1, (FwVal[]) { part, neg (graph, y) }, 2);
}

static FwVal
place_empty (FwGraph *graph, FwVal x, FwVal y)
{
  return fw_concat (graph, 0, (FwVal[]) { neg (graph, fw_slice (graph, x, 0, 4, 0)), neg (graph, y) }, 2);
}

static const Placement placements[] = {
  { "rows", place_rows, 0 }, { "columns", place_columns, 0 }, { "nested", place_nested, 0 }, { "permuted", place_permuted, 0 },
  { "transposed", place_transposed, 1 }, { "reshaped", place_reshaped, 1 }, { "crossing", place_crossing, 1 },
  { "twice", place_twice, 1 }, { "in two", place_in_two, 1 },
  { "input", place_input, 1 }, { "slice", place_slice, 1 }, { "dense reader", place_dense_reader, 1 },
  { "empty", place_empty, 0 },
};

static FwGraph *
placement_graph (const Placement *row)
{
  FwGraph *graph = fw_graph_new (FW_DTYPE_F32);
  FwVal x = fw_external (graph, "x", FW_DTYPE_F32, SHAPE (4, 6)), y = fw_external (graph, "y", FW_DTYPE_F32, SHAPE (4, 6));
  FwVal whole = row->record (graph, x, y);
  fw_keep (graph, "kept", fw_unary (graph, FW_FN_SIN, whole));
  return graph;
}

static void
test_placement (gconstpointer data)
{
  const Placement *row = data;
  g_autoptr (FwDevice) device = test_device ("ref", 1);
  g_auto (TestRun) plain = { NULL }, placed = { NULL };
  g_auto (OwnMemory) own = { NULL };
  test_run_init (&plain, placement_graph (row), device);
  own_memory_run (&own, &plain);
  FwGraph *graph = placement_graph (row);
  fw_rewrite_final (graph);
  run_poisoned (&placed, graph, device);
  static const char *const kept[] = { "kept", "crossing", "norm" };
  for (guint i = 0; i < G_N_ELEMENTS (kept); i++) {
    const FwValue *value = fw_graph_named (plain.graph, kept[i]);
    gsize bytes = value != NULL ? (gsize) fw_tensor_count (&value->layout) * sizeof (float) : 0;
    if (value != NULL)
      g_assert_cmpmem (fw_exec_data (placed.exec, kept[i]), bytes, own_data (&own, value->id), bytes);
  }
  g_assert_cmpuint (concat_steps (placed.plan), ==, row->copies);
}

/* --- what a plan says of itself --- */

static void
test_describe (void)
{
  g_autoptr (FwDevice) device = test_device ("ref", 1);
  g_auto (TestRun) run = { NULL };
  FwGraph *graph = fw_graph_new (FW_DTYPE_F32);
  fw_scope_push (graph, "head");
  FwVal x = fw_external (graph, "x", FW_DTYPE_F32, SHAPE (100, 30)), w = fw_weight (graph, "w", SHAPE (20, 30));
  fw_keep (graph, "y", fw_linear (graph, x, w, FW_NONE));
  test_run_init (&run, graph, device);
  g_assert_cmpfloat (run.plan->flops, ==, 2.0 * 100 * 30 * 20);
  g_assert_cmpuint (run.plan->slab_bytes, >=, 100 * 20 * sizeof (float));
  g_autofree char *text = fw_plan_describe (run.plan);
  g_assert_true (g_str_has_prefix (text, "1 steps, 0.00012 GFLOP, slab "));
  g_assert_nonnull (strstr (text, "head (linear)"));
  g_assert_nonnull (strstr (text, "f32[100, 20]"));
  g_assert_nonnull (strstr (text, "reference"));
}

/* A graph that did not fit is refused with its own message. */
static void
test_failed_graph (void)
{
  g_autoptr (FwDevice) device = test_device ("ref", 1);
  g_autoptr (FwGraph) graph = fw_graph_new (FW_DTYPE_F32);
  g_autoptr (GError) error = NULL;
  fw_graph_fail (graph, "this cannot be");
  g_assert_null (fw_plan_new (graph, device, &error));
  g_assert_error (error, FW_ERROR, FW_ERROR_CHECKPOINT);
  g_assert_cmpstr (error->message, ==, "graph: this cannot be");
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/plan/pack", test_pack);
  g_test_add_func ("/plan/pack-edges", test_pack_edges);
  g_test_add_func ("/plan/dead", test_dead);
  g_test_add_func ("/plan/in-place", test_in_place);
  g_test_add_func ("/plan/kept-whole", test_kept_whole);
  for (guint i = 0; i < G_N_ELEMENTS (placements); i++) {
    g_autofree char *path = g_strconcat ("/plan/placement/", placements[i].name, NULL);
    g_test_add_data_func (path, &placements[i], test_placement);
  }
  g_test_add_data_func ("/plan/random/f64", &reference, test_random_graphs);
  g_test_add_data_func ("/plan/random/f32", &best, test_random_graphs);
  g_test_add_data_func ("/plan/random/bf16", &narrow, test_random_graphs);
  g_test_add_func ("/plan/describe", test_describe);
  g_test_add_func ("/plan/failed-graph", test_failed_graph);
  return g_test_run ();
}
