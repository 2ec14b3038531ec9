/* SPDX-License-Identifier: Apache-2.0
 * The rows of the table of networks. */
#include "engine/model/architecture.h"

static gboolean
read_stdit (FwNetworkConfig *config, JsonObject *json, const char *what, GError **error)
{
  return fw_stdit_config_read (&config->stdit, json, what, error);
}

static FwNetworkTraits
stdit_traits (const FwNetworkConfig *config)
{
  const FwStditConfig *c = &config->stdit;
  return (FwNetworkTraits) {
    .patch = { c->patch_size[0], c->patch_size[1], c->patch_size[2] }, .width = c->hidden_size, .depth = c->depth,
    .channels = c->in_channels, .out_channels = 2 * c->in_channels,
    .caption_width = c->caption_channels, .caption_length = c->model_max_length,
  };
}

static FwVal
record_stdit (FwGraph *graph, const FwNetworkConfig *config, FwVal x, FwVal t, FwVal y, FwVal mask)
{
  return fw_stdit (graph, &config->stdit, x, t, y, mask);
}

static gboolean
read_t5 (FwNetworkConfig *config, JsonObject *json, const char *what, GError **error)
{
  return fw_t5_config_read (&config->t5, json, what, error);
}

static FwNetworkTraits
t5_traits (const FwNetworkConfig *config)
{
  return (FwNetworkTraits) { .vocabulary = config->t5.vocab_size, .features = config->t5.d_model };
}

static FwVal
record_t5 (FwGraph *graph, const FwNetworkConfig *config, FwVal ids, FwVal mask)
{
  return fw_t5_encoder (graph, &config->t5, ids, mask);
}

static gboolean
read_sd_vae (FwNetworkConfig *config, JsonObject *json, const char *what, GError **error)
{
  if (!fw_sd_vae_config_read (&config->sd_vae, json, what, error))
    return FALSE;
  if (config->sd_vae.in_channels == 3)
    return TRUE;
  g_set_error (error, FW_ERROR, FW_ERROR_FORMAT, "%s: frames have 3 channels, not %d", what, config->sd_vae.in_channels);
  return FALSE;
}

static FwNetworkTraits
sd_vae_traits (const FwNetworkConfig *config)
{
  const FwSdVaeConfig *c = &config->sd_vae;
  return (FwNetworkTraits) { .channels = c->latent_channels, .factor = fw_sd_vae_factor (c), .scale = c->scaling_factor };
}

static FwVal
record_sd_vae_encode (FwGraph *graph, const FwNetworkConfig *config, FwVal image)
{
  return fw_sd_vae_encode (graph, &config->sd_vae, image);
}

static FwVal
record_sd_vae_decode (FwGraph *graph, const FwNetworkConfig *config, FwVal latent)
{
  return fw_sd_vae_decode (graph, &config->sd_vae, latent);
}

static const FwArchitecture architectures[] = {
  { .name = "STDiT", .role = FW_ROLE_DENOISER, .names = &fw_names_stdit, .null_caption = "y_embedder.y_embedding",
    .read = read_stdit, .traits = stdit_traits, .denoise = record_stdit },
  { .name = "T5", .role = FW_ROLE_TEXT, .names = &fw_names_t5, .read = read_t5, .traits = t5_traits, .encode_text = record_t5 },
  { .name = "AutoencoderKL", .role = FW_ROLE_IMAGE, .names = &fw_names_sd_vae, .read = read_sd_vae, .traits = sd_vae_traits,
    .encode_image = record_sd_vae_encode, .decode_image = record_sd_vae_decode },
};

const FwArchitecture *
fw_architecture_find (FwNetworkRole role, const char *name, const char *what, GError **error)
{
  g_autoptr (GString) known = g_string_new (NULL);
  for (gsize i = 0; i < G_N_ELEMENTS (architectures); i++) {
    if (architectures[i].role != role)
      continue;
    if (g_strcmp0 (architectures[i].name, name) == 0)
      return &architectures[i];
    g_string_append_printf (known, "%s%s", known->len > 0 ? ", " : "", architectures[i].name);
  }
  g_set_error (error, FW_ERROR, FW_ERROR_UNSUPPORTED, "%s: this version knows no %s “%.64s”; it knows %s", what,
               fw_network_role_name (role), name, known->str);
  return NULL;
}

const char *
fw_network_role_name (FwNetworkRole role)
{
  static const char *const names[FW_N_ROLES] = { "transformer", "text", "vae" };
  return names[role];
}
