/* SPDX-License-Identifier: Apache-2.0
 * The safetensors writer: the header is composed and checked first, then the data is converted and appended block by block. */
#include "engine/checkpoint/safetensors-write.h"
#include "engine/checkpoint/convert.h"
#include "engine/checkpoint/json-text.h"
#include "engine/memory/file.h"

#include <string.h>

enum { BLOCK = 1 << 16, ALIGNMENT = 64 }; /* elements converted at a time; where the data starts */

static void
append_string (GString *json, const char *text)
{
  g_string_append_c (json, '"');
  for (const char *at = text; *at != '\0'; at++) {
    if (*at == '"' || *at == '\\')
      g_string_append_printf (json, "\\%c", *at);
    else if ((guchar) *at < 0x20)
      g_string_append_printf (json, "\\u%04x", *at);
    else
      g_string_append_c (json, *at);
  }
  g_string_append_c (json, '"');
}

static gboolean
append_metadata (GString *json, GHashTable *metadata, GError **error)
{
  g_autoptr (GList) keys = g_list_sort (g_hash_table_get_keys (metadata), (GCompareFunc) strcmp);
  g_string_append (json, "\"__metadata__\":{");
  for (GList *at = keys; at != NULL; at = at->next) {
    const char *value = g_hash_table_lookup (metadata, at->data);
    if (!g_utf8_validate (at->data, -1, NULL) || !g_utf8_validate (value, -1, NULL)) {
      g_set_error_literal (error, FW_ERROR, FW_ERROR_INVALID, "Metadata of a safetensors file must be UTF-8 text");
      return FALSE;
    }
    append_string (json, at->data);
    g_string_append_c (json, ':');
    append_string (json, value);
    if (at->next != NULL)
      g_string_append_c (json, ',');
  }
  g_string_append_c (json, '}');
  return TRUE;
}

static gboolean
check_entry (const FwSafetensorsEntry *entry, GHashTable *names, GError **error)
{
  const char *fault = NULL;
  if (!g_utf8_validate (entry->name, -1, NULL) || strcmp (entry->name, "__metadata__") == 0)
    fault = "the name is not allowed";
  else if (!g_hash_table_add (names, (gpointer) entry->name))
    fault = "the name is used twice";
  else if (!fw_tensor_is_contiguous (&entry->value))
    fault = "the data is not dense";
  if (fault == NULL)
    return fw_convert_elements (NULL, entry->value.dtype, 0, entry->stored, NULL, error);
  g_set_error (error, FW_ERROR, FW_ERROR_INVALID, "The tensor “%s” cannot be written: %s", entry->name, fault);
  return FALSE;
}

static gboolean
check_entries (const FwSafetensorsEntry *entries, gsize count, GError **error)
{
  g_autoptr (GHashTable) names = g_hash_table_new (g_str_hash, g_str_equal);
  for (gsize i = 0; i < count; i++)
    if (!check_entry (&entries[i], names, error))
      return FALSE;
  return TRUE;
}

static guint64
stored_size (const FwSafetensorsEntry *entry)
{
  return (guint64) fw_tensor_count (&entry->value) * fw_dtype_size (entry->stored);
}

static void
append_entry (GString *json, const FwSafetensorsEntry *entry, guint64 *offset)
{
  g_autofree char *type = g_ascii_strup (fw_dtype_name (entry->stored), -1);
  append_string (json, entry->name);
  g_string_append_printf (json, ":{\"dtype\":\"%s\",\"shape\":[", type);
  for (int i = 0; i < entry->value.rank; i++)
    g_string_append_printf (json, "%s%" G_GINT64_FORMAT, i > 0 ? "," : "", (gint64) entry->value.dim[i]);
  g_string_append_printf (json, "],\"data_offsets\":[%" G_GUINT64_FORMAT, *offset);
  *offset += stored_size (entry);
  g_string_append_printf (json, ",%" G_GUINT64_FORMAT "]}", *offset);
}

/* The length and the padded header, or NULL. */
static GString *
compose_header (const FwSafetensorsEntry *entries, gsize count, GHashTable *metadata, GError **error)
{
  g_autoptr (GString) json = g_string_new ("________{");
  guint64 offset = 0;
  if (!check_entries (entries, count, error) || (metadata != NULL && !append_metadata (json, metadata, error)))
    return NULL;
  for (gsize i = 0; i < count; i++) {
    if (i > 0 || metadata != NULL)
      g_string_append_c (json, ',');
    append_entry (json, &entries[i], &offset);
  }
  g_string_append_c (json, '}');
  while (json->len % ALIGNMENT != 0)
    g_string_append_c (json, ' ');
  guint64 length = GUINT64_TO_LE ((guint64) json->len - 8);
  memcpy (json->str, &length, 8);
  return g_steal_pointer (&json);
}

static gboolean
append_data (FwFileWriter *writer, const FwSafetensorsEntry *entry, guint8 *block, GError **error)
{
  gsize total = (gsize) fw_tensor_count (&entry->value), size = fw_dtype_size (entry->value.dtype);
  for (gsize done = 0; done < total; done += BLOCK) {
    gsize part = MIN (total - done, BLOCK);
    const guint8 *source = (const guint8 *) entry->value.data + done * size;
    if (!fw_convert_elements (source, entry->value.dtype, part, entry->stored, block, error)
        || !fw_file_writer_append (writer, block, part * fw_dtype_size (entry->stored), error))
      return FALSE;
  }
  return TRUE;
}

gboolean
fw_safetensors_write_hurried (const char *path, const FwSafetensorsEntry *entries, gsize count, GHashTable *metadata,
                              GCancellable *hurry, GError **error)
{
  g_autoptr (GString) header = compose_header (entries, count, metadata, error);
  FwFileWriter *writer = header != NULL ? fw_file_writer_open (path, error) : NULL;
  if (writer == NULL)
    return FALSE;
  fw_file_writer_set_hurry (writer, hurry);
  g_autofree guint8 *block = g_malloc (BLOCK * 8);
  gboolean done = fw_file_writer_append (writer, header->str, header->len, error);
  for (gsize i = 0; done && i < count; i++)
    done = append_data (writer, &entries[i], block, error);
  if (done)
    return fw_file_writer_commit (writer, error);
  fw_file_writer_abort (writer);
  return FALSE;
}

gboolean
fw_safetensors_write (const char *path, const FwSafetensorsEntry *entries, gsize count, GHashTable *metadata, GError **error)
{
  return fw_safetensors_write_hurried (path, entries, count, metadata, NULL, error);
}

/* How many of the @count entries fill a shard of @limit bytes: at least one. */
static gsize
shard_length (const FwSafetensorsEntry *entries, gsize count, guint64 limit)
{
  guint64 bytes = 0;
  gsize length = 0;
  while (length < count && (length == 0 || bytes + stored_size (&entries[length]) <= limit))
    bytes += stored_size (&entries[length++]);
  return length;
}

static gboolean
write_index (const char *path, JsonObject *weight_map, guint64 total, GError **error)
{
  g_autoptr (JsonNode) node = json_node_new (JSON_NODE_OBJECT);
  JsonObject *json = json_object_new (), *metadata = json_object_new ();
  json_object_set_int_member (metadata, "total_size", (gint64) total);
  json_object_set_object_member (json, "metadata", metadata);
  json_object_set_object_member (json, "weight_map", json_object_ref (weight_map));
  json_node_take_object (node, json);
  g_autofree char *text = fw_json_text_print (node, TRUE);
  return fw_file_write (path, text, strlen (text), error);
}

static char *
single_name (const char *stem)
{
  return g_strconcat (stem, ".safetensors", NULL);
}

static char *
index_name (const char *stem)
{
  return g_strconcat (stem, ".safetensors.index.json", NULL);
}

static char *
shard_name (const char *stem, guint shard, guint shards)
{
  return shards == 1 ? single_name (stem) : g_strdup_printf ("%s-%05u-of-%05u.safetensors", stem, shard, shards);
}

/* While shards are replaced by others of the same names, no index may join old and new ones. */
static gboolean
disband (const char *folder, const char *stem, guint shards, GError **error)
{
  g_autofree char *first = shard_name (stem, 1, shards), *first_path = g_build_filename (folder, first, NULL);
  g_autofree char *index = index_name (stem), *index_path = g_build_filename (folder, index, NULL);
  return !g_file_test (first_path, G_FILE_TEST_EXISTS) || fw_file_remove (index_path, error);
}

/* Removes every file of a checkpoint called @stem that is none of @files. */
static gboolean
remove_others (const char *folder, const char *stem, const char *const *files, GError **error)
{
  g_autoptr (GError) cause = NULL;
  g_autofree char *single = single_name (stem), *index = index_name (stem);
  g_autofree char *shards = g_strconcat (stem, "-?????", "-of-?????", ".safetensors", NULL); /* in pieces, for there are trigraphs */
  g_autoptr (GDir) dir = g_dir_open (folder, 0, &cause);
  const char *name;
  if (dir == NULL) {
    g_set_error (error, FW_ERROR, FW_ERROR_IO, "Cannot look for older weights: %s", cause->message);
    return FALSE;
  }
  while ((name = g_dir_read_name (dir)) != NULL) {
    g_autofree char *path = g_build_filename (folder, name, NULL);
    gboolean ours = g_str_equal (name, single) || g_str_equal (name, index) || g_pattern_match_simple (shards, name);
    if (ours && !g_strv_contains (files, name) && !fw_file_remove (path, error))
      return FALSE;
  }
  return TRUE;
}

char **
fw_safetensors_write_shards (const char *folder, const char *stem, const FwSafetensorsEntry *entries, gsize count, guint64 limit,
                             GError **error)
{
  g_autoptr (JsonObject) weight_map = json_object_new ();
  g_autoptr (GStrvBuilder) files = g_strv_builder_new ();
  guint64 total = 0;
  guint shards = 0, shard = 0;
  if (!check_entries (entries, count, error))
    return NULL;
  for (gsize first = 0; first < count; first += shard_length (entries + first, count - first, limit))
    shards++;
  if (!disband (folder, stem, shards, error))
    return NULL;
  for (gsize first = 0, length; first < count; first += length) {
    length = shard_length (entries + first, count - first, limit);
    g_autofree char *name = shard_name (stem, ++shard, shards);
    g_autofree char *path = g_build_filename (folder, name, NULL);
    if (!fw_safetensors_write (path, entries + first, length, NULL, error))
      return NULL;
    g_strv_builder_add (files, name);
    for (gsize i = first; i < first + length; i++) {
      json_object_set_string_member (weight_map, entries[i].name, name);
      total += stored_size (&entries[i]);
    }
  }
  if (shards > 1) {
    g_autofree char *index = index_name (stem), *path = g_build_filename (folder, index, NULL);
    if (!write_index (path, weight_map, total, error))
      return NULL;
    g_strv_builder_add (files, index);
  }
  g_auto (GStrv) written = g_strv_builder_end (files);
  return remove_others (folder, stem, (const char *const *) written, error) ? g_steal_pointer (&written) : NULL;
}
