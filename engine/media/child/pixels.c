/* SPDX-License-Identifier: Apache-2.0
 * RGB frames to and from GStreamer's buffers. */
#include "engine/media/child/child.h"

static const struct { GstVideoFormat format; FwYuvLayout layout; gboolean swapped; } planar[] = {
  { GST_VIDEO_FORMAT_I420, FW_YUV_I420, FALSE },
  { GST_VIDEO_FORMAT_NV12, FW_YUV_NV12, FALSE },
  { GST_VIDEO_FORMAT_Y444, FW_YUV_Y444, FALSE },
};

/* The picture of a mapped frame; FALSE where the format is none of ours. */
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

static void
write_bgrx (const GstVideoFrame *frame, const guint8 *rgb)
{
  int width = GST_VIDEO_FRAME_WIDTH (frame), height = GST_VIDEO_FRAME_HEIGHT (frame);
  for (int y = 0; y < height; y++) {
    guint8 *out = (guint8 *) GST_VIDEO_FRAME_PLANE_DATA (frame, 0) + (gsize) GST_VIDEO_FRAME_PLANE_STRIDE (frame, 0) * y;
    for (int x = 0; x < width; x++, out += 4, rgb += 3) {
      out[0] = rgb[2];
      out[1] = rgb[1];
      out[2] = rgb[0];
      out[3] = 255;
    }
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
    write_bgrx (&frame, rgb);
  gst_video_frame_unmap (&frame);
  return buffer;
}
