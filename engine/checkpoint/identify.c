/* SPDX-License-Identifier: Apache-2.0
 * Kinds of checkpoints by telling tensor names, most particular first. */
#include "engine/checkpoint/identify.h"

#include <string.h>

typedef struct {
  const char *kind;
  const char *markers[2];   /* names that only this kind has, behind any prefix such as "module." */
  const char *part;         /* the beginning of names of the part that may be missing, or NULL */
  const char *part_name;
} Kind;

static const Kind kinds[] = {
  { "STDiT video transformer (Open-Sora 1.0)", { "blocks.0.attn_temp.qkv.weight", "y_embedder.y_proj.fc1.weight" },
    "final_layer.", "the final layer" },
  { "PixArt transformer", { "blocks.0.cross_attn.q_linear.weight", "y_embedder.y_proj.fc1.weight" }, "final_layer.", "the final layer" },
  { "DiT or Latte transformer", { "blocks.0.adaLN_modulation.1.weight", "x_embedder.proj.weight" }, "final_layer.", "the final layer" },
  { "Latte T2V or PixArt transformer (diffusers naming)", { "transformer_blocks.0.attn1.to_q.weight", "adaln_single.linear.weight" },
    "proj_out.", "the output projection" },
  { "T5 v1.1 text encoder", { "encoder.block.0.layer.0.SelfAttention.q.weight", "encoder.block.0.layer.1.DenseReluDense.wi_0.weight" },
    "shared.", "the token embedding" },
  { "T5 text encoder (first version)",
    { "encoder.block.0.layer.0.SelfAttention.q.weight", "encoder.block.0.layer.1.DenseReluDense.wi.weight" }, "shared.", "the token embedding" },
  { "CLIP text encoder", { "text_model.embeddings.token_embedding.weight", "text_model.final_layer_norm.weight" }, NULL, NULL },
  { "causal video VAE (Open-Sora-Plan)", { "decoder.conv_in.conv.weight", "decoder.conv_out.conv.weight" }, "encoder.", "the encoder" },
  { "causal video VAE (Open-Sora-Plan)", { "encoder.conv_in.conv.weight", "encoder.conv_out.conv.weight" }, "decoder.", "the decoder" },
  { "video VAE with a temporal decoder (Stable Video Diffusion)", { "decoder.conv_in.weight", "decoder.time_conv_out.weight" }, "encoder.", "the encoder" },
  { "image VAE (Stable Diffusion)", { "decoder.conv_in.weight", "decoder.conv_out.weight" }, "encoder.", "the encoder" },
  { "image VAE (Stable Diffusion)", { "encoder.conv_in.weight", "encoder.conv_out.weight" }, "decoder.", "the decoder" },
};

/* Where @marker begins in @name if it is its end behind nothing or a dot or slash, else NULL. */
static const char *
find_end (const char *name, const char *marker)
{
  gsize length = strlen (name), tail = strlen (marker);
  if (length < tail || strcmp (name + length - tail, marker) != 0)
    return NULL;
  const char *at = name + length - tail;
  return at == name || at[-1] == '.' || at[-1] == '/' ? at : NULL;
}

/* The length of what stands before @marker in the first name that ends so; -1 if none does. */
static gssize
find_prefix (const FwCheckpoint *checkpoint, const char *marker)
{
  for (guint i = 0; i < fw_checkpoint_count (checkpoint); i++) {
    const char *name = fw_checkpoint_tensor (checkpoint, i)->name;
    const char *at = find_end (name, marker);
    if (at != NULL)
      return at - name;
  }
  return -1;
}

static gboolean
has_part (const FwCheckpoint *checkpoint, gsize prefix, const char *part)
{
  for (guint i = 0; i < fw_checkpoint_count (checkpoint); i++) {
    const char *name = fw_checkpoint_tensor (checkpoint, i)->name;
    if (strlen (name) > prefix && g_str_has_prefix (name + prefix, part))
      return TRUE;
  }
  return FALSE;
}

FwCheckpointSummary
fw_checkpoint_summarize (const FwCheckpoint *checkpoint)
{
  FwCheckpointSummary summary = { NULL };
  for (gsize i = 0; i < G_N_ELEMENTS (kinds) && summary.kind == NULL; i++) {
    gssize prefix = find_prefix (checkpoint, kinds[i].markers[0]);
    if (prefix < 0 || find_prefix (checkpoint, kinds[i].markers[1]) < 0)
      continue;
    summary.kind = kinds[i].kind;
    if (kinds[i].part != NULL && !has_part (checkpoint, (gsize) prefix, kinds[i].part))
      summary.lacking = kinds[i].part_name;
  }
  for (guint i = 0; i < fw_checkpoint_count (checkpoint); i++) {
    const FwCheckpointTensor *tensor = fw_checkpoint_tensor (checkpoint, i);
    gint64 count = 1;
    for (int axis = 0; axis < tensor->rank; axis++)
      count *= tensor->dim[axis];
    summary.elements += count;
    summary.bytes += count * (gint64) fw_dtype_size (tensor->dtype);
  }
  return summary;
}

char *
fw_checkpoint_tensor_shape (const FwCheckpointTensor *tensor)
{
  if (tensor->rank == 0)
    return g_strdup ("scalar");
  GString *text = g_string_new (NULL);
  for (int axis = 0; axis < tensor->rank; axis++)
    g_string_append_printf (text, "%s%" G_GINT64_FORMAT, axis > 0 ? "x" : "", tensor->dim[axis]);
  return g_string_free (text, FALSE);
}

const char *
fw_checkpoint_tensor_type (const FwCheckpointTensor *tensor)
{
  return fw_dtype_name (tensor->dtype);
}
