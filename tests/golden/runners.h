/* SPDX-License-Identifier: Apache-2.0
 * The families of golden runners, each a table ended by a NULL name in its own run-*.c. */
#pragma once
#include "tests/golden/golden.h"

extern const GoldenRunner golden_checkpoint_runners[];  /* run-checkpoint.c: safetensors, pth */
extern const GoldenRunner golden_encoder_runners[];     /* run-encoders.c: T5, SD VAE */
extern const GoldenRunner golden_full_width_runners[]; /* run-full-width.c: networks at their released width */
extern const GoldenRunner golden_position_runners[];    /* run-position.c: patches, positions, timesteps, buckets */
extern const GoldenRunner golden_sample_runners[];      /* run-sample.c: noise, diffusion tables and losses */
extern const GoldenRunner golden_sampling_runners[];    /* run-sampling.c: whole sampling runs */
extern const GoldenRunner golden_stdit_runners[];       /* run-stdit.c: forward passes of STDiT */
extern const GoldenRunner golden_train_stdit_runners[]; /* run-train-stdit.c: losses, gradients, optimiser steps */
extern const GoldenRunner golden_text_runners[];        /* run-text.c: caption cleaning, SentencePiece */
extern const GoldenRunner golden_train_runners[];       /* run-train.c: learning rates, moving average, AdamW */

static const GoldenRunner *const golden_families[] = {
  golden_checkpoint_runners,
  golden_encoder_runners,
  golden_full_width_runners,
  golden_position_runners,
  golden_sample_runners,
  golden_sampling_runners,
  golden_stdit_runners,
  golden_text_runners,
  golden_train_runners,
  golden_train_stdit_runners,
  NULL
};
