/* SPDX-License-Identifier: Apache-2.0
 * The arithmetic of IDDPM on arrays: noising, the posterior, what a network output says about the step before, and one step
 * of ancestral or DDIM sampling (opensora-1.0 7.1, 7.2). The sampler "iddpm" and the tests of the tables are made of these.
 *
 * Everywhere: @index counts the kept timesteps of @diffusion (0 .. steps-1); arrays are dense float32 of @count elements, all
 * of one sample; table entries are rounded to float32 before use and the arithmetic is float32, as in the original program.
 * An output may be the same array as an input. Any thread. */
#pragma once
#include "engine/sample/diffusion.h"

/* x_t = sqrt(abar) x_0 + sqrt(1 - abar) noise. */
void fw_iddpm_noise (const FwDiffusion *diffusion, int index, const float *x0, const float *noise, gsize count, float *xt);

/* The mean of q(x_{t-1} | x_t, x_0); its variance is in the tables. */
void fw_iddpm_posterior_mean (const FwDiffusion *diffusion, int index, const float *x0, const float *xt, gsize count,
                              float *mean);

/* What the network says of p(x_{t-1} | x_t): @epsilon is its predicted noise, @variance its variance logits, -1 .. 1 between the
 * clipped posterior log variance and log beta. Fills @x0, the clean latent (with @clip, limited to -1 .. 1), @mean and
 * @log_variance. */
void fw_iddpm_predict (const FwDiffusion *diffusion, int index, gboolean clip, const float *xt, const float *epsilon,
                       const float *variance, gsize count, float *x0, float *mean, float *log_variance);

/* x_{t-1} = mean + exp(log_variance / 2) noise; without the noise at index 0. */
void fw_iddpm_ancestral_step (int index, const float *mean, const float *log_variance, const float *noise, gsize count, float *x);

/* One DDIM step from @xt towards the clean latent @x0; @eta 0 is deterministic, 1 as noisy as ancestral sampling. */
void fw_iddpm_ddim_step (const FwDiffusion *diffusion, int index, double eta, const float *xt, const float *x0,
                         const float *noise, gsize count, float *x);
