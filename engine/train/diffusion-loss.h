/* SPDX-License-Identifier: Apache-2.0
 * The training loss of IDDPM as a differentiable graph (opensora-1.0 7.5); engine/sample/iddpm-loss.h is its definition. */
#pragma once
#include "engine/graph/graph.h"
#include "engine/sample/diffusion.h"

/* Columns of the per-sample coefficients [B, FW_LOSS_COLUMNS] that the graph reads. */
enum {
  FW_LOSS_MSE_WEIGHT, FW_LOSS_VB_WEIGHT,          /* set by the caller */
  FW_LOSS_IS_FIRST,                               /* 1 where the timestep is 0 */
  FW_LOSS_POSTERIOR_X0, FW_LOSS_POSTERIOR_XT, FW_LOSS_LOG_VARIANCE, FW_LOSS_LOG_BETA,
  FW_LOSS_RECIP, FW_LOSS_RECIPM1,
  FW_LOSS_COLUMNS
};

/* Fills one row for timestep index @index with weights 1. */
void fw_diffusion_loss_row (const FwDiffusion *diffusion, int index, float *row);

typedef struct {
  FwVal total;       /* scalar: mean over samples of the weighted sums */
  FwVal mse, vb;     /* [B], unweighted; vb in bits */
} FwDiffusionLoss;

/* output[B, 2C, T, H, W] of the model, x0 and noise [B, C, T, H, W], xt the noisy latent, rows[B, FW_LOSS_COLUMNS]. The
 * bound's gradient reaches only the variance logits. */
FwDiffusionLoss fw_diffusion_loss (FwGraph *graph, FwVal output, FwVal x0, FwVal noise, FwVal xt, FwVal rows);
