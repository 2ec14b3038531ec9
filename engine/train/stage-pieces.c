/* SPDX-License-Identifier: Apache-2.0
 * The stage that trains the SentencePiece vocabulary on captions of the world. */
#include "engine/dataset/shapes.h"
#include "engine/memory/file.h"
#include "engine/model/config.h"
#include "engine/text/sentencepiece-shim.h"
#include "engine/train/stage.h"

static const char *const keys[] = { "vocabulary", "sentences", NULL };

typedef struct { int vocabulary, sentences; } Numbers;

static const FwConfigField fields[] = {
  { "vocabulary", FW_CONFIG_INT, offsetof (Numbers, vocabulary), 1, 8, 100000, TRUE },
  { "sentences", FW_CONFIG_INT, offsetof (Numbers, sentences), 1, 1, 1000000, TRUE },
  { NULL }
};

/* Measured once on a slow core; only the progress bar depends on it. */
static const double seconds_per_sentence = 5e-5;
static const gsize bytes_per_sentence = 3200;

/* The caption with a comma after every word: unigram training proposes only strings that occur in two different words. */
static char *
with_commas (const char *caption)
{
  g_auto (GStrv) words = g_strsplit (caption, " ", -1);
  g_autofree char *joined = g_strjoinv (", ", words);
  return g_strconcat (joined, ".", NULL);
}

static gboolean
read_numbers (const FwTrainStage *stage, Numbers *numbers, GError **error)
{
  g_autofree char *what = g_strdup_printf ("stage “%s”", stage->name);
  return fw_config_read (stage->json, fields, numbers, what, error);
}

static gboolean
check (const FwTrainRecipe *recipe, const FwTrainStage *stage, GError **error)
{
  Numbers numbers;
  return read_numbers (stage, &numbers, error);
}

static gboolean
forecast (FwTrainContext *context, const FwTrainStage *stage, FwStageForecast *forecast, GError **error)
{
  Numbers numbers;
  if (!read_numbers (stage, &numbers, error))
    return FALSE;
  forecast->seconds[0] = numbers.sentences * seconds_per_sentence;
  forecast->bytes = (gsize) numbers.sentences * bytes_per_sentence;
  return TRUE;
}

static gboolean
run (FwTrainContext *context, const FwTrainStage *stage, GError **error)
{
  Numbers numbers;
  if (!read_numbers (stage, &numbers, error))
    return FALSE;
  g_autoptr (GPtrArray) corpus = g_ptr_array_new_with_free_func (g_free);
  for (int i = 0; i < numbers.sentences; i++) {
    FwShapesScene scene;
    fw_shapes_draw (stage->seed, (guint64) i, FW_SHAPES_TRAINED, &scene);
    char *caption = fw_shapes_caption (&scene.attributes, scene.wording);
    g_ptr_array_add (corpus, caption);
    g_ptr_array_add (corpus, with_commas (caption));
  }
  const FwSentencePieceTraining training = { FW_SENTENCEPIECE_UNIGRAM, (gsize) numbers.vocabulary, FALSE };
  g_autoptr (GBytes) model = fw_sentencepiece_train ((const char *const *) corpus->pdata, corpus->len, &training, error);
  g_autofree char *path = fw_stage_path (context, stage, NULL);
  return model != NULL && fw_file_write (path, g_bytes_get_data (model, NULL), g_bytes_get_size (model), error);
}

const FwStageKind fw_stage_sentencepiece = { "sentencepiece", keys, FALSE, FALSE, check, forecast, run };
