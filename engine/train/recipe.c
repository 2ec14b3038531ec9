/* SPDX-License-Identifier: Apache-2.0
 * Reading recipes: overrides first, then every key checked. */
#include "engine/train/recipe.h"

#include <string.h>

#include "engine/checkpoint/json-text.h"
#include "engine/model/config.h"
#include "engine/train/stage.h"

enum { RECIPE_LIMIT = 1 << 20 };

static const char *const recipe_keys[] = { "name", "seed", "precision", "output", "stages", NULL };
static const char *const stage_keys[] = { "name", "kind", "output", NULL };
static const char *const training_keys[] = {
  "steps", "lr", "warm_up", "decay", "betas", "epsilon", "weight_decay", "clip", "ema", "seed", "init", "data", NULL
};

static gboolean
refuse (GError **error, const char *format, ...) G_GNUC_PRINTF (2, 3);

static gboolean
refuse (GError **error, const char *format, ...)
{
  va_list arguments;
  va_start (arguments, format);
  g_autofree char *text = g_strdup_vprintf (format, arguments);
  va_end (arguments);
  g_set_error (error, FW_ERROR, FW_ERROR_FORMAT, "The recipe cannot be used: %s", text);
  return FALSE;
}

static gboolean
only_known_keys (JsonObject *json, const char *what, const char *const *const *lists, GError **error)
{
  g_autoptr (GList) members = json_object_get_members (json);
  for (GList *member = members; member != NULL; member = member->next) {
    gboolean known = FALSE;
    for (const char *const *const *list = lists; *list != NULL && !known; list++)
      known = g_strv_contains (*list, member->data);
    if (!known)
      return refuse (error, "%s has an unknown key “%s”", what, (char *) member->data);
  }
  return TRUE;
}

static const char *
text_of (JsonObject *json, const char *key)
{
  JsonNode *node = json_object_get_member (json, key);
  return node != NULL && JSON_NODE_HOLDS_VALUE (node) && json_node_get_value_type (node) == G_TYPE_STRING ? json_node_get_string (node) : NULL;
}

/* --- overrides --- */

/* The member or, in a list of named objects, the element called @key. */
static JsonNode *
step_into (JsonNode *node, const char *key)
{
  if (JSON_NODE_HOLDS_OBJECT (node))
    return json_object_get_member (json_node_get_object (node), key);
  if (!JSON_NODE_HOLDS_ARRAY (node))
    return NULL;
  JsonArray *array = json_node_get_array (node);
  for (guint i = 0; i < json_array_get_length (array); i++) {
    JsonNode *element = json_array_get_element (array, i);
    if (JSON_NODE_HOLDS_OBJECT (element) && g_strcmp0 (text_of (json_node_get_object (element), "name"), key) == 0)
      return element;
  }
  return NULL;
}

/* A value as JSON if it is some, else as a string. */
static JsonNode *
value_of (const char *text)
{
  g_autoptr (JsonParser) parser = json_parser_new ();
  if (json_parser_load_from_data (parser, text, -1, NULL) && json_parser_get_root (parser) != NULL)
    return json_parser_steal_root (parser);
  JsonNode *node = json_node_new (JSON_NODE_VALUE);
  json_node_set_string (node, text);
  return node;
}

static gboolean
override (JsonNode *root, const char *assignment, GError **error)
{
  const char *equals = strchr (assignment, '=');
  if (equals == NULL || equals == assignment) {
    g_set_error (error, FW_ERROR, FW_ERROR_INVALID, "“%s” is not of the form key=value", assignment);
    return FALSE;
  }
  g_autofree char *path = g_strndup (assignment, equals - assignment);
  g_auto (GStrv) parts = g_strsplit (path, ".", -1);
  guint n = g_strv_length (parts);
  JsonNode *node = root;
  for (guint i = 0; i + 1 < n && node != NULL; i++)
    node = step_into (node, parts[i]);
  if (node == NULL || !JSON_NODE_HOLDS_OBJECT (node)) {
    g_set_error (error, FW_ERROR, FW_ERROR_INVALID, "The recipe has nothing called “%s”", path);
    return FALSE;
  }
  json_object_set_member (json_node_get_object (node), parts[n - 1], value_of (equals + 1));
  return TRUE;
}

/* --- stages --- */

typedef struct {
  int size, frames, batch, every, cache;
  double from;
} RowNumbers;

static const FwConfigField row_fields[] = {
  { "size", FW_CONFIG_INT, offsetof (RowNumbers, size), 1, 8, 4096, FALSE },
  { "frames", FW_CONFIG_INT, offsetof (RowNumbers, frames), 1, 1, 1024, FALSE },
  { "batch", FW_CONFIG_INT, offsetof (RowNumbers, batch), 1, 1, 4096, TRUE },
  { "every", FW_CONFIG_INT, offsetof (RowNumbers, every), 1, 1, 1 << 30, FALSE },
  { "cache", FW_CONFIG_INT, offsetof (RowNumbers, cache), 1, 0, 1 << 28, FALSE },
  { "from", FW_CONFIG_DOUBLE, offsetof (RowNumbers, from), 1, 0, 1, FALSE },
  { NULL }
};
static const char *const row_keys[] = { "world", "size", "frames", "batch", "every", "cache", "from", "wording", NULL };

static gboolean
read_row (JsonNode *node, FwTrainRow *row, const char *what, GError **error)
{
  if (!JSON_NODE_HOLDS_OBJECT (node))
    return refuse (error, "%s: a row of “data” is not an object", what);
  JsonObject *json = json_node_get_object (node);
  RowNumbers numbers = { .size = 64, .frames = 1, .batch = 1, .every = 1, .from = 0 };
  const char *wording = text_of (json, "wording");
  if (!only_known_keys (json, what, (const char *const *const[]) { row_keys, NULL }, error) || !fw_config_read (json, row_fields, &numbers, what, error))
    return FALSE;
  if (g_strcmp0 (text_of (json, "world"), "shapes") != 0)
    return refuse (error, "%s: the only world is “shapes”", what);
  if (wording != NULL && g_strcmp0 (wording, "mixed") != 0 && g_strcmp0 (wording, "canonical") != 0)
    return refuse (error, "%s: “wording” is canonical or mixed", what);
  *row = (FwTrainRow) { numbers.size, numbers.frames, numbers.batch, numbers.every, numbers.cache, numbers.from, g_strcmp0 (wording, "canonical") != 0 };
  return TRUE;
}

static gboolean
read_rows (FwTrainStage *stage, const char *what, GError **error)
{
  JsonNode *node = json_object_get_member (stage->json, "data");
  guint n = node != NULL && JSON_NODE_HOLDS_ARRAY (node) ? json_array_get_length (json_node_get_array (node)) : 0;
  if (n < 1 || n > FW_TRAIN_MAX_ROWS)
    return refuse (error, "%s: “data” must be a list of 1 to %d rows", what, FW_TRAIN_MAX_ROWS);
  for (stage->n_rows = 0; stage->n_rows < n; stage->n_rows++)
    if (!read_row (json_array_get_element (json_node_get_array (node), stage->n_rows), &stage->rows[stage->n_rows], what, error))
      return FALSE;
  if (stage->rows[0].every != 1 || stage->rows[0].from != 0)
    return refuse (error, "%s: the first row of “data” takes part in every step", what);
  return TRUE;
}

typedef struct {
  double steps, lr, warm_up, betas[2], epsilon, weight_decay, clip, ema, seed, from, to;
} TrainingNumbers;

static const FwConfigField training_fields[] = {
  { "steps", FW_CONFIG_DOUBLE, offsetof (TrainingNumbers, steps), 1, 1, 1e9, TRUE },
  { "lr", FW_CONFIG_DOUBLE, offsetof (TrainingNumbers, lr), 1, 0, 1, TRUE },
  { "warm_up", FW_CONFIG_DOUBLE, offsetof (TrainingNumbers, warm_up), 1, 0, 1e9, FALSE },
  { "betas", FW_CONFIG_DOUBLE, offsetof (TrainingNumbers, betas), 2, 0, 0.999999, FALSE },
  { "epsilon", FW_CONFIG_DOUBLE, offsetof (TrainingNumbers, epsilon), 1, 1e-20, 1, FALSE },
  { "weight_decay", FW_CONFIG_DOUBLE, offsetof (TrainingNumbers, weight_decay), 1, 0, 1, FALSE },
  { "clip", FW_CONFIG_DOUBLE, offsetof (TrainingNumbers, clip), 1, 0, 1e9, FALSE },
  { "ema", FW_CONFIG_DOUBLE, offsetof (TrainingNumbers, ema), 1, 0, 0.9999999, FALSE },
  { "seed", FW_CONFIG_DOUBLE, offsetof (TrainingNumbers, seed), 1, 0, 9007199254740992.0, FALSE },
  { NULL }
};
static const FwConfigField decay_fields[] = {
  { "from", FW_CONFIG_DOUBLE, offsetof (TrainingNumbers, from), 1, 0, 1, TRUE },
  { "to", FW_CONFIG_DOUBLE, offsetof (TrainingNumbers, to), 1, 0, 1, TRUE },
  { NULL }
};

static JsonObject *
object_of (JsonObject *json, const char *key)
{
  JsonNode *node = json_object_get_member (json, key);
  return node != NULL && JSON_NODE_HOLDS_OBJECT (node) ? json_node_get_object (node) : NULL;
}

static gboolean
read_training (FwTrainStage *stage, const char *what, GError **error)
{
  TrainingNumbers n = { .betas = { 0.9, 0.999 }, .epsilon = 1e-8, .from = 1, .to = 1 };
  JsonObject *decay = object_of (stage->json, "decay");
  if (!fw_config_read (stage->json, training_fields, &n, what, error) || (decay != NULL && !fw_config_read (decay, decay_fields, &n, what, error)))
    return FALSE;
  stage->steps = (gint64) n.steps;
  stage->lr = n.lr;
  stage->beta1 = n.betas[0];
  stage->beta2 = n.betas[1];
  stage->epsilon = n.epsilon;
  stage->weight_decay = n.weight_decay;
  stage->clip = n.clip;
  stage->ema = n.ema;
  stage->seed += (guint64) n.seed;
  if (!fw_lr_schedule_init (&stage->schedule, "constant_then_linear", (gint64) n.warm_up, stage->steps, error))
    return FALSE;
  stage->schedule.decay_from = n.from;
  stage->schedule.end = n.to;
  stage->init = object_of (stage->json, "init");
  stage->init_from = stage->init != NULL ? text_of (stage->init, "from") : NULL;
  if (stage->init_from == NULL)
    return refuse (error, "%s: “init” must say where to start from", what);
  return read_rows (stage, what, error);
}

static gboolean
is_plain_path (const char *path)
{
  g_auto (GStrv) parts = g_strsplit (path, "/", -1);
  if (path[0] == '\0' || g_path_is_absolute (path))
    return FALSE;
  for (char **part = parts; *part != NULL; part++)
    if (g_str_equal (*part, "..") || g_str_equal (*part, "."))
      return FALSE;
  return TRUE;
}

/* The recipe's seed and the stage's name, mixed so that stages draw unrelated numbers. */
static guint64
mix_seed (guint64 seed, const char *name)
{
  guint64 hash = 0xcbf29ce484222325u ^ seed;
  for (const char *c = name; *c != '\0'; c++)
    hash = (hash ^ (guint8) *c) * 0x100000001b3u;
  return hash;
}

static gboolean
read_stage (const FwTrainRecipe *recipe, JsonNode *node, FwTrainStage *stage, GError **error)
{
  if (!JSON_NODE_HOLDS_OBJECT (node))
    return refuse (error, "a stage is not an object");
  *stage = (FwTrainStage) { .json = json_node_get_object (node) };
  stage->name = text_of (stage->json, "name");
  stage->output = text_of (stage->json, "output");
  const char *kind = text_of (stage->json, "kind");
  if (stage->name == NULL || strspn (stage->name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-") != strlen (stage->name) || *stage->name == '\0')
    return refuse (error, "a stage needs a “name” of letters, digits and hyphens");
  if (fw_train_recipe_stage (recipe, stage->name) != NULL)
    return refuse (error, "two stages are called “%s”", stage->name);
  if (stage->output == NULL || !is_plain_path (stage->output))
    return refuse (error, "stage “%s” needs an “output”, a relative path", stage->name);
  stage->kind = fw_stage_kind (kind);
  if (stage->kind == NULL)
    return refuse (error, "stage “%s” has the unknown kind “%s”", stage->name, kind != NULL ? kind : "");
  stage->seed = mix_seed (recipe->seed, stage->name);
  const char *const *lists[] = { stage_keys, stage->kind->keys, stage->kind->trains ? training_keys : NULL, NULL };
  g_autofree char *what = g_strdup_printf ("stage “%s”", stage->name);
  return only_known_keys (stage->json, what, lists, error) && (!stage->kind->trains || read_training (stage, what, error));
}

static gboolean
read_recipe (FwTrainRecipe *recipe, GError **error)
{
  JsonObject *json = json_node_get_object (recipe->root);
  if (!only_known_keys (json, "it", (const char *const *const[]) { recipe_keys, NULL }, error))
    return FALSE;
  struct { double seed; } numbers = { 0 };
  const FwConfigField seed_field[] = { { "seed", FW_CONFIG_DOUBLE, 0, 1, 0, 9007199254740992.0, TRUE }, { NULL } };
  if (!fw_config_read (json, seed_field, &numbers, "The recipe", error))
    return FALSE;
  recipe->seed = (guint64) numbers.seed;
  recipe->name = text_of (json, "name");
  recipe->output = text_of (json, "output");
  recipe->precision = text_of (json, "precision");
  if (recipe->name == NULL || !is_plain_path (recipe->name) || strchr (recipe->name, '/') != NULL)
    return refuse (error, "it needs a “name” that can be a folder's");
  if (recipe->precision == NULL || !g_strv_contains ((const char *const[]) { "auto", "fp32", "bf16", NULL }, recipe->precision))
    return refuse (error, "“precision” is auto, fp32 or bf16");
  JsonNode *list = json_object_get_member (json, "stages");
  guint n = list != NULL && JSON_NODE_HOLDS_ARRAY (list) ? json_array_get_length (json_node_get_array (list)) : 0;
  if (n < 1 || n > 100)
    return refuse (error, "“stages” must be a list of 1 to 100 stages");
  for (guint i = 0; i < n; i++) {
    FwTrainStage stage;
    if (!read_stage (recipe, json_array_get_element (json_node_get_array (list), i), &stage, error))
      return FALSE;
    g_array_append_val (recipe->stages, stage);
  }
  return TRUE;
}

/* The parsed tree cannot be changed; this copy can. */
static JsonNode *
mutable_copy (JsonNode *root)
{
  g_autofree char *text = fw_json_text_print (root, FALSE);
  g_autoptr (JsonParser) parser = json_parser_new ();
  return json_parser_load_from_data (parser, text, -1, NULL) ? json_parser_steal_root (parser) : NULL;
}

FwTrainRecipe *
fw_train_recipe_read (const char *path, const char *const *overrides, GError **error)
{
  g_autoptr (JsonNode) read = fw_json_text_read (path, RECIPE_LIMIT, error);
  if (read == NULL)
    return NULL;
  g_autoptr (FwTrainRecipe) recipe = g_new0 (FwTrainRecipe, 1);
  recipe->stages = g_array_new (FALSE, TRUE, sizeof (FwTrainStage));
  recipe->root = mutable_copy (read);
  for (const char *const *assignment = overrides; assignment != NULL && *assignment != NULL; assignment++)
    if (!override (recipe->root, *assignment, error))
      return NULL;
  return read_recipe (recipe, error) ? g_steal_pointer (&recipe) : NULL;
}

void
fw_train_recipe_free (FwTrainRecipe *recipe)
{
  if (recipe == NULL)
    return;
  g_clear_pointer (&recipe->root, json_node_unref);
  g_array_unref (recipe->stages);
  g_free (recipe);
}

const FwTrainStage *
fw_train_recipe_stage (const FwTrainRecipe *recipe, const char *name)
{
  for (guint i = 0; i < recipe->stages->len; i++) {
    const FwTrainStage *stage = &g_array_index (recipe->stages, FwTrainStage, i);
    if (g_strcmp0 (stage->name, name) == 0)
      return stage;
  }
  return NULL;
}

guint
fw_train_stage_row (const FwTrainStage *stage, gint64 step)
{
  for (guint row = stage->n_rows; row-- > 1;)
    if ((double) step >= stage->rows[row].from * (double) stage->steps && step % stage->rows[row].every == 0)
      return row;
  return 0;
}

guint64
fw_train_stage_first_sample (const FwTrainStage *stage, gint64 step)
{
  guint64 sample = 0;
  for (gint64 before = 0; before < step; before++)
    sample += (guint64) stage->rows[fw_train_stage_row (stage, before)].batch;
  return sample;
}

char *
fw_train_stage_digest (const FwTrainRecipe *recipe, const FwTrainStage *stage)
{
  g_autoptr (GChecksum) checksum = g_checksum_new (G_CHECKSUM_SHA256);
  g_autoptr (JsonNode) node = json_node_init_object (json_node_alloc (), stage->json);
  g_autofree char *text = fw_json_text_print (node, FALSE);
  g_autofree char *head = g_strdup_printf ("%" G_GUINT64_FORMAT " %s ", recipe->seed, recipe->precision);
  g_checksum_update (checksum, (const guchar *) head, -1);
  g_checksum_update (checksum, (const guchar *) text, -1);
  return g_strdup (g_checksum_get_string (checksum));
}
