/* SPDX-License-Identifier: Apache-2.0
 * The continuous noise schedule of DPM-Solver++. */
#include "engine/sample/dpm-solver.h"

#include <math.h>

gboolean
fw_dpm_schedule_fill (FwDpmSchedule *schedule, const char *betas_name, GError **error)
{
  double betas[FW_DIFFUSION_STEPS], log_abar = 0;
  if (!fw_diffusion_betas (betas_name, betas, error))
    return FALSE;
  for (int i = 0; i < FW_DIFFUSION_STEPS; i++) {
    log_abar += log (1 - betas[i]);
    schedule->log_alpha[i] = (float) (0.5 * log_abar);
    schedule->t[i] = (float) (i + 1) / FW_DIFFUSION_STEPS;
  }
  return TRUE;
}

/* The line through knots @i and @i + 1. */
static float
along (const float *from, const float *to, int i, float x)
{
  return to[i] + (x - from[i]) * (to[i + 1] - to[i]) / (from[i + 1] - from[i]);
}

/* The segment of @knots that holds @x, the end ones reaching outwards; knots rise where @rising, else they fall. */
static int
segment (const float *knots, gboolean rising, float x)
{
  int low = 0, high = FW_DIFFUSION_STEPS - 1;
  while (high - low > 1) {
    int middle = (low + high) / 2;
    if ((knots[middle] < x) == rising)
      low = middle;
    else
      high = middle;
  }
  return low;
}

float
fw_dpm_log_alpha (const FwDpmSchedule *schedule, float t)
{
  return along (schedule->t, schedule->log_alpha, segment (schedule->t, TRUE, t), t);
}

float
fw_dpm_sigma (const FwDpmSchedule *schedule, float t)
{
  return sqrtf (1 - expf (2 * fw_dpm_log_alpha (schedule, t)));
}

float
fw_dpm_lambda (const FwDpmSchedule *schedule, float t)
{
  float log_alpha = fw_dpm_log_alpha (schedule, t);
  return log_alpha - 0.5f * logf (1 - expf (2 * log_alpha));
}

float
fw_dpm_inverse_lambda (const FwDpmSchedule *schedule, float lambda)
{
  float log_alpha = lambda < 0 ? lambda - 0.5f * log1pf (expf (2 * lambda)) : -0.5f * log1pf (expf (-2 * lambda));
  return along (schedule->log_alpha, schedule->t, segment (schedule->log_alpha, FALSE, log_alpha), log_alpha);
}

/* Bit for bit what torch.linspace gives in float32 on processors with fused multiply-add: one step rounded to float, walked from
 * the nearer end, and each time rounded once. */
float
fw_dpm_time (int i, int steps)
{
  const float first = 1, last = 1.0f / FW_DIFFUSION_STEPS, step = (last - first) / (float) steps;
  return (float) (i < (steps + 1) / 2 ? first + (double) step * i : last - (double) step * (steps - i));
}

float
fw_dpm_model_time (float t)
{
  return (t - 1.0f / FW_DIFFUSION_STEPS) * FW_DIFFUSION_STEPS;
}
