/* SPDX-License-Identifier: Apache-2.0
 * Shows a running job: a bar on a terminal, one JSON object an event on stdout, or nothing, so that all that a failed job leaves
 * on stderr is the line that says why. */
#pragma once
#include "engine/job/estimate.h"

/* What is known of a running job at one moment. Texts are borrowed. */
typedef struct {
  const char *phase;        /* NULL before the first */
  guint step, steps;        /* of the phase; 0 = it counts none */
  double fraction;          /* of the whole job, 0 to 1 */
  double remaining;         /* seconds; < 0 = not known yet */
  gint64 forecast_bytes, peak_bytes; /* 0 = not known */
} FwProgressState;

/* How progress is written; without state of its own. Calls come one at a time, from any thread. */
typedef struct {
  void (*state) (const FwProgressState *state);
  void (*figure) (gint64 step, const char *name, double value);
  void (*message) (const char *sentence);
  void (*result) (const FwJobResult *result);
  void (*end) (const FwProgressState *state, const GError *error);
  double tick;              /* seconds after which state() is wanted though nothing happened */
  double pause;             /* seconds between two calls of state() within a phase, at least */
  gboolean late;            /* message() is only wanted before end(), and only of a job that succeeded */
} FwProgressView;

extern const FwProgressView fw_progress_bar;    /* stderr, a terminal */
extern const FwProgressView fw_progress_quiet;  /* stderr, anything else */
extern const FwProgressView fw_progress_json;   /* stdout */

typedef struct _FwProgress FwProgress;

FwProgress *fw_progress_new (const FwProgressView *view);
void fw_progress_free (FwProgress *progress);
/* To hand to a job; valid until fw_progress_free(). */
const FwJobEvents *fw_progress_events (FwProgress *progress);
/* Shows the present state again. Any thread. */
void fw_progress_tick (FwProgress *progress);
/* The job has returned, with @error or without; learned costs are kept if it succeeded. */
void fw_progress_end (FwProgress *progress, const GError *error);

/* "1 h 02 min", "3 min 20 s", "12 s"; free with g_free(). */
char *fw_progress_duration (double seconds);
