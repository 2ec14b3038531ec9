/* SPDX-License-Identifier: Apache-2.0
 * The encoding side: frames from shared memory through GStreamer into a descriptor. Nothing here waits inside GStreamer: one poll
 * watches the engine, the pipeline's bus and the frames that leave the source, so a full disk or a lost engine is always seen. */
#include "engine/media/child/child.h"

#include <errno.h>
#include <gst/app/gstappsrc.h>
#include <poll.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#define WAITING_FRAMES 3       /* converted frames that may wait before the encoder */

enum { FD_MEMORY, FD_OUTPUT, FD_SCRATCH, N_FDS };

typedef struct {
  FwEncodeMessage spec;
  int fds[N_FDS];
  guint8 *memory;
  gsize frame_bytes;
  char *comment;
  GstVideoInfo info;
  GstElement *pipeline, *source;
  GstBus *bus;
  int wake;                    /* an eventfd written when a frame leaves the source */
  int waiting;                 /* atomic: frames inside the source */
  int encoded;                 /* atomic: frames out of the encoder */
  guint64 pushed;
  gboolean ending;
} Encode;

static void
take_request (Encode *encode, const FwMessage *request, const int *fds, int n_fds)
{
  const FwEncodeMessage *spec = &encode->spec;
  encode->spec = request->encode;
  if (n_fds != N_FDS || spec->width < 1 || spec->height < 1 || spec->width > FW_MEDIA_MAX_SIDE ||
      spec->height > FW_MEDIA_MAX_SIDE || spec->fps_n < 1 || spec->fps_d < 1 || spec->quality < 1 || spec->quality > 100 ||
      spec->threads < 0 || spec->slots < 1 || spec->slots > FW_MEDIA_MAX_SLOTS || spec->comment_size > FW_MEDIA_MAX_COMMENT)
    child_fault (FW_ERROR_INVALID, "the request for encoding is out of range");
  memcpy (encode->fds, fds, sizeof encode->fds);
  encode->frame_bytes = 3 * (gsize) spec->width * spec->height;
  encode->memory = child_map (fds[FD_MEMORY], MAX (encode->frame_bytes * spec->slots, spec->comment_size));
  encode->comment = g_strndup ((char *) encode->memory, spec->comment_size);
  encode->wake = eventfd (0, EFD_NONBLOCK | EFD_CLOEXEC);
  if (encode->wake < 0)
    child_fault (FW_ERROR_FAILED, "no event descriptor: %s", g_strerror (errno));
}

static void
set_video_info (Encode *encode, GstVideoFormat format)
{
  GstVideoInfo *info = &encode->info;
  gst_video_info_init (info);
  gst_video_info_set_format (info, format, encode->spec.width, encode->spec.height);
  GST_VIDEO_INFO_FPS_N (info) = encode->spec.fps_n;
  GST_VIDEO_INFO_FPS_D (info) = encode->spec.fps_d;
  if (!GST_VIDEO_INFO_IS_RGB (info)) {
    gst_video_colorimetry_from_string (&info->colorimetry, GST_VIDEO_COLORIMETRY_BT709);
    info->chroma_site = GST_VIDEO_CHROMA_SITE_MPEG2;
  }
}

static void
set_encoder_properties (Encode *encode, const ChildEncoder *choice)
{
  g_autoptr (GstElement) encoder = gst_bin_get_by_name (GST_BIN (encode->pipeline), "encoder");
  int level = choice->worst + (choice->best - choice->worst) * encode->spec.quality / 100 + 0.5;
  g_autofree char *threads = g_strdup_printf ("%d", encode->spec.threads);
  g_autofree char *quantiser = g_strdup_printf ("%d", level);
  for (int i = 0; choice->quality[i] != NULL; i++)
    gst_util_set_object_arg (G_OBJECT (encoder), choice->quality[i], quantiser);
  if (choice->threads != NULL)
    gst_util_set_object_arg (G_OBJECT (encoder), choice->threads, threads);
}

/* Matroska's zero, 2001, instead of now: the same frames with the same recipe make the same bytes. */
static void
set_muxer_date (GstElement *muxer)
{
  if (g_object_class_find_property (G_OBJECT_GET_CLASS (muxer), "creation-time") == NULL)
    return;
  g_autoptr (GDateTime) zero = g_date_time_new_utc (2001, 1, 1, 0, 0, 0);
  g_object_set (muxer, "creation-time", zero, NULL);
}

static void
set_muxer_properties (Encode *encode)
{
  g_autoptr (GstElement) muxer = gst_bin_get_by_name (GST_BIN (encode->pipeline), "muxer");
  if (encode->comment[0] != '\0')
    gst_tag_setter_add_tags (GST_TAG_SETTER (muxer), GST_TAG_MERGE_REPLACE, GST_TAG_COMMENT, encode->comment, NULL);
  gst_tag_setter_add_tags (GST_TAG_SETTER (muxer), GST_TAG_MERGE_REPLACE, GST_TAG_APPLICATION_NAME, "Framewright " FW_VERSION,
                           NULL);
  set_muxer_date (muxer);
  /* The muxer opens its scratch file by name; this name leads to the nameless file that the engine has handed over. */
  if (g_object_class_find_property (G_OBJECT_GET_CLASS (muxer), "faststart-file") != NULL) {
    g_autofree char *scratch = g_strdup_printf ("/proc/self/fd/%d", encode->fds[FD_SCRATCH]);
    g_object_set (muxer, "faststart-file", scratch, NULL);
  }
}

static GstPadProbeReturn
frame_left_source (GstPad *pad, GstPadProbeInfo *probe, gpointer data)
{
  Encode *encode = data;
  g_atomic_int_add (&encode->waiting, -1);
  eventfd_write (encode->wake, 1);
  return GST_PAD_PROBE_OK;
}

static GstPadProbeReturn
frame_left_encoder (GstPad *pad, GstPadProbeInfo *probe, gpointer data)
{
  Encode *encode = data;
  g_atomic_int_inc (&encode->encoded);
  return GST_PAD_PROBE_OK;
}

static void
watch_pad (Encode *encode, const char *element, GstPadProbeCallback callback)
{
  g_autoptr (GstElement) owner = gst_bin_get_by_name (GST_BIN (encode->pipeline), element);
  g_autoptr (GstPad) pad = gst_element_get_static_pad (owner, "src");
  gst_pad_add_probe (pad, GST_PAD_PROBE_TYPE_BUFFER, callback, encode, NULL);
}

static void
close_pipeline (Encode *encode)
{
  gst_element_set_state (encode->pipeline, GST_STATE_NULL);
  g_clear_pointer (&encode->bus, gst_object_unref);
  g_clear_pointer (&encode->source, gst_object_unref);
  g_clear_pointer (&encode->pipeline, gst_object_unref);
}

/* FALSE where this encoder cannot be had after all: hardware that is listed but does not open. */
static gboolean
open_pipeline (Encode *encode, const ChildEncoder *choice)
{
  g_random_set_seed (g_str_hash (encode->comment)); /* of the numbers by which Matroska tells files apart */
  g_autofree char *launch = g_strdup_printf ("appsrc name=source format=time max-buffers=0 max-bytes=0 ! %s ! %s ! "
                                             "fdsink name=sink sync=false fd=%d", choice->launch, choice->muxer,
                                             encode->fds[FD_OUTPUT]);
  encode->pipeline = gst_parse_launch_full (launch, NULL, GST_PARSE_FLAG_FATAL_ERRORS, NULL);
  if (encode->pipeline == NULL)
    return FALSE;
  encode->source = gst_bin_get_by_name (GST_BIN (encode->pipeline), "source");
  encode->bus = gst_element_get_bus (encode->pipeline);
  set_video_info (encode, choice->input);
  g_autoptr (GstCaps) caps = gst_video_info_to_caps (&encode->info);
  gst_app_src_set_caps (GST_APP_SRC (encode->source), caps);
  set_encoder_properties (encode, choice);
  set_muxer_properties (encode);
  watch_pad (encode, "source", frame_left_source);
  watch_pad (encode, "encoder", frame_left_encoder);
  if (gst_element_set_state (encode->pipeline, GST_STATE_READY) != GST_STATE_CHANGE_FAILURE &&
      gst_element_set_state (encode->pipeline, GST_STATE_PLAYING) != GST_STATE_CHANGE_FAILURE)
    return TRUE;
  close_pipeline (encode);
  return FALSE;
}

static const ChildEncoder *
choose_encoder (Encode *encode)
{
  const char *missing = NULL;
  FwMediaFormat format = encode->spec.format;
  for (const ChildEncoder *e = child_next_encoder (format, NULL); e != NULL; e = child_next_encoder (format, e)) {
    const char *package = child_missing_package (e);
    if (package == NULL && open_pipeline (encode, e))
      return e;
    if (missing == NULL)
      missing = package;
  }
  if (missing != NULL)
    child_fault (FW_ERROR_UNSUPPORTED, "no encoder for %s is installed; install the package %s",
                 fw_media_format_name (format), missing);
  child_fault (FW_ERROR_UNSUPPORTED, "no installed encoder for %s starts", fw_media_format_name (format));
}

/* The system's own words for why nothing more can be written: a write is tried until it fails. */
static const char *
why_not_writable (const Encode *encode)
{
  static const char nothing[1 << 16];
  for (int file = FD_OUTPUT; file <= FD_SCRATCH; file++)
    for (int tries = 0; tries < 4; tries++)
      if (write (encode->fds[file], nothing, sizeof nothing) < 0)
        return g_strerror (errno);
  return NULL;
}

/* Reads the bus; TRUE once the last byte is written. */
static gboolean
pipeline_ended (Encode *encode)
{
  gboolean ended = FALSE;
  for (GstMessage *message; !ended && (message = gst_bus_pop (encode->bus)) != NULL; gst_message_unref (message)) {
    if (GST_MESSAGE_TYPE (message) == GST_MESSAGE_ERROR)
      child_pipeline_fault (message, why_not_writable (encode));
    ended = GST_MESSAGE_TYPE (message) == GST_MESSAGE_EOS;
  }
  return ended;
}

/* The moment frame @n begins, rounded as all who write this rate do. */
static GstClockTime
frame_time (const Encode *encode, guint64 n)
{
  return gst_util_uint64_scale (n, GST_SECOND * encode->spec.fps_d, encode->spec.fps_n);
}

static void
push_frame (Encode *encode, guint32 slot)
{
  if (slot >= encode->spec.slots || encode->ending)
    child_fault (FW_ERROR_FAILED, "a frame came out of turn");
  GstBuffer *buffer = child_buffer_from_rgb (&encode->info, encode->memory + encode->frame_bytes * slot);
  guint64 n = encode->pushed++;
  GST_BUFFER_PTS (buffer) = frame_time (encode, n);
  GST_BUFFER_DURATION (buffer) = frame_time (encode, n + 1) - frame_time (encode, n);
  g_atomic_int_inc (&encode->waiting);
  gst_app_src_push_buffer (GST_APP_SRC (encode->source), buffer);
  FwMessage answer = { .frame.slot = slot };
  child_send (&answer, FW_MESSAGE_TAKEN);
}

static void
hear_engine (Encode *encode)
{
  FwMessage message;
  child_receive (&message, NULL, 0, NULL);
  if (message.kind == FW_MESSAGE_FRAME) {
    push_frame (encode, message.frame.slot);
  } else if (message.kind == FW_MESSAGE_FINISH && !encode->ending) {
    encode->ending = TRUE;
    gst_app_src_end_of_stream (GST_APP_SRC (encode->source));
  } else {
    child_fault (FW_ERROR_FAILED, "the media process was asked out of turn");
  }
}

static void
run_pipeline (Encode *encode)
{
  GPollFD bus;
  gst_bus_get_pollfd (encode->bus, &bus);
  while (!pipeline_ended (encode)) {
    gboolean room = g_atomic_int_get (&encode->waiting) < WAITING_FRAMES;
    struct pollfd fds[] = {
      { .fd = FW_MEDIA_SOCKET, .events = room ? POLLIN : 0 },
      { .fd = bus.fd, .events = POLLIN },
      { .fd = encode->wake, .events = POLLIN },
    };
    poll (fds, G_N_ELEMENTS (fds), -1);
    eventfd_t woken;
    eventfd_read (encode->wake, &woken);
    if (fds[0].revents & POLLIN)
      hear_engine (encode);
    else if (fds[0].revents & (POLLHUP | POLLERR))
      _exit (0);
  }
}

void
child_encode (const FwMessage *request, const int *fds, int n_fds)
{
  Encode encode = { 0 };
  take_request (&encode, request, fds, n_fds);
  const ChildEncoder *choice = choose_encoder (&encode);
  g_auto (GStrv) elements = g_strsplit (choice->elements, " ", 2);
  FwMessage ready = { .encoder = { .format = encode.spec.format, .found = TRUE } };
  g_strlcpy (ready.encoder.element, elements[0], sizeof ready.encoder.element);
  child_send (&ready, FW_MESSAGE_READY);
  run_pipeline (&encode);
  if ((guint64) g_atomic_int_get (&encode.encoded) != encode.pushed)
    child_fault (FW_ERROR_FAILED, "%s wrote %d frames of %" G_GUINT64_FORMAT, elements[0], encode.encoded, encode.pushed);
  close_pipeline (&encode);
  FwMessage finished = { .frame.count = encode.pushed };
  child_send (&finished, FW_MESSAGE_FINISHED);
  _exit (0);
}
