/* SPDX-License-Identifier: Apache-2.0
 * Storage of a graph: arena, values, nodes, scopes, the sticky first error, and recording. */
#include "engine/graph/graph.h"

#include <stdarg.h>
#include <string.h>

#include "engine/graph/op-table.h"
#include "engine/graph/ops.h"
#include "engine/graph/verify.h"

enum { CHUNK = 64 * 1024 };

struct _FwGraph {
  FwDtype compute;
  gboolean precise;
  FwWeightSource *weights;
  GPtrArray *chunks;       /* arena blocks */
  gsize chunk_used, chunk_size;
  GPtrArray *values;       /* FwValue, index 0 unused */
  GPtrArray *nodes;        /* FwNode in execution order */
  GHashTable *names;       /* name -> FwValue */
  GPtrArray *scopes;       /* full paths, innermost last */
  gint32 segment, n_segments;
  GError *error;
  const FwNode *recording; /* for messages */
};

FwGraph *
fw_graph_new (FwDtype compute)
{
  FwGraph *graph = g_new0 (FwGraph, 1);
  graph->compute = compute;
  graph->chunks = g_ptr_array_new_with_free_func (g_free);
  graph->values = g_ptr_array_new ();
  graph->nodes = g_ptr_array_new ();
  graph->names = g_hash_table_new (g_str_hash, g_str_equal);
  graph->scopes = g_ptr_array_new ();
  g_ptr_array_add (graph->values, NULL);
  return graph;
}

void
fw_graph_free (FwGraph *graph)
{
  if (graph == NULL)
    return;
  g_hash_table_unref (graph->names);
  g_ptr_array_unref (graph->scopes);
  g_ptr_array_unref (graph->nodes);
  g_ptr_array_unref (graph->values);
  g_ptr_array_unref (graph->chunks);
  g_clear_error (&graph->error);
  g_free (graph);
}

FwDtype
fw_graph_compute (const FwGraph *graph)
{
  return graph->precise ? fw_graph_accumulate (graph) : graph->compute;
}

FwDtype
fw_graph_accumulate (const FwGraph *graph)
{
  return graph->compute == FW_DTYPE_F64 ? FW_DTYPE_F64 : FW_DTYPE_F32;
}

gpointer
fw_graph_alloc (FwGraph *graph, gsize size)
{
  size = (size + 15) & ~(gsize) 15;
  if (graph->chunks->len == 0 || graph->chunk_used + size > graph->chunk_size) {
    graph->chunk_size = MAX (size, CHUNK);
    graph->chunk_used = 0;
    g_ptr_array_add (graph->chunks, g_malloc0 (graph->chunk_size));
  }
  gpointer memory = (char *) g_ptr_array_index (graph->chunks, graph->chunks->len - 1) + graph->chunk_used;
  graph->chunk_used += size;
  return memory;
}

static const char *
arena_string (FwGraph *graph, const char *text)
{
  char *copy = fw_graph_alloc (graph, strlen (text) + 1);
  return strcpy (copy, text);
}

static const char *
current_scope (const FwGraph *graph)
{
  return graph->scopes->len > 0 ? g_ptr_array_index (graph->scopes, graph->scopes->len - 1) : "";
}

void
fw_scope_push (FwGraph *graph, const char *format, ...)
{
  va_list arguments;
  va_start (arguments, format);
  g_autofree char *name = g_strdup_vprintf (format, arguments);
  va_end (arguments);
  const char *outer = current_scope (graph);
  g_autofree char *path = *outer != '\0' ? g_strconcat (outer, ".", name, NULL) : g_strdup (name);
  g_ptr_array_add (graph->scopes, (gpointer) arena_string (graph, path));
}

void
fw_scope_pop (FwGraph *graph)
{
  g_ptr_array_set_size (graph->scopes, (gint) graph->scopes->len - 1);
}

void
fw_segment_begin (FwGraph *graph)
{
  graph->segment = ++graph->n_segments;
}

void
fw_segment_end (FwGraph *graph)
{
  graph->segment = 0;
}

/* --- failures --- */

char *
fw_layout_describe (const FwTensor *layout)
{
  if (layout == NULL || layout->rank < 0)
    return g_strdup ("absent");
  GString *text = g_string_new (fw_dtype_name (layout->dtype));
  g_string_append_c (text, '[');
  for (int i = 0; i < layout->rank; i++)
    g_string_append_printf (text, "%s%" G_GINT64_FORMAT, i > 0 ? ", " : "", (gint64) layout->dim[i]);
  g_string_append_c (text, ']');
  return g_string_free (text, FALSE);
}

char *
fw_node_describe (const FwNode *node)
{
  return g_strdup_printf ("%s (%s)", *node->scope != '\0' ? node->scope : "graph", node->op != NULL ? node->op->name : "removed");
}

void
fw_graph_fail (FwGraph *graph, const char *format, ...)
{
  if (graph->error != NULL)
    return;
  va_list arguments;
  va_start (arguments, format);
  g_autofree char *reason = g_strdup_vprintf (format, arguments);
  va_end (arguments);
  GString *text = g_string_new (NULL);
  const char *scope = current_scope (graph);
  g_string_append_printf (text, "%s: %s", *scope != '\0' ? scope : "graph", reason);
  if (graph->recording != NULL) {
    g_string_append_printf (text, " in %s%s", graph->recording->op->name, graph->recording->op->n_in > 0 ? " of" : "");
    for (guint i = 0; i < graph->recording->op->n_in; i++) {
      g_autofree char *operand = fw_layout_describe (fw_in (graph, graph->recording, i));
      if (i == 0 || fw_in (graph, graph->recording, i) != NULL)
        g_string_append_printf (text, " %s", operand);
    }
  }
  g_set_error_literal (&graph->error, FW_ERROR, FW_ERROR_CHECKPOINT, text->str);
  g_string_free (text, TRUE);
}

gboolean
fw_graph_failed (const FwGraph *graph)
{
  return graph->error != NULL;
}

gboolean
fw_graph_finish (FwGraph *graph, GError **error)
{
  if (graph->error != NULL) {
    if (error != NULL)
      *error = g_error_copy (graph->error);
    return FALSE;
  }
  return fw_graph_verify (graph, error);
}

/* --- values --- */

guint
fw_graph_n_values (const FwGraph *graph)
{
  return graph->values->len;
}

guint
fw_graph_n_nodes (const FwGraph *graph)
{
  return graph->nodes->len;
}

FwValue *
fw_graph_value (const FwGraph *graph, gint32 id)
{
  return id > 0 && (guint) id < graph->values->len ? g_ptr_array_index (graph->values, id) : NULL;
}

FwNode *
fw_graph_node (const FwGraph *graph, guint index)
{
  return g_ptr_array_index (graph->nodes, index);
}

const FwTensor *
fw_layout (const FwGraph *graph, FwVal val)
{
  static const FwTensor absent = { .rank = -1 };
  const FwValue *value = fw_graph_value (graph, val.id);
  return value != NULL ? &value->layout : &absent;
}

gint64
fw_dim (const FwGraph *graph, FwVal val, int axis)
{
  const FwTensor *layout = fw_layout (graph, val);
  if (axis < 0)
    axis += layout->rank;
  return axis >= 0 && axis < layout->rank ? layout->dim[axis] : 0;
}

static FwValue *
value_new (FwGraph *graph, FwDtype dtype, int rank, const gint64 *dim)
{
  FwValue *value = fw_graph_alloc (graph, sizeof *value);
  value->id = (gint32) graph->values->len;
  value->layout = fw_tensor_dense (NULL, dtype, rank, dim);
  value->base = value->id;
  value->storage = fw_tensor_count (&value->layout);
  g_ptr_array_add (graph->values, value);
  return value;
}

static gboolean
valid_shape (FwGraph *graph, int rank, const gint64 *dim)
{
  gint64 reach = 1; /* of the strides, which empty axes do not make smaller */
  if (rank < 0 || rank > FW_MAX_RANK) {
    fw_graph_fail (graph, "rank %d is outside 0..%d", rank, FW_MAX_RANK);
    return FALSE;
  }
  for (int i = 0; i < rank; i++) {
    if (dim[i] < 0 || (dim[i] > 0 && reach > FW_MAX_ELEMENTS / dim[i])) {
      fw_graph_fail (graph, "a tensor of impossible size was asked for");
      return FALSE;
    }
    reach *= MAX (dim[i], 1);
  }
  return graph->error == NULL;
}

static FwVal
named_value (FwGraph *graph, const char *name, FwValueClass class, FwDtype dtype, int rank, const gint64 *dim)
{
  if (graph->error != NULL || !valid_shape (graph, rank, dim))
    return FW_NONE;
  if (g_hash_table_contains (graph->names, name)) {
    fw_graph_fail (graph, "the name “%s” is used twice", name);
    return FW_NONE;
  }
  FwValue *value = value_new (graph, dtype, rank, dim);
  value->class = class;
  value->name = arena_string (graph, name);
  g_hash_table_insert (graph->names, (gpointer) value->name, value);
  return (FwVal) { value->id };
}

FwVal
fw_external (FwGraph *graph, const char *name, FwDtype dtype, int rank, const gint64 *dim)
{
  return named_value (graph, name, FW_VALUE_EXTERNAL, dtype, rank, dim);
}

FwVal
fw_persistent (FwGraph *graph, const char *name, FwDtype dtype, int rank, const gint64 *dim)
{
  return named_value (graph, name, FW_VALUE_PERSISTENT, dtype, rank, dim);
}

FwVal
fw_constant (FwGraph *graph, const char *name, FwDtype dtype, int rank, const gint64 *dim, gconstpointer data)
{
  if (graph->error != NULL || !valid_shape (graph, rank, dim))
    return FW_NONE;
  FwValue *value = value_new (graph, dtype, rank, dim);
  gsize bytes = (gsize) value->storage * fw_dtype_size (dtype);
  value->class = FW_VALUE_EXTERNAL;
  value->name = arena_string (graph, name);
  value->steady = TRUE;
  value->constant = memcpy (fw_graph_alloc (graph, MAX (bytes, 1)), data, bytes);
  return (FwVal) { value->id };
}

void
fw_steady (FwGraph *graph, FwVal val)
{
  FwValue *value = fw_graph_value (graph, val.id);
  if (value != NULL)
    value->steady = value->class == FW_VALUE_EXTERNAL;
}

void
fw_graph_set_weights (FwGraph *graph, FwWeightSource *source)
{
  graph->weights = source;
}

FwVal
fw_weight (FwGraph *graph, const char *name, int rank, const gint64 *dim)
{
  const char *scope = current_scope (graph);
  g_autofree char *full = *scope != '\0' ? g_strconcat (scope, ".", name, NULL) : g_strdup (name);
  if (graph->error != NULL)
    return FW_NONE;
  if (graph->weights != NULL)
    return graph->weights->get (graph->weights, graph, full, rank, dim);
  return fw_external (graph, full, FW_DTYPE_F32, rank, dim);
}

void
fw_precise_begin (FwGraph *graph)
{
  graph->precise = TRUE;
}

void
fw_precise_end (FwGraph *graph)
{
  graph->precise = FALSE;
}

void
fw_keep (FwGraph *graph, const char *name, FwVal val)
{
  FwValue *value = fw_graph_value (graph, val.id);
  if (value == NULL || graph->error != NULL)
    return;
  if (value->base != value->id || value->class == FW_VALUE_EXTERNAL || value->name != NULL || !fw_tensor_is_contiguous (&value->layout))
    value = fw_graph_value (graph, fw_cast (graph, val, value->layout.dtype).id);
  if (value == NULL)
    return;
  if (g_hash_table_contains (graph->names, name)) {
    fw_graph_fail (graph, "the name “%s” is used twice", name);
    return;
  }
  value->kept = TRUE;
  value->name = arena_string (graph, name);
  g_hash_table_insert (graph->names, (gpointer) value->name, value);
}

FwValue *
fw_graph_named (const FwGraph *graph, const char *name)
{
  return g_hash_table_lookup (graph->names, name);
}

/* --- recording --- */

const FwTensor *
fw_in (const FwGraph *graph, const FwNode *node, guint i)
{
  const FwValue *value = fw_graph_value (graph, node->in[i]);
  return value != NULL ? &value->layout : NULL;
}

FwValue *
fw_out (FwGraph *graph, FwNode *node, guint output, FwDtype dtype, int rank, const gint64 *dim)
{
  if (!valid_shape (graph, rank, dim))
    return NULL;
  FwValue *value = value_new (graph, dtype, rank, dim);
  value->producer = node;
  node->out[output] = value->id;
  return value;
}

FwValue *
fw_out_view (FwGraph *graph, FwNode *node, const FwTensor *layout, gint64 extra_offset)
{
  const FwValue *source = fw_graph_value (graph, node->in[0]);
  FwValue *value = fw_out (graph, node, 0, layout->dtype, layout->rank, layout->dim);
  if (value == NULL)
    return NULL;
  value->layout = *layout;
  value->base = source->base;
  value->offset = source->offset + extra_offset;
  value->storage = 0;
  value->class = source->class;
  return value;
}

FwVal
fw_record (FwGraph *graph, const FwOp *op, gconstpointer attributes, const FwVal *in, guint n_in)
{
  if (graph->error != NULL)
    return FW_NONE;
  FwNode *node = fw_graph_alloc (graph, sizeof *node);
  node->op = op;
  node->scope = current_scope (graph);
  node->segment = graph->segment;
  node->precise = graph->precise;
  for (guint i = 0; i < n_in; i++)
    node->in[i] = in[i].id;
  graph->recording = node;
  for (guint i = 0; i < op->n_in; i++) {
    const FwTensor *operand = fw_in (graph, node, i);
    if (operand == NULL && i < op->n_required)
      fw_graph_fail (graph, "operand %u is missing", i);
    else if (operand != NULL && operand->dtype > FW_DTYPE_F64 && !(op->integers >> i & 1))
      fw_graph_fail (graph, "operand %u holds no floating-point numbers", i);
  }
  if (op->attributes > 0) {
    node->attributes = fw_graph_alloc (graph, op->attributes);
    memcpy (node->attributes, attributes, op->attributes);
  }
  if (graph->error == NULL && op->infer (graph, node) && graph->error == NULL) {
    node->index = (gint32) graph->nodes->len;
    g_ptr_array_add (graph->nodes, node);
  } else {
    fw_graph_fail (graph, "shapes do not fit");
  }
  graph->recording = NULL;
  return graph->error == NULL ? (FwVal) { node->out[0] } : FW_NONE;
}

FwVal
fw_sibling (FwGraph *graph, FwVal val, guint output)
{
  const FwValue *value = fw_graph_value (graph, val.id);
  return value != NULL && value->producer != NULL ? (FwVal) { value->producer->out[output] } : FW_NONE;
}

void
fw_node_remove (FwNode *node)
{
  node->op = NULL;
}
