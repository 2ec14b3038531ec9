/* SPDX-License-Identifier: Apache-2.0
 * The SD image autoencoder: residual blocks and one attention in the middle; channels last inside. */
#include "engine/model/sd-vae.h"

#include <math.h>

#include "engine/model/config.h"
#include "engine/model/layers.h"

#define EPSILON 1e-6

const FwSdVaeConfig fw_sd_vae_default = {
  .in_channels = 3, .latent_channels = 4, .layers_per_block = 2, .norm_groups = 32,
  .n_levels = 4, .channels = { 128, 256, 512, 512 }, .scaling_factor = 0.18215,
};

static const FwConfigField fields[] = {
  { "in_channels", FW_CONFIG_INT, offsetof (FwSdVaeConfig, in_channels), 1, 1, 16, FALSE },
  { "latent_channels", FW_CONFIG_INT, offsetof (FwSdVaeConfig, latent_channels), 1, 1, 256, FALSE },
  { "layers_per_block", FW_CONFIG_INT, offsetof (FwSdVaeConfig, layers_per_block), 1, 1, 16, FALSE },
  { "norm_num_groups", FW_CONFIG_INT, offsetof (FwSdVaeConfig, norm_groups), 1, 1, 1024, FALSE },
  { "scaling_factor", FW_CONFIG_DOUBLE, offsetof (FwSdVaeConfig, scaling_factor), 1, 1e-6, 1e6, FALSE },
  { NULL }
};

gboolean
fw_sd_vae_config_read (FwSdVaeConfig *config, JsonObject *json, const char *what, GError **error)
{
  *config = fw_sd_vae_default;
  JsonNode *node = json_object_get_member (json, "block_out_channels");
  guint levels = node != NULL && JSON_NODE_HOLDS_ARRAY (node) ? json_array_get_length (json_node_get_array (node)) : 0;
  if (levels < 1 || levels > FW_SD_VAE_MAX_LEVELS) {
    g_set_error (error, FW_ERROR, FW_ERROR_FORMAT, "%s: “block_out_channels” must list the widths of 1 to %d levels", what, FW_SD_VAE_MAX_LEVELS);
    return FALSE;
  }
  const FwConfigField channels[] = {
    { "block_out_channels", FW_CONFIG_INT, offsetof (FwSdVaeConfig, channels), levels, 1, 1 << 16, TRUE, .list = TRUE }, { NULL }
  };
  config->n_levels = (int) levels;
  return fw_config_read (json, channels, config, what, error) && fw_config_read (json, fields, config, what, error);
}

int
fw_sd_vae_factor (const FwSdVaeConfig *config)
{
  return 1 << (config->n_levels - 1);
}

static FwVal
conv3 (FwGraph *graph, const char *name, FwVal x, gint64 features)
{
  return fw_layer_conv2d (graph, name, x, features, 3, 1, 1, 1);
}

/* Two normalised convolutions and a shortcut, which is a 1x1 convolution where the width changes. */
static FwVal
resnet (FwGraph *graph, const FwSdVaeConfig *config, FwVal x, gint64 features)
{
  FwVal y = conv3 (graph, "conv1", fw_layer_group_norm_silu (graph, "norm1", x, config->norm_groups, EPSILON), features);
  y = conv3 (graph, "conv2", fw_layer_group_norm_silu (graph, "norm2", y, config->norm_groups, EPSILON), features);
  if (fw_dim (graph, x, -1) != features)
    x = fw_layer_conv2d (graph, "conv_shortcut", x, features, 1, 1, 0, 0);
  return fw_add (graph, x, y);
}

/* One head over all positions. */
static FwVal
attention (FwGraph *graph, const FwSdVaeConfig *config, FwVal x)
{
  const FwTensor shape = *fw_layout (graph, x);
  gint64 channels = shape.dim[4], positions = shape.dim[2] * shape.dim[3];
  FwVal w = fw_weight (graph, "group_norm.weight", 1, &channels), b = fw_weight (graph, "group_norm.bias", 1, &channels), part[3];
  FwVal n = fw_reshape_to (graph, fw_group_norm (graph, x, w, b, config->norm_groups, EPSILON), shape.dim[0], positions, channels);
  static const char *const names[] = { "to_q", "to_k", "to_v" };
  for (int i = 0; i < 3; i++)
    part[i] = fw_reshape_to (graph, fw_layer_linear (graph, names[i], n, channels, TRUE), shape.dim[0], positions, 1, channels);
  FwVal a = fw_attention (graph, part[0], part[1], part[2], FW_NONE, FW_NONE, 1 / sqrt ((double) channels), FALSE);
  a = fw_layer_linear (graph, "to_out.0", fw_reshape_to (graph, a, shape.dim[0], positions, channels), channels, TRUE);
  return fw_add (graph, x, fw_reshape (graph, a, 5, shape.dim));
}

static FwVal
resnets (FwGraph *graph, const FwSdVaeConfig *config, FwVal x, int count, gint64 features)
{
  for (int i = 0; i < count; i++) {
    fw_scope_push (graph, "resnets.%d", i);
    x = resnet (graph, config, x, features);
    fw_scope_pop (graph);
  }
  return x;
}

static FwVal
middle (FwGraph *graph, const FwSdVaeConfig *config, FwVal x)
{
  gint64 features = fw_dim (graph, x, -1);
  fw_scope_push (graph, "mid_block.resnets.0");
  x = resnet (graph, config, x, features);
  fw_scope_pop (graph);
  fw_scope_push (graph, "mid_block.attentions.0");
  x = attention (graph, config, x);
  fw_scope_pop (graph);
  fw_scope_push (graph, "mid_block.resnets.1");
  x = resnet (graph, config, x, features);
  fw_scope_pop (graph);
  return x;
}

/* [B, C, Y, X] -> [B, 1, Y, X, C] and back. */
static FwVal
channels_last (FwGraph *graph, FwVal x)
{
  const FwTensor s = *fw_layout (graph, x);
  FwVal y = fw_reshape_to (graph, fw_permute_to (graph, x, 0, 2, 3, 1), s.dim[0], 1, s.dim[2], s.dim[3], s.dim[1]);
  return fw_cast (graph, y, fw_graph_compute (graph));
}

static FwVal
channels_first (FwGraph *graph, FwVal x)
{
  const FwTensor s = *fw_layout (graph, x);
  FwVal y = fw_permute_to (graph, fw_reshape_to (graph, x, s.dim[0], s.dim[2], s.dim[3], s.dim[4]), 0, 3, 1, 2);
  return fw_cast (graph, y, fw_graph_accumulate (graph));
}

FwVal
fw_sd_vae_encode (FwGraph *graph, const FwSdVaeConfig *config, FwVal image)
{
  fw_scope_push (graph, "encoder");
  FwVal x = conv3 (graph, "conv_in", channels_last (graph, image), config->channels[0]);
  for (int level = 0; level < config->n_levels; level++) {
    fw_scope_push (graph, "down_blocks.%d", level);
    x = resnets (graph, config, x, config->layers_per_block, config->channels[level]);
    if (level + 1 < config->n_levels)
      x = fw_layer_conv2d (graph, "downsamplers.0.conv", x, config->channels[level], 3, 2, 0, 1);
    fw_scope_pop (graph);
  }
  x = middle (graph, config, x);
  x = conv3 (graph, "conv_out", fw_layer_group_norm_silu (graph, "conv_norm_out", x, config->norm_groups, EPSILON), 2 * config->latent_channels);
  fw_scope_pop (graph);
  FwVal moments = channels_first (graph, fw_layer_conv2d (graph, "quant_conv", x, 2 * config->latent_channels, 1, 1, 0, 0));
  FwVal mean = fw_slice (graph, moments, 1, 0, config->latent_channels);
  FwVal logvar = fw_clamp (graph, fw_slice (graph, moments, 1, config->latent_channels, config->latent_channels), -30, 20);
  return fw_concat (graph, 1, (FwVal[]) { fw_contiguous (graph, mean), logvar }, 2);
}

FwVal
fw_sd_vae_decode (FwGraph *graph, const FwSdVaeConfig *config, FwVal latent)
{
  FwVal x = fw_layer_conv2d (graph, "post_quant_conv", channels_last (graph, latent), config->latent_channels, 1, 1, 0, 0);
  fw_scope_push (graph, "decoder");
  x = middle (graph, config, conv3 (graph, "conv_in", x, config->channels[config->n_levels - 1]));
  for (int level = 0; level < config->n_levels; level++) {
    gint64 features = config->channels[config->n_levels - 1 - level];
    fw_scope_push (graph, "up_blocks.%d", level);
    x = resnets (graph, config, x, config->layers_per_block + 1, features);
    if (level + 1 < config->n_levels)
      x = conv3 (graph, "upsamplers.0.conv", fw_upsample (graph, x, 1, 2, 2), features);
    fw_scope_pop (graph);
  }
  x = conv3 (graph, "conv_out", fw_layer_group_norm_silu (graph, "conv_norm_out", x, config->norm_groups, EPSILON), config->in_channels);
  fw_scope_pop (graph);
  return channels_first (graph, x);
}
