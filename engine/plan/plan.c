/* SPDX-License-Identifier: Apache-2.0
 * Planning: live nodes in recorded order, kernel calls with shapes, storages packed with their scratch into one slab. */
#include "engine/plan/plan.h"

#include "engine/graph/op-table.h"
#include "engine/plan/liveness.h"
#include "engine/plan/pack.h"

/* @layout seen with the rank and dims of @like: missing axes and axes of size 1 repeat with stride 0. */
static FwTensor
broadcast (const FwTensor *layout, const FwTensor *like)
{
  FwTensor view = *layout;
  view.rank = like->rank;
  for (int i = 0; i < like->rank; i++) {
    int j = i - (like->rank - layout->rank);
    view.dim[i] = like->dim[i];
    view.stride[i] = j >= 0 && layout->dim[j] == like->dim[i] ? layout->stride[j] : 0;
  }
  return view;
}

static void
fill_call (const FwGraph *graph, const FwNode *node, FwKernelCall *call)
{
  const FwTensor absent = { .rank = -1 };
  call->attributes = node->attributes;
  for (guint i = 0; i < FW_MAX_INPUTS; i++)
    call->in[i] = i < node->op->n_in && node->in[i] != 0 ? *fw_in (graph, node, i) : absent;
  for (guint o = 0; o < FW_MAX_OUTPUTS; o++)
    call->out[o] = o < node->op->n_out && node->out[o] != 0 ? fw_graph_value (graph, node->out[o])->layout : absent;
  const FwTensor like = node->op->broadcast_like < 0 ? call->out[0] : call->in[node->op->broadcast_like];
  for (guint i = 0; i < node->op->n_in; i++)
    if (node->op->broadcast >> i & 1 && call->in[i].rank >= 0)
      call->in[i] = broadcast (&call->in[i], &like);
}

static double
default_flops (const FwGraph *graph, const FwNode *node)
{
  return (double) fw_tensor_count (&fw_graph_value (graph, node->out[0])->layout);
}

/* Transient storages and scratch become intervals; @owner tells which value or step each belongs to. */
static gsize
pack_slab (FwPlan *plan, FwLifetime *lifetimes, const gboolean *crossing, const gsize *scratch)
{
  guint n_values = fw_graph_n_values (plan->graph), n = 0;
  g_autofree FwInterval *intervals = g_new0 (FwInterval, n_values + plan->n_steps);
  g_autofree gint32 *owner = g_new0 (gint32, n_values + plan->n_steps);
  for (guint id = 1; id < n_values; id++) {
    const FwValue *value = fw_graph_value (plan->graph, (gint32) id);
    if (value->class != FW_VALUE_TRANSIENT || value->base != value->id || lifetimes[id].root != value->id || lifetimes[id].first < 0
        || crossing[id])
      continue;
    intervals[n] = (FwInterval) { lifetimes[id].first, lifetimes[id].last, MAX (lifetimes[id].bytes, 1), 0 };
    owner[n++] = (gint32) id;
  }
  for (guint s = 0; s < plan->n_steps; s++)
    if (scratch[s] > 0) {
      intervals[n] = (FwInterval) { (gint32) s, (gint32) s, scratch[s], 0 };
      owner[n++] = -1 - (gint32) s;
    }
  gsize slab = fw_pack (intervals, n);
  for (guint i = 0; i < n; i++)
    if (owner[i] > 0)
      plan->storage[owner[i]] = (FwPlanStorage) { FW_PLACE_SLAB, intervals[i].offset };
    else
      plan->steps[-1 - owner[i]].scratch_offset = intervals[i].offset;
  for (guint id = 1; id < n_values; id++)
    if (lifetimes[id].root != (gint32) id) {
      gint32 root = (gint32) id;
      while (lifetimes[root].root != root)
        root = lifetimes[root].root;
      plan->storage[id] = plan->storage[root];
    }
  return slab;
}

static void
place_lasting (FwPlan *plan, const gboolean *crossing)
{
  for (guint id = 1; id < fw_graph_n_values (plan->graph); id++) {
    const FwValue *value = fw_graph_value (plan->graph, (gint32) id);
    if (value->base != value->id || (value->class == FW_VALUE_TRANSIENT && !crossing[id]))
      continue;
    if (value->class == FW_VALUE_EXTERNAL) {
      plan->storage[id].place = FW_PLACE_EXTERNAL;
      continue;
    }
    plan->storage[id] = (FwPlanStorage) { FW_PLACE_PERSISTENT, plan->persistent_bytes };
    gsize bytes = (gsize) value->storage * fw_dtype_size (value->layout.dtype);
    plan->persistent_bytes += (bytes + FW_ALIGNMENT - 1) & ~(gsize) (FW_ALIGNMENT - 1);
  }
}

static void
add_steps (GPtrArray *nodes, const FwGraph *graph, const gboolean *live, const gboolean *steady, gboolean wanted)
{
  for (guint n = 0; n < fw_graph_n_nodes (graph); n++)
    if (live[n] && steady[n] == wanted && !fw_node_is_free (graph, fw_graph_node (graph, n)))
      g_ptr_array_add (nodes, fw_graph_node (graph, n));
}

FwPlan *
fw_plan_new (FwGraph *graph, FwDevice *device, GError **error)
{
  if (!fw_graph_finish (graph, error))
    return NULL;
  g_autofree gboolean *live = fw_live_nodes (graph);
  g_autofree gboolean *read = fw_read_values (graph, live);
  g_autofree gboolean *steady = fw_steady_nodes (graph);
  g_autofree gboolean *crossing = fw_crossing_values (graph, live, steady);
  g_autoptr (GPtrArray) nodes = g_ptr_array_new ();
  add_steps (nodes, graph, live, steady, TRUE);
  guint n_prologue = nodes->len;
  add_steps (nodes, graph, live, steady, FALSE);

  FwPlan *plan = g_new0 (FwPlan, 1);
  plan->graph = graph;
  plan->n_steps = nodes->len;
  plan->n_prologue = n_prologue;
  plan->steps = g_new0 (FwPlanStep, nodes->len);
  plan->storage = g_new0 (FwPlanStorage, fw_graph_n_values (graph));
  g_autofree gsize *scratch = g_new0 (gsize, nodes->len);
  for (guint s = 0; s < nodes->len; s++) {
    FwPlanStep *step = &plan->steps[s];
    step->node = g_ptr_array_index (nodes, s);
    fill_call (graph, step->node, &step->call);
    step->call.parallel = fw_pool_parallel (device->pool);
    step->kernel = device->class->kernel (device, step->node->op, &step->call);
    step->flops = (step->node->op->flops != NULL ? step->node->op->flops : default_flops) (graph, step->node);
    scratch[s] = step->kernel->scratch != NULL ? step->kernel->scratch (&step->call) : 0;
    step->call.scratch_size = scratch[s];
    plan->flops += step->flops;
  }
  g_autofree FwLifetime *lifetimes = fw_lifetimes (graph, (FwNode *const *) nodes->pdata, nodes->len, read, crossing);
  plan->slab_bytes = pack_slab (plan, lifetimes, crossing, scratch);
  place_lasting (plan, crossing);
  return plan;
}

void
fw_plan_free (FwPlan *plan)
{
  if (plan == NULL)
    return;
  g_free (plan->steps);
  g_free (plan->storage);
  g_free (plan);
}

char *
fw_plan_describe (const FwPlan *plan)
{
  GString *text = g_string_new (NULL);
  g_autofree char *slab = g_format_size_full (plan->slab_bytes, G_FORMAT_SIZE_IEC_UNITS);
  g_autofree char *lasting = g_format_size_full (plan->persistent_bytes, G_FORMAT_SIZE_IEC_UNITS);
  g_string_append_printf (text, "%u steps, %.3g GFLOP, slab %s, persistent %s\n", plan->n_steps, plan->flops / 1e9, slab, lasting);
  for (guint s = 0; s < plan->n_steps; s++) {
    const FwPlanStep *step = &plan->steps[s];
    g_autofree char *name = fw_node_describe (step->node), *result = fw_layout_describe (&step->call.out[0]);
    g_string_append_printf (text, "%4u %-60s %-28s %10.3f MFLOP  scratch %" G_GSIZE_FORMAT "%s\n", s, name, result, step->flops / 1e6,
                            step->call.scratch_size, step->kernel == step->node->op->ref ? "  reference" : "");
  }
  return g_string_free (text, FALSE);
}
