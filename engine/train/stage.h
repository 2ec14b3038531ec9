/* SPDX-License-Identifier: Apache-2.0
 * What the kinds of stages share: the running job's context, the training loop with its resumable state, and their files. */
#pragma once
#include "engine/job/event.h"
#include "engine/model/sd-vae.h"
#include "engine/model/stdit.h"
#include "engine/model/t5.h"
#include "engine/train/recipe.h"
#include "engine/train/trainer.h"

/* What a stage is expected to take, found by doing each kind of step once or twice before the job begins. */
struct _FwStageForecast {
  double seconds[FW_TRAIN_MAX_ROWS]; /* of a step of each row; of the whole stage in [0] if it does not train */
  double start, finish;      /* seconds before the first step and after the last */
  gsize bytes;               /* held at once */
};

struct _FwTrainContext {
  const FwTrainRecipe *recipe;
  char *folder;              /* outputs go below it; state/ and log/ too */
  FwDevice *device;
  FwDtype compute;
  const FwJobEvents *events;
  GCancellable *cancellable;
  const FwStageForecast *forecast; /* of the stage that runs: work is reported in its seconds */
};

/* The row of the kind called @name, or NULL. Rows stand in stage.c. */
const FwStageKind *fw_stage_kind (const char *name);
extern const FwStageKind fw_stage_image_vae, fw_stage_sentencepiece, fw_stage_text_encoder, fw_stage_diffusion, fw_stage_model;

/* <folder>/<output of @stage>[/@file]; free with g_free(). */
char *fw_stage_path (const FwTrainContext *context, const FwTrainStage *stage, const char *file);
/* Where the latents of a row are kept that are encoded once; free with g_free(). */
char *fw_stage_cache_path (const FwTrainContext *context, const FwTrainStage *stage, guint row);
/* The stage that @stage names under @key, which must stand before it and be of @kind; NULL with an error. */
const FwTrainStage *fw_stage_named (const FwTrainRecipe *recipe, const FwTrainStage *stage, const char *key,
                                    const FwStageKind *kind, GError **error);
/* Whether "init" of a stage that can only start from random weights says so, with no other options; and no row has a cache. */
gboolean fw_stage_is_plain (const FwTrainStage *stage, GError **error);
/* A seed for everything random of one step: the same in every run. @purpose separates streams. */
guint64 fw_stage_seed (const FwTrainStage *stage, gint64 step, guint purpose);
/* Writes the JSON object @json, which it takes over, as @file of the stage's folder. */
gboolean fw_stage_write_json (const FwTrainContext *context, const FwTrainStage *stage, const char *file, JsonObject *json,
                              GError **error);

/* The networks that stages of these kinds will make, as far as the recipe tells: the scale of latents may be 1 where it is to be
 * measured, and the vocabulary is its upper bound. */
gboolean fw_stage_vae_config (const FwTrainStage *stage, FwSdVaeConfig *config, GError **error);
gboolean fw_stage_diffusion_config (const FwTrainRecipe *recipe, const FwTrainStage *stage, FwStditConfig *config,
                                    GError **error);
gboolean fw_stage_text_config (const FwTrainRecipe *recipe, const FwTrainStage *stage, FwT5Config *config, gint64 *length,
                               GError **error);

/* Fills and binds the batch of the step @at in the executor of its row. */
typedef gboolean (*FwTrainBatch) (gpointer user_data, const FwTrainStep *at, GError **error);

typedef struct {
  FwTrainContext *context;
  const FwTrainStage *stage;
  FwTrainer *trainer;        /* weights initialised */
  FwTrainBatch batch;
  gpointer user_data;
} FwTrainLoop;

/* Runs the stage's steps from its saved state or from the start; saves the state as often as the recipe wants it and when
 * cancelled, and writes log/<stage>.csv. Afterwards the weights array holds the stage's result (the average, if it has one). */
gboolean fw_train_loop (const FwTrainLoop *loop, GError **error);
/* Times a step of each row on whatever @loop holds, which is of no use afterwards. */
gboolean fw_train_rehearse (const FwTrainLoop *loop, FwStageForecast *forecast, GError **error);

/* The least time, in seconds, that @act takes of a few runs; @times: how often it will be done, of which they are to be little. */
typedef gboolean (*FwTrainTimed) (gpointer data, GError **error);
gboolean fw_train_time (FwTrainTimed act, gpointer data, double times, double *seconds, GError **error);

/* Bytes in blocks and on the heap now: a stage takes what opening it adds. */
gsize fw_stage_memory (void);

/* Whether the stage was finished; FW_ERROR_INVALID if that was by another recipe. */
gboolean fw_stage_is_done (const FwTrainContext *context, const FwTrainStage *stage, gboolean *done, GError **error);
gboolean fw_stage_mark_done (const FwTrainContext *context, const FwTrainStage *stage, GError **error);
/* Forgets that it was, and its output stays. */
void fw_stage_forget_done (const FwTrainContext *context, const FwTrainStage *stage);
