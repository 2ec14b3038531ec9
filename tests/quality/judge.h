/* SPDX-License-Identifier: Apache-2.0
 * The judge of Pocket clips: looks at nothing but decoded pixels and says what they show, and whether that is what a prompt asked
 * for. It shares no code and no table with the renderer of the training data. */
#pragma once
#include <glib.h>

typedef enum {
  JUDGE_SIZE,
  JUDGE_COLOUR,
  JUDGE_SHAPE,
  JUDGE_MOTION,
  JUDGE_GROUND,
  JUDGE_N_ATTRIBUTES
} JudgeAttribute;

enum { JUDGE_N_COLOURS = 8, JUDGE_N_SHAPES = 3, JUDGE_N_GROUNDS = 4, JUDGE_UNCLEAR = -1 };
enum { JUDGE_CIRCLE, JUDGE_SQUARE, JUDGE_TRIANGLE };
enum { JUDGE_SMALL, JUDGE_BIG };
enum { JUDGE_STILL, JUDGE_LEFT, JUDGE_RIGHT, JUDGE_UP, JUDGE_DOWN, JUDGE_GROWING, JUDGE_SHRINKING };

/* One index per attribute, JUDGE_UNCLEAR where it could not be read. */
typedef struct {
  int value[JUDGE_N_ATTRIBUTES];
} JudgeWords;

/* judge-words.c: reads a prompt of the canonical wording; FALSE for any other text. */
gboolean judge_read_prompt (const char *prompt, JudgeWords *words);
const char *judge_attribute_name (int attribute);
const char *judge_word (int attribute, int value); /* "unclear" for JUDGE_UNCLEAR */

/* judge-fit.c. A map holds how far each pixel belongs to the shape, 0 to 1, [height, width]; total is its sum. */
typedef struct {
  int width, height;
  float *cover;
  double total;
} JudgeMap;

/* In pixels; overlap is the intersection over the union of the map and the ideal, both with soft edges. */
typedef struct {
  double x, y, half, overlap;
} JudgeFit;

JudgeFit judge_fit (const JudgeMap *map, int shape);
double judge_perimeter (int shape, double half);

/* judge-frame.c: what one frame shows. Lengths in pixels, deviations in 8-bit levels. */
typedef struct {
  gboolean present;           /* something stands out from the ground; the rest but the ground means nothing where it is FALSE */
  int ground, colour, shape;  /* the nearest named ones, or JUDGE_UNCLEAR */
  guint8 tone[3];             /* the shape's colour as seen */
  JudgeFit fit[JUDGE_N_SHAPES];
  double ground_deviation;    /* mean distance of the ground's pixels from the named ground */
  double colour_deviation;    /* mean distance of the shape's inner pixels from its own tone */
  double edge;                /* mean width of the edge */
  double strange;             /* part of the frame that stands out from the ground away from the shape */
  double outside;             /* how far the shape reaches over the frame's border */
} JudgeFrame;

/* @rgb: [height, width, 3]. */
void judge_frame (const guint8 *rgb, int width, int height, JudgeFrame *frame);

/* judge.c: the verdict on a clip. Lengths as fractions of the shorter side. */
typedef struct {
  JudgeWords read;
  gboolean right[JUDGE_N_ATTRIBUTES];
  int n_right;
  double overlap_median, overlap_least;  /* of the wanted shape, over the frames */
  double ground_deviation, colour_deviation, edge, strange, outside; /* of the worst frame */
  double crooked;                        /* how far the path strays from a straight and steady one */
  double x, y, half;                     /* the shape in the first frame */
  const char *fault;                     /* the first thing wrong beyond the five attributes, or NULL */
  gboolean passed;                       /* all five right, and no fault */
} JudgeVerdict;

/* @rgb: [frames, height, width, 3], at least one frame of at least 16 pixels a side. */
void judge_clip (const guint8 *rgb, int frames, int width, int height, const JudgeWords *wanted, JudgeVerdict *verdict);
