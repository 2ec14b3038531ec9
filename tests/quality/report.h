/* SPDX-License-Identifier: Apache-2.0
 * What the quality program found: every clip's verdict, the numbers over all of them, as JSON, as a table and as one picture. */
#pragma once
#include <gio/gio.h>

#include "tests/quality/judge.h"

enum { REPORT_STILLS = 4 };

typedef struct {
  char *path;               /* NULL where a prompt has no clip */
  char *prompt;
  char *fault;              /* why it could not be judged, or NULL */
  JudgeWords wanted;
  JudgeVerdict verdict;     /* zeros where @fault is set */
  int width, height, frames, fps_n, fps_d;
  guint8 *stills;           /* [REPORT_STILLS, height, width, 3], evenly spread over the clip */
} ReportClip;

ReportClip *report_clip_new (const char *path, const char *prompt);
void report_clip_free (ReportClip *clip);

/* Over all clips unless said otherwise. */
typedef struct {
  int clips, unjudged, passed, all_right, right[JUDGE_N_ATTRIBUTES];
  int strange_sizes;                    /* clips that are not 16 frames of 128x128 at 8 a second */
  double overlap_median, overlap_least; /* of the clips whose five attributes are right: median of medians, least frame */
  double ground_deviation;              /* the worst clip among those */
  int repeated;                         /* prompts with more than one clip that shows a shape */
  double spread_least;                  /* of their start positions: the least over the prompts, as a fraction of the side */
  gboolean reached;                     /* the quality bar of the project */
} ReportSummary;

/* @clips: an array of ReportClip. */
void report_summarise (const GPtrArray *clips, ReportSummary *summary);
/* Whether the clips are no better than chance, which gets all five right once in 1344: at most one in 20, and of a clip that nobody
 * could judge nothing is known. */
gboolean report_is_chance (const ReportSummary *summary);
/* Whether the clips of each repeated prompt start at different places, whatever else is right or wrong with them. */
gboolean report_is_spread (const ReportSummary *summary);
void report_print (const GPtrArray *clips, const ReportSummary *summary);
gboolean report_write_json (const char *path, const GPtrArray *clips, const ReportSummary *summary, GError **error);

/* sheet.c: one PNG with the stills of every clip beside a bar that is green where the clip passed, red where not. */
gboolean report_write_sheet (const char *path, const GPtrArray *clips, GError **error);
