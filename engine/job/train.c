/* SPDX-License-Identifier: Apache-2.0
 * The train job: the stages of a recipe, one after the other, each finished or continued. */
#include "engine/job/train.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <glib/gstdio.h>

#include "engine/memory/heap.h"
#include "engine/train/state.h"

/* Beside what stages count: code that is run for the first time, worker stacks, the graphs, pages of files that are written. */
static const gsize program_bytes = 14 << 20;

typedef struct {
  FwTrainContext context;
  const FwTrainRecipe *recipe;
  GArray *pending;           /* Pending */
} TrainJob;

/* A stage that is not finished. */
typedef struct {
  const FwTrainStage *stage;
  FwTrainProgress progress;
  FwStageForecast forecast;
} Pending;

static const FwTrainStage *
stage_at (const FwTrainRecipe *recipe, guint index)
{
  return &g_array_index (recipe->stages, FwTrainStage, index);
}

/* --- the folder --- */

/* A file, or a folder with something in it. */
static gboolean
holds_something (const char *path)
{
  g_autoptr (GDir) folder = g_dir_open (path, 0, NULL);
  return folder != NULL ? g_dir_read_name (folder) != NULL : g_file_test (path, G_FILE_TEST_EXISTS);
}

/* Without --resume, what an earlier run left must be wanted gone. */
static gboolean
check_nothing_lost (const TrainJob *job, GError **error)
{
  for (guint i = 0; i < job->recipe->stages->len; i++) {
    g_autofree char *path = fw_stage_path (&job->context, stage_at (job->recipe, i), NULL);
    if (fw_train_state_exists (&job->context, stage_at (job->recipe, i)) || holds_something (path)) {
      g_set_error (error, FW_ERROR, FW_ERROR_INVALID, "“%s” holds an earlier training; --resume continues it, --force starts over",
                   job->context.folder);
      return FALSE;
    }
  }
  return TRUE;
}

static gboolean
make_folder (const char *path, GError **error)
{
  if (g_mkdir_with_parents (path, 0755) == 0)
    return TRUE;
  g_set_error (error, FW_ERROR, FW_ERROR_IO, "Cannot make the folder “%s”: %s", path, g_strerror (errno));
  return FALSE;
}

static gboolean
make_folders (const TrainJob *job, GError **error)
{
  static const char *const own[] = { "state", "log" };
  for (gsize i = 0; i < G_N_ELEMENTS (own); i++) {
    g_autofree char *path = g_build_filename (job->context.folder, own[i], NULL);
    if (!make_folder (path, error))
      return FALSE;
  }
  for (guint i = 0; i < job->recipe->stages->len; i++) {
    const FwTrainStage *stage = stage_at (job->recipe, i);
    g_autofree char *path = fw_stage_path (&job->context, stage, NULL), *parent = g_path_get_dirname (path);
    if (!make_folder (stage->kind->folder ? path : parent, error))
      return FALSE;
  }
  return TRUE;
}

/* Two trainings in one folder would undo each other. The lock is free when the process ends, however it ends. Returns a
 * descriptor to close, or -1. */
static int
lock_folder (const TrainJob *job, GError **error)
{
  g_autofree char *path = g_build_filename (job->context.folder, "state", "lock", NULL);
  int fd = open (path, O_RDWR | O_CREAT | O_CLOEXEC, 0644);
  if (fd >= 0 && flock (fd, LOCK_EX | LOCK_NB) == 0)
    return fd;
  if (errno == EWOULDBLOCK)
    g_set_error (error, FW_ERROR, FW_ERROR_FAILED, "Another process is training in “%s”; wait until it ends, or stop it",
                 job->context.folder);
  else
    g_set_error (error, FW_ERROR, FW_ERROR_IO, "Cannot lock “%s”: %s", path, g_strerror (errno));
  if (fd >= 0)
    close (fd);
  return -1;
}

static void
forget_earlier_run (const TrainJob *job)
{
  for (guint i = 0; i < job->recipe->stages->len; i++) {
    fw_train_state_remove (&job->context, stage_at (job->recipe, i));
    fw_stage_forget_done (&job->context, stage_at (job->recipe, i));
  }
}

/* --- the stages --- */

/* What is left to do. State of another recipe is refused before anything is done. */
static gboolean
look_at_stages (TrainJob *job, GError **error)
{
  for (guint i = 0; i < job->recipe->stages->len; i++) {
    Pending pending = { .stage = stage_at (job->recipe, i) };
    gboolean done;
    if (!fw_stage_is_done (&job->context, pending.stage, &done, error))
      return FALSE;
    if (done)
      continue;
    if (!fw_train_state_load (&job->context, pending.stage, NULL, &pending.progress, error))
      return FALSE;
    g_array_append_val (job->pending, pending);
  }
  return TRUE;
}

/* Seconds that are left of a stage. */
static double
work_left (const Pending *pending)
{
  const FwTrainStage *stage = pending->stage;
  const FwStageForecast *forecast = &pending->forecast;
  if (!stage->kind->trains)
    return forecast->seconds[0];
  double work = forecast->start + forecast->finish;
  FwTrainStep at = fw_train_stage_step (stage, pending->progress.step);
  for (; at.step < stage->steps; at = fw_train_stage_next (stage, &at))
    work += forecast->seconds[at.row];
  return work;
}

static gboolean
forecast_stages (TrainJob *job, GError **error)
{
  FwTrainContext *context = &job->context;
  guint n = job->pending->len;
  gsize bytes = 0;
  g_autofree FwJobPhase *phases = g_new0 (FwJobPhase, n);
  g_autoptr (GPtrArray) kinds = g_ptr_array_new_with_free_func (g_free);
  for (guint i = 0; i < n; i++) {
    Pending *pending = &g_array_index (job->pending, Pending, i);
    const FwTrainStage *stage = pending->stage;
    if (!stage->kind->forecast (context, stage, &pending->forecast, error))
      return FALSE;
    fw_heap_trim ();
    g_ptr_array_add (kinds, g_strdup_printf ("train %s %s", stage->kind->name, fw_dtype_name (context->compute)));
    phases[i] = (FwJobPhase) { stage->name, g_ptr_array_index (kinds, i), work_left (pending), (guint) stage->steps };
    bytes = MAX (bytes, pending->forecast.bytes);
  }
  fw_job_plan (context->events, phases, n);
  fw_job_memory (context->events, (gint64) (bytes + program_bytes), 0);
  return TRUE;
}

static gboolean
run_stages (TrainJob *job, GError **error)
{
  FwTrainContext *context = &job->context;
  for (guint i = 0; i < job->pending->len; i++) {
    const Pending *pending = &g_array_index (job->pending, Pending, i);
    fw_job_phase (context->events, i);
    context->forecast = &pending->forecast;
    if (!pending->stage->kind->run (context, pending->stage, error) || !fw_stage_mark_done (context, pending->stage, error))
      return FALSE;
    fw_train_state_remove (context, pending->stage);
    fw_heap_trim ();
  }
  FwJobResult result = { .path = context->folder };
  fw_job_result (context->events, &result);
  return TRUE;
}

static gboolean
run_locked (TrainJob *job, gboolean force, GError **error)
{
  int lock = lock_folder (job, error);
  if (lock < 0)
    return FALSE;
  if (force)
    forget_earlier_run (job);
  job->pending = g_array_new (FALSE, TRUE, sizeof (Pending));
  gboolean done = look_at_stages (job, error) && forecast_stages (job, error) && run_stages (job, error);
  g_array_unref (job->pending);
  close (lock);
  return done;
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
  TrainJob job = { .context = { recipe, folder, device, precision (recipe, device), events, cancellable, NULL },
                   .recipe = recipe };
  return (resume || force || check_nothing_lost (&job, error)) && make_folders (&job, error) && run_locked (&job, force, error);
}
