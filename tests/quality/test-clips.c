/* SPDX-License-Identifier: Apache-2.0
 * The way of a clip through a compressed file to the report: originals still pass, others do not, and the counts are right. And the
 * prompts that reports are made with. */
#include <glib/gstdio.h>
#include <string.h>

#include "engine/dataset/shapes.h"
#include "engine/media/encoder.h"
#include "tests/quality/clips.h"
#include "tests/quality/report.h"

enum { FRAMES = 16, SIDE = 128, CLIPS = 12 };

typedef struct { int frames, side, rate; } Format;

static const Format world = { FRAMES, SIDE, 8 };

/* Writes sample @index under @name, told to be of @prompt, or of its own caption where that is NULL. */
static void
write_clip_as (const Format *format, const char *folder, const char *name, guint64 index, int quality, const char *prompt)
{
  FwShapesScene scene;
  gsize row = 3 * (gsize) format->side, frame = row * (gsize) format->side;
  fw_shapes_draw (31, index, FW_SHAPES_HELD_OUT, &scene);
  g_autofree guint8 *rgb = g_malloc ((gsize) format->frames * frame);
  fw_shapes_render_clip (&scene, format->frames, format->side, rgb);
  g_autofree char *caption = prompt != NULL ? g_strdup (prompt) : fw_shapes_caption (&scene.attributes, 0);
  g_autofree char *comment = g_strdup_printf ("{\"prompt\": \"%s\"}", caption), *path = g_build_filename (folder, name, NULL);
  FwEncodeSpec spec = { .path = path, .width = format->side, .height = format->side, .fps_n = format->rate, .fps_d = 1,
                        .frames = format->frames, .quality = quality, .comment = comment };
  g_autoptr (GError) error = NULL;
  FwEncoder *encoder = fw_encoder_open (&spec, NULL, &error);
  g_assert_no_error (error);
  for (int t = 0; t < format->frames; t++)
    g_assert_true (fw_encoder_push (encoder, rgb + (gsize) t * frame, row, NULL, &error));
  g_assert_true (fw_encoder_finish (encoder, NULL, &error));
  g_assert_no_error (error);
}

static void
write_clip (const char *folder, const char *name, guint64 index, int quality, const char *prompt)
{
  write_clip_as (&world, folder, name, index, quality, prompt);
}

static void
remove_folder (const char *folder)
{
  g_autoptr (GDir) directory = g_dir_open (folder, 0, NULL);
  for (const char *name = g_dir_read_name (directory); name != NULL; name = g_dir_read_name (directory)) {
    g_autofree char *path = g_build_filename (folder, name, NULL);
    g_remove (path);
  }
  g_rmdir (folder);
}

static GPtrArray *
judge (const char *folder, ReportSummary *summary)
{
  g_autoptr (GError) error = NULL;
  GPtrArray *clips = clips_judge_folder (folder, FALSE, &error);
  g_assert_no_error (error);
  report_summarise (clips, summary);
  return clips;
}

static void
test_compressed (gconstpointer data)
{
  g_autofree char *folder = g_dir_make_tmp ("judge-XXXXXX", NULL);
  for (guint64 i = 0; i < CLIPS; i++) {
    g_autofree char *name = g_strdup_printf ("%02d.mp4", (int) i);
    write_clip (folder, name, i, GPOINTER_TO_INT (data), NULL);
  }
  ReportSummary summary;
  g_autoptr (GPtrArray) clips = judge (folder, &summary);
  g_assert_cmpuint (clips->len, ==, CLIPS);
  g_assert_cmpint (summary.clips, ==, CLIPS);
  g_assert_cmpint (summary.passed, ==, CLIPS);
  g_assert_cmpint (summary.all_right, ==, CLIPS);
  g_assert_cmpint (summary.unjudged, ==, 0);
  g_assert_true (summary.reached);
  remove_folder (folder);
}

/* The same clip twice, the second time with the prompt of another colour, which is returned. Free with g_free(). */
static char *
write_pair (const char *folder)
{
  FwShapesScene scene;
  fw_shapes_draw (31, 0, FW_SHAPES_HELD_OUT, &scene);
  scene.attributes.value[FW_SHAPES_COLOUR] = (gint8) ((scene.attributes.value[FW_SHAPES_COLOUR] + 1) % 8);
  char *other = fw_shapes_caption (&scene.attributes, 0);
  write_clip (folder, "0-right.mkv", 0, 0, NULL);
  write_clip (folder, "1-wrong-colour.mkv", 0, 0, other);
  return other;
}

static void
test_counts (void)
{
  g_autofree char *folder = g_dir_make_tmp ("judge-XXXXXX", NULL);
  g_free (write_pair (folder));
  write_clip (folder, "2-strange-prompt.mkv", 0, 0, "a cat");
  g_autofree char *broken = g_build_filename (folder, "3-broken.mp4", NULL);
  g_autofree char *sidecar = g_build_filename (folder, "3-broken.json", NULL);
  g_assert_true (g_file_set_contents (broken, "no film", -1, NULL));
  g_assert_true (g_file_set_contents (sidecar, "{\"prompt\": \"a big red circle growing on a navy background\"}", -1, NULL));
  g_autofree char *bare = g_build_filename (folder, "4-no-sidecar.mp4", NULL);
  g_assert_true (g_file_set_contents (bare, "no film", -1, NULL));
  ReportSummary summary;
  g_autoptr (GPtrArray) clips = judge (folder, &summary);
  g_assert_cmpint (summary.clips, ==, 5);
  g_assert_cmpint (summary.unjudged, ==, 3);
  g_assert_cmpint (summary.passed, ==, 1);
  g_assert_cmpint (summary.right[JUDGE_COLOUR], ==, 1);
  g_assert_cmpint (summary.right[JUDGE_SHAPE], ==, 2);
  g_assert_false (summary.reached);
  g_assert_cmpint (summary.repeated, ==, 0);
  for (guint i = 2; i < clips->len; i++)
    g_assert_nonnull (((ReportClip *) clips->pdata[i])->fault);
  g_autofree char *report = g_build_filename (folder, "report.json", NULL), *sheet = g_build_filename (folder, "sheet.png", NULL);
  g_autoptr (GError) error = NULL;
  g_assert_true (report_write_json (report, clips, &summary, &error));
  g_assert_true (report_write_sheet (sheet, clips, &error));
  g_assert_no_error (error);
  g_autofree char *text = NULL;
  g_assert_true (g_file_get_contents (report, &text, NULL, NULL));
  g_assert_nonnull (strstr (text, "\"all_five_right\" : 1"));
  remove_folder (folder);
}

/* Two clips that differ in colour alone, each judged by the other's prompt. */
static void
test_swapped (void)
{
  g_autofree char *folder = g_dir_make_tmp ("judge-XXXXXX", NULL);
  g_autofree char *other = write_pair (folder);
  g_autoptr (GError) error = NULL;
  g_autoptr (GPtrArray) clips = clips_judge_folder (folder, TRUE, &error);
  g_assert_no_error (error);
  g_assert_cmpuint (clips->len, ==, 2);
  g_assert_cmpstr (((ReportClip *) clips->pdata[0])->prompt, ==, other);
  g_assert_false (((ReportClip *) clips->pdata[0])->verdict.right[JUDGE_COLOUR]);
  g_assert_true (((ReportClip *) clips->pdata[1])->verdict.passed);
  remove_folder (folder);
}

/* Lossless files give back the very pixels, so the judge sees what was rendered. */
static void
test_spread (void)
{
  g_autofree char *folder = g_dir_make_tmp ("judge-XXXXXX", NULL);
  FwShapesScene scene;
  fw_shapes_draw (31, 5, FW_SHAPES_HELD_OUT, &scene);
  g_autofree char *prompt = fw_shapes_caption (&scene.attributes, 0);
  write_clip (folder, "0.mkv", 5, 0, NULL);
  write_clip (folder, "1.mkv", 5, 0, prompt);
  ReportSummary summary;
  g_autoptr (GPtrArray) same = judge (folder, &summary);
  g_assert_cmpint (same->len, ==, 2);
  g_assert_cmpint (summary.passed, ==, 2);
  g_assert_cmpint (summary.repeated, ==, 1);
  g_assert_cmpfloat (summary.spread_least, <, 0.001);
  g_assert_false (summary.reached);
  remove_folder (folder);
}

/* Clips that pass, but are not of the world's length, size or rate. */
static void
test_strange_sizes (void)
{
  static const Format strange[] = { { FRAMES - 1, SIDE, 8 }, { FRAMES, SIDE - 32, 8 }, { FRAMES, SIDE, 9 } };
  for (gsize i = 0; i < G_N_ELEMENTS (strange); i++) {
    g_autofree char *folder = g_dir_make_tmp ("judge-XXXXXX", NULL);
    ReportSummary summary;
    write_clip (folder, "0.mkv", 0, 0, NULL);
    g_ptr_array_unref (judge (folder, &summary));
    g_assert_true (summary.reached);
    write_clip_as (&strange[i], folder, "1.mkv", 1, 0, NULL);
    g_ptr_array_unref (judge (folder, &summary));
    g_assert_cmpint (summary.passed, ==, 2);
    g_assert_cmpint (summary.strange_sizes, ==, 1);
    g_assert_false (summary.reached);
    remove_folder (folder);
  }
}

static void
test_chance (void)
{
  static const struct { ReportSummary summary; gboolean chance; } rows[] = {
    { { .clips = 40, .all_right = 2 }, TRUE }, { { .clips = 40, .all_right = 3 }, FALSE },
    { { .clips = 40, .unjudged = 1 }, FALSE }, { { .clips = 0 }, FALSE },
  };
  for (gsize i = 0; i < G_N_ELEMENTS (rows); i++)
    g_assert_cmpint (report_is_chance (&rows[i].summary), ==, rows[i].chance);
}

/* Clips without a shape start nowhere, so they are not far from any other. */
static void
test_starts (void)
{
  static const struct { double x, half; } starts[] = { { 0.5, 0.1 }, { 0.52, 0.1 }, { 0, 0 }, { 0.57, 0.1 } };
  g_autoptr (GPtrArray) clips = g_ptr_array_new_with_free_func ((GDestroyNotify) report_clip_free);
  ReportSummary summary;
  for (gsize i = 0; i < G_N_ELEMENTS (starts); i++) {
    ReportClip *clip = report_clip_new (NULL, "the same");
    clip->verdict.x = clip->verdict.y = starts[i].x;
    clip->verdict.half = starts[i].half;
    g_ptr_array_add (clips, clip);
    report_summarise (clips, &summary);
    g_assert_cmpint (summary.repeated, ==, i > 0);
    g_assert_cmpint (report_is_spread (&summary), ==, i == 3);
  }
}

/* The prompts that reports are made with: 64 captions in canonical wording, each once, none of which training has seen. */
static void
test_held_out (void)
{
  g_autofree char *path = g_test_build_filename (G_TEST_DIST, "quality", "held-out.txt", NULL), *text = NULL;
  g_autoptr (GError) error = NULL;
  g_assert_true (g_file_get_contents (path, &text, NULL, &error));
  g_auto (GStrv) prompts = g_strsplit (g_strchomp (text), "\n", -1);
  g_autoptr (GHashTable) seen = g_hash_table_new (g_str_hash, g_str_equal);
  for (int i = 0; prompts[i] != NULL; i++) {
    FwShapesAttributes attributes;
    g_assert_true (fw_shapes_parse (prompts[i], &attributes, &error));
    g_assert_no_error (error);
    g_autofree char *canonical = fw_shapes_caption (&attributes, 0);
    g_assert_cmpstr (prompts[i], ==, canonical);
    g_assert_true (fw_shapes_is_held_out (&attributes));
    g_assert_true (g_hash_table_add (seen, prompts[i]));
  }
  g_assert_cmpuint (g_hash_table_size (seen), ==, 64);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_data_func ("/clips/fine-compression", GINT_TO_POINTER (0), test_compressed);
  g_test_add_data_func ("/clips/strong-compression", GINT_TO_POINTER (35), test_compressed);
  g_test_add_func ("/clips/counts", test_counts);
  g_test_add_func ("/clips/swapped", test_swapped);
  g_test_add_func ("/clips/spread", test_spread);
  g_test_add_func ("/clips/strange-sizes", test_strange_sizes);
  g_test_add_func ("/clips/chance", test_chance);
  g_test_add_func ("/clips/starts", test_starts);
  g_test_add_func ("/clips/held-out", test_held_out);
  return g_test_run ();
}
