/* SPDX-License-Identifier: Apache-2.0
 * The front of the checkpoint reader: one or several files joined into one table of tensors, found by name. */
#include "engine/checkpoint/backend.h"
#include "engine/checkpoint/convert.h"
#include "engine/checkpoint/shards.h"

#include <string.h>

struct _FwCheckpoint {
  GPtrArray *files;    /* FwCheckpointFile */
  GArray *entries;     /* FwCheckpointEntry; names belong to the files */
  GTree *names;        /* name -> index + 1 into entries; a tree, for hostile names could make a hash table slow */
  char *layout;
};

static int
compare_names (gconstpointer a, gconstpointer b, gpointer data)
{
  return strcmp (a, b);
}

static FwCheckpoint *
checkpoint_new (void)
{
  FwCheckpoint *checkpoint = g_new0 (FwCheckpoint, 1);
  checkpoint->files = g_ptr_array_new_with_free_func ((GDestroyNotify) fw_checkpoint_file_free);
  checkpoint->entries = g_array_new (FALSE, TRUE, sizeof (FwCheckpointEntry));
  checkpoint->names = g_tree_new_full (compare_names, NULL, NULL, NULL);
  return checkpoint;
}

void
fw_checkpoint_close (FwCheckpoint *checkpoint)
{
  if (checkpoint == NULL)
    return;
  g_ptr_array_unref (checkpoint->files);
  g_array_unref (checkpoint->entries);
  g_tree_unref (checkpoint->names);
  g_free (checkpoint->layout);
  g_free (checkpoint);
}

/* Takes @file, and refuses a name it shares with an earlier one. With an @index only the tensors it wants from @shard count. */
static gboolean
add_file (FwCheckpoint *checkpoint, FwCheckpointFile *file, const FwCheckpointIndex *index, const char *shard, GError **error)
{
  guint number = checkpoint->files->len;
  g_ptr_array_add (checkpoint->files, file);
  for (guint i = 0; i < file->entries->len; i++) {
    FwCheckpointEntry entry = g_array_index (file->entries, FwCheckpointEntry, i);
    if (index != NULL && g_strcmp0 (g_tree_lookup (index->weight_map, entry.tensor.name), shard) != 0)
      continue;
    entry.file = number;
    g_array_append_val (checkpoint->entries, entry);
    if (g_tree_lookup (checkpoint->names, entry.tensor.name) != NULL) {
      g_autofree char *name = fw_checkpoint_quotable (entry.tensor.name, strlen (entry.tensor.name));
      return fw_checkpoint_refuse (file->path, error, "the tensor “%s” is there twice", name);
    }
    g_tree_insert (checkpoint->names, (gpointer) entry.tensor.name, GUINT_TO_POINTER (checkpoint->entries->len));
  }
  return TRUE;
}

static gboolean
open_single (FwCheckpoint *checkpoint, const char *path, const char *part, GError **error)
{
  FwCheckpointFile *file = fw_checkpoint_file_open (path, part, error);
  if (file == NULL)
    return FALSE;
  checkpoint->layout = g_strdup (file->format->layout);
  return add_file (checkpoint, file, NULL, NULL, error);
}

static gboolean
open_shards (FwCheckpoint *checkpoint, const char *path, const char *part, GError **error)
{
  g_autoptr (FwCheckpointIndex) index = fw_checkpoint_index_read (path, error);
  g_autofree char *folder = g_path_get_dirname (path);
  if (index == NULL)
    return FALSE;
  for (guint i = 0; i < index->shards->len; i++) {
    const char *shard = g_ptr_array_index (index->shards, i);
    g_autofree char *shard_path = g_build_filename (folder, shard, NULL);
    if (!g_file_test (shard_path, G_FILE_TEST_EXISTS))
      return fw_checkpoint_refuse (path, error, "its shard “%s” is missing; download that file too", shard);
    FwCheckpointFile *file = fw_checkpoint_file_open (shard_path, part, error);
    if (file == NULL || !add_file (checkpoint, file, index, shard, error)) {
      g_prefix_error (error, "“%s” names a shard that fails: ", path);
      return FALSE;
    }
  }
  const char *missing = fw_checkpoint_index_missing (index, checkpoint->names);
  if (missing != NULL) {
    g_autofree char *name = fw_checkpoint_quotable (missing, strlen (missing));
    return fw_checkpoint_refuse (path, error, "its shards lack the tensor “%s”", name);
  }
  if (checkpoint->files->len == 0)
    return fw_checkpoint_refuse (path, error, "the index names no shards");
  const FwCheckpointFile *first = g_ptr_array_index (checkpoint->files, 0);
  checkpoint->layout = g_strdup_printf ("%s, %u shards", first->format->layout, checkpoint->files->len);
  return TRUE;
}

FwCheckpoint *
fw_checkpoint_open_part (const char *path, const char *part, GError **error)
{
  g_autofree char *resolved = fw_checkpoint_resolve (path, error);
  if (resolved == NULL)
    return NULL;
  g_autoptr (FwCheckpoint) checkpoint = checkpoint_new ();
  gboolean sharded = g_str_has_suffix (resolved, ".json");
  if (!(sharded ? open_shards (checkpoint, resolved, part, error) : open_single (checkpoint, resolved, part, error)))
    return NULL;
  return g_steal_pointer (&checkpoint);
}

FwCheckpoint *
fw_checkpoint_open (const char *path, GError **error)
{
  return fw_checkpoint_open_part (path, NULL, error);
}

guint
fw_checkpoint_count (const FwCheckpoint *checkpoint)
{
  return checkpoint->entries->len;
}

const FwCheckpointTensor *
fw_checkpoint_tensor (const FwCheckpoint *checkpoint, guint index)
{
  g_return_val_if_fail (index < checkpoint->entries->len, NULL);
  return &g_array_index (checkpoint->entries, FwCheckpointEntry, index).tensor;
}

const FwCheckpointTensor *
fw_checkpoint_find (const FwCheckpoint *checkpoint, const char *name)
{
  guint position = GPOINTER_TO_UINT (g_tree_lookup (checkpoint->names, name));
  return position > 0 ? fw_checkpoint_tensor (checkpoint, position - 1) : NULL;
}

gboolean
fw_checkpoint_read (FwCheckpoint *checkpoint, const FwCheckpointTensor *tensor, FwDtype dtype, gpointer destination,
                    GError **error)
{
  const FwCheckpointEntry *entry = (const FwCheckpointEntry *) tensor;
  FwCheckpointFile *file = g_ptr_array_index (checkpoint->files, entry->file);
  const guint8 *bytes = fw_checkpoint_file_bytes (file, entry->storage, error);
  if (bytes == NULL)
    return FALSE;
  if (fw_convert_tensor (bytes + entry->offset, file->swapped, tensor, dtype, destination, error))
    return TRUE;
  g_prefix_error (error, "“%s”, tensor “%s”: ", file->path, tensor->name);
  return FALSE;
}

gconstpointer
fw_checkpoint_map (FwCheckpoint *checkpoint, const FwCheckpointTensor *tensor)
{
  const FwCheckpointEntry *entry = (const FwCheckpointEntry *) tensor;
  FwCheckpointFile *file = g_ptr_array_index (checkpoint->files, entry->file);
  const FwCheckpointStorage *storage = &g_array_index (file->storages, FwCheckpointStorage, entry->storage);
  FwTensor view = { .dtype = tensor->dtype, .rank = tensor->rank };
  memcpy (view.dim, tensor->dim, sizeof view.dim);
  memcpy (view.stride, tensor->stride, sizeof view.stride);
  if (storage->deflated || (file->swapped && fw_dtype_size (tensor->dtype) > 1) || !fw_tensor_is_contiguous (&view))
    return NULL;
  const guint8 *data = file->data + storage->position + entry->offset;
  return (gsize) data % fw_dtype_size (tensor->dtype) == 0 ? data : NULL;
}

const char *
fw_checkpoint_metadata (const FwCheckpoint *checkpoint, const char *key)
{
  for (guint i = 0; i < checkpoint->files->len; i++) {
    FwCheckpointFile *file = g_ptr_array_index (checkpoint->files, i);
    const char *value = file->metadata != NULL ? g_hash_table_lookup (file->metadata, key) : NULL;
    if (value != NULL)
      return value;
  }
  return NULL;
}

const char *
fw_checkpoint_layout (const FwCheckpoint *checkpoint)
{
  return checkpoint->layout;
}
