/* SPDX-License-Identifier: Apache-2.0
 * Densities of timesteps, drawn by the inverse of their distribution function. */
#include "engine/train/timesteps.h"

#include <math.h>

const char *const fw_timesteps_names[] = { "uniform", "stratified", "late", NULL };

static const FwTimesteps kinds[] = { { "uniform", FALSE, FALSE }, { "stratified", TRUE, FALSE }, { "late", TRUE, TRUE } };

const FwTimesteps *
fw_timesteps_find (const char *name)
{
  for (guint i = 0; i < G_N_ELEMENTS (kinds); i++)
    if (g_str_equal (kinds[i].name, name))
      return &kinds[i];
  return NULL;
}

int
fw_timesteps_draw (const FwTimesteps *timesteps, float u, int i, int batch, int steps)
{
  double probability = timesteps->stratified ? (i + (double) u) / batch : u;
  return MIN ((int) ((timesteps->late ? sqrt (probability) : probability) * steps), steps - 1);
}

double
fw_timesteps_share (const FwTimesteps *timesteps, int index, int steps)
{
  return timesteps->late ? (2 * index + 1.0) / steps / steps : 1.0 / steps;
}
