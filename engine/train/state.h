/* SPDX-License-Identifier: Apache-2.0
 * The state of a training stage on disk: weights, moments, average and step, exact and replaced atomically. */
#pragma once
#include "engine/train/stage.h"

/* Replaces the state of @stage. */
gboolean fw_train_state_save (const FwTrainContext *context, const FwTrainStage *stage, FwTrainer *trainer, gint64 step, GError **error);
/* Loads it into @trainer; @step is 0 and nothing is touched if there is none. FW_ERROR_INVALID if it belongs to another
 * recipe, FW_ERROR_FORMAT if it is damaged. */
gboolean fw_train_state_load (const FwTrainContext *context, const FwTrainStage *stage, FwTrainer *trainer, gint64 *step, GError **error);
void fw_train_state_remove (const FwTrainContext *context, const FwTrainStage *stage);
