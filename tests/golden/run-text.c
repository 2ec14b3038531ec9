/* SPDX-License-Identifier: Apache-2.0
 * Golden runners of engine/text: caption cleaning and SentencePiece tokenisation, compared exactly. */
#include <string.h>

#include "engine/memory/error.h"
#include "engine/memory/file.h"
#include "engine/text/caption-clean.h"
#include "engine/text/t5-tokenizer.h"
#include "tests/golden/runners.h"

#define CASES_LIMIT (64 << 20)

typedef char *(*Clean) (const char *caption, GError **error);

/* Compares what @clean makes of @raw with a member of the item, where it has that member. */
static gboolean
check_clean (GoldenCase *golden, JsonObject *item, const char *raw, const char *member, Clean clean, GError **error)
{
  if (!json_object_has_member (item, member))
    return TRUE;
  g_autofree char *got = clean (raw, error);
  if (got == NULL)
    return FALSE;
  const char *want = json_object_get_string_member (item, member);
  golden_check (golden, strcmp (got, want) == 0, "%s of “%s”: “%s”, expected “%s”", member, raw, got, want);
  return TRUE;
}

static gboolean
run_text_clean (GoldenCase *golden, GError **error)
{
  JsonArray *items = json_object_get_array_member (golden->json, "items");
  for (guint i = 0; i < json_array_get_length (items); i++) {
    JsonObject *item = json_array_get_object_element (items, i);
    const char *raw = json_object_get_string_member (item, "raw");
    if (!check_clean (golden, item, raw, "once", fw_caption_clean_once, error)
        || !check_clean (golden, item, raw, "twice", fw_caption_clean, error))
      return FALSE;
  }
  return TRUE;
}

static gboolean
run_text_preprocessing (GoldenCase *golden, GError **error)
{
  JsonArray *pairs = json_object_get_array_member (golden->json, "pairs");
  for (guint i = 0; i < json_array_get_length (pairs); i++) {
    JsonObject *pair = json_array_get_object_element (pairs, i);
    if (!check_clean (golden, pair, json_object_get_string_member (pair, "text"), "cleaned", fw_caption_clean, error))
      return FALSE;
  }
  return TRUE;
}

/* JSON-GLib's strings end at a NUL; the texts that hold one carry this private character through it instead. */
#define NUL_ESCAPE "\\uf8fe"
#define NUL_STAND_IN "\357\243\276"

static GString *
restore_nuls (const char *text)
{
  g_auto (GStrv) parts = g_strsplit (text, NUL_STAND_IN, -1);
  GString *restored = g_string_new (parts[0]);
  for (gsize i = 1; parts[0] != NULL && parts[i] != NULL; i++) {
    g_string_append_c (restored, '\0');
    g_string_append (restored, parts[i]);
  }
  return restored;
}

typedef gboolean (*RunLine) (GoldenCase *golden, JsonObject *line, gpointer data, GError **error);

/* Calls @run for each line of cases.jsonl. */
static gboolean
for_each_line (GoldenCase *golden, RunLine run, gpointer data, GError **error)
{
  g_autofree char *path = golden_path (golden, "cases.jsonl"), *text = fw_file_read (path, CASES_LIMIT, NULL, error);
  if (text == NULL)
    return FALSE;
  g_autoptr (GString) escaped = g_string_new (g_strchomp (text));
  g_string_replace (escaped, "\\u0000", NUL_ESCAPE, 0);
  g_auto (GStrv) lines = g_strsplit (escaped->str, "\n", -1);
  for (char **line = lines; *line != NULL; line++) {
    g_autoptr (JsonNode) node = json_from_string (*line, error);
    if (node == NULL || !run (golden, json_node_get_object (node), data, error))
      return FALSE;
  }
  return TRUE;
}

static gboolean
run_caption_line (GoldenCase *golden, JsonObject *line, gpointer data, GError **error)
{
  const char *raw = json_object_get_string_member (line, "text");
  return check_clean (golden, line, raw, "cleaned_once", fw_caption_clean_once, error)
         && check_clean (golden, line, raw, "cleaned", fw_caption_clean, error)
         && check_clean (golden, line, raw, "lower_strip", fw_caption_lower, error);
}

static gboolean
run_t5_caption (GoldenCase *golden, GError **error)
{
  return for_each_line (golden, run_caption_line, NULL, error);
}

static gboolean
equal_ids (JsonObject *object, const char *member, const gint32 *ids, gsize count)
{
  if (!json_object_has_member (object, member))
    return FALSE;
  JsonArray *want = json_object_get_array_member (object, member);
  gboolean equal = json_array_get_length (want) == count;
  for (gsize i = 0; equal && i < count; i++)
    equal = json_array_get_int_element (want, i) == ids[i];
  return equal;
}

typedef struct {
  FwSentencePiece *model;
  FwT5Tokenizer *tokenizer;
  GPtrArray *texts;  /* of the lines so far, for the truncation samples */
} Pieces;

/* Text that spells special tokens gets other T5 ids than plain ones; a line may record them. */
static gboolean
spells_special_token (const char *text)
{
  return strstr (text, "</s>") != NULL || strstr (text, "<pad>") != NULL || strstr (text, "<unk>") != NULL
         || strstr (text, "<extra_id_") != NULL;
}

static gboolean
check_t5 (GoldenCase *golden, Pieces *pieces, JsonObject *line, const char *text, const gint32 *ids, gsize count, GError **error)
{
  gboolean special = spells_special_token (text);
  if (special && !json_object_has_member (line, "ids_hf_fast_with_eos"))
    return TRUE;
  g_autoptr (FwT5Tokens) tokens = fw_t5_tokenizer_encode (pieces->tokenizer, text, 8192, error);
  if (tokens == NULL)
    return FALSE;
  gboolean equal = special ? equal_ids (line, "ids_hf_fast_with_eos", tokens->ids, tokens->kept)
                   : tokens->kept == count + 1 && tokens->ids[count] == fw_sentencepiece_eos (pieces->model)
                     && memcmp (tokens->ids, ids, count * sizeof (gint32)) == 0;
  golden_check (golden, equal, "T5 ids of “%s”", text);
  return TRUE;
}

/* Of two segmentations with equal scores either is right. */
static gboolean
run_pieces_line (GoldenCase *golden, JsonObject *line, gpointer data, GError **error)
{
  Pieces *pieces = data;
  g_autoptr (GString) text = restore_nuls (json_object_get_string_member (line, "text"));
  gsize count;
  g_autofree gint32 *ids = fw_sentencepiece_encode (pieces->model, text->str, text->len, &count, NULL, error);
  if (ids == NULL)
    return FALSE;
  g_ptr_array_add (pieces->texts, g_strdup (text->str));
  golden_check (golden, equal_ids (line, "ids", ids, count) || equal_ids (line, "ids_tie_alternative", ids, count),
                "ids of “%s”", text->str);
  return strlen (text->str) < text->len || check_t5 (golden, pieces, line, text->str, ids, count, error);
}

static gboolean
check_truncation (GoldenCase *golden, Pieces *pieces, GError **error)
{
  if (!json_object_has_member (golden->json, "truncation_samples"))
    return TRUE;
  JsonArray *samples = json_object_get_array_member (golden->json, "truncation_samples");
  for (guint i = 0; i < json_array_get_length (samples); i++) {
    JsonObject *sample = json_array_get_object_element (samples, i);
    gint64 line = json_object_get_int_member (sample, "i"), length = json_object_get_int_member (sample, "max_length");
    if (!golden_check (golden, line >= 0 && line < pieces->texts->len, "sample of line %" G_GINT64_FORMAT, line))
      continue;
    g_autoptr (FwT5Tokens) tokens = fw_t5_tokenizer_encode (pieces->tokenizer, pieces->texts->pdata[line], length, error);
    if (tokens == NULL)
      return FALSE;
    g_autofree gint32 *mask = g_new (gint32, tokens->length);
    for (gsize k = 0; k < tokens->length; k++)
      mask[k] = tokens->mask[k];
    golden_check (golden, equal_ids (sample, "ids", tokens->ids, tokens->length), "padded ids of line %" G_GINT64_FORMAT, line);
    golden_check (golden, equal_ids (sample, "mask", mask, tokens->length), "mask of line %" G_GINT64_FORMAT, line);
  }
  return TRUE;
}

/* The one model file of the folder, whatever its name. */
static char *
find_model (GoldenCase *golden, GError **error)
{
  g_autoptr (GDir) folder = g_dir_open (golden->folder, 0, error);
  const char *name = NULL;
  while (folder != NULL && (name = g_dir_read_name (folder)) != NULL)
    if (g_str_has_suffix (name, ".model"))
      return golden_path (golden, name);
  if (folder != NULL)
    g_set_error (error, FW_ERROR, FW_ERROR_FAILED, "no .model file in “%s”", golden->folder);
  return NULL;
}

static gboolean
run_spiece (GoldenCase *golden, GError **error)
{
  g_autofree char *path = find_model (golden, error);
  g_autoptr (FwSentencePiece) model = path != NULL ? fw_sentencepiece_load (path, error) : NULL;
  g_autoptr (FwT5Tokenizer) tokenizer = model != NULL ? fw_t5_tokenizer_open (path, FW_T5_EXTRA_IDS, error) : NULL;
  if (tokenizer == NULL)
    return FALSE;
  g_autoptr (GPtrArray) texts = g_ptr_array_new_with_free_func (g_free);
  Pieces pieces = { model, tokenizer, texts };
  return for_each_line (golden, run_pieces_line, &pieces, error) && check_truncation (golden, &pieces, error);
}

const GoldenRunner golden_text_runners[] = {
  { "opensora/text_clean", run_text_clean },
  { "plan/text_preprocessing", run_text_preprocessing },
  { "textclean/t5_caption", run_t5_caption },
  { "tokenizers/spiece", run_spiece },
  { NULL, NULL }
};
