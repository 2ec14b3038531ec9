/* SPDX-License-Identifier: Apache-2.0
 * Training recipes: what they say is read exactly, what they may not say is refused in one sentence before anything is trained, and
 * the steps of a stage take the samples that the recipe describes. */
#include "engine/memory/file.h"
#include "engine/train/recipe.h"
#include "engine/train/stage.h"

#include <glib/gstdio.h>
#include <string.h>

static char *
tiny (void)
{
  return g_test_build_filename (G_TEST_DIST, "data", "recipes", "tiny.json", NULL);
}

static FwTrainRecipe *
read_with (const char *const *overrides)
{
  g_autoptr (GError) error = NULL;
  g_autofree char *path = tiny ();
  FwTrainRecipe *recipe = fw_train_recipe_read (path, overrides, &error);
  g_assert_no_error (error);
  g_assert_nonnull (recipe);
  return recipe;
}

static void
test_values (void)
{
  g_autoptr (FwTrainRecipe) recipe = read_with (NULL);
  g_assert_cmpstr (recipe->name, ==, "tiny");
  g_assert_cmpuint (recipe->seed, ==, 7);
  g_assert_cmpstr (recipe->precision, ==, "auto");
  g_assert_null (recipe->output);
  g_assert_cmpfloat (recipe->save_seconds, ==, 60);
  g_assert_cmpuint (recipe->stages->len, ==, 6);
  const FwTrainStage *vae = fw_train_recipe_stage (recipe, "vae"), *clips = fw_train_recipe_stage (recipe, "clips");
  g_assert_true (vae->kind == &fw_stage_image_vae && clips->kind == &fw_stage_diffusion);
  g_assert_cmpint (vae->steps, ==, 60);
  g_assert_cmpfloat (vae->lr, ==, 0.003);
  g_assert_cmpfloat (vae->beta1, ==, 0.9);
  g_assert_cmpfloat (vae->beta2, ==, 0.99);
  g_assert_cmpfloat (vae->epsilon, ==, 1e-8);
  g_assert_cmpfloat (vae->weight_decay, ==, 0);
  g_assert_cmpint (vae->schedule.warmup, ==, 10);
  g_assert_cmpfloat (vae->schedule.decay_from, ==, 0.6);
  g_assert_cmpfloat (vae->schedule.end, ==, 0.02);
  g_assert_cmpuint (vae->n_rows, ==, 2);
  g_assert_cmpint (vae->rows[1].size, ==, 32);
  g_assert_cmpint (vae->rows[1].frames, ==, 2);
  g_assert_cmpint (vae->rows[1].every, ==, 3);
  g_assert_cmpfloat (vae->rows[1].from, ==, 0.5);
  g_assert_true (vae->rows[0].mixed);
  g_assert_false (clips->rows[0].mixed);
  g_assert_cmpint (clips->rows[1].cache, ==, 14);
  g_assert_cmpstr (clips->init_from, ==, "images");
  g_assert_cmpuint (vae->seed, !=, clips->seed);
}

static void
test_overrides (void)
{
  const char *const overrides[] = {
    "seed=11", "output=/some/where", "save_seconds=0.5", "stages.vae.steps=5", "stages.vae.lr=1e-2", "stages.clips.init.temporal=0.25",
    "stages.text.data=[{\"world\":\"shapes\",\"batch\":3}]", "precision=fp32", "stages.images.seed=4", NULL
  };
  g_autoptr (FwTrainRecipe) recipe = read_with (overrides), plain = read_with (NULL);
  g_assert_cmpuint (recipe->seed, ==, 11);
  g_assert_cmpstr (recipe->output, ==, "/some/where");
  g_assert_cmpfloat (recipe->save_seconds, ==, 0.5);
  g_assert_cmpint (fw_train_recipe_stage (recipe, "vae")->steps, ==, 5);
  g_assert_cmpfloat (fw_train_recipe_stage (recipe, "vae")->lr, ==, 0.01);
  g_assert_cmpint (fw_train_recipe_stage (recipe, "text")->rows[0].batch, ==, 3);
  g_assert_cmpstr (recipe->precision, ==, "fp32");
  g_assert_cmpuint (fw_train_recipe_stage (recipe, "images")->seed, !=, fw_train_recipe_stage (plain, "images")->seed);
}

/* A later override sees what an earlier one made, also inside of it. */
static void
test_overrides_in_turn (void)
{
  const char *const overrides[] = { "stages.vae.decay={}", "stages.vae.decay.from=0.25", "stages.vae.decay.to=0.5", NULL };
  g_autoptr (FwTrainRecipe) recipe = read_with (overrides);
  g_assert_cmpfloat (fw_train_recipe_stage (recipe, "vae")->schedule.decay_from, ==, 0.25);
}

#define LONG_NAME "aaaaaaaaaabbbbbbbbbbccccccccccddddddddddeeeeeeeeeeffffffffffggggg" /* 65 letters */

/* Overrides of the small recipe, and what the one sentence about each must hold. */
static const struct { const char *override, *sentence; } faults[] = {
  { "seed=-1", "seed" }, { "seed=1.5", "whole" }, { "seed=1e300", "seed" }, { "seed=red", "seed" }, { "seed=null", "seed" },
  { "seed=9007199254740993", "seed" }, { "name=", "name" }, { "name=../up", "name" }, { "name=..", "name" }, { "name=7", "name" },
  { "name=.", "folder's" }, { "name=up/down", "folder's" }, { "name=" LONG_NAME, "folder's" },
  { "precision=fp16", "auto, fp32, bf16" }, { "precision=32", "precision" }, { "output=3", "output" }, { "output=", "output" },
  { "save_seconds=-1", "save_seconds" }, { "save_seconds=1e9", "save_seconds" }, { "stages=[]", "stages" },
  { "stages={}", "stages" },
  { "stages=[3]", "not an object" }, { "sedes=3", "unknown key" }, { "stages.vae.batch=3", "unknown key" },
  { "stages.vae.name=a b", "of letters" }, { "stages.vae.name=a/b", "of letters" }, { "stages.vae.name=a.b", "of letters" },
  { "stages.vae.name=" LONG_NAME, "64 at most" }, { "stages.vae.name=text", "called" }, { "stages.vae.kind=vea", "unknown kind" },
  { "stages.vae.output=/abs", "output" }, { "stages.vae.output=a/../b", "output" }, { "stages.vae.output=state/x", "output" },
  { "stages.vae.output=log", "output" }, { "stages.vae.output=images", "output" }, { "stages.vae.output=7", "output" },
  { "stages.vae.output=./vae", "relative path" }, { "stages.vae.output=images/", "relative path" },
  { "stages.vae.output=some//where", "relative path" }, { "stages.clips.output=model/transformer", "is the model's alone" },
  { "stages.vae.steps=0", "steps" }, { "stages.vae.steps=1.5", "steps" }, { "stages.vae.steps=1e30", "steps" },
  { "stages.vae.steps=true", "steps" },
  { "stages.vae.lr=-1", "lr" }, { "stages.vae.lr=[1]", "lr" }, { "stages.vae.warm_up=0.5", "warm_up" },
  { "stages.vae.betas=[0.9]", "betas" }, { "stages.vae.betas=[0.9,1]", "betas" }, { "stages.vae.betas=0.9", "betas" },
  { "stages.vae.decay=0.6", "decay" }, { "stages.vae.decay={\"from\":0.6}", "to" }, { "stages.vae.decay.form=1", "unknown key" },
  { "stages.vae.ema=1", "ema" }, { "stages.vae.clip=-1", "clip" }, { "stages.vae.epsilon=0", "epsilon" },
  { "stages.vae.seed=0.5", "whole" }, { "stages.vae.init=random", "init" }, { "stages.vae.init.from=7", "init" },
  { "stages.vae.init.from=images", "random" }, { "stages.vae.init.fast=true", "unknown key" },
  { "stages.vae.data=[]", "data" }, { "stages.vae.data={}", "data" }, { "stages.vae.data=[1]", "not an object" },
  { "stages.vae.data=[{\"world\":\"shapes\"}]", "batch" }, { "stages.vae.data=[{\"batch\":1}]", "world" },
  { "stages.vae.data=[{\"world\":\"cats\",\"batch\":1}]", "world" },
  { "stages.vae.data=[{\"world\":\"shapes\",\"batch\":0}]", "batch" },
  { "stages.vae.data=[{\"world\":\"shapes\",\"batch\":1,\"every\":2}]", "first row" },
  { "stages.vae.data=[{\"world\":\"shapes\",\"batch\":1,\"from\":0.5}]", "first row" },
  { "stages.vae.data=[{\"world\":\"shapes\",\"batch\":1,\"size\":17}]", "divides" },
  { "stages.vae.data=[{\"world\":\"shapes\",\"batch\":1,\"size\":1e9}]", "size" },
  { "stages.vae.data=[{\"world\":\"shapes\",\"batch\":1,\"wording\":\"loud\"}]", "wording" },
  { "stages.vae.data=[{\"world\":\"shapes\",\"batch\":1,\"cache\":8}]", "cache" },
  { "stages.vae.data=[{\"world\":\"shapes\",\"batch\":1,\"sise\":8}]", "unknown key" },
  { "stages.vae.model=7", "model" }, { "stages.vae.model.in_channels=4", "in_channels" },
  { "stages.vae.model.depth=4", "unknown key" },
  { "stages.vae.model.block_out_channels=[]", "block_out_channels" },
  { "stages.vae.model.block_out_channels=[0]", "block_out_channels" },
  { "stages.vae.model.block_out_channels=[8,\"wide\"]", "block_out_channels" },
  { "stages.vae.model.scaling_factor=guess", "scaling_factor" },
  { "stages.vae.loss={\"l2\":1}", "unknown key" }, { "stages.vae.loss.kl=-1", "kl" }, { "stages.vae.loss=1", "loss" },
  { "stages.pieces.vocabulary=4", "vocabulary" }, { "stages.pieces.sentences=1e12", "sentences" },
  { "stages.pieces.steps=5", "unknown key" },
  { "stages.text.tokenizer=vae", "sentencepiece" }, { "stages.text.tokenizer=7", "tokenizer" },
  { "stages.text.length=1", "length" },
  { "stages.text.length=x", "length" }, { "stages.text.model.feed_forward_proj=relu", "gated" },
  { "stages.text.model.d_model=0", "d_model" },
  { "stages.text.model.vocab_size=5", "unknown key" },
  { "stages.text.data=[{\"world\":\"shapes\",\"batch\":1},{\"world\":\"shapes\",\"batch\":2}]", "one row" },
  { "stages.images.vae=text", "image-vae" }, { "stages.images.text=nowhere", "text-encoder" },
  { "stages.images.timesteps=odd", "timesteps" },
  { "stages.images.model.type=DiT", "type" }, { "stages.images.model.num_heads=5", "divide" },
  { "stages.images.model.patch_size=[1,2]", "patch_size" },
  { "stages.images.model.patch_size=[1,3,1]", "divides" }, { "stages.images.model.patch_size=[1,1,3]", "divides" },
  { "stages.images.model.patch_size=[2,2,2]", "divides" }, { "stages.images.model.caption_dropout=2", "caption_dropout" },
  { "stages.images.init.fast=1", "fast" }, { "stages.images.init.from=images", "earlier diffusion stage" },
  { "stages.images.init.from=clips", "earlier diffusion stage" },
  { "stages.images.init.from=vae", "earlier diffusion stage" }, { "stages.images.loss.weight_cap=0", "weight_cap" },
  { "stages.clips.init.temporal_qkv=-1", "temporal_qkv" },
  { "stages.clips.init.frame_code=-1", "frame_code" },
  { "stages.clips.model.depth=3", "another shape" }, { "stages.clips.model.num_heads=1", "another shape" },
  { "stages.clips.model.hidden_size=64", "another shape" }, { "stages.clips.model.patch_size=[1,1,1]", "another shape" },
  { "stages.clips.data=[{\"world\":\"shapes\",\"size\":16,\"batch\":1},{\"world\":\"shapes\",\"size\":16,\"frames\":4,\"batch\":1}]", "first row" },
  { "stages.model.transformer=vae", "diffusion" }, { "stages.model.transformer=images", "clips" },
  { "stages.model.stored=f8", "stored" }, { "stages.model.shard_megabytes=0", "shard_megabytes" },
  { "stages.model.shard_megabytes=1048577", "shard_megabytes" }, { "stages.model.shard_megabytes=1.5", "shard_megabytes" },
  { "stages.model.licence=7", "licence" }, { "stages.model.defaults.sampler=euclid", "sampler" },
  { "stages.model.defaults.fps=0", "fps" },
  { "stages.model.defaults.length=3", "unknown key" },
  { "nothing.at.all=1", "nothing called" }, { "stages.nowhere.steps=1", "nothing called" }, { "seed.low=1", "nothing called" },
  { "=1", "key=value" }, { "seed", "key=value" },
};

static void
test_faults (void)
{
  g_autofree char *path = tiny ();
  for (gsize i = 0; i < G_N_ELEMENTS (faults); i++) {
    const char *const overrides[] = { faults[i].override, NULL };
    g_autoptr (GError) error = NULL;
    g_autoptr (FwTrainRecipe) recipe = fw_train_recipe_read (path, overrides, &error);
    if (recipe != NULL || !g_error_matches (error, FW_ERROR, FW_ERROR_INVALID)
        || strstr (error->message, faults[i].sentence) == NULL || strchr (error->message, '\n') != NULL)
      g_error ("%s: %s", faults[i].override, error != NULL ? error->message : "accepted");
  }
}

/* The small recipe's stages as @change leaves them, with @overrides: refused with a sentence that holds @sentence. */
static void
refuse_changed (JsonArray *(*change) (JsonArray *stages), const char *const *overrides, const char *sentence)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (JsonParser) parser = json_parser_new ();
  g_autoptr (JsonGenerator) generator = json_generator_new ();
  g_autofree char *path = tiny (), *folder = g_dir_make_tmp ("framewright-XXXXXX", NULL), *copy = g_build_filename (folder, "recipe.json", NULL);
  g_assert_true (json_parser_load_from_file (parser, path, NULL));
  JsonObject *recipe = json_node_get_object (json_parser_get_root (parser));
  json_object_set_array_member (recipe, "stages", change (json_object_get_array_member (recipe, "stages")));
  json_generator_set_root (generator, json_parser_get_root (parser));
  g_assert_true (json_generator_to_file (generator, copy, NULL));
  g_autoptr (FwTrainRecipe) read = fw_train_recipe_read (copy, overrides, &error);
  if (sentence == NULL)
    g_assert_no_error (error);
  else if (read != NULL || error == NULL || strstr (error->message, sentence) == NULL)
    g_error ("%s: %s", sentence, error != NULL ? error->message : "accepted");
  g_unlink (copy);
  g_rmdir (folder);
}

static JsonArray *
reverse (JsonArray *stages)
{
  JsonArray *reversed = json_array_new ();
  for (guint i = json_array_get_length (stages); i > 0; i--)
    json_array_add_element (reversed, json_array_dup_element (stages, i - 1));
  return reversed;
}

/* Each stage and its twin, of another name and output. */
static JsonArray *
pair (JsonArray *stages)
{
  JsonArray *paired = json_array_new ();
  for (guint i = 0; i < json_array_get_length (stages); i++) {
    g_autoptr (JsonGenerator) generator = json_generator_new ();
    json_generator_set_root (generator, json_array_get_element (stages, i));
    g_autofree char *text = json_generator_to_data (generator, NULL);
    JsonNode *twin = json_from_string (text, NULL);
    JsonObject *object = json_node_get_object (twin);
    g_autofree char *name = g_strconcat (json_object_get_string_member (object, "name"), "2", NULL);
    json_object_set_string_member (object, "name", name);
    json_object_set_string_member (object, "output", name);
    json_array_add_element (paired, json_array_dup_element (stages, i));
    json_array_add_element (paired, twin);
  }
  return paired;
}

static JsonArray *
repeat (JsonArray *stages)
{
  JsonArray *many = json_array_new ();
  for (int i = 0; i <= 100; i++) {
    JsonObject *stage = json_object_new ();
    g_autofree char *name = g_strdup_printf ("pieces%d", i);
    json_object_set_string_member (stage, "name", name);
    json_object_set_string_member (stage, "output", name);
    json_object_set_string_member (stage, "kind", "sentencepiece");
    json_object_set_int_member (stage, "vocabulary", 100);
    json_object_set_int_member (stage, "sentences", 100);
    json_array_add_object_element (many, stage);
  }
  return many;
}

/* What no single override makes wrong. */
static void
test_stages (void)
{
  static const char *const shapes[][3] = {
    { "stages.vae2.model.latent_channels=2", "stages.clips.vae=vae2" },
    { "stages.text2.model.d_model=64", "stages.clips.text=text2" },
    { "stages.text2.length=8", "stages.clips.text=text2" },
  };
  refuse_changed (reverse, NULL, "stage “model” must name an earlier stage of kind diffusion");
  refuse_changed (repeat, NULL, "1 to 100 stages");
  refuse_changed (pair, NULL, NULL);
  for (gsize i = 0; i < G_N_ELEMENTS (shapes); i++) {
    refuse_changed (pair, (const char *const[]) { shapes[i][0], NULL }, NULL);
    refuse_changed (pair, shapes[i], "another shape");
  }
}

static void
test_rows (void)
{
  g_autofree char *path = tiny ();
  for (int n = FW_TRAIN_MAX_ROWS; n <= FW_TRAIN_MAX_ROWS + 1; n++) {
    g_autoptr (GError) error = NULL;
    g_autoptr (GString) override = g_string_new ("stages.vae.data=[");
    for (int i = 0; i < n; i++)
      g_string_append_printf (override, "%s{\"world\":\"shapes\",\"batch\":1}", i > 0 ? "," : "");
    g_string_append_c (override, ']');
    g_autoptr (FwTrainRecipe) recipe = fw_train_recipe_read (path, (const char *const[]) { override->str, NULL }, &error);
    g_assert_true ((recipe != NULL) == (n == FW_TRAIN_MAX_ROWS));
    g_assert_true (recipe != NULL || strstr (error->message, "1 to 8 rows") != NULL);
  }
}

/* A frame code of the small recipe's clips of 4 frames: how many positions in time they lie over follows from the scale. */
static void
test_frame_codes (void)
{
  static const struct { const char *time_scale; gboolean allowed; } rows[] = {
    { "7", FALSE },          /* 1 position */
    { "3", TRUE },           /* 2 */
    { "0.01176470588", TRUE }, /* 256 */
    { "0.01171875", FALSE }, /* 257 */
    { "0.001", FALSE },      /* 3001 */
  };
  g_autofree char *path = tiny ();
  for (gsize i = 0; i < G_N_ELEMENTS (rows); i++)
    for (int code = 0; code < 2; code++) {
      g_autoptr (GError) error = NULL;
      g_autofree char *scale = g_strdup_printf ("stages.clips.model.time_scale=%s", rows[i].time_scale);
      const char *const overrides[] = { scale, code ? "stages.clips.init.frame_code=0.5" : "stages.clips.init.frame_code=0", NULL };
      g_autoptr (FwTrainRecipe) recipe = fw_train_recipe_read (path, overrides, &error);
      if (rows[i].allowed || !code)
        g_assert_no_error (error);
      else
        g_assert_error (error, FW_ERROR, FW_ERROR_INVALID);
      g_assert_true (error == NULL || strstr (error->message, "wants clips over 2 to 256 positions in time for its “frame_code”") != NULL);
      g_assert_true ((recipe == NULL) == (error != NULL));
    }
}

/* A value that is not JSON is a text: it cannot bring other keys along, nor nest without end. */
static void
test_hostile_overrides (void)
{
  g_autofree char *path = tiny ();
  g_autoptr (GString) deep = g_string_new ("stages.vae.loss=");
  for (int i = 0; i < 100000; i++)
    g_string_append_c (deep, '[');
  const char *const assignments[] = { "seed=1,\"output\":\"/\"", "seed=1},{\"output\":\"/\"", deep->str, "seed=1e999", "seed=NaN",
                                      "seed=" };
  for (gsize i = 0; i < G_N_ELEMENTS (assignments); i++) {
    g_autoptr (GError) error = NULL;
    g_autoptr (FwTrainRecipe) recipe = fw_train_recipe_read (path, (const char *const[]) { assignments[i], NULL }, &error);
    g_assert_null (recipe);
    g_assert_nonnull (error);
  }
}

/* Missing keys: each of these is removed from the file in turn. */
static void
test_missing (void)
{
  static const char *const required[] = {
    "\"name\": \"tiny\",", "\"seed\": 7,", "\"precision\": \"auto\",", "\"output\": \"vae\",", "\"kind\": \"image-vae\",", "\"steps\": 60,", "\"lr\": 0.003,",
    "\"block_out_channels\": [8, 16],", "\"vocabulary\": 112,", "\"tokenizer\": \"pieces\",", "\"length\": 16,", "\"d_model\": 32,",
    "\"type\": \"STDiT\",",
    "\"hidden_size\": 32,", "\"vae\": \"vae\",", "\"text\": \"text\",", "\"transformer\": \"clips\",", "\"world\": \"shapes\",",
  };
  g_autofree char *path = tiny (), *text = fw_file_read (path, 1 << 20, NULL, NULL);
  g_autofree char *folder = g_dir_make_tmp ("framewright-XXXXXX", NULL), *copy = g_build_filename (folder, "recipe.json", NULL);
  for (gsize i = 0; i < G_N_ELEMENTS (required); i++) {
    g_autoptr (GError) error = NULL;
    const char *at = strstr (text, required[i]);
    g_assert_nonnull (at);
    g_autofree char *head = g_strndup (text, at - text), *without = g_strconcat (head, at + strlen (required[i]), NULL);
    g_assert_true (fw_file_write (copy, without, strlen (without), NULL));
    g_autoptr (FwTrainRecipe) recipe = fw_train_recipe_read (copy, NULL, &error);
    if (recipe != NULL || error == NULL)
      g_error ("accepted without %s", required[i]);
  }
  g_unlink (copy);
  g_rmdir (folder);
}

/* Whatever bytes are wrong or lacking, reading ends with a recipe or a sentence. */
static void
test_mutations (void)
{
  g_autofree char *path = tiny (), *folder = g_dir_make_tmp ("framewright-XXXXXX", NULL),
                  *copy = g_build_filename (folder, "recipe.json", NULL);
  gsize size;
  g_autofree char *text = fw_file_read (path, 1 << 20, &size, NULL);
  g_autoptr (GRand) random = g_rand_new_with_seed (5);
  int refused = 0;
  for (int round = 0; round < 400; round++) {
    g_autofree char *damaged = g_memdup2 (text, size);
    gsize length = round % 4 == 0 ? (gsize) g_rand_int_range (random, 0, (gint32) size) : size;
    for (int i = round % 4; i > 0; i--)
      damaged[g_rand_int_range (random, 0, (gint32) size)] = (char) g_rand_int_range (random, 0, 256);
    g_assert_true (g_file_set_contents (copy, damaged, (gssize) length, NULL));
    g_autoptr (GError) error = NULL;
    g_autoptr (FwTrainRecipe) recipe = fw_train_recipe_read (copy, NULL, &error);
    g_assert_true ((recipe == NULL) == (error != NULL));
    refused += recipe == NULL;
  }
  g_assert_cmpint (refused, >, 200);
  g_unlink (copy);
  g_rmdir (folder);
}

/* The row of each step by the recipe's own words: the last one with step >= from * steps and step % every == 0. */
static void
test_steps (void)
{
  const char *const overrides[] = {
    "stages.vae.steps=100",
    "stages.vae.data=[{\"world\":\"shapes\",\"batch\":5},{\"world\":\"shapes\",\"batch\":7,\"every\":3,\"from\":0.3},{\"world\":\"shapes\",\"batch\":2,\"every\":4,\"from\":0.6}]",
    NULL
  };
  g_autoptr (FwTrainRecipe) recipe = read_with (overrides);
  const FwTrainStage *stage = fw_train_recipe_stage (recipe, "vae");
  FwTrainStep at = fw_train_stage_step (stage, 0);
  guint64 samples = 0;
  for (int step = 0; step < 100; step++) {
    guint row = step >= 60 && step % 4 == 0 ? 2 : step >= 30 && step % 3 == 0 ? 1 : 0;
    FwTrainStep walked = fw_train_stage_step (stage, step);
    g_assert_cmpint (at.step, ==, step);
    g_assert_cmpuint (at.row, ==, row);
    g_assert_cmpuint (at.first_sample, ==, samples);
    g_assert_true (walked.step == at.step && walked.row == at.row && walked.first_sample == at.first_sample);
    samples += row == 2 ? 2 : row == 1 ? 7 : 5;
    at = fw_train_stage_next (stage, &at);
  }
}

static char *
digest_with (const char *override)
{
  g_autoptr (FwTrainRecipe) recipe = read_with ((const char *const[]) { override, NULL });
  return fw_train_stage_digest (recipe, fw_train_recipe_stage (recipe, "vae"));
}

/* A digest changes with what decides the stage's result, and with nothing else. */
static void
test_digests (void)
{
  static const char *const same[] = { "save_seconds=1", "output=/x", "stages.text.steps=3", "name=other" };
  static const char *const other[] = { "seed=8", "precision=fp32", "stages.vae.steps=61", "stages.vae.model.norm_num_groups=4" };
  g_autofree char *plain = digest_with (NULL);
  for (gsize i = 0; i < G_N_ELEMENTS (same); i++) {
    g_autofree char *digest = digest_with (same[i]);
    g_assert_cmpstr (digest, ==, plain);
  }
  for (gsize i = 0; i < G_N_ELEMENTS (other); i++) {
    g_autofree char *digest = digest_with (other[i]);
    g_assert_cmpstr (digest, !=, plain);
  }
}

static void
test_committed (void)
{
  g_autofree char *folder = g_test_build_filename (G_TEST_DIST, "..", "data", "recipes", NULL);
  g_autoptr (GDir) recipes = g_dir_open (folder, 0, NULL);
  const char *name;
  int read = 0;
  g_assert_nonnull (recipes);
  while ((name = g_dir_read_name (recipes)) != NULL) {
    g_autofree char *path = g_build_filename (folder, name, NULL);
    g_autoptr (GError) error = NULL;
    if (!g_str_has_suffix (name, ".json"))
      continue;
    g_autoptr (FwTrainRecipe) recipe = fw_train_recipe_read (path, NULL, &error);
    g_assert_no_error (error);
    g_assert_nonnull (recipe);
    read++;
  }
  g_assert_cmpint (read, >=, 2);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/train-recipe/values", test_values);
  g_test_add_func ("/train-recipe/overrides", test_overrides);
  g_test_add_func ("/train-recipe/overrides-in-turn", test_overrides_in_turn);
  g_test_add_func ("/train-recipe/faults", test_faults);
  g_test_add_func ("/train-recipe/stages", test_stages);
  g_test_add_func ("/train-recipe/rows", test_rows);
  g_test_add_func ("/train-recipe/frame-codes", test_frame_codes);
  g_test_add_func ("/train-recipe/hostile-overrides", test_hostile_overrides);
  g_test_add_func ("/train-recipe/missing", test_missing);
  g_test_add_func ("/train-recipe/mutations", test_mutations);
  g_test_add_func ("/train-recipe/steps", test_steps);
  g_test_add_func ("/train-recipe/digests", test_digests);
  g_test_add_func ("/train-recipe/committed", test_committed);
  return g_test_run ();
}
