/* SPDX-License-Identifier: Apache-2.0
 * The discrete diffusion process of IDDPM: noise schedules, the choice of kept timesteps, and the tables made from them, all
 * in float64 (opensora-1.0 7.1). Samplers and the training loss read these tables; they never change after they are made. */
#pragma once
#include "engine/memory/error.h"

enum { FW_DIFFUSION_STEPS = 1000 };

/* Fills @betas[FW_DIFFUSION_STEPS] with the schedule called @name: "linear" (1e-4 .. 0.02) or "squaredcos_cap_v2". */
gboolean fw_diffusion_betas (const char *name, double *betas, GError **error);

/* The kept timesteps, ascending, as a GArray of int. @respacing is "" or NULL (all), "N" (N evenly spread over 0..999),
 * "A,B,C" (as many from each of equal sections), or "ddimN" (a whole stride from 0). Refuses what does not divide. */
GArray *fw_diffusion_respace (const char *respacing, GError **error);

/* A process of @steps kept timesteps. Every table has @steps entries. Index i counts kept timesteps; timestep[i] is what the
 * network is told. The formulas use float32 values of these entries, as the original programs do when they gather them. */
typedef struct {
  int steps;
  int *timestep;
  double *beta;                           /* 1 - abar[i]/abar[i-1] */
  double *log_beta;                       /* the upper end of the learned range of the log variance */
  double *abar;                           /* cumulative product of 1 - beta */
  double *abar_previous;                  /* abar[i-1]; 1 for i = 0 */
  double *sqrt_abar, *sqrt_1m_abar, *log_1m_abar;
  double *sqrt_recip_abar;                /* sqrt (1/abar) */
  double *sqrt_recipm1_abar;              /* sqrt (1/abar - 1) */
  double *posterior_variance;             /* of q(x_{t-1} | x_t, x_0) */
  double *posterior_log_variance_clipped; /* the first entry is replaced by the second; the lower end of the learned range */
  double *posterior_mean_x0, *posterior_mean_xt; /* mean = posterior_mean_x0 * x_0 + posterior_mean_xt * x_t */
  double *storage;
} FwDiffusion;

/* Free with fw_diffusion_free(); NULL with an error for an unknown schedule or respacing. Any thread. */
FwDiffusion *fw_diffusion_new (const char *schedule, const char *respacing, GError **error);
void fw_diffusion_free (FwDiffusion *diffusion);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (FwDiffusion, fw_diffusion_free)
