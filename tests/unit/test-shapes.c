/* SPDX-License-Identifier: Apache-2.0
 * The shapes world: captions, held-out triples, what a drawn scene keeps to, and the rendered pixels. */
#include "engine/dataset/shapes.h"

#include <math.h>
#include <string.h>

#include "engine/memory/error.h"

enum { SIDE = 128, DRAWS = 20000 };

static const char *const sizes[] = { "small", "big" };
static const char *const colours[] = { "red", "orange", "yellow", "green", "cyan", "blue", "magenta", "white" };
static const char *const shapes[] = { "circle", "square", "triangle" };
static const char *const motions[] = { "standing still", "moving left", "moving right", "moving up", "moving down", "growing",
                                       "shrinking" };
static const char *const grounds[] = { "black", "grey", "navy", "brown" };

static const guint8 colour_bytes[][3] = { { 220, 50, 47 }, { 230, 126, 34 }, { 241, 196, 15 }, { 39, 174, 96 }, { 26, 188, 188 },
                                          { 52, 108, 219 }, { 200, 60, 200 }, { 240, 240, 240 } };
static const guint8 ground_bytes[][3] = { { 16, 16, 16 }, { 110, 110, 110 }, { 20, 30, 80 }, { 90, 60, 35 } };

typedef void (*EachAttributes) (const FwShapesAttributes *attributes, gpointer data);

static void
each_combination (EachAttributes function, gpointer data)
{
  for (int size = 0; size < 2; size++)
    for (int colour = 0; colour < 8; colour++)
      for (int shape = 0; shape < 3; shape++)
        for (int motion = 0; motion < 7; motion++)
          for (int ground = 0; ground < 4; ground++) {
            FwShapesAttributes attributes = { { (gint8) size, (gint8) colour, (gint8) shape, (gint8) motion, (gint8) ground } };
            function (&attributes, data);
          }
}

static int
count_words (const char *text)
{
  g_auto (GStrv) list = g_strsplit (text, " ", -1);
  return (int) g_strv_length (list);
}

static void
check_captions (const FwShapesAttributes *attributes, gpointer data)
{
  GHashTable *seen = data;
  const gint8 *v = attributes->value;
  g_autofree char *expected = g_strdup_printf ("a %s %s %s %s on a %s background", sizes[v[FW_SHAPES_SIZE]],
                                               colours[v[FW_SHAPES_COLOUR]], shapes[v[FW_SHAPES_SHAPE]],
                                               motions[v[FW_SHAPES_MOTION]], grounds[v[FW_SHAPES_GROUND]]);
  for (guint32 i = 0; i <= 20; i++) {
    guint32 wording = i * (g_hash_table_size (seen) + 1);
    g_autofree char *caption = fw_shapes_caption (attributes, wording);
    if (wording == 0)
      g_assert_cmpstr (caption, ==, expected);
    g_assert_cmpint (count_words (caption), <=, 11);
    FwShapesAttributes parsed;
    GError *error = NULL;
    g_assert_true (fw_shapes_parse (caption, &parsed, &error));
    g_assert_no_error (error);
    g_assert_cmpmem (&parsed, sizeof parsed, attributes, sizeof *attributes);
    g_hash_table_add (seen, g_steal_pointer (&caption));
  }
}

static void
test_captions (void)
{
  g_autoptr (GHashTable) seen = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  each_combination (check_captions, seen);
  g_assert_cmpuint (g_hash_table_size (seen), >, 10 * 1344);
}

static void
test_parse_errors (void)
{
  static const struct { const char *caption, *part; } rows[] = {
    { "", "size" },
    { "a big red circle moving left", "background" },
    { "a big red moving left on a navy background", "shape" },
    { "a big small red circle moving left on a navy background", "twice" },
    { "a big red blue circle moving left on a navy background", "twice" },
    { "a big red circle moving sideways on a navy background", "moving" },
    { "a big red elephant moving left on a navy background", "elephant" },
    { "\xff\xfe", "text" },
  };
  for (gsize i = 0; i < G_N_ELEMENTS (rows); i++) {
    FwShapesAttributes attributes;
    g_autoptr (GError) error = NULL;
    g_assert_false (fw_shapes_parse (rows[i].caption, &attributes, &error));
    g_assert_error (error, FW_ERROR, FW_ERROR_INVALID);
    g_assert_nonnull (strstr (error->message, rows[i].part));
  }
  FwShapesAttributes attributes, wanted = { { 1, 7, 1, 6, 1 } };
  g_assert_true (fw_shapes_parse ("  On a GRAY background, a Huge White square: getting smaller.", &attributes, NULL));
  g_assert_cmpmem (&attributes, sizeof attributes, &wanted, sizeof wanted);
}

typedef struct {
  int held_out, combinations;
  int trained_pairs[5][5][8][8];
} Split;

static void
count_split (const FwShapesAttributes *attributes, gpointer data)
{
  Split *split = data;
  const gint8 *v = attributes->value;
  split->combinations++;
  gboolean held_out = (v[FW_SHAPES_COLOUR] + 2 * v[FW_SHAPES_SHAPE] + v[FW_SHAPES_MOTION]) % 5 == 4;
  g_assert_cmpint (fw_shapes_is_held_out (attributes), ==, held_out);
  split->held_out += held_out;
  for (int a = 0; a < 5; a++)
    for (int b = 0; b < 5; b++)
      split->trained_pairs[a][b][v[a]][v[b]] += !held_out;
}

static void
test_split (void)
{
  static const int counts[] = { 2, 8, 3, 7, 4 };
  g_autofree Split *split = g_new0 (Split, 1);
  each_combination (count_split, split);
  g_assert_cmpint (split->combinations, ==, 1344);
  g_assert_cmpint (split->held_out, ==, 33 * 8);
  for (int a = 0; a < 5; a++) {
    g_assert_cmpint (fw_shapes_attribute_values (a), ==, counts[a]);
    for (int b = 0; b < 5; b++)
      for (int i = 0; a != b && i < counts[a]; i++)
        for (int j = 0; j < counts[b]; j++)
          g_assert_cmpint (split->trained_pairs[a][b][i][j], >, 0);
  }
}

static void
check_scene (const FwShapesScene *scene)
{
  const gint8 *v = scene->attributes.value;
  double base = v[FW_SHAPES_SIZE] == 0 ? 0.11 : 0.20, smaller = MIN (scene->first.half, scene->last.half);
  double larger = MAX (scene->first.half, scene->last.half);
  double dx = scene->last.x - scene->first.x, dy = scene->last.y - scene->first.y;
  g_assert_cmpfloat (fabs (smaller / base - 1), <=, 0.1 + 1e-12);
  if (v[FW_SHAPES_MOTION] >= 5) {
    g_assert_cmpfloat (larger / smaller, >=, 1.6);
    g_assert_true ((scene->last.half > scene->first.half) == (v[FW_SHAPES_MOTION] == 5));
  } else {
    g_assert_cmpfloat (larger, ==, smaller);
  }
  static const int directions[7][2] = { { 0, 0 }, { -1, 0 }, { 1, 0 }, { 0, -1 }, { 0, 1 }, { 0, 0 }, { 0, 0 } };
  const int *direction = directions[v[FW_SHAPES_MOTION]];
  double along = dx * direction[0] + dy * direction[1], length = hypot (dx, dy);
  g_assert_cmpfloat (fabs (along - length), <=, 1e-12);
  if (direction[0] != 0 || direction[1] != 0)
    g_assert_cmpfloat (length, >=, 0.35);
  else
    g_assert_cmpfloat (length, ==, 0);
  for (int t = 0; t <= 16; t++) {
    FwShapesPose pose = fw_shapes_pose (scene, t / 16.0);
    g_assert_cmpfloat (MIN (pose.x, pose.y) - pose.half, >, 0);
    g_assert_cmpfloat (MAX (pose.x, pose.y) + pose.half, <, 1);
  }
  g_assert_true (scene->moment >= 0 && scene->moment < 1);
}

/* Half of the draws must fall in each half of a range that is uniform; five standard deviations of slack. */
static void
assert_share (int hits, int total, double share)
{
  g_assert_cmpfloat (fabs (hits - total * share), <=, 5 * sqrt (total * share * (1 - share)));
}

static void
test_draws (void)
{
  for (int split = 0; split < 2; split++) {
    int seen[2][4] = { { 0 } }, canonical = 0, low_half = 0, above = 0, late = 0, triples[8][3][7] = { { { 0 } } };
    for (guint64 i = 0; i < DRAWS; i++) {
      FwShapesScene scene;
      fw_shapes_draw (7, i, split, &scene);
      check_scene (&scene);
      const gint8 *v = scene.attributes.value;
      g_assert_cmpint (fw_shapes_is_held_out (&scene.attributes), ==, split == FW_SHAPES_HELD_OUT);
      seen[v[FW_SHAPES_SIZE]][v[FW_SHAPES_GROUND]]++;
      triples[v[FW_SHAPES_COLOUR]][v[FW_SHAPES_SHAPE]][v[FW_SHAPES_MOTION]]++;
      canonical += scene.wording == 0;
      low_half += scene.first.x + scene.last.x < 1;
      above += scene.first.x + scene.last.x < scene.first.y + scene.last.y;
      late += scene.moment >= 0.5;
    }
    for (int i = 0; i < 8; i++)
      assert_share (seen[i / 4][i % 4], DRAWS, 1.0 / 8);
    int present = 0;
    for (int c = 0; c < 8; c++)
      for (int s = 0; s < 3; s++)
        for (int m = 0; m < 7; m++)
          if (triples[c][s][m] > 0) {
            present++;
            assert_share (triples[c][s][m], DRAWS, split == FW_SHAPES_HELD_OUT ? 1.0 / 33 : 1.0 / 135);
          }
    g_assert_cmpint (present, ==, split == FW_SHAPES_HELD_OUT ? 33 : 135);
    assert_share (canonical, DRAWS, 0.5);
    assert_share (low_half, DRAWS, 0.5);
    assert_share (above, DRAWS, 0.5);
    assert_share (late, DRAWS, 0.5);
  }
}

static void
test_repeatable (void)
{
  enum { N = 200 };
  FwShapesScene forwards[N], other;
  memset (forwards, 0, sizeof forwards);
  for (int i = 0; i < N; i++)
    fw_shapes_draw (3, (guint64) i, FW_SHAPES_TRAINED, &forwards[i]);
  for (int i = N - 1; i >= 0; i--) {
    memset (&other, 0, sizeof other);
    fw_shapes_draw (3, (guint64) i, FW_SHAPES_TRAINED, &other);
    g_assert_cmpmem (&other, sizeof other, &forwards[i], sizeof other);
    fw_shapes_draw (4, (guint64) i, FW_SHAPES_TRAINED, &other);
    g_assert_cmpfloat (other.first.x, !=, forwards[i].first.x);
    if (i > 0)
      g_assert_cmpfloat (forwards[i - 1].first.x, !=, forwards[i].first.x);
    fw_shapes_draw_with (9, (guint64) i, &forwards[i].attributes, &other);
    g_assert_cmpmem (&other.attributes, sizeof other.attributes, &forwards[i].attributes, sizeof other.attributes);
    check_scene (&other);
  }
}

/* Sum of coverage over a frame, in pixels, from the channel where shape and ground differ most; checks each byte on the way:
 * between the two colours everywhere, and equal to one of them away from the edge. */
static double
sum_coverage (const guint8 *rgb, int side, const FwShapesScene *scene)
{
  const guint8 *inside = colour_bytes[scene->attributes.value[FW_SHAPES_COLOUR]];
  const guint8 *outside = ground_bytes[scene->attributes.value[FW_SHAPES_GROUND]];
  int widest = 0, edges = 0;
  for (int c = 1; c < 3; c++)
    if (abs (inside[c] - outside[c]) > abs (inside[widest] - outside[widest]))
      widest = c;
  double sum = 0;
  for (int i = 0; i < side * side; i++) {
    const guint8 *pixel = rgb + 3 * i;
    double cover = (pixel[widest] - outside[widest]) / (double) (inside[widest] - outside[widest]);
    g_assert_true (cover >= 0 && cover <= 1);
    for (int c = 0; c < 3; c++)
      g_assert_cmpfloat (fabs (outside[c] + cover * (inside[c] - outside[c]) - pixel[c]), <=, 1.6);
    edges += cover > 0 && cover < 1;
    sum += cover;
  }
  g_assert_cmpint (edges, <, 10 * side);
  return sum;
}

static void
test_pixels (void)
{
  static const int sides[] = { 64, 97, 128, 256 };
  static const double areas[] = { G_PI, 4, 2 };
  for (gsize s = 0; s < G_N_ELEMENTS (sides); s++) {
    int side = sides[s];
    g_autofree guint8 *rgb = g_malloc (3 * (gsize) side * (gsize) side);
    for (guint64 i = 0; i < 300; i++) {
      FwShapesScene scene;
      fw_shapes_draw (11, i, FW_SHAPES_TRAINED, &scene);
      double time = (double) (i % 16) / 15;
      memset (rgb, 1, 3 * (gsize) side * (gsize) side);
      fw_shapes_render (&scene, time, side, rgb);
      FwShapesPose pose = fw_shapes_pose (&scene, time);
      const guint8 *inside = colour_bytes[scene.attributes.value[FW_SHAPES_COLOUR]];
      const guint8 *outside = ground_bytes[scene.attributes.value[FW_SHAPES_GROUND]];
      int centre = (int) (pose.y * side) * side + (int) (pose.x * side);
      g_assert_cmpmem (rgb + 3 * centre, 3, inside, 3);
      g_assert_cmpmem (rgb, 3, outside, 3);
      g_assert_cmpmem (rgb + 3 * (side * side - 1), 3, outside, 3);
      double half = pose.half * side, expected = areas[scene.attributes.value[FW_SHAPES_SHAPE]] * half * half;
      g_assert_cmpfloat (fabs (sum_coverage (rgb, side, &scene) - expected), <=, 1.5 + 0.004 * expected);
    }
  }
}

/* Extents at half coverage tell a triangle's apex from its base and a square from a circle. */
static void
test_outlines (void)
{
  static guint8 rgb[3 * SIDE * SIDE];
  for (int shape = 0; shape < 3; shape++) {
    FwShapesPose pose = { 0.5, 0.5, 0.25 };
    FwShapesScene scene = { .attributes = { { 1, 7, (gint8) shape, 0, 0 } }, .first = pose, .last = pose };
    fw_shapes_render (&scene, 0, SIDE, rgb);
    static const int rows[] = { 40, 64, 88 }; /* at a quarter, half and three quarters of the height of 32..96 */
    for (int i = 0; i < 3; i++) {
      double width = 0, relative = (rows[i] + 0.5 - 64) / 32, expected = 64;
      for (int x = 0; x < SIDE; x++)
        width += (rgb[3 * (rows[i] * SIDE + x)] - 16) / 224.0;
      if (shape == 0)
        expected = 64 * sqrt (1 - relative * relative);
      else if (shape == 2)
        expected = 64 * (1 + relative) / 2;
      g_assert_cmpfloat (fabs (width - expected), <=, 0.25);
    }
  }
}

static void
test_clip (void)
{
  enum { FRAMES = 16, BYTES = 3 * 64 * 64 };
  g_autofree guint8 *clip = g_malloc (FRAMES * BYTES), *frame = g_malloc (BYTES);
  FwShapesScene scene;
  FwShapesAttributes attributes = { { 0, 0, 0, 1, 0 } };
  fw_shapes_draw_with (1, 1, &attributes, &scene);
  fw_shapes_render_clip (&scene, FRAMES, 64, clip);
  for (int t = 0; t < FRAMES; t++) {
    fw_shapes_render (&scene, t / 15.0, 64, frame);
    g_assert_cmpmem (clip + t * BYTES, BYTES, frame, BYTES);
  }
  g_assert_cmpint (memcmp (clip, clip + 15 * BYTES, BYTES), !=, 0);
  fw_shapes_render_clip (&scene, 1, 64, frame);
  g_assert_cmpmem (clip, BYTES, frame, BYTES);
}

static void
test_speed (void)
{
  static const struct { int side; double rate; } rows[] = { { 64, 8000 }, { 128, 2000 } };
  static guint8 rgb[3 * 128 * 128];
  for (gsize i = 0; i < G_N_ELEMENTS (rows); i++) {
    gint64 begin = g_get_monotonic_time ();
    for (guint64 n = 0; n < 4000; n++) {
      FwShapesScene scene;
      fw_shapes_draw (5, n, FW_SHAPES_TRAINED, &scene);
      fw_shapes_render (&scene, scene.moment, rows[i].side, rgb);
    }
    double rate = 4000e6 / (double) (g_get_monotonic_time () - begin);
    g_test_maximized_result (rate, "%dx%d: %.0f frames/s", rows[i].side, rows[i].side, rate);
    g_assert_cmpfloat (rate, >, rows[i].rate);
  }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/shapes/captions", test_captions);
  g_test_add_func ("/shapes/parse-errors", test_parse_errors);
  g_test_add_func ("/shapes/split", test_split);
  g_test_add_func ("/shapes/draws", test_draws);
  g_test_add_func ("/shapes/repeatable", test_repeatable);
  g_test_add_func ("/shapes/pixels", test_pixels);
  g_test_add_func ("/shapes/outlines", test_outlines);
  g_test_add_func ("/shapes/clip", test_clip);
  if (g_test_perf ())
    g_test_add_func ("/shapes/speed", test_speed);
  return g_test_run ();
}
