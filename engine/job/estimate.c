/* SPDX-License-Identifier: Apache-2.0
 * The estimate of a job. Within a phase, its speed so far is weighed against its forecast; phases to come are forecast and
 * scaled by how this run's finished work compares with its forecast. */
#include "engine/job/estimate.h"

#include <math.h>

/* Work of this part of a phase must be seen before its own speed counts as much as the forecast. */
static const double forecast_weight = 0.05;
/* Older work of a phase loses weight, so that a phase that changes its speed is followed. */
static const double memory_share = 0.4;
/* Forecasts from the cost table are moved by this run's own speed only as it outweighs this share of them. */
static const double trust = 0.02;
/* A first report of less than this share of its phase says nothing against evidence from other phases. */
static const double cold_share = 0.02;
/* What the bar can show before the job is over. */
static const double almost = 0.995;

typedef struct {
  FwJobPhase phase;
  char *name, *kind;
  double forecast;          /* seconds, before the run */
  gboolean known;           /* @forecast was measured, not guessed */
  gboolean idle;            /* has no work, and so no speed */
  gboolean over;
  double seconds;           /* taken, once over */
} Entry;

struct _FwEstimate {
  FwCosts *costs;
  GArray *entries;
  int current;              /* -1 before the first */
  double began;             /* the job */
  double phase_began, work_at; /* times: the current phase, its last report */
  double done;              /* work of the current phase */
  double seen_work, seen_seconds; /* of the current phase, with fading weight */
  guint reports;            /* of the current phase */
  double shown;             /* the fraction shown last */
  gboolean finished;
};

static void
entry_clear (gpointer data)
{
  Entry *entry = data;
  g_free (entry->name);
  g_free (entry->kind);
}

FwEstimate *
fw_estimate_new (FwCosts *costs, double now)
{
  FwEstimate *estimate = g_new0 (FwEstimate, 1);
  estimate->costs = costs;
  estimate->current = -1;
  estimate->began = now;
  estimate->entries = g_array_new (FALSE, TRUE, sizeof (Entry));
  g_array_set_clear_func (estimate->entries, entry_clear);
  return estimate;
}

void
fw_estimate_free (FwEstimate *estimate)
{
  if (estimate == NULL)
    return;
  g_array_unref (estimate->entries);
  g_free (estimate);
}

static Entry *
entry_at (const FwEstimate *estimate, guint index)
{
  return &g_array_index (estimate->entries, Entry, index);
}

void
fw_estimate_plan (FwEstimate *estimate, const FwJobPhase *phases, guint count, double now)
{
  g_array_set_size (estimate->entries, 0);
  estimate->current = -1;
  for (guint i = 0; i < count; i++) {
    Entry entry = { .phase = phases[i], .name = g_strdup (phases[i].name) };
    entry.kind = g_strdup (phases[i].kind != NULL ? phases[i].kind : phases[i].name);
    entry.phase.name = entry.name;
    entry.phase.kind = entry.kind;
    entry.idle = !isfinite (phases[i].work) || phases[i].work <= 0;
    entry.phase.work = entry.idle ? 1 : phases[i].work;
    double cost = estimate->costs != NULL ? fw_costs_find (estimate->costs, entry.kind) : 0;
    entry.known = cost > 0;
    entry.forecast = entry.idle ? 0 : entry.phase.work * (entry.known ? cost : fw_costs_guess (estimate->costs, entry.kind));
    g_array_append_val (estimate->entries, entry);
  }
}

/* The current phase is over: its measured time replaces its forecast and teaches the cost table. */
static void
close_phase (FwEstimate *estimate, double now)
{
  if (estimate->current < 0)
    return;
  Entry *entry = entry_at (estimate, (guint) estimate->current);
  entry->seconds = now - estimate->phase_began;
  entry->over = TRUE;
  if (estimate->costs != NULL && !entry->idle)
    fw_costs_learn (estimate->costs, entry->kind, entry->phase.work, entry->seconds);
}

void
fw_estimate_phase (FwEstimate *estimate, guint index, double now)
{
  if (index >= estimate->entries->len)
    return;
  close_phase (estimate, now);
  estimate->current = (int) index;
  estimate->phase_began = estimate->work_at = now;
  estimate->done = estimate->seen_work = estimate->seen_seconds = 0;
  estimate->reports = 0;
}

/* How this run's work compares with its forecast, among measured or guessed forecasts; 0 = nothing seen. Guesses have no
 * scale of their own, so any evidence replaces it; measured ones are moved with care. */
static double
pace (const FwEstimate *estimate, gboolean known)
{
  double taken = 0, forecast = 0, all = 0;
  for (guint i = 0; i < estimate->entries->len; i++) {
    const Entry *entry = entry_at (estimate, i);
    if (entry->known != known || entry->idle)
      continue;
    all += entry->forecast;
    if (entry->over) {
      taken += entry->seconds;
      forecast += entry->forecast;
    } else if ((int) i == estimate->current) {
      taken += estimate->seen_seconds;
      forecast += entry->forecast * estimate->seen_work / entry->phase.work;
    }
  }
  if (known)
    return (taken + trust * all) / (forecast + trust * all);
  return forecast > 0 ? taken / forecast : 0;
}

void
fw_estimate_work (FwEstimate *estimate, double done, double now)
{
  if (estimate->current < 0 || !(done > estimate->done))
    return;
  const Entry *entry = entry_at (estimate, (guint) estimate->current);
  double work = entry->phase.work, step = MIN (done, work) - estimate->done;
  if (step <= 0)
    return;
  /* The first report also pays for what happens once, as packing weights: it counts only until there is another, and not at all
   * against a forecast that was measured or, if it is small, against what other phases have shown. */
  guint before = estimate->reports++;
  gboolean judged = entry->known || (step < cold_share * work && pace (estimate, FALSE) > 0);
  if (before > 0 || !judged) {
    double keep = before == 1 ? 0 : exp (-step / (memory_share * work));
    estimate->seen_work = estimate->seen_work * keep + step;
    estimate->seen_seconds = estimate->seen_seconds * keep + (now - estimate->work_at);
  }
  estimate->done += step;
  estimate->work_at = now;
}

void
fw_estimate_finish (FwEstimate *estimate, double now)
{
  close_phase (estimate, now);
  estimate->current = -1;
  estimate->finished = TRUE;
  estimate->shown = 1;
}

/* What is left of the current phase. Between two reports the time that passes is taken off, more slowly once it should
 * have been over, so that the rest stays above nothing. */
static double
phase_remaining (const FwEstimate *estimate, const Entry *entry, double scale, double now)
{
  double work = entry->phase.work;
  double weight = forecast_weight * work;
  double before = entry->forecast * scale / work;
  double cost = (weight * before + estimate->seen_seconds) / (weight + estimate->seen_work);
  double left = cost * (work - estimate->done);
  double passed = now - estimate->work_at;
  double patience = 0.7 * left;
  if (passed <= patience || left <= 0)
    return left - MIN (passed, left);
  return 0.3 * left * exp (-(passed - patience) / (0.3 * left));
}

double
fw_estimate_remaining (const FwEstimate *estimate, double now)
{
  if (estimate->finished)
    return 0;
  double known_pace = pace (estimate, TRUE), guessed_pace = pace (estimate, FALSE);
  double remaining = 0;
  gboolean grounded = FALSE; /* on anything but guesses */
  for (guint i = (guint) MAX (estimate->current, 0); i < estimate->entries->len; i++) {
    const Entry *entry = entry_at (estimate, i);
    double scale = entry->known ? known_pace : guessed_pace > 0 ? guessed_pace : 1;
    grounded |= entry->known || guessed_pace > 0;
    remaining += (int) i == estimate->current ? phase_remaining (estimate, entry, scale, now) : entry->forecast * scale;
  }
  return grounded ? remaining : -1;
}

/* A phase that was only guessed and has not shown anything might last ten times as long: the bar, which cannot go back, waits. */
static gboolean
is_blind (const FwEstimate *estimate)
{
  return estimate->current >= 0 && !entry_at (estimate, (guint) estimate->current)->known && !(estimate->seen_work > 0);
}

double
fw_estimate_fraction (FwEstimate *estimate, double now)
{
  if (is_blind (estimate))
    return estimate->shown;
  double remaining = fw_estimate_remaining (estimate, now);
  double elapsed = now - estimate->began;
  if (remaining >= 0 && elapsed >= 0 && elapsed + remaining > 0)
    estimate->shown = MAX (estimate->shown, MIN (elapsed / (elapsed + remaining), estimate->finished ? 1 : almost));
  return estimate->shown;
}

const FwJobPhase *
fw_estimate_current (const FwEstimate *estimate)
{
  return estimate->current >= 0 ? &entry_at (estimate, (guint) estimate->current)->phase : NULL;
}
