/* SPDX-License-Identifier: Apache-2.0
 * A job's thread, the main loop beside it, and the signals that stop it. */
#include "app/cli/job.h"
#include "app/cli/commands.h"
#include "app/cli/progress.h"

#include <glib-unix.h>
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

typedef struct {
  FwCliJob job;
  gconstpointer request;
  FwProgress *progress;
  GCancellable *cancellable;
  GMainLoop *loop;
  gboolean done;            /* the last three are the job thread's until it is joined */
  GError *error;
} Run;

static gboolean
on_job_returned (gpointer data)
{
  Run *run = data;
  g_main_loop_quit (run->loop);
  return G_SOURCE_REMOVE;
}

static gpointer
job_thread (gpointer data)
{
  Run *run = data;
  run->done = run->job (run->request, fw_progress_events (run->progress), run->cancellable, &run->error);
  g_idle_add (on_job_returned, run);
  return NULL;
}

static gboolean
on_signal (gpointer data)
{
  Run *run = data;
  g_cancellable_cancel (run->cancellable);
  return G_SOURCE_CONTINUE;
}

/* A reader of stdout that has gone away ends the job: nobody would see its results. */
static gboolean
on_tick (gpointer data)
{
  Run *run = data;
  fw_progress_tick (run->progress);
  if (ferror (stdout))
    g_cancellable_cancel (run->cancellable);
  return G_SOURCE_CONTINUE;
}

static const FwProgressView *
choose_view (gboolean json)
{
  if (json)
    return &fw_progress_json;
  return isatty (STDERR_FILENO) ? &fw_progress_bar : &fw_progress_quiet;
}

static void
run_beside_main_loop (Run *run, double tick)
{
  static const int signals[] = { SIGINT, SIGTERM, SIGHUP };
  guint sources[G_N_ELEMENTS (signals) + 1];
  signal (SIGPIPE, SIG_IGN);
  signal (SIGXFSZ, SIG_IGN); /* a file that may not grow is an error of write() */
  for (gsize i = 0; i < G_N_ELEMENTS (signals); i++)
    sources[i] = g_unix_signal_add (signals[i], on_signal, run);
  sources[G_N_ELEMENTS (signals)] = g_timeout_add ((guint) (tick * 1000), on_tick, run);
  GThread *thread = g_thread_new ("job", job_thread, run);
  g_main_loop_run (run->loop);
  g_thread_join (thread);
  for (gsize i = 0; i < G_N_ELEMENTS (sources); i++)
    g_source_remove (sources[i]);
}

int
fw_cli_run_job (FwCliJob job, gconstpointer request, gboolean json)
{
  const FwProgressView *view = choose_view (json);
  Run run = {
    .job = job,
    .request = request,
    .progress = fw_progress_new (view),
    .cancellable = g_cancellable_new (),
    .loop = g_main_loop_new (NULL, FALSE),
  };
  run_beside_main_loop (&run, view->tick);
  /* A process that Ctrl+C reached as well may have failed first: to the user that is a cancelled job too. */
  if (!run.done && g_cancellable_is_cancelled (run.cancellable)) {
    g_clear_error (&run.error);
    g_set_error_literal (&run.error, FW_ERROR, FW_ERROR_CANCELLED, "stopped before it was done");
  }
  fw_progress_end (run.progress, run.error);
  /* A job that was stopped since its events cannot be written fails for that reason, which main() tells. */
  int code = run.done ? FW_EXIT_DONE : ferror (stdout) ? FW_EXIT_FAILED : fw_cli_fail (run.error);
  g_clear_error (&run.error);
  fw_progress_free (run.progress);
  g_object_unref (run.cancellable);
  g_main_loop_unref (run.loop);
  return code;
}
