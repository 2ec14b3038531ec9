/* SPDX-License-Identifier: Apache-2.0
 * Weights out of a checkpoint. */
#include "engine/model/weights.h"

#include <string.h>

#include "engine/memory/block.h"

typedef struct {
  gconstpointer data;
  gpointer block;        /* owned copy, or NULL where data lies in the file */
  gsize bytes;
  FwDtype dtype;
} Entry;

struct _FwWeights {
  FwWeightSource source;
  FwCheckpoint *checkpoint;
  const FwNameTable *names;
  GHashTable *entries;   /* name -> Entry */
  GPtrArray *optional;   /* parts of names that may be missing */
  gsize bytes;
};

static void
entry_free (gpointer data)
{
  Entry *entry = data;
  fw_block_free (entry->block, entry->bytes);
  g_free (entry);
}

static gboolean
may_be_missing (const FwWeights *weights, const char *name)
{
  for (guint i = 0; i < weights->optional->len; i++)
    if (strstr (name, g_ptr_array_index (weights->optional, i)) != NULL)
      return TRUE;
  return FALSE;
}

/* Where the tensor can be used as it lies: dense, a dtype kernels read, aligned to its elements. */
static gconstpointer
usable_in_place (FwWeights *weights, const FwCheckpointTensor *tensor)
{
  if (tensor->dtype != FW_DTYPE_F32 && tensor->dtype != FW_DTYPE_BF16)
    return NULL;
  gconstpointer data = fw_checkpoint_map (weights->checkpoint, tensor);
  return (guintptr) data % fw_dtype_size (tensor->dtype) == 0 ? data : NULL;
}

static Entry *
load (FwWeights *weights, const char *name, int rank, const gint64 *dim, GError **error)
{
  FwTensor layout = fw_tensor_dense (NULL, FW_DTYPE_F32, rank, dim);
  gsize count = fw_tensor_count (&layout);
  const FwCheckpointTensor *tensor = weights->names != NULL ? fw_names_find (weights->checkpoint, weights->names, name)
                                                           : fw_checkpoint_find (weights->checkpoint, name);
  if (tensor == NULL && !may_be_missing (weights, name)) {
    g_set_error (error, FW_ERROR, FW_ERROR_CHECKPOINT, "the checkpoint has no tensor “%s”", name);
    return NULL;
  }
  if (tensor != NULL && !fw_names_fits (tensor, rank, dim)) {
    FwTensor found = fw_tensor_dense (NULL, tensor->dtype, tensor->rank, tensor->dim);
    g_autofree char *has = fw_layout_describe (&found), *wants = fw_layout_describe (&layout);
    g_set_error (error, FW_ERROR, FW_ERROR_CHECKPOINT, "“%s” is %s in the checkpoint, the model wants %s", name, has, wants);
    return NULL;
  }
  Entry *entry = g_new0 (Entry, 1);
  entry->dtype = tensor != NULL ? tensor->dtype : FW_DTYPE_F32;
  entry->data = tensor != NULL ? usable_in_place (weights, tensor) : NULL;
  if (entry->data == NULL) {
    entry->dtype = FW_DTYPE_F32;
    entry->bytes = count * sizeof (float);
    entry->data = entry->block = fw_block_new (entry->bytes, "the weights of the model", error);
    if (entry->block == NULL || (tensor != NULL && !fw_checkpoint_read (weights->checkpoint, tensor, FW_DTYPE_F32, entry->block, error))) {
      entry_free (entry);
      return NULL;
    }
  }
  weights->bytes += count * fw_dtype_size (entry->dtype);
  g_hash_table_insert (weights->entries, g_strdup (name), entry);
  return entry;
}

static FwVal
get (FwWeightSource *source, FwGraph *graph, const char *name, int rank, const gint64 *dim)
{
  FwWeights *weights = (FwWeights *) source;
  Entry *entry = g_hash_table_lookup (weights->entries, name);
  g_autoptr (GError) error = NULL;
  if (entry == NULL && (entry = load (weights, name, rank, dim, &error)) == NULL) {
    fw_graph_fail (graph, "%s", error->message);
    return FW_NONE;
  }
  return fw_external (graph, name, entry->dtype, rank, dim);
}

FwWeights *
fw_weights_new (FwCheckpoint *checkpoint, const FwNameTable *names)
{
  FwWeights *weights = g_new0 (FwWeights, 1);
  weights->source.get = get;
  weights->checkpoint = checkpoint;
  weights->names = names;
  weights->entries = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, entry_free);
  weights->optional = g_ptr_array_new_with_free_func (g_free);
  return weights;
}

void
fw_weights_free (FwWeights *weights)
{
  if (weights == NULL)
    return;
  g_hash_table_unref (weights->entries);
  g_ptr_array_unref (weights->optional);
  fw_checkpoint_close (weights->checkpoint);
  g_free (weights);
}

void
fw_weights_allow_missing (FwWeights *weights, const char *part)
{
  g_ptr_array_add (weights->optional, g_strdup (part));
}

FwWeightSource *
fw_weights_source (FwWeights *weights)
{
  return &weights->source;
}

void
fw_weights_bind (FwWeights *weights, FwExec *exec)
{
  GHashTableIter iter;
  gpointer name, entry;
  g_hash_table_iter_init (&iter, weights->entries);
  while (g_hash_table_iter_next (&iter, &name, &entry))
    fw_exec_bind (exec, name, ((Entry *) entry)->data);
}

gsize
fw_weights_bytes (const FwWeights *weights)
{
  return weights->bytes;
}

FwCheckpoint *
fw_weights_checkpoint (const FwWeights *weights)
{
  return weights->checkpoint;
}
