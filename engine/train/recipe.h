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

typedef struct _FwTrainRecipe FwTrainRecipe;
typedef struct _FwStageForecast FwStageForecast;

/* A kind of stage: the keys of its own, and how it runs. */
typedef struct {
  const char *name;
  const char *const *keys;   /* besides name, kind, output and, if it @trains, the shared ones; NULL-ended */
  gboolean trains, folder;   /* @folder: the output is one, not a file */
  /* Judges all that can be told from the recipe alone, so that nothing is found wrong after hours. */
  gboolean (*check) (const FwTrainRecipe *recipe, const FwTrainStage *stage, GError **error);
  /* What the stage will cost, by doing a few of its steps on zeros; stage.h. */
  gboolean (*forecast) (FwTrainContext *context, const FwTrainStage *stage, FwStageForecast *forecast, GError **error);
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

struct _FwTrainRecipe {
  JsonNode *root;            /* owns the texts that the stages point to */
  const char *name, *output; /* @output may be NULL */
  const char *precision;     /* auto, fp32, bf16 */
  guint64 seed;
  double save_seconds;       /* how often the state is saved; 0 = after every step */
  GArray *stages;            /* FwTrainStage */
};

/* Reads @path and applies @overrides ("a.b=value"; stages are named by name: "stages.vae.steps=10"). FW_ERROR_FORMAT in one
 * sentence for what the description does not allow, FW_ERROR_INVALID if it is the overrides that are at fault. Free with
 * fw_train_recipe_free(). */
FwTrainRecipe *fw_train_recipe_read (const char *path, const char *const *overrides, GError **error);
void fw_train_recipe_free (FwTrainRecipe *recipe);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (FwTrainRecipe, fw_train_recipe_free)
const FwTrainStage *fw_train_recipe_stage (const FwTrainRecipe *recipe, const char *name);

/* A step of a stage: the row its batch comes from, and the number of its first sample. Samples are counted through the stage,
 * whichever row takes them. */
typedef struct {
  gint64 step;
  guint row;
  guint64 first_sample;
} FwTrainStep;

/* The step numbered @step, found by walking there from the first; the one after @at. */
FwTrainStep fw_train_stage_step (const FwTrainStage *stage, gint64 step);
FwTrainStep fw_train_stage_next (const FwTrainStage *stage, const FwTrainStep *at);
/* A digest of everything in the stage's own entry that decides what it makes; free with g_free(). */
char *fw_train_stage_digest (const FwTrainRecipe *recipe, const FwTrainStage *stage);
