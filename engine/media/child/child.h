/* SPDX-License-Identifier: Apache-2.0
 * framewright-media: one process for one clip, the only program that links GStreamer. Shared by the files of this folder. */
#pragma once
#include "engine/media/protocol.h"
#include "engine/media/yuv.h"

#include <gst/gst.h>
#include <gst/video/video.h>

/* Tells the engine what went wrong, in words that complete "Cannot write FILE: ", and ends the process. */
void child_fault (FwErrorCode code, const char *format, ...) G_GNUC_PRINTF (2, 3) G_GNUC_NORETURN;

/* Sends an answer; where the engine is gone, the process ends. */
void child_send (FwMessage *message, FwMessageKind kind);

/* The next message, waiting for it; where the engine is gone, the process ends. */
void child_receive (FwMessage *message, int *fds, int max_fds, int *n_fds);

/* Maps shared memory of at least @size bytes, checking that it really is that large. */
gpointer child_map (int fd, gsize size);

/* Ends the process with the pipeline's own error. @hint, where not NULL, replaces GStreamer's words for a failed write. */
void child_pipeline_fault (GstMessage *message, const char *hint) G_GNUC_NORETURN;

/* The two kinds of work; each runs to its end and returns when the engine has had its last answer. */
void child_list (void);
void child_encode (const FwMessage *request, const int *fds, int n_fds);
void child_decode (const FwMessage *request, const int *fds, int n_fds);
void child_probe (const FwMessage *request, const int *fds, int n_fds);

/* A new buffer with the RGB frame converted to @info's format: I420, NV12, Y444 or BGRx. */
GstBuffer *child_buffer_from_rgb (const GstVideoInfo *info, const guint8 *rgb);

/* The raw formats that child_sample_to_rgb() reads. */
GstCaps *child_readable_caps (void);

/* The size of a decoded sample; FALSE where it is no picture. */
gboolean child_sample_size (GstSample *sample, int *width, int *height);

/* Converts a decoded sample to packed RGB, turned clockwise by @rotation degrees. FALSE where it is damaged. */
gboolean child_sample_to_rgb (GstSample *sample, int rotation, guint8 *rgb);

/* One way of encoding a format, in the order they are tried. */
typedef struct {
  FwMediaFormat format;
  const char *elements;              /* everything it needs, the encoder itself first */
  const char *launch;                /* the encoder (named "encoder") and what follows it, up to the muxer */
  const char *muxer;                 /* named "muxer" */
  GstVideoFormat input;
  const char *quality[4];            /* properties set to a quantiser between worst (quality 0) and best (quality 100) */
  double worst, best;
  const char *threads;               /* property for the number of threads */
} ChildEncoder;

/* The next way to encode @format after @previous (NULL: the first), NULL after the last. */
const ChildEncoder *child_next_encoder (FwMediaFormat format, const ChildEncoder *previous);

/* The package (Debian's and Ubuntu's name) of the first element that is missing, or NULL where all are installed. */
const char *child_missing_package (const ChildEncoder *encoder);
