/* SPDX-License-Identifier: Apache-2.0
 * One checkpoint file: mapped, its format recognized by content, and what is no checkpoint at all named in plain words. */
#include "engine/checkpoint/backend.h"
#include "engine/checkpoint/zip.h"
#include "engine/memory/file.h"

#include <string.h>

static const FwCheckpointFormat *const formats[] = { &fw_safetensors_format, &fw_torch_zip_format, &fw_torch_legacy_format };

gboolean
fw_checkpoint_refuse (const char *path, GError **error, const char *format, ...)
{
  va_list arguments;
  va_start (arguments, format);
  g_autofree char *reason = g_strdup_vprintf (format, arguments);
  va_end (arguments);
  g_set_error (error, FW_ERROR, FW_ERROR_FORMAT, "“%s” cannot be loaded: %s", path, reason);
  return FALSE;
}

char *
fw_checkpoint_quotable (const char *text, gsize length)
{
  g_autofree char *valid = g_utf8_make_valid (text, (gssize) MIN (length, 80));
  GString *quotable = g_string_new (NULL);
  for (const char *at = valid; *at != '\0'; at = g_utf8_next_char (at))
    g_string_append_unichar (quotable, g_unichar_isprint (g_utf8_get_char (at)) ? g_utf8_get_char (at) : '?');
  if (length > 80)
    g_string_append (quotable, "…");
  return g_string_free (quotable, FALSE);
}

static gboolean
starts_with (const FwCheckpointFile *file, const char *text)
{
  gsize length = strlen (text), skip = 0;
  while (skip < file->size && g_ascii_isspace (file->data[skip]))
    skip++;
  return file->size - skip >= length && g_ascii_strncasecmp ((const char *) file->data + skip, text, length) == 0;
}

/* Says what a file no format recognizes is, for these are what people in fact end up with. */
static gboolean
refuse_stranger (const FwCheckpointFile *file, GError **error)
{
  static const struct { const char *start, *reason; } strangers[] = {
    { "version https://git-lfs",
      "it is only a Git LFS pointer, not the weights; run “git lfs pull” or download the file itself" },
    { "<!doctype", "it is a web page, not the weights; the download went wrong, fetch it again" },
    { "<html", "it is a web page, not the weights; the download went wrong, fetch it again" },
    { "<?xml", "it is an XML page, not the weights; the download went wrong, fetch it again" },
    { "GGUF", "GGUF files are not supported; use the safetensors or .pth weights" },
  };
  if (file->size == 0)
    return fw_checkpoint_refuse (file->path, error, "it is empty; download it again");
  for (gsize i = 0; i < G_N_ELEMENTS (strangers); i++)
    if (starts_with (file, strangers[i].start))
      return fw_checkpoint_refuse (file->path, error, "%s", strangers[i].reason);
  return TRUE;
}

static const FwCheckpointFormat *
recognize (const FwCheckpointFile *file)
{
  for (gsize i = 0; i < G_N_ELEMENTS (formats); i++)
    if (formats[i]->recognizes (file->data, file->size))
      return formats[i];
  return g_str_has_suffix (file->path, ".safetensors") ? &fw_safetensors_format : NULL;
}

static void
entry_clear (gpointer entry)
{
  g_free ((char *) ((FwCheckpointEntry *) entry)->tensor.name);
}

static void
storage_clear (gpointer storage)
{
  g_free (((FwCheckpointStorage *) storage)->inflated);
}

FwCheckpointFile *
fw_checkpoint_file_open (const char *path, const char *part, GError **error)
{
  g_autoptr (FwCheckpointFile) file = g_new0 (FwCheckpointFile, 1);
  file->path = g_strdup (path);
  file->entries = g_array_new (FALSE, TRUE, sizeof (FwCheckpointEntry));
  g_array_set_clear_func (file->entries, entry_clear);
  file->storages = g_array_new (FALSE, TRUE, sizeof (FwCheckpointStorage));
  g_array_set_clear_func (file->storages, storage_clear);
  file->mapped = fw_file_map (path, error);
  if (file->mapped == NULL)
    return NULL;
  file->data = (const guint8 *) g_mapped_file_get_contents (file->mapped);
  file->size = g_mapped_file_get_length (file->mapped);
  if (!refuse_stranger (file, error))
    return NULL;
  file->format = recognize (file);
  if (file->format == NULL) {
    fw_checkpoint_refuse (path, error, "it is neither a safetensors file nor a PyTorch checkpoint");
    return NULL;
  }
  if (!file->format->open (file, part, error))
    return NULL;
  return g_steal_pointer (&file);
}

void
fw_checkpoint_file_free (FwCheckpointFile *file)
{
  if (file == NULL)
    return;
  g_clear_pointer (&file->entries, g_array_unref);
  g_clear_pointer (&file->storages, g_array_unref);
  g_clear_pointer (&file->metadata, g_hash_table_unref);
  g_clear_pointer (&file->mapped, g_mapped_file_unref);
  g_free (file->path);
  g_free (file);
}

const guint8 *
fw_checkpoint_file_bytes (FwCheckpointFile *file, guint index, GError **error)
{
  FwCheckpointStorage *storage = &g_array_index (file->storages, FwCheckpointStorage, index);
  const char *fault = NULL;
  if (!storage->deflated)
    return file->data + storage->position;
  if (storage->inflated == NULL)
    storage->inflated = fw_zip_inflate (file->data + storage->position, storage->stored, storage->size, storage->checksum,
                                        &fault);
  if (storage->inflated == NULL)
    fw_checkpoint_refuse (file->path, error, "%s", fault);
  return storage->inflated;
}
