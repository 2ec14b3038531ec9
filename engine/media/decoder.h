/* SPDX-License-Identifier: Apache-2.0
 * Reading a clip as RGB frames. All parsing and decoding happens in the media process, inside its sandbox. */
#pragma once
#include "engine/media/probe.h"

typedef struct {
  int max_side;             /* of a frame; 0 = 8192 */
  guint64 max_frames;       /* 0 = one million; more is an error */
  guint deadline_ms;        /* for the whole film, from opening on; 0 = none */
  guint stall_ms;           /* for one frame; 0 = 60 seconds */
} FwDecodeLimits;

typedef struct _FwDecoder FwDecoder;

/* Opens a regular file; its kind is told from its first bytes, never from its name. @limits may be NULL. One thread at a time. */
FwDecoder *fw_decoder_open (const char *path, const FwDecodeLimits *limits, GCancellable *cancellable, GError **error);

/* The size is that of every frame that follows; frames is 0, since they are not counted ahead, and there is no comment. */
const FwMediaInfo *fw_decoder_info (FwDecoder *decoder);

/* The next frame as height rows of width R, G, B bytes, @stride bytes apart, turned upright; *@time, which may be NULL, is its
 * time in the film in nanoseconds, -1 where the file tells none. 1: a frame; 0: the end; -1: an error, which also ends the
 * film. */
int fw_decoder_next (FwDecoder *decoder, guint8 *rgb, gsize stride, gint64 *time, GCancellable *cancellable, GError **error);

/* At any moment. NULL is fine. */
void fw_decoder_free (FwDecoder *decoder);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (FwDecoder, fw_decoder_free)
