/* SPDX-License-Identifier: Apache-2.0
 * The training loop: batch, gradient, update, progress, log, and a state saved often enough to lose a minute at most. */
#include <string.h>

#include "engine/memory/file.h"
#include "engine/train/state.h"

enum { SAVE_SECONDS = 60, LOG_EVERY = 10 };

typedef struct {
  GString *text;       /* log/<stage>.csv as it will be after the next save */
  char *path;
  double loss, norm;   /* sums since the last line */
  int steps;
} Log;

/* Lines of steps that the saved state has not seen would appear twice. */
static void
log_open (Log *log, const FwTrainLoop *loop, gint64 step)
{
  g_autofree char *name = g_strconcat (loop->stage->name, ".csv", NULL);
  log->path = g_build_filename (loop->context->folder, "log", name, NULL);
  log->text = g_string_new ("step,loss,gradient_norm,learning_rate,seconds\n");
  g_autofree char *old = step > 0 ? fw_file_read (log->path, 64 << 20, NULL, NULL) : NULL;
  g_auto (GStrv) lines = g_strsplit (old != NULL ? old : "", "\n", -1);
  for (guint i = 1; lines[0] != NULL && lines[i] != NULL; i++)
    if (*lines[i] != '\0' && g_ascii_strtoll (lines[i], NULL, 10) <= step)
      g_string_append_printf (log->text, "%s\n", lines[i]);
}

static void
log_step (Log *log, const FwTrainLoop *loop, gint64 step, double loss, double norm, double rate, double seconds)
{
  char numbers[4][G_ASCII_DTOSTR_BUF_SIZE];
  log->loss += loss;
  log->norm += norm;
  if (++log->steps < LOG_EVERY && step != loop->stage->steps)
    return;
  g_ascii_formatd (numbers[0], sizeof numbers[0], "%.6g", log->loss / log->steps);
  g_ascii_formatd (numbers[1], sizeof numbers[1], "%.4g", log->norm / log->steps);
  g_ascii_formatd (numbers[2], sizeof numbers[2], "%.4g", rate);
  g_ascii_formatd (numbers[3], sizeof numbers[3], "%.1f", seconds);
  g_string_append_printf (log->text, "%" G_GINT64_FORMAT ",%s,%s,%s,%s\n", step, numbers[0], numbers[1], numbers[2], numbers[3]);
  fw_job_figure (loop->context->events, step, "loss", log->loss / log->steps);
  log->loss = log->norm = 0;
  log->steps = 0;
}

static void
log_close (Log *log)
{
  g_string_free (log->text, TRUE);
  g_free (log->path);
}

static gboolean
save (const FwTrainLoop *loop, Log *log, gint64 step, GError **error)
{
  return fw_train_state_save (loop->context, loop->stage, loop->trainer, step, error)
         && fw_file_write (log->path, log->text->str, log->text->len, error);
}

static gboolean
one_step (const FwTrainLoop *loop, Log *log, gint64 step, double seconds, GError **error)
{
  const FwTrainStage *stage = loop->stage;
  guint variant = fw_train_stage_row (stage, step);
  double loss, norm, rate = stage->lr * fw_lr_multiplier (&stage->schedule, step);
  double decay = stage->ema > 0 ? MIN (stage->ema, (1.0 + step) / (10.0 + step)) : 0;
  if (!loop->batch (loop->user_data, step, variant, error)
      || !fw_trainer_accumulate (loop->trainer, variant, 1, &loss, loop->context->cancellable, error)
      || !fw_trainer_update (loop->trainer, step + 1, rate, decay, &norm, error))
    return FALSE;
  log_step (log, loop, step + 1, loss, norm, rate, seconds);
  return TRUE;
}

gboolean
fw_train_loop (const FwTrainLoop *loop, GError **error)
{
  gint64 first, step;
  gsize bytes = (gsize) fw_parameters_size (fw_trainer_parameters (loop->trainer)) * sizeof (float);
  float *weights = fw_trainer_array (loop->trainer, FW_TRAINER_WEIGHTS), *average = fw_trainer_array (loop->trainer, FW_TRAINER_EMA);
  memcpy (average, weights, bytes);
  if (!fw_train_state_load (loop->context, loop->stage, loop->trainer, &first, error))
    return FALSE;
  Log log = { 0 };
  log_open (&log, loop, first);
  gint64 start = g_get_monotonic_time (), saved = start;
  g_autoptr (GError) failure = NULL;
  for (step = first; step < loop->stage->steps && failure == NULL; step++) {
    if (!one_step (loop, &log, step, (double) (g_get_monotonic_time () - start) / G_USEC_PER_SEC, &failure))
      break;
    fw_job_work (loop->context->events, (double) (step + 1));
    fw_job_step (loop->context->events, (guint) (step + 1), (guint) loop->stage->steps);
    if (g_get_monotonic_time () - saved > (gint64) SAVE_SECONDS * G_USEC_PER_SEC) {
      save (loop, &log, step + 1, &failure);
      saved = g_get_monotonic_time ();
    }
  }
  /* a cancel keeps the steps done; an error keeps the last sound state */
  if (failure != NULL && g_error_matches (failure, FW_ERROR, FW_ERROR_CANCELLED) && step > first)
    save (loop, &log, step, NULL);
  if (failure == NULL && step > first)
    save (loop, &log, step, &failure);
  log_close (&log);
  if (failure != NULL) {
    g_propagate_error (error, g_steal_pointer (&failure));
    return FALSE;
  }
  if (loop->stage->ema > 0)
    memcpy (weights, average, bytes);
  return TRUE;
}
