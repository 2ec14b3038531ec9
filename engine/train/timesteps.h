/* SPDX-License-Identifier: Apache-2.0
 * Which timesteps a batch of diffusion training is noised to: a density over them, drawn freely or evenly over the batch. */
#pragma once
#include <glib.h>

typedef struct {
  const char *name;          /* in recipes */
  gboolean stratified;       /* one from each of the batch's equal shares of probability */
  gboolean late;             /* the density grows with the timestep, from nothing to twice the mean: more of the noisy ones, where
                                a picture's contents are decided and not its edges */
} FwTimesteps;

/* By name, or NULL; and the names, ended by NULL. */
const FwTimesteps *fw_timesteps_find (const char *name);
extern const char *const fw_timesteps_names[];

/* The timestep below @steps of sample @i of @batch, from @u, uniform in [0, 1). */
int fw_timesteps_draw (const FwTimesteps *timesteps, float u, int i, int batch, int steps);
/* How probable timestep @index is. */
double fw_timesteps_share (const FwTimesteps *timesteps, int index, int steps);
