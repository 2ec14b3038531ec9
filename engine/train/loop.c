/* SPDX-License-Identifier: Apache-2.0
 * The training loop: batch, gradient, update, progress, log, and a state that is saved often enough to lose little. */
#include <string.h>

#include "engine/memory/file.h"
#include "engine/train/state.h"

enum { LOG_EVERY = 10, LARGEST_LOG = 256 << 20 };
/* Saving takes at most about this share of the time, and figures are told at most this often. */
static const double saving_share = 0.02, figure_seconds = 2;

typedef struct {
  const FwTrainLoop *loop;
  FwTrainProgress progress;
  GString *log;              /* log/<stage>.csv as it will be after the next save */
  char *log_path;
  double work;               /* forecast seconds of this run */
  gint64 saved_step;
  double began, save_after, figure_after; /* times; @began as if all steps had been done in this run */
} Run;

static double
seconds_now (void)
{
  return (double) g_get_monotonic_time () / G_USEC_PER_SEC;
}

/* Lines of steps that the saved state has not seen would appear twice. */
static void
log_open (Run *run)
{
  const FwTrainLoop *loop = run->loop;
  g_autofree char *name = g_strconcat (loop->stage->name, ".csv", NULL);
  run->log_path = g_build_filename (loop->context->folder, "log", name, NULL);
  run->log = g_string_new ("step,loss,gradient_norm,learning_rate,seconds\n");
  g_autofree char *old = run->progress.step > 0 ? fw_file_read (run->log_path, LARGEST_LOG, NULL, NULL) : NULL;
  g_auto (GStrv) lines = g_strsplit (old != NULL ? old : "", "\n", -1);
  for (guint i = 1; lines[0] != NULL && lines[i] != NULL; i++)
    if (*lines[i] != '\0' && g_ascii_strtoll (lines[i], NULL, 10) <= run->progress.step)
      g_string_append_printf (run->log, "%s\n", lines[i]);
}

/* A line for every few steps, of their means. */
static void
log_step (Run *run, double loss, double norm, double rate)
{
  FwTrainProgress *p = &run->progress;
  gboolean last = p->step == run->loop->stage->steps;
  char numbers[4][G_ASCII_DTOSTR_BUF_SIZE];
  p->loss += loss;
  p->norm += norm;
  if (++p->summed < LOG_EVERY && !last)
    return;
  double mean = p->loss / p->summed;
  g_ascii_formatd (numbers[0], sizeof numbers[0], "%.6g", mean);
  g_ascii_formatd (numbers[1], sizeof numbers[1], "%.4g", p->norm / p->summed);
  g_ascii_formatd (numbers[2], sizeof numbers[2], "%.4g", rate);
  g_ascii_formatd (numbers[3], sizeof numbers[3], "%.1f", p->seconds);
  g_string_append_printf (run->log, "%" G_GINT64_FORMAT ",%s,%s,%s,%s\n", p->step, numbers[0], numbers[1], numbers[2],
                          numbers[3]);
  p->loss = p->norm = 0;
  p->summed = 0;
  if (seconds_now () < run->figure_after && !last)
    return;
  fw_job_figure (run->loop->context->events, p->step, "loss", mean);
  run->figure_after = seconds_now () + figure_seconds;
}

/* The log before the state: lines that are ahead of the state are dropped when it is loaded, lines that lack are lost. */
static gboolean
write_log (const Run *run, GError **error)
{
  FwFileWriter *writer = fw_file_writer_open (run->log_path, error);
  if (writer == NULL)
    return FALSE;
  fw_file_writer_set_hurry (writer, run->loop->context->cancellable);
  if (fw_file_writer_append (writer, run->log->str, run->log->len, error))
    return fw_file_writer_commit (writer, error);
  fw_file_writer_abort (writer);
  return FALSE;
}

static gboolean
save (Run *run, GError **error)
{
  const FwTrainLoop *loop = run->loop;
  double began = seconds_now (), pause = loop->context->recipe->save_seconds;
  if (run->progress.step == run->saved_step)
    return TRUE;
  if (!write_log (run, error) || !fw_train_state_save (loop->context, loop->stage, loop->trainer, &run->progress, error))
    return FALSE;
  run->saved_step = run->progress.step;
  double now = seconds_now ();
  run->save_after = now + (pause > 0 ? MAX (pause, (now - began) / saving_share) : 0);
  return TRUE;
}

static gboolean
one_step (Run *run, const FwTrainStep *at, GError **error)
{
  const FwTrainLoop *loop = run->loop;
  const FwTrainStage *stage = loop->stage;
  const FwTrainContext *context = loop->context;
  gint64 step = at->step;
  double loss, norm, rate = stage->lr * fw_lr_multiplier (&stage->schedule, step);
  double decay = stage->ema > 0 ? MIN (stage->ema, (1.0 + (double) step) / (10.0 + (double) step)) : 0;
  if (g_cancellable_is_cancelled (context->cancellable)) {
    g_set_error_literal (error, FW_ERROR, FW_ERROR_CANCELLED, "Cancelled");
    return FALSE;
  }
  if (!loop->batch (loop->user_data, at, error)
      || !fw_trainer_accumulate (loop->trainer, at->row, 1, &loss, context->cancellable, error)
      || !fw_trainer_update (loop->trainer, step + 1, rate, decay, &norm, context->cancellable, error))
    return FALSE;
  run->progress.step = step + 1;
  run->progress.seconds = seconds_now () - run->began;
  log_step (run, loss, norm, rate);
  run->work += context->forecast != NULL ? context->forecast->seconds[at->row] : 1;
  fw_job_work (context->events, run->work);
  fw_job_step (context->events, (guint) run->progress.step, (guint) stage->steps);
  return TRUE;
}

/* A cancel keeps the steps done; any other error keeps the last sound state. */
static gboolean
run_steps (Run *run, GError **error)
{
  const FwTrainStage *stage = run->loop->stage;
  FwTrainStep at = fw_train_stage_step (stage, run->progress.step);
  for (; at.step < stage->steps; at = fw_train_stage_next (stage, &at)) {
    g_autoptr (GError) failure = NULL;
    if (one_step (run, &at, &failure)) {
      if (seconds_now () >= run->save_after && !save (run, error))
        return FALSE;
      continue;
    }
    if (g_error_matches (failure, FW_ERROR, FW_ERROR_CANCELLED) && !save (run, error))
      return FALSE;
    g_propagate_error (error, g_steal_pointer (&failure));
    return FALSE;
  }
  return save (run, error);
}

gboolean
fw_train_loop (const FwTrainLoop *loop, GError **error)
{
  gsize bytes = (gsize) fw_parameters_size (fw_trainer_parameters (loop->trainer)) * sizeof (float);
  float *weights = fw_trainer_array (loop->trainer, FW_TRAINER_WEIGHTS),
        *average = fw_trainer_array (loop->trainer, FW_TRAINER_EMA);
  memcpy (average, weights, bytes);
  Run run = { .loop = loop, .work = loop->context->forecast != NULL ? loop->context->forecast->start : 0 };
  if (!fw_train_state_load (loop->context, loop->stage, loop->trainer, &run.progress, error))
    return FALSE;
  run.saved_step = run.progress.step;
  run.began = seconds_now () - run.progress.seconds;
  run.save_after = seconds_now () + loop->context->recipe->save_seconds;
  log_open (&run);
  gboolean done = run_steps (&run, error);
  g_string_free (run.log, TRUE);
  g_free (run.log_path);
  if (done && loop->stage->ema > 0)
    memcpy (weights, average, bytes);
  return done;
}
