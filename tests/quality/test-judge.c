/* SPDX-License-Identifier: Apache-2.0
 * The judge judged: originals of the world pass it, slightly compressed or noisy ones too; damaged clips of every kind do not. */
#include "tests/quality/judge.h"

#include <math.h>
#include <string.h>

#include "engine/dataset/shapes.h"

enum { FRAMES = 16, DAMAGED = 12 };

typedef struct {
  FwShapesScene scene;
  JudgeWords wanted;
  char *prompt;
  guint8 *rgb;
  int side;
  GRand *random;
} Clip;

static gsize
frame_bytes (const Clip *clip)
{
  return 3 * (gsize) clip->side * (gsize) clip->side;
}

static void
clip_clear (Clip *clip)
{
  g_free (clip->prompt);
  g_free (clip->rgb);
  g_rand_free (clip->random);
}

static void
clip_make (Clip *clip, guint64 index, int side)
{
  fw_shapes_draw (21, index, index % 2 == 0 ? FW_SHAPES_TRAINED : FW_SHAPES_HELD_OUT, &clip->scene);
  clip->side = side;
  clip->rgb = g_malloc (FRAMES * frame_bytes (clip));
  clip->prompt = fw_shapes_caption (&clip->scene.attributes, 0);
  clip->random = g_rand_new_with_seed ((guint32) index);
  fw_shapes_render_clip (&clip->scene, FRAMES, side, clip->rgb);
  g_assert_true (judge_read_prompt (clip->prompt, &clip->wanted));
}

/* Judges and, where the verdict is not the expected one, says which clip it was. */
static JudgeVerdict
expect (const Clip *clip, const char *what, gboolean passes)
{
  JudgeVerdict verdict;
  judge_clip (clip->rgb, FRAMES, clip->side, clip->side, &clip->wanted, &verdict);
  if (verdict.passed == passes)
    return verdict;
  g_test_message ("%s, %s, %d pixels: %d right, %s, overlap %.3f, edge %.4f, ground %.2f", what, clip->prompt, clip->side,
                  verdict.n_right, verdict.fault != NULL ? verdict.fault : "no fault", verdict.overlap_median, verdict.edge,
                  verdict.ground_deviation);
  g_test_fail ();
  return verdict;
}

static void
test_originals (void)
{
  static const struct { int side; guint64 count; double overlap; } rows[] = {
    { 64, 100, 0.92 }, { 128, 200, 0.96 }, { 160, 10, 0.96 },
  };
  for (gsize r = 0; r < G_N_ELEMENTS (rows); r++)
    for (guint64 i = 0; i < rows[r].count; i++) {
      Clip clip;
      clip_make (&clip, i, rows[r].side);
      JudgeVerdict verdict = expect (&clip, "original", TRUE);
      g_assert_cmpfloat (verdict.overlap_least, >, rows[r].overlap);
      g_assert_cmpfloat (hypot (verdict.x - clip.scene.first.x, verdict.y - clip.scene.first.y), <, 0.01);
      g_assert_cmpfloat (fabs (verdict.half / clip.scene.first.half - 1), <, 0.04);
      g_assert_cmpfloat (verdict.ground_deviation, <, 0.5);
      clip_clear (&clip);
    }
}

static void
blur_line (const guint8 *from, guint8 *to, int count, gsize stride, double sigma)
{
  int reach = (int) ceil (3 * sigma);
  for (int i = 0; i < count; i++) {
    double sum = 0, weights = 0;
    for (int k = -reach; k <= reach; k++) {
      double weight = exp (-0.5 * k * k / (sigma * sigma));
      sum += weight * from[(gsize) CLAMP (i + k, 0, count - 1) * stride];
      weights += weight;
    }
    to[(gsize) i * stride] = (guint8) (sum / weights + 0.5);
  }
}

static void
blur (Clip *clip, double sigma, int first, int count)
{
  g_autofree guint8 *across = g_malloc (frame_bytes (clip));
  gsize row = 3 * (gsize) clip->side;
  for (int t = first; t < first + count; t++) {
    guint8 *frame = clip->rgb + (gsize) t * frame_bytes (clip);
    for (gsize line = 0; line < (gsize) clip->side; line++)
      for (gsize c = 0; c < 3; c++)
        blur_line (frame + line * row + c, across + line * row + c, clip->side, 3, sigma);
    for (gsize i = 0; i < row; i++)
      blur_line (across + i, frame + i, clip->side, row, sigma);
  }
}

static void
add_noise (Clip *clip, double amount)
{
  for (gsize i = 0; i < FRAMES * frame_bytes (clip); i++) {
    double value = clip->rgb[i] + amount * g_rand_double_range (clip->random, -1, 1);
    clip->rgb[i] = (guint8) CLAMP (value + 0.5, 0, 255);
  }
}

/* Averages the colour differences of 2x2 pixels, as video with half-resolution chroma does. */
static void
halve_chroma (Clip *clip)
{
  gsize row = 3 * (gsize) clip->side;
  for (gsize y = 0; y + 1 < FRAMES * (gsize) clip->side; y += 2)
    for (gsize x = 0; x + 1 < (gsize) clip->side; x += 2) {
      guint8 *pixels[] = { clip->rgb + y * row + 3 * x, clip->rgb + y * row + 3 * x + 3, clip->rgb + (y + 1) * row + 3 * x,
                           clip->rgb + (y + 1) * row + 3 * x + 3 };
      double luma[4], mean_luma = 0, mean[3] = { 0 };
      for (int i = 0; i < 4; i++) {
        luma[i] = 0.2126 * pixels[i][0] + 0.7152 * pixels[i][1] + 0.0722 * pixels[i][2];
        mean_luma += luma[i] / 4;
        for (int c = 0; c < 3; c++)
          mean[c] += pixels[i][c] / 4.0;
      }
      for (int i = 0; i < 4; i++)
        for (int c = 0; c < 3; c++)
          pixels[i][c] = (guint8) CLAMP (luma[i] + mean[c] - mean_luma + 0.5, 0, 255);
    }
}

static void
lift_ground (Clip *clip, int levels)
{
  for (gsize i = 0; i < FRAMES * frame_bytes (clip); i++)
    clip->rgb[i] = (guint8) MIN (255, clip->rgb[i] + levels);
}

/* Renders frame @t of the scene with one attribute changed to the next value. */
static void
render_changed (Clip *clip, int t, FwShapesAttribute attribute)
{
  FwShapesScene other = clip->scene;
  other.attributes.value[attribute] = (gint8) ((other.attributes.value[attribute] + 1) % fw_shapes_attribute_values (attribute));
  fw_shapes_render (&other, t / (FRAMES - 1.0), clip->side, clip->rgb + (gsize) t * frame_bytes (clip));
}

static void
copy_frame (Clip *clip, int to, int from)
{
  memcpy (clip->rgb + (gsize) to * frame_bytes (clip), clip->rgb + (gsize) from * frame_bytes (clip), frame_bytes (clip));
}

static void
damage_blur (Clip *clip)
{
  blur (clip, 0.02 * clip->side, 0, FRAMES);
}

static void
damage_some_blurred (Clip *clip)
{
  blur (clip, 0.02 * clip->side, 6, 4);
}

static void
damage_noise (Clip *clip)
{
  for (gsize i = 0; i < FRAMES * frame_bytes (clip); i++)
    clip->rgb[i] = (guint8) g_rand_int_range (clip->random, 0, 256);
}

static void
damage_grain (Clip *clip)
{
  add_noise (clip, 40);
}

static void
damage_plain (Clip *clip)
{
  for (gsize i = 1; i < FRAMES * (gsize) clip->side * (gsize) clip->side; i++)
    memcpy (clip->rgb + 3 * i, clip->rgb, 3);
}

static void
damage_ground_level (Clip *clip)
{
  lift_ground (clip, 6);
}

static void
damage_colour_flicker (Clip *clip)
{
  for (int t = 1; t < FRAMES; t += 2)
    render_changed (clip, t, FW_SHAPES_COLOUR);
}

static void
damage_shape_flicker (Clip *clip)
{
  for (int t = 1; t < FRAMES; t += 2)
    render_changed (clip, t, FW_SHAPES_SHAPE);
}

static void
damage_ground_flicker (Clip *clip)
{
  for (int t = 1; t < FRAMES; t += 2)
    render_changed (clip, t, FW_SHAPES_GROUND);
}

static void
damage_one_colour (Clip *clip)
{
  render_changed (clip, 7, FW_SHAPES_COLOUR);
}

static void
damage_one_shape (Clip *clip)
{
  render_changed (clip, 7, FW_SHAPES_SHAPE);
}

static void
damage_one_lost (Clip *clip)
{
  guint8 *frame = clip->rgb + 9 * frame_bytes (clip);
  for (gsize i = 1; i < (gsize) clip->side * (gsize) clip->side; i++)
    memcpy (frame + 3 * i, frame, 3);
}

static void
damage_brightness_flicker (Clip *clip)
{
  for (int t = 1; t < FRAMES; t += 2) {
    guint8 *frame = clip->rgb + (gsize) t * frame_bytes (clip);
    for (gsize i = 0; i < frame_bytes (clip); i++)
      frame[i] = (guint8) (0.75 * frame[i]);
  }
}

static void
damage_all_frames (Clip *clip, FwShapesAttribute attribute)
{
  for (int t = 0; t < FRAMES; t++)
    render_changed (clip, t, attribute);
}

static void
damage_colour (Clip *clip)
{
  damage_all_frames (clip, FW_SHAPES_COLOUR);
}

static void
damage_shape (Clip *clip)
{
  damage_all_frames (clip, FW_SHAPES_SHAPE);
}

static void
damage_ground (Clip *clip)
{
  damage_all_frames (clip, FW_SHAPES_GROUND);
}

/* Another draw of the world that differs in one attribute: size and motion change the path as well. */
static void
redraw_changed (Clip *clip, FwShapesAttribute attribute)
{
  FwShapesAttributes other = clip->scene.attributes;
  other.value[attribute] = (gint8) ((other.value[attribute] + 1) % fw_shapes_attribute_values (attribute));
  FwShapesScene scene;
  fw_shapes_draw_with (22, 1, &other, &scene);
  fw_shapes_render_clip (&scene, FRAMES, clip->side, clip->rgb);
}

static void
damage_size (Clip *clip)
{
  redraw_changed (clip, FW_SHAPES_SIZE);
}

static void
damage_motion (Clip *clip)
{
  redraw_changed (clip, FW_SHAPES_MOTION);
}

/* The rest apply to clips that move or change their size. */
static void
damage_frozen (Clip *clip)
{
  for (int t = 1; t < FRAMES; t++)
    copy_frame (clip, t, 0);
}

static void
damage_half_frozen (Clip *clip)
{
  for (int t = 1; t < FRAMES / 2; t++)
    copy_frame (clip, t, 0);
}

static void
damage_reversed (Clip *clip)
{
  g_autofree guint8 *frame = g_malloc (frame_bytes (clip));
  for (int t = 0; t < FRAMES / 2; t++) {
    memcpy (frame, clip->rgb + (gsize) t * frame_bytes (clip), frame_bytes (clip));
    copy_frame (clip, t, FRAMES - 1 - t);
    memcpy (clip->rgb + (gsize) (FRAMES - 1 - t) * frame_bytes (clip), frame, frame_bytes (clip));
  }
}

static void
damage_shuffled (Clip *clip)
{
  for (int t = 1; t + 4 < FRAMES; t += 2)
    copy_frame (clip, t, t + 4);
}

/* The next two bite into the outline: half of the shape's rows slide aside; its right half is gone. */
static void
damage_ragged (Clip *clip)
{
  gsize row = 3 * (gsize) clip->side, slide = 3 * (gsize) (clip->side / 6);
  for (gsize y = 0; y < FRAMES * (gsize) clip->side; y++)
    if (g_rand_boolean (clip->random))
      memmove (clip->rgb + y * row, clip->rgb + y * row + slide, row - slide);
}

static void
damage_cut (Clip *clip)
{
  for (int t = 0; t < FRAMES; t++) {
    FwShapesPose pose = fw_shapes_pose (&clip->scene, t / (FRAMES - 1.0));
    for (int y = 0; y < clip->side; y++)
      for (int x = (int) (pose.x * clip->side); x < clip->side; x++)
        memcpy (clip->rgb + (gsize) t * frame_bytes (clip) + 3 * (gsize) (y * clip->side + x), clip->rgb, 3);
  }
}

/* Fills a disc of @radius in pixels about (x, y) of frame @t. */
static void
add_disc (Clip *clip, int t, double x, double y, double radius, const guint8 *colour)
{
  guint8 *frame = clip->rgb + (gsize) t * frame_bytes (clip);
  for (int row = 0; row < clip->side; row++)
    for (int column = 0; column < clip->side; column++)
      if (hypot (column + 0.5 - x, row + 0.5 - y) < radius)
        memcpy (frame + 3 * (gsize) (row * clip->side + column), colour, 3);
}

/* Empties a disc in the middle of the shape of frame @t, @part of its half-size. */
static void
hollow (Clip *clip, int t, double part)
{
  FwShapesPose pose = fw_shapes_pose (&clip->scene, t / (FRAMES - 1.0));
  add_disc (clip, t, pose.x * clip->side, (pose.y + 0.2 * pose.half) * clip->side, part * pose.half * clip->side, clip->rgb);
}

static void
damage_hollow (Clip *clip)
{
  for (int t = 0; t < FRAMES; t++)
    hollow (clip, t, 0.5);
}

static void
damage_one_hollow (Clip *clip)
{
  hollow (clip, 11, 0.68);
}

/* Renders every other frame with the pose changed by @shift of the side and by the factor @swell. */
static void
shake (Clip *clip, double shift, double swell)
{
  for (int t = 1; t < FRAMES; t += 2) {
    FwShapesScene scene = clip->scene;
    scene.first = fw_shapes_pose (&clip->scene, t / (FRAMES - 1.0));
    scene.first.half *= swell;
    scene.first.x += scene.first.x > 0.5 ? -shift : shift;
    scene.last = scene.first;
    fw_shapes_render (&scene, 0, clip->side, clip->rgb + (gsize) t * frame_bytes (clip));
  }
}

static void
damage_jitter (Clip *clip)
{
  shake (clip, 0.06, 1);
}

static void
damage_wobble (Clip *clip)
{
  shake (clip, 0, 0.65);
}

/* A small disc in the corner that is farthest from the shape, in one frame or in all; of the shape's own colour or another. */
static void
add_companion (Clip *clip, int first, int count, gboolean alike)
{
  static const guint8 others[2][3] = { { 52, 108, 219 }, { 39, 174, 96 } };
  FwShapesPose pose = fw_shapes_pose (&clip->scene, first / (FRAMES - 1.0));
  double side = clip->side, radius = 0.035 * side, near = 1.2 * radius;
  guint8 own[3];
  memcpy (own, clip->rgb + (gsize) first * frame_bytes (clip)
               + 3 * ((gsize) (pose.y * side) * (gsize) clip->side + (gsize) (pose.x * side)), 3);
  for (int t = first; t < first + count; t++)
    add_disc (clip, t, pose.x > 0.5 ? near : side - near, pose.y > 0.5 ? near : side - near, radius,
              alike ? own : others[memcmp (own, others[0], 3) == 0]);
}

static void
damage_other_companion (Clip *clip)
{
  add_companion (clip, 0, FRAMES, FALSE);
}

static void
damage_like_companion (Clip *clip)
{
  add_companion (clip, 0, FRAMES, TRUE);
}

static void
damage_flash (Clip *clip)
{
  add_companion (clip, 0, 1, FALSE);
}

/* The whole path moved so that a third of the half-size is cut off at the left border. */
static void
damage_outside (Clip *clip)
{
  FwShapesScene scene = clip->scene;
  double left = MIN (scene.first.x - scene.first.half, scene.last.x - scene.last.half) + scene.first.half / 3;
  scene.first.x -= left;
  scene.last.x -= left;
  fw_shapes_render_clip (&scene, FRAMES, clip->side, clip->rgb);
}

/* A darker tone of the same colour every other frame, the ground untouched. */
static void
damage_tone_flicker (Clip *clip)
{
  for (int t = 1; t < FRAMES; t += 2) {
    guint8 *frame = clip->rgb + (gsize) t * frame_bytes (clip), ground[3];
    memcpy (ground, frame, 3);
    for (gsize i = 0; i < (gsize) clip->side * (gsize) clip->side; i++)
      if (memcmp (frame + 3 * i, ground, 3) != 0)
        for (gsize c = 0; c < 3; c++)
          frame[3 * i + c] = (guint8) (0.86 * frame[3 * i + c]);
  }
}

/* Where a fault is named, it must be the first one found in at least one of the clips, so that no limit goes untested. */
static const struct {
  const char *name;
  void (*damage) (Clip *clip);
  gboolean moving_only;
  const char *fault;
} damages[] = {
  { "blurred", damage_blur, FALSE, "blurred" },
  { "some-frames-blurred", damage_some_blurred, FALSE, "blurred" },
  { "companion-of-another-colour", damage_other_companion, FALSE, "more than one" },
  { "companion-of-the-same-colour", damage_like_companion, FALSE, "more than one" },
  { "companion-in-one-frame", damage_flash, FALSE, "more than one" },
  { "outside", damage_outside, FALSE, "leaves the frame" },
  { "noise", damage_noise, FALSE },
  { "grain", damage_grain, FALSE, "not plain" },
  { "plain", damage_plain, FALSE },
  { "ground-level", damage_ground_level, FALSE, "ground is off" },
  { "colour-flicker", damage_colour_flicker, FALSE },
  { "shape-flicker", damage_shape_flicker, FALSE },
  { "ground-flicker", damage_ground_flicker, FALSE },
  { "one-frame-of-another-colour", damage_one_colour, FALSE },
  { "one-frame-of-another-shape", damage_one_shape, FALSE },
  { "one-frame-lost", damage_one_lost, FALSE },
  { "brightness-flicker", damage_brightness_flicker, FALSE },
  { "wrong-colour", damage_colour, FALSE },
  { "wrong-shape", damage_shape, FALSE },
  { "wrong-ground", damage_ground, FALSE },
  { "wrong-size", damage_size, FALSE },
  { "wrong-motion", damage_motion, FALSE },
  { "frozen", damage_frozen, TRUE },
  { "half-frozen", damage_half_frozen, TRUE },
  { "reversed", damage_reversed, TRUE },
  { "shuffled", damage_shuffled, TRUE, "goes back" },
  { "ragged", damage_ragged, FALSE },
  { "cut", damage_cut, FALSE },
  { "hollow", damage_hollow, FALSE, "not the ideal one" },
  { "one-frame-hollow", damage_one_hollow, FALSE, "breaks in a frame" },
  { "jitter", damage_jitter, FALSE, "not straight and steady" },
  { "wobble", damage_wobble, FALSE, "size wobbles" },
  { "tone-flicker", damage_tone_flicker, FALSE, "colour flickers" },
};

static void
test_damage (gconstpointer data)
{
  gsize d = GPOINTER_TO_SIZE (data);
  int named = 0;
  for (guint64 i = 0, used = 0; used < DAMAGED; i++) {
    Clip clip;
    clip_make (&clip, i, i % 4 == 0 ? 64 : 128);
    if (!damages[d].moving_only || clip.wanted.value[JUDGE_MOTION] != JUDGE_STILL) {
      damages[d].damage (&clip);
      JudgeVerdict verdict = expect (&clip, damages[d].name, FALSE);
      named += damages[d].fault != NULL && verdict.fault != NULL && strstr (verdict.fault, damages[d].fault) != NULL;
      used++;
    }
    clip_clear (&clip);
  }
  if (damages[d].fault != NULL)
    g_assert_cmpint (named, >, 0);
}

static void
test_swapped (void)
{
  int attributes_right = 0;
  for (guint64 i = 0; i < DAMAGED; i++) {
    Clip clip, other;
    clip_make (&clip, i, 128);
    clip_make (&other, i + 100, 128);
    JudgeVerdict verdict;
    judge_clip (clip.rgb, FRAMES, 128, 128, &other.wanted, &verdict);
    g_assert_cmpint (verdict.passed, ==, strcmp (clip.prompt, other.prompt) == 0);
    attributes_right += verdict.n_right;
    clip_clear (&clip);
    clip_clear (&other);
  }
  /* By chance 1/2 + 1/8 + 1/3 + 1/7 + 1/4 of the five are right. */
  g_assert_cmpint (attributes_right, <, (int) (2.2 * DAMAGED));
}

/* What a clip may have suffered on its way through a decoder and a video file. */
static void
test_spared (void)
{
  for (guint64 i = 0; i < 3 * DAMAGED; i++) {
    Clip clip;
    clip_make (&clip, i, 128);
    if (i % 3 == 0)
      blur (&clip, 0.8, 0, FRAMES);
    if (i % 3 == 1)
      halve_chroma (&clip);
    if (i % 2 == 0)
      lift_ground (&clip, 1);
    add_noise (&clip, 3);
    expect (&clip, "slightly worn", TRUE);
    clip_clear (&clip);
  }
}

static void
test_prompts (void)
{
  JudgeWords words;
  static const JudgeWords expected = { { JUDGE_BIG, 1, JUDGE_TRIANGLE, JUDGE_SHRINKING, 2 } };
  g_assert_true (judge_read_prompt ("a big orange triangle shrinking on a navy background", &words));
  g_assert_cmpmem (&words, sizeof words, &expected, sizeof expected);
  static const char *const refused[] = {
    "", "a big", "a big orange triangle shrinking on a navy background ", "a pink circle growing on a navy background",
    "a big orange triangle on a navy background", "a big orange triangle shrinking on a white background",
  };
  for (gsize i = 0; i < G_N_ELEMENTS (refused); i++)
    g_assert_false (judge_read_prompt (refused[i], &words));
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/judge/prompts", test_prompts);
  g_test_add_func ("/judge/originals", test_originals);
  g_test_add_func ("/judge/slightly-worn", test_spared);
  g_test_add_func ("/judge/swapped-prompts", test_swapped);
  for (gsize i = 0; i < G_N_ELEMENTS (damages); i++) {
    g_autofree char *path = g_strdup_printf ("/judge/rejects/%s", damages[i].name);
    g_test_add_data_func (path, GSIZE_TO_POINTER (i), test_damage);
  }
  return g_test_run ();
}
