/* SPDX-License-Identifier: Apache-2.0
 * Fits the ideal circle, square and triangle to what was segmented: scan-converted spans, four scan lines a row, compared by
 * intersection over union and improved by a pattern search from the moments. */
#include "tests/quality/judge.h"

#include <math.h>
#include <string.h>

enum { LINES = 4 };

/* Half the width of a shape of half-size 1 at height v, from -1 (top) to 1 (bottom). */
static double
extent (int shape, double v)
{
  if (v < -1 || v > 1)
    return 0;
  if (shape == JUDGE_CIRCLE)
    return sqrt (1 - v * v);
  return shape == JUDGE_SQUARE ? 1 : (1 + v) / 2;
}

/* Area of a shape of half-size 1, and how far its centroid lies below the middle of its box. */
static const struct { double area, drop, perimeter; } ideals[JUDGE_N_SHAPES] = {
  [JUDGE_CIRCLE] = { G_PI, 0, 2 * G_PI },
  [JUDGE_SQUARE] = { 4, 0, 8 },
  [JUDGE_TRIANGLE] = { 2, 1.0 / 3, 2 + 2 * 2.2360679774997896 },
};

double
judge_perimeter (int shape, double half)
{
  return ideals[shape].perimeter * half;
}

/* Adds @weight times the part of each pixel that lies between left and right. */
static void
add_span (float *row, int width, double left, double right, double weight)
{
  left = CLAMP (left, 0, width);
  right = CLAMP (right, 0, width);
  int first = (int) left, last = (int) right;
  if (first == last) {
    if (first < width)
      row[first] += (float) (weight * (right - left));
    return;
  }
  row[first] += (float) (weight * (first + 1 - left));
  for (int i = first + 1; i < last; i++)
    row[i] += (float) weight;
  if (last < width)
    row[last] += (float) (weight * (right - last));
}

/* The ideal's cover gets the ramp that segmentation gives the map's: a quarter is none, three quarters are all. */
static double
measure_overlap (const JudgeMap *map, int shape, double x, double y, double half, float *row)
{
  int top = MAX (0, (int) floor (y - half)), bottom = MIN (map->height - 1, (int) floor (y + half));
  int first = CLAMP ((int) floor (x - half), 0, map->width), end = CLAMP ((int) floor (x + half) + 1, 0, map->width);
  double common = 0, area = 0;
  for (int line = top; line <= bottom; line++) {
    memset (row + first, 0, sizeof (float) * (gsize) (end - first));
    for (int i = 0; i < LINES; i++) {
      double width = half * extent (shape, (line + (i + 0.5) / LINES - y) / half);
      if (width > 0)
        add_span (row, map->width, x - width, x + width, 1.0 / LINES);
    }
    const float *cover = map->cover + (gsize) line * (gsize) map->width;
    float row_common = 0, row_area = 0;
    for (int i = first; i < end; i++) {
      float ideal = CLAMP (2 * row[i] - 0.5f, 0, 1);
      row_common += MIN (ideal, cover[i]);
      row_area += ideal;
    }
    common += row_common;
    area += row_area;
  }
  double joined = map->total + area - common;
  return joined > 0 ? common / joined : 0;
}

static JudgeFit
begin_from_moments (const JudgeMap *map, int shape)
{
  double x = 0, y = 0;
  for (int row = 0; row < map->height; row++)
    for (int column = 0; column < map->width; column++) {
      double cover = map->cover[(gsize) row * (gsize) map->width + (gsize) column];
      x += cover * (column + 0.5);
      y += cover * (row + 0.5);
    }
  double total = MAX (map->total, 1), half = sqrt (total / ideals[shape].area);
  return (JudgeFit) { .x = x / total, .y = y / total - half * ideals[shape].drop, .half = half };
}

JudgeFit
judge_fit (const JudgeMap *map, int shape)
{
  g_autofree float *row = g_new0 (float, (gsize) map->width + 1);
  JudgeFit best = begin_from_moments (map, shape);
  best.overlap = measure_overlap (map, shape, best.x, best.y, best.half, row);
  for (double step = MAX (1, best.half / 6); step > 0.06;) {
    static const double moves[6][3] = { { 1, 0, 0 }, { -1, 0, 0 }, { 0, 1, 0 }, { 0, -1, 0 }, { 0, 0, 1 }, { 0, 0, -1 } };
    JudgeFit before = best;
    for (int i = 0; i < 6; i++) {
      JudgeFit next = { .x = best.x + step * moves[i][0], .y = best.y + step * moves[i][1],
                        .half = best.half + step * moves[i][2] };
      if (next.half < 1)
        continue;
      next.overlap = measure_overlap (map, shape, next.x, next.y, next.half, row);
      if (next.overlap > best.overlap)
        best = next;
    }
    if (best.overlap <= before.overlap)
      step /= 2;
  }
  return best;
}
