/* SPDX-License-Identifier: Apache-2.0
 * The world of the Pocket model as a procedural dataset: one shape, standing, moving, growing or shrinking on a plain ground.
 * Training draws its captions and frames from here without any file; sample i of a seed is always the same. */
#pragma once
#include <gio/gio.h>

/* The five attributes of a clip. Values are indices in the order of the grammar:
 * "a {size} {colour} {shape} {motion} on a {ground} background". */
typedef enum {
  FW_SHAPES_SIZE,   /* small, big */
  FW_SHAPES_COLOUR, /* red, orange, yellow, green, cyan, blue, magenta, white */
  FW_SHAPES_SHAPE,  /* circle, square, triangle */
  FW_SHAPES_MOTION, /* standing still, moving left, right, up, down, growing, shrinking */
  FW_SHAPES_GROUND, /* black, grey, navy, brown */
  FW_SHAPES_N_ATTRIBUTES
} FwShapesAttribute;

typedef struct {
  gint8 value[FW_SHAPES_N_ATTRIBUTES];
} FwShapesAttributes;

typedef enum {
  FW_SHAPES_TRAINED,
  FW_SHAPES_HELD_OUT
} FwShapesSplit;

/* Where the shape is: centre and half-size as fractions of the side, y downwards. A triangle is isosceles, apex up, and fills
 * the square of that half-size like the others: as wide as high. */
typedef struct {
  double x, y, half;
} FwShapesPose;

/* One sample. The pose runs linearly from the first to the last frame. */
typedef struct {
  FwShapesAttributes attributes;
  FwShapesPose first, last;
  double moment;   /* uniform in [0, 1): the time to render where one frame of the clip is wanted */
  guint32 wording; /* for fw_shapes_caption(): the canonical wording in half of the samples, another one in the rest */
} FwShapesScene;

/* How many values an attribute has. */
int fw_shapes_attribute_values (FwShapesAttribute attribute);

/* The held-out rule. With the indices above, the 168 triples of colour, shape and motion are numbered
 * 7 * (3 * colour + shape) + motion from 0, and every fifth of them (4, 9, 14, ... 164: 33 triples) is held out in both sizes and
 * on all four grounds; so colour + 2 * shape + motion leaves 4 when divided by 5. Every pair of values of two attributes is still
 * trained. */
gboolean fw_shapes_is_held_out (const FwShapesAttributes *attributes);

/* Draws sample @index of @seed: attributes uniform over the split, half-size 0.11 (small) or 0.20 (big) within 10 % (the smaller
 * end where the shape grows or shrinks, by 1.6 to 1.9), travel 0.35 to 0.45 of the side, start uniform where the whole path stays
 * inside with a hundredth of the side to spare. A counter-based generator: no state, so training resumes at any index.
 * Any thread. */
void fw_shapes_draw (guint64 seed, guint64 index, FwShapesSplit split, FwShapesScene *scene);

/* The same with given attributes: for evaluation clips and tests. */
void fw_shapes_draw_with (guint64 seed, guint64 index, const FwShapesAttributes *attributes, FwShapesScene *scene);

/* The pose at @time in [0, 1]: 0 is the first frame, 1 the last. */
FwShapesPose fw_shapes_pose (const FwShapesScene *scene, double time);

/* Renders [side, side, 3] sRGB bytes into @rgb: one frame at @time, or @frames frames of a clip, [frames, side, side, 3]; a clip
 * of one frame shows the start. Edges are one pixel wide ramps of the signed distance, blended in sRGB bytes. Any thread. */
void fw_shapes_render (const FwShapesScene *scene, double time, int side, guint8 *rgb);
void fw_shapes_render_clip (const FwShapesScene *scene, int frames, int side, guint8 *rgb);

/* The caption in wording @wording, 0 being the canonical one; others change synonyms and word order, and none has more than
 * eleven words. Free with g_free(). */
char *fw_shapes_caption (const FwShapesAttributes *attributes, guint32 wording);

/* Reads any wording of the grammar, whatever its case and punctuation. FW_ERROR_INVALID names the word that is not part of the
 * world, or the attribute that is missing or given twice. */
gboolean fw_shapes_parse (const char *caption, FwShapesAttributes *attributes, GError **error);
