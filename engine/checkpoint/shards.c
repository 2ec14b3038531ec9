/* SPDX-License-Identifier: Apache-2.0
 * Finding the checkpoint in a folder, and reading the index of a sharded one. */
#include "engine/checkpoint/shards.h"
#include "engine/checkpoint/backend.h"
#include "engine/checkpoint/strict-json.h"
#include "engine/memory/file.h"

#include <string.h>

enum { MAX_INDEX = 64 << 20, MAX_SHARDS = 4096 };

/* In the order Hugging Face libraries look for them. */
static const char *const usual_names[] = {
  "model.safetensors", "diffusion_pytorch_model.safetensors",
  "model.safetensors.index.json", "diffusion_pytorch_model.safetensors.index.json",
  "pytorch_model.bin", "diffusion_pytorch_model.bin",
  "pytorch_model.bin.index.json", "diffusion_pytorch_model.bin.index.json",
};
static const char *const usual_suffixes[] = { ".safetensors", ".pth", ".pt", ".ckpt", ".bin" };

static char *
find_usual (const char *folder)
{
  for (gsize i = 0; i < G_N_ELEMENTS (usual_names); i++) {
    g_autofree char *path = g_build_filename (folder, usual_names[i], NULL);
    if (g_file_test (path, G_FILE_TEST_EXISTS))
      return g_steal_pointer (&path);
  }
  return NULL;
}

/* The only file in @folder that looks like a checkpoint; @count of them there are. */
static char *
find_only (const char *folder, guint *count)
{
  g_autoptr (GDir) entries = g_dir_open (folder, 0, NULL);
  g_autofree char *found = NULL;
  const char *name;
  *count = 0;
  while (entries != NULL && (name = g_dir_read_name (entries)) != NULL)
    for (gsize i = 0; i < G_N_ELEMENTS (usual_suffixes); i++)
      if (name[0] != '.' && g_str_has_suffix (name, usual_suffixes[i])) {
        g_free (found);
        found = g_build_filename (folder, name, NULL);
        (*count)++;
      }
  return *count == 1 ? g_steal_pointer (&found) : NULL;
}

char *
fw_checkpoint_resolve (const char *path, GError **error)
{
  if (!g_file_test (path, G_FILE_TEST_IS_DIR))
    return g_strdup (path);
  g_autofree char *model = g_build_filename (path, "model", NULL);
  guint count = 0;
  char *found = find_usual (path);
  if (found == NULL)
    found = find_usual (model);
  if (found == NULL)
    found = find_only (path, &count);
  if (found == NULL && count > 1)
    fw_checkpoint_refuse (path, error, "the folder holds %u checkpoint files and no index that joins them; choose one file, "
                          "or download the missing .index.json", count);
  else if (found == NULL)
    fw_checkpoint_refuse (path, error, "the folder holds no checkpoint (no .safetensors, .pth, .pt, .ckpt or .bin file)");
  return found;
}

/* A shard lies beside its index; anything that could lead elsewhere is no shard's name. */
static gboolean
is_plain_name (const GString *name)
{
  return name->len > 0 && name->len < 256 && strlen (name->str) == name->len && name->str[0] != '.'
         && strpbrk (name->str, "/\\") == NULL && !g_str_has_suffix (name->str, ".json");
}

static gboolean
add_weight (FwCheckpointIndex *index, GTree *shards, const char *tensor, const char *shard)
{
  char *known = g_tree_lookup (shards, shard);
  if (g_tree_lookup (index->weight_map, tensor) != NULL || index->shards->len == MAX_SHARDS)
    return FALSE;
  if (known == NULL) {
    known = g_strdup (shard);
    g_ptr_array_add (index->shards, known);
    g_tree_insert (shards, known, known);
  }
  g_tree_insert (index->weight_map, g_strdup (tensor), known);
  return TRUE;
}

static gboolean
parse_weights (FwCheckpointIndex *index, FwJson *json)
{
  g_autoptr (GString) text = g_string_new (NULL), tensor = g_string_new (NULL);
  g_autoptr (GTree) shards = g_tree_new ((GCompareFunc) strcmp);
  gboolean first = TRUE;
  if (!fw_json_expect (json, '{'))
    return FALSE;
  while (fw_json_next (json, '}', &first)) {
    if (!fw_json_name (json, tensor) || !fw_json_string (json, text))
      return FALSE;
    if (strlen (tensor->str) != tensor->len)
      return fw_json_fail (json, "a tensor's name holds a NUL character");
    if (!is_plain_name (text))
      return fw_json_fail (json, "a shard is not a plain file name in the same folder");
    if (!add_weight (index, shards, tensor->str, text->str))
      return fw_json_fail (json, "a tensor is listed twice, or there are too many shards");
  }
  return json->fault == NULL;
}

static gboolean
parse_index (FwCheckpointIndex *index, FwJson *json)
{
  g_autoptr (GString) text = g_string_new (NULL);
  gboolean first = TRUE, found = FALSE;
  if (!fw_json_expect (json, '{'))
    return FALSE;
  while (fw_json_next (json, '}', &first)) {
    if (!fw_json_name (json, text))
      return FALSE;
    gboolean weights = strcmp (text->str, "weight_map") == 0;
    if (weights && found)
      return fw_json_fail (json, "weight_map is there twice");
    found |= weights;
    if (!(weights ? parse_weights (index, json) : fw_json_skip (json)))
      return FALSE;
  }
  return (found || fw_json_fail (json, "it has no weight_map")) && fw_json_end (json);
}

static int
compare_names (gconstpointer a, gconstpointer b, gpointer data)
{
  return strcmp (a, b);
}

FwCheckpointIndex *
fw_checkpoint_index_read (const char *path, GError **error)
{
  gsize size;
  g_autofree char *text = fw_file_read (path, MAX_INDEX, &size, error);
  if (text == NULL)
    return NULL;
  if (!g_utf8_validate_len (text, size, NULL)) {
    fw_checkpoint_refuse (path, error, "the index of its shards is not UTF-8 text");
    return NULL;
  }
  g_autoptr (FwCheckpointIndex) index = g_new0 (FwCheckpointIndex, 1);
  index->shards = g_ptr_array_new_with_free_func (g_free);
  index->weight_map = g_tree_new_full (compare_names, NULL, g_free, NULL);
  FwJson json = fw_json_begin (text, size);
  if (!parse_index (index, &json)) {
    fw_checkpoint_refuse (path, error, "the index of its shards is damaged: %s", json.fault);
    return NULL;
  }
  return g_steal_pointer (&index);
}

void
fw_checkpoint_index_free (FwCheckpointIndex *index)
{
  g_tree_unref (index->weight_map);
  g_ptr_array_unref (index->shards);
  g_free (index);
}

/* What the search for a missing name carries along. */
typedef struct { GTree *names; const char *missing; } Search;

static gboolean
visit_name (gpointer name, gpointer shard, gpointer data)
{
  Search *search = data;
  if (g_tree_lookup (search->names, name) == NULL)
    search->missing = name;
  return search->missing != NULL;
}

const char *
fw_checkpoint_index_missing (const FwCheckpointIndex *index, GTree *names)
{
  Search search = { .names = names };
  g_tree_foreach (index->weight_map, visit_name, &search);
  return search.missing;
}
