/* SPDX-License-Identifier: Apache-2.0
 * The values of a pickle: their allocation, bounded in number, and small questions asked of them. */
#include "engine/checkpoint/pickle.h"

#include <string.h>

enum { MAX_VALUES = 1 << 20, CHUNK = 256 }; /* a checkpoint of 10,000 tensors needs about 300,000 values */

static void
chunk_free (gpointer chunk)
{
  FwPickleValue *values = chunk;
  for (int i = 0; i < CHUNK; i++)
    if (values[i].kind == FW_PICKLE_LIST || values[i].kind == FW_PICKLE_TUPLE || values[i].kind == FW_PICKLE_DICT)
      g_free (values[i].list.items);
    else if (values[i].kind == FW_PICKLE_TENSOR)
      g_free (values[i].tensor);
  g_free (values);
}

static int
compare_keys (gconstpointer a, gconstpointer b, gpointer data)
{
  const FwPickleStorage *left = a, *right = b;
  int order = memcmp (left->key, right->key, MIN (left->key_length, right->key_length));
  return order != 0 ? order : (left->key_length > right->key_length) - (left->key_length < right->key_length);
}

void
fw_pickle_init (FwPickle *pickle, const char *path)
{
  pickle->path = path;
  pickle->chunks = g_ptr_array_new_with_free_func (chunk_free);
  pickle->storages = g_array_new (FALSE, TRUE, sizeof (FwPickleStorage));
  pickle->storage_keys = g_tree_new_full (compare_keys, NULL, g_free, NULL);
}

void
fw_pickle_clear (FwPickle *pickle)
{
  g_clear_pointer (&pickle->chunks, g_ptr_array_unref);
  g_clear_pointer (&pickle->storages, g_array_unref);
  g_clear_pointer (&pickle->storage_keys, g_tree_unref);
}

FwPickleValue *
fw_pickle_new (FwPickle *pickle, FwPickleKind kind, GError **error)
{
  guint place = pickle->n_values % CHUNK;
  if (pickle->n_values == MAX_VALUES) {
    fw_checkpoint_refuse (pickle->path, error, "its pickle holds more values than any checkpoint needs");
    return NULL;
  }
  if (place == 0)
    g_ptr_array_add (pickle->chunks, g_new0 (FwPickleValue, CHUNK));
  FwPickleValue *chunk = g_ptr_array_index (pickle->chunks, pickle->chunks->len - 1);
  chunk[place].kind = kind;
  pickle->n_values++;
  return &chunk[place];
}

void
fw_pickle_append (FwPickleValue *container, FwPickleValue *item)
{
  if (container->list.count == container->list.capacity) {
    container->list.capacity = MAX (2, container->list.capacity * 2);
    container->list.items = g_renew (FwPickleValue *, container->list.items, container->list.capacity);
  }
  container->list.items[container->list.count++] = item;
}

gboolean
fw_pickle_is_string (const FwPickleValue *value, const char *text)
{
  return value->kind == FW_PICKLE_STRING && value->string.length == strlen (text)
         && memcmp (value->string.text, text, value->string.length) == 0;
}

char *
fw_pickle_describe (const FwPickleValue *value)
{
  const FwPickleValue *global = value->kind == FW_PICKLE_FOREIGN ? value->origin : value;
  g_autofree char *module = fw_checkpoint_quotable (global->global.module, global->global.module_length);
  g_autofree char *name = fw_checkpoint_quotable (global->global.name, global->global.name_length);
  return g_strdup_printf ("%s.%s", module, name);
}
