/* SPDX-License-Identifier: Apache-2.0
 * The kinds of file a clip can be written to. */
#pragma once
#include "engine/memory/error.h"

typedef enum {
  FW_MEDIA_AUTO,            /* by the ending of the path */
  FW_MEDIA_MP4,             /* H.264, 4:2:0, BT.709 */
  FW_MEDIA_WEBM,            /* VP9, 4:2:0, BT.709 */
  FW_MEDIA_MKV,             /* FFV1 in RGB: lossless, what is read back is what was written */
  FW_MEDIA_PNG,             /* one picture */
  FW_MEDIA_PNG_FOLDER,      /* a folder of pictures 00000.png, 00001.png, ...: lossless */
  FW_N_MEDIA_FORMATS
} FwMediaFormat;

/* The format a path asks for: .mp4, .webm, .mkv, .png, or no ending at all for a folder. FW_MEDIA_AUTO and an error for any
 * other. */
FwMediaFormat fw_media_format_from_path (const char *path, GError **error);

/* "MP4 (H.264)" and the like, for sentences; ".mp4" or "" for a folder; whether the media process writes it. */
const char *fw_media_format_name (FwMediaFormat format);
const char *fw_media_format_ending (FwMediaFormat format);
gboolean fw_media_format_needs_child (FwMediaFormat format);

/* @path with its ending, if it has one, replaced by @ending. Free with g_free(). */
char *fw_media_replace_ending (const char *path, const char *ending);
