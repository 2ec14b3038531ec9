/* SPDX-License-Identifier: Apache-2.0
 * Recipes survive JSON exactly, and what strangers' files may hold instead is refused in one sentence. The digest of files. */
#include "engine/job/recipe.h"
#include "engine/job/sha256.h"
#include "engine/memory/file.h"

#include <fcntl.h>
#include <glib/gstdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const char digest[] = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

static FwRecipe *
example (void)
{
  FwRecipe *recipe = fw_recipe_new ();
  recipe->version = g_strdup ("0.1.0");
  recipe->model = g_strdup ("pocket");
  recipe->prompt = g_strdup ("ein \"roter\" Kreis\n红色 \\ 🙂");
  recipe->negative = g_strdup ("");
  recipe->sampler = g_strdup ("dpm++");
  recipe->noise = g_strdup ("torch-cpu");
  recipe->precision = g_strdup ("fp32");
  recipe->cpu = g_strdup ("avx2");
  recipe->seed = G_GINT64_CONSTANT (9007199254740991);
  recipe->steps = 20;
  recipe->guidance = 0.1 + 0.2;
  recipe->frames = 16;
  recipe->width = 128;
  recipe->height = 96;
  recipe->fps = 8;
  fw_recipe_add_file (recipe, "/some/where/model.safetensors", digest);
  return recipe;
}

static void
test_round_trip (void)
{
  for (int indented = 0; indented < 2; indented++) {
    g_autoptr (GError) error = NULL;
    g_autoptr (FwRecipe) recipe = example ();
    g_autofree char *json = fw_recipe_to_json (recipe, indented);
    g_assert_cmpint (strchr (json, '\n') != NULL, ==, indented);
    g_autoptr (FwRecipe) back = fw_recipe_from_json (json, strlen (json), &error);
    g_assert_no_error (error);
    g_assert_true (fw_recipe_equal (recipe, back));
    g_assert_cmpstr (back->prompt, ==, "ein \"roter\" Kreis\n红色 \\ 🙂");
    g_assert_cmpfloat (back->guidance, ==, 0.1 + 0.2);
    g_assert_cmpint (back->seed, ==, G_GINT64_CONSTANT (9007199254740991));
    g_assert_null (back->device);
    g_assert_cmpuint (back->files->len, ==, 1);
    const FwRecipeFile *file = back->files->pdata[0];
    g_assert_cmpstr (file->name, ==, "model.safetensors");
    g_assert_cmpstr (file->sha256, ==, digest);
  }
}

static void
test_equality (void)
{
  g_autoptr (FwRecipe) one = example ();
  g_autoptr (FwRecipe) other = example ();
  g_free (other->version);
  other->version = g_strdup ("9.9");
  g_assert_true (fw_recipe_equal (one, other));
  other->guidance = 0.3;
  g_assert_false (fw_recipe_equal (one, other));
  other->guidance = one->guidance;
  other->seed--;
  g_assert_false (fw_recipe_equal (one, other));
  other->seed++;
  other->device = g_strdup ("cpu");
  g_assert_false (fw_recipe_equal (one, other));
  g_clear_pointer (&other->device, g_free);
  fw_recipe_add_file (other, "b", digest);
  g_assert_false (fw_recipe_equal (one, other));
}

/* Each replaces one piece of a good recipe. */
static void
test_refused (void)
{
  static const struct { const char *piece, *instead, *says; } cases[] = {
    { "\"steps\":20", "\"steps\":0", "out of range" },
    { "\"steps\":20", "\"steps\":1001", "out of range" },
    { "\"guidance\":", "\"guidance\":100.5,\"fps\":8,\"fps\":", "out of range" },
    { "\"frames\":16", "\"frames\":4097", "out of range" },
    { "\"width\":128", "\"width\":1", "out of range" },
    { "\"height\":96", "\"height\":8193", "out of range" },
    { "\"fps\":8", "\"fps\":241", "out of range" },
    { "\"model\":\"pocket\"", "\"model\":\"\"", "empty" },
    { "\"prompt\":", "\"prompt\":\"\",\"prompt\":\"\",\"x\":", "empty" },
    { "\"steps\":20", "\"steps\":-1", "out of range" },
    { "\"steps\":20", "\"steps\":20.5", "whole number" },
    { "\"steps\":20", "\"steps\":\"20\"", "whole number" },
    { "\"steps\":20", "\"steps\":99999999999999999999999", "out of range" },
    { "\"steps\":20", "\"steps\":[20]", "whole number" },
    { "\"steps\":20", "\"steps\":null", "whole number" },
    { "\"steps\":20", "\"stepz\":20", "missing" },
    { "\"steps\":20", "\"steps\":20,\"surprise\":1", "surprise" },
    { "\"guidance\":", "\"guidance\":NaN,\"x\":", "cannot be read" },
    { "\"guidance\":", "\"guidance\":true,\"fps\":8,\"fps\":", "not a number" },
    { "\"model\":\"pocket\"", "\"model\":7", "not a text" },
    { "\"sha256\":\"e3", "\"sha256\":\"E3", "hexadecimal" },
    { "\"sha256\":\"e3", "\"sha256\":\"", "hexadecimal" },
    { "\"files\":[{", "\"files\":[{\"more\":1,", "entry" },
    { "\"files\":[{", "\"files\":[3,{", "entry" },
  };
  g_autoptr (FwRecipe) recipe = example ();
  g_autofree char *json = fw_recipe_to_json (recipe, FALSE);
  for (guint i = 0; i < G_N_ELEMENTS (cases); i++) {
    g_autoptr (GError) error = NULL;
    g_auto (GStrv) parts = g_strsplit (json, cases[i].piece, 2);
    g_assert_cmpuint (g_strv_length (parts), ==, 2);
    g_autofree char *text = g_strconcat (parts[0], cases[i].instead, parts[1], NULL);
    g_assert_null (fw_recipe_from_json (text, strlen (text), &error));
    g_assert_error (error, FW_ERROR, FW_ERROR_FORMAT);
    if (strstr (error->message, cases[i].says) == NULL)
      g_error ("“%s” does not say “%s”", error->message, cases[i].says);
  }
}

static void
test_no_recipes (void)
{
  g_autoptr (FwRecipe) recipe = example ();
  g_autofree char *json = fw_recipe_to_json (recipe, FALSE);
  for (gsize size = 0; size < strlen (json); size++) {
    g_autoptr (GError) error = NULL;
    g_assert_null (fw_recipe_from_json (json, size, &error));
    g_assert_error (error, FW_ERROR, FW_ERROR_FORMAT);
  }
  g_autoptr (GString) deep = g_string_new ("{\"a\":");
  for (int i = 0; i < 200000; i++)
    g_string_append_c (deep, '[');
  g_autoptr (GError) error = NULL;
  g_assert_null (fw_recipe_from_json (deep->str, deep->len, &error));
  g_assert_error (error, FW_ERROR, FW_ERROR_FORMAT);
}

static const char abc_digest[] = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";

static void
test_sha256 (void)
{
  g_autoptr (GError) error = NULL;
  const char *folder = g_get_user_data_dir ();
  g_autofree char *path = g_build_filename (folder, "weights", NULL);
  g_assert_cmpint (g_mkdir_with_parents (folder, 0700), ==, 0);
  g_assert_true (fw_file_write (path, "abc", 3, &error));
  g_autofree char *first = fw_sha256_file (path, NULL, &error);
  g_assert_cmpstr (first, ==, abc_digest);
  g_autofree char *cached = fw_sha256_file (path, NULL, &error);
  g_assert_cmpstr (cached, ==, first);
  g_assert_true (fw_file_write (path, "", 0, &error));
  g_autofree char *changed = fw_sha256_file (path, NULL, &error);
  g_assert_cmpstr (changed, ==, digest);
  g_assert_no_error (error);
  g_assert_null (fw_sha256_file (folder, NULL, &error));
  g_assert_error (error, FW_ERROR, FW_ERROR_IO);
}

/* A file that is changed in place, its modification time put back; and a cache that is wrong. */
static void
test_sha256_changed (void)
{
  g_autoptr (GError) error = NULL;
  const char *folder = g_get_user_data_dir ();
  g_autofree char *path = g_build_filename (folder, "weights", NULL);
  g_assert_cmpint (g_mkdir_with_parents (folder, 0700), ==, 0);
  g_assert_true (fw_file_write (path, "abd", 3, &error));
  g_autofree char *before = fw_sha256_file (path, NULL, &error);
  g_assert_cmpstr (before, !=, abc_digest);
  struct stat status;
  g_assert_cmpint (stat (path, &status), ==, 0);
  int file = open (path, O_WRONLY);
  g_assert_cmpint (pwrite (file, "c", 1, 2), ==, 1);
  g_assert_cmpint (futimens (file, (struct timespec[]) { status.st_atim, status.st_mtim }), ==, 0);
  close (file);
  g_autofree char *after = fw_sha256_file (path, NULL, &error);
  g_assert_cmpstr (after, ==, abc_digest);

  g_autofree char *cache = g_build_filename (g_get_user_cache_dir (), "framewright", "sha256.json", NULL), *text = NULL;
  g_assert_true (g_file_get_contents (cache, &text, NULL, &error));
  char *entry = strstr (text, abc_digest);
  g_assert_nonnull (entry);
  entry[0] = 'c';
  g_assert_true (g_file_set_contents (cache, text, -1, &error));
  g_autofree char *believed = fw_sha256_file (path, NULL, &error);
  g_autofree char *read = fw_sha256_file_afresh (path, NULL, &error);
  g_autofree char *mended = fw_sha256_file (path, NULL, &error);
  g_assert_cmpstr (believed, !=, abc_digest);
  g_assert_cmpstr (read, ==, abc_digest);
  g_assert_cmpstr (mended, ==, abc_digest);
  g_assert_no_error (error);
}

static void
test_sha256_cancelled (void)
{
  g_autoptr (GError) error = NULL;
  const char *folder = g_get_user_data_dir ();
  g_autofree char *path = g_build_filename (folder, "weights", NULL);
  g_assert_cmpint (g_mkdir_with_parents (folder, 0700), ==, 0);
  g_assert_true (fw_file_write (path, "abc", 3, &error));
  g_autoptr (GCancellable) cancellable = g_cancellable_new ();
  g_cancellable_cancel (cancellable);
  g_assert_null (fw_sha256_file (path, cancellable, &error));
  g_assert_error (error, FW_ERROR, FW_ERROR_CANCELLED);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, G_TEST_OPTION_ISOLATE_DIRS, NULL);
  g_test_add_func ("/recipe/round-trip", test_round_trip);
  g_test_add_func ("/recipe/equality", test_equality);
  g_test_add_func ("/recipe/refused", test_refused);
  g_test_add_func ("/recipe/no-recipes", test_no_recipes);
  g_test_add_func ("/sha256/cache", test_sha256);
  g_test_add_func ("/sha256/changed", test_sha256_changed);
  g_test_add_func ("/sha256/cancelled", test_sha256_cancelled);
  return g_test_run ();
}
