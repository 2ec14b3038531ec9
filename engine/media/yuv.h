/* SPDX-License-Identifier: Apache-2.0
 * Exact conversion between 8-bit RGB and Y'CbCr pictures, since GStreamer's own truncates where it should round.
 *
 * Source: ITU-R BT.601-7 section 2.5 and BT.709-6 section 3 (luma weights, quantisation), ITU-T H.264 annex E (chroma sample
 * location type 0). */
#pragma once
#include <glib.h>

typedef enum {
  FW_YUV_I420,        /* 8 bits, chroma halved both ways, three planes */
  FW_YUV_NV12,        /* 8 bits, chroma halved both ways, Cb and Cr interleaved in plane 1 */
  FW_YUV_I422,        /* 8 bits, chroma halved across only */
  FW_YUV_Y444,        /* 8 bits, full chroma */
  FW_YUV_I420_10,     /* as I420 with 10 bits in 16-bit little-endian samples */
  FW_YUV_I422_10,
  FW_YUV_Y444_10,
  FW_N_YUV_LAYOUTS
} FwYuvLayout;

typedef enum { FW_YUV_BT601, FW_YUV_BT709, FW_N_YUV_MATRICES } FwYuvMatrix;

/* Where a chroma sample lies between the luma columns it stands for; between rows it always lies in the middle. */
typedef enum {
  FW_YUV_LEFT,        /* on the left column: the default of H.264, H.265, VP9 and MPEG-2 */
  FW_YUV_CENTRE       /* half way: JPEG and MPEG-1 */
} FwYuvSiting;

/* A picture somewhere in memory. Strides are bytes from one row to the next. Odd sizes have (n + 1) / 2 chroma samples. */
typedef struct {
  FwYuvLayout layout;
  FwYuvMatrix matrix;
  FwYuvSiting siting;
  gboolean full_range;                 /* 0..255 rather than 16..235 and 16..240 (8 bits) */
  int width, height;
  guint8 *plane[3];                    /* Y, Cb, Cr; NV12 leaves the third unused */
  gsize stride[3];
} FwYuvImage;

/* Both take @rgb as rows of width R, G, B bytes, @rgb_stride bytes apart, and give the value nearest to real arithmetic:
 * never further than half a step plus 0.00001 from it. Chroma is averaged over its footprint going down (1 2 1 across for left
 * siting, 1 1 otherwise) and interpolated linearly going up; borders repeat. Any thread, no failure.
 * Going down writes 8-bit layouts only. Down and up again leaves shading with edges and grain at 38.16 dB in I420 and NV12, and at
 * 52.07 dB in Y444, where rounding alone counts (tests/unit/test-yuv.c measures both). */
void fw_yuv_from_rgb (const FwYuvImage *yuv, const guint8 *rgb, gsize rgb_stride);
void fw_yuv_to_rgb (const FwYuvImage *yuv, guint8 *rgb, gsize rgb_stride);

/* Rows and bytes a row of plane 0..2 of a packed picture; 0 rows where the layout has no such plane. */
void fw_yuv_plane_size (FwYuvLayout layout, int plane, int width, int height, gsize *row_bytes, int *rows);
