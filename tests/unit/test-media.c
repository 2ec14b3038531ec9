/* SPDX-License-Identifier: Apache-2.0
 * Clips are written, taken apart and read back: counts, rates, times, colours, tags, and what lossless means. */
#include "engine/media/clip-recipe.h"
#include "engine/media/sidecar.h"
#include "tests/unit/media-clip.h"

static const char recipe[] = "{\"prompt\": \"a \\\"big\\\" 100% red = circle; \\\\ ünï©ode 漢字 🎬\", \"seed\": 18446744073709551615}";

/* Reads the clip, comparing each frame with the painted one, and returns the PSNR over all (infinite where they are equal). */
static double
read_back (const char *path, int width, int height, int frames, Painter painter, int fps_n, int fps_d)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (FwDecoder) decoder = fw_decoder_open (path, NULL, NULL, &error);
  g_assert_no_error (error);
  g_assert_cmpint (fw_decoder_info (decoder)->width, ==, width);
  g_assert_cmpint (fw_decoder_info (decoder)->height, ==, height);
  gsize stride = 3 * width + 7;
  g_autofree guint8 *rgb = g_malloc (stride * height), *painted = g_malloc (3 * width * height);
  double squares = 0;
  gint64 time;
  for (int n = 0; n < frames; n++) {
    g_assert_cmpint (fw_decoder_next (decoder, rgb, stride, &time, NULL, &error), ==, 1);
    g_assert_no_error (error);
    if (fps_n > 0)     /* Matroska keeps whole milliseconds */
      g_assert_cmpfloat (fabs (time - 1e9 * n * fps_d / fps_n), <, 1e6);
    painter (painted, width, height, n);
    for (int y = 0; y < height; y++)
      for (int x = 0; x < 3 * width; x++)
        squares += pow ((double) rgb[stride * y + x] - painted[3 * width * y + x], 2);
  }
  g_assert_cmpint (fw_decoder_next (decoder, rgb, stride, &time, NULL, &error), ==, 0);
  g_assert_no_error (error);
  g_assert_cmpint (fw_decoder_next (decoder, rgb, stride, &time, NULL, &error), ==, 0);
  return squares == 0 ? INFINITY : 10 * log10 (255 * 255 * 3.0 * width * height * frames / squares);
}

static const struct { const char *name, *container, *codec; int width, height, fps_n, fps_d, frames; double least; } films[] = {
  { "eight.mp4", "mp4", "h264", 128, 128, 8, 1, 16, 36 },
  { "ntsc.mp4", "mp4", "h264", 130, 98, 30000, 1001, 31, 36 },
  { "half.mp4", "mp4", "h264", 64, 64, 15, 2, 3, 31 },
  { "long.mp4", "mp4", "h264", 64, 48, 24, 1, 90, 30 },
  { "eight.webm", "matroska", "vp9", 128, 128, 8, 1, 16, 34 },
  { "odd.webm", "matroska", "vp9", 97, 65, 24, 1, 5, 32 },
  { "eight.mkv", "matroska", "ffv1", 128, 128, 8, 1, 16, INFINITY },
};

static void
test_films (Folder *folder, gconstpointer data)
{
  for (gsize i = 0; i < G_N_ELEMENTS (films); i++) {
    g_autoptr (GError) error = NULL;
    g_autofree char *path = in_folder (folder, films[i].name);
    FwEncodeSpec spec = { .path = path, .width = films[i].width, .height = films[i].height, .fps_n = films[i].fps_n,
                          .fps_d = films[i].fps_d, .frames = films[i].frames, .comment = recipe, .overwrite = TRUE };
    gint64 start = g_get_monotonic_time ();
    write_clip (&spec, films[i].frames, paint, &error);
    g_assert_no_error (error);
    gint64 written = g_get_monotonic_time ();
    g_autoptr (FwMediaInfo) info = fw_media_probe (path, NULL, &error);
    g_assert_no_error (error);
    g_assert_cmpstr (info->container, ==, films[i].container);
    g_assert_cmpstr (info->codec, ==, films[i].codec);
    g_assert_cmpint (info->width, ==, films[i].width);
    g_assert_cmpint (info->height, ==, films[i].height);
    g_assert_cmpuint (info->frames, ==, films[i].frames);
    g_assert_cmpint ((gint64) info->fps_n * films[i].fps_d, ==, (gint64) films[i].fps_n * info->fps_d);
    g_assert_cmpfloat (fabs (info->duration - 1e9 * films[i].frames * films[i].fps_d / films[i].fps_n), <, 2e6);
    g_assert_cmpstr (info->comment, ==, recipe);
    gint64 probed = g_get_monotonic_time ();
    double psnr = read_back (path, films[i].width, films[i].height, films[i].frames, paint, films[i].fps_n, films[i].fps_d);
    g_test_message ("%s: %.1f dB, %d frames written in %.0f ms, probed in %.0f ms, read in %.0f ms", films[i].name, psnr,
                    films[i].frames, (written - start) / 1e3, (probed - written) / 1e3, (g_get_monotonic_time () - probed) / 1e3);
    g_assert_cmpfloat (psnr, >=, films[i].least);
  }
}

/* Noise is what no lossy way survives; sizes are odd where that is allowed. */
static void
test_lossless (Folder *folder, gconstpointer data)
{
  static const struct { const char *name, *first; int width, height, frames; } rows[] = {
    { "noise.mkv", "noise.mkv", 63, 37, 4 }, { "noise.png", "noise.png", 63, 37, 1 }, { "one.png", "one.png", 1, 1, 1 },
    { "folder", "folder/00000.png", 50, 31, 3 },
  };
  for (gsize i = 0; i < G_N_ELEMENTS (rows); i++) {
    g_autoptr (GError) error = NULL;
    g_autofree char *path = in_folder (folder, rows[i].name), *first = in_folder (folder, rows[i].first);
    FwEncodeSpec spec = { .path = path, .width = rows[i].width, .height = rows[i].height, .fps_n = 8, .fps_d = 1 };
    write_clip (&spec, rows[i].frames, paint_noise, &error);
    g_assert_no_error (error);
    gboolean film = g_str_has_suffix (path, ".mkv");
    double psnr = read_back (first, rows[i].width, rows[i].height, film ? rows[i].frames : 1, paint_noise, film ? 8 : 0, 1);
    g_assert_true (isinf (psnr));
  }
  g_autofree char *inside = in_folder (folder, "folder"), *names = folder_list (inside);
  g_assert_cmpstr (names, ==, "00000.png 00001.png 00002.png");
}

/* Frames that hardly compress fill an encoder's buffers; none may be lost. */
static void
test_noise (Folder *folder, gconstpointer data)
{
  static const char *const names[] = { "noise.mp4", "noise.webm" };
  for (gsize i = 0; i < G_N_ELEMENTS (names); i++) {
    g_autoptr (GError) error = NULL;
    g_autofree char *path = in_folder (folder, names[i]);
    FwEncodeSpec spec = { .path = path, .width = 96, .height = 64, .fps_n = 8, .fps_d = 1 };
    write_clip (&spec, 40, paint_noise, &error);
    g_assert_no_error (error);
    g_assert_cmpfloat (read_back (path, 96, 64, 40, paint_noise, 8, 1), >=, 8);
  }
}

/* A recipe that is repeated gives the file again, whole: no date, nothing by chance in it. */
static void
test_same_bytes (Folder *folder, gconstpointer data)
{
  static const char *const names[] = { "clip.mp4", "clip.webm", "clip.mkv" };
  for (gsize i = 0; i < G_N_ELEMENTS (names); i++) {
    g_autofree char *path = in_folder (folder, names[i]), *first = NULL, *second = NULL;
    g_autoptr (GError) error = NULL;
    gsize size, again;
    FwEncodeSpec spec = small_spec (path);
    spec.comment = recipe;
    spec.overwrite = TRUE;
    write_clip (&spec, 4, paint, &error);
    g_assert_no_error (error);
    g_assert_true (g_file_get_contents (path, &first, &size, NULL));
    g_usleep (1100000); /* more than the second that some dates count */
    write_clip (&spec, 4, paint, &error);
    g_assert_no_error (error);
    g_assert_true (g_file_get_contents (path, &second, &again, NULL));
    g_assert_cmpmem (first, size, second, again);
  }
}

/* The boxes of an MP4 at its top level, which must fill it exactly. */
static char *
top_boxes (const char *path)
{
  g_autofree char *bytes = NULL;
  gsize size, at = 0;
  g_assert_true (g_file_get_contents (path, &bytes, &size, NULL));
  GString *names = g_string_new (NULL);
  while (at < size) {
    guint32 length;
    g_assert_cmpuint (at + 8, <=, size);
    memcpy (&length, bytes + at, 4);
    length = GUINT32_FROM_BE (length);
    g_assert_cmpuint (length, >=, 8);
    g_assert_cmpuint (at + length, <=, size);
    g_string_append_printf (names, "%s%.4s", names->len > 0 ? " " : "", bytes + at + 4);
    at += length;
  }
  return g_string_free (names, FALSE);
}

static void
test_plays_from_the_start (Folder *folder, gconstpointer data)
{
  g_autoptr (GError) error = NULL;
  g_autofree char *path = in_folder (folder, "clip.mp4");
  FwEncodeSpec spec = small_spec (path);
  write_clip (&spec, 16, paint, &error);
  g_assert_no_error (error);
  g_autofree char *boxes = top_boxes (path);
  const char *moov = strstr (boxes, "moov"), *mdat = strstr (boxes, "mdat");
  g_assert_true (g_str_has_prefix (boxes, "ftyp"));
  g_assert_true (moov != NULL && mdat != NULL && moov < mdat);
  g_autofree char *names = folder_list (folder->path);
  g_assert_cmpstr (names, ==, "clip.mp4");
}

/* colr box: nclx, primaries 1, transfer 1, matrix 1 (BT.709), limited range. */
static void
test_colour_tags (Folder *folder, gconstpointer data)
{
  static const char nclx[] = "colrnclx\0\1\0\1\0\1\0";
  g_autoptr (GError) error = NULL;
  g_autofree char *path = in_folder (folder, "clip.mp4"), *bytes = NULL;
  gsize size;
  FwEncodeSpec spec = small_spec (path);
  write_clip (&spec, 2, paint, &error);
  g_assert_no_error (error);
  g_assert_true (g_file_get_contents (path, &bytes, &size, NULL));
  g_assert_nonnull (memmem (bytes, size, nclx, sizeof nclx - 1));
}

/* The display matrix of a quarter turn, written into the track header of a finished file. */
static void
test_rotation (Folder *folder, gconstpointer data)
{
  static const guint8 quarter[36] = { [5] = 1, [12] = 0xff, [13] = 0xff, [32] = 0x40 };
  g_autoptr (GError) error = NULL;
  g_autofree char *path = in_folder (folder, "clip.mp4"), *bytes = NULL;
  gsize size;
  FwEncodeSpec spec = { .path = path, .width = 64, .height = 32, .fps_n = 8, .fps_d = 1 };
  write_clip (&spec, 3, paint, &error);
  g_assert_no_error (error);
  g_assert_true (g_file_get_contents (path, &bytes, &size, NULL));
  char *header = memmem (bytes, size, "tkhd", 4);
  g_assert_nonnull (header);
  memcpy (header + 44, quarter, sizeof quarter);
  g_assert_true (g_file_set_contents (path, bytes, size, NULL));

  g_autoptr (FwDecoder) decoder = fw_decoder_open (path, NULL, NULL, &error);
  g_assert_no_error (error);
  g_assert_cmpint (fw_decoder_info (decoder)->width, ==, 32);
  g_assert_cmpint (fw_decoder_info (decoder)->height, ==, 64);
  g_assert_cmpint (fw_decoder_info (decoder)->rotation, ==, 90);
  guint8 turned[64][32][3], upright[32][64][3];
  g_assert_cmpint (fw_decoder_next (decoder, turned[0][0], sizeof turned[0], NULL, NULL, &error), ==, 1);
  paint (upright[0][0], 64, 32, 0);
  for (int y = 0; y < 32; y++)
    for (int x = 0; x < 64; x++)
      if (ABS (ABS (x - 20) - 12) > 2 && ABS (ABS (y - 16) - 12) > 2)     /* but for the square's edge, which 4:2:0 blurs */
        for (int c = 0; c < 3; c++)
          g_assert_cmpint (ABS (turned[x][31 - y][c] - upright[y][x][c]), <, 24);
}

static void
test_recipes (Folder *folder, gconstpointer data)
{
  static const char *const names[] = { "clip.mp4", "film.webm", "still.png", "stills" };
  for (gsize i = 0; i < G_N_ELEMENTS (names); i++) {
    g_autoptr (GError) error = NULL;
    g_autofree char *path = in_folder (folder, names[i]), *sidecar = NULL, *beside = NULL, *found = NULL, *inside = NULL;
    FwEncodeSpec spec = small_spec (path);
    spec.comment = recipe;
    write_clip (&spec, 1, paint, &error);
    g_assert_no_error (error);
    sidecar = fw_sidecar_path (path);
    g_assert_true (g_file_get_contents (sidecar, &beside, NULL, NULL));
    g_assert_cmpstr (beside, ==, recipe);
    found = fw_clip_recipe (path, NULL, &error);
    g_assert_no_error (error);
    g_assert_cmpstr (found, ==, recipe);
    g_assert_cmpint (g_remove (sidecar), ==, 0);
    inside = fw_clip_recipe (path, NULL, &error);
    if (i < 2)
      g_assert_cmpstr (inside, ==, recipe);
    else
      assert_message (error, "holds no recipe");
  }
}

static void
test_long_comment (Folder *folder, gconstpointer data)
{
  g_autoptr (GError) error = NULL;
  g_autofree char *path = in_folder (folder, "clip.mp4"), *words = g_strnfill (300000, 'w');
  g_autofree char *comment = g_strdup_printf ("{\"prompt\": \"%s\"}", words), *huge = g_strnfill ((1 << 20) + 1, '{');
  FwEncodeSpec spec = small_spec (path);
  spec.comment = comment;
  write_clip (&spec, 1, paint, &error);
  g_assert_no_error (error);
  g_autoptr (FwMediaInfo) info = fw_media_probe (path, NULL, &error);
  g_assert_no_error (error);
  g_assert_cmpstr (info->comment, ==, comment);
  spec.comment = huge;
  spec.overwrite = TRUE;
  g_assert_false (write_clip (&spec, 1, paint, &error));
  assert_message (error, "1048576");
}

static void
test_check_ahead (Folder *folder, gconstpointer data)
{
  g_autoptr (GError) error = NULL;
  g_autofree char *path = in_folder (folder, "clip.mp4"), *settled = NULL, *notice = NULL, *names = NULL;
  FwEncodeSpec spec = small_spec (path);
  gint64 start = g_get_monotonic_time ();
  g_assert_true (fw_encoder_check (&spec, &settled, &notice, NULL, &error));
  g_test_message ("asked in %.0f ms", (g_get_monotonic_time () - start) / 1e3);
  g_assert_no_error (error);
  g_assert_cmpstr (settled, ==, path);
  g_assert_null (notice);
  names = folder_list (folder->path);
  g_assert_cmpstr (names, ==, "");
}

int
main (int argc, char **argv)
{
  static const struct { const char *name; void (*test) (Folder *, gconstpointer); } tests[] = {
    { "/media/films", test_films }, { "/media/noise", test_noise }, { "/media/lossless", test_lossless },
    { "/media/same-bytes", test_same_bytes },
    { "/media/plays-from-the-start", test_plays_from_the_start }, { "/media/colour-tags", test_colour_tags },
    { "/media/rotation", test_rotation }, { "/media/recipes", test_recipes },
    { "/media/long-comment", test_long_comment }, { "/media/check-ahead", test_check_ahead },
  };
  g_test_init (&argc, &argv, NULL);
  for (gsize i = 0; i < G_N_ELEMENTS (tests); i++)
    g_test_add (tests[i].name, Folder, NULL, folder_make, tests[i].test, folder_remove);
  return g_test_run ();
}
