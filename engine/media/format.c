/* SPDX-License-Identifier: Apache-2.0
 * Names and endings of the formats. */
#include "engine/media/format.h"

#include <string.h>

static const struct { const char *ending, *name; gboolean child; } formats[FW_N_MEDIA_FORMATS] = {
  [FW_MEDIA_AUTO] = { "", "automatic", FALSE },
  [FW_MEDIA_MP4] = { ".mp4", "MP4 (H.264)", TRUE },
  [FW_MEDIA_WEBM] = { ".webm", "WebM (VP9)", TRUE },
  [FW_MEDIA_MKV] = { ".mkv", "Matroska (FFV1, lossless)", TRUE },
  [FW_MEDIA_PNG] = { ".png", "PNG picture", FALSE },
  [FW_MEDIA_PNG_FOLDER] = { "", "folder of PNG pictures", FALSE },
};

/* The ending of the last path component; "" where it has none or is a hidden name only. */
static const char *
ending_of (const char *path)
{
  const char *slash = strrchr (path, '/'), *name = slash != NULL ? slash + 1 : path, *dot = strrchr (name, '.');
  return dot == NULL || dot == name ? "" : dot;
}

FwMediaFormat
fw_media_format_from_path (const char *path, GError **error)
{
  const char *ending = ending_of (path);
  if (ending[0] == '\0')
    return FW_MEDIA_PNG_FOLDER;
  for (int i = FW_MEDIA_MP4; i <= FW_MEDIA_PNG; i++)
    if (g_ascii_strcasecmp (ending, formats[i].ending) == 0)
      return i;
  g_set_error (error, FW_ERROR, FW_ERROR_INVALID,
               "Cannot write “%s”: choose a name that ends in .mp4, .webm, .mkv or .png, or a folder name without an ending", path);
  return FW_MEDIA_AUTO;
}

const char *
fw_media_format_name (FwMediaFormat format)
{
  return formats[format].name;
}

const char *
fw_media_format_ending (FwMediaFormat format)
{
  return formats[format].ending;
}

gboolean
fw_media_format_needs_child (FwMediaFormat format)
{
  return formats[format].child;
}

char *
fw_media_replace_ending (const char *path, const char *ending)
{
  g_autofree char *stem = g_strndup (path, strlen (path) - strlen (ending_of (path)));
  return g_strconcat (stem, ending, NULL);
}
