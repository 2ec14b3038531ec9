/* SPDX-License-Identifier: Apache-2.0
 * The decoding side: the file is mapped, its kind settled by its own first bytes, the walls go up, and only then does a
 * demuxer see it. */
#include "engine/media/child/child.h"
#include "engine/media/child/sandbox.h"
#include "engine/media/child/source.h"

#include <errno.h>
#include <gio/gio.h>
#include <gst/app/gstappsink.h>
#include <poll.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define WORKING_MEMORY ((guint64) 4 << 30)
#define PULL_STEP (50 * GST_MSECOND)

typedef struct {
  const SourceContainer *container;
  GBytes *file;
  GstElement *pipeline, *demuxer, *sink;
  GstBus *bus;
  gboolean counting;                /* packets are counted, not decoded */
  /* Written by the streaming thread until the first sample or the end is seen, read after it. */
  GMutex lock;
  const SourceCodec *codec;
  char *unknown;                    /* the caps of a video that is none of ours */
  char *comment;
  int rotation, width, height, fps_n, fps_d;
  gboolean complete;                /* every stream of the file has been announced */
} Decode;

static void
map_file (Decode *decode, int fd)
{
  struct stat status;
  if (fstat (fd, &status) != 0 || !S_ISREG (status.st_mode))
    child_fault (FW_ERROR_IO, "it is not a regular file");
  if (status.st_size == 0)
    child_fault (FW_ERROR_FORMAT, "it is empty");
  gpointer bytes = mmap (NULL, status.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
  if (bytes == MAP_FAILED)
    child_fault (FW_ERROR_IO, "it cannot be mapped: %s", g_strerror (errno));
  decode->file = g_bytes_new_static (bytes, status.st_size);
  decode->container = source_container (bytes, status.st_size);
  if (decode->container == NULL)
    child_fault (FW_ERROR_FORMAT, "it is no MP4, MOV, Matroska, WebM, AVI, PNG or JPEG file");
}

static void
close_in (const Decode *decode)
{
  const char *reason = NULL;
  source_load_plugins (decode->container, !decode->counting);
  if (g_strcmp0 (g_getenv ("FRAMEWRIGHT_SANDBOX"), "off") == 0)
    return;
  if (!sandbox_enter (WORKING_MEMORY, &reason))
    child_fault (FW_ERROR_UNSUPPORTED, "the sandbox is not available (%s); for files you trust, set FRAMEWRIGHT_SANDBOX=off",
                 reason);
}

static int
rotation_of (const char *orientation)
{
  static const struct { const char *name; int degrees; } rows[] = {
    { "rotate-90", 90 }, { "rotate-180", 180 }, { "rotate-270", 270 },
  };
  for (gsize i = 0; i < G_N_ELEMENTS (rows); i++)
    if (strcmp (orientation, rows[i].name) == 0)
      return rows[i].degrees;
  return 0;
}

/* Tags travel before the frames they belong to. */
static GstPadProbeReturn
take_tags (GstPad *pad, GstPadProbeInfo *probe, gpointer data)
{
  Decode *decode = data;
  GstTagList *tags;
  g_autofree char *orientation = NULL, *comment = NULL;
  if (GST_EVENT_TYPE (GST_PAD_PROBE_INFO_EVENT (probe)) != GST_EVENT_TAG)
    return GST_PAD_PROBE_OK;
  gst_event_parse_tag (GST_PAD_PROBE_INFO_EVENT (probe), &tags);
  g_mutex_lock (&decode->lock);
  if (gst_tag_list_get_string (tags, GST_TAG_IMAGE_ORIENTATION, &orientation))
    decode->rotation = rotation_of (orientation);
  if (gst_tag_list_get_string (tags, GST_TAG_COMMENT, &comment) && strlen (comment) <= FW_MEDIA_MAX_COMMENT) {
    g_free (decode->comment);
    decode->comment = g_steal_pointer (&comment);
  }
  g_mutex_unlock (&decode->lock);
  return GST_PAD_PROBE_OK;
}

static GstElement *
add (Decode *decode, const char *element)
{
  GstElement *made = gst_element_factory_make (element, NULL);
  if (made == NULL)
    child_fault (FW_ERROR_UNSUPPORTED, "GStreamer has no %s", element);
  gst_bin_add (GST_BIN (decode->pipeline), made);
  return made;
}

/* Builds what lies between @pad, which carries @codec, and the sink. */
static void
link_video (Decode *decode, GstPad *pad, const SourceCodec *codec)
{
  g_autofree char *decoder = source_decoder (codec);
  GstElement *last = decode->sink;
  if (!decode->counting) {
    if (decoder == NULL)
      child_fault (FW_ERROR_UNSUPPORTED, "no decoder for %s is installed; install the package gstreamer1.0-libav", codec->name);
    GstElement *made = add (decode, decoder);
    gst_element_link (made, last);
    gst_element_sync_state_with_parent (made);
    last = made;
    if (codec->parser != NULL) {
      GstElement *parser = add (decode, codec->parser);
      gst_element_link (parser, last);
      gst_element_sync_state_with_parent (parser);
      last = parser;
    }
  }
  g_autoptr (GstPad) to = gst_element_get_static_pad (last, "sink");
  gst_pad_link (pad, to);
}

static void
pad_added (GstElement *demuxer, GstPad *pad, gpointer data)
{
  Decode *decode = data;
  g_autoptr (GstCaps) caps = gst_pad_get_current_caps (pad);
  if (caps == NULL || gst_caps_is_empty (caps))
    return;
  const GstStructure *structure = gst_caps_get_structure (caps, 0);
  const SourceCodec *codec = source_codec_of_caps (caps);
  if (codec == NULL) {
    if (g_str_has_prefix (gst_structure_get_name (structure), "video/") && decode->unknown == NULL)
      decode->unknown = g_strdup (gst_structure_get_name (structure));
    return;
  }
  g_mutex_lock (&decode->lock);
  gboolean first = decode->codec == NULL;
  if (first) {
    decode->codec = codec;
    gst_structure_get_int (structure, "width", &decode->width);
    gst_structure_get_int (structure, "height", &decode->height);
    gst_structure_get_fraction (structure, "framerate", &decode->fps_n, &decode->fps_d);
  }
  g_mutex_unlock (&decode->lock);
  if (first)
    link_video (decode, pad, codec);
}

static void
no_more_pads (GstElement *demuxer, gpointer data)
{
  Decode *decode = data;
  g_mutex_lock (&decode->lock);
  decode->complete = TRUE;
  g_mutex_unlock (&decode->lock);
}

static void
make_sink (Decode *decode)
{
  decode->sink = add (decode, "appsink");
  g_object_set (decode->sink, "sync", FALSE, "max-buffers", 4, "enable-last-sample", FALSE, NULL);
  if (!decode->counting) {
    g_autoptr (GstCaps) caps = child_readable_caps ();
    gst_app_sink_set_caps (GST_APP_SINK (decode->sink), caps);
  }
  g_autoptr (GstPad) pad = gst_element_get_static_pad (decode->sink, "sink");
  gst_pad_add_probe (pad, GST_PAD_PROBE_TYPE_EVENT_DOWNSTREAM, take_tags, decode, NULL);
}

static void
open_pipeline (Decode *decode)
{
  decode->pipeline = gst_pipeline_new (NULL);
  decode->bus = gst_element_get_bus (decode->pipeline);
  make_sink (decode);
  g_autoptr (GInputStream) stream = g_memory_input_stream_new_from_bytes (decode->file);
  GstElement *source = add (decode, "giostreamsrc");
  g_object_set (source, "stream", stream, NULL);
  if (decode->container->demuxer != NULL) {
    decode->demuxer = add (decode, decode->container->demuxer);
    g_signal_connect (decode->demuxer, "pad-added", G_CALLBACK (pad_added), decode);
    g_signal_connect (decode->demuxer, "no-more-pads", G_CALLBACK (no_more_pads), decode);
    gst_element_link (source, decode->demuxer);
  } else {
    g_autoptr (GstPad) pad = gst_element_get_static_pad (source, "src");
    decode->codec = source_codec_by_name (decode->container->codec);
    decode->complete = TRUE;
    link_video (decode, pad, decode->codec);
  }
  if (gst_element_set_state (decode->pipeline, GST_STATE_PLAYING) == GST_STATE_CHANGE_FAILURE)
    child_fault (FW_ERROR_FAILED, "GStreamer does not start");
}

/* A demuxer that finds no stream at all may stop without a word to anybody: only its thread shows it. */
static gboolean
demuxer_stopped (const Decode *decode)
{
  if (decode->demuxer == NULL)
    return FALSE;
  g_autoptr (GstPad) pad = gst_element_get_static_pad (decode->demuxer, "sink");
  return gst_pad_get_task_state (pad) != GST_TASK_STARTED;
}

static void
check_bus (Decode *decode)
{
  gboolean stopped = demuxer_stopped (decode);
  g_autoptr (GstMessage) message = gst_bus_pop_filtered (decode->bus, GST_MESSAGE_ERROR);
  g_mutex_lock (&decode->lock);
  gboolean without_video = (decode->complete || (stopped && message == NULL)) && decode->codec == NULL;
  g_mutex_unlock (&decode->lock);
  if (without_video && decode->unknown != NULL)
    child_fault (FW_ERROR_UNSUPPORTED, "its video (%s) is of a kind that is not read", decode->unknown);
  if (without_video)
    child_fault (FW_ERROR_FORMAT, decode->complete ? "it holds no video" : "it holds no stream; it is damaged or cut short");
  if (message == NULL)
    return;
  g_autoptr (GError) cause = NULL;
  gst_message_parse_error (message, &cause, NULL);
  child_fault (FW_ERROR_FORMAT, "it is damaged or cut short: %s", cause->message);
}

static void
end_with_engine (void)
{
  struct pollfd engine = { .fd = FW_MEDIA_SOCKET, .events = 0 };
  if (poll (&engine, 1, 0) > 0 && (engine.revents & (POLLHUP | POLLERR)))
    _exit (0);
}

/* The next frame or packet, NULL at the end. */
static GstSample *
pull (Decode *decode)
{
  for (;;) {
    GstSample *sample = gst_app_sink_try_pull_sample (GST_APP_SINK (decode->sink), PULL_STEP);
    if (sample != NULL)
      return sample;
    check_bus (decode);
    if (gst_app_sink_is_eos (GST_APP_SINK (decode->sink)))
      return NULL;
    end_with_engine ();
  }
}

static gint64
time_in_film (GstSample *sample)
{
  const GstSegment *segment = gst_sample_get_segment (sample);
  GstClockTime time = GST_BUFFER_PTS (gst_sample_get_buffer (sample));
  if (segment == NULL || segment->format != GST_FORMAT_TIME || !GST_CLOCK_TIME_IS_VALID (time))
    return -1;
  guint64 stream = gst_segment_to_stream_time (segment, GST_FORMAT_TIME, time);
  return stream == GST_CLOCK_TIME_NONE ? -1 : (gint64) stream;
}

static void
fill_info (Decode *decode, FwMessage *message)
{
  FwInfoMessage *info = &message->info;
  gint64 duration = -1;
  gboolean sideways = decode->rotation % 180 != 0;
  if (!gst_element_query_duration (decode->pipeline, GST_FORMAT_TIME, &duration) || decode->container->demuxer == NULL)
    duration = -1;
  info->width = sideways ? decode->height : decode->width;
  info->height = sideways ? decode->width : decode->height;
  info->rotation = decode->rotation;
  info->fps_n = decode->fps_d > 0 ? decode->fps_n : 0;
  info->fps_d = decode->fps_d > 0 ? decode->fps_d : 1;
  info->duration = duration;
  g_strlcpy (info->container, decode->container->name, sizeof info->container);
  g_strlcpy (info->codec, decode->codec->name, sizeof info->codec);
}

static void
count_packets (Decode *decode, FwMessage *message, guint64 most)
{
  GstSample *sample;
  while ((sample = pull (decode)) != NULL) {
    gst_sample_unref (sample);
    if (++message->info.frames > most)
      child_fault (FW_ERROR_FORMAT, "it has more than %" G_GUINT64_FORMAT " frames", most);
  }
  if (message->info.frames == 0)
    child_fault (FW_ERROR_FORMAT, "it holds no frame; it is damaged or cut short");
}

/* A picture alone is decoded to learn its size; a film is only taken apart into its packets. */
void
child_probe (const FwMessage *request, const int *fds, int n_fds)
{
  Decode decode = { .counting = TRUE };
  FwMessage answer = { 0 };
  if (n_fds != 2)
    child_fault (FW_ERROR_FAILED, "the request for probing is out of range");
  char *text = child_map (fds[1], FW_MEDIA_MAX_COMMENT);
  map_file (&decode, fds[0]);
  decode.counting = decode.container->demuxer != NULL;
  close_in (&decode);
  open_pipeline (&decode);
  if (decode.counting) {
    count_packets (&decode, &answer, request->decode.max_frames);
  } else {
    GstSample *sample = pull (&decode);
    if (sample == NULL || !child_sample_size (sample, &decode.width, &decode.height))
      child_fault (FW_ERROR_FORMAT, "it holds no picture; it is damaged or cut short");
    answer.info.frames = 1;
    gst_sample_unref (sample);
  }
  fill_info (&decode, &answer);
  answer.info.comment_size = decode.comment != NULL ? strlen (decode.comment) : 0;
  if (decode.comment != NULL)
    memcpy (text, decode.comment, answer.info.comment_size);
  child_send (&answer, FW_MESSAGE_INFO);
  _exit (0);
}

/* Answers one NEXT; FALSE at the end of the film. */
static gboolean
deliver (Decode *decode, GstSample *sample, guint8 *frame, guint32 slot)
{
  FwMessage answer = { .frame = { .slot = slot } };
  int width, height;
  if (sample == NULL) {
    child_send (&answer, FW_MESSAGE_END);
    return FALSE;
  }
  if (!child_sample_size (sample, &width, &height) || width != decode->width || height != decode->height)
    child_fault (FW_ERROR_UNSUPPORTED, "its frames change their size");
  if (!child_sample_to_rgb (sample, decode->rotation, frame))
    child_fault (FW_ERROR_FORMAT, "a frame is damaged");
  answer.frame.time = time_in_film (sample);
  child_send (&answer, FW_MESSAGE_FRAME);
  return TRUE;
}

static void
deliver_all (Decode *decode, GstSample *first, const FwDecodeMessage *limits, guint8 *memory)
{
  gsize frame_bytes = 3 * (gsize) decode->width * decode->height;
  gboolean more = TRUE;
  for (guint64 n = 0; more; n++) {
    FwMessage request;
    child_receive (&request, NULL, 0, NULL);
    if (request.kind != FW_MESSAGE_NEXT || request.frame.slot >= limits->slots)
      child_fault (FW_ERROR_FAILED, "the media process was asked out of turn");
    GstSample *sample = n == 0 ? first : pull (decode);
    if (sample != NULL && n >= limits->max_frames)
      child_fault (FW_ERROR_FORMAT, "it has more than %" G_GUINT64_FORMAT " frames", limits->max_frames);
    more = deliver (decode, sample, memory + frame_bytes * request.frame.slot, request.frame.slot);
    g_clear_pointer (&sample, gst_sample_unref);
  }
}

void
child_decode (const FwMessage *request, const int *fds, int n_fds)
{
  Decode decode = { 0 };
  FwMessage message = { 0 };
  FwDecodeMessage limits = request->decode;
  int memory_fd, n;
  if (n_fds != 1 || limits.slots < 1 || limits.slots > FW_MEDIA_MAX_SLOTS || limits.max_side < 1 ||
      limits.max_side > FW_MEDIA_MAX_SIDE)
    child_fault (FW_ERROR_FAILED, "the request for decoding is out of range");
  map_file (&decode, fds[0]);
  close_in (&decode);
  open_pipeline (&decode);
  GstSample *first = pull (&decode);
  if (first == NULL)
    child_fault (FW_ERROR_FORMAT, "it holds no frame; it is damaged or cut short");
  if (!child_sample_size (first, &decode.width, &decode.height))
    child_fault (FW_ERROR_UNSUPPORTED, "its pixel format is none that is read");
  if (decode.width > (int) limits.max_side || decode.height > (int) limits.max_side)
    child_fault (FW_ERROR_FORMAT, "its frames are %dx%d, more than the %u allowed on a side", decode.width, decode.height,
                 limits.max_side);
  fill_info (&decode, &message);
  child_send (&message, FW_MESSAGE_INFO);
  child_receive (&message, &memory_fd, 1, &n);
  if (message.kind != FW_MESSAGE_SLOTS || n != 1)
    child_fault (FW_ERROR_FAILED, "the media process was asked out of turn");
  guint8 *memory = child_map (memory_fd, 3 * (gsize) decode.width * decode.height * limits.slots);
  child_send (&message, FW_MESSAGE_READY);
  deliver_all (&decode, first, &limits, memory);
  /* Frames that were asked for ahead stay unanswered; leaving before the engine does would look like a failure. */
  for (;;)
    child_receive (&message, NULL, 0, NULL);
}
