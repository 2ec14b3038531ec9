/* SPDX-License-Identifier: Apache-2.0
 * Rehearsing a stage: what its steps take, measured before it begins. */
#include "engine/job/memory.h"
#include "engine/train/stage.h"

/* Things are timed again, since the first run also pays for memory that is touched for the first time and a machine at rest
 * wakes slowly: twice if they are short, longer if that is little of what they will take, and not at all if that would keep
 * people waiting. */
static const double short_seconds = 0.5, long_seconds = 20, most_seconds = 1, little = 0.02;

gboolean
fw_train_time (FwTrainTimed act, gpointer data, double times, double *seconds, GError **error)
{
  double spent = 0;
  *seconds = G_MAXDOUBLE;
  for (int runs = 0; runs < 1 || (runs < 2 && *seconds < long_seconds) || (runs < 3 && *seconds < short_seconds)
                     || spent < MIN (most_seconds, little * times * *seconds); runs++) {
    gint64 began = g_get_monotonic_time ();
    if (!act (data, error))
      return FALSE;
    double took = (double) (g_get_monotonic_time () - began) / G_USEC_PER_SEC;
    spent += took;
    *seconds = MIN (*seconds, took);
  }
  return TRUE;
}

typedef struct { const FwTrainLoop *loop; guint row; } Step;

static gboolean
take_step (gpointer data, GError **error)
{
  const Step *step = data;
  const FwTrainLoop *loop = step->loop;
  const FwTrainStep at = { .row = step->row };
  double norm;
  g_autoptr (GError) ignored = NULL;
  if (!loop->batch (loop->user_data, &at, error)
      || !fw_exec_run (fw_trainer_exec (loop->trainer, at.row), loop->context->cancellable, NULL, NULL, error))
    return FALSE;
  fw_trainer_update (loop->trainer, 1, 0, 0, &norm, loop->context->cancellable, &ignored);
  return TRUE;
}

/* Before memory is touched that is not there. */
static gboolean
fits (const FwTrainLoop *loop, const FwStageForecast *forecast, GError **error)
{
  gint64 available = fw_memory_available ();
  if ((gint64) forecast->bytes <= available)
    return TRUE;
  g_autofree char *wanted = g_format_size_full (forecast->bytes, G_FORMAT_SIZE_IEC_UNITS);
  g_autofree char *there = g_format_size_full ((guint64) available, G_FORMAT_SIZE_IEC_UNITS);
  g_set_error (error, FW_ERROR, FW_ERROR_MEMORY,
               "Stage “%s” needs %s, but only %s can be had; make its batches smaller (“batch” in the recipe's “data”)",
               loop->stage->name, wanted, there);
  return FALSE;
}

gboolean
fw_train_rehearse (const FwTrainLoop *loop, FwStageForecast *forecast, GError **error)
{
  if (!fits (loop, forecast, error))
    return FALSE;
  for (guint row = 0; row < loop->stage->n_rows; row++) {
    Step step = { loop, row };
    if (!fw_train_time (take_step, &step, (double) loop->stage->steps, &forecast->seconds[row], error))
      return FALSE;
  }
  return TRUE;
}
