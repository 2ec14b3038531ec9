/* SPDX-License-Identifier: Apache-2.0
 * The training loss of IDDPM for one sample, in double with its gradient written out by hand (opensora-1.0 7.5): the
 * definition that the differentiable graph of training is held to. */
#pragma once
#include "engine/sample/diffusion.h"

typedef struct {
  double mse;  /* mean squared error of the predicted noise */
  double vb;   /* variational bound in bits per element: a KL divergence, or at index 0 the decoder's likelihood */
} FwIddpmLoss;

/* @x0 and @noise have @count elements; @output has 2 * @count: the predicted noise, then the variance logits. The noisy latent is
 * sqrt(abar) x0 + sqrt(1 - abar) noise. The bound does not see the predicted noise as a variable, so its gradient reaches
 * only the logits. @gradient[2 * count] receives the derivative of mse + vb by @output, or is NULL. Any thread. */
FwIddpmLoss fw_iddpm_loss (const FwDiffusion *diffusion, int index, const float *x0, const float *noise, const float *output,
                           gsize count, double *gradient);

/* How far the fully noised @x0 is from pure noise: KL in bits per element. */
double fw_iddpm_prior_bits (const FwDiffusion *diffusion, const float *x0, gsize count);
