/* SPDX-License-Identifier: Apache-2.0
 * The flat parameter array: collecting its layout, viewing it from graphs, files. */
#include "engine/train/parameters.h"

#include <string.h>

#include "engine/graph/ops.h"

/* Ranges start at whole cache lines. */
enum { ALIGNMENT = 16 };

struct _FwParameters {
  FwWeightSource collector, viewer;
  GPtrArray *list;         /* FwParameter */
  GHashTable *by_name;
  gint64 size;
  FwVal flat;              /* in the graph being recorded */
};

static void
parameter_free (gpointer data)
{
  FwParameter *parameter = data;
  g_free (parameter->name);
  g_free (parameter);
}

static FwVal
collect (FwWeightSource *source, FwGraph *graph, const char *name, int rank, const gint64 *dim)
{
  FwParameters *parameters = (FwParameters *) ((char *) source - offsetof (FwParameters, collector));
  FwVal val = fw_external (graph, name, FW_DTYPE_F32, rank, dim);
  if (val.id == 0)
    return val;
  FwParameter *parameter = g_new0 (FwParameter, 1);
  parameter->name = g_strdup (name);
  parameter->rank = rank;
  memcpy (parameter->dim, dim, rank * sizeof *dim);
  parameter->offset = parameters->size;
  parameter->count = fw_tensor_count (fw_layout (graph, val));
  parameters->size += (parameter->count + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
  g_ptr_array_add (parameters->list, parameter);
  g_hash_table_insert (parameters->by_name, parameter->name, parameter);
  return val;
}

static FwVal
view (FwWeightSource *source, FwGraph *graph, const char *name, int rank, const gint64 *dim)
{
  FwParameters *parameters = (FwParameters *) ((char *) source - offsetof (FwParameters, viewer));
  const FwParameter *parameter = fw_parameters_find (parameters, name);
  if (parameter == NULL || parameter->rank != rank || memcmp (parameter->dim, dim, rank * sizeof *dim) != 0) {
    fw_graph_fail (graph, "“%s” is not a parameter of this shape", name);
    return FW_NONE;
  }
  return fw_reshape (graph, fw_slice (graph, parameters->flat, 0, parameter->offset, parameter->count), rank, dim);
}

FwParameters *
fw_parameters_new (FwRecord record, gpointer user_data, GError **error)
{
  FwParameters *parameters = g_new0 (FwParameters, 1);
  parameters->collector.get = collect;
  parameters->viewer.get = view;
  parameters->list = g_ptr_array_new_with_free_func (parameter_free);
  parameters->by_name = g_hash_table_new (g_str_hash, g_str_equal);
  g_autoptr (FwGraph) graph = fw_graph_new (FW_DTYPE_F32);
  fw_graph_set_weights (graph, &parameters->collector);
  record (graph, user_data);
  if (!fw_graph_finish (graph, error))
    g_clear_pointer (&parameters, fw_parameters_free);
  return parameters;
}

void
fw_parameters_free (FwParameters *parameters)
{
  if (parameters == NULL)
    return;
  g_hash_table_unref (parameters->by_name);
  g_ptr_array_unref (parameters->list);
  g_free (parameters);
}

gint64
fw_parameters_size (const FwParameters *parameters)
{
  return parameters->size;
}

guint
fw_parameters_count (const FwParameters *parameters)
{
  return parameters->list->len;
}

const FwParameter *
fw_parameters_get (const FwParameters *parameters, guint index)
{
  return g_ptr_array_index (parameters->list, index);
}

const FwParameter *
fw_parameters_find (const FwParameters *parameters, const char *name)
{
  return g_hash_table_lookup (parameters->by_name, name);
}

FwWeightSource *
fw_parameters_source (FwParameters *parameters, FwGraph *graph, FwVal *flat)
{
  parameters->flat = fw_external (graph, "parameters", FW_DTYPE_F32, 1, &parameters->size);
  if (flat != NULL)
    *flat = parameters->flat;
  return &parameters->viewer;
}

gboolean
fw_parameters_read (const FwParameters *parameters, FwCheckpoint *checkpoint, const FwNameTable *names, float *flat,
                    guint *missing, GError **error)
{
  guint lacking = 0;
  for (guint i = 0; i < parameters->list->len; i++) {
    const FwParameter *parameter = g_ptr_array_index (parameters->list, i);
    const FwCheckpointTensor *tensor = names != NULL ? fw_names_find (checkpoint, names, parameter->name)
                                       : fw_checkpoint_find (checkpoint, parameter->name);
    if (tensor == NULL) {
      lacking++;
      continue;
    }
    if (!fw_names_fits (tensor, parameter->rank, parameter->dim)) {
      g_set_error (error, FW_ERROR, FW_ERROR_CHECKPOINT, "“%s” has another shape in the checkpoint than in the recipe's network",
                   parameter->name);
      return FALSE;
    }
    if (!fw_checkpoint_read (checkpoint, tensor, FW_DTYPE_F32, flat + parameter->offset, error))
      return FALSE;
  }
  if (missing != NULL)
    *missing = lacking;
  return TRUE;
}

gboolean
fw_parameters_write (const FwParameters *parameters, const float *flat, FwDtype dtype, const FwSafetensorsEntry *extra,
                     guint n_extra, const char *folder, const char *stem, GError **error)
{
  guint count = parameters->list->len;
  g_autofree FwSafetensorsEntry *entries = g_new0 (FwSafetensorsEntry, count + n_extra);
  for (guint i = 0; i < count; i++) {
    const FwParameter *parameter = g_ptr_array_index (parameters->list, i);
    entries[i].name = parameter->name;
    entries[i].value = fw_tensor_dense ((gpointer) (flat + parameter->offset), FW_DTYPE_F32, parameter->rank, parameter->dim);
    entries[i].stored = dtype;
  }
  for (guint i = 0; i < n_extra; i++)
    entries[count + i] = extra[i];
  g_auto (GStrv) files = fw_safetensors_write_shards (folder, stem, entries, count + n_extra, G_MAXUINT64, error);
  return files != NULL;
}
