/* SPDX-License-Identifier: Apache-2.0
 * Binding a plan to memory and running its steps. */
#include "engine/exec/exec.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "engine/exec/check.h"
#include "engine/graph/dump.h"
#include "engine/memory/block.h"
#include "engine/plan/liveness.h"

typedef gboolean (*StepCheck) (const FwGraph *graph, const FwPlanStep *step, const FwKernelCall *call, double tolerance, GError **error);

struct _FwExec {
  const FwPlan *plan;
  FwDevice *device;
  FwKernelCall *calls;     /* per step, data set */
  char *slab, *persistent;
  gboolean owns_slab;
  gconstpointer *bound;    /* per value id: external memory */
  gboolean stale;          /* a binding changed since the calls were filled */
  gboolean unprepared;     /* the prologue has not run for the steady values as they are */
  StepCheck check;         /* asked for by the environment, else NULL */
  double tolerance;
  atomic_bool cancelled;
};

static char *
describe_graph (const FwPlan *plan)
{
  return fw_graph_dump_text (plan->graph);
}

static char *
describe_dot (const FwPlan *plan)
{
  return fw_graph_dump_dot (plan->graph);
}

/* What FRAMEWRIGHT_DEBUG can ask of every executor: to check each run's steps, or to print what will be run. */
static const struct {
  const char *name;
  StepCheck check;
  char *(*describe) (const FwPlan *plan);
} debug_modes[] = {
  { "watch", fw_check_finite, NULL },
  { "compare", fw_check_against_reference, NULL },
  { "graph", NULL, describe_graph },
  { "dot", NULL, describe_dot },
  { "plan", NULL, fw_plan_describe },
};

/* Kernels of bf16 round their operands and results, and the gradient of attention takes differences of what was rounded, which may
 * nearly cancel: that moves its results by up to a twentieth. */
static gboolean
choose_debug_mode (FwExec *exec, GError **error)
{
  const char *wanted = g_getenv ("FRAMEWRIGHT_DEBUG");
  exec->tolerance = fw_graph_compute (exec->plan->graph) == FW_DTYPE_BF16 ? 0.1 : 1e-3;
  if (wanted == NULL || *wanted == '\0')
    return TRUE;
  for (gsize i = 0; i < G_N_ELEMENTS (debug_modes); i++) {
    if (strcmp (wanted, debug_modes[i].name) != 0)
      continue;
    exec->check = debug_modes[i].check;
    g_autofree char *text = debug_modes[i].describe != NULL ? debug_modes[i].describe (exec->plan) : NULL;
    if (text != NULL)
      fputs (text, stderr);
    return TRUE;
  }
  g_set_error (error, FW_ERROR, FW_ERROR_UNSUPPORTED,
               "There is no way of debugging “%.64s”; choose watch, compare, graph, dot or plan, or leave FRAMEWRIGHT_DEBUG unset", wanted);
  return FALSE;
}

FwExec *
fw_exec_new (const FwPlan *plan, FwDevice *device, gpointer slab, GError **error)
{
  FwExec *exec = g_new0 (FwExec, 1);
  exec->plan = plan;
  exec->device = device;
  exec->owns_slab = slab == NULL;
  if (!choose_debug_mode (exec, error)) {
    g_free (exec);
    return NULL;
  }
  exec->slab = slab != NULL ? slab : device->class->slab_new (device, plan->slab_bytes, error);
  if (exec->slab != NULL && plan->persistent_bytes > 0)
    exec->persistent = fw_block_new (plan->persistent_bytes, "the state kept between steps", error);
  exec->calls = g_new0 (FwKernelCall, plan->n_steps + 1);
  exec->bound = g_new0 (gconstpointer, fw_graph_n_values (plan->graph));
  exec->stale = exec->unprepared = TRUE;
  if (exec->slab == NULL || (plan->persistent_bytes > 0 && exec->persistent == NULL)) {
    fw_exec_free (exec);
    return NULL;
  }
  return exec;
}

void
fw_exec_free (FwExec *exec)
{
  if (exec == NULL)
    return;
  if (exec->owns_slab && exec->slab != NULL)
    exec->device->class->slab_free (exec->device, exec->slab, exec->plan->slab_bytes);
  fw_block_free (exec->persistent, exec->plan->persistent_bytes);
  g_free (exec->calls);
  g_free (exec->bound);
  g_free (exec);
}

const FwPlan *
fw_exec_plan (const FwExec *exec)
{
  return exec->plan;
}

void
fw_exec_bind (FwExec *exec, const char *name, gconstpointer data)
{
  const FwValue *value = fw_graph_named (exec->plan->graph, name);
  if (value == NULL || value->class != FW_VALUE_EXTERNAL || exec->bound[value->id] == data)
    return;
  exec->bound[value->id] = data;
  exec->stale = TRUE;
  exec->unprepared |= value->steady;
}

void
fw_exec_refresh (FwExec *exec)
{
  exec->unprepared = TRUE;
}

static char *
storage_of (const FwExec *exec, gint32 base)
{
  const FwPlanStorage *storage = &exec->plan->storage[base];
  switch (storage->place) {
  case FW_PLACE_SLAB: return exec->slab + storage->offset;
  case FW_PLACE_PERSISTENT: return exec->persistent + storage->offset;
  case FW_PLACE_EXTERNAL: {
    gconstpointer constant = fw_graph_value (exec->plan->graph, base)->constant;
    return (char *) (constant != NULL ? constant : exec->bound[base]);
  }
  default: return NULL;
  }
}

static gpointer
data_of (const FwExec *exec, gint32 id)
{
  const FwValue *value = fw_graph_value (exec->plan->graph, id);
  char *storage = value != NULL ? storage_of (exec, value->base) : NULL;
  return storage != NULL ? storage + value->offset * (gint64) fw_dtype_size (value->layout.dtype) : NULL;
}

gpointer
fw_exec_data (const FwExec *exec, const char *name)
{
  const FwValue *value = fw_graph_named (exec->plan->graph, name);
  return value != NULL ? data_of (exec, value->id) : NULL;
}

/* A part that lies where the concatenation wants it is handed over without data, which the kernel takes as done. */
static void
skip_placed_parts (const FwExec *exec, const FwNode *node, FwKernelCall *call)
{
  for (guint i = 0; i < node->op->n_in && node->in[i] != 0; i++)
    if (fw_part_is_placed (exec->plan->graph, node, i))
      call->in[i].data = NULL;
}

static gboolean
fill_calls (FwExec *exec, GError **error)
{
  const FwPlan *plan = exec->plan;
  for (guint s = 0; s < plan->n_steps; s++) {
    const FwPlanStep *step = &plan->steps[s];
    FwKernelCall *call = &exec->calls[s];
    *call = step->call;
    call->scratch = exec->slab + step->scratch_offset;
    for (guint i = 0; i < step->node->op->n_in; i++) {
      if (step->node->in[i] == 0)
        continue;
      call->in[i].data = data_of (exec, step->node->in[i]);
      if (call->in[i].data == NULL) {
        const FwValue *base = fw_graph_value (plan->graph, fw_graph_value (plan->graph, step->node->in[i])->base);
        g_set_error (error, FW_ERROR, FW_ERROR_INVALID, "“%s” has not been given to the model", base->name != NULL ? base->name : "an operand");
        return FALSE;
      }
    }
    for (guint o = 0; o < step->node->op->n_out; o++)
      if (step->node->out[o] != 0)
        call->out[o].data = data_of (exec, step->node->out[o]);
    if (step->node->op == FW_OP (CONCAT))
      skip_placed_parts (exec, step->node, call);
  }
  exec->stale = FALSE;
  return TRUE;
}

static void
on_cancelled (GCancellable *cancellable, gpointer data)
{
  atomic_store ((atomic_bool *) data, TRUE);
}

static gboolean
run (FwExec *exec, GCancellable *cancellable, FwExecProgress progress, gpointer user_data, StepCheck check, double tolerance, GError **error)
{
  if (exec->stale && !fill_calls (exec, error))
    return FALSE;
  atomic_store (&exec->cancelled, FALSE);
  gulong handler = cancellable != NULL ? g_cancellable_connect (cancellable, G_CALLBACK (on_cancelled), &exec->cancelled, NULL) : 0;
  fw_pool_set_cancel (exec->device->pool, &exec->cancelled);
  g_autoptr (GError) failure = NULL;
  double done = 0;
  gboolean good = TRUE;
  guint first = exec->unprepared ? 0 : exec->plan->n_prologue;
  for (guint s = first; s < exec->plan->n_steps && good && !atomic_load (&exec->cancelled); s++) {
    const FwPlanStep *step = &exec->plan->steps[s];
    if (check != NULL)
      good = check (exec->plan->graph, step, &exec->calls[s], tolerance, &failure);
    else
      step->kernel->run (&exec->calls[s]);
    done += step->flops;
    if (progress != NULL)
      progress (user_data, done);
  }
  fw_pool_set_cancel (exec->device->pool, NULL);
  g_cancellable_disconnect (cancellable, handler);
  exec->unprepared &= !good || atomic_load (&exec->cancelled);
  if (atomic_load (&exec->cancelled)) { /* then whatever was found is found in half-made results */
    g_set_error_literal (error, FW_ERROR, FW_ERROR_CANCELLED, "Cancelled");
    return FALSE;
  }
  if (!good)
    g_propagate_error (error, g_steal_pointer (&failure));
  return good;
}

gboolean
fw_exec_run (FwExec *exec, GCancellable *cancellable, FwExecProgress progress, gpointer user_data, GError **error)
{
  return run (exec, cancellable, progress, user_data, exec->check, exec->tolerance, error);
}

gboolean
fw_exec_run_timed (FwExec *exec, double *seconds, GError **error)
{
  if (exec->stale && !fill_calls (exec, error))
    return FALSE;
  exec->unprepared = FALSE;
  for (guint s = 0; s < exec->plan->n_steps; s++) {
    gint64 start = g_get_monotonic_time ();
    exec->plan->steps[s].kernel->run (&exec->calls[s]);
    seconds[s] += (double) (g_get_monotonic_time () - start) / G_USEC_PER_SEC;
  }
  return TRUE;
}

gboolean
fw_exec_run_watched (FwExec *exec, GCancellable *cancellable, GError **error)
{
  return run (exec, cancellable, NULL, NULL, fw_check_finite, 0, error);
}

gboolean
fw_exec_run_compared (FwExec *exec, double tolerance, GError **error)
{
  return run (exec, NULL, NULL, NULL, fw_check_against_reference, tolerance, error);
}
