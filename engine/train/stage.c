/* SPDX-License-Identifier: Apache-2.0
 * The table of stage kinds, and paths, references and seeds of stages. */
#include "engine/train/stage.h"

#include <unistd.h>

#include "engine/checkpoint/json-text.h"
#include "engine/memory/block.h"
#include "engine/memory/file.h"
#include "engine/memory/heap.h"
#include "engine/train/recipe-json.h"

static const FwStageKind *const kinds[] = {
  &fw_stage_image_vae, &fw_stage_sentencepiece, &fw_stage_text_encoder, &fw_stage_diffusion, &fw_stage_model,
};

const FwStageKind *
fw_stage_kind (const char *name)
{
  for (guint i = 0; i < G_N_ELEMENTS (kinds); i++)
    if (g_strcmp0 (kinds[i]->name, name) == 0)
      return kinds[i];
  return NULL;
}

char *
fw_stage_path (const FwTrainContext *context, const FwTrainStage *stage, const char *file)
{
  return g_build_filename (context->folder, stage->output, file, NULL);
}

char *
fw_stage_cache_path (const FwTrainContext *context, const FwTrainStage *stage, guint row)
{
  g_autofree char *name = g_strdup_printf ("%s.%u.latents", stage->name, row);
  return g_build_filename (context->folder, "state", name, NULL);
}

const FwTrainStage *
fw_stage_named (const FwTrainRecipe *recipe, const FwTrainStage *stage, const char *key, const FwStageKind *kind, GError **error)
{
  const char *name = fw_recipe_text (stage->json, key);
  const FwTrainStage *named = name != NULL ? fw_train_recipe_stage (recipe, name) : NULL;
  if (named != NULL && named < stage && named->kind == kind)
    return named;
  fw_recipe_refuse (error, "stage “%s” must name an earlier stage of kind %s under “%s”", stage->name, kind->name, key);
  return NULL;
}

gboolean
fw_stage_is_plain (const FwTrainStage *stage, GError **error)
{
  static const char *const init_keys[] = { "from", NULL };
  g_autofree char *what = g_strdup_printf ("stage “%s”", stage->name);
  if (fw_recipe_strict_object (stage->json, "init", init_keys, what, error) == NULL)
    return FALSE;
  for (guint i = 0; i < stage->n_rows; i++)
    if (stage->rows[i].cache > 0)
      return fw_recipe_refuse (error, "%s has nothing to keep in a “cache”", what);
  return g_str_equal (stage->init_from, "random") || fw_recipe_refuse (error, "%s can only start from “random”", what);
}

/* Finaliser of splitmix64: neighbouring inputs give unrelated seeds. */
guint64
fw_stage_seed (const FwTrainStage *stage, gint64 step, guint purpose)
{
  guint64 x = stage->seed + 0x9e3779b97f4a7c15u * ((guint64) step * 16 + purpose + 1);
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
  x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
  return x ^ (x >> 31);
}

gsize
fw_stage_memory (void)
{
  return fw_block_total () + fw_heap_bytes ();
}

static char *
done_path (const FwTrainContext *context, const FwTrainStage *stage)
{
  g_autofree char *name = g_strconcat (stage->name, ".done", NULL);
  return g_build_filename (context->folder, "state", name, NULL);
}

gboolean
fw_stage_is_done (const FwTrainContext *context, const FwTrainStage *stage, gboolean *done, GError **error)
{
  g_autofree char *path = done_path (context, stage), *digest = fw_train_stage_digest (context->recipe, stage);
  *done = FALSE;
  if (!g_file_test (path, G_FILE_TEST_EXISTS))
    return TRUE;
  g_autofree char *written = fw_file_read (path, 4096, NULL, error);
  if (written == NULL)
    return FALSE;
  *done = g_str_equal (written, digest);
  if (!*done)
    g_set_error (error, FW_ERROR, FW_ERROR_INVALID,
                 "Stage “%s” was finished by another recipe; use the recipe it was begun with, or --force to start over", stage->name);
  return *done;
}

gboolean
fw_stage_mark_done (const FwTrainContext *context, const FwTrainStage *stage, GError **error)
{
  g_autofree char *path = done_path (context, stage), *digest = fw_train_stage_digest (context->recipe, stage);
  return fw_file_write (path, digest, strlen (digest), error);
}

void
fw_stage_forget_done (const FwTrainContext *context, const FwTrainStage *stage)
{
  g_autofree char *path = done_path (context, stage);
  unlink (path);
}

gboolean
fw_stage_write_json (const FwTrainContext *context, const FwTrainStage *stage, const char *file, JsonObject *json, GError **error)
{
  g_autoptr (JsonNode) node = json_node_new (JSON_NODE_OBJECT);
  json_node_take_object (node, json);
  g_autofree char *text = fw_json_text_print (node, TRUE), *path = fw_stage_path (context, stage, file);
  return fw_file_write (path, text, strlen (text), error);
}
