/* SPDX-License-Identifier: Apache-2.0
 * The table of networks that this build knows: what a model card may name, and how each is configured, recorded and found
 * in checkpoints. A new network is a new row. */
#pragma once
#include "engine/checkpoint/name-table.h"
#include "engine/model/sd-vae.h"
#include "engine/model/stdit.h"
#include "engine/model/t5.h"

typedef enum {
  FW_ROLE_DENOISER,        /* latents and captions to noise */
  FW_ROLE_TEXT,            /* token ids to states */
  FW_ROLE_IMAGE,           /* frames to latents and back */
  FW_N_ROLES
} FwNetworkRole;

typedef union {
  FwStditConfig stdit;
  FwT5Config t5;
  FwSdVaeConfig sd_vae;
} FwNetworkConfig;

/* What a job must know of a network, whatever its kind; members of other roles are 0. */
typedef struct {
  int patch[3];            /* denoiser: latent frames, rows and columns of a token */
  int width, depth;        /* denoiser: numbers of a token; blocks */
  int channels, out_channels; /* of the latent (denoiser, image), and of the denoiser's output */
  int caption_width, caption_length; /* of the states that the denoiser reads */
  int vocabulary, features; /* text: ids it has embeddings for; numbers of a state */
  int factor;              /* image: pixels to a latent position, both ways */
  double scale;            /* image: latents are divided by it before decoding */
} FwNetworkTraits;

typedef struct {
  const char *name;        /* as cards spell it */
  FwNetworkRole role;
  const FwNameTable *names;
  const char *null_caption; /* denoiser: the tensor [length, width] that stands for no caption */
  gboolean (*read) (FwNetworkConfig *config, JsonObject *json, const char *what, GError **error);
  FwNetworkTraits (*traits) (const FwNetworkConfig *config);
  /* One of these by role; shapes as in the network's own header. */
  FwVal (*denoise) (FwGraph *graph, const FwNetworkConfig *config, FwVal x, FwVal t, FwVal y, FwVal mask);
  FwVal (*encode_text) (FwGraph *graph, const FwNetworkConfig *config, FwVal ids, FwVal mask);
  FwVal (*encode_image) (FwGraph *graph, const FwNetworkConfig *config, FwVal image);
  FwVal (*decode_image) (FwGraph *graph, const FwNetworkConfig *config, FwVal latent);
} FwArchitecture;

/* The network of @role called @name, or NULL with FW_ERROR_UNSUPPORTED and the known names; @what begins the sentence. */
const FwArchitecture *fw_architecture_find (FwNetworkRole role, const char *name, const char *what, GError **error);
/* "transformer", "text", "vae": the role as cards spell it. */
const char *fw_network_role_name (FwNetworkRole role);
