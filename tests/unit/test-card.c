/* SPDX-License-Identifier: Apache-2.0
 * Model cards: what a sound one says, what is refused, and which folder's card a name means. */
#include "engine/model/cards.h"

#include <glib/gstdio.h>
#include <string.h>

/* A sound card; the tests change one place of it. */
static const char sound[] =
  "{ \"name\": \"tiny\", \"title\": \"A tiny model\", \"licence\": \"CC0-1.0\","
  " \"transformer\": { \"architecture\": \"STDiT\", \"weights\": \"t.safetensors\","
  "   \"config\": { \"hidden_size\": 64, \"depth\": 2, \"num_heads\": 4, \"caption_channels\": 32,"
  "     \"model_max_length\": 16, \"space_scale\": 2 } },"
  " \"text\": { \"architecture\": \"T5\", \"weights\": \"text/model.safetensors\", \"length\": 12,"
  "   \"config\": { \"vocab_size\": 100, \"d_model\": 32, \"d_kv\": 16, \"d_ff\": 64, \"num_layers\": 1, \"num_heads\": 2 } },"
  " \"vae\": { \"architecture\": \"AutoencoderKL\", \"weights\": \"/far/away/vae.safetensors\","
  "   \"config\": { \"block_out_channels\": [8, 16, 16] } },"
  " \"defaults\": { \"frames\": 16, \"width\": 128, \"height\": 64, \"fps\": 8, \"steps\": 20, \"guidance\": 1.5,"
  "   \"sampler\": \"dpm-solver\" },"
  " \"trained\": [{ \"frames\": 16, \"width\": 128, \"height\": 128 }],"
  " \"drift\": { \"bf16\": 0.02 },"
  " \"sha256\": { \"t.safetensors\": \"0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef\" } }";

typedef struct {
  char *folder;
  char *card;
} Fixture;

static void
set_up (Fixture *fixture, gconstpointer data)
{
  fixture->folder = g_dir_make_tmp ("card-XXXXXX", NULL);
  fixture->card = g_build_filename (fixture->folder, "tiny.json", NULL);
  g_assert_nonnull (fixture->folder);
}

static void
tear_down (Fixture *fixture, gconstpointer data)
{
  g_unlink (fixture->card);
  g_rmdir (fixture->folder);
  g_free (fixture->card);
  g_free (fixture->folder);
}

static void
test_sound (Fixture *fixture, gconstpointer data)
{
  g_autoptr (GError) error = NULL;
  g_assert_true (g_file_set_contents (fixture->card, sound, -1, NULL));
  g_autoptr (FwModelCard) card = fw_model_card_read (fixture->card, &error);
  g_assert_no_error (error);
  g_assert_cmpstr (card->name, ==, "tiny");
  g_assert_cmpstr (card->licence, ==, "CC0-1.0");
  g_assert_null (card->source);
  g_assert_cmpint (card->frames, ==, 16);
  g_assert_cmpint (card->width, ==, 128);
  g_assert_cmpint (card->height, ==, 64);
  g_assert_cmpfloat (card->guidance, ==, 1.5);
  g_assert_cmpfloat (card->bf16_drift, ==, 0.02);
  g_assert_cmpint (card->text_length, ==, 12);
  g_assert_true (card->cleaning);
  g_assert_cmpuint (card->trained->len, ==, 1);
  g_autofree char *weights = g_build_filename (fixture->folder, "t.safetensors", NULL);
  g_autofree char *vocabulary = g_build_filename (fixture->folder, "text", "spiece.model", NULL);
  g_assert_cmpstr (card->network[FW_ROLE_DENOISER].weights, ==, weights);
  g_assert_cmpstr (card->network[FW_ROLE_IMAGE].weights, ==, "/far/away/vae.safetensors");
  g_assert_cmpstr (card->vocabulary, ==, vocabulary);
  g_assert_true (g_hash_table_contains (card->sha256, weights));
  g_assert_cmpstr (card->network[FW_ROLE_TEXT].architecture->name, ==, "T5");
}

/* The card with @from replaced by @to is refused with a sentence that holds @sentence. */
static const struct { const char *from, *to, *sentence; } faults[] = {
  { "\"title\"", "\"titel\"", "“titel” is not known" },
  { "\"name\": \"tiny\",", "", "“name” is missing" },
  { "\"tiny\"", "\"../tiny\"", "“name” must be made of letters" },
  { "\"tiny\"", "\"tiny.json\"", "“name” must be made of letters" },
  { "\"tiny\"", "\"\"", "“name” must be a text" },
  { "\"tiny\"", "7", "“name” must be a text" },
  { "\"vae\"", "\"VAE\"", "“VAE” is not known" },
  { "\"STDiT\"", "\"T5\"", "knows no transformer “T5”; it knows STDiT" },
  { "\"weights\": \"t.safetensors\",", "", "“weights” is missing" },
  { "\"defaults\": { \"frames\": 16", "\"defaults\": { \"frames\": 0", "“frames” must be a whole number" },
  { "\"defaults\": { \"frames\": 16", "\"defaults\": { \"frames\": 16.5", "“frames” must be a whole number" },
  { "\"steps\": 20", "\"steps\": \"20\"", "“steps” must be a whole number" },
  { "\"guidance\": 1.5", "\"guidance\": -1", "“guidance” must be a number" },
  { "\"guidance\": 1.5", "\"guidance\": NaN", "tiny.json" },
  { "\"length\": 12", "\"length\": 0", "“length” must be a whole number" },
  { "\"trained\": [", "\"trained\": [7, ", "“trained” must be a list of objects" },
  { "\"bf16\": 0.02", "\"bf16\": 2", "“bf16” must be a number" },
  { "\"0123456789abcdef0123", "\"0123456789ABCDEF0123", "must be a sha256" },
};

/* The same for the configuration of a network, which is told when that is opened. */
static const struct { FwNetworkRole role; const char *from, *to, *sentence; } config_faults[] = {
  { FW_ROLE_DENOISER, "\"hidden_size\"", "\"hidden\"", "“hidden_size” is missing" },
  { FW_ROLE_DENOISER, "\"space_scale\": 2", "\"space_scale\": \"2\"", "“space_scale” must be a number" },
  { FW_ROLE_DENOISER, "\"space_scale\": 2", "\"patch_size\": 2", "“patch_size” must be a list of 3 numbers" },
  { FW_ROLE_DENOISER, "\"space_scale\": 2", "\"patch_size\": [1, 2]", "“patch_size” must be a list of 3 numbers" },
  { FW_ROLE_TEXT, "\"d_ff\": 64", "\"d_ff\": [64]", "“d_ff” must be a whole number" },
  { FW_ROLE_TEXT, "\"d_ff\": 64", "\"d_ff\": null", "“d_ff” must be a whole number" },
  { FW_ROLE_TEXT, "\"d_ff\": 64", "\"d_ff\": 64, \"feed_forward_proj\": \"relu\"", "gated GELU" },
  { FW_ROLE_TEXT, "\"d_ff\": 64", "\"d_ff\": 64, \"feed_forward_proj\": 7", "“feed_forward_proj” must be a text" },
  { FW_ROLE_TEXT, "\"d_ff\": 64", "\"d_ff\": 64, \"feed_forward_proj\": [\"gated-gelu\"]", "“feed_forward_proj” must be a text" },
  { FW_ROLE_IMAGE, "[8, 16, 16]", "16", "“block_out_channels” must list the widths" },
  { FW_ROLE_IMAGE, "[8, 16, 16]", "{}", "“block_out_channels” must list the widths" },
  { FW_ROLE_IMAGE, "[8, 16, 16]", "[]", "“block_out_channels” must list the widths" },
  { FW_ROLE_IMAGE, "[8, 16, 16]", "[8, 8, 8, 8, 8, 8, 8, 8, 8]", "“block_out_channels” must list the widths" },
  { FW_ROLE_IMAGE, "[8, 16, 16]", "[8, 16, \"16\"]", "“block_out_channels” must be a whole number" },
  { FW_ROLE_IMAGE, "[8, 16, 16]", "[\"16\"]", "“block_out_channels” must be a whole number" },
  { FW_ROLE_IMAGE, "[8, 16, 16]", "[16.5]", "“block_out_channels” must be a whole number" },
  { FW_ROLE_IMAGE, "[8, 16, 16]", "[null]", "“block_out_channels” must be a whole number" },
  { FW_ROLE_IMAGE, "[8, 16, 16]", "[[16]]", "“block_out_channels” must be a whole number" },
  { FW_ROLE_IMAGE, "[8, 16, 16]", "[{}]", "“block_out_channels” must be a whole number" },
  { FW_ROLE_IMAGE, "[8, 16, 16]", "[0]", "“block_out_channels” must be a whole number" },
  { FW_ROLE_IMAGE, "[8, 16, 16]", "[-1]", "“block_out_channels” must be a whole number" },
  { FW_ROLE_IMAGE, "[8, 16, 16]", "[9223372036854775807]", "“block_out_channels” must be a whole number" },
  { FW_ROLE_IMAGE, "16, 16]", "16, 16], \"in_channels\": [3]", "“in_channels” must be a whole number" },
  { FW_ROLE_IMAGE, "16, 16]", "16, 16], \"scaling_factor\": \"1\"", "“scaling_factor” must be a number" },
};

static void
write_changed (Fixture *fixture, const char *from, const char *to)
{
  g_auto (GStrv) parts = g_strsplit (sound, from, 2);
  g_assert_cmpuint (g_strv_length (parts), ==, 2);
  g_autofree char *text = g_strconcat (parts[0], to, parts[1], NULL);
  g_assert_true (g_file_set_contents (fixture->card, text, -1, NULL));
}

static void
assert_sentence (const GError *error, const char *part)
{
  g_assert_nonnull (error);
  if (strstr (error->message, part) == NULL)
    g_error ("no “%s” in: %s", part, error->message);
  g_assert_null (strchr (error->message, '\n'));
}

static void
test_faults (Fixture *fixture, gconstpointer data)
{
  for (gsize i = 0; i < G_N_ELEMENTS (faults); i++) {
    g_autoptr (GError) error = NULL;
    write_changed (fixture, faults[i].from, faults[i].to);
    g_autoptr (FwModelCard) card = fw_model_card_read (fixture->card, &error);
    g_assert_null (card);
    assert_sentence (error, faults[i].sentence);
  }
}

static void
test_config_faults (Fixture *fixture, gconstpointer data)
{
  for (gsize i = 0; i < G_N_ELEMENTS (config_faults); i++) {
    g_autoptr (GError) error = NULL;
    write_changed (fixture, config_faults[i].from, config_faults[i].to);
    g_autoptr (FwModelCard) card = fw_model_card_read (fixture->card, &error);
    g_assert_no_error (error);
    g_autoptr (FwNetwork) network = fw_model_card_open (card, config_faults[i].role, &error);
    g_assert_null (network);
    g_assert_error (error, FW_ERROR, FW_ERROR_FORMAT);
    assert_sentence (error, config_faults[i].sentence);
  }
}

/* Cut anywhere, a card is refused. */
static void
test_truncated (Fixture *fixture, gconstpointer data)
{
  for (gsize length = 0; length < strlen (sound); length++) {
    g_autoptr (GError) error = NULL;
    g_assert_true (g_file_set_contents (fixture->card, sound, (gssize) length, NULL));
    g_autoptr (FwModelCard) card = fw_model_card_read (fixture->card, &error);
    g_assert_null (card);
    g_assert_error (error, FW_ERROR, FW_ERROR_FORMAT);
  }
}

static void
test_names (Fixture *fixture, gconstpointer data)
{
  g_autoptr (GError) error = NULL;
  g_autofree char *models = g_build_filename (fixture->folder, "models", NULL);
  g_autofree char *card_path = g_build_filename (models, "small.json", NULL);
  g_assert_cmpint (g_mkdir (models, 0700), ==, 0);
  g_assert_true (g_file_set_contents (card_path, sound, -1, NULL));
  g_setenv ("FRAMEWRIGHT_DATA", fixture->folder, TRUE);
  g_autoptr (FwModelCard) card = fw_model_card_find ("small", &error);
  g_assert_no_error (error);
  g_assert_cmpstr (card->path, ==, card_path);
  g_autoptr (FwModelCard) by_path = fw_model_card_find (card_path, &error);
  g_assert_no_error (error);
  g_assert_cmpstr (by_path->name, ==, "tiny");
  g_autoptr (FwModelCard) unknown = fw_model_card_find ("large", &error);
  g_assert_null (unknown);
  g_assert_error (error, FW_ERROR, FW_ERROR_INVALID);
  g_assert_nonnull (strstr (error->message, "small"));
  g_autoptr (GPtrArray) all = fw_model_cards ();
  g_assert_true (g_ptr_array_find_with_equal_func (all, card_path, g_str_equal, NULL));
  g_unsetenv ("FRAMEWRIGHT_DATA");
  g_unlink (card_path);
  g_rmdir (models);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add ("/card/sound", Fixture, NULL, set_up, test_sound, tear_down);
  g_test_add ("/card/faults", Fixture, NULL, set_up, test_faults, tear_down);
  g_test_add ("/card/config-faults", Fixture, NULL, set_up, test_config_faults, tear_down);
  g_test_add ("/card/truncated", Fixture, NULL, set_up, test_truncated, tear_down);
  g_test_add ("/card/names", Fixture, NULL, set_up, test_names, tear_down);
  return g_test_run ();
}
