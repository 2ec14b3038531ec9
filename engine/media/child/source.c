/* SPDX-License-Identifier: Apache-2.0
 * The tables of containers and codecs: what is not in them is never parsed. */
#include "engine/media/child/source.h"

#include <string.h>

static const SourceContainer containers[] = {
  { "mp4", 4, 4, "ftyp", "qtdemux", NULL, "h264 h265 av1 vp9 mpeg4 jpeg png" },
  { "mov", 4, 4, "moov", "qtdemux", NULL, "h264 mpeg4 jpeg png" },
  { "mov", 4, 4, "mdat", "qtdemux", NULL, "h264 mpeg4 jpeg png" },
  { "matroska", 0, 4, "\x1a\x45\xdf\xa3", "matroskademux", NULL, "h264 h265 av1 vp9 vp8 ffv1 mpeg4" },
  { "avi", 8, 4, "AVI ", "avidemux", NULL, "h264 mpeg4 ffv1 jpeg" },
  { "png", 0, 8, "\x89PNG\r\n\x1a\n", NULL, "png", "png" },
  { "jpeg", 0, 3, "\xff\xd8\xff", NULL, "jpeg", "jpeg" },
};

/* FFmpeg's decoders come first where both exist: GStreamer 1.22's jpegdec drops chroma of 4:4:4 pictures, its vp9dec swaps the
 * planes of RGB. */
static const SourceCodec codecs[] = {
  { "h264", "video/x-h264", "h264parse", "avdec_h264 openh264dec" },
  { "h265", "video/x-h265", "h265parse", "avdec_h265 libde265dec" },
  { "av1", "video/x-av1", "av1parse", "dav1ddec av1dec avdec_av1" },
  { "vp9", "video/x-vp9", NULL, "avdec_vp9 vp9dec" },
  { "vp8", "video/x-vp8", NULL, "avdec_vp8 vp8dec" },
  { "mpeg4", "video/mpeg,mpegversion=4", "mpeg4videoparse", "avdec_mpeg4" },
  { "ffv1", "video/x-ffv", NULL, "avdec_ffv1" },
  { "png", "image/png", NULL, "pngdec" },
  { "jpeg", "image/jpeg", "jpegparse", "avdec_mjpeg jpegdec" },
};

const SourceContainer *
source_container (const guint8 *bytes, gsize size)
{
  for (gsize i = 0; i < G_N_ELEMENTS (containers); i++)
    if (size >= containers[i].offset + containers[i].length &&
        memcmp (bytes + containers[i].offset, containers[i].mark, containers[i].length) == 0)
      return &containers[i];
  return NULL;
}

const SourceCodec *
source_codec_of_caps (const GstCaps *caps)
{
  for (gsize i = 0; i < G_N_ELEMENTS (codecs); i++) {
    g_autoptr (GstCaps) known = gst_caps_from_string (codecs[i].caps);
    if (gst_caps_can_intersect (caps, known))
      return &codecs[i];
  }
  return NULL;
}

const SourceCodec *
source_codec_by_name (const char *name)
{
  for (gsize i = 0; i < G_N_ELEMENTS (codecs); i++)
    if (strcmp (codecs[i].name, name) == 0)
      return &codecs[i];
  return NULL;
}

char *
source_decoder (const SourceCodec *codec)
{
  g_auto (GStrv) names = g_strsplit (codec->decoders, " ", 0);
  for (int i = 0; names[i] != NULL; i++) {
    g_autoptr (GstElementFactory) factory = gst_element_factory_find (names[i]);
    if (factory != NULL)
      return g_strdup (names[i]);
  }
  return NULL;
}

/* Making one also initialises its class, which is where libraries look at the machine. */
static void
load (const char *element)
{
  GstElement *made = element != NULL ? gst_element_factory_make (element, NULL) : NULL;
  if (made != NULL)
    gst_object_unref (gst_object_ref_sink (made));
}

void
source_load_plugins (const SourceContainer *container, gboolean decoding)
{
  g_auto (GStrv) names = g_strsplit (container->codecs, " ", 0);
  load ("giostreamsrc");
  load ("appsink");
  load (container->demuxer);
  for (int i = 0; decoding && names[i] != NULL; i++) {
    const SourceCodec *codec = source_codec_by_name (names[i]);
    g_autofree char *decoder = source_decoder (codec);
    load (codec->parser);
    load (decoder);
  }
}
