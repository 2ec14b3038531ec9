/* SPDX-License-Identifier: Apache-2.0
 * Writing a clip: RGB frames in, a finished file (or folder of pictures) with its sidecar out, or nothing at all. */
#pragma once
#include "engine/media/format.h"

typedef struct {
  const char *path;
  FwMediaFormat format;     /* FW_MEDIA_AUTO: by the path's ending */
  int width, height;        /* of every frame; H.264 needs even numbers */
  int fps_n, fps_d;         /* the exact rate, such as 8/1 or 30000/1001 */
  int frames;               /* how many will come, for checks ahead; 0 = not known */
  int quality;              /* 1 (small) to 100 (fine); 0 = 80, which is visually clean. Lossless formats ignore it */
  const char *comment;      /* the recipe as JSON (UTF-8, at most 1 MiB), or NULL: goes into the file and into the sidecar */
  gboolean overwrite;       /* replace what is there */
  guint stall_ms;           /* silence after which the media process counts as hung; 0 = 60 seconds */
} FwEncodeSpec;

/* Whether the clip could be written, without writing anything: numbers, path, folder, and the encoders that are installed.
 * Meant to be asked before hours of work; costs one start of the media process (well under a second), nothing for PNG. *@path
 * is what will be written: @spec's path, or the same name ending in .webm where no H.264 encoder is installed, and then
 * *@notice is one line that names the missing package (else NULL). Either may be NULL; free with g_free(). */
gboolean fw_encoder_check (const FwEncodeSpec *spec, char **path, char **notice, GCancellable *cancellable, GError **error);
/* The part of that which asks nobody: whether what is at @spec's path, and where its recipe goes, lets a clip be written there. */
gboolean fw_encoder_check_places (const FwEncodeSpec *spec, GError **error);

typedef struct _FwEncoder FwEncoder;

/* Begins a clip; @spec is copied. Nothing appears under the clip's name before fw_encoder_finish() succeeds. One thread at a
 * time. */
FwEncoder *fw_encoder_open (const FwEncodeSpec *spec, GCancellable *cancellable, GError **error);

/* What will be written, the notice as in fw_encoder_check() (or NULL), and the element that encodes ("x264enc", or "png"). */
const char *fw_encoder_path (FwEncoder *encoder);
const char *fw_encoder_notice (FwEncoder *encoder);
const char *fw_encoder_element (FwEncoder *encoder);

/* Adds a frame: height rows of width R, G, B bytes, @stride bytes apart. The frame is copied before this returns. Waits
 * while the encoder is behind; a cancel is answered at once. After a failure only fw_encoder_abort() is left to do. */
gboolean fw_encoder_push (FwEncoder *encoder, const guint8 *rgb, gsize stride, GCancellable *cancellable, GError **error);

/* Completes the clip: sidecar first, then the clip itself gets its name. Frees @encoder, also on failure, which leaves nothing
 * behind, and an old clip that was to be replaced with its sidecar as they were. */
gboolean fw_encoder_finish (FwEncoder *encoder, GCancellable *cancellable, GError **error);

/* Gives the clip up: frees @encoder and leaves nothing behind. NULL is fine. */
void fw_encoder_abort (FwEncoder *encoder);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (FwEncoder, fw_encoder_abort)

/* One way of encoding and whether it is installed. */
typedef struct {
  FwMediaFormat format;
  char *element;            /* GStreamer's name of it */
  char *package;            /* the Debian and Ubuntu package: its own, or the first one that is missing */
  gboolean found;
} FwMediaEncoder;

/* All encoders in order of preference, as an array of FwMediaEncoder. Free with g_ptr_array_unref(). */
GPtrArray *fw_media_encoders (GCancellable *cancellable, GError **error);
