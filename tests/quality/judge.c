/* SPDX-License-Identifier: Apache-2.0
 * From frames to a verdict: attributes that must hold in every frame, the path over time, and the limits. */
#include "tests/quality/judge.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Lengths are fractions of the shorter side. The world's own bounds (half-sizes 0.11 and 0.20 within 10 %, travel from 0.35,
 * growth from 1.6) with a tenth to spare for what a pixel grid and compression take away. */
static const double small_from = 0.088, small_to = 0.135, big_from = 0.162, big_to = 0.245;
static const double least_travel = 0.315, least_growth = 1.44;

/* What a thing may do that it should not: drift across its direction, and change of size while it moves. */
static const double most_drift = 0.06, most_swelling = 1.15;

/* How far one frame may be from the straight path, and half-sizes from a steady change (as a part of the smaller end): a path that
 * stands still for four frames is beyond it. */
static const double most_jitter = 0.02, most_wobble = 0.12;

/* Steps back are looked for where a coordinate or half-size changes by at least this much over the clip. */
static const double most_step_back = 0.008, least_lead = 0.04;

/* Beyond the attributes. */
static const double least_overlap_median = 0.85, least_overlap = 0.7, most_ground_deviation = 4, most_colour_deviation = 12;

/* An edge of this part of the side is a blur: 2.7 pixels of 128, over three times the width of a rendered edge. */
static const double most_edge = 0.021;

/* There is one shape, and all of it: specks of 16 pixels of 128x128, and a fit's pixel beyond the border, are let pass. */
static const double most_strange = 0.001, most_outside = 0.01;

/* The tone of the shape may change by this many levels over the frames. */
enum { MOST_TONE_CHANGE = 24 };

/* Of a straight line through values at 0 ... n-1. */
typedef struct {
  double first, last, residual;
} Line;

static Line
fit_line (const double *values, int count)
{
  double mean = 0, middle = (count - 1) / 2.0, slope = 0, weight = 0;
  for (int i = 0; i < count; i++)
    mean += values[i] / count;
  for (int i = 0; i < count; i++) {
    slope += (i - middle) * (values[i] - mean);
    weight += (i - middle) * (i - middle);
  }
  slope = weight > 0 ? slope / weight : 0;
  Line line = { .first = mean - slope * middle, .last = mean + slope * middle };
  for (int i = 0; i < count; i++)
    line.residual = MAX (line.residual, fabs (values[i] - (mean + slope * (i - middle))));
  return line;
}

typedef struct {
  Line x, y, half;
} Path;

static Path
follow (const JudgeFrame *frames, int count, int shape, double side)
{
  g_autofree double *values = g_new (double, 3 * (gsize) count);
  for (int i = 0; i < count; i++) {
    values[i] = frames[i].fit[shape].x / side;
    values[count + i] = frames[i].fit[shape].y / side;
    values[2 * count + i] = frames[i].fit[shape].half / side;
  }
  return (Path) { .x = fit_line (values, count), .y = fit_line (values + count, count),
                  .half = fit_line (values + 2 * count, count) };
}

static int
read_motion (const Path *path)
{
  double dx = path->x.last - path->x.first, dy = path->y.last - path->y.first;
  double change = path->half.last / MAX (path->half.first, 1e-6);
  double swelling = MAX (change, 1 / MAX (change, 1e-6));
  if (fabs (dx) <= most_drift && fabs (dy) <= most_drift) {
    if (swelling <= most_swelling)
      return JUDGE_STILL;
    return swelling < least_growth ? JUDGE_UNCLEAR : change > 1 ? JUDGE_GROWING : JUDGE_SHRINKING;
  }
  if (swelling > most_swelling || MIN (fabs (dx), fabs (dy)) > most_drift || MAX (fabs (dx), fabs (dy)) < least_travel)
    return JUDGE_UNCLEAR;
  if (fabs (dx) > fabs (dy))
    return dx < 0 ? JUDGE_LEFT : JUDGE_RIGHT;
  return dy < 0 ? JUDGE_UP : JUDGE_DOWN;
}

static int
read_size (const Path *path)
{
  double half = MIN (path->half.first, path->half.last);
  if (half >= small_from && half <= small_to)
    return JUDGE_SMALL;
  return half >= big_from && half <= big_to ? JUDGE_BIG : JUDGE_UNCLEAR;
}

/* What every frame agrees on. @offset finds the int within the frame. */
static int
read_common (const JudgeFrame *frames, int count, gsize offset)
{
  int value = G_STRUCT_MEMBER (int, &frames[0], offset);
  for (int i = 1; i < count; i++)
    if (G_STRUCT_MEMBER (int, &frames[i], offset) != value)
      return JUDGE_UNCLEAR;
  return value;
}

static int
compare_doubles (const void *a, const void *b)
{
  double x = *(const double *) a, y = *(const double *) b;
  return (x > y) - (x < y);
}

static double
median (double *values, int count)
{
  qsort (values, (gsize) count, sizeof *values, compare_doubles);
  return (values[(count - 1) / 2] + values[count / 2]) / 2;
}

static int
tone_change (const JudgeFrame *frames, int count)
{
  int most = 0;
  for (int c = 0; c < 3; c++) {
    int low = 255, high = 0;
    for (int i = 0; i < count; i++) {
      low = MIN (low, frames[i].tone[c]);
      high = MAX (high, frames[i].tone[c]);
    }
    most = MAX (most, high - low);
  }
  return most;
}

/* One step back where the path leads somewhere: by more than a pixel of 128 and most of a usual step. */
static gboolean
goes_back (const JudgeFrame *frames, int count, int shape, const Path *path, double side)
{
  const Line *lines[] = { &path->x, &path->y, &path->half };
  for (int i = 1; i < count; i++) {
    const JudgeFit *before = &frames[i - 1].fit[shape], *now = &frames[i].fit[shape];
    const double steps[] = { (now->x - before->x) / side, (now->y - before->y) / side, (now->half - before->half) / side };
    for (int k = 0; k < 3; k++) {
      double whole = lines[k]->last - lines[k]->first, usual = whole / (count - 1);
      if (fabs (whole) > least_lead && steps[k] * whole < 0 && fabs (steps[k]) > most_step_back + 0.75 * fabs (usual))
        return TRUE;
    }
  }
  return FALSE;
}

/* The shape that fits best over all frames: its size and path are read even where single frames disagree. */
static int
prevailing_shape (const JudgeFrame *frames, int count)
{
  double sums[JUDGE_N_SHAPES] = { 0 };
  int best = 0;
  for (int shape = 0; shape < JUDGE_N_SHAPES; shape++) {
    for (int i = 0; i < count; i++)
      sums[shape] += frames[i].fit[shape].overlap;
    if (sums[shape] > sums[best])
      best = shape;
  }
  return best;
}

static void
measure (const JudgeFrame *frames, int count, int shape, double side, JudgeVerdict *verdict)
{
  g_autofree double *overlaps = g_new (double, (gsize) count);
  verdict->overlap_least = 1;
  for (int i = 0; i < count; i++) {
    overlaps[i] = frames[i].fit[shape].overlap;
    verdict->overlap_least = MIN (verdict->overlap_least, overlaps[i]);
    verdict->ground_deviation = MAX (verdict->ground_deviation, frames[i].ground_deviation);
    verdict->colour_deviation = MAX (verdict->colour_deviation, frames[i].colour_deviation);
    verdict->edge = MAX (verdict->edge, frames[i].edge / side);
    verdict->strange = MAX (verdict->strange, frames[i].strange);
    verdict->outside = MAX (verdict->outside, frames[i].outside / side);
  }
  verdict->overlap_median = median (overlaps, count);
  verdict->x = frames[0].fit[shape].x / side;
  verdict->y = frames[0].fit[shape].y / side;
  verdict->half = frames[0].fit[shape].half / side;
}

static const char *
find_fault (const JudgeFrame *frames, int count, int shape, const Path *path, double side, const JudgeVerdict *verdict)
{
  const struct { gboolean found; const char *name; } faults[] = {
    { verdict->ground_deviation > most_ground_deviation, "the ground is off or not plain" },
    { verdict->strange > most_strange, "there is more than one shape" },
    { verdict->outside > most_outside, "the shape leaves the frame" },
    { verdict->edge > most_edge, "the edges are blurred" },
    { tone_change (frames, count) > MOST_TONE_CHANGE, "the colour flickers" },
    { verdict->read.value[JUDGE_MOTION] != JUDGE_STILL && goes_back (frames, count, shape, path, side), "the motion goes back" },
    { verdict->crooked > most_jitter, "the path is not straight and steady" },
    { path->half.residual > most_wobble * MIN (path->half.first, path->half.last), "the size wobbles" },
    { verdict->overlap_median < least_overlap_median, "the outline is not the ideal one in the median frame" },
    { verdict->overlap_least < least_overlap, "the outline breaks in a frame" },
    { verdict->colour_deviation > most_colour_deviation, "the shape is not plain" },
  };
  for (gsize i = 0; i < G_N_ELEMENTS (faults); i++)
    if (faults[i].found)
      return faults[i].name;
  return NULL;
}

void
judge_clip (const guint8 *rgb, int frames, int width, int height, const JudgeWords *wanted, JudgeVerdict *verdict)
{
  memset (verdict, 0, sizeof *verdict);
  for (int a = 0; a < JUDGE_N_ATTRIBUTES; a++)
    verdict->read.value[a] = JUDGE_UNCLEAR;
  g_autofree JudgeFrame *seen = g_new0 (JudgeFrame, (gsize) frames);
  gboolean present = TRUE;
  for (int i = 0; i < frames; i++) {
    judge_frame (rgb + 3 * (gsize) i * (gsize) width * (gsize) height, width, height, &seen[i]);
    present = present && seen[i].present;
  }
  double side = MIN (width, height);
  verdict->read.value[JUDGE_GROUND] = read_common (seen, frames, G_STRUCT_OFFSET (JudgeFrame, ground));
  if (present) {
    int shape = prevailing_shape (seen, frames);
    Path path = follow (seen, frames, shape, side);
    verdict->read.value[JUDGE_COLOUR] = read_common (seen, frames, G_STRUCT_OFFSET (JudgeFrame, colour));
    verdict->read.value[JUDGE_SHAPE] = read_common (seen, frames, G_STRUCT_OFFSET (JudgeFrame, shape));
    verdict->read.value[JUDGE_SIZE] = read_size (&path);
    verdict->read.value[JUDGE_MOTION] = read_motion (&path);
    verdict->crooked = MAX (path.x.residual, path.y.residual);
    measure (seen, frames, wanted->value[JUDGE_SHAPE], side, verdict);
    verdict->fault = find_fault (seen, frames, shape, &path, side, verdict);
  } else {
    verdict->ground_deviation = 255;
    verdict->fault = "no shape in a frame";
  }
  for (int a = 0; a < JUDGE_N_ATTRIBUTES; a++) {
    verdict->right[a] = verdict->read.value[a] == wanted->value[a];
    verdict->n_right += verdict->right[a];
  }
  verdict->passed = verdict->n_right == JUDGE_N_ATTRIBUTES && verdict->fault == NULL;
}
