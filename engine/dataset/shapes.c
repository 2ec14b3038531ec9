/* SPDX-License-Identifier: Apache-2.0
 * Drawing samples of the shapes world: which attributes, which half-size, where it starts and where it ends. */
#include "engine/dataset/shapes.h"

enum { N_SHAPES = 3, N_MOTIONS = 7, HELD_OUT_EVERY = 5, N_TRIPLES = 168, N_HELD_OUT = N_TRIPLES / HELD_OUT_EVERY };

static const double half_sizes[] = { 0.11, 0.20 };

/* What a motion does from the first frame to the last: steps of the centre along x and y, and which end is the larger one. */
static const struct { gint8 x, y, grows; } motions[N_MOTIONS] = {
  { 0, 0, 0 }, { -1, 0, 0 }, { 1, 0, 0 }, { 0, -1, 0 }, { 0, 1, 0 }, { 0, 0, 1 }, { 0, 0, -1 },
};

/* The edge ramp of a shape that ends here stays inside down to frames of 50 pixels. */
static const double margin = 0.01;

typedef struct {
  guint64 key, counter;
} Draws;

/* The finalising function of splitmix64: a bijection of 64-bit words whose outputs for successive inputs are independent. */
static guint64
mix (guint64 word)
{
  word = (word ^ (word >> 30)) * G_GUINT64_CONSTANT (0xbf58476d1ce4e5b9);
  word = (word ^ (word >> 27)) * G_GUINT64_CONSTANT (0x94d049bb133111eb);
  return word ^ (word >> 31);
}

static Draws
draws_begin (guint64 seed, guint64 index)
{
  guint64 stream = mix (seed + G_GUINT64_CONSTANT (0x9e3779b97f4a7c15));
  return (Draws) { .key = mix (stream ^ mix (index + G_GUINT64_CONSTANT (0xd1b54a32d192ed03))) };
}

static guint64
draw_word (Draws *draws)
{
  draws->counter += G_GUINT64_CONSTANT (0x9e3779b97f4a7c15);
  return mix (draws->key + draws->counter);
}

/* Uniform in [low, high). */
static double
draw_between (Draws *draws, double low, double high)
{
  return low + (high - low) * (double) (draw_word (draws) >> 11) * 0x1p-53;
}

static int
draw_below (Draws *draws, int count)
{
  return (int) (((draw_word (draws) >> 32) * (guint64) count) >> 32);
}

static int
triple_index (const FwShapesAttributes *attributes)
{
  const gint8 *value = attributes->value;
  return N_MOTIONS * (N_SHAPES * value[FW_SHAPES_COLOUR] + value[FW_SHAPES_SHAPE]) + value[FW_SHAPES_MOTION];
}

gboolean
fw_shapes_is_held_out (const FwShapesAttributes *attributes)
{
  return triple_index (attributes) % HELD_OUT_EVERY == HELD_OUT_EVERY - 1;
}

static void
draw_attributes (Draws *draws, FwShapesSplit split, FwShapesAttributes *attributes)
{
  int triple;
  if (split == FW_SHAPES_HELD_OUT) {
    triple = HELD_OUT_EVERY * draw_below (draws, N_HELD_OUT) + HELD_OUT_EVERY - 1;
  } else {
    int trained = draw_below (draws, N_TRIPLES - N_HELD_OUT);
    triple = trained + trained / (HELD_OUT_EVERY - 1);
  }
  attributes->value[FW_SHAPES_MOTION] = (gint8) (triple % N_MOTIONS);
  attributes->value[FW_SHAPES_SHAPE] = (gint8) (triple / N_MOTIONS % N_SHAPES);
  attributes->value[FW_SHAPES_COLOUR] = (gint8) (triple / N_MOTIONS / N_SHAPES);
  attributes->value[FW_SHAPES_SIZE] = (gint8) draw_below (draws, fw_shapes_attribute_values (FW_SHAPES_SIZE));
  attributes->value[FW_SHAPES_GROUND] = (gint8) draw_below (draws, fw_shapes_attribute_values (FW_SHAPES_GROUND));
}

/* The start along one axis, uniform where the path of signed length @travel keeps the @reach of the shape inside. */
static double
draw_start (Draws *draws, double reach, double travel)
{
  double low = margin + reach, high = 1 - margin - reach;
  return draw_between (draws, low + MAX (-travel, 0), high - MAX (travel, 0));
}

static void
draw_path (Draws *draws, FwShapesScene *scene)
{
  const gint8 *value = scene->attributes.value;
  int motion = value[FW_SHAPES_MOTION];
  double half = half_sizes[value[FW_SHAPES_SIZE]] * draw_between (draws, 0.9, 1.1);
  double travel = draw_between (draws, 0.35, 0.45), larger = half * draw_between (draws, 1.6, 1.9);
  scene->first.half = motions[motion].grows < 0 ? larger : half;
  scene->last.half = motions[motion].grows > 0 ? larger : half;
  double reach = MAX (scene->first.half, scene->last.half);
  double step_x = travel * motions[motion].x, step_y = travel * motions[motion].y;
  scene->first.x = draw_start (draws, reach, step_x);
  scene->first.y = draw_start (draws, reach, step_y);
  scene->last.x = scene->first.x + step_x;
  scene->last.y = scene->first.y + step_y;
  scene->moment = draw_between (draws, 0, 1);
  guint64 word = draw_word (draws);
  scene->wording = word >> 63 ? (guint32) word : 0;
}

void
fw_shapes_draw (guint64 seed, guint64 index, FwShapesSplit split, FwShapesScene *scene)
{
  Draws draws = draws_begin (seed, index);
  draw_attributes (&draws, split, &scene->attributes);
  draw_path (&draws, scene);
}

void
fw_shapes_draw_with (guint64 seed, guint64 index, const FwShapesAttributes *attributes, FwShapesScene *scene)
{
  Draws draws = draws_begin (seed, index);
  scene->attributes = *attributes;
  draw_path (&draws, scene);
}

FwShapesPose
fw_shapes_pose (const FwShapesScene *scene, double time)
{
  const FwShapesPose *first = &scene->first, *last = &scene->last;
  return (FwShapesPose) { .x = first->x + time * (last->x - first->x), .y = first->y + time * (last->y - first->y),
                          .half = first->half + time * (last->half - first->half) };
}
