/* SPDX-License-Identifier: Apache-2.0
 * Initial weights of an STDiT: the original's rule (opensora-1.0 3), or one that learns faster from nothing. */
#pragma once
#include "engine/model/stdit.h"
#include "engine/train/parameters.h"

/* How a network begins. */
typedef struct {
  gboolean fast;         /* embedders by Xavier (t_block times 0.3) and a last layer that undoes the patch embedding, so that the
                            untrained network already returns about its input */
  double temporal;       /* gain of attn_temp.proj; 0 as in the original */
  double temporal_qkv;   /* gain of attn_temp.qkv; 1 as in the original. The branch's input has no norm, and after training on
                            pictures the scores between frames saturate at 1: each frame hears one other and none learns */
  double frame_code;     /* strength of fw_frame_code(); 0 = none, as in the original */
} FwDiffusionStart;

/* Draws every parameter into @flat. */
void fw_diffusion_init (const FwParameters *parameters, const FwStditConfig *config, const FwDiffusionStart *start, guint64 seed,
                        float *flat);
