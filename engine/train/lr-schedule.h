/* SPDX-License-Identifier: Apache-2.0
 * Learning-rate schedules of training recipes: the multiplier of the base rate at every optimiser step. */
#pragma once
#include "engine/memory/error.h"

typedef struct _FwLrSchedule FwLrSchedule;

/* A schedule by name and its numbers. fw_lr_schedule_init() fills the usual values; a recipe may then change them. */
struct _FwLrSchedule {
  double (*after_warmup) (const FwLrSchedule *schedule, gint64 step);
  gint64 warmup;      /* steps over which the rate rises linearly from 0; not used by "constant" */
  gint64 total;       /* optimiser steps of the run */
  double cycles;      /* cosine: half a cycle falls to 0; cosine_with_restarts: falls this often */
  double power;       /* polynomial */
  double end;         /* polynomial and constant_then_linear: the last multiplier */
  double decay_from;  /* constant_then_linear: the fraction of the run after which the rate falls */
};

/* The schedule @name, as recipes spell it: constant, constant_with_warmup, linear, cosine, cosine_with_restarts or polynomial (as in
 * diffusers), or constant_then_linear, which falls linearly over the last 40 % of the run. Refuses any other, and a run of less than
 * one step. */
gboolean fw_lr_schedule_init (FwLrSchedule *schedule, const char *name, gint64 warmup, gint64 total, GError **error);

/* The multiplier used by optimiser step @step, counted from 0; within 0 .. 1 as long as end is. */
double fw_lr_multiplier (const FwLrSchedule *schedule, gint64 step);
