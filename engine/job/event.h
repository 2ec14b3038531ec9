/* SPDX-License-Identifier: Apache-2.0
 * What a running job tells its front end: the phases it will go through, work done, figures, warnings and results.
 * Jobs call the fw_job_*() functions; a front end fills the struct. */
#pragma once
#include "engine/memory/error.h"

/* One stretch of a job whose work costs about the same time throughout. */
typedef struct {
  const char *name;         /* one word for people and scripts: load, text, sample, decode, save, train, validate … */
  const char *kind;         /* what its speed depends on besides the machine, as "sample stdit bf16 amx"; NULL = the name.
                             * Phases of one kind share a learned speed */
  double work;              /* forecast amount: FLOPs, or bytes, or frames; one unit for each kind. Of a phase without any, as what
                             * a job that goes on has behind it, no speed is learned */
  guint steps;              /* how many steps it counts for people; 0 = none */
} FwJobPhase;

/* A finished piece of output. */
typedef struct {
  const char *path;         /* the file or folder */
  const char *recipe;       /* JSON of the recipe, or NULL */
  gint64 seed;
  guint frames, width, height;
} FwJobResult;

/* Callbacks run on the job's thread, one at a time; each may be NULL. They must return soon, and own nothing they get. */
typedef struct {
  gpointer user;
  void (*plan) (gpointer user, const FwJobPhase *phases, guint count);
  void (*phase) (gpointer user, guint index);
  void (*work) (gpointer user, double done);
  void (*step) (gpointer user, guint step, guint steps);
  void (*memory) (gpointer user, gint64 forecast_bytes, gint64 peak_bytes);
  void (*figure) (gpointer user, gint64 step, const char *name, double value);
  void (*message) (gpointer user, const char *sentence);
  void (*result) (gpointer user, const FwJobResult *result);
} FwJobEvents;

/* All of these take @events NULL, or with NULL callbacks, as a listener that does not care. */

/* Tells all phases of the job in their order, before the first begins; a later call replaces the plan (the bar still never
 * goes back). A repeated stretch, as each clip of several, is a phase of its own every time. */
void fw_job_plan (const FwJobEvents *events, const FwJobPhase *phases, guint count);
/* Phase @index of the plan begins; the one before it is over. */
void fw_job_phase (const FwJobEvents *events, guint index);
/* @done of the phase's work is done: absolute, in the unit of FwJobPhase.work, never falling. */
void fw_job_work (const FwJobEvents *events, double done);
/* Step @step of @steps of the phase is done. */
void fw_job_step (const FwJobEvents *events, guint step, guint steps);
/* The forecast peak of the whole job, and the peak so far; bytes above the idle program, 0 = not known. */
void fw_job_memory (const FwJobEvents *events, gint64 forecast_bytes, gint64 peak_bytes);
/* A figure of a step, as "loss", "learning_rate" or "steps_per_second". */
void fw_job_figure (const FwJobEvents *events, gint64 step, const char *name, double value);
/* One sentence for people that is no failure, as "No H.264 encoder is installed; writing WebM". */
void fw_job_message (const FwJobEvents *events, const char *format, ...) G_GNUC_PRINTF (2, 3);
void fw_job_result (const FwJobEvents *events, const FwJobResult *result);
