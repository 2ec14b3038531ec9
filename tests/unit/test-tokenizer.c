/* SPDX-License-Identifier: Apache-2.0
 * SentencePiece and T5 tokenisation: recorded ids, special tokens, truncation, training, damaged model files. */
#include <json-glib/json-glib.h>
#include <string.h>

#include "engine/memory/error.h"
#include "engine/memory/file.h"
#include "engine/text/t5-tokenizer.h"

static char *
data_path (const char *name)
{
  return g_build_filename (g_getenv ("FRAMEWRIGHT_TEST_DATA"), "data", "text", name, NULL);
}

static FwT5Tokenizer *
open_tokenizer (void)
{
  g_autoptr (GError) error = NULL;
  g_autofree char *path = data_path ("spiece.model");
  FwT5Tokenizer *tokenizer = fw_t5_tokenizer_open (path, FW_T5_EXTRA_IDS, &error);
  g_assert_no_error (error);
  return tokenizer;
}

static gboolean
equal_ids (JsonObject *row, const char *member, const gint32 *ids, gsize count)
{
  if (!json_object_has_member (row, member))
    return FALSE;
  JsonArray *want = json_object_get_array_member (row, member);
  gboolean equal = json_array_get_length (want) == count;
  for (gsize i = 0; equal && i < count; i++)
    equal = json_array_get_int_element (want, i) == ids[i];
  return equal;
}

static void
test_recorded_ids (void)
{
  g_autoptr (GError) error = NULL;
  g_autofree char *model_path = data_path ("spiece.model"), *cases_path = data_path ("spiece-cases.jsonl");
  g_autoptr (FwSentencePiece) model = fw_sentencepiece_load (model_path, &error);
  g_assert_no_error (error);
  g_autoptr (FwT5Tokenizer) tokenizer = open_tokenizer ();
  g_autofree char *cases = fw_file_read (cases_path, 1 << 20, NULL, &error);
  g_assert_no_error (error);
  g_auto (GStrv) lines = g_strsplit (g_strchomp (cases), "\n", -1);
  g_assert_cmpint (g_strv_length (lines), ==, 45);
  for (char **line = lines; *line != NULL; line++) {
    g_autoptr (JsonNode) node = json_from_string (*line, &error);
    g_assert_no_error (error);
    JsonObject *row = json_node_get_object (node);
    const char *text = json_object_get_string_member (row, "text");
    gsize count;
    g_autofree gint32 *ids = fw_sentencepiece_encode (model, text, -1, &count, NULL, &error);
    g_assert_no_error (error);
    if (!equal_ids (row, "ids", ids, count) && !equal_ids (row, "ids_tie_alternative", ids, count))
      g_error ("wrong ids for “%s”", text);

    g_autoptr (FwT5Tokens) tokens = fw_t5_tokenizer_encode (tokenizer, text, 1024, &error);
    g_assert_no_error (error);
    g_assert_cmpint (tokens->ids[tokens->kept - 1], ==, 1);
    gboolean plain = equal_ids (row, "ids", tokens->ids, tokens->kept - 1);
    if (strstr (text, "</s>") != NULL ? !equal_ids (row, "ids_hf_fast_with_eos", tokens->ids, tokens->kept)
                                      : !plain && !equal_ids (row, "ids_tie_alternative", tokens->ids, tokens->kept - 1))
      g_error ("wrong T5 ids for “%s”", text);
  }
}

static void
test_padding_and_truncation (void)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (FwT5Tokenizer) tokenizer = open_tokenizer ();
  const char *text = "a drone glides over a lagoon at sunrise";
  g_assert_cmpuint (fw_t5_tokenizer_size (tokenizer), ==, 916);

  g_autoptr (FwT5Tokens) whole = fw_t5_tokenizer_encode (tokenizer, text, 64, &error);
  g_assert_no_error (error);
  g_assert_cmpuint (whole->total, ==, whole->kept);
  g_assert_cmpuint (whole->kept_bytes, ==, strlen (text));
  for (gsize i = 0; i < 64; i++) {
    g_assert_cmpint (whole->mask[i], ==, i < whole->kept);
    if (i >= whole->kept)
      g_assert_cmpint (whole->ids[i], ==, 0);
  }

  g_autoptr (FwT5Tokens) cut = fw_t5_tokenizer_encode (tokenizer, text, 5, &error);
  g_assert_no_error (error);
  g_assert_cmpuint (cut->kept, ==, 5);
  g_assert_cmpuint (cut->total, ==, whole->total);
  g_assert_cmpmem (cut->ids, 4 * sizeof (gint32), whole->ids, 4 * sizeof (gint32));
  g_assert_cmpint (cut->ids[4], ==, 1);
  g_autofree char *head = g_strndup (text, cut->kept_bytes);
  g_autoptr (FwT5Tokens) again = fw_t5_tokenizer_encode (tokenizer, head, 64, &error);
  g_assert_cmpuint (cut->kept_bytes, <, strlen (text));
  g_assert_cmpuint (again->total, ==, 5);

  g_autoptr (FwT5Tokens) empty = fw_t5_tokenizer_encode (tokenizer, "", 3, &error);
  g_assert_cmpint (empty->ids[0], ==, 1);
  g_assert_cmpuint (empty->total, ==, 1);
  g_autoptr (FwT5Tokens) least = fw_t5_tokenizer_encode (tokenizer, text, 1, &error);
  g_assert_cmpint (least->ids[0], ==, 1);
  g_assert_cmpuint (least->kept_bytes, ==, 0);

  g_assert_null (fw_t5_tokenizer_encode (tokenizer, text, 0, &error));
  g_assert_error (error, FW_ERROR, FW_ERROR_INVALID);
  g_clear_error (&error);
  g_autofree char *huge = g_strnfill (FW_T5_TEXT_LIMIT + 1, 'a');
  g_assert_null (fw_t5_tokenizer_encode (tokenizer, huge, 8, &error));
  g_assert_error (error, FW_ERROR, FW_ERROR_INVALID);
}

static void
test_special_tokens (void)
{
  static const struct { const char *text; gint32 first; } rows[] = {
    { "<extra_id_0>", 915 }, { "<extra_id_99>", 816 }, { "</s>", 1 }, { "<pad>", 0 }, { "<unk>", 2 }
  };
  static const char *const not_special[] = { "<extra_id_100>", "<extra_id_00>", "<extra_id_>", "<extra_id_5", "<PAD>", "<" };
  g_autoptr (GError) error = NULL;
  g_autoptr (FwT5Tokenizer) tokenizer = open_tokenizer ();
  for (gsize i = 0; i < G_N_ELEMENTS (rows); i++) {
    g_autoptr (FwT5Tokens) tokens = fw_t5_tokenizer_encode (tokenizer, rows[i].text, 8, &error);
    g_assert_no_error (error);
    g_assert_cmpuint (tokens->total, ==, 2);
    g_assert_cmpint (tokens->ids[0], ==, rows[i].first);
  }
  for (gsize i = 0; i < G_N_ELEMENTS (not_special); i++) {
    g_autoptr (FwT5Tokens) tokens = fw_t5_tokenizer_encode (tokenizer, not_special[i], 32, &error);
    g_assert_no_error (error);
    for (gsize k = 0; k + 1 < tokens->kept; k++)
      g_assert_true (tokens->ids[k] > 1 && tokens->ids[k] < 816);
  }
}

static void
test_training (void)
{
  static const char *const sentences[] = {
    "a small red circle moving left on a black background", "a big red square moving right on a navy background",
    "a big white triangle growing on a grey background", "a small blue circle shrinking on a brown background"
  };
  const FwSentencePieceTraining word = { FW_SENTENCEPIECE_WORD, 64, FALSE };
  const FwSentencePieceTraining impossible = { FW_SENTENCEPIECE_UNIGRAM, 5000, TRUE };
  g_autoptr (GError) error = NULL;
  g_autoptr (GBytes) first = fw_sentencepiece_train (sentences, G_N_ELEMENTS (sentences), &word, &error);
  g_assert_no_error (error);
  g_autoptr (GBytes) second = fw_sentencepiece_train (sentences, G_N_ELEMENTS (sentences), &word, &error);
  g_assert_true (g_bytes_equal (first, second));

  gsize size;
  gconstpointer data = g_bytes_get_data (first, &size);
  g_autoptr (FwT5Tokenizer) tokenizer = fw_t5_tokenizer_open_bytes (data, size, "trained", 0, &error);
  g_assert_no_error (error);
  g_assert_cmpuint (fw_t5_tokenizer_size (tokenizer), ==, 3 + 20);
  g_autoptr (FwT5Tokens) tokens = fw_t5_tokenizer_encode (tokenizer, "a big red zebra", 8, &error);
  g_assert_no_error (error);
  g_assert_cmpuint (tokens->total, ==, 5);
  g_assert_cmpint (tokens->ids[0], >, 2);
  g_assert_cmpint (tokens->ids[3], ==, 2);
  g_autoptr (FwT5Tokens) sentinel = fw_t5_tokenizer_encode (tokenizer, "<extra_id_0>", 8, &error);
  g_assert_cmpint (sentinel->ids[0], ==, 2);

  g_assert_null (fw_sentencepiece_train (sentences, G_N_ELEMENTS (sentences), &impossible, &error));
  g_assert_error (error, FW_ERROR, FW_ERROR_INVALID);
  g_clear_error (&error);
  g_assert_null (fw_sentencepiece_train (sentences, 0, &word, &error));
  g_assert_error (error, FW_ERROR, FW_ERROR_INVALID);
}

/* Every damaged copy must be refused with a sentence or still work; a crash or a silent failure ends the test. */
static void
test_damaged_models (void)
{
  g_autoptr (GError) error = NULL;
  g_autofree char *path = data_path ("spiece.model");
  gsize size;
  g_autofree char *model = fw_file_read (path, 1 << 20, &size, &error);
  g_assert_no_error (error);
  g_autoptr (GRand) random = g_rand_new_with_seed (7);
  int refused = 0, loaded = 0;
  for (int round = 0; round < 300; round++) {
    g_autofree char *copy = g_memdup2 (model, size);
    gsize length = round % 10 == 0 ? (gsize) g_rand_int_range (random, 0, size) : size;
    gboolean in_trie = round % 2 == 0;
    for (int edit = g_rand_int_range (random, 1, 4); edit > 0; edit--)
      copy[g_rand_int_range (random, in_trie ? 13000 : 0, in_trie ? size : 13000)] = g_rand_int_range (random, 0, 256);
    g_autoptr (GError) fault = NULL;
    g_autoptr (FwT5Tokenizer) tokenizer = fw_t5_tokenizer_open_bytes (copy, length, "damaged", 0, &fault);
    if (tokenizer == NULL) {
      g_assert_error (fault, FW_ERROR, FW_ERROR_FORMAT);
      refused++;
      continue;
    }
    loaded++;
    g_autoptr (FwT5Tokens) tokens = fw_t5_tokenizer_encode (tokenizer, "ﬁne ½ ㈱ é Ａ \xff big red circle", 16, &fault);
    g_assert_true (tokens != NULL || fault != NULL);
    for (gsize i = 0; tokens != NULL && i < tokens->kept; i++)
      g_assert_cmpuint (tokens->ids[i], <, fw_t5_tokenizer_size (tokenizer));
  }
  g_assert_cmpint (refused, >, 20);
  g_assert_cmpint (loaded, >, 20);

  static const struct { const char *bytes; gsize size; } files[] = {
    { "", 0 }, { "not a model", 11 }, { "\x0a\x00", 2 }, { "{\"a\": 1}", 8 }
  };
  for (gsize i = 0; i < G_N_ELEMENTS (files); i++) {
    g_autoptr (GError) fault = NULL;
    g_assert_null (fw_sentencepiece_load_bytes (files[i].bytes, files[i].size, "odd", &fault));
    g_assert_error (fault, FW_ERROR, FW_ERROR_FORMAT);
  }
  g_assert_null (fw_t5_tokenizer_open ("/nonexistent/spiece.model", 0, &error));
  g_assert_error (error, FW_ERROR, FW_ERROR_IO);
}

/* The normalisation map of a model: a size, the units of a trie, then texts its values point into. One unit or value that leads
 * outside would make the library read there. */
static void
test_hostile_normalisation (void)
{
  static const char before_map[] = "nmt_nfkc\x12";
  g_autoptr (GError) error = NULL;
  g_autofree char *path = data_path ("spiece.model");
  gsize size;
  g_autofree char *model = fw_file_read (path, 1 << 20, &size, &error);
  g_assert_no_error (error);
  char *map = memmem (model, size, before_map, strlen (before_map));
  g_assert_nonnull (map);
  map += strlen (before_map) + 3;  /* the map's length takes three bytes */
  guint32 trie_bytes, units[] = { 0xfffffc00u, 0xfffffe00u };
  memcpy (&trie_bytes, map, 4);
  g_assert_cmpuint (GUINT32_FROM_LE (trie_bytes), ==, 179200);

  for (gsize i = 0; i < G_N_ELEMENTS (units); i++) {
    g_autofree char *copy = g_memdup2 (model, size);
    guint32 root = GUINT32_TO_LE (units[i]);
    memcpy (copy + (map - model) + 4, &root, 4);
    g_autoptr (GError) fault = NULL;
    g_assert_null (fw_sentencepiece_load_bytes (copy, size, "hostile", &fault));
    g_assert_error (fault, FW_ERROR, FW_ERROR_FORMAT);
    g_assert_nonnull (strstr (fault->message, "points outside itself"));
  }
  static const guint32 sizes[] = { 0, 1020, 179201, 1u << 30, 0xfffffffcu };
  for (gsize i = 0; i < G_N_ELEMENTS (sizes); i++) {
    g_autofree char *copy = g_memdup2 (model, size);
    guint32 bytes = GUINT32_TO_LE (sizes[i]);
    memcpy (copy + (map - model), &bytes, 4);
    g_autoptr (GError) fault = NULL;
    g_assert_null (fw_sentencepiece_load_bytes (copy, size, "hostile", &fault));
    g_assert_error (fault, FW_ERROR, FW_ERROR_FORMAT);
  }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/tokenizer/recorded-ids", test_recorded_ids);
  g_test_add_func ("/tokenizer/padding-and-truncation", test_padding_and_truncation);
  g_test_add_func ("/tokenizer/special-tokens", test_special_tokens);
  g_test_add_func ("/tokenizer/training", test_training);
  g_test_add_func ("/tokenizer/damaged-models", test_damaged_models);
  g_test_add_func ("/tokenizer/hostile-normalisation", test_hostile_normalisation);
  return g_test_run ();
}
