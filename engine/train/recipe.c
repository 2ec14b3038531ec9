/* SPDX-License-Identifier: Apache-2.0
 * Reading recipes: overrides first, then every key checked, then what each kind of stage demands. */
#include "engine/train/recipe.h"

#include <math.h>
#include <string.h>

#include "engine/checkpoint/json-text.h"
#include "engine/model/config.h"
#include "engine/train/recipe-json.h"
#include "engine/train/stage.h"

enum { RECIPE_LIMIT = 1 << 20 };

static const char *const recipe_keys[] = { "name", "seed", "precision", "output", "save_seconds", "stages", NULL };
static const char *const precisions[] = { "auto", "fp32", "bf16", NULL };
static const char *const stage_keys[] = { "name", "kind", "output", NULL };
static const char *const training_keys[] = {
  "steps", "lr", "warm_up", "decay", "betas", "epsilon", "weight_decay", "clip", "ema", "seed", "init", "data", NULL
};

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
static const char *const worlds[] = { "shapes", NULL }, *const wordings[] = { "mixed", "canonical", NULL };

static gboolean
read_row (JsonNode *node, FwTrainRow *row, const char *what, GError **error)
{
  if (!JSON_NODE_HOLDS_OBJECT (node))
    return fw_recipe_refuse (error, "%s: a row of “data” is not an object", what);
  JsonObject *json = json_node_get_object (node);
  RowNumbers numbers = { .size = 64, .frames = 1, .batch = 1, .every = 1, .from = 0 };
  const char *wording = "mixed", *world = "";
  if (!fw_recipe_only_keys (json, what, (const char *const *const[]) { row_keys, NULL }, error)
      || !fw_config_read (json, row_fields, &numbers, what, error)
      || !fw_recipe_choice (json, "world", worlds, &world, what, error)
      || !fw_recipe_choice (json, "wording", wordings, &wording, what, error))
    return FALSE;
  if (*world == '\0')
    return fw_recipe_refuse (error, "%s: a row of “data” names no “world”", what);
  *row = (FwTrainRow) { numbers.size, numbers.frames, numbers.batch, numbers.every, numbers.cache, numbers.from, g_str_equal (wording, "mixed") };
  return TRUE;
}

static gboolean
read_rows (FwTrainStage *stage, const char *what, GError **error)
{
  JsonNode *node = json_object_get_member (stage->json, "data");
  guint n = node != NULL && JSON_NODE_HOLDS_ARRAY (node) ? json_array_get_length (json_node_get_array (node)) : 0;
  if (n < 1 || n > FW_TRAIN_MAX_ROWS)
    return fw_recipe_refuse (error, "%s: “data” must be a list of 1 to %d rows", what, FW_TRAIN_MAX_ROWS);
  for (stage->n_rows = 0; stage->n_rows < n; stage->n_rows++)
    if (!read_row (json_array_get_element (json_node_get_array (node), stage->n_rows), &stage->rows[stage->n_rows], what, error))
      return FALSE;
  if (stage->rows[0].every != 1 || stage->rows[0].from != 0)
    return fw_recipe_refuse (error, "%s: the first row of “data” takes part in every step", what);
  return TRUE;
}

typedef struct {
  int steps, warm_up;
  double lr, betas[2], epsilon, weight_decay, clip, ema, seed, from, to;
} TrainingNumbers;

static const FwConfigField training_fields[] = {
  { "steps", FW_CONFIG_INT, offsetof (TrainingNumbers, steps), 1, 1, 1e9, TRUE },
  { "lr", FW_CONFIG_DOUBLE, offsetof (TrainingNumbers, lr), 1, 0, 1, TRUE },
  { "warm_up", FW_CONFIG_INT, offsetof (TrainingNumbers, warm_up), 1, 0, 1e9, FALSE },
  { "betas", FW_CONFIG_DOUBLE, offsetof (TrainingNumbers, betas), 2, 0, 0.999999, FALSE },
  { "epsilon", FW_CONFIG_DOUBLE, offsetof (TrainingNumbers, epsilon), 1, 1e-20, 1, FALSE },
  { "weight_decay", FW_CONFIG_DOUBLE, offsetof (TrainingNumbers, weight_decay), 1, 0, 1, FALSE },
  { "clip", FW_CONFIG_DOUBLE, offsetof (TrainingNumbers, clip), 1, 0, 1e9, FALSE },
  { "ema", FW_CONFIG_DOUBLE, offsetof (TrainingNumbers, ema), 1, 0, 0.9999999, FALSE },
  { "seed", FW_CONFIG_DOUBLE, offsetof (TrainingNumbers, seed), 1, 0, 9007199254740991.0, FALSE },
  { NULL }
};
static const FwConfigField decay_fields[] = {
  { "from", FW_CONFIG_DOUBLE, offsetof (TrainingNumbers, from), 1, 0, 1, TRUE },
  { "to", FW_CONFIG_DOUBLE, offsetof (TrainingNumbers, to), 1, 0, 1, TRUE },
  { NULL }
};

static const char *const decay_keys[] = { "from", "to", NULL };

static gboolean
read_training (FwTrainStage *stage, const char *what, GError **error)
{
  TrainingNumbers n = { .betas = { 0.9, 0.999 }, .epsilon = 1e-8, .from = 1, .to = 1 };
  if (!fw_config_read (stage->json, training_fields, &n, what, error))
    return FALSE;
  if (json_object_has_member (stage->json, "decay")) {
    JsonObject *decay = fw_recipe_strict_object (stage->json, "decay", decay_keys, what, error);
    if (decay == NULL || !fw_config_read (decay, decay_fields, &n, what, error))
      return FALSE;
  }
  if (n.seed != floor (n.seed))
    return fw_recipe_refuse (error, "%s: “seed” must be a whole number", what);
  stage->steps = n.steps;
  stage->lr = n.lr;
  stage->beta1 = n.betas[0];
  stage->beta2 = n.betas[1];
  stage->epsilon = n.epsilon;
  stage->weight_decay = n.weight_decay;
  stage->clip = n.clip;
  stage->ema = n.ema;
  stage->seed += (guint64) n.seed;
  if (!fw_lr_schedule_init (&stage->schedule, "constant_then_linear", n.warm_up, stage->steps, error))
    return FALSE;
  stage->schedule.decay_from = n.from;
  stage->schedule.end = n.to;
  stage->init = fw_recipe_object (stage->json, "init");
  stage->init_from = stage->init != NULL ? fw_recipe_text (stage->init, "from") : NULL;
  if (stage->init_from == NULL)
    return fw_recipe_refuse (error, "%s: “init” must say where to start from", what);
  return read_rows (stage, what, error);
}

/* A relative path that leads nowhere but down, and that is spelt in the only way. */
static gboolean
is_plain_path (const char *path)
{
  g_auto (GStrv) parts = g_strsplit (path, "/", -1);
  if (path[0] == '\0')
    return FALSE;
  for (char **part = parts; *part != NULL; part++)
    if (**part == '\0' || g_str_equal (*part, "..") || g_str_equal (*part, "."))
      return FALSE;
  return TRUE;
}

/* Folders beside the outputs that the job itself keeps. */
static gboolean
is_ours (const char *path)
{
  gsize length = strcspn (path, "/");
  return (length == 5 && strncmp (path, "state", length) == 0) || (length == 3 && strncmp (path, "log", length) == 0);
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
    return fw_recipe_refuse (error, "a stage is not an object");
  *stage = (FwTrainStage) { .json = json_node_get_object (node) };
  stage->name = fw_recipe_text (stage->json, "name");
  stage->output = fw_recipe_text (stage->json, "output");
  const char *kind = fw_recipe_text (stage->json, "kind");
  if (stage->name == NULL || *stage->name == '\0' || strlen (stage->name) > 64
      || stage->name[strspn (stage->name, G_CSET_A_2_Z G_CSET_a_2_z G_CSET_DIGITS "-")] != '\0')
    return fw_recipe_refuse (error, "a stage needs a “name” of letters, digits and hyphens, 64 at most");
  if (fw_train_recipe_stage (recipe, stage->name) != NULL)
    return fw_recipe_refuse (error, "two stages are called “%s”", stage->name);
  if (stage->output == NULL || !is_plain_path (stage->output) || is_ours (stage->output))
    return fw_recipe_refuse (error, "stage “%s” needs an “output”, a relative path that does not begin with state or log",
                             stage->name);
  for (guint i = 0; i < recipe->stages->len; i++)
    if (g_str_equal (g_array_index (recipe->stages, FwTrainStage, i).output, stage->output))
      return fw_recipe_refuse (error, "two stages have the “output” %s", stage->output);
  stage->kind = fw_stage_kind (kind);
  if (stage->kind == NULL)
    return fw_recipe_refuse (error, "stage “%s” has the unknown kind “%.64s”", stage->name, kind != NULL ? kind : "");
  stage->seed = mix_seed (recipe->seed, stage->name);
  const char *const *lists[] = { stage_keys, stage->kind->keys, stage->kind->trains ? training_keys : NULL, NULL };
  g_autofree char *what = g_strdup_printf ("stage “%s”", stage->name);
  return fw_recipe_only_keys (stage->json, what, lists, error) && (!stage->kind->trains || read_training (stage, what, error));
}

typedef struct { double seed, save_seconds; } RecipeNumbers;

static const FwConfigField recipe_fields[] = {
  { "seed", FW_CONFIG_DOUBLE, offsetof (RecipeNumbers, seed), 1, 0, 9007199254740991.0, TRUE },
  { "save_seconds", FW_CONFIG_DOUBLE, offsetof (RecipeNumbers, save_seconds), 1, 0, 86400, FALSE },
  { NULL }
};

static gboolean
read_head (FwTrainRecipe *recipe, JsonObject *json, GError **error)
{
  RecipeNumbers numbers = { .save_seconds = 60 };
  if (!fw_recipe_only_keys (json, "it", (const char *const *const[]) { recipe_keys, NULL }, error)
      || !fw_config_read (json, recipe_fields, &numbers, "The recipe", error)
      || !fw_recipe_choice (json, "precision", precisions, &recipe->precision, "it", error))
    return FALSE;
  if (numbers.seed != floor (numbers.seed))
    return fw_recipe_refuse (error, "“seed” must be a whole number");
  recipe->seed = (guint64) numbers.seed;
  recipe->save_seconds = numbers.save_seconds;
  recipe->name = fw_recipe_text (json, "name");
  recipe->output = fw_recipe_text (json, "output");
  if (recipe->name == NULL || !is_plain_path (recipe->name) || strchr (recipe->name, '/') != NULL || strlen (recipe->name) > 64)
    return fw_recipe_refuse (error, "it needs a “name” that can be a folder's");
  if (recipe->precision == NULL)
    return fw_recipe_refuse (error, "it needs a “precision”: auto, fp32 or bf16");
  if (json_object_has_member (json, "output") && (recipe->output == NULL || *recipe->output == '\0'))
    return fw_recipe_refuse (error, "“output” must be a folder");
  return TRUE;
}

static gboolean
read_recipe (FwTrainRecipe *recipe, GError **error)
{
  JsonObject *json = json_node_get_object (recipe->root);
  if (!read_head (recipe, json, error))
    return FALSE;
  JsonNode *list = json_object_get_member (json, "stages");
  guint n = list != NULL && JSON_NODE_HOLDS_ARRAY (list) ? json_array_get_length (json_node_get_array (list)) : 0;
  if (n < 1 || n > 100)
    return fw_recipe_refuse (error, "“stages” must be a list of 1 to 100 stages");
  for (guint i = 0; i < n; i++) {
    FwTrainStage stage;
    if (!read_stage (recipe, json_array_get_element (json_node_get_array (list), i), &stage, error))
      return FALSE;
    g_array_append_val (recipe->stages, stage);
  }
  for (guint i = 0; i < n; i++) {
    const FwTrainStage *stage = &g_array_index (recipe->stages, FwTrainStage, i);
    if (!stage->kind->check (recipe, stage, error))
      return FALSE;
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

static FwTrainRecipe *
recipe_with (JsonNode *read, const char *const *overrides, GError **error)
{
  g_autoptr (FwTrainRecipe) recipe = g_new0 (FwTrainRecipe, 1);
  recipe->stages = g_array_new (FALSE, TRUE, sizeof (FwTrainStage));
  recipe->root = mutable_copy (read);
  for (const char *const *assignment = overrides; assignment != NULL && *assignment != NULL; assignment++)
    if (!fw_recipe_override (recipe->root, *assignment, error))
      return NULL;
  return read_recipe (recipe, error) ? g_steal_pointer (&recipe) : NULL;
}

FwTrainRecipe *
fw_train_recipe_read (const char *path, const char *const *overrides, GError **error)
{
  g_autoptr (JsonNode) read = fw_json_text_read (path, RECIPE_LIMIT, error);
  if (read == NULL)
    return NULL;
  g_autoptr (GError) fault = NULL;
  FwTrainRecipe *recipe = recipe_with (read, overrides, &fault);
  if (recipe != NULL)
    return recipe;
  g_autoptr (FwTrainRecipe) plain = recipe_with (read, NULL, NULL);
  if (plain != NULL) /* so the fault lies in what was asked for, not in the file */
    fault->code = FW_ERROR_INVALID;
  g_propagate_error (error, g_steal_pointer (&fault));
  return NULL;
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

static guint
row_of (const FwTrainStage *stage, gint64 step)
{
  for (guint row = stage->n_rows; row-- > 1;)
    if ((double) step >= stage->rows[row].from * (double) stage->steps && step % stage->rows[row].every == 0)
      return row;
  return 0;
}

FwTrainStep
fw_train_stage_next (const FwTrainStage *stage, const FwTrainStep *at)
{
  gint64 step = at->step + 1;
  return (FwTrainStep) { step, row_of (stage, step), at->first_sample + (guint64) stage->rows[at->row].batch };
}

FwTrainStep
fw_train_stage_step (const FwTrainStage *stage, gint64 step)
{
  FwTrainStep at = { 0, row_of (stage, 0), 0 };
  while (at.step < step)
    at = fw_train_stage_next (stage, &at);
  return at;
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
