/* SPDX-License-Identifier: Apache-2.0
 * The frozen networks of diffusion training: pictures become latents, captions become states. */
#pragma once
#include "engine/exec/exec.h"
#include "engine/model/sd-vae.h"
#include "engine/model/t5.h"
#include "engine/text/t5-tokenizer.h"

/* An encoder for pictures of one size and batch. */
typedef struct _FwFrozenVae FwFrozenVae;
/* @folder is diffusers' layout (config.json, diffusion_pytorch_model.safetensors); NULL makes a network of zero weights by @blank,
 * which is not used otherwise. @compute as in fw_graph_new(). It must be bound before it encodes. */
FwFrozenVae *fw_frozen_vae_new (const char *folder, const FwSdVaeConfig *blank, gint64 batch, gint64 size, FwDtype compute,
                                FwDevice *device, GError **error);
void fw_frozen_vae_free (FwFrozenVae *vae);
const FwSdVaeConfig *fw_frozen_vae_config (const FwFrozenVae *vae);
/* The working memory that an encoder needs while it encodes and until its result is used, and giving it that. */
gsize fw_frozen_vae_slab_bytes (const FwFrozenVae *vae);
gboolean fw_frozen_vae_bind (FwFrozenVae *vae, gpointer slab, GError **error);
/* @images[batch, size, size, 3] -> moments [batch, 2C, y, x], valid until the slab is used again; NULL with an error. */
const float *fw_frozen_vae_encode (FwFrozenVae *vae, const float *images, GCancellable *cancellable, GError **error);

/* A text encoder for one batch size. */
typedef struct _FwFrozenText FwFrozenText;
/* @folder is Hugging Face's layout (config.json, model.safetensors); NULL makes a network of zero weights by @blank. Runs in
 * fp32. */
FwFrozenText *fw_frozen_text_new (const char *folder, const FwT5Config *blank, gint64 batch, gint64 length, FwDevice *device,
                                  GError **error);
void fw_frozen_text_free (FwFrozenText *text);
const FwT5Config *fw_frozen_text_config (const FwFrozenText *text);
gsize fw_frozen_text_slab_bytes (const FwFrozenText *text);
gboolean fw_frozen_text_bind (FwFrozenText *text, gpointer slab, GError **error);
/* @ids, @mask [batch, length] -> states [batch, length, d_model], valid until the slab is used again; NULL with an error. */
const float *fw_frozen_text_encode (FwFrozenText *text, const gint32 *ids, const guint8 *mask, GCancellable *cancellable,
                                    GError **error);
