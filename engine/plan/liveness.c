/* SPDX-License-Identifier: Apache-2.0
 * Liveness of nodes and storages. */
#include "engine/plan/liveness.h"

gboolean *
fw_live_nodes (const FwGraph *graph)
{
  guint n_nodes = fw_graph_n_nodes (graph);
  gboolean *live = g_new0 (gboolean, n_nodes);
  g_autofree gboolean *needed = g_new0 (gboolean, fw_graph_n_values (graph));
  for (guint n = n_nodes; n-- > 0;) {
    const FwNode *node = fw_graph_node (graph, n);
    if (node->op == NULL)
      continue;
    for (guint o = 0; o < node->op->n_out; o++) {
      const FwValue *value = fw_graph_value (graph, node->out[o]);
      if (value != NULL && (needed[value->id] || value->kept || (value->class != FW_VALUE_TRANSIENT && !node->op->view)))
        live[n] = TRUE;
    }
    for (guint i = 0; live[n] && i < node->op->n_in; i++)
      needed[node->in[i]] = TRUE;
  }
  return live;
}

gboolean *
fw_read_values (const FwGraph *graph, const gboolean *live)
{
  gboolean *read = g_new0 (gboolean, fw_graph_n_values (graph));
  for (guint n = 0; n < fw_graph_n_nodes (graph); n++) {
    const FwNode *node = fw_graph_node (graph, n);
    for (guint i = 0; live[n] && i < node->op->n_in; i++)
      read[node->in[i]] = TRUE;
    for (guint o = 0; live[n] && o < node->op->n_out; o++)
      if (node->out[o] != 0 && fw_graph_value (graph, node->out[o])->kept)
        read[node->out[o]] = TRUE;
  }
  return read;
}

static gint32
base_of (const FwGraph *graph, gint32 id)
{
  return fw_graph_value (graph, id)->base;
}

gboolean
fw_part_is_placed (const FwGraph *graph, const FwNode *concat, guint i)
{
  const FwValue *whole = fw_graph_value (graph, concat->out[0]), *part = fw_graph_value (graph, concat->in[i]);
  int axis = ((const FwConcatAttributes *) concat->attributes)->axis;
  gint64 start = 0;
  if (fw_tensor_count (&part->layout) == 0)
    return TRUE;
  for (guint before = 0; before < i; before++)
    start += fw_graph_value (graph, concat->in[before])->layout.dim[axis];
  if (part->base != whole->base || part->offset != whole->offset + start * whole->layout.stride[axis])
    return FALSE;
  for (int a = 0; a < part->layout.rank; a++)
    if (part->layout.dim[a] != 1 && part->layout.stride[a] != whole->layout.stride[a])
      return FALSE;
  return TRUE;
}

gboolean
fw_node_is_free (const FwGraph *graph, const FwNode *node)
{
  if (node->op->view)
    return TRUE;
  if (node->op != FW_OP (CONCAT))
    return FALSE;
  for (guint i = 0; i < node->op->n_in && node->in[i] != 0; i++)
    if (!fw_part_is_placed (graph, node, i))
      return FALSE;
  return TRUE;
}

gboolean *
fw_steady_nodes (const FwGraph *graph)
{
  gboolean *steady = g_new0 (gboolean, fw_graph_n_nodes (graph));
  for (guint n = 0; n < fw_graph_n_nodes (graph); n++) {
    const FwNode *node = fw_graph_node (graph, n);
    if (node->op == NULL || node->in[0] == 0)
      continue;
    steady[n] = TRUE;
    for (guint i = 0; i < node->op->n_in && steady[n]; i++) {
      const FwValue *value = fw_graph_value (graph, node->in[i]);
      if (value != NULL)
        steady[n] = value->producer != NULL ? steady[value->producer->index] : value->steady;
    }
    for (guint o = 0; o < node->op->n_out && steady[n]; o++)
      if (node->out[o] != 0 && fw_graph_value (graph, node->out[o])->class == FW_VALUE_PERSISTENT)
        steady[n] = FALSE; /* it changes state */
  }
  return steady;
}

gboolean *
fw_crossing_values (const FwGraph *graph, const gboolean *live, const gboolean *steady)
{
  gboolean *crossing = g_new0 (gboolean, fw_graph_n_values (graph));
  for (guint n = 0; n < fw_graph_n_nodes (graph); n++) {
    const FwNode *node = fw_graph_node (graph, n);
    if (!live[n])
      continue;
    for (guint i = 0; i < node->op->n_in && !steady[n]; i++) {
      const FwValue *value = fw_graph_value (graph, node->in[i]);
      if (value != NULL && value->producer != NULL && value->class == FW_VALUE_TRANSIENT && steady[value->producer->index])
        crossing[value->base] = TRUE;
    }
    for (guint o = 0; o < node->op->n_out && steady[n]; o++)
      if (node->out[o] != 0 && fw_graph_value (graph, node->out[o])->kept)
        crossing[fw_graph_value (graph, node->out[o])->base] = TRUE;
  }
  return crossing;
}

static gint32
root_of (FwLifetime *lifetimes, gint32 id)
{
  while (lifetimes[id].root != id)
    id = lifetimes[id].root;
  return id;
}

static gboolean
same_layout (const FwTensor *a, const FwTensor *b)
{
  if (a->dtype != b->dtype || a->rank != b->rank)
    return FALSE;
  for (int i = 0; i < a->rank; i++)
    if (a->dim[i] != b->dim[i] || (a->dim[i] != 1 && a->stride[i] != b->stride[i]))
      return FALSE;
  return TRUE;
}

/* Input @i dies at @step and looks exactly like output @o, which alone would own its storage. */
static gboolean
may_share (const FwGraph *graph, FwLifetime *lifetimes, const gboolean *crossing, const FwNode *node, guint o, guint i, gint32 step)
{
  const FwValue *in = fw_graph_value (graph, node->in[i]), *out = fw_graph_value (graph, node->out[o]);
  if (in == NULL || out == NULL || out->base != out->id || out->class != FW_VALUE_TRANSIENT)
    return FALSE;
  const FwValue *source = fw_graph_value (graph, in->base);
  if (crossing[out->id] || crossing[source->id] || source->class != FW_VALUE_TRANSIENT || in->offset != 0 || !same_layout (&in->layout, &out->layout) || source->storage != out->storage)
    return FALSE;
  gint32 root = root_of (lifetimes, source->id);
  if (lifetimes[root].last != step || lifetimes[root].first == step)
    return FALSE;
  for (guint other = 0; other < node->op->n_in; other++) {
    const FwValue *value = fw_graph_value (graph, node->in[other]);
    if (other != i && value != NULL && root_of (lifetimes, value->base) == root && !same_layout (&value->layout, &in->layout))
      return FALSE;
  }
  return TRUE;
}

FwLifetime *
fw_lifetimes (const FwGraph *graph, FwNode *const *steps, guint n_steps, const gboolean *read, const gboolean *crossing)
{
  guint n_values = fw_graph_n_values (graph);
  FwLifetime *lifetimes = g_new0 (FwLifetime, n_values);
  for (guint id = 1; id < n_values; id++) {
    const FwValue *value = fw_graph_value (graph, (gint32) id);
    lifetimes[id] = (FwLifetime) { (gint32) id, -1, -1, (gsize) value->storage * fw_dtype_size (value->layout.dtype) };
  }
  for (guint s = 0; s < n_steps; s++) {
    const FwNode *node = steps[s];
    for (guint o = 0; o < node->op->n_out; o++) {
      /* what nobody reads is not made, unless it has a place in something else: kernels then write it */
      if (node->out[o] == 0 || (o > 0 && !read[node->out[o]] && base_of (graph, node->out[o]) == node->out[o]))
        continue;
      FwLifetime *lifetime = &lifetimes[base_of (graph, node->out[o])];
      lifetime->first = lifetime->first < 0 ? (gint32) s : lifetime->first;
      lifetime->last = MAX (lifetime->last, (gint32) s);
    }
    for (guint i = 0; i < node->op->n_in; i++)
      if (node->in[i] != 0) {
        FwLifetime *lifetime = &lifetimes[base_of (graph, node->in[i])];
        lifetime->last = MAX (lifetime->last, (gint32) s);
      }
  }
  for (guint id = 1; id < n_values; id++)
    if (fw_graph_value (graph, (gint32) id)->kept)
      lifetimes[base_of (graph, (gint32) id)].last = (gint32) n_steps;
  /* sharing, in order: a chain of in-place results becomes one storage */
  for (guint s = 0; s < n_steps; s++) {
    const FwNode *node = steps[s];
    for (guint o = 0; o < node->op->n_out; o++)
      for (guint i = 0; i < MIN (node->op->n_in, 4u); i++)
        if (fw_op_may_alias (node->op, o, i) && node->out[o] != 0 && lifetimes[node->out[o]].root == node->out[o]
            && may_share (graph, lifetimes, crossing, node, o, i, (gint32) s)) {
          gint32 root = root_of (lifetimes, base_of (graph, node->in[i]));
          lifetimes[node->out[o]].root = root;
          lifetimes[root].last = MAX (lifetimes[root].last, lifetimes[node->out[o]].last);
          break;
        }
  }
  return lifetimes;
}
