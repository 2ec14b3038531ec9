/* SPDX-License-Identifier: Apache-2.0
 * T5's tokenizer: text is split at spelled special tokens, each stretch between goes through SentencePiece on its own. */
#include "engine/text/t5-tokenizer.h"

#include <string.h>

#include "engine/memory/error.h"

#define EXTRA_IDS_LIMIT 10000
#define LENGTH_LIMIT 65536

struct _FwT5Tokenizer {
  FwSentencePiece *model;
  gint32 pad, eos, unk;
  gsize pieces, extra_ids;
};

/* Where the whole text's tokens are gathered; those behind @room are only counted. */
typedef struct {
  FwT5Tokens *tokens;
  gsize room;
} Gathering;

static FwT5Tokenizer *
adopt_model (FwSentencePiece *model, const char *name, gsize extra_ids, GError **error)
{
  if (model == NULL)
    return NULL;
  FwT5Tokenizer *tokenizer = g_new0 (FwT5Tokenizer, 1);
  tokenizer->model = model;
  tokenizer->pad = fw_sentencepiece_pad (model);
  tokenizer->eos = fw_sentencepiece_eos (model);
  tokenizer->unk = fw_sentencepiece_unk (model);
  tokenizer->pieces = fw_sentencepiece_size (model);
  tokenizer->extra_ids = extra_ids;
  if (tokenizer->pad >= 0 && tokenizer->eos >= 0 && tokenizer->unk >= 0 && extra_ids <= EXTRA_IDS_LIMIT)
    return tokenizer;
  g_set_error (error, FW_ERROR, FW_ERROR_FORMAT, "“%s” is a SentencePiece model without T5's padding, end and unknown pieces", name);
  fw_t5_tokenizer_free (tokenizer);
  return NULL;
}

FwT5Tokenizer *
fw_t5_tokenizer_open (const char *path, gsize extra_ids, GError **error)
{
  return adopt_model (fw_sentencepiece_load (path, error), path, extra_ids, error);
}

FwT5Tokenizer *
fw_t5_tokenizer_open_bytes (gconstpointer data, gsize size, const char *name, gsize extra_ids, GError **error)
{
  return adopt_model (fw_sentencepiece_load_bytes (data, size, name, error), name, extra_ids, error);
}

void
fw_t5_tokenizer_free (FwT5Tokenizer *tokenizer)
{
  if (tokenizer == NULL)
    return;
  fw_sentencepiece_free (tokenizer->model);
  g_free (tokenizer);
}

gsize
fw_t5_tokenizer_size (FwT5Tokenizer *tokenizer)
{
  return tokenizer->pieces + tokenizer->extra_ids;
}

static void
gather (Gathering *gathering, gint32 id, gsize end)
{
  FwT5Tokens *tokens = gathering->tokens;
  tokens->total++;
  if (tokens->kept >= gathering->room)
    return;
  tokens->ids[tokens->kept++] = id;
  tokens->kept_bytes = end;
}

/* The special token spelled at @text, which begins with '<'; its bytes, or 0 where there is none. */
static gsize
match_special (FwT5Tokenizer *tokenizer, const char *text, gint32 *id)
{
  static const char extra[] = "<extra_id_";
  const struct { const char *spelling; gint32 id; } fixed[] = {
    { "</s>", tokenizer->eos }, { "<pad>", tokenizer->pad }, { "<unk>", tokenizer->unk }
  };
  for (gsize i = 0; i < G_N_ELEMENTS (fixed); i++) {
    if (g_str_has_prefix (text, fixed[i].spelling)) {
      *id = fixed[i].id;
      return strlen (fixed[i].spelling);
    }
  }
  if (!g_str_has_prefix (text, extra))
    return 0;
  const char *digits = text + strlen (extra), *at = digits;
  gsize number = 0;
  while (g_ascii_isdigit (*at) && at - digits < 6)
    number = 10 * number + (*at++ - '0');
  if (at == digits || *at != '>' || (*digits == '0' && at - digits > 1) || number >= tokenizer->extra_ids)
    return 0;
  *id = (gint32) (tokenizer->pieces + tokenizer->extra_ids - 1 - number);
  return at + 1 - text;
}

static gboolean
gather_stretch (FwT5Tokenizer *tokenizer, Gathering *gathering, const char *text, gsize from, gsize to, GError **error)
{
  gsize count;
  g_autofree guint32 *ends = NULL;
  if (from == to)
    return TRUE;
  g_autofree gint32 *ids = fw_sentencepiece_encode (tokenizer->model, text + from, to - from, &count, &ends, error);
  if (ids == NULL)
    return FALSE;
  for (gsize i = 0; i < count; i++)
    gather (gathering, ids[i], from + ends[i]);
  return TRUE;
}

static gboolean
gather_text (FwT5Tokenizer *tokenizer, Gathering *gathering, const char *text, GError **error)
{
  gsize from = 0, at = 0;
  while (text[at] != '\0') {
    gint32 id;
    gsize special = text[at] == '<' ? match_special (tokenizer, text + at, &id) : 0;
    if (special == 0) {
      at++;
      continue;
    }
    if (!gather_stretch (tokenizer, gathering, text, from, at, error))
      return FALSE;
    at += special;
    from = at;
    gather (gathering, id, at);
  }
  return gather_stretch (tokenizer, gathering, text, from, at, error);
}

FwT5Tokens *
fw_t5_tokenizer_encode (FwT5Tokenizer *tokenizer, const char *text, gsize max_length, GError **error)
{
  gsize bytes = strlen (text);
  if (max_length == 0 || max_length > LENGTH_LIMIT) {
    g_set_error (error, FW_ERROR, FW_ERROR_INVALID, "A text cannot be kept to %" G_GSIZE_FORMAT " tokens; choose 1 to %d",
                 max_length, LENGTH_LIMIT);
    return NULL;
  }
  if (bytes > FW_T5_TEXT_LIMIT) {
    g_set_error (error, FW_ERROR, FW_ERROR_INVALID, "The text has %" G_GSIZE_FORMAT " bytes; shorten it to at most %d",
                 bytes, FW_T5_TEXT_LIMIT);
    return NULL;
  }
  g_autoptr (FwT5Tokens) tokens = g_new0 (FwT5Tokens, 1);
  tokens->length = max_length;
  tokens->ids = g_new (gint32, max_length);
  tokens->mask = g_new0 (guint8, max_length);
  Gathering gathering = { tokens, max_length - 1 };
  if (!gather_text (tokenizer, &gathering, text, error))
    return NULL;
  if (tokens->total <= gathering.room)
    tokens->kept_bytes = bytes;
  gathering.room = max_length;
  gather (&gathering, tokenizer->eos, tokens->kept_bytes);
  for (gsize i = 0; i < max_length; i++) {
    tokens->mask[i] = i < tokens->kept;
    if (i >= tokens->kept)
      tokens->ids[i] = tokenizer->pad;
  }
  return g_steal_pointer (&tokens);
}

void
fw_t5_tokens_free (FwT5Tokens *tokens)
{
  if (tokens == NULL)
    return;
  g_free (tokens->ids);
  g_free (tokens->mask);
  g_free (tokens);
}
