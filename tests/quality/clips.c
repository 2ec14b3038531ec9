/* SPDX-License-Identifier: Apache-2.0
 * Reading finished clips through the media process, and judging a folder of them. */
#include "tests/quality/clips.h"

#include <json-glib/json-glib.h>
#include <string.h>

#include "engine/media/decoder.h"
#include "engine/media/sidecar.h"
#include "engine/memory/file.h"
#include "tests/quality/report.h"

enum { LEAST_SIDE = 16, MOST_BYTES = 1 << 30, MOST_SIDECAR = 1 << 20 };

/* All frames of the clip's file, [frames, height, width, 3], and what the file says of them. Free with g_free(). */
static guint8 *
read_pixels (ReportClip *clip, GError **error)
{
  g_autoptr (FwDecoder) decoder = fw_decoder_open (clip->path, NULL, NULL, error);
  if (decoder == NULL)
    return NULL;
  const FwMediaInfo *info = fw_decoder_info (decoder);
  clip->width = info->width;
  clip->height = info->height;
  clip->fps_n = info->fps_n;
  clip->fps_d = info->fps_d;
  gsize row = 3 * (gsize) clip->width, frame = row * (gsize) clip->height;
  g_autoptr (GByteArray) pixels = g_byte_array_new ();
  for (clip->frames = 0;; clip->frames++) {
    if (pixels->len + frame > MOST_BYTES) {
      g_set_error (error, FW_ERROR, FW_ERROR_FORMAT, "“%s” is longer than a clip can be", clip->path);
      return NULL;
    }
    g_byte_array_set_size (pixels, (guint) (pixels->len + frame));
    int got = fw_decoder_next (decoder, pixels->data + pixels->len - frame, row, NULL, NULL, error);
    if (got < 0)
      return NULL;
    if (got == 0)
      break;
  }
  if (clip->frames == 0) {
    g_set_error (error, FW_ERROR, FW_ERROR_FORMAT, "“%s” has no frames", clip->path);
    return NULL;
  }
  return g_byte_array_free (g_steal_pointer (&pixels), FALSE);
}

/* The prompt in the recipe beside a clip. Free with g_free(). */
static char *
read_prompt (const char *path, GError **error)
{
  g_autofree char *sidecar = fw_sidecar_path (path);
  gsize size;
  g_autofree char *text = fw_file_read (sidecar, MOST_SIDECAR, &size, error);
  g_autoptr (JsonParser) parser = json_parser_new ();
  if (text == NULL || !json_parser_load_from_data (parser, text, (gssize) size, error))
    return NULL;
  JsonNode *root = json_parser_get_root (parser);
  JsonNode *prompt = NULL;
  if (root != NULL && JSON_NODE_HOLDS_OBJECT (root))
    prompt = json_object_get_member (json_node_get_object (root), "prompt");
  if (prompt == NULL || json_node_get_value_type (prompt) != G_TYPE_STRING) {
    g_set_error (error, FW_ERROR, FW_ERROR_FORMAT, "“%s” names no prompt", sidecar);
    return NULL;
  }
  return g_strdup (json_node_get_string (prompt));
}

static void
keep_stills (ReportClip *clip, const guint8 *pixels)
{
  gsize frame = 3 * (gsize) clip->width * (gsize) clip->height;
  clip->stills = g_malloc (REPORT_STILLS * frame);
  for (int i = 0; i < REPORT_STILLS; i++)
    memcpy (clip->stills + (gsize) i * frame, pixels + (gsize) (i * (clip->frames - 1) / (REPORT_STILLS - 1)) * frame, frame);
}

static gboolean
judge_file (ReportClip *clip, GError **error)
{
  if (!judge_read_prompt (clip->prompt, &clip->wanted)) {
    g_set_error (error, FW_ERROR, FW_ERROR_INVALID, "“%s” is not a canonical prompt of the shapes world", clip->prompt);
    return FALSE;
  }
  g_autofree guint8 *pixels = read_pixels (clip, error);
  if (pixels == NULL)
    return FALSE;
  if (MIN (clip->width, clip->height) < LEAST_SIDE) {
    g_set_error (error, FW_ERROR, FW_ERROR_FORMAT, "“%s” is too small to judge", clip->path);
    return FALSE;
  }
  judge_clip (pixels, clip->frames, clip->width, clip->height, &clip->wanted, &clip->verdict);
  keep_stills (clip, pixels);
  return TRUE;
}

/* @of: the clip whose prompt counts. */
static ReportClip *
judge_path (const char *path, const char *of)
{
  g_autoptr (GError) error = NULL;
  g_autofree char *prompt = read_prompt (of, &error);
  ReportClip *clip = report_clip_new (path, prompt != NULL ? prompt : "");
  if (prompt == NULL || !judge_file (clip, &error))
    clip->fault = g_strdup (error->message);
  return clip;
}

static int
compare_texts (gconstpointer a, gconstpointer b)
{
  return strcmp (*(const char *const *) a, *(const char *const *) b);
}

GPtrArray *
clips_judge_folder (const char *folder, gboolean swapped, GError **error)
{
  g_autoptr (GDir) directory = g_dir_open (folder, 0, error);
  if (directory == NULL)
    return NULL;
  g_autoptr (GPtrArray) paths = g_ptr_array_new_with_free_func (g_free);
  for (const char *name = g_dir_read_name (directory); name != NULL; name = g_dir_read_name (directory))
    if (g_str_has_suffix (name, ".mp4") || g_str_has_suffix (name, ".webm") || g_str_has_suffix (name, ".mkv"))
      g_ptr_array_add (paths, g_build_filename (folder, name, NULL));
  g_ptr_array_sort (paths, compare_texts);
  GPtrArray *clips = g_ptr_array_new_with_free_func ((GDestroyNotify) report_clip_free);
  for (guint i = 0; i < paths->len; i++)
    g_ptr_array_add (clips, judge_path (paths->pdata[i], paths->pdata[(i + (swapped ? 1 : 0)) % paths->len]));
  return clips;
}
