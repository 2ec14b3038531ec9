/* SPDX-License-Identifier: Apache-2.0
 * The stage that trains the SentencePiece vocabulary on captions of the world. */
#include "engine/dataset/shapes.h"
#include "engine/memory/file.h"
#include "engine/text/sentencepiece-shim.h"
#include "engine/train/stage.h"

static const char *const keys[] = { "vocabulary", "sentences", NULL };

/* The caption with a comma after every word: unigram training proposes only strings that occur in two different words. */
static char *
with_commas (const char *caption)
{
  g_auto (GStrv) words = g_strsplit (caption, " ", -1);
  g_autofree char *joined = g_strjoinv (", ", words);
  return g_strconcat (joined, ".", NULL);
}

static gboolean
run (FwTrainContext *context, const FwTrainStage *stage, GError **error)
{
  gint64 vocabulary = json_object_get_int_member_with_default (stage->json, "vocabulary", 0);
  gint64 sentences = json_object_get_int_member_with_default (stage->json, "sentences", 0);
  if (vocabulary < 8 || vocabulary > 100000 || sentences < 1 || sentences > 1000000) {
    g_set_error (error, FW_ERROR, FW_ERROR_FORMAT, "The recipe cannot be used: stage “%s” wants 8 to 100000 pieces from 1 to 1000000 sentences", stage->name);
    return FALSE;
  }
  g_autoptr (GPtrArray) corpus = g_ptr_array_new_with_free_func (g_free);
  for (gint64 i = 0; i < sentences; i++) {
    FwShapesScene scene;
    fw_shapes_draw (stage->seed, (guint64) i, FW_SHAPES_TRAINED, &scene);
    char *caption = fw_shapes_caption (&scene.attributes, scene.wording);
    g_ptr_array_add (corpus, caption);
    g_ptr_array_add (corpus, with_commas (caption));
  }
  const FwSentencePieceTraining training = { FW_SENTENCEPIECE_UNIGRAM, (gsize) vocabulary, FALSE };
  g_autoptr (GBytes) model = fw_sentencepiece_train ((const char *const *) corpus->pdata, corpus->len, &training, error);
  g_autofree char *path = fw_stage_path (context, stage, NULL);
  return model != NULL && fw_file_write (path, g_bytes_get_data (model, NULL), g_bytes_get_size (model), error);
}

const FwStageKind fw_stage_sentencepiece = { "sentencepiece", keys, FALSE, run };
