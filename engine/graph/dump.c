/* SPDX-License-Identifier: Apache-2.0
 * Graphs as text and as Graphviz. */
#include "engine/graph/dump.h"

#include "engine/graph/op-table.h"

static void
append_value (GString *text, const FwGraph *graph, gint32 id)
{
  const FwValue *value = fw_graph_value (graph, id);
  g_autofree char *shape = fw_layout_describe (value != NULL ? &value->layout : NULL);
  if (value == NULL)
    g_string_append (text, "-");
  else if (value->name != NULL)
    g_string_append_printf (text, "%s:%s", value->name, shape);
  else
    g_string_append_printf (text, "%%%d:%s", id, shape);
}

char *
fw_graph_dump_text (const FwGraph *graph)
{
  GString *text = g_string_new (NULL);
  for (guint n = 0; n < fw_graph_n_nodes (graph); n++) {
    const FwNode *node = fw_graph_node (graph, n);
    if (node->op == NULL)
      continue;
    g_string_append_printf (text, "%4u  ", n);
    for (guint o = 0; o < node->op->n_out && node->out[o] != 0; o++) {
      g_string_append (text, o > 0 ? ", " : "");
      append_value (text, graph, node->out[o]);
    }
    g_string_append_printf (text, " = %s (", node->op->name);
    for (guint i = 0; i < node->op->n_in; i++) {
      g_string_append (text, i > 0 ? ", " : "");
      append_value (text, graph, node->in[i]);
    }
    g_string_append_printf (text, ")  # %s\n", node->scope);
  }
  return g_string_free (text, FALSE);
}

char *
fw_graph_dump_dot (const FwGraph *graph)
{
  GString *text = g_string_new ("digraph framewright {\n  node [shape=box, fontname=monospace];\n");
  for (guint n = 0; n < fw_graph_n_nodes (graph); n++) {
    const FwNode *node = fw_graph_node (graph, n);
    if (node->op == NULL)
      continue;
    g_autofree char *name = fw_node_describe (node);
    g_string_append_printf (text, "  n%u [label=\"%s\"];\n", n, name);
    for (guint i = 0; i < node->op->n_in; i++) {
      const FwValue *value = fw_graph_value (graph, node->in[i]);
      if (value == NULL)
        continue;
      g_autofree char *shape = fw_layout_describe (&value->layout);
      if (value->producer != NULL)
        g_string_append_printf (text, "  n%d -> n%u [label=\"%s\"];\n", value->producer->index, n, shape);
      else
        g_string_append_printf (text, "  \"%s\" -> n%u [label=\"%s\"];\n", value->name, n, shape);
    }
  }
  g_string_append (text, "}\n");
  return g_string_free (text, FALSE);
}
