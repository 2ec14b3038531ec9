/* SPDX-License-Identifier: Apache-2.0
 * What a media file is, found out in the sandboxed media process. */
#pragma once
#include "engine/memory/error.h"

typedef struct {
  int width, height;        /* as shown: after the rotation */
  int rotation;             /* degrees clockwise that the decoder applies: 0, 90, 180, 270 */
  guint64 frames;           /* counted in the file, never taken from its header; 0 = not counted */
  int fps_n, fps_d;         /* 0/1 where the file tells none */
  gint64 duration;          /* nanoseconds, -1 where not known */
  char *container, *codec;  /* "mp4", "h264" */
  char *comment;            /* or NULL */
} FwMediaInfo;

/* Looks at a regular file (MP4/MOV, Matroska/WebM, AVI, PNG, JPEG), counting its video frames. Any thread. */
FwMediaInfo *fw_media_probe (const char *path, GCancellable *cancellable, GError **error);

void fw_media_info_free (FwMediaInfo *info);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (FwMediaInfo, fw_media_info_free)
