/* SPDX-License-Identifier: Apache-2.0
 * Kinds of checkpoints by telling tensor names, most particular first. */
#include "engine/checkpoint/identify.h"

#include <string.h>

typedef struct {
  const char *kind;
  const char *markers[2];   /* names that only this kind has, behind any prefix such as "module." */
  const char *part;         /* the beginning of names of the part that may be missing, or NULL */
  const char *part_name;
  const char *groups[2];    /* what stands before the numbers of parts that are all alike, as "blocks." in "blocks.7.attn.weight" */
  const char *varying;      /* in names of tensors that not all of those parts have, or NULL */
} Kind;

static const Kind kinds[] = {
  { "STDiT video transformer (Open-Sora 1.0)", { "blocks.0.attn_temp.qkv.weight", "y_embedder.y_proj.fc1.weight" },
    "final_layer.", "the final layer", { "blocks." } },
  { "PixArt transformer", { "blocks.0.cross_attn.q_linear.weight", "y_embedder.y_proj.fc1.weight" }, "final_layer.", "the final layer",
    { "blocks." } },
  { "DiT or Latte transformer", { "blocks.0.adaLN_modulation.1.weight", "x_embedder.proj.weight" }, "final_layer.", "the final layer",
    { "blocks." } },
  { "Latte T2V or PixArt transformer (diffusers naming)", { "transformer_blocks.0.attn1.to_q.weight", "adaln_single.linear.weight" },
    "proj_out.", "the output projection", { "transformer_blocks.", "temporal_transformer_blocks." } },
  { "T5 v1.1 text encoder", { "encoder.block.0.layer.0.SelfAttention.q.weight", "encoder.block.0.layer.1.DenseReluDense.wi_0.weight" },
    "shared.", "the token embedding", { "encoder.block." }, "relative_attention_bias" },
  { "T5 text encoder (first version)",
    { "encoder.block.0.layer.0.SelfAttention.q.weight", "encoder.block.0.layer.1.DenseReluDense.wi.weight" }, "shared.",
    "the token embedding", { "encoder.block." }, "relative_attention_bias" },
  { "CLIP text encoder", { "text_model.embeddings.token_embedding.weight", "text_model.final_layer_norm.weight" }, NULL, NULL,
    { "text_model.encoder.layers." } },
  { "causal video VAE (Open-Sora-Plan)", { "decoder.conv_in.conv.weight", "decoder.conv_out.conv.weight" }, "encoder.", "the encoder" },
  { "causal video VAE (Open-Sora-Plan)", { "encoder.conv_in.conv.weight", "encoder.conv_out.conv.weight" }, "decoder.", "the decoder" },
  { "video VAE with a temporal decoder (Stable Video Diffusion)", { "decoder.conv_in.weight", "decoder.time_conv_out.weight" },
    "encoder.", "the encoder" },
  { "image VAE (Stable Diffusion)", { "decoder.conv_in.weight", "decoder.conv_out.weight" }, "encoder.", "the encoder",
    { "resnets.", "block." }, "shortcut" },
  { "image VAE (Stable Diffusion)", { "encoder.conv_in.weight", "encoder.conv_out.weight" }, "decoder.", "the decoder",
    { "resnets.", "block." }, "shortcut" },
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

/* The kind of @checkpoint, with the length of what stands before its tensors' names, or NULL. */
static const Kind *
find_kind (const FwCheckpoint *checkpoint, gsize *prefix)
{
  for (gsize i = 0; i < G_N_ELEMENTS (kinds); i++) {
    gssize length = find_prefix (checkpoint, kinds[i].markers[0]);
    if (length < 0 || find_prefix (checkpoint, kinds[i].markers[1]) < 0)
      continue;
    *prefix = (gsize) length;
    return &kinds[i];
  }
  return NULL;
}

FwCheckpointSummary
fw_checkpoint_summarize (const FwCheckpoint *checkpoint)
{
  FwCheckpointSummary summary = { NULL };
  gsize prefix = 0;
  const Kind *kind = find_kind (checkpoint, &prefix);
  if (kind != NULL) {
    summary.kind = kind->kind;
    if (kind->part != NULL && !has_part (checkpoint, prefix, kind->part))
      summary.lacking = kind->part_name;
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

/* A group of parts that are alike: "up_blocks.1.resnets.0.conv1.weight" has the head "up_blocks.1.resnets.", the number 0 and the
 * ending "conv1.weight". */
typedef struct {
  GPtrArray *heads, *endings; /* each once, in the file's order */
  GHashTable *known_parts, *known_endings;
  GHashTable *parts;          /* head -> how many numbers stand behind it */
} Group;

static void
group_clear (Group *group)
{
  g_ptr_array_unref (group->heads);
  g_ptr_array_unref (group->endings);
  g_hash_table_unref (group->known_parts);
  g_hash_table_unref (group->known_endings);
  g_hash_table_unref (group->parts);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Group, group_clear)

/* The number in @name behind @group, where that begins a part of the name, else NULL. */
static const char *
find_number (const char *name, const char *group, gsize *digits)
{
  for (const char *at = strstr (name, group); at != NULL; at = strstr (at + 1, group)) {
    const char *number = at + strlen (group);
    *digits = strspn (number, "0123456789");
    if ((at == name || at[-1] == '.' || at[-1] == '/') && *digits > 0 && number[*digits] == '.')
      return number;
  }
  return NULL;
}

static void
group_add (Group *group, const char *name, const char *number, gsize digits, const char *varying)
{
  g_autofree char *head = g_strndup (name, (gsize) (number - name));
  const char *ending = number + digits + 1;
  if (g_hash_table_add (group->known_parts, g_strndup (name, (gsize) (number - name) + digits))) {
    guint parts = GPOINTER_TO_UINT (g_hash_table_lookup (group->parts, head));
    if (parts == 0)
      g_ptr_array_add (group->heads, g_strdup (head));
    g_hash_table_insert (group->parts, g_steal_pointer (&head), GUINT_TO_POINTER (parts + 1));
  }
  if ((varying == NULL || strstr (ending, varying) == NULL) && g_hash_table_add (group->known_endings, g_strdup (ending)))
    g_ptr_array_add (group->endings, g_strdup (ending));
}

/* Looks for every ending behind the numbers 0, 1, ... of every head, as many as there are. */
static char *
group_first_missing (const Group *group, const FwCheckpoint *checkpoint)
{
  for (guint h = 0; h < group->heads->len; h++) {
    const char *head = group->heads->pdata[h];
    guint parts = GPOINTER_TO_UINT (g_hash_table_lookup (group->parts, head));
    for (guint part = 0; part < parts; part++)
      for (guint e = 0; e < group->endings->len; e++) {
        g_autofree char *name = g_strdup_printf ("%s%u.%s", head, part, (const char *) group->endings->pdata[e]);
        if (fw_checkpoint_find (checkpoint, name) == NULL)
          return g_steal_pointer (&name);
      }
  }
  return NULL;
}

char *
fw_checkpoint_first_missing (const FwCheckpoint *checkpoint)
{
  gsize prefix, digits;
  char *missing = NULL;
  const Kind *kind = find_kind (checkpoint, &prefix);
  for (gsize g = 0; kind != NULL && missing == NULL && g < G_N_ELEMENTS (kind->groups) && kind->groups[g] != NULL; g++) {
    g_auto (Group) group = { g_ptr_array_new_with_free_func (g_free), g_ptr_array_new_with_free_func (g_free),
                             g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL),
                             g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL),
                             g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL) };
    for (guint i = 0; i < fw_checkpoint_count (checkpoint); i++) {
      const char *name = fw_checkpoint_tensor (checkpoint, i)->name, *number = find_number (name, kind->groups[g], &digits);
      if (number != NULL)
        group_add (&group, name, number, digits, kind->varying);
    }
    missing = group_first_missing (&group, checkpoint);
  }
  return missing;
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
