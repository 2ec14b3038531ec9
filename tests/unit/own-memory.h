/* SPDX-License-Identifier: Apache-2.0
 * A plan's steps run one by one with every storage in memory of its own: what the planner's sharing is held against. */
#pragma once
#include "tests/unit/graph-run.h"

enum { OWN_GUARD = 64, OWN_POISON = 0xff };  /* all ones is a NaN in every float type */

typedef struct {
  TestRun *run;          /* its plan and external memory */
  char **storage;        /* per value id: the storage of a base */
} OwnMemory;

static inline char *
own_data (const OwnMemory *own, gint32 id)
{
  const FwValue *value = fw_graph_value (own->run->graph, id), *base = fw_graph_value (own->run->graph, value->base);
  char *storage = own->storage[base->id];
  if (base->constant != NULL)
    storage = (char *) base->constant;
  else if (base->class == FW_VALUE_EXTERNAL)
    storage = test_run_memory (own->run, base->name);
  return storage + value->offset * (gint64) fw_dtype_size (value->layout.dtype);
}

static inline void
own_memory_clear (OwnMemory *own)
{
  for (guint id = 0; own->storage != NULL && id < fw_graph_n_values (own->run->graph); id++)
    g_free (own->storage[id]);
  g_clear_pointer (&own->storage, g_free);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (OwnMemory, own_memory_clear)

/* Runs the plan of @run, whose graph must not have been placed. Scratch is guarded on both sides and full of NaNs. */
static inline void
own_memory_run (OwnMemory *own, TestRun *run)
{
  guint n_values = fw_graph_n_values (run->graph);
  *own = (OwnMemory) { run, g_new0 (char *, n_values) };
  for (guint id = 1; id < n_values; id++) {
    const FwValue *value = fw_graph_value (run->graph, (gint32) id);
    if (value->base != value->id || value->class == FW_VALUE_EXTERNAL)
      continue;
    gsize bytes = MAX (value->storage, 1) * fw_dtype_size (value->layout.dtype);
    own->storage[id] = g_malloc (bytes);
    memset (own->storage[id], value->class == FW_VALUE_TRANSIENT ? OWN_POISON : 0, bytes);
  }
  for (guint s = 0; s < run->plan->n_steps; s++) {
    const FwPlanStep *step = &run->plan->steps[s];
    FwKernelCall call = step->call;
    g_autofree char *room = g_malloc (call.scratch_size + 3 * OWN_GUARD);
    memset (room, OWN_POISON, call.scratch_size + 3 * OWN_GUARD);
    char *scratch = (char *) (((guintptr) room + 2 * OWN_GUARD - 1) & ~(guintptr) (OWN_GUARD - 1));
    call.scratch = scratch;
    for (guint i = 0; i < step->node->op->n_in; i++)
      if (step->node->in[i] != 0)
        call.in[i].data = own_data (own, step->node->in[i]);
    for (guint o = 0; o < step->node->op->n_out; o++)
      if (step->node->out[o] != 0)
        call.out[o].data = own_data (own, step->node->out[o]);
    step->kernel->run (&call);
    for (char *guard = room; guard < scratch; guard++)
      g_assert_cmphex ((guchar) *guard, ==, OWN_POISON);
    for (gsize i = 0; i < OWN_GUARD; i++)
      g_assert_cmphex ((guchar) scratch[call.scratch_size + i], ==, OWN_POISON);
  }
}
