/* SPDX-License-Identifier: Apache-2.0
 * Weights out of a checkpoint. */
#include "engine/model/weights.h"

#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "engine/memory/block.h"

typedef struct {
  const FwCheckpointTensor *tensor; /* NULL: allowed to be missing, zero */
  gconstpointer data;    /* NULL until loaded, where the file cannot be used as it lies */
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

static gboolean
is_float (FwDtype dtype)
{
  return dtype <= FW_DTYPE_F64 || dtype == FW_DTYPE_F8_E4M3 || dtype == FW_DTYPE_F8_E5M2;
}

/* Finds @name and settles how it will be used; nothing is read yet, so that a job can be planned, and refused, for free. */
static Entry *
look_up (FwWeights *weights, const char *name, int rank, const gint64 *dim, GError **error)
{
  FwTensor layout = fw_tensor_dense (NULL, FW_DTYPE_F32, rank, dim);
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
  if (tensor != NULL && !is_float (tensor->dtype)) {
    g_set_error (error, FW_ERROR, FW_ERROR_CHECKPOINT, "“%s” is %s in the checkpoint, weights are floating point", name,
                 fw_dtype_name (tensor->dtype));
    return NULL;
  }
  Entry *entry = g_new0 (Entry, 1);
  entry->tensor = tensor;
  entry->data = tensor != NULL ? usable_in_place (weights, tensor) : NULL;
  entry->dtype = entry->data != NULL ? tensor->dtype : FW_DTYPE_F32;
  entry->bytes = (gsize) fw_tensor_count (&layout) * fw_dtype_size (entry->dtype);
  weights->bytes += entry->bytes;
  g_hash_table_insert (weights->entries, g_strdup (name), entry);
  return entry;
}

/* The converted copy is the only one that is still needed: the pages it came from leave the process. */
static void
release_source (FwWeights *weights, const FwCheckpointTensor *tensor)
{
  gconstpointer source = fw_checkpoint_map (weights->checkpoint, tensor);
  if (source == NULL)
    return;
  FwTensor layout = fw_tensor_dense (NULL, tensor->dtype, tensor->rank, tensor->dim);
  gsize page = (gsize) sysconf (_SC_PAGESIZE), size = (gsize) fw_tensor_count (&layout) * fw_dtype_size (tensor->dtype);
  guintptr begin = ((guintptr) source + page - 1) & ~(page - 1), end = ((guintptr) source + size) & ~(page - 1);
  if (end > begin)
    madvise ((gpointer) begin, end - begin, MADV_DONTNEED);
}

static gboolean
load (FwWeights *weights, Entry *entry, GError **error)
{
  gpointer block = fw_block_new (entry->bytes, "the weights of the model", error);
  if (block == NULL)
    return FALSE;
  if (entry->tensor != NULL && !fw_checkpoint_read (weights->checkpoint, entry->tensor, entry->dtype, block, error)) {
    fw_block_free (block, entry->bytes);
    return FALSE;
  }
  entry->data = entry->block = block;
  if (entry->tensor != NULL)
    release_source (weights, entry->tensor);
  return TRUE;
}

static FwVal
get (FwWeightSource *source, FwGraph *graph, const char *name, int rank, const gint64 *dim)
{
  FwWeights *weights = (FwWeights *) source;
  Entry *entry = g_hash_table_lookup (weights->entries, name);
  g_autoptr (GError) error = NULL;
  if (entry == NULL && (entry = look_up (weights, name, rank, dim, &error)) == NULL) {
    fw_graph_fail (graph, "%s", error->message);
    return FW_NONE;
  }
  FwVal val = fw_external (graph, name, entry->dtype, rank, dim);
  fw_steady (graph, val);
  return val;
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

gboolean
fw_weights_load (FwWeights *weights, GError **error)
{
  GHashTableIter iter;
  gpointer entry;
  g_hash_table_iter_init (&iter, weights->entries);
  while (g_hash_table_iter_next (&iter, NULL, &entry))
    if (((Entry *) entry)->data == NULL && !load (weights, entry, error))
      return FALSE;
  return TRUE;
}

void
fw_weights_bind (FwWeights *weights, FwExec *exec)
{
  GHashTableIter iter;
  gpointer name, entry;
  g_hash_table_iter_init (&iter, weights->entries);
  while (g_hash_table_iter_next (&iter, &name, &entry)) {
    if (((Entry *) entry)->data == NULL)
      load (weights, entry, NULL);
    fw_exec_bind (exec, name, ((Entry *) entry)->data);
  }
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
