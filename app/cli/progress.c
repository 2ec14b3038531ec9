/* SPDX-License-Identifier: Apache-2.0
 * Gathers a job's events into one state, with the time left, and shows it through a view. */
#include "app/cli/progress.h"
#include "engine/job/process-peak.h"

#include <pthread.h>

struct _FwProgress {
  pthread_mutex_t lock;     /* over all below: events come from the job's thread, ticks from the main one */
  const FwProgressView *view;
  FwJobEvents events;
  FwCosts *costs;
  FwEstimate *estimate;
  guint step, steps;
  double shown;             /* when state() was called last */
  gint64 idle_peak, forecast_bytes, peak_bytes;
  GPtrArray *late;          /* messages for the end */
};

static double
seconds_now (void)
{
  return (double) g_get_monotonic_time () / G_USEC_PER_SEC;
}

static FwProgressState
state_now (FwProgress *progress)
{
  double now = seconds_now ();
  const FwJobPhase *phase = fw_estimate_current (progress->estimate);
  gint64 peak = fw_process_peak () - progress->idle_peak;
  progress->peak_bytes = MAX (progress->peak_bytes, peak);
  return (FwProgressState) {
    .phase = phase != NULL ? phase->name : NULL,
    .step = progress->step,
    .steps = progress->steps,
    .fraction = fw_estimate_fraction (progress->estimate, now),
    .remaining = fw_estimate_remaining (progress->estimate, now),
    .forecast_bytes = progress->forecast_bytes,
    .peak_bytes = progress->peak_bytes,
  };
}

static void
show (FwProgress *progress)
{
  FwProgressState state = state_now (progress);
  progress->view->state (&state);
  progress->shown = seconds_now ();
}

static void
show_if_due (FwProgress *progress)
{
  if (seconds_now () - progress->shown >= progress->view->pause)
    show (progress);
}

static void
on_plan (gpointer user, const FwJobPhase *phases, guint count)
{
  FwProgress *progress = user;
  pthread_mutex_lock (&progress->lock);
  fw_estimate_plan (progress->estimate, phases, count, seconds_now ());
  pthread_mutex_unlock (&progress->lock);
}

static void
on_phase (gpointer user, guint index)
{
  FwProgress *progress = user;
  pthread_mutex_lock (&progress->lock);
  fw_estimate_phase (progress->estimate, index, seconds_now ());
  const FwJobPhase *phase = fw_estimate_current (progress->estimate);
  progress->step = 0;
  progress->steps = phase != NULL ? phase->steps : 0;
  show (progress);
  pthread_mutex_unlock (&progress->lock);
}

/* Work is reported often; what it changes is shown with the next step or tick. */
static void
on_work (gpointer user, double done)
{
  FwProgress *progress = user;
  pthread_mutex_lock (&progress->lock);
  fw_estimate_work (progress->estimate, done, seconds_now ());
  pthread_mutex_unlock (&progress->lock);
}

static void
on_step (gpointer user, guint step, guint steps)
{
  FwProgress *progress = user;
  pthread_mutex_lock (&progress->lock);
  progress->step = step;
  progress->steps = steps;
  show_if_due (progress);
  pthread_mutex_unlock (&progress->lock);
}

static void
on_memory (gpointer user, gint64 forecast_bytes, gint64 peak_bytes)
{
  FwProgress *progress = user;
  pthread_mutex_lock (&progress->lock);
  progress->forecast_bytes = forecast_bytes;
  progress->peak_bytes = MAX (progress->peak_bytes, peak_bytes);
  pthread_mutex_unlock (&progress->lock);
}

static void
on_figure (gpointer user, gint64 step, const char *name, double value)
{
  FwProgress *progress = user;
  pthread_mutex_lock (&progress->lock);
  progress->view->figure (step, name, value);
  pthread_mutex_unlock (&progress->lock);
}

static void
on_message (gpointer user, const char *sentence)
{
  FwProgress *progress = user;
  pthread_mutex_lock (&progress->lock);
  if (progress->view->late)
    g_ptr_array_add (progress->late, g_strdup (sentence));
  else
    progress->view->message (sentence);
  pthread_mutex_unlock (&progress->lock);
}

static void
on_result (gpointer user, const FwJobResult *result)
{
  FwProgress *progress = user;
  pthread_mutex_lock (&progress->lock);
  progress->view->result (result);
  pthread_mutex_unlock (&progress->lock);
}

FwProgress *
fw_progress_new (const FwProgressView *view)
{
  FwProgress *progress = g_new0 (FwProgress, 1);
  pthread_mutex_init (&progress->lock, NULL);
  progress->view = view;
  progress->events = (FwJobEvents) {
    progress, on_plan, on_phase, on_work, on_step, on_memory, on_figure, on_message, on_result
  };
  progress->costs = fw_costs_open (NULL);
  progress->estimate = fw_estimate_new (progress->costs, seconds_now ());
  progress->idle_peak = fw_process_peak ();
  progress->late = g_ptr_array_new_with_free_func (g_free);
  return progress;
}

void
fw_progress_free (FwProgress *progress)
{
  fw_estimate_free (progress->estimate);
  fw_costs_free (progress->costs);
  g_ptr_array_unref (progress->late);
  pthread_mutex_destroy (&progress->lock);
  g_free (progress);
}

const FwJobEvents *
fw_progress_events (FwProgress *progress)
{
  return &progress->events;
}

void
fw_progress_tick (FwProgress *progress)
{
  pthread_mutex_lock (&progress->lock);
  show_if_due (progress);
  pthread_mutex_unlock (&progress->lock);
}

void
fw_progress_end (FwProgress *progress, const GError *error)
{
  pthread_mutex_lock (&progress->lock);
  if (error == NULL) {
    fw_estimate_finish (progress->estimate, seconds_now ());
    fw_costs_save (progress->costs);
    for (guint i = 0; i < progress->late->len; i++)
      progress->view->message (progress->late->pdata[i]);
  }
  FwProgressState state = state_now (progress);
  progress->view->end (&state, error);
  pthread_mutex_unlock (&progress->lock);
}

char *
fw_progress_duration (double seconds)
{
  gint64 whole = (gint64) (seconds + 0.5);
  if (whole >= 3600)
    return g_strdup_printf ("%" G_GINT64_FORMAT " h %02d min", whole / 3600, (int) (whole % 3600 / 60));
  if (whole >= 60)
    return g_strdup_printf ("%d min %02d s", (int) (whole / 60), (int) (whole % 60));
  return g_strdup_printf ("%d s", (int) whole);
}
