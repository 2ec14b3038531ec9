/* SPDX-License-Identifier: Apache-2.0
 * The train job: the stages of a recipe, one after the other, each finished or continued. */
#include "engine/job/train.h"

#include <errno.h>

#include <glib/gstdio.h>

#include "engine/train/state.h"

static gboolean
make_folders (const FwTrainContext *context, GError **error)
{
  g_autoptr (GPtrArray) folders = g_ptr_array_new_with_free_func (g_free);
  g_ptr_array_add (folders, g_build_filename (context->folder, "state", NULL));
  g_ptr_array_add (folders, g_build_filename (context->folder, "log", NULL));
  for (guint i = 0; i < context->recipe->stages->len; i++) {
    const FwTrainStage *stage = &g_array_index (context->recipe->stages, FwTrainStage, i);
    g_autofree char *path = fw_stage_path (context, stage, NULL);
    g_ptr_array_add (folders, stage->kind->trains ? g_steal_pointer (&path) : g_path_get_dirname (path));
  }
  for (guint i = 0; i < folders->len; i++)
    if (g_mkdir_with_parents (g_ptr_array_index (folders, i), 0755) != 0) {
      g_set_error (error, FW_ERROR, FW_ERROR_IO, "Cannot make the folder “%s”: %s", (char *) g_ptr_array_index (folders, i), g_strerror (errno));
      return FALSE;
    }
  return TRUE;
}

/* Without --resume, what an earlier run left must be wanted gone. */
static gboolean
settle_earlier_run (const FwTrainContext *context, gboolean resume, gboolean force, GError **error)
{
  g_autofree char *state = g_build_filename (context->folder, "state", NULL);
  g_autoptr (GDir) folder = g_dir_open (state, 0, NULL);
  if (folder == NULL || resume)
    return TRUE;
  const char *name = g_dir_read_name (folder);
  if (name != NULL && !force) {
    g_set_error (error, FW_ERROR, FW_ERROR_INVALID, "“%s” holds an earlier training; --resume continues it, --force starts over", context->folder);
    return FALSE;
  }
  for (; name != NULL; name = g_dir_read_name (folder)) {
    g_autofree char *path = g_build_filename (state, name, NULL);
    g_unlink (path);
  }
  return TRUE;
}

static gboolean
run_stages (FwTrainContext *context, GError **error)
{
  guint n = context->recipe->stages->len;
  g_autofree FwJobPhase *phases = g_new0 (FwJobPhase, n);
  g_autoptr (GPtrArray) kinds = g_ptr_array_new_with_free_func (g_free);
  for (guint i = 0; i < n; i++) {
    const FwTrainStage *stage = &g_array_index (context->recipe->stages, FwTrainStage, i);
    char *kind = g_strdup_printf ("train %s %s %s %s", stage->kind->name, context->recipe->name, stage->name, fw_dtype_name (context->compute));
    g_ptr_array_add (kinds, kind);
    phases[i] = (FwJobPhase) { stage->name, kind, (double) MAX (stage->steps, 1), (guint) stage->steps };
  }
  fw_job_plan (context->events, phases, n);
  for (guint i = 0; i < n; i++) {
    const FwTrainStage *stage = &g_array_index (context->recipe->stages, FwTrainStage, i);
    fw_job_phase (context->events, i);
    if (fw_stage_is_done (context, stage))
      continue;
    if (!stage->kind->run (context, stage, error) || !fw_stage_mark_done (context, stage, error))
      return FALSE;
    fw_train_state_remove (context, stage);
  }
  FwJobResult result = { .path = context->folder };
  fw_job_result (context->events, &result);
  return TRUE;
}

static FwDtype
precision (const FwTrainRecipe *recipe, const FwDevice *device)
{
  if (g_str_equal (recipe->precision, "auto"))
    return fw_device_preferred (device);
  return g_str_equal (recipe->precision, "bf16") ? FW_DTYPE_BF16 : FW_DTYPE_F32;
}

gboolean
fw_train (const char *recipe_path, const char *const *overrides, gboolean resume, gboolean force, const FwJobEvents *events,
          GCancellable *cancellable, GError **error)
{
  g_autoptr (FwTrainRecipe) recipe = fw_train_recipe_read (recipe_path, overrides, error);
  g_autoptr (FwDevice) device = recipe != NULL ? fw_device_new_cpu (NULL, 0, error) : NULL;
  if (device == NULL)
    return FALSE;
  g_autofree char *home = g_build_filename (g_get_user_data_dir (), "framewright", "training", NULL);
  g_autofree char *folder = g_build_filename (recipe->output != NULL ? recipe->output : home, recipe->name, NULL);
  FwTrainContext context = { recipe, folder, device, precision (recipe, device), events, cancellable };
  return settle_earlier_run (&context, resume, force, error) && make_folders (&context, error) && run_stages (&context, error);
}
