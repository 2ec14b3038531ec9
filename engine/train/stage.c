/* SPDX-License-Identifier: Apache-2.0
 * The table of stage kinds, and paths, references and seeds of stages. */
#include "engine/train/stage.h"

#include "engine/memory/file.h"

static const FwStageKind *const kinds[] = { &fw_stage_image_vae, &fw_stage_sentencepiece, &fw_stage_text_encoder, &fw_stage_diffusion };

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

const FwTrainStage *
fw_stage_named (const FwTrainContext *context, const FwTrainStage *stage, const char *key, const FwStageKind *kind, GError **error)
{
  JsonNode *node = json_object_get_member (stage->json, key);
  const char *name = node != NULL && JSON_NODE_HOLDS_VALUE (node) ? json_node_get_string (node) : NULL;
  const FwTrainStage *named = name != NULL ? fw_train_recipe_stage (context->recipe, name) : NULL;
  if (named == NULL || named >= stage || named->kind != kind) {
    g_set_error (error, FW_ERROR, FW_ERROR_FORMAT, "The recipe cannot be used: stage “%s” must name an earlier stage of kind %s under “%s”", stage->name, kind->name, key);
    return NULL;
  }
  return named;
}

JsonObject *
fw_stage_object (const FwTrainStage *stage, const char *key, GError **error)
{
  JsonNode *node = json_object_get_member (stage->json, key);
  if (node != NULL && JSON_NODE_HOLDS_OBJECT (node))
    return json_node_get_object (node);
  g_set_error (error, FW_ERROR, FW_ERROR_FORMAT, "The recipe cannot be used: stage “%s” has no “%s”", stage->name, key);
  return NULL;
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

static char *
done_path (const FwTrainContext *context, const FwTrainStage *stage)
{
  g_autofree char *name = g_strconcat (stage->name, ".done", NULL);
  return g_build_filename (context->folder, "state", name, NULL);
}

gboolean
fw_stage_is_done (const FwTrainContext *context, const FwTrainStage *stage)
{
  g_autofree char *path = done_path (context, stage), *digest = fw_train_stage_digest (context->recipe, stage);
  g_autofree char *written = fw_file_read (path, 4096, NULL, NULL);
  return g_strcmp0 (written, digest) == 0;
}

gboolean
fw_stage_mark_done (const FwTrainContext *context, const FwTrainStage *stage, GError **error)
{
  g_autofree char *path = done_path (context, stage), *digest = fw_train_stage_digest (context->recipe, stage);
  return fw_file_write (path, digest, strlen (digest), error);
}
