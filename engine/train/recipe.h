/* SPDX-License-Identifier: Apache-2.0
 * Training recipes: strict reading of the JSON that data/recipes/README.md describes. */
#pragma once
#include <json-glib/json-glib.h>

#include "engine/memory/error.h"
#include "engine/train/lr-schedule.h"

enum { FW_TRAIN_MAX_ROWS = 8 };

/* One row of "data": what a batch is made of, and at which steps. */
typedef struct {
  int size, frames, batch, every;
  int cache;                 /* samples whose latents are encoded once; 0 = encode at every step */
  double from;               /* fraction of the steps after which the row takes part */
  gboolean mixed;            /* other wordings than the canonical one in half of the samples */
} FwTrainRow;

typedef struct _FwTrainStage FwTrainStage;
typedef struct _FwTrainContext FwTrainContext;

/* A kind of stage: the keys of its own, and how it runs. */
typedef struct {
  const char *name;
  const char *const *keys;   /* besides name, kind, output and, if it @trains, the shared ones; NULL-ended */
  gboolean trains;
  gboolean (*run) (FwTrainContext *context, const FwTrainStage *stage, GError **error);
} FwStageKind;

struct _FwTrainStage {
  const char *name, *output;
  const FwStageKind *kind;
  JsonObject *json;
  guint64 seed;              /* of the recipe, the stage's name and its own "seed" together */
  gint64 steps;
  double lr, beta1, beta2, epsilon, weight_decay, clip, ema;
  FwLrSchedule schedule;
  const char *init_from;     /* "random" or a stage's name */
  JsonObject *init;
  FwTrainRow rows[FW_TRAIN_MAX_ROWS];
  guint n_rows;
};

typedef struct {
  JsonNode *root;            /* owns the texts that the stages point to */
  const char *name, *output; /* @output may be NULL */
  const char *precision;     /* auto, fp32, bf16 */
  guint64 seed;
  GArray *stages;            /* FwTrainStage */
} FwTrainRecipe;

/* Reads @path and applies @overrides ("a.b=value"; stages are named by name: "stages.vae.steps=10"). FW_ERROR_FORMAT or
 * FW_ERROR_INVALID in one sentence for what the description does not allow. Free with fw_train_recipe_free(). */
FwTrainRecipe *fw_train_recipe_read (const char *path, const char *const *overrides, GError **error);
void fw_train_recipe_free (FwTrainRecipe *recipe);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (FwTrainRecipe, fw_train_recipe_free)
const FwTrainStage *fw_train_recipe_stage (const FwTrainRecipe *recipe, const char *name);

/* The row a step takes its batch from, and the number of its first sample: samples are counted through the stage. */
guint fw_train_stage_row (const FwTrainStage *stage, gint64 step);
guint64 fw_train_stage_first_sample (const FwTrainStage *stage, gint64 step);
/* A digest of everything that decides what the stage makes; free with g_free(). */
char *fw_train_stage_digest (const FwTrainRecipe *recipe, const FwTrainStage *stage);
