/* SPDX-License-Identifier: Apache-2.0
 * PyTorch's checkpoints from before 1.6: five pickles in a row (magic number, protocol, system, object, storage keys), then for
 * each key a count and the raw little-endian elements. */
#include "engine/checkpoint/pickle.h"

#include <string.h>

static const guint8 magic[10] = { 0x6c, 0xfc, 0x9c, 0x46, 0xf9, 0x20, 0x6a, 0xa8, 0x50, 0x19 };
enum { MAX_MAGIC_PICKLE = 32, MAX_PICKLE = 64 << 20, VERSION = 1001 };

/* Any pickle starts like this; those without the magic number are refused in words below. */
static gboolean
recognizes (const guint8 *data, gsize size)
{
  return size >= 2 && data[0] == 0x80 && data[1] <= 5;
}

static gboolean
has_magic (const FwCheckpointFile *file)
{
  for (gsize i = 0; i + sizeof magic <= MIN (file->size, MAX_MAGIC_PICKLE); i++)
    if (memcmp (file->data + i, magic, sizeof magic) == 0)
      return TRUE;
  return FALSE;
}

/* Reads the next pickle and moves @at behind it. */
static FwPickleValue *
next_pickle (FwCheckpointFile *file, FwPickle *pickle, gsize *at, GError **error)
{
  gsize used = 0;
  FwPickleValue *value = fw_pickle_load (pickle, file->data + *at, MIN (file->size - *at, MAX_PICKLE), &used, error);
  *at += used;
  return value;
}

static gboolean
read_storage (FwCheckpointFile *file, const FwPickle *pickle, const FwPickleValue *key, gsize *at, GError **error)
{
  FwPickleStorage wanted = { .key = key->string.text, .key_length = key->string.length };
  guint index = key->kind == FW_PICKLE_STRING ? GPOINTER_TO_UINT (g_tree_lookup (pickle->storage_keys, &wanted)) : 0;
  guint64 count;
  if (index == 0)
    return fw_checkpoint_refuse (file->path, error, "it lists a storage that no tensor uses");
  FwCheckpointStorage *storage = &g_array_index (file->storages, FwCheckpointStorage, index - 1);
  wanted = g_array_index (pickle->storages, FwPickleStorage, index - 1);
  if (storage->position != 0)
    return fw_checkpoint_refuse (file->path, error, "it lists a storage twice");
  if (file->size - *at < sizeof count)
    return fw_checkpoint_refuse (file->path, error, "it ends before its last tensor; the download was cut, fetch it again");
  memcpy (&count, file->data + *at, sizeof count);
  *at += sizeof count;
  if (GUINT64_FROM_LE (count) != wanted.count)
    return fw_checkpoint_refuse (file->path, error, "a storage claims another length than its tensors do");
  if (file->size - *at < wanted.size)
    return fw_checkpoint_refuse (file->path, error, "it ends before its last tensor; the download was cut, fetch it again");
  *storage = (FwCheckpointStorage) { .position = *at, .stored = wanted.size, .size = wanted.size };
  *at += wanted.size;
  return TRUE;
}

static gboolean
read_storages (FwCheckpointFile *file, const FwPickle *pickle, const FwPickleValue *keys, gsize at, GError **error)
{
  g_array_set_size (file->storages, pickle->storages->len);
  if (keys->kind != FW_PICKLE_LIST)
    return fw_checkpoint_refuse (file->path, error, "its list of storages is no list");
  for (guint i = 0; i < keys->list.count; i++)
    if (!read_storage (file, pickle, keys->list.items[i], &at, error))
      return FALSE;
  for (guint i = 0; i < file->storages->len; i++)
    if (g_array_index (file->storages, FwCheckpointStorage, i).position == 0)
      return fw_checkpoint_refuse (file->path, error, "a storage of its tensors is missing");
  return TRUE;
}

static gboolean
open_torch_legacy (FwCheckpointFile *file, const char *part, GError **error)
{
  g_auto (FwPickle) pickle = { 0 };
  gsize at = 0;
  if (!has_magic (file))
    return fw_checkpoint_refuse (file->path, error, "it is a bare Python pickle, not a PyTorch checkpoint");
  fw_pickle_init (&pickle, file->path);
  if (next_pickle (file, &pickle, &at, error) == NULL)
    return FALSE;
  FwPickleValue *version = next_pickle (file, &pickle, &at, error);
  if (version == NULL)
    return FALSE;
  if (version->kind != FW_PICKLE_INTEGER || version->integer != VERSION)
    return fw_checkpoint_refuse (file->path, error, "its version of the legacy format is unknown");
  if (next_pickle (file, &pickle, &at, error) == NULL)
    return FALSE;
  FwPickleValue *root = next_pickle (file, &pickle, &at, error);
  if (root == NULL || !fw_pickle_list_tensors (&pickle, root, part, file, error))
    return FALSE;
  FwPickleValue *keys = next_pickle (file, &pickle, &at, error);
  return keys != NULL && read_storages (file, &pickle, keys, at, error);
}

const FwCheckpointFormat fw_torch_legacy_format = { "torch legacy", recognizes, open_torch_legacy };
