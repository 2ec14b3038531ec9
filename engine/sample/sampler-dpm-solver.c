/* SPDX-License-Identifier: Apache-2.0
 * The sampler "dpm-solver": DPM-Solver++ 2M, predicting the clean latent, at evenly spaced times (opensora-1.0 7.3).
 * Deterministic given its first latent. */
#include "engine/sample/dpm-solver.h"
#include "engine/sample/sampler-kind.h"

#include <math.h>

/* The last step falls back to first order when there are fewer steps than this. */
enum { FEW_STEPS = 10 };

static gboolean
open_dpm_solver (FwSampler *sampler, GError **error)
{
  if (!fw_sampler_check_steps (sampler, 2, error))
    return FALSE;
  sampler->own = g_new (FwDpmSchedule, 1);
  sampler->passes = sampler->settings.guidance == 1 ? 1 : 2;
  sampler->conditional_pass = sampler->passes - 1;
  sampler->evaluations = sampler->settings.steps;
  return fw_dpm_schedule_fill (sampler->own, "linear", error);
}

static float
time_dpm_solver (const FwSampler *sampler)
{
  return fw_dpm_model_time (fw_dpm_time (sampler->done, sampler->settings.steps));
}

/* The factors of one update: x <- of_x * x - of_x0 * x0 - of_slope * (x0 - the x0 before). */
typedef struct { float alpha, sigma, of_x, of_x0, of_slope; } Update;

static Update
plan_update (const FwSampler *sampler)
{
  const FwDpmSchedule *schedule = sampler->own;
  int k = sampler->done, steps = sampler->settings.steps;
  float here = fw_dpm_time (k, steps), next = fw_dpm_time (k + 1, steps);
  float lambda = fw_dpm_lambda (schedule, here), h = fw_dpm_lambda (schedule, next) - lambda;
  float sigma = fw_dpm_sigma (schedule, here);
  Update update = { .alpha = expf (fw_dpm_log_alpha (schedule, here)), .sigma = sigma };
  update.of_x = fw_dpm_sigma (schedule, next) / sigma;
  update.of_x0 = expf (fw_dpm_log_alpha (schedule, next)) * expm1f (-h);
  if (k > 0 && !(k == steps - 1 && steps < FEW_STEPS)) {
    float before = fw_dpm_lambda (schedule, fw_dpm_time (k - 1, steps));
    update.of_slope = 0.5f * update.of_x0 * (1 / ((lambda - before) / h));
  }
  return update;
}

static void
take_dpm_solver (FwSampler *sampler, const float *output)
{
  Update update = plan_update (sampler);
  float scale = (float) sampler->settings.guidance;
  for (int clip = 0; clip < sampler->settings.clips; clip++) {
    const float *conditional = fw_sampler_output (sampler, output, TRUE, clip);
    const float *unconditional = sampler->passes == 1 ? conditional : fw_sampler_output (sampler, output, FALSE, clip);
    float *x = sampler->x + clip * sampler->clip_size, *x0 = sampler->x0 + clip * sampler->clip_size;
    for (gsize i = 0; i < sampler->clip_size; i++) {
      float epsilon = unconditional[i] + scale * (conditional[i] - unconditional[i]);
      float clean = (x[i] - update.sigma * epsilon) / update.alpha;
      x[i] = update.of_x * x[i] - update.of_x0 * clean - update.of_slope * (clean - x0[i]);
      x0[i] = clean;
    }
  }
}

const FwSamplerKind fw_sampler_dpm_solver = { "dpm-solver", open_dpm_solver, time_dpm_solver, take_dpm_solver, g_free };
