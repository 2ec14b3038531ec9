/* SPDX-License-Identifier: Apache-2.0
 * What the kinds of stages share: the running job's context, the training loop with its resumable state, and its files. */
#pragma once
#include "engine/job/event.h"
#include "engine/train/recipe.h"
#include "engine/train/trainer.h"

struct _FwTrainContext {
  const FwTrainRecipe *recipe;
  char *folder;              /* outputs go below it; state/ and log/ too */
  FwDevice *device;
  FwDtype compute;
  const FwJobEvents *events;
  GCancellable *cancellable;
};

/* The row of the kind called @name, or NULL. Rows stand in stage.c. */
const FwStageKind *fw_stage_kind (const char *name);
extern const FwStageKind fw_stage_image_vae, fw_stage_sentencepiece, fw_stage_text_encoder, fw_stage_diffusion;

/* <folder>/<output of @stage>[/@file]; free with g_free(). */
char *fw_stage_path (const FwTrainContext *context, const FwTrainStage *stage, const char *file);
/* The stage that @stage names under @key, which must stand before it and be of @kind; NULL with an error. */
const FwTrainStage *fw_stage_named (const FwTrainContext *context, const FwTrainStage *stage, const char *key, const FwStageKind *kind, GError **error);
/* The object @key of the stage; FW_ERROR_FORMAT if there is none. */
JsonObject *fw_stage_object (const FwTrainStage *stage, const char *key, GError **error);
/* A seed for everything random of one step: the same in every run. @purpose separates streams. */
guint64 fw_stage_seed (const FwTrainStage *stage, gint64 step, guint purpose);

/* Fills and binds the batch of @step in the executor of variant @variant (the row of the data). */
typedef gboolean (*FwTrainBatch) (gpointer user_data, gint64 step, guint variant, GError **error);

typedef struct {
  FwTrainContext *context;
  const FwTrainStage *stage;
  FwTrainer *trainer;        /* weights initialised */
  FwTrainBatch batch;
  gpointer user_data;
} FwTrainLoop;

/* Runs the stage's steps from its saved state or from the start, saves the state about once a minute and when cancelled,
 * and appends to log/<stage>.csv. Afterwards the weights array holds the stage's result (the average, if it has one). */
gboolean fw_train_loop (const FwTrainLoop *loop, GError **error);

/* Whether the stage was finished by this very recipe; marks it so. */
gboolean fw_stage_is_done (const FwTrainContext *context, const FwTrainStage *stage);
gboolean fw_stage_mark_done (const FwTrainContext *context, const FwTrainStage *stage, GError **error);
