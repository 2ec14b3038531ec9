/* SPDX-License-Identifier: Apache-2.0
 * Exact RGB <-> Y'CbCr: integer arithmetic with 32 fraction bits, rounded once, at the very end. */
#include "engine/media/yuv.h"

#include <math.h>

#define FRACTION 32
#define CHROMA_WEIGHT 16     /* every chroma interpolation is a sum of sixteenths, so that nothing is rounded on the way */

static const struct { guint8 shift_x, shift_y, bits, interleaved; } layouts[FW_N_YUV_LAYOUTS] = {
  [FW_YUV_I420] = { 1, 1, 8, 0 }, [FW_YUV_NV12] = { 1, 1, 8, 1 }, [FW_YUV_I422] = { 1, 0, 8, 0 }, [FW_YUV_Y444] = { 0, 0, 8, 0 },
  [FW_YUV_I420_10] = { 1, 1, 10, 0 }, [FW_YUV_I422_10] = { 1, 0, 10, 0 }, [FW_YUV_Y444_10] = { 0, 0, 10, 0 },
};

static const struct { double red, blue; } luma_weights[FW_N_YUV_MATRICES] = {
  [FW_YUV_BT601] = { 0.299, 0.114 },
  [FW_YUV_BT709] = { 0.2126, 0.0722 },
};

/* Ranges in the picture's own steps, and the luma weights, as real numbers; the integer coefficients come from these. */
typedef struct {
  double red, green, blue;
  double luma_span, chroma_span, luma_zero, chroma_zero;
} Quantiser;

static Quantiser
quantiser (const FwYuvImage *yuv)
{
  int bits = layouts[yuv->layout].bits;
  double step = 1 << (bits - 8);
  Quantiser q = { .red = luma_weights[yuv->matrix].red, .blue = luma_weights[yuv->matrix].blue, .chroma_zero = 128 * step };
  q.green = 1 - q.red - q.blue;
  q.luma_zero = yuv->full_range ? 0 : 16 * step;
  q.luma_span = yuv->full_range ? (1 << bits) - 1 : 219 * step;
  q.chroma_span = yuv->full_range ? (1 << bits) - 1 : 224 * step;
  return q;
}

static gint64
fixed (double value)
{
  return llround (ldexp (value, FRACTION));
}

static guint8
clamp_to_byte (gint64 value)
{
  gint64 rounded = (value + ((gint64) 1 << (FRACTION - 1))) >> FRACTION;
  return rounded < 0 ? 0 : rounded > 255 ? 255 : rounded;
}

void
fw_yuv_plane_size (FwYuvLayout layout, int plane, int width, int height, gsize *row_bytes, int *rows)
{
  int shift_x = plane > 0 ? layouts[layout].shift_x : 0, shift_y = plane > 0 ? layouts[layout].shift_y : 0;
  gsize sample = layouts[layout].bits > 8 ? 2 : 1;
  *row_bytes = (gsize) ((width + shift_x) >> shift_x) * sample * (plane > 0 && layouts[layout].interleaved ? 2 : 1);
  *rows = plane == 2 && layouts[layout].interleaved ? 0 : (height + shift_y) >> shift_y;
}

/* Down: red, green and blue of one chroma row as sums of sixteenths of pixels. */
static void
gather_chroma_row (const FwYuvImage *yuv, const guint8 *rgb, gsize stride, int row, gint32 *sum)
{
  int shift_x = layouts[yuv->layout].shift_x, shift_y = layouts[yuv->layout].shift_y;
  int columns = (yuv->width + shift_x) >> shift_x;
  const guint8 *above = rgb + stride * MIN (row << shift_y, yuv->height - 1);
  const guint8 *below = rgb + stride * MIN ((row << shift_y) + shift_y, yuv->height - 1);
  for (int i = 0; i < columns; i++) {
    int middle = i << shift_x, last = yuv->width - 1;
    int left = shift_x && yuv->siting == FW_YUV_LEFT ? MAX (middle - 1, 0) : middle, right = MIN (middle + shift_x, last);
    int centre = yuv->siting == FW_YUV_LEFT ? middle : right;
    for (int c = 0; c < 3; c++) {
      int across_above = above[3 * left + c] + above[3 * middle + c] + above[3 * centre + c] + above[3 * right + c];
      int across_below = below[3 * left + c] + below[3 * middle + c] + below[3 * centre + c] + below[3 * right + c];
      sum[3 * i + c] = 2 * (across_above + across_below);
    }
  }
}

static void
write_luma (const FwYuvImage *yuv, const Quantiser *q, const guint8 *rgb, gsize stride)
{
  double scale = q->luma_span / 255;
  gint64 red = fixed (q->red * scale), green = fixed (q->green * scale), blue = fixed (q->blue * scale), zero = fixed (q->luma_zero);
  for (int y = 0; y < yuv->height; y++) {
    const guint8 *pixel = rgb + stride * y;
    guint8 *out = yuv->plane[0] + yuv->stride[0] * y;
    for (int x = 0; x < yuv->width; x++, pixel += 3)
      out[x] = clamp_to_byte (red * pixel[0] + green * pixel[1] + blue * pixel[2] + zero);
  }
}

void
fw_yuv_from_rgb (const FwYuvImage *yuv, const guint8 *rgb, gsize rgb_stride)
{
  g_return_if_fail (layouts[yuv->layout].bits == 8);
  Quantiser q = quantiser (yuv);
  write_luma (yuv, &q, rgb, rgb_stride);

  double scale = q.chroma_span / 255 / CHROMA_WEIGHT, for_blue = scale / (2 * (1 - q.blue)), for_red = scale / (2 * (1 - q.red));
  gint64 cb[3] = { fixed (-q.red * for_blue), fixed (-q.green * for_blue), fixed ((1 - q.blue) * for_blue) };
  gint64 cr[3] = { fixed ((1 - q.red) * for_red), fixed (-q.green * for_red), fixed (-q.blue * for_red) };
  gint64 zero = fixed (q.chroma_zero);
  gboolean interleaved = layouts[yuv->layout].interleaved;
  gsize row_bytes;
  int rows, columns = (yuv->width + layouts[yuv->layout].shift_x) >> layouts[yuv->layout].shift_x, step = interleaved ? 2 : 1;
  fw_yuv_plane_size (yuv->layout, 1, yuv->width, yuv->height, &row_bytes, &rows);
  g_autofree gint32 *sum = g_new (gint32, 3 * (gsize) columns);
  for (int y = 0; y < rows; y++) {
    gather_chroma_row (yuv, rgb, rgb_stride, y, sum);
    guint8 *out_cb = yuv->plane[1] + yuv->stride[1] * y;
    guint8 *out_cr = interleaved ? out_cb + 1 : yuv->plane[2] + yuv->stride[2] * y;
    for (int x = 0; x < columns; x++) {
      const gint32 *s = sum + 3 * x;
      out_cb[x * step] = clamp_to_byte (cb[0] * s[0] + cb[1] * s[1] + cb[2] * s[2] + zero);
      out_cr[x * step] = clamp_to_byte (cr[0] * s[0] + cr[1] * s[1] + cr[2] * s[2] + zero);
    }
  }
}

static int
sample (const guint8 *row, int index, int bits)
{
  return bits > 8 ? row[2 * index] | row[2 * index + 1] << 8 : row[index];
}

/* Up: one chroma value per luma column of row @y, times sixteen. */
static void
spread_chroma_row (const FwYuvImage *yuv, int plane, int y, gint32 *out)
{
  int shift_x = layouts[yuv->layout].shift_x, shift_y = layouts[yuv->layout].shift_y, bits = layouts[yuv->layout].bits;
  int step = 1, offset = 0, last_row = ((yuv->height + shift_y) >> shift_y) - 1, last = ((yuv->width + shift_x) >> shift_x) - 1;
  if (layouts[yuv->layout].interleaved) {
    step = 2;
    offset = plane - 1;
    plane = 1;
  }
  int near_row = y >> shift_y, far_row = shift_y ? CLAMP (near_row + (y & 1 ? 1 : -1), 0, last_row) : near_row;
  const guint8 *near = yuv->plane[plane] + yuv->stride[plane] * near_row;
  const guint8 *far = yuv->plane[plane] + yuv->stride[plane] * far_row;
  for (int x = 0; x < yuv->width; x++) {
    int i = x >> shift_x, neighbour = i, weight = 0;
    if (shift_x && yuv->siting == FW_YUV_CENTRE) {
      neighbour = CLAMP (i + (x & 1 ? 1 : -1), 0, last);
      weight = 1;
    } else if (shift_x && (x & 1)) {
      neighbour = MIN (i + 1, last);
      weight = 2;
    }
    i = i * step + offset;
    neighbour = neighbour * step + offset;
    int across_near = (4 - weight) * sample (near, i, bits) + weight * sample (near, neighbour, bits);
    int across_far = (4 - weight) * sample (far, i, bits) + weight * sample (far, neighbour, bits);
    out[x] = 3 * across_near + across_far;
  }
}

void
fw_yuv_to_rgb (const FwYuvImage *yuv, guint8 *rgb, gsize rgb_stride)
{
  Quantiser q = quantiser (yuv);
  int bits = layouts[yuv->layout].bits;
  double chroma = 255 / q.chroma_span / CHROMA_WEIGHT;
  gint64 luma = fixed (255 / q.luma_span), red_cr = fixed (2 * (1 - q.red) * chroma), blue_cb = fixed (2 * (1 - q.blue) * chroma);
  gint64 green_cb = fixed (-2 * (1 - q.blue) * q.blue / q.green * chroma);
  gint64 green_cr = fixed (-2 * (1 - q.red) * q.red / q.green * chroma);
  int luma_zero = q.luma_zero, chroma_zero = CHROMA_WEIGHT * q.chroma_zero;
  g_autofree gint32 *cb_row = g_new (gint32, yuv->width), *cr_row = g_new (gint32, yuv->width);
  for (int y = 0; y < yuv->height; y++) {
    const guint8 *luma_row = yuv->plane[0] + yuv->stride[0] * y;
    guint8 *out = rgb + rgb_stride * y;
    spread_chroma_row (yuv, 1, y, cb_row);
    spread_chroma_row (yuv, 2, y, cr_row);
    for (int x = 0; x < yuv->width; x++, out += 3) {
      gint64 light = luma * (sample (luma_row, x, bits) - luma_zero), cb = cb_row[x] - chroma_zero, cr = cr_row[x] - chroma_zero;
      out[0] = clamp_to_byte (light + red_cr * cr);
      out[1] = clamp_to_byte (light + green_cb * cb + green_cr * cr);
      out[2] = clamp_to_byte (light + blue_cb * cb);
    }
  }
}
