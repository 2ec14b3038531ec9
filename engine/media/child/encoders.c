/* SPDX-License-Identifier: Apache-2.0
 * The table of encoders in order of preference, and what is installed of it. */
#include "engine/media/child/child.h"

#include <string.h>

/* lag-in-frames=0: with frames held back, the element takes only part of them out of libvpx at the end where they do not compress well. */
static const ChildEncoder encoders[] = {
  { FW_MEDIA_MP4, "x264enc h264parse mp4mux",
    "x264enc name=encoder pass=quant speed-preset=medium ! video/x-h264,profile=high ! h264parse",
    "mp4mux name=muxer faststart=true", GST_VIDEO_FORMAT_I420, { "quantizer" }, 50, 10, "threads" },
  { FW_MEDIA_MP4, "nvh264enc h264parse mp4mux",
    "nvh264enc name=encoder rc-mode=constqp ! h264parse",
    "mp4mux name=muxer faststart=true", GST_VIDEO_FORMAT_NV12, { "qp-const" }, 50, 10, NULL },
  { FW_MEDIA_MP4, "vah264enc h264parse mp4mux",
    "vah264enc name=encoder rate-control=cqp ! h264parse",
    "mp4mux name=muxer faststart=true", GST_VIDEO_FORMAT_NV12, { "qpi", "qpp", "qpb" }, 50, 10, NULL },
  { FW_MEDIA_MP4, "vaapih264enc h264parse mp4mux",
    "vaapih264enc name=encoder rate-control=cqp ! h264parse",
    "mp4mux name=muxer faststart=true", GST_VIDEO_FORMAT_NV12, { "init-qp" }, 50, 10, NULL },
  { FW_MEDIA_MP4, "openh264enc h264parse mp4mux",
    "openh264enc name=encoder rate-control=quality bitrate=100000000 complexity=high ! h264parse",
    "mp4mux name=muxer faststart=true", GST_VIDEO_FORMAT_I420, { "qp-min", "qp-max" }, 50, 10, "multi-thread" },
  { FW_MEDIA_WEBM, "vp9enc vp9parse webmmux",
    "vp9enc name=encoder deadline=1 cpu-used=4 row-mt=true end-usage=cq target-bitrate=100000000 lag-in-frames=0 "
    "keyframe-max-dist=120 ! vp9parse",
    "webmmux name=muxer writing-app=Framewright", GST_VIDEO_FORMAT_I420, { "cq-level" }, 63, 8, "threads" },
  { FW_MEDIA_MKV, "avenc_ffv1 matroskamux",
    "avenc_ffv1 name=encoder",
    "matroskamux name=muxer writing-app=Framewright", GST_VIDEO_FORMAT_BGRx, { NULL }, 0, 0, NULL },
};

static const struct { const char *element, *package; } packages[] = {
  { "x264enc", "gstreamer1.0-plugins-ugly" }, { "vaapih264enc", "gstreamer1.0-vaapi" }, { "avenc_ffv1", "gstreamer1.0-libav" },
  { "mp4mux", "gstreamer1.0-plugins-good" }, { "webmmux", "gstreamer1.0-plugins-good" },
  { "matroskamux", "gstreamer1.0-plugins-good" }, { "vp9enc", "gstreamer1.0-plugins-good" },
};

static gboolean
is_installed (const char *element)
{
  g_autoptr (GstElementFactory) factory = gst_element_factory_find (element);
  return factory != NULL;
}

static const char *
package_of (const char *element)
{
  for (int i = 0; i < (int) G_N_ELEMENTS (packages); i++)
    if (strcmp (packages[i].element, element) == 0)
      return packages[i].package;
  return "gstreamer1.0-plugins-bad";
}

const ChildEncoder *
child_next_encoder (FwMediaFormat format, const ChildEncoder *previous)
{
  for (const ChildEncoder *e = previous == NULL ? encoders : previous + 1; e < encoders + G_N_ELEMENTS (encoders); e++)
    if (e->format == format)
      return e;
  return NULL;
}

const char *
child_missing_package (const ChildEncoder *encoder)
{
  g_auto (GStrv) elements = g_strsplit (encoder->elements, " ", 0);
  for (int i = 0; elements[i] != NULL; i++)
    if (!is_installed (elements[i]))
      return package_of (elements[i]);
  return NULL;
}

void
child_list (void)
{
  for (int i = 0; i < (int) G_N_ELEMENTS (encoders); i++) {
    FwMessage message = { 0 };
    const char *missing = child_missing_package (&encoders[i]);
    g_auto (GStrv) elements = g_strsplit (encoders[i].elements, " ", 2);
    message.encoder.format = encoders[i].format;
    message.encoder.found = missing == NULL;
    g_strlcpy (message.encoder.element, elements[0], sizeof message.encoder.element);
    g_strlcpy (message.encoder.package, missing != NULL ? missing : package_of (elements[0]), sizeof message.encoder.package);
    child_send (&message, FW_MESSAGE_ENCODER);
  }
  FwMessage end = { 0 };
  child_send (&end, FW_MESSAGE_END);
}
