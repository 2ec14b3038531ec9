/* SPDX-License-Identifier: Apache-2.0
 * Batches of diffusion training: latents of the frozen VAE with noise, and states of the frozen text encoder. */
#pragma once
#include "engine/sample/diffusion.h"
#include "engine/train/frozen.h"
#include "engine/train/stage.h"
#include "engine/train/timesteps.h"

/* What the stage's recipe says of its batches. */
typedef struct {
  double caption_dropout;    /* probability that a caption is replaced by the null caption */
  double weight_cap;         /* of the weight of the noise's error, min(1/abar, cap) over its mean */
  double variance;           /* weight of the variational bound */
  const FwTimesteps *timesteps;
  FwSdVaeConfig vae;         /* as far as the recipe tells */
  FwT5Config text;
  gint64 length;             /* of captions */
  const FwTrainStage *vae_stage; /* cached latents depend on it */
} FwDiffusionOptions;

/* What a trainer's loss reads: external values x0, noise and xt [B, C, T, y, x], t [B], y [B, L, D], mask [B, L], and rows
 * [B, FW_LOSS_COLUMNS], in the order of the stage's rows of data. */
typedef struct _FwDiffusionBatches FwDiffusionBatches;

/* Plans the encoders and makes the buffers. @vae and @text are the folders of the frozen networks and @vocabulary a file; all NULL
 * makes blank networks, for which every caption is the same. @options and @stage are borrowed. */
FwDiffusionBatches *fw_diffusion_batches_new (FwTrainContext *context, const FwTrainStage *stage,
                                              const FwDiffusionOptions *options,
                                              const char *vae, const char *text, const char *vocabulary, GError **error);
void fw_diffusion_batches_free (FwDiffusionBatches *batches);
/* The encoders' working memory, to be given before anything is encoded; it is free again when a batch is made. */
gsize fw_diffusion_batches_slab_bytes (const FwDiffusionBatches *batches);
gboolean fw_diffusion_batches_bind (FwDiffusionBatches *batches, gpointer slab, GError **error);
/* Encodes what rows want to have cached, where that is not done yet, reporting work as a share of the forecast. */
gboolean fw_diffusion_batches_fill_caches (FwDiffusionBatches *batches, GError **error);
/* Seconds that this will take, by timing a batch of each. */
gboolean fw_diffusion_batches_rehearse_caches (FwDiffusionBatches *batches, double *seconds, GError **error);
/* [length, d_model], filled by the caller before the first batch. */
float *fw_diffusion_batches_null_caption (FwDiffusionBatches *batches);
/* Makes the batch of the step @at and binds it in @exec. */
gboolean fw_diffusion_batches_make (FwDiffusionBatches *batches, const FwTrainStep *at, FwExec *exec, GError **error);
