/* SPDX-License-Identifier: Apache-2.0
 * What one frame shows: the ground from the frame's rim, the shape as what stands out from it, its colour, the best of three
 * fits, how plain and how sharp it all is, and what else is there. */
#include "tests/quality/judge.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static const guint8 named_colours[JUDGE_N_COLOURS][3] = {
  { 220, 50, 47 }, { 230, 126, 34 }, { 241, 196, 15 }, { 39, 174, 96 }, { 26, 188, 188 }, { 52, 108, 219 }, { 200, 60, 200 },
  { 240, 240, 240 },
};
static const guint8 named_grounds[JUDGE_N_GROUNDS][3] = { { 16, 16, 16 }, { 110, 110, 110 }, { 20, 30, 80 }, { 90, 60, 35 } };

/* Distances in RGB levels. The nearest shape colour and ground are 97 apart, the nearest two colours 70, two grounds 66. */
static const double stands_out = 40, reads_as = 60;

/* A shape of the smallest half-size allowed covers about 2 % of the square; less than half a per cent is none. */
static const double least_part = 0.005;

/* A histogram per channel: what a median needs. */
typedef struct {
  int count, bins[3][256];
} Histogram;

static void
histogram_add (Histogram *histogram, const guint8 *pixel)
{
  histogram->count++;
  for (int c = 0; c < 3; c++)
    histogram->bins[c][pixel[c]]++;
}

static void
histogram_median (const Histogram *histogram, guint8 *median)
{
  for (int c = 0; c < 3; c++) {
    int level = 0, below = histogram->bins[c][0];
    while (level < 255 && 2 * below < histogram->count)
      below += histogram->bins[c][++level];
    median[c] = (guint8) level;
  }
}

static double
distance (const guint8 *a, const guint8 *b)
{
  int red = a[0] - b[0], green = a[1] - b[1], blue = a[2] - b[2];
  return sqrt (red * red + green * green + blue * blue);
}

static double
mean_deviation (const guint8 *a, const guint8 *b)
{
  return (abs (a[0] - b[0]) + abs (a[1] - b[1]) + abs (a[2] - b[2])) / 3.0;
}

static int
nearest (const guint8 *tone, const guint8 (*named)[3], int count)
{
  int best = JUDGE_UNCLEAR;
  for (int i = 0; i < count; i++)
    if (distance (tone, named[i]) <= (best == JUDGE_UNCLEAR ? reads_as : distance (tone, named[best])))
      best = i;
  return best;
}

static void
read_rim (const guint8 *rgb, int width, int height, guint8 *ground)
{
  Histogram histogram = { 0 };
  for (int y = 0; y < height; y++)
    for (int x = 0; x < width; x += y == 0 || y == height - 1 ? 1 : width - 1)
      histogram_add (&histogram, rgb + 3 * ((gsize) y * (gsize) width + (gsize) x));
  histogram_median (&histogram, ground);
}

/* The tone of what stands out from the ground; FALSE where too little does. */
static gboolean
read_tone (const guint8 *rgb, int width, int height, const guint8 *ground, guint8 *tone)
{
  Histogram histogram = { 0 };
  for (gsize i = 0; i < (gsize) width * (gsize) height; i++)
    if (distance (rgb + 3 * i, ground) > stands_out)
      histogram_add (&histogram, rgb + 3 * i);
  int side = MIN (width, height);
  if (histogram.count < least_part * side * side)
    return FALSE;
  histogram_median (&histogram, tone);
  return TRUE;
}

static double
ramp (double value, double from, double to)
{
  return CLAMP ((value - from) / (to - from), 0, 1);
}

/* The map of the shape: half-way between ground and tone is its outline, and the ramp about it keeps fractions of pixels. Returns
 * the summed width of the edges in pixels: 4 c (1 - c) summed across an edge is about the distance over which c rises, and the
 * first and last tenth of the way are left out, as slight noise on plain areas. */
static double
segment (const guint8 *rgb, const guint8 *ground, const guint8 *tone, JudgeMap *map)
{
  double along[3], square = 0, rise = 0;
  for (int c = 0; c < 3; c++) {
    along[c] = tone[c] - ground[c];
    square += along[c] * along[c];
  }
  map->total = 0;
  for (gsize i = 0; i < (gsize) map->width * (gsize) map->height; i++) {
    double way = 0;
    for (int c = 0; c < 3; c++)
      way += along[c] * (rgb[3 * i + (gsize) c] - ground[c]) / square;
    double part = ramp (way, 0.1, 0.9);
    rise += 4 * part * (1 - part);
    map->cover[i] = (float) ramp (way, 0.25, 0.75);
    map->total += map->cover[i];
  }
  return rise;
}

/* The least or the most cover at the four pixels @reach away, the frame's border repeated. */
static void
look_around (const JudgeMap *map, int x, int y, int reach, float *least, float *most)
{
  int left = MAX (0, x - reach), right = MIN (map->width - 1, x + reach);
  int up = MAX (0, y - reach), down = MIN (map->height - 1, y + reach);
  const float around[] = { map->cover[y * map->width + left], map->cover[y * map->width + right],
                           map->cover[up * map->width + x], map->cover[down * map->width + x] };
  *least = *most = map->cover[y * map->width + x];
  for (int i = 0; i < 4; i++) {
    *least = MIN (*least, around[i]);
    *most = MAX (*most, around[i]);
  }
}

/* What lies so many pixels from an edge is away from it. */
static int
reach_of (const JudgeMap *map)
{
  return MAX (2, MIN (map->width, map->height) / 42);
}

/* Deviations of the ground and of the shape's inside, both away from the edge. */
static void
measure_plainness (const guint8 *rgb, const JudgeMap *map, JudgeFrame *frame)
{
  int reach = reach_of (map);
  double ground_sum = 0, colour_sum = 0;
  int ground_count = 0, colour_count = 0;
  const guint8 *named = frame->ground == JUDGE_UNCLEAR ? named_grounds[0] : named_grounds[frame->ground];
  for (int y = 0; y < map->height; y++)
    for (int x = 0; x < map->width; x++) {
      float least, most;
      const guint8 *pixel = rgb + 3 * (y * map->width + x);
      look_around (map, x, y, reach, &least, &most);
      if (most < 0.5f) {
        ground_sum += mean_deviation (pixel, named);
        ground_count++;
      } else if (least > 0.5f) {
        colour_sum += mean_deviation (pixel, frame->tone);
        colour_count++;
      }
    }
  frame->ground_deviation = ground_count > 0 ? ground_sum / ground_count : 255;
  frame->colour_deviation = colour_count > 0 ? colour_sum / colour_count : 255;
}

/* What is in the frame besides the shape, whatever its colour, and how far the shape's box lies outside. A ragged outline, which
 * the overlap judges, stays within some pixels of the box. */
static void
measure_surroundings (const guint8 *rgb, const guint8 *ground, const JudgeMap *map, JudgeFrame *frame)
{
  const JudgeFit *fit = &frame->fit[frame->shape];
  double away = fit->half + 3 * reach_of (map);
  int count = 0;
  for (int y = 0; y < map->height; y++)
    for (int x = 0; x < map->width; x++)
      if (fabs (x + 0.5 - fit->x) > away || fabs (y + 0.5 - fit->y) > away)
        count += distance (rgb + 3 * (y * map->width + x), ground) > stands_out;
  frame->strange = count / ((double) map->width * map->height);
  frame->outside = MAX (0, fit->half - MIN (MIN (fit->x, map->width - fit->x), MIN (fit->y, map->height - fit->y)));
}

void
judge_frame (const guint8 *rgb, int width, int height, JudgeFrame *frame)
{
  memset (frame, 0, sizeof *frame);
  guint8 ground[3];
  read_rim (rgb, width, height, ground);
  frame->ground = nearest (ground, named_grounds, JUDGE_N_GROUNDS);
  frame->colour = frame->shape = JUDGE_UNCLEAR;
  frame->present = read_tone (rgb, width, height, ground, frame->tone);
  if (!frame->present)
    return;
  frame->colour = nearest (frame->tone, named_colours, JUDGE_N_COLOURS);
  JudgeMap map = { .width = width, .height = height, .cover = g_new (float, (gsize) width * (gsize) height) };
  double rise = segment (rgb, ground, frame->tone, &map);
  frame->shape = JUDGE_CIRCLE;
  for (int i = 0; i < JUDGE_N_SHAPES; i++) {
    frame->fit[i] = judge_fit (&map, i);
    if (frame->fit[i].overlap > frame->fit[frame->shape].overlap)
      frame->shape = i;
  }
  frame->edge = rise / judge_perimeter (frame->shape, frame->fit[frame->shape].half);
  measure_plainness (rgb, &map, frame);
  measure_surroundings (rgb, ground, &map, frame);
  g_free (map.cover);
}
