/* SPDX-License-Identifier: Apache-2.0
 * Rehearsing a stage: what its steps take, measured before it begins. */
#include "engine/job/memory.h"
#include "engine/train/stage.h"

/* Short steps are timed again, since the first run also pays for memory that is touched for the first time. */
enum { AGAIN = 2 };
static const double short_seconds = 0.5;

static gboolean
time_step (const FwTrainLoop *loop, const FwTrainStep *at, double *seconds, GError **error)
{
  double norm;
  gint64 began = g_get_monotonic_time ();
  g_autoptr (GError) ignored = NULL;
  if (!loop->batch (loop->user_data, at, error)
      || !fw_exec_run (fw_trainer_exec (loop->trainer, at->row), loop->context->cancellable, NULL, NULL, error))
    return FALSE;
  fw_trainer_update (loop->trainer, 1, 0, 0, &norm, &ignored);
  *seconds = (double) (g_get_monotonic_time () - began) / G_USEC_PER_SEC;
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
    const FwTrainStep at = { .row = row };
    double *best = &forecast->seconds[row];
    if (!time_step (loop, &at, best, error))
      return FALSE;
    for (int again = 0; again < AGAIN && *best < short_seconds; again++) {
      double seconds;
      if (!time_step (loop, &at, &seconds, error))
        return FALSE;
      *best = MIN (*best, seconds);
    }
  }
  return TRUE;
}
