/* SPDX-License-Identifier: Apache-2.0
 * Initial weights of an STDiT: the original's rule (opensora-1.0 3), or one that learns faster from nothing. */
#pragma once
#include "engine/model/stdit.h"
#include "engine/train/parameters.h"

/* Draws every parameter into @flat. @fast: embedders by Xavier (t_block times 0.3) and a last layer that undoes the patch
 * embedding, so that the untrained network already returns about its input. @temporal: gain of attn_temp.proj, 0 as in the
 * original. */
void fw_diffusion_init (const FwParameters *parameters, const FwStditConfig *config, gboolean fast, double temporal, guint64 seed,
                        float *flat);
