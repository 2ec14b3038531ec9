/* SPDX-License-Identifier: Apache-2.0
 * RGB frames to and from GStreamer's buffers. */
#include "engine/media/child/child.h"

#include <string.h>

static const struct { GstVideoFormat format; FwYuvLayout layout; gboolean swapped; } planar[] = {
  { GST_VIDEO_FORMAT_I420, FW_YUV_I420, FALSE },
  { GST_VIDEO_FORMAT_YV12, FW_YUV_I420, TRUE },
  { GST_VIDEO_FORMAT_NV12, FW_YUV_NV12, FALSE },
  { GST_VIDEO_FORMAT_Y42B, FW_YUV_I422, FALSE },
  { GST_VIDEO_FORMAT_Y444, FW_YUV_Y444, FALSE },
  { GST_VIDEO_FORMAT_I420_10LE, FW_YUV_I420_10, FALSE },
  { GST_VIDEO_FORMAT_I422_10LE, FW_YUV_I422_10, FALSE },
  { GST_VIDEO_FORMAT_Y444_10LE, FW_YUV_Y444_10, FALSE },
};

/* 8-bit formats that hold red, green and blue as they are, in one plane or three, and grey. */
static const GstVideoFormat direct[] = {
  GST_VIDEO_FORMAT_RGB, GST_VIDEO_FORMAT_BGR, GST_VIDEO_FORMAT_RGBx, GST_VIDEO_FORMAT_BGRx, GST_VIDEO_FORMAT_xRGB,
  GST_VIDEO_FORMAT_xBGR, GST_VIDEO_FORMAT_RGBA, GST_VIDEO_FORMAT_BGRA, GST_VIDEO_FORMAT_ARGB, GST_VIDEO_FORMAT_ABGR,
  GST_VIDEO_FORMAT_GBR, GST_VIDEO_FORMAT_GRAY8,
};

/* The picture of a mapped frame; FALSE where the format is none of the planar ones. */
static gboolean
yuv_of_frame (const GstVideoFrame *frame, FwYuvImage *yuv)
{
  const GstVideoInfo *info = &frame->info;
  for (int i = 0; i < (int) G_N_ELEMENTS (planar); i++) {
    if (planar[i].format != GST_VIDEO_INFO_FORMAT (info))
      continue;
    *yuv = (FwYuvImage) {
      .layout = planar[i].layout,
      .matrix = info->colorimetry.matrix == GST_VIDEO_COLOR_MATRIX_BT601 ? FW_YUV_BT601 : FW_YUV_BT709,
      .siting = info->chroma_site == GST_VIDEO_CHROMA_SITE_JPEG ? FW_YUV_CENTRE : FW_YUV_LEFT,
      .full_range = info->colorimetry.range == GST_VIDEO_COLOR_RANGE_0_255,
      .width = GST_VIDEO_INFO_WIDTH (info), .height = GST_VIDEO_INFO_HEIGHT (info),
    };
    for (guint p = 0; p < GST_VIDEO_FRAME_N_PLANES (frame); p++) {
      guint to = planar[i].swapped && p > 0 ? 3 - p : p;
      yuv->plane[to] = GST_VIDEO_FRAME_PLANE_DATA (frame, p);
      yuv->stride[to] = GST_VIDEO_FRAME_PLANE_STRIDE (frame, p);
    }
    return TRUE;
  }
  return FALSE;
}

/* The first byte of red, green or blue (0, 1, 2) in row @y. Where a Y'CbCr format holds RGB (the identity matrix), the planes
 * are green, blue and red. */
static guint8 *
component_row (const GstVideoFrame *frame, int component, int y)
{
  if (GST_VIDEO_FRAME_N_COMPONENTS (frame) < 3)
    component = 0;
  else if (GST_VIDEO_INFO_IS_YUV (&frame->info))
    component = (component + 2) % 3;
  return (guint8 *) GST_VIDEO_FRAME_COMP_DATA (frame, component) + (gssize) GST_VIDEO_FRAME_COMP_STRIDE (frame, component) * y;
}

static void
write_direct (const GstVideoFrame *frame, const guint8 *rgb)
{
  int width = GST_VIDEO_FRAME_WIDTH (frame), height = GST_VIDEO_FRAME_HEIGHT (frame);
  int step = GST_VIDEO_FRAME_COMP_PSTRIDE (frame, 0);
  for (int y = 0; y < height; y++)
    for (int c = 0; c < 3; c++) {
      guint8 *out = component_row (frame, c, y);
      for (int x = 0; x < width; x++)
        out[x * step] = rgb[((gsize) y * width + x) * 3 + c];
    }
}

static void
read_direct (const GstVideoFrame *frame, guint8 *rgb)
{
  int width = GST_VIDEO_FRAME_WIDTH (frame), height = GST_VIDEO_FRAME_HEIGHT (frame);
  int step = GST_VIDEO_FRAME_COMP_PSTRIDE (frame, 0);
  for (int y = 0; y < height; y++)
    for (int c = 0; c < 3; c++) {
      const guint8 *in = component_row (frame, c, y);
      for (int x = 0; x < width; x++)
        rgb[((gsize) y * width + x) * 3 + c] = in[x * step];
    }
}

GstBuffer *
child_buffer_from_rgb (const GstVideoInfo *info, const guint8 *rgb)
{
  GstBuffer *buffer = gst_buffer_new_allocate (NULL, GST_VIDEO_INFO_SIZE (info), NULL);
  GstVideoFrame frame;
  FwYuvImage yuv;
  if (buffer == NULL || !gst_video_frame_map (&frame, info, buffer, GST_MAP_WRITE))
    child_fault (FW_ERROR_MEMORY, "no memory for a frame");
  if (yuv_of_frame (&frame, &yuv))
    fw_yuv_from_rgb (&yuv, rgb, 3 * (gsize) yuv.width);
  else
    write_direct (&frame, rgb);
  gst_video_frame_unmap (&frame);
  return buffer;
}

GstCaps *
child_readable_caps (void)
{
  GstVideoFormat formats[G_N_ELEMENTS (planar) + G_N_ELEMENTS (direct)];
  for (gsize i = 0; i < G_N_ELEMENTS (planar); i++)
    formats[i] = planar[i].format;
  memcpy (formats + G_N_ELEMENTS (planar), direct, sizeof direct);
  return gst_video_make_raw_caps (formats, G_N_ELEMENTS (formats));
}

gboolean
child_sample_size (GstSample *sample, int *width, int *height)
{
  GstVideoInfo info;
  GstCaps *caps = gst_sample_get_caps (sample);
  if (caps == NULL || !gst_video_info_from_caps (&info, caps))
    return FALSE;
  *width = GST_VIDEO_INFO_WIDTH (&info);
  *height = GST_VIDEO_INFO_HEIGHT (&info);
  return *width > 0 && *height > 0;
}

/* GstVideoInfo replaces what it takes for a contradiction, so the caps themselves are asked. */
static gboolean
holds_rgb_as_yuv (const GstVideoInfo *info, const GstCaps *caps)
{
  GstVideoColorimetry colours;
  const char *text = gst_structure_get_string (gst_caps_get_structure (caps, 0), "colorimetry");
  return GST_VIDEO_INFO_FORMAT (info) == GST_VIDEO_FORMAT_Y444 && text != NULL &&
         gst_video_colorimetry_from_string (&colours, text) && colours.matrix == GST_VIDEO_COLOR_MATRIX_RGB;
}

static void
turn (const guint8 *in, int width, int height, int rotation, guint8 *out)
{
  int turned_width = rotation == 180 ? width : height;
  for (int y = 0; y < height; y++)
    for (int x = 0; x < width; x++) {
      int to_x = rotation == 90 ? height - 1 - y : rotation == 180 ? width - 1 - x : y;
      int to_y = rotation == 90 ? x : rotation == 180 ? height - 1 - y : width - 1 - x;
      memcpy (out + ((gsize) to_y * turned_width + to_x) * 3, in + ((gsize) y * width + x) * 3, 3);
    }
}

gboolean
child_sample_to_rgb (GstSample *sample, int rotation, guint8 *rgb)
{
  GstVideoInfo info;
  GstVideoFrame frame;
  FwYuvImage yuv;
  if (!gst_video_info_from_caps (&info, gst_sample_get_caps (sample)) ||
      !gst_video_frame_map (&frame, &info, gst_sample_get_buffer (sample), GST_MAP_READ))
    return FALSE;
  int width = GST_VIDEO_FRAME_WIDTH (&frame), height = GST_VIDEO_FRAME_HEIGHT (&frame);
  g_autofree guint8 *straight = rotation != 0 ? g_try_malloc (3 * (gsize) width * height) : NULL;
  guint8 *out = rotation != 0 ? straight : rgb;
  if (out != NULL && !holds_rgb_as_yuv (&info, gst_sample_get_caps (sample)) && yuv_of_frame (&frame, &yuv))
    fw_yuv_to_rgb (&yuv, out, 3 * (gsize) width);
  else if (out != NULL)
    read_direct (&frame, out);
  gst_video_frame_unmap (&frame);
  if (out != NULL && rotation != 0)
    turn (out, width, height, rotation, rgb);
  return out != NULL;
}
