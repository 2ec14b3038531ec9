/* SPDX-License-Identifier: Apache-2.0
 * The IDDPM training loss and its gradient in double. */
#include "engine/sample/iddpm-loss.h"

#include <math.h>

/* A term in nats and its derivative by the predicted log variance. */
typedef struct { double value, slope; } Term;

/* KL of one normal distribution from the predicted one. */
static Term
divergence (double mean, double log_variance, double predicted_mean, double predicted_log_variance)
{
  double shift = mean - predicted_mean;
  double spread = exp (log_variance - predicted_log_variance) + shift * shift * exp (-predicted_log_variance);
  return (Term) { 0.5 * (predicted_log_variance - log_variance - 1 + spread), 0.5 * (1 - spread) };
}

/* The approximate normal distribution function, its slope by z. */
static Term
distribution (double z)
{
  const double c = sqrt (2 / G_PI), cubic = 0.044715;
  double t = tanh (c * (z + cubic * z * z * z));
  return (Term) { 0.5 * (1 + t), 0.5 * (1 - t * t) * c * (1 + 3 * cubic * z * z) };
}

/* -log of the probability that a normal distribution gives the bin of 8-bit size around @x; the end bins are open. */
static Term
decoder_likelihood (double x, double mean, double log_variance)
{
  const double half_bin = 1.0 / 255, near_end = 0.999, least = 1e-12;
  double inverse_scale = exp (-0.5 * log_variance);
  double upper_z = inverse_scale * (x - mean + half_bin), lower_z = inverse_scale * (x - mean - half_bin);
  Term upper = distribution (upper_z), lower = distribution (lower_z);
  if (x < -near_end)
    lower = (Term) { 0, 0 };
  else if (x > near_end)
    upper = (Term) { 1, 0 };
  double probability = upper.value - lower.value;
  if (probability < least)
    return (Term) { -log (least), 0 };
  /* z is proportional to exp(-log_variance / 2). */
  return (Term) { -log (probability), 0.5 * (upper.slope * upper_z - lower.slope * lower_z) / probability };
}

FwIddpmLoss
fw_iddpm_loss (const FwDiffusion *diffusion, int index, const float *x0, const float *noise, const float *output,
               gsize count, double *gradient)
{
  FwIddpmLoss loss = { 0, 0 };
  double low = diffusion->posterior_log_variance_clipped[index], high = diffusion->log_beta[index];
  for (gsize i = 0; i < count; i++) {
    double xt = diffusion->sqrt_abar[index] * x0[i] + diffusion->sqrt_1m_abar[index] * noise[i];
    double miss = (double) output[i] - noise[i], fraction = ((double) output[count + i] + 1) / 2;
    double log_variance = fraction * high + (1 - fraction) * low;
    double predicted_x0 = diffusion->sqrt_recip_abar[index] * xt - diffusion->sqrt_recipm1_abar[index] * output[i];
    double of_x0 = diffusion->posterior_mean_x0[index], of_xt = diffusion->posterior_mean_xt[index];
    double predicted_mean = of_x0 * predicted_x0 + of_xt * xt;
    Term bound = index > 0 ? divergence (of_x0 * x0[i] + of_xt * xt, low, predicted_mean, log_variance)
                           : decoder_likelihood (x0[i], predicted_mean, log_variance);
    loss.mse += miss * miss / count;
    loss.vb += bound.value / (G_LN2 * count);
    if (gradient != NULL) {
      gradient[i] = 2 * miss / count;
      gradient[count + i] = bound.slope * 0.5 * (high - low) / (G_LN2 * count);
    }
  }
  return loss;
}

double
fw_iddpm_prior_bits (const FwDiffusion *diffusion, const float *x0, gsize count)
{
  int last = diffusion->steps - 1;
  double sum = 0;
  for (gsize i = 0; i < count; i++)
    sum += divergence (diffusion->sqrt_abar[last] * x0[i], diffusion->log_1m_abar[last], 0, 0).value;
  return sum / (G_LN2 * count);
}
