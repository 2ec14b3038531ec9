/* SPDX-License-Identifier: Apache-2.0
 * The two ways of writing behind fw_encoder_*: the media process for video, this process for PNG. */
#pragma once
#include "engine/media/client.h"
#include "engine/media/encoder.h"

typedef struct {
  gboolean (*push) (gpointer writer, const guint8 *rgb, gsize stride, GCancellable *cancellable, GError **error);
  /* Everything is written and synced but has no name yet. */
  gboolean (*complete) (gpointer writer, GCancellable *cancellable, GError **error);
  /* The clip gets its name. */
  gboolean (*commit) (gpointer writer, GError **error);
  const char *(*element) (gpointer writer);
  /* Without a commit before it, removes everything. */
  void (*free) (gpointer writer);
} FwClipWriter;

extern const FwClipWriter fw_video_writer, fw_png_writer;

/* @spec is checked, its path and format final. The video writer takes over @child. */
gpointer fw_video_writer_open (const FwEncodeSpec *spec, FwMediaChild *child, GCancellable *cancellable, GError **error);
gpointer fw_png_writer_open (const FwEncodeSpec *spec, GError **error);

/* Begins to encode onto @output, with an empty file @scratch to work in; both stay the caller's. */
gpointer fw_video_writer_open_fd (const FwEncodeSpec *spec, FwMediaChild *child, int output, int scratch,
                                  GCancellable *cancellable, GError **error);

/* Asks a running media process what it can encode. */
GPtrArray *fw_media_child_encoders (FwMediaChild *child, GCancellable *cancellable, GError **error);
