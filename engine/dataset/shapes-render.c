/* SPDX-License-Identifier: Apache-2.0
 * Renders frames of the shapes world: a plain fill, and signed distances within the shape's box only, which keeps up with
 * training on one core. */
#include "engine/dataset/shapes.h"

#include <math.h>
#include <string.h>

/* Coverage is counted in 256ths. */
enum { FULL = 256, SPAN = 64 };

static const guint8 colours[][3] = {
  { 220, 50, 47 }, { 230, 126, 34 }, { 241, 196, 15 }, { 39, 174, 96 }, { 26, 188, 188 }, { 52, 108, 219 }, { 200, 60, 200 },
  { 240, 240, 240 },
};

static const guint8 grounds[][3] = { { 16, 16, 16 }, { 110, 110, 110 }, { 20, 30, 80 }, { 90, 60, 35 } };

/* Signed distances in pixels from (x, y), relative to the centre of a shape of half-size @half; negative inside. */
typedef float (*Distance) (float x, float y, float half);

static inline float
circle_distance (float x, float y, float half)
{
  return sqrtf (x * x + y * y) - half;
}

/* Exact inside and beside an edge; beyond a corner the ramp is less than a pixel wide, so the larger axis is near enough. */
static inline float
square_distance (float x, float y, float half)
{
  return fmaxf (fabsf (x), fabsf (y)) - half;
}

/* Sides of slope 2 through the apex (0, -half), and the base at y = half. */
static inline float
triangle_distance (float x, float y, float half)
{
  float side = (2 * fabsf (x) - (y + half)) * 0.4472136f;
  return fmaxf (side, y - half);
}

static inline void
cover_span (Distance distance, float x, float y, float half, int count, gint32 *cover)
{
  for (int i = 0; i < count; i++) {
    float part = 0.5f - distance (x + (float) i, y, half);
    part = part < 0 ? 0 : part > 1 ? 1 : part;
    cover[i] = (gint32) (part * FULL + 0.5f);
  }
}

/* One loop per shape, so that the compiler inlines and vectorises each distance. */
static void
cover_circle (float x, float y, float half, int count, gint32 *cover)
{
  cover_span (circle_distance, x, y, half, count, cover);
}

static void
cover_square (float x, float y, float half, int count, gint32 *cover)
{
  cover_span (square_distance, x, y, half, count, cover);
}

static void
cover_triangle (float x, float y, float half, int count, gint32 *cover)
{
  cover_span (triangle_distance, x, y, half, count, cover);
}

static void (*const cover_shapes[]) (float x, float y, float half, int count, gint32 *cover) = {
  cover_circle, cover_square, cover_triangle,
};

static void
fill (const guint8 *colour, int side, guint8 *rgb)
{
  gsize row = 3 * (gsize) side;
  for (int x = 0; x < side; x++)
    memcpy (rgb + 3 * x, colour, 3);
  for (int y = 1; y < side; y++)
    memcpy (rgb + (gsize) y * row, rgb, row);
}

static void
blend_span (const guint8 *ground, const guint8 *colour, int count, const gint32 *cover, guint8 *rgb)
{
  for (int i = 0; i < count; i++)
    for (int c = 0; c < 3; c++)
      rgb[3 * i + c] = (guint8) ((ground[c] * (FULL - cover[i]) + colour[c] * cover[i] + FULL / 2) / FULL);
}

static void
draw_shape (const FwShapesScene *scene, const FwShapesPose *pose, int side, guint8 *rgb)
{
  const gint8 *value = scene->attributes.value;
  const guint8 *ground = grounds[value[FW_SHAPES_GROUND]], *colour = colours[value[FW_SHAPES_COLOUR]];
  float half = (float) (pose->half * side), centre_x = (float) (pose->x * side), centre_y = (float) (pose->y * side);
  int left = MAX (0, (int) floorf (centre_x - half - 1)), right = MIN (side, (int) ceilf (centre_x + half + 1));
  int top = MAX (0, (int) floorf (centre_y - half - 1)), bottom = MIN (side, (int) ceilf (centre_y + half + 1));
  gint32 cover[SPAN];
  for (int y = top; y < bottom; y++)
    for (int x = left; x < right; x += SPAN) {
      int count = MIN (SPAN, right - x);
      cover_shapes[value[FW_SHAPES_SHAPE]] ((float) x + 0.5f - centre_x, (float) y + 0.5f - centre_y, half, count, cover);
      blend_span (ground, colour, count, cover, rgb + 3 * ((gsize) y * (gsize) side + (gsize) x));
    }
}

void
fw_shapes_render (const FwShapesScene *scene, double time, int side, guint8 *rgb)
{
  FwShapesPose pose = fw_shapes_pose (scene, time);
  fill (grounds[scene->attributes.value[FW_SHAPES_GROUND]], side, rgb);
  draw_shape (scene, &pose, side, rgb);
}

void
fw_shapes_render_clip (const FwShapesScene *scene, int frames, int side, guint8 *rgb)
{
  gsize size = 3 * (gsize) side * (gsize) side;
  for (int t = 0; t < frames; t++)
    fw_shapes_render (scene, frames > 1 ? (double) t / (frames - 1) : 0, side, rgb + (gsize) t * size);
}
