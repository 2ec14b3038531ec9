/* SPDX-License-Identifier: Apache-2.0
 * Training state as a safetensors file of four flat arrays. */
#include "engine/train/state.h"

#include <string.h>
#include <unistd.h>

#include "engine/checkpoint/safetensors-write.h"

static const char *const array_names[] = {
  [FW_TRAINER_WEIGHTS] = "weights", [FW_TRAINER_MEAN] = "mean", [FW_TRAINER_VARIANCE] = "variance", [FW_TRAINER_EMA] = "ema",
};

static char *
state_path (const FwTrainContext *context, const FwTrainStage *stage)
{
  g_autofree char *name = g_strconcat (stage->name, ".safetensors", NULL);
  return g_build_filename (context->folder, "state", name, NULL);
}

gboolean
fw_train_state_save (const FwTrainContext *context, const FwTrainStage *stage, FwTrainer *trainer, gint64 step, GError **error)
{
  FwSafetensorsEntry entries[G_N_ELEMENTS (array_names)];
  gint64 size = fw_parameters_size (fw_trainer_parameters (trainer));
  for (guint i = 0; i < G_N_ELEMENTS (array_names); i++)
    entries[i] = (FwSafetensorsEntry) { array_names[i], fw_tensor_dense (fw_trainer_array (trainer, i), FW_DTYPE_F32, 1, &size), FW_DTYPE_F32 };
  g_autoptr (GHashTable) metadata = g_hash_table_new (g_str_hash, g_str_equal);
  g_autofree char *digest = fw_train_stage_digest (context->recipe, stage), *at = g_strdup_printf ("%" G_GINT64_FORMAT, step);
  g_autofree char *path = state_path (context, stage);
  g_hash_table_insert (metadata, (gpointer) "step", at);
  g_hash_table_insert (metadata, (gpointer) "recipe", digest);
  return fw_safetensors_write (path, entries, G_N_ELEMENTS (entries), metadata, error);
}

gboolean
fw_train_state_load (const FwTrainContext *context, const FwTrainStage *stage, FwTrainer *trainer, gint64 *step, GError **error)
{
  g_autofree char *path = state_path (context, stage), *digest = fw_train_stage_digest (context->recipe, stage);
  *step = 0;
  if (!g_file_test (path, G_FILE_TEST_EXISTS))
    return TRUE;
  g_autoptr (FwCheckpoint) checkpoint = fw_checkpoint_open (path, error);
  if (checkpoint == NULL)
    return FALSE;
  const char *at = fw_checkpoint_metadata (checkpoint, "step");
  if (g_strcmp0 (fw_checkpoint_metadata (checkpoint, "recipe"), digest) != 0) {
    g_set_error (error, FW_ERROR, FW_ERROR_INVALID, "The saved state “%s” belongs to another recipe; use the recipe it began with, or --force to start over", path);
    return FALSE;
  }
  gint64 size = fw_parameters_size (fw_trainer_parameters (trainer)), saved = 0;
  gboolean sound = at != NULL && g_ascii_string_to_signed (at, 10, 1, stage->steps, &saved, NULL);
  for (guint i = 0; sound && i < G_N_ELEMENTS (array_names); i++) {
    const FwCheckpointTensor *tensor = fw_checkpoint_find (checkpoint, array_names[i]);
    sound = tensor != NULL && tensor->rank == 1 && tensor->dim[0] == size;
  }
  if (!sound) {
    g_set_error (error, FW_ERROR, FW_ERROR_FORMAT, "The saved state “%s” is damaged; --force starts the stage over", path);
    return FALSE;
  }
  for (guint i = 0; i < G_N_ELEMENTS (array_names); i++)
    if (!fw_checkpoint_read (checkpoint, fw_checkpoint_find (checkpoint, array_names[i]), FW_DTYPE_F32, fw_trainer_array (trainer, i), error))
      return FALSE;
  *step = saved;
  return TRUE;
}

void
fw_train_state_remove (const FwTrainContext *context, const FwTrainStage *stage)
{
  g_autofree char *path = state_path (context, stage);
  unlink (path);
}
