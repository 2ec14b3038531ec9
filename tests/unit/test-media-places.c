/* SPDX-License-Identifier: Apache-2.0
 * Where clips may be written: places that cannot take one are refused, and what lies there already, a clip and its recipe, is
 * replaced only where that is wanted, and then by a whole pair or not at all. */
#include "engine/media/probe.h"
#include "tests/unit/media-clip.h"

#include <sys/stat.h>

static void
test_places (Folder *folder, gconstpointer data)
{
  g_autofree char *fifo = in_folder (folder, "fifo.mp4"), *sub = in_folder (folder, "sub.mp4");
  g_autofree char *nowhere = in_folder (folder, "none/a.mp4");
  g_autofree char *under_file = in_folder (folder, "file.mp4/a.mp4"), *file = in_folder (folder, "file.mp4");
  g_assert_cmpint (mkfifo (fifo, 0600), ==, 0);
  g_assert_cmpint (g_mkdir (sub, 0700), ==, 0);
  g_assert_true (g_file_set_contents (file, "precious", -1, NULL));
  const struct { const char *path, *says; } rows[] = {
    { fifo, "pipe" }, { "/dev/full", "ending" }, { sub, "folder of that name" }, { nowhere, "No such file" },
    { under_file, "Not a directory" },
    { "/proc/a.mp4", "/proc" },
  };
  for (gsize i = 0; i < G_N_ELEMENTS (rows); i++) {
    g_autoptr (GError) error = NULL;
    FwEncodeSpec spec = small_spec (rows[i].path);
    spec.overwrite = TRUE;
    spec.format = g_str_equal (rows[i].path, "/dev/full") ? FW_MEDIA_MP4 : FW_MEDIA_AUTO;
    g_assert_false (write_clip (&spec, 1, paint, &error));
    if (spec.format == FW_MEDIA_MP4)
      assert_message (error, "device");
    else
      assert_message (error, rows[i].says);
  }
  struct stat status;
  g_assert_cmpint (stat ("/dev/full", &status), ==, 0);
  g_assert_true (S_ISCHR (status.st_mode));
}

static void
test_overwriting (Folder *folder, gconstpointer data)
{
  g_autoptr (GError) error = NULL;
  g_autofree char *path = in_folder (folder, "clip.mp4"), *sidecar = in_folder (folder, "clip.json"), *text = NULL;
  FwEncodeSpec spec = small_spec (path);
  spec.comment = "{}";
  g_assert_true (g_file_set_contents (path, "precious", -1, NULL));
  g_assert_null (fw_encoder_open (&spec, NULL, &error));
  assert_message (error, "exists");
  g_clear_error (&error);
  g_assert_cmpint (g_rename (path, sidecar), ==, 0);
  g_assert_null (fw_encoder_open (&spec, NULL, &error));
  assert_message (error, "clip.json");
  g_clear_error (&error);
  g_assert_true (g_file_get_contents (sidecar, &text, NULL, NULL));
  g_assert_cmpstr (text, ==, "precious");
  spec.overwrite = TRUE;
  g_assert_true (write_clip (&spec, 2, paint, &error));
  g_autoptr (FwMediaInfo) info = fw_media_probe (path, NULL, &error);
  g_assert_no_error (error);
  g_assert_cmpuint (info->frames, ==, 2);
}

/* What appears while a clip is being written, and its recipe, are as precious. */
static void
test_overtaken (Folder *folder, gconstpointer data)
{
  static const char *const clips[] = { "clip.mp4", "clip.png" };
  g_autofree guint8 *rgb = g_malloc0 (3 * 128 * 128);
  for (gsize i = 0; i < 2 * G_N_ELEMENTS (clips); i++) {
    g_autoptr (GError) error = NULL;
    g_autofree char *path = in_folder (folder, clips[i / 2]), *sidecar = in_folder (folder, "clip.json"), *text = NULL, *names = NULL;
    const char *place = i % 2 == 0 ? path : sidecar;
    FwEncodeSpec spec = small_spec (path);
    spec.comment = "{}";
    FwEncoder *encoder = fw_encoder_open (&spec, NULL, &error);
    g_assert_true (fw_encoder_push (encoder, rgb, 3 * 128, NULL, &error));
    g_assert_true (g_file_set_contents (place, "precious", -1, NULL));
    g_assert_false (fw_encoder_finish (encoder, NULL, &error));
    assert_one_line (error);
    g_assert_true (g_file_get_contents (place, &text, NULL, NULL));
    g_assert_cmpstr (text, ==, "precious");
    names = folder_list (folder->path);
    g_assert_cmpstr (names, ==, strrchr (place, '/') + 1);
    g_assert_cmpint (g_remove (place), ==, 0);
  }
}

/* A clip that may replace another one and then cannot get its name, for a folder has taken the place: what else lies there is as it was,
 * the recipe beside and one in the folder. */
static void
test_no_name (Folder *folder, gconstpointer data)
{
  static const char *const clips[] = { "clip.mp4", "clip.png" };
  static const char *const recipes[] = { NULL, "", "{\"prompt\": \"the old one\"}" };
  g_autofree guint8 *rgb = g_malloc0 (3 * 128 * 128);
  for (gsize i = 0; i < G_N_ELEMENTS (clips) * G_N_ELEMENTS (recipes); i++) {
    g_autoptr (GError) error = NULL;
    const char *name = clips[i % 2], *recipe = recipes[i / 2];
    g_autofree char *path = in_folder (folder, name), *sidecar = in_folder (folder, "clip.json"), *text = NULL, *kept = NULL;
    g_autofree char *inside = g_build_filename (path, "recipe.json", NULL), *names = NULL;
    g_autofree char *expected = recipe != NULL ? g_strconcat ("clip.json ", name, NULL) : g_strdup (name);
    FwEncodeSpec spec = small_spec (path);
    spec.comment = "{}";
    spec.overwrite = TRUE;
    g_assert_true (recipe == NULL || g_file_set_contents (sidecar, recipe, -1, NULL));
    FwEncoder *encoder = fw_encoder_open (&spec, NULL, &error);
    g_assert_true (fw_encoder_push (encoder, rgb, 3 * 128, NULL, &error));
    g_assert_cmpint (g_mkdir (path, 0700), ==, 0);
    g_assert_true (g_file_set_contents (inside, "precious", -1, NULL));
    g_assert_false (fw_encoder_finish (encoder, NULL, &error));
    assert_one_line (error);
    names = folder_list (folder->path);
    g_assert_cmpstr (names, ==, expected);
    g_file_get_contents (sidecar, &text, NULL, NULL);
    g_assert_cmpstr (text, ==, recipe);
    g_assert_true (g_file_get_contents (inside, &kept, NULL, NULL));
    g_assert_cmpstr (kept, ==, "precious");
    folder_empty (folder->path);
  }
}

int
main (int argc, char **argv)
{
  static const struct { const char *name; void (*test) (Folder *, gconstpointer); } tests[] = {
    { "/media-places/refused", test_places }, { "/media-places/overwriting", test_overwriting },
    { "/media-places/overtaken", test_overtaken }, { "/media-places/no-name", test_no_name },
  };
  g_test_init (&argc, &argv, NULL);
  for (gsize i = 0; i < G_N_ELEMENTS (tests); i++)
    g_test_add (tests[i].name, Folder, NULL, folder_make, tests[i].test, folder_remove);
  return g_test_run ();
}
