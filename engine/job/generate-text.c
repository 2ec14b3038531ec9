/* SPDX-License-Identifier: Apache-2.0
 * Texts to the states that the denoiser reads: cleaned, cut into tokens, encoded in fp32. Each different text once. */
#include <string.h>

#include "engine/job/generate-private.h"
#include "engine/text/caption-clean.h"
#include "engine/text/t5-tokenizer.h"

void
fw_caption_free (gpointer data)
{
  FwCaption *caption = data;
  if (caption == NULL)
    return;
  g_free (caption->states);
  g_free (caption->mask);
  g_free (caption);
}

/* The tokenizer of the model's vocabulary, with as many extra ids as the network has embeddings for. */
static FwT5Tokenizer *
open_tokenizer (const FwGenerateJob *job, GError **error)
{
  const char *path = job->card->vocabulary;
  g_autoptr (FwT5Tokenizer) plain = fw_t5_tokenizer_open (path, 0, error);
  if (plain == NULL)
    return NULL;
  gsize pieces = fw_t5_tokenizer_size (plain), embeddings = (gsize) job->network[FW_ROLE_TEXT]->traits.vocabulary;
  if (pieces > embeddings) {
    g_set_error (error, FW_ERROR, FW_ERROR_CHECKPOINT,
                 "“%s” has %" G_GSIZE_FORMAT " pieces, but the text network knows %" G_GSIZE_FORMAT "; they do not belong together",
                 path, pieces, embeddings);
    return NULL;
  }
  gsize extra = MIN (embeddings - pieces, FW_T5_EXTRA_IDS);
  return extra == 0 ? g_steal_pointer (&plain) : fw_t5_tokenizer_open (path, extra, error);
}

/* The end of a text that was cut, as far as it helps to find the place. */
static void
tell_cut (const FwGenerateJob *job, const char *end)
{
  enum { SHOWN = 60 };
  gboolean all = g_utf8_strlen (end, -1) <= SHOWN;
  g_autofree char *start = g_utf8_substring (end, 0, all ? g_utf8_strlen (end, -1) : SHOWN);
  fw_job_message (job->events, "The text is too long for the model, which does not read its end: “%s%s”", start, all ? "" : "…");
}

guint
fw_generate_count_texts (const FwGenerateJob *job)
{
  g_autoptr (GHashTable) texts = g_hash_table_new (g_str_hash, g_str_equal);
  for (guint i = 0; i < job->clips->len; i++) {
    const FwGenerateClip *clip = g_ptr_array_index (job->clips, i);
    if (!clip->done)
      g_hash_table_add (texts, clip->recipe->prompt);
  }
  if (job->base->negative != NULL && job->base->negative[0] != '\0')
    g_hash_table_add (texts, job->base->negative);
  return g_hash_table_size (texts);
}

static FwT5Tokens *
tokenize (FwGenerateJob *job, FwT5Tokenizer *tokenizer, const char *text, GError **error)
{
  g_autofree char *clean = job->card->cleaning ? fw_caption_clean (text, error) : fw_caption_lower (text, error);
  if (clean == NULL)
    return NULL;
  FwT5Tokens *tokens = fw_t5_tokenizer_encode (tokenizer, clean, (gsize) job->caption_length, error);
  if (tokens != NULL && tokens->total > tokens->length)
    tell_cut (job, clean + tokens->kept_bytes);
  return tokens;
}

static FwCaption *
encode (FwGenerateJob *job, FwT5Tokenizer *tokenizer, const char *text, GError **error)
{
  g_autoptr (FwT5Tokens) tokens = tokenize (job, tokenizer, text, error);
  if (tokens == NULL)
    return NULL;
  fw_exec_bind (job->text.exec, "ids", tokens->ids);
  fw_exec_bind (job->text.exec, "mask", tokens->mask);
  const float *states = fw_stage_run (&job->text, job->cancellable, fw_generate_progress, job, error);
  if (states == NULL)
    return NULL;
  job->work_done += job->text.plan->flops;
  FwCaption *caption = g_new0 (FwCaption, 1);
  caption->states = g_memdup2 (states, tokens->length * job->network[FW_ROLE_TEXT]->traits.features * sizeof (float));
  caption->mask = g_memdup2 (tokens->mask, tokens->length);
  return caption;
}

static const FwCaption *
look_up (FwGenerateJob *job, FwT5Tokenizer *tokenizer, const char *text, GError **error)
{
  FwCaption *caption = g_hash_table_lookup (job->captions, text);
  if (caption == NULL && (caption = encode (job, tokenizer, text, error)) != NULL)
    g_hash_table_insert (job->captions, g_strdup (text), caption);
  return caption;
}

/* What stands for no text comes with the denoiser's weights; its first rows, if captions are shorter here. */
static gboolean
read_null_caption (FwGenerateJob *job, GError **error)
{
  const FwNetwork *network = job->network[FW_ROLE_DENOISER];
  const FwNetworkTraits *traits = &network->traits;
  const gint64 dim[] = { traits->caption_length, traits->caption_width };
  FwCheckpoint *checkpoint = fw_weights_checkpoint (network->weights);
  const char *name = network->architecture->null_caption;
  const FwCheckpointTensor *tensor = fw_names_find (checkpoint, network->architecture->names, name);
  if (tensor == NULL || !fw_names_fits (tensor, 2, dim)) {
    g_set_error (error, FW_ERROR, FW_ERROR_CHECKPOINT,
                 "“%s” has no null caption “%s” of %d tokens, which guidance needs; say what to avoid (--negative)",
                 network->path, name, traits->caption_length);
    return FALSE;
  }
  job->null_caption.states = g_new (float, dim[0] * dim[1]);
  return fw_checkpoint_read (checkpoint, tensor, FW_DTYPE_F32, job->null_caption.states, error);
}

gboolean
fw_generate_encode_texts (FwGenerateJob *job, GError **error)
{
  g_autoptr (FwT5Tokenizer) tokenizer = open_tokenizer (job, error);
  if (tokenizer == NULL)
    return FALSE;
  fw_generate_begin_phase (job);
  if (!fw_stage_bind (&job->text, job->device, job->slab, error))
    return FALSE;
  job->captions = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, fw_caption_free);
  for (guint i = 0; i < job->clips->len; i++) {
    FwGenerateClip *clip = g_ptr_array_index (job->clips, i);
    if (!clip->done && (clip->caption = look_up (job, tokenizer, clip->recipe->prompt, error)) == NULL)
      return FALSE;
  }
  const char *negative = job->base->negative;
  if (negative != NULL && negative[0] != '\0' && (job->negative = look_up (job, tokenizer, negative, error)) == NULL)
    return FALSE;
  if (job->negative == NULL && !read_null_caption (job, error))
    return FALSE;
  fw_stage_clear (&job->text);
  g_clear_pointer (&job->network[FW_ROLE_TEXT], fw_network_free);
  return fw_stage_bind (&job->sample, job->device, job->slab, error)
         && fw_stage_bind (&job->decode, job->device, job->slab, error);
}
