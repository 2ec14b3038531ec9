/* SPDX-License-Identifier: Apache-2.0
 * How much of the moving average of the weights survives an optimiser step: little at first, so that the start is forgotten,
 * then nearly all (the rule of diffusers' EMAModel). */
#pragma once
#include <glib.h>

typedef struct {
  double decay, min_decay;   /* the result lies between them, apart from the steps that are not averaged */
  gint64 update_after;       /* so many first steps just copy the weights, and one more */
  gboolean warmup;           /* 1 - (1 + s/inv_gamma)^-power instead of (1 + s)/(10 + s) */
  double inv_gamma, power;
} FwEmaRule;

/* @decay, and otherwise the usual numbers: inv_gamma 1, power 2/3, min_decay 0, averaging from the second step on, in the
 * plain form. */
FwEmaRule fw_ema_rule (double decay);

/* The decay after optimiser step @step, counted from 1: average = decay * average + (1 - decay) * weights. */
double fw_ema_decay (const FwEmaRule *rule, gint64 step);
