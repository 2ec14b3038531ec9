/* SPDX-License-Identifier: Apache-2.0
 * STDiT, the spatial-temporal diffusion transformer of Open-Sora 1.0 (opensora-1.0 sections 2 and 3). */
#pragma once
#include <json-glib/json-glib.h>

#include "engine/graph/graph.h"

typedef struct {
  int input_size[3];        /* latent frames, height, width */
  int in_channels;
  int hidden_size, depth, num_heads, mlp_ratio;
  int patch_size[3];
  int caption_channels, model_max_length;
  double space_scale, time_scale;
  gboolean without_time;       /* leaves out temporal attention: image stages of training, whose files have none */
} FwStditConfig;

/* The defaults of STDiT-XL/2 at 16x256x256. */
extern const FwStditConfig fw_stdit_default;

/* From JSON with members called as the struct's; input_size is not read. FW_ERROR_FORMAT, starting with @what, for a network
 * that cannot be. */
gboolean fw_stdit_config_read (FwStditConfig *config, JsonObject *json, const char *what, GError **error);

/* Records the forward pass in the graph's current scope, which carries the checkpoint's names.
 * x[B, C, T, H, W] latents; t[B] timesteps, maybe fractional; y[B, L, Cc] text states; mask[B, L] u8 (1 = real token) or
 * FW_NONE. Returns [B, 2C, T, H, W]: noise, then variance logits. */
FwVal fw_stdit (FwGraph *graph, const FwStditConfig *config, FwVal x, FwVal t, FwVal y, FwVal mask);
