/* SPDX-License-Identifier: Apache-2.0
 * Counting verdicts, and telling them as a table and as JSON. */
#include "tests/quality/report.h"

#include <json-glib/json-glib.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "engine/memory/file.h"

/* The bar: 58 of 64 clips right and without a fault (blurred, flickering and frozen ones have one), each attribute right in 95 of
 * 100, and over the clips with all five right what the judge asks of a single one. */
static const double least_passed = 58.0 / 64, least_attribute = 0.95;
static const double least_overlap_median = 0.85, least_overlap = 0.7, most_ground_deviation = 4, least_spread = 0.05;

/* What a clip of the world is. */
enum { FRAMES = 16, SIDE = 128, FRAMES_A_SECOND = 8 };

ReportClip *
report_clip_new (const char *path, const char *prompt)
{
  ReportClip *clip = g_new0 (ReportClip, 1);
  clip->path = g_strdup (path);
  clip->prompt = g_strdup (prompt);
  return clip;
}

void
report_clip_free (ReportClip *clip)
{
  g_free (clip->path);
  g_free (clip->prompt);
  g_free (clip->fault);
  g_free (clip->stills);
  g_free (clip);
}

static int
compare_doubles (const void *a, const void *b)
{
  double x = *(const double *) a, y = *(const double *) b;
  return (x > y) - (x < y);
}

/* A clip of @prompt in which there is a shape. */
static gboolean
has_start (const ReportClip *clip, const char *prompt)
{
  return clip->fault == NULL && clip->verdict.half > 0 && strcmp (clip->prompt, prompt) == 0;
}

/* The largest distance between two starts of the same prompt, and how many there are. */
static double
measure_spread (const GPtrArray *clips, const char *prompt, int *count)
{
  double most = 0;
  *count = 0;
  for (guint i = 0; i < clips->len; i++) {
    const ReportClip *one = clips->pdata[i];
    if (!has_start (one, prompt))
      continue;
    ++*count;
    for (guint j = 0; j < i; j++) {
      const ReportClip *other = clips->pdata[j];
      if (has_start (other, prompt))
        most = MAX (most, hypot (one->verdict.x - other->verdict.x, one->verdict.y - other->verdict.y));
    }
  }
  return most;
}

static void
summarise_spread (const GPtrArray *clips, ReportSummary *summary)
{
  g_autoptr (GHashTable) seen = g_hash_table_new (g_str_hash, g_str_equal);
  summary->spread_least = 1;
  for (guint i = 0; i < clips->len; i++) {
    const ReportClip *clip = clips->pdata[i];
    int count;
    if (!g_hash_table_add (seen, clip->prompt))
      continue;
    double spread = measure_spread (clips, clip->prompt, &count);
    if (count > 1) {
      summary->repeated++;
      summary->spread_least = MIN (summary->spread_least, spread);
    }
  }
}

static gboolean
has_strange_size (const ReportClip *clip)
{
  return clip->fault == NULL && (clip->frames != FRAMES || clip->width != SIDE || clip->height != SIDE
                                 || clip->fps_n != FRAMES_A_SECOND * clip->fps_d);
}

void
report_summarise (const GPtrArray *clips, ReportSummary *summary)
{
  memset (summary, 0, sizeof *summary);
  g_autofree double *overlaps = g_new0 (double, (gsize) clips->len + 1);
  summary->clips = (int) clips->len;
  summary->overlap_least = 1;
  for (guint i = 0; i < clips->len; i++) {
    const ReportClip *clip = clips->pdata[i];
    const JudgeVerdict *verdict = &clip->verdict;
    summary->unjudged += clip->fault != NULL;
    summary->strange_sizes += has_strange_size (clip);
    summary->passed += verdict->passed;
    for (int a = 0; a < JUDGE_N_ATTRIBUTES; a++)
      summary->right[a] += verdict->right[a];
    if (verdict->n_right < JUDGE_N_ATTRIBUTES)
      continue;
    overlaps[summary->all_right++] = verdict->overlap_median;
    summary->overlap_least = MIN (summary->overlap_least, verdict->overlap_least);
    summary->ground_deviation = MAX (summary->ground_deviation, verdict->ground_deviation);
  }
  qsort (overlaps, (gsize) summary->all_right, sizeof *overlaps, compare_doubles);
  summary->overlap_median = overlaps[summary->all_right / 2];
  if (summary->all_right == 0)
    summary->overlap_least = 0;
  summarise_spread (clips, summary);
  summary->reached = summary->clips > 0 && summary->strange_sizes == 0 && summary->passed >= least_passed * summary->clips
                     && summary->overlap_median >= least_overlap_median && summary->overlap_least >= least_overlap
                     && summary->ground_deviation <= most_ground_deviation && summary->spread_least >= least_spread;
  for (int a = 0; a < JUDGE_N_ATTRIBUTES; a++)
    summary->reached = summary->reached && summary->right[a] >= least_attribute * summary->clips;
}

gboolean
report_is_spread (const ReportSummary *summary)
{
  return summary->repeated > 0 && summary->unjudged == 0 && summary->spread_least >= least_spread;
}

gboolean
report_is_chance (const ReportSummary *summary)
{
  return summary->clips > 0 && summary->unjudged == 0 && 20 * summary->all_right <= summary->clips;
}

static char *
describe (const JudgeWords *words)
{
  const char *word[JUDGE_N_ATTRIBUTES];
  for (int a = 0; a < JUDGE_N_ATTRIBUTES; a++)
    word[a] = judge_word (a, words->value[a]);
  return g_strdup_printf ("%s %s %s %s on %s", word[JUDGE_SIZE], word[JUDGE_COLOUR], word[JUDGE_SHAPE], word[JUDGE_MOTION],
                          word[JUDGE_GROUND]);
}

void
report_print (const GPtrArray *clips, const ReportSummary *summary)
{
  for (guint i = 0; i < clips->len; i++) {
    const ReportClip *clip = clips->pdata[i];
    const JudgeVerdict *verdict = &clip->verdict;
    g_autofree char *read = clip->fault != NULL ? g_strdup (clip->fault) : describe (&verdict->read);
    g_print ("%s  %d/%d  %.3f %.3f  %5.2f  %s: %s%s%s\n", verdict->passed ? "pass" : "FAIL", verdict->n_right, JUDGE_N_ATTRIBUTES,
             verdict->overlap_median, verdict->overlap_least, verdict->ground_deviation, clip->prompt, read,
             verdict->fault != NULL ? "; " : "", verdict->fault != NULL ? verdict->fault : "");
  }
  double total = MAX (summary->clips, 1);
  for (int a = 0; a < JUDGE_N_ATTRIBUTES; a++)
    g_print ("%-8s %5.1f %%\n", judge_attribute_name (a), 100 * summary->right[a] / total);
  g_print ("all five right in %d of %d clips (%d could not be judged), %d pass everything\n", summary->all_right, summary->clips,
           summary->unjudged, summary->passed);
  g_print ("where all five are right: overlap median %.3f, least frame %.3f; ground deviation at most %.2f levels\n",
           summary->overlap_median, summary->overlap_least, summary->ground_deviation);
  if (summary->strange_sizes > 0)
    g_print ("%d clips are not %d frames of %dx%d at %d a second\n", summary->strange_sizes, FRAMES, SIDE, SIDE, FRAMES_A_SECOND);
  if (summary->repeated > 0)
    g_print ("starts of %d repeated prompts spread by at least %.3f of the side\n", summary->repeated, summary->spread_least);
  g_print ("the bar is %s\n", summary->reached ? "reached" : "not reached");
}

static void
add_number (JsonBuilder *builder, const char *name, double value)
{
  json_builder_set_member_name (builder, name);
  json_builder_add_double_value (builder, value);
}

static void
add_count (JsonBuilder *builder, const char *name, int value)
{
  json_builder_set_member_name (builder, name);
  json_builder_add_int_value (builder, value);
}

static void
add_text (JsonBuilder *builder, const char *name, const char *value)
{
  json_builder_set_member_name (builder, name);
  json_builder_add_string_value (builder, value);
}

static void
add_flag (JsonBuilder *builder, const char *name, gboolean value)
{
  json_builder_set_member_name (builder, name);
  json_builder_add_boolean_value (builder, value);
}

static void
add_clip (JsonBuilder *builder, const ReportClip *clip)
{
  json_builder_begin_object (builder);
  if (clip->path != NULL)
    add_text (builder, "clip", clip->path);
  add_text (builder, "prompt", clip->prompt);
  if (clip->fault != NULL) {
    add_text (builder, "fault", clip->fault);
    json_builder_end_object (builder);
    return;
  }
  const JudgeVerdict *verdict = &clip->verdict;
  for (int a = 0; a < JUDGE_N_ATTRIBUTES; a++)
    add_text (builder, judge_attribute_name (a), judge_word (a, verdict->read.value[a]));
  add_count (builder, "right", verdict->n_right);
  add_number (builder, "overlap_median", verdict->overlap_median);
  add_number (builder, "overlap_least", verdict->overlap_least);
  add_number (builder, "ground_deviation", verdict->ground_deviation);
  add_number (builder, "colour_deviation", verdict->colour_deviation);
  add_number (builder, "edge", verdict->edge);
  add_number (builder, "crooked", verdict->crooked);
  add_number (builder, "start_x", verdict->x);
  add_number (builder, "start_y", verdict->y);
  add_number (builder, "start_half_size", verdict->half);
  if (verdict->fault != NULL)
    add_text (builder, "fault", verdict->fault);
  add_flag (builder, "passed", verdict->passed);
  json_builder_end_object (builder);
}

static void
add_summary (JsonBuilder *builder, const ReportSummary *summary)
{
  add_count (builder, "clips", summary->clips);
  add_count (builder, "unjudged", summary->unjudged);
  add_count (builder, "strange_sizes", summary->strange_sizes);
  add_count (builder, "all_five_right", summary->all_right);
  add_count (builder, "passed", summary->passed);
  json_builder_set_member_name (builder, "right");
  json_builder_begin_object (builder);
  for (int a = 0; a < JUDGE_N_ATTRIBUTES; a++)
    add_count (builder, judge_attribute_name (a), summary->right[a]);
  json_builder_end_object (builder);
  add_number (builder, "overlap_median", summary->overlap_median);
  add_number (builder, "overlap_least", summary->overlap_least);
  add_number (builder, "ground_deviation", summary->ground_deviation);
  add_count (builder, "repeated_prompts", summary->repeated);
  if (summary->repeated > 0)
    add_number (builder, "start_spread_least", summary->spread_least);
  add_flag (builder, "bar_reached", summary->reached);
}

gboolean
report_write_json (const char *path, const GPtrArray *clips, const ReportSummary *summary, GError **error)
{
  g_autoptr (JsonBuilder) builder = json_builder_new ();
  json_builder_begin_object (builder);
  add_summary (builder, summary);
  json_builder_set_member_name (builder, "verdicts");
  json_builder_begin_array (builder);
  for (guint i = 0; i < clips->len; i++)
    add_clip (builder, clips->pdata[i]);
  json_builder_end_array (builder);
  json_builder_end_object (builder);
  g_autoptr (JsonNode) root = json_builder_get_root (builder);
  g_autofree char *text = json_to_string (root, TRUE);
  return fw_file_write (path, text, strlen (text), error);
}
