/* SPDX-License-Identifier: Apache-2.0
 * The state of a training stage on disk: weights, moments, average, and how far it is; exact, and replaced atomically. */
#pragma once
#include "engine/train/stage.h"

/* How far a stage is. The sums are of steps since the last line of its log. */
typedef struct {
  gint64 step;               /* steps done */
  double seconds;            /* that they took, in all runs */
  double loss, norm;
  int summed;
} FwTrainProgress;

/* Replaces the state of @stage; quick to end once the job is cancelled. */
gboolean fw_train_state_save (const FwTrainContext *context, const FwTrainStage *stage, FwTrainer *trainer,
                              const FwTrainProgress *progress, GError **error);
/* Loads it into @trainer; @progress is zero and nothing is touched if there is none. FW_ERROR_INVALID if it belongs to another
 * recipe, FW_ERROR_FORMAT if it is damaged. @trainer NULL only looks how far it is. */
gboolean fw_train_state_load (const FwTrainContext *context, const FwTrainStage *stage, FwTrainer *trainer,
                              FwTrainProgress *progress, GError **error);
/* Removes it, and cached latents. */
void fw_train_state_remove (const FwTrainContext *context, const FwTrainStage *stage);
/* Whether there is one. */
gboolean fw_train_state_exists (const FwTrainContext *context, const FwTrainStage *stage);
