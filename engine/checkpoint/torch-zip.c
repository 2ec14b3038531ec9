/* SPDX-License-Identifier: Apache-2.0
 * PyTorch's zip checkpoints: NAME/data.pkl describes the tensors, NAME/data/KEY holds the storages. */
#include "engine/checkpoint/pickle.h"
#include "engine/checkpoint/zip.h"

#include <string.h>

enum { MAX_PICKLE = 64 << 20 };

static gboolean
recognizes (const guint8 *data, gsize size)
{
  return size >= 4 && memcmp (data, "PK\3\4", 4) == 0;
}

/* The folder of the one FOLDER/data.pkl, or NULL with an error. */
static char *
find_folder (FwCheckpointFile *file, GArray *entries, GError **error)
{
  static const char suffix[] = "/data.pkl";
  gsize length = strlen (suffix);
  g_autofree char *folder = NULL;
  for (guint i = 0; i < entries->len; i++) {
    const FwZipEntry *entry = &g_array_index (entries, FwZipEntry, i);
    if (entry->name_length <= length || memcmp (entry->name + entry->name_length - length, suffix, length) != 0)
      continue;
    if (folder != NULL) {
      fw_checkpoint_refuse (file->path, error, "the archive holds two checkpoints");
      return NULL;
    }
    folder = g_strndup (entry->name, entry->name_length - length);
  }
  if (folder == NULL)
    fw_checkpoint_refuse (file->path, error, "it is a zip archive, but no PyTorch checkpoint");
  return g_steal_pointer (&folder);
}

static const FwZipEntry *
find_record (GArray *entries, const char *folder, const char *name)
{
  g_autofree char *path = g_strdup_printf ("%s/%s", folder, name);
  return fw_zip_find (entries, path);
}

/* TorchScript archives carry code and a constants table. */
static gboolean
is_script (GArray *entries, const char *folder)
{
  g_autofree char *code = g_strdup_printf ("%s/code/", folder);
  if (find_record (entries, folder, "constants.pkl") != NULL)
    return TRUE;
  for (guint i = 0; i < entries->len; i++) {
    const FwZipEntry *entry = &g_array_index (entries, FwZipEntry, i);
    if (entry->name_length >= strlen (code) && memcmp (entry->name, code, strlen (code)) == 0)
      return TRUE;
  }
  return FALSE;
}

/* A small entry's bytes: in the mapping, or in @inflated, which the caller frees. */
static const guint8 *
entry_bytes (FwCheckpointFile *file, const FwZipEntry *entry, guint8 **inflated, GError **error)
{
  const char *fault = NULL;
  if (entry->size > MAX_PICKLE) {
    fw_checkpoint_refuse (file->path, error, "its description of the tensors is larger than any checkpoint needs");
    return NULL;
  }
  if (!entry->deflated)
    return file->data + entry->position;
  *inflated = fw_zip_inflate (file->data + entry->position, entry->stored, entry->size, entry->checksum, &fault);
  if (*inflated == NULL)
    fw_checkpoint_refuse (file->path, error, "%s", fault);
  return *inflated;
}

static gboolean
read_byte_order (FwCheckpointFile *file, const FwZipEntry *entry, GError **error)
{
  g_autofree guint8 *inflated = NULL;
  if (entry == NULL)
    return TRUE;
  const guint8 *text = entry_bytes (file, entry, &inflated, error);
  if (text == NULL)
    return FALSE;
  file->swapped = entry->size == 3 && memcmp (text, "big", 3) == 0;
  return file->swapped || (entry->size == 6 && memcmp (text, "little", 6) == 0)
         || fw_checkpoint_refuse (file->path, error, "its byte order is neither little nor big");
}

/* An entry may be longer than its storage, but a deflated one must not inflate to more than is described. */
static gboolean
bind_storages (FwCheckpointFile *file, GArray *entries, const char *folder, const FwPickle *pickle, GError **error)
{
  for (guint i = 0; i < pickle->storages->len; i++) {
    const FwPickleStorage *wanted = &g_array_index (pickle->storages, FwPickleStorage, i);
    g_autofree char *name = g_strdup_printf ("%s/data/%.*s", folder, (int) wanted->key_length, wanted->key);
    const FwZipEntry *entry = fw_zip_find (entries, name);
    g_autofree char *key = fw_checkpoint_quotable (wanted->key, wanted->key_length);
    if (entry == NULL)
      return fw_checkpoint_refuse (file->path, error, "its storage “%s” is missing", key);
    if (entry->size < wanted->size || (entry->deflated && entry->size != wanted->size))
      return fw_checkpoint_refuse (file->path, error,
                                   "its storage “%s” has %" G_GUINT64_FORMAT " bytes instead of %" G_GUINT64_FORMAT,
                                   key, entry->size, wanted->size);
    FwCheckpointStorage storage = { .position = entry->position, .stored = entry->stored, .size = entry->size,
                                    .deflated = entry->deflated, .checksum = entry->checksum };
    g_array_append_val (file->storages, storage);
  }
  return TRUE;
}

static gboolean
read_archive (FwCheckpointFile *file, GArray *entries, const char *part, GError **error)
{
  const char *fault = fw_zip_read (file->data, file->size, entries);
  if (fault != NULL)
    return fw_checkpoint_refuse (file->path, error, "%s", fault);
  g_autofree char *folder = find_folder (file, entries, error);
  if (folder == NULL)
    return FALSE;
  if (is_script (entries, folder))
    return fw_checkpoint_refuse (file->path, error,
                                 "it is a TorchScript program, not plain weights; use the checkpoint it was made from");
  g_autofree guint8 *inflated = NULL;
  const FwZipEntry *entry = find_record (entries, folder, "data.pkl");
  const guint8 *data = read_byte_order (file, find_record (entries, folder, "byteorder"), error)
      ? entry_bytes (file, entry, &inflated, error) : NULL;
  if (data == NULL)
    return FALSE;
  g_auto (FwPickle) pickle = { 0 };
  fw_pickle_init (&pickle, file->path);
  FwPickleValue *root = fw_pickle_load (&pickle, data, entry->size, NULL, error);
  return root != NULL && fw_pickle_list_tensors (&pickle, root, part, file, error)
         && bind_storages (file, entries, folder, &pickle, error);
}

static gboolean
open_torch_zip (FwCheckpointFile *file, const char *part, GError **error)
{
  g_autoptr (GArray) entries = g_array_new (FALSE, FALSE, sizeof (FwZipEntry));
  return read_archive (file, entries, part, error);
}

const FwCheckpointFormat fw_torch_zip_format = { "torch zip", recognizes, open_torch_zip };
