/* SPDX-License-Identifier: Apache-2.0
 * The continuous noise schedule of DPM-Solver++ over the linear discrete one (opensora-1.0 7.3). The sampler "dpm-solver" in
 * sampler-dpm-solver.c is made of it. Everything is float32, as in the original program. */
#pragma once
#include "engine/sample/diffusion.h"

/* Time runs from 1/1000 (clean) to 1 (noise); log alpha is linear between the knots and beyond the ends. */
typedef struct {
  float t[FW_DIFFUSION_STEPS];          /* (i + 1) / 1000 */
  float log_alpha[FW_DIFFUSION_STEPS];  /* log sqrt(abar_i), falling */
} FwDpmSchedule;

/* Fills the schedule of the named betas (fw_diffusion_betas). */
gboolean fw_dpm_schedule_fill (FwDpmSchedule *schedule, const char *betas, GError **error);

float fw_dpm_log_alpha (const FwDpmSchedule *schedule, float t);
float fw_dpm_sigma (const FwDpmSchedule *schedule, float t);   /* sqrt(1 - alpha^2) */
float fw_dpm_lambda (const FwDpmSchedule *schedule, float t);  /* log(alpha / sigma), half the log signal-to-noise ratio */
float fw_dpm_inverse_lambda (const FwDpmSchedule *schedule, float lambda);

/* Point @i of the @steps + 1 evenly spaced times from 1 down to 1/1000, and the time that the network is told there. */
float fw_dpm_time (int i, int steps);
float fw_dpm_model_time (float t);
