/* SPDX-License-Identifier: Apache-2.0
 * The arithmetic of IDDPM steps in float32 with float64 tables. */
#include "engine/sample/iddpm.h"

#include <math.h>

void
fw_iddpm_noise (const FwDiffusion *diffusion, int index, const float *x0, const float *noise, gsize count, float *xt)
{
  float of_x0 = (float) diffusion->sqrt_abar[index], of_noise = (float) diffusion->sqrt_1m_abar[index];
  for (gsize i = 0; i < count; i++)
    xt[i] = of_x0 * x0[i] + of_noise * noise[i];
}

void
fw_iddpm_posterior_mean (const FwDiffusion *diffusion, int index, const float *x0, const float *xt, gsize count, float *mean)
{
  float of_x0 = (float) diffusion->posterior_mean_x0[index], of_xt = (float) diffusion->posterior_mean_xt[index];
  for (gsize i = 0; i < count; i++)
    mean[i] = of_x0 * x0[i] + of_xt * xt[i];
}

void
fw_iddpm_predict (const FwDiffusion *diffusion, int index, gboolean clip, const float *xt, const float *epsilon,
                  const float *variance, gsize count, float *x0, float *mean, float *log_variance)
{
  float of_xt = (float) diffusion->sqrt_recip_abar[index], of_epsilon = (float) diffusion->sqrt_recipm1_abar[index];
  float low = (float) diffusion->posterior_log_variance_clipped[index], high = (float) diffusion->log_beta[index];
  float mean_x0 = (float) diffusion->posterior_mean_x0[index], mean_xt = (float) diffusion->posterior_mean_xt[index];
  for (gsize i = 0; i < count; i++) {
    float x = xt[i], fraction = (variance[i] + 1) / 2, clean = of_xt * x - of_epsilon * epsilon[i];
    if (clip)
      clean = CLAMP (clean, -1.0f, 1.0f);
    log_variance[i] = fraction * high + (1 - fraction) * low;
    x0[i] = clean;
    mean[i] = mean_x0 * clean + mean_xt * x;
  }
}

void
fw_iddpm_ancestral_step (int index, const float *mean, const float *log_variance, const float *noise, gsize count, float *x)
{
  for (gsize i = 0; i < count; i++)
    x[i] = index > 0 ? mean[i] + expf (0.5f * log_variance[i]) * noise[i] : mean[i];
}

void
fw_iddpm_ddim_step (const FwDiffusion *diffusion, int index, double eta, const float *xt, const float *x0, const float *noise,
                    gsize count, float *x)
{
  float of_xt = (float) diffusion->sqrt_recip_abar[index], of_epsilon = (float) diffusion->sqrt_recipm1_abar[index];
  float abar = (float) diffusion->abar[index], previous = (float) diffusion->abar_previous[index];
  float sigma = (float) eta * sqrtf ((1 - previous) / (1 - abar)) * sqrtf (1 - abar / previous);
  float towards_x0 = sqrtf (previous), along_epsilon = sqrtf (1 - previous - sigma * sigma);
  float fresh = index > 0 ? sigma : 0;
  for (gsize i = 0; i < count; i++) {
    float epsilon = (of_xt * xt[i] - x0[i]) / of_epsilon;
    x[i] = x0[i] * towards_x0 + along_epsilon * epsilon + fresh * noise[i];
  }
}
