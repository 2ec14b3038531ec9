/* SPDX-License-Identifier: Apache-2.0
 * Running a recorded graph in a test: every external value gets memory of exactly its size, filled from its name, so that
 * two graphs that use the same names see the same numbers. */
#pragma once
#include <math.h>
#include <string.h>

#include "engine/exec/exec.h"
#include "engine/graph/ops.h"

/* Ids and labels lie below this; tables and classes of tests have as many rows. */
enum { TEST_IDS = 4 };

typedef struct {
  FwGraph *graph;
  FwPlan *plan;
  FwExec *exec;
  GHashTable *memory;   /* name -> owned bytes */
} TestRun;

static inline FwDevice *
test_device (const char *path, int workers)
{
  g_autoptr (GError) error = NULL;
  FwDevice *device = fw_device_new_cpu (path, workers, &error);
  g_assert_no_error (error);
  return device;
}

/* Floats in [-1, 1); masks with two keys of three; ids in 0 .. TEST_IDS - 1. */
static inline gpointer
test_numbers (const char *name, FwDtype dtype, gint64 count)
{
  GRand *random = g_rand_new_with_seed (g_str_hash (name));
  gpointer numbers = g_malloc (MAX (count, 1) * fw_dtype_size (dtype));
  for (gint64 i = 0; i < count; i++)
    if (dtype <= FW_DTYPE_F64)
      fw_store_element (numbers, dtype, i, g_rand_double_range (random, -1, 1));
    else
      fw_store_element (numbers, dtype, i, dtype == FW_DTYPE_U8 ? i % 3 != 2 : g_rand_int_range (random, 0, TEST_IDS));
  g_rand_free (random);
  return numbers;
}

/* Makes and binds memory for the external values of @run's graph that have none yet. */
static inline void
test_run_bind (TestRun *run)
{
  for (guint id = 1; id < fw_graph_n_values (run->graph); id++) {
    const FwValue *value = fw_graph_value (run->graph, (gint32) id);
    if (value->class != FW_VALUE_EXTERNAL || value->base != value->id || value->constant != NULL)
      continue;
    if (!g_hash_table_contains (run->memory, value->name))
      g_hash_table_insert (run->memory, g_strdup (value->name), test_numbers (value->name, value->layout.dtype, value->storage));
    fw_exec_bind (run->exec, value->name, g_hash_table_lookup (run->memory, value->name));
  }
}

/* Plans @graph, which becomes @run's, and binds all its external values. */
static inline void
test_run_init (TestRun *run, FwGraph *graph, FwDevice *device)
{
  g_autoptr (GError) error = NULL;
  *run = (TestRun) { .graph = graph, .memory = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, g_free) };
  run->plan = fw_plan_new (graph, device, &error);
  g_assert_no_error (error);
  run->exec = fw_exec_new (run->plan, device, NULL, &error);
  g_assert_no_error (error);
  test_run_bind (run);
}

static inline void
test_run_clear (TestRun *run)
{
  fw_exec_free (run->exec);
  fw_plan_free (run->plan);
  fw_graph_free (run->graph);
  g_clear_pointer (&run->memory, g_hash_table_unref);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (TestRun, test_run_clear)

/* The memory of an external value. */
static inline gpointer
test_run_memory (const TestRun *run, const char *name)
{
  gpointer memory = g_hash_table_lookup (run->memory, name);
  g_assert_nonnull (memory);
  return memory;
}

/* The rows of external values called *.weight get about unit length, so that signals keep their size from layer to layer. */
static inline void
test_run_tame (TestRun *run)
{
  for (guint id = 1; id < fw_graph_n_values (run->graph); id++) {
    const FwValue *value = fw_graph_value (run->graph, (gint32) id);
    if (value->class != FW_VALUE_EXTERNAL || value->base != value->id || value->constant != NULL || value->layout.rank < 2
        || !g_str_has_suffix (value->name, ".weight"))
      continue;
    gpointer memory = test_run_memory (run, value->name);
    double factor = sqrt (3.0 * (double) value->layout.dim[0] / (double) value->storage);
    for (gint64 n = 0; n < value->storage; n++)
      fw_store_element (memory, value->layout.dtype, n, factor * fw_load_element (memory, value->layout.dtype, n));
  }
}

static inline void
test_run_go (TestRun *run)
{
  g_autoptr (GError) error = NULL;
  fw_exec_run (run->exec, NULL, NULL, NULL, &error);
  g_assert_no_error (error);
}

/* Element @i of a kept value. */
static inline double
test_run_result (const TestRun *run, const char *name, gint64 i)
{
  const FwValue *value = fw_graph_named (run->graph, name);
  g_assert_nonnull (value);
  return fw_load_element (fw_exec_data (run->exec, name), value->layout.dtype, i);
}

static inline gint64
test_run_count (const TestRun *run, const char *name)
{
  const FwValue *value = fw_graph_named (run->graph, name);
  g_assert_nonnull (value);
  return fw_tensor_count (&value->layout);
}

/* The largest magnitude in a kept value. */
static inline double
test_run_largest (const TestRun *run, const char *name)
{
  double largest = 0;
  for (gint64 i = 0, count = test_run_count (run, name); i < count; i++)
    largest = MAX (largest, fabs (test_run_result (run, name, i)));
  return largest;
}

/* The largest difference between the kept values @name of two runs; infinite if there is a NaN. */
static inline double
test_run_difference (const TestRun *a, const TestRun *b, const char *name)
{
  gint64 count = test_run_count (a, name);
  double worst = 0;
  g_assert_cmpint (count, ==, test_run_count (b, name));
  for (gint64 i = 0; i < count; i++) {
    double difference = fabs (test_run_result (a, name, i) - test_run_result (b, name, i));
    if (isnan (difference))
      return INFINITY;
    worst = MAX (worst, difference);
  }
  return worst;
}

/* Whether the kept values @name of two runs have the same bits. */
static inline gboolean
test_run_same (const TestRun *a, const TestRun *b, const char *name)
{
  gsize bytes = (gsize) test_run_count (a, name) * fw_dtype_size (fw_graph_named (a->graph, name)->layout.dtype);
  g_assert_cmpint (test_run_count (a, name), ==, test_run_count (b, name));
  return memcmp (fw_exec_data (a->exec, name), fw_exec_data (b->exec, name), bytes) == 0;
}

/* Nodes of @op that are left in the graph. */
static inline guint
test_nodes (const FwGraph *graph, const FwOp *op)
{
  guint count = 0;
  for (guint n = 0; n < fw_graph_n_nodes (graph); n++)
    count += fw_graph_node (graph, n)->op == op;
  return count;
}
