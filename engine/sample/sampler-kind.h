/* SPDX-License-Identifier: Apache-2.0
 * What a kind of sampler is: one row of functions, from one file each. Included by the samplers, not by their users. */
#pragma once
#include "engine/sample/sampler.h"

typedef struct {
  const char *name;  /* as in --sampler, recipes and saved states */
  /* Checks the settings, sets @passes, @conditional_pass, @evaluations and @scratch_size, and may set @own. */
  gboolean (*open) (FwSampler *sampler, GError **error);
  /* The time that the model is told at evaluation @done. */
  float (*time) (const FwSampler *sampler);
  /* Moves @x and @x0 on by one evaluation; @done is still its index. Allocates nothing. */
  void (*take) (FwSampler *sampler, const float *output);
  void (*free_own) (gpointer own);
} FwSamplerKind;

extern const FwSamplerKind fw_sampler_iddpm, fw_sampler_dpm_solver;

struct _FwSampler {
  const FwSamplerKind *kind;
  FwSamplerSettings settings;
  gsize clip_size;       /* channels * positions */
  gsize size;            /* clips * clip_size */
  int passes;            /* model rows per clip: 1, or 2 with the null caption */
  int conditional_pass;  /* which of them has the caption; the batch holds all clips of pass 0, then all of pass 1 */
  int evaluations, done;
  gsize scratch_size;    /* floats */
  FwNoise noise;
  FwSamplerDraw draw;
  gpointer draw_data;
  float *x;              /* [size] the state; with x0, all that a saved state holds */
  float *x0;             /* [size] the clean latent last predicted */
  float *scratch;
  gpointer own;          /* of the kind: its tables */
};

/* Refuses a count of steps outside @least .. 1000. */
gboolean fw_sampler_check_steps (const FwSampler *sampler, int least, GError **error);
/* Noise from the generator, or from what fw_sampler_set_draw() put in its place. */
void fw_sampler_draw (FwSampler *sampler, float *noise, gsize count);
/* The model's output for @clip in the pass with (@conditional) or without its caption. */
const float *fw_sampler_output (const FwSampler *sampler, const float *output, gboolean conditional, int clip);
