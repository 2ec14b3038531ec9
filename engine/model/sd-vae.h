/* SPDX-License-Identifier: Apache-2.0
 * The image autoencoder of Stable Diffusion (diffusers' AutoencoderKL; text-vae-formats, "SD VAE"), with diffusers' names. */
#pragma once
#include <json-glib/json-glib.h>

#include "engine/graph/graph.h"

enum { FW_SD_VAE_MAX_LEVELS = 8 };

typedef struct {
  int in_channels, latent_channels, layers_per_block, norm_groups;
  int n_levels, channels[FW_SD_VAE_MAX_LEVELS];
  double scaling_factor;   /* latents are multiplied by it after encoding and divided before decoding */
} FwSdVaeConfig;

/* stabilityai/sd-vae-ft-ema */
extern const FwSdVaeConfig fw_sd_vae_default;

/* From the object of a diffusers config.json; FW_ERROR_FORMAT, starting with @what, for one this network cannot be. */
gboolean fw_sd_vae_config_read (FwSdVaeConfig *config, JsonObject *json, const char *what, GError **error);
/* How much smaller the latent's sides are: 2^(levels - 1). */
int fw_sd_vae_factor (const FwSdVaeConfig *config);

/* image[B, 3, Y, X] in [-1, 1] -> moments[B, 2 * latent_channels, y, x]: mean, then the clamped log variance. */
FwVal fw_sd_vae_encode (FwGraph *graph, const FwSdVaeConfig *config, FwVal image);
/* latent[B, C, y, x], already divided by the scaling factor -> image[B, 3, Y, X]. */
FwVal fw_sd_vae_decode (FwGraph *graph, const FwSdVaeConfig *config, FwVal latent);
