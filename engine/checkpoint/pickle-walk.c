/* SPDX-License-Identifier: Apache-2.0
 * From a finished pickle to a table of tensors: which sub-dictionary is meant, and the tensors below it under joined names.
 * The value may contain itself or hold one list in many places, so depth, cycles and the total are all watched. */
#include "engine/checkpoint/pickle.h"

#include <string.h>

enum { MAX_DEPTH = 200, MAX_TENSORS = 100000, MAX_NAME = 512 };
enum { UNKNOWN, BARREN, FERTILE, ON_PATH }; /* of FwPickleValue.walk: does it hold a tensor at some depth? */

typedef struct {
  FwPickle *pickle;
  FwCheckpointFile *file;
  GString *name;
  GError **error;
} Walk;

static gboolean
is_container (const FwPickleValue *value)
{
  return value->kind == FW_PICKLE_LIST || value->kind == FW_PICKLE_TUPLE || value->kind == FW_PICKLE_DICT;
}

/* Marks every container with whether it holds tensors, each visited once. FALSE: nested too deeply. */
static gboolean
survey (FwPickleValue *value, int depth)
{
  if (value->walk != UNKNOWN)
    return TRUE;
  value->walk = value->kind == FW_PICKLE_TENSOR ? FERTILE : BARREN;
  if (!is_container (value))
    return TRUE;
  if (depth == MAX_DEPTH)
    return FALSE;
  for (guint i = 0; i < value->list.count; i++) {
    if (!survey (value->list.items[i], depth + 1))
      return FALSE;
    if (value->list.items[i]->walk == FERTILE)
      value->walk = FERTILE;
  }
  return TRUE;
}

static FwPickleValue *
lookup (const FwPickleValue *dict, const char *key)
{
  FwPickleValue *found = NULL;
  for (guint i = 0; dict->kind == FW_PICKLE_DICT && i < dict->list.count; i += 2)
    if (fw_pickle_is_string (dict->list.items[i], key))
      found = dict->list.items[i + 1];
  return found;
}

/* The part fw_checkpoint_open_part() means. */
static FwPickleValue *
choose (FwPickleValue *root, const char *part)
{
  static const char *const wrappers[] = { "ema", "state_dict", "model", "module" };
  if (part != NULL && *part != '\0')
    return lookup (root, part);
  for (gsize i = 0; part == NULL && i < G_N_ELEMENTS (wrappers); i++) {
    FwPickleValue *inner = lookup (root, wrappers[i]);
    if (inner != NULL && inner->kind == FW_PICKLE_DICT && inner->walk == FERTILE)
      return inner;
  }
  return root;
}

static gboolean
add_tensor (Walk *walk, const FwPickleValue *value)
{
  FwCheckpointEntry entry = { .tensor = value->tensor->tensor, .storage = value->tensor->storage,
                              .offset = value->tensor->offset };
  if (walk->file->entries->len == MAX_TENSORS)
    return fw_checkpoint_refuse (walk->pickle->path, walk->error, "it holds more than %d tensors", MAX_TENSORS);
  entry.tensor.name = g_strndup (walk->name->str, walk->name->len);
  g_array_append_val (walk->file->entries, entry);
  return TRUE;
}

static gboolean
append_key (Walk *walk, const FwPickleValue *key)
{
  if (walk->name->len > 0)
    g_string_append_c (walk->name, '/');
  if (key->kind == FW_PICKLE_INTEGER)
    g_string_append_printf (walk->name, "%" G_GINT64_FORMAT, key->integer);
  else if (key->kind != FW_PICKLE_STRING || key->string.length > MAX_NAME
           || memchr (key->string.text, '\0', key->string.length) != NULL)
    return fw_checkpoint_refuse (walk->pickle->path, walk->error, "a tensor in it has a key that is no usable name");
  else
    g_string_append_len (walk->name, key->string.text, (gssize) key->string.length);
  return walk->name->len <= MAX_NAME || fw_checkpoint_refuse (walk->pickle->path, walk->error,
                                                              "a tensor in it has a name that is too long");
}

/* A foreign object among the weights themselves would be a silently missing weight. */
static gboolean
check_company (Walk *walk, const FwPickleValue *dict)
{
  const FwPickleValue *foreign = NULL;
  gboolean tensors = FALSE;
  for (guint i = 1; i < dict->list.count; i += 2) {
    tensors |= dict->list.items[i]->kind == FW_PICKLE_TENSOR;
    if (dict->list.items[i]->kind == FW_PICKLE_FOREIGN)
      foreign = dict->list.items[i];
  }
  if (!tensors || foreign == NULL)
    return TRUE;
  g_autofree char *what = fw_pickle_describe (foreign);
  return fw_checkpoint_refuse (walk->pickle->path, walk->error,
                               "beside its weights it asks for “%s”, which this program never runs", what);
}

static gboolean
emit (Walk *walk, FwPickleValue *value)
{
  if (value->kind == FW_PICKLE_TENSOR)
    return add_tensor (walk, value);
  if (!is_container (value) || value->walk != FERTILE)
    return TRUE;
  gboolean dict = value->kind == FW_PICKLE_DICT, done = !dict || check_company (walk, value);
  gsize length = walk->name->len;
  value->walk = ON_PATH;
  for (guint i = 0; done && i < value->list.count; i += dict ? 2 : 1) {
    FwPickleValue *child = value->list.items[dict ? i + 1 : i], number = { .kind = FW_PICKLE_INTEGER, .integer = i };
    if (child->walk == FERTILE)
      done = append_key (walk, dict ? value->list.items[i] : &number) && emit (walk, child);
    g_string_truncate (walk->name, length);
  }
  value->walk = FERTILE;
  return done;
}

static gboolean
refuse_without_tensors (FwPickle *pickle, const FwPickleValue *root, GError **error)
{
  const FwPickleValue *foreign = root->kind == FW_PICKLE_FOREIGN || root->kind == FW_PICKLE_GLOBAL ? root : pickle->foreign;
  if (foreign == NULL)
    return fw_checkpoint_refuse (pickle->path, error, "it holds no tensors");
  g_autofree char *what = fw_pickle_describe (foreign);
  return fw_checkpoint_refuse (pickle->path, error, "instead of weights it asks for “%s”, which this program never runs", what);
}

gboolean
fw_pickle_list_tensors (FwPickle *pickle, FwPickleValue *root, const char *part, FwCheckpointFile *file, GError **error)
{
  if (!survey (root, 0))
    return fw_checkpoint_refuse (pickle->path, error, "its values are nested more than %d deep", MAX_DEPTH);
  FwPickleValue *chosen = choose (root, part);
  if (chosen == NULL)
    return fw_checkpoint_refuse (pickle->path, error, "it has no part “%s”", part);
  gboolean empty = root->kind == FW_PICKLE_DICT && root->list.count == 0;
  if (chosen->walk != FERTILE && !empty)
    return refuse_without_tensors (pickle, chosen, error);
  Walk walk = { .pickle = pickle, .file = file, .name = g_string_new (NULL), .error = error };
  gboolean done = emit (&walk, chosen);
  g_string_free (walk.name, TRUE);
  return done;
}
