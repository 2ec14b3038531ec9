/* SPDX-License-Identifier: Apache-2.0
 * The graph verifier. */
#include "engine/graph/verify.h"

#include "engine/graph/op-table.h"

static gboolean
complain (const FwNode *node, GError **error, const char *rule)
{
  g_autofree char *name = fw_node_describe (node);
  g_set_error (error, FW_ERROR, FW_ERROR_FAILED, "The graph is inconsistent at %s: %s", name, rule);
  return FALSE;
}

static gboolean
inside_storage (const FwGraph *graph, const FwValue *value)
{
  const FwValue *base = fw_graph_value (graph, value->base);
  gint64 last = value->offset;
  if (fw_tensor_count (&value->layout) == 0)
    return TRUE;
  for (int i = 0; i < value->layout.rank; i++)
    last += (value->layout.dim[i] - 1) * value->layout.stride[i];
  return base != NULL && base->base == base->id && value->offset >= 0 && last < base->storage;
}

gboolean
fw_graph_verify (const FwGraph *graph, GError **error)
{
  g_autofree gboolean *made = g_new0 (gboolean, fw_graph_n_values (graph));
  for (guint id = 1; id < fw_graph_n_values (graph); id++)
    made[id] = fw_graph_value (graph, (gint32) id)->producer == NULL;
  for (guint n = 0; n < fw_graph_n_nodes (graph); n++) {
    const FwNode *node = fw_graph_node (graph, n);
    if (node->op == NULL)
      continue;
    for (guint i = 0; i < node->op->n_in; i++) {
      if (node->in[i] != 0 && fw_graph_value (graph, node->in[i]) == NULL)
        return complain (node, error, "it reads a value that does not exist");
      if (node->in[i] != 0 && !made[node->in[i]])
        return complain (node, error, "it reads a value before it is made");
    }
    for (guint i = 0; i < node->op->n_required; i++)
      if (node->in[i] == 0)
        return complain (node, error, "a required operand is absent");
    for (guint o = 0; o < node->op->n_out; o++) {
      const FwValue *value = fw_graph_value (graph, node->out[o]);
      if (value == NULL)
        continue;
      if (value->producer != node)
        return complain (node, error, "a result belongs to another node");
      if (!inside_storage (graph, value))
        return complain (node, error, "a view leaves its storage");
      made[value->id] = TRUE;
    }
  }
  return TRUE;
}
