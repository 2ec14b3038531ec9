/* SPDX-License-Identifier: Apache-2.0
 * Training state as a safetensors file of four flat arrays. */
#include "engine/train/state.h"

#include <math.h>
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

/* The parts of FwTrainProgress besides the step, as metadata. */
static char *
print_progress (const FwTrainProgress *progress)
{
  char text[3][G_ASCII_DTOSTR_BUF_SIZE];
  g_ascii_dtostr (text[0], sizeof text[0], progress->seconds);
  g_ascii_dtostr (text[1], sizeof text[1], progress->loss);
  g_ascii_dtostr (text[2], sizeof text[2], progress->norm);
  return g_strdup_printf ("%s %s %s %d", text[0], text[1], text[2], progress->summed);
}

/* They only decide how a line of the log looks, so a state without them, or with nonsense, goes on from zeros. */
static void
parse_progress (const char *text, FwTrainProgress *progress)
{
  g_auto (GStrv) parts = g_strsplit (text != NULL ? text : "", " ", -1);
  if (g_strv_length (parts) != 4)
    return;
  double seconds = g_ascii_strtod (parts[0], NULL), loss = g_ascii_strtod (parts[1], NULL),
         norm = g_ascii_strtod (parts[2], NULL);
  gint64 summed = g_ascii_strtoll (parts[3], NULL, 10);
  if (!isfinite (seconds) || !isfinite (loss) || !isfinite (norm) || summed < 0 || summed > 1000)
    return;
  progress->seconds = seconds;
  progress->loss = loss;
  progress->norm = norm;
  progress->summed = (int) summed;
}

gboolean
fw_train_state_save (const FwTrainContext *context, const FwTrainStage *stage, FwTrainer *trainer, const FwTrainProgress *progress,
                     GError **error)
{
  FwSafetensorsEntry entries[G_N_ELEMENTS (array_names)];
  gint64 size = fw_parameters_size (fw_trainer_parameters (trainer));
  for (guint i = 0; i < G_N_ELEMENTS (array_names); i++)
    entries[i] = (FwSafetensorsEntry) { array_names[i], fw_tensor_dense (fw_trainer_array (trainer, i), FW_DTYPE_F32, 1, &size),
                                        FW_DTYPE_F32 };
  g_autoptr (GHashTable) metadata = g_hash_table_new (g_str_hash, g_str_equal);
  g_autofree char *digest = fw_train_stage_digest (context->recipe, stage),
                  *step = g_strdup_printf ("%" G_GINT64_FORMAT, progress->step);
  g_autofree char *path = state_path (context, stage), *rest = print_progress (progress);
  g_hash_table_insert (metadata, (gpointer) "step", step);
  g_hash_table_insert (metadata, (gpointer) "progress", rest);
  g_hash_table_insert (metadata, (gpointer) "recipe", digest);
  return fw_safetensors_write_hurried (path, entries, G_N_ELEMENTS (entries), metadata, context->cancellable, error);
}

static gboolean
read_arrays (FwCheckpoint *checkpoint, FwTrainer *trainer, gboolean *sound, GError **error)
{
  const FwCheckpointTensor *tensors[G_N_ELEMENTS (array_names)];
  gint64 size = fw_parameters_size (fw_trainer_parameters (trainer));
  for (guint i = 0; i < G_N_ELEMENTS (array_names); i++) {
    tensors[i] = fw_checkpoint_find (checkpoint, array_names[i]);
    *sound = tensors[i] != NULL && tensors[i]->rank == 1 && tensors[i]->dim[0] == size;
    if (!*sound)
      return TRUE;
  }
  for (guint i = 0; i < G_N_ELEMENTS (array_names); i++)
    if (!fw_checkpoint_read (checkpoint, tensors[i], FW_DTYPE_F32, fw_trainer_array (trainer, i), error))
      return FALSE;
  return TRUE;
}

gboolean
fw_train_state_load (const FwTrainContext *context, const FwTrainStage *stage, FwTrainer *trainer, FwTrainProgress *progress,
                     GError **error)
{
  g_autofree char *path = state_path (context, stage), *digest = fw_train_stage_digest (context->recipe, stage);
  *progress = (FwTrainProgress) { 0 };
  if (!g_file_test (path, G_FILE_TEST_EXISTS))
    return TRUE;
  g_autoptr (FwCheckpoint) checkpoint = fw_checkpoint_open (path, error);
  if (checkpoint == NULL) {
    g_prefix_error (error, "The saved state of stage “%s” is damaged, --force starts over: ", stage->name);
    return FALSE;
  }
  const char *step = fw_checkpoint_metadata (checkpoint, "step"), *recipe = fw_checkpoint_metadata (checkpoint, "recipe");
  if (recipe != NULL && !g_str_equal (recipe, digest)) {
    g_set_error (error, FW_ERROR, FW_ERROR_INVALID,
                 "The saved state of stage “%s” belongs to another recipe; use the recipe it was begun with, or --force to start over", stage->name);
    return FALSE;
  }
  gint64 saved = 0;
  gboolean sound = recipe != NULL && step != NULL && g_ascii_string_to_signed (step, 10, 1, stage->steps, &saved, NULL);
  if (sound && trainer != NULL && !read_arrays (checkpoint, trainer, &sound, error))
    return FALSE;
  if (!sound) {
    g_set_error (error, FW_ERROR, FW_ERROR_FORMAT, "The saved state of stage “%s” is damaged; --force starts over", stage->name);
    return FALSE;
  }
  progress->step = saved;
  parse_progress (fw_checkpoint_metadata (checkpoint, "progress"), progress);
  return TRUE;
}

void
fw_train_state_remove (const FwTrainContext *context, const FwTrainStage *stage)
{
  g_autofree char *path = state_path (context, stage);
  unlink (path);
  for (guint i = 0; i < stage->n_rows; i++) {
    g_autofree char *cache = fw_stage_cache_path (context, stage, i);
    unlink (cache);
  }
}

gboolean
fw_train_state_exists (const FwTrainContext *context, const FwTrainStage *stage)
{
  g_autofree char *path = state_path (context, stage);
  return g_file_test (path, G_FILE_TEST_EXISTS);
}
