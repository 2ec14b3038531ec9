/* SPDX-License-Identifier: Apache-2.0
 * The IDDPM loss: mean squared error of the noise plus the variational bound that trains the variance. */
#include "engine/train/diffusion-loss.h"

#include <math.h>

#include "engine/graph/ops.h"

/* All axes but the first. */
enum { PER_SAMPLE = 0x1e };

void
fw_diffusion_loss_row (const FwDiffusion *diffusion, int index, float *row)
{
  row[FW_LOSS_MSE_WEIGHT] = row[FW_LOSS_VB_WEIGHT] = 1;
  row[FW_LOSS_IS_FIRST] = index == 0;
  row[FW_LOSS_POSTERIOR_X0] = (float) diffusion->posterior_mean_x0[index];
  row[FW_LOSS_POSTERIOR_XT] = (float) diffusion->posterior_mean_xt[index];
  row[FW_LOSS_LOG_VARIANCE] = (float) diffusion->posterior_log_variance_clipped[index];
  row[FW_LOSS_LOG_BETA] = (float) diffusion->log_beta[index];
  row[FW_LOSS_RECIP] = (float) diffusion->sqrt_recip_abar[index];
  row[FW_LOSS_RECIPM1] = (float) diffusion->sqrt_recipm1_abar[index];
}

static FwVal
column (FwGraph *graph, FwVal rows, int i)
{
  return fw_reshape_to (graph, fw_slice (graph, rows, 1, i, 1), fw_dim (graph, rows, 0), 1, 1, 1, 1);
}

static FwVal
square (FwGraph *graph, FwVal x)
{
  return fw_unary (graph, FW_FN_SQUARE, x);
}

/* Mean over a sample: [B, C, T, H, W] -> [B]. */
static FwVal
mean (FwGraph *graph, FwVal x)
{
  return fw_reshape_to (graph, fw_reduce (graph, FW_REDUCE_MEAN, x, PER_SAMPLE), fw_dim (graph, x, 0));
}

/* The standard normal's distribution function as the original approximates it. */
static FwVal
cdf (FwGraph *graph, FwVal z)
{
  FwVal cubic = fw_add (graph, z, fw_affine (graph, fw_mul (graph, z, square (graph, z)), 0.044715, 0));
  return fw_affine (graph, fw_unary (graph, FW_FN_TANH, fw_affine (graph, cubic, sqrt (2 / G_PI), 0)), 0.5, 0.5);
}

static FwVal
safe_log (FwGraph *graph, FwVal x)
{
  return fw_unary (graph, FW_FN_LOG, fw_clamp (graph, x, 1e-12, INFINITY));
}

/* 1 where x0 > @edge (or < -edge with @sign -1), else 0: a step out of a steep clamped ramp. */
static FwVal
beyond (FwGraph *graph, FwVal x0, double sign, double edge)
{
  return fw_clamp (graph, fw_affine (graph, x0, sign * 1e30, -edge * 1e30), 0, 1);
}

/* -log likelihood of x0 in bins of 2/255 under a Gaussian of @mean and log variance @logvar, in bits. */
static FwVal
decoder_bits (FwGraph *graph, FwVal x0, FwVal mu, FwVal logvar)
{
  FwVal centred = fw_sub (graph, x0, mu), inverse = fw_unary (graph, FW_FN_EXP, fw_affine (graph, logvar, -0.5, 0));
  FwVal upper = cdf (graph, fw_mul (graph, inverse, fw_affine (graph, centred, 1, 1 / 255.0)));
  FwVal lower = cdf (graph, fw_mul (graph, inverse, fw_affine (graph, centred, 1, -1 / 255.0)));
  FwVal high = beyond (graph, x0, 1, 0.999), low = beyond (graph, x0, -1, 0.999);
  FwVal middle = fw_affine (graph, fw_add (graph, high, low), -1, 1);
  FwVal inside = fw_mul (graph, safe_log (graph, fw_sub (graph, upper, lower)), middle);
  FwVal at_low = fw_mul (graph, safe_log (graph, upper), low);
  FwVal at_high = fw_mul (graph, safe_log (graph, fw_affine (graph, lower, -1, 1)), high);
  return fw_affine (graph, mean (graph, fw_add (graph, inside, fw_add (graph, at_low, at_high))), -1 / G_LN2, 0);
}

FwDiffusionLoss
fw_diffusion_loss (FwGraph *graph, FwVal output, FwVal x0, FwVal noise, FwVal xt, FwVal rows)
{
  fw_scope_push (graph, "loss");
  gint64 channels = fw_dim (graph, x0, 1), batch = fw_dim (graph, x0, 0);
  FwVal predicted = fw_slice (graph, output, 1, 0, channels), logits = fw_slice (graph, output, 1, channels, channels);
  FwVal mse = mean (graph, square (graph, fw_sub (graph, noise, predicted)));

  /* the learned log variance lies between the posterior's and beta's (7.2) */
  FwVal low = column (graph, rows, FW_LOSS_LOG_VARIANCE), high = column (graph, rows, FW_LOSS_LOG_BETA);
  FwVal fraction = fw_affine (graph, logits, 0.5, 0.5);
  FwVal logvar = fw_add (graph, fw_mul (graph, fraction, high), fw_mul (graph, fw_affine (graph, fraction, -1, 1), low));

  FwVal clean = fw_sub (graph, fw_mul (graph, xt, column (graph, rows, FW_LOSS_RECIP)),
                        fw_mul (graph, fw_detach (graph, predicted), column (graph, rows, FW_LOSS_RECIPM1)));
  FwVal by_x0 = column (graph, rows, FW_LOSS_POSTERIOR_X0),
        carried = fw_mul (graph, xt, column (graph, rows, FW_LOSS_POSTERIOR_XT));
  FwVal mu = fw_add (graph, fw_mul (graph, clean, by_x0), carried), mu_true = fw_add (graph, fw_mul (graph, x0, by_x0), carried);

  FwVal gap = fw_sub (graph, logvar, low);
  FwVal spread = fw_unary (graph, FW_FN_EXP, fw_unary (graph, FW_FN_NEG, gap));
  FwVal distance = fw_mul (graph, square (graph, fw_sub (graph, mu_true, mu)),
                           fw_unary (graph, FW_FN_EXP, fw_unary (graph, FW_FN_NEG, logvar)));
  FwVal kl = mean (graph, fw_add (graph, gap, fw_add (graph, spread, distance)));
  kl = fw_affine (graph, kl, 0.5 / G_LN2, -0.5 / G_LN2);

  FwVal first = fw_reshape_to (graph, column (graph, rows, FW_LOSS_IS_FIRST), batch);
  FwVal vb = fw_add (graph, fw_mul (graph, first, decoder_bits (graph, x0, mu, logvar)),
                     fw_mul (graph, fw_affine (graph, first, -1, 1), kl));

  FwVal weighted = fw_add (graph, fw_mul (graph, mse, fw_reshape_to (graph, column (graph, rows, FW_LOSS_MSE_WEIGHT), batch)),
                           fw_mul (graph, vb, fw_reshape_to (graph, column (graph, rows, FW_LOSS_VB_WEIGHT), batch)));
  FwDiffusionLoss loss = { fw_reduce (graph, FW_REDUCE_MEAN, weighted, 1), mse, vb };
  fw_scope_pop (graph);
  return loss;
}
