/* SPDX-License-Identifier: Apache-2.0
 * RGB <-> Y'CbCr against the same definition written down in double precision, known colours, and the round trip's loss. */
#include "engine/media/yuv.h"

#include <math.h>
#include <string.h>

#define HALF_STEP 0.50001

static const char *const layout_names[FW_N_YUV_LAYOUTS] = { "I420", "NV12", "I422", "Y444", "I420_10", "I422_10", "Y444_10" };

typedef struct { int across, down, bits; gboolean interleaved; } Shape;

static Shape
shape_of (FwYuvLayout layout)
{
  gboolean ten = layout >= FW_YUV_I420_10, full = layout == FW_YUV_Y444 || layout == FW_YUV_Y444_10;
  gboolean halved_down = layout == FW_YUV_I420 || layout == FW_YUV_NV12 || layout == FW_YUV_I420_10;
  return (Shape) { full ? 1 : 2, halved_down ? 2 : 1, ten ? 10 : 8, layout == FW_YUV_NV12 };
}

static double
red_weight (FwYuvMatrix matrix)
{
  return matrix == FW_YUV_BT601 ? 0.299 : 0.2126;
}

static double
blue_weight (FwYuvMatrix matrix)
{
  return matrix == FW_YUV_BT601 ? 0.114 : 0.0722;
}

/* A picture with padded rows, so that a mixed-up stride shows. */
static FwYuvImage
new_image (FwYuvLayout layout, FwYuvMatrix matrix, gboolean full_range, FwYuvSiting siting, int width, int height)
{
  FwYuvImage image = { .layout = layout, .matrix = matrix, .full_range = full_range, .siting = siting, .width = width,
                       .height = height };
  for (int i = 0; i < 3; i++) {
    gsize bytes;
    int rows;
    fw_yuv_plane_size (layout, i, width, height, &bytes, &rows);
    image.stride[i] = bytes + 6;
    image.plane[i] = g_malloc0 (image.stride[i] * (rows + 1));
  }
  return image;
}

static void
clear_image (FwYuvImage *image)
{
  for (int i = 0; i < 3; i++)
    g_free (image->plane[i]);
}

static int
stored (const FwYuvImage *image, int plane, int x, int y)
{
  Shape shape = shape_of (image->layout);
  int held = shape.interleaved && plane == 2 ? 1 : plane;
  const guint8 *row = image->plane[held] + image->stride[held] * y;
  if (shape.bits > 8)
    return row[2 * x] + 256 * row[2 * x + 1];
  return shape.interleaved && plane > 0 ? row[2 * x + plane - 1] : row[x];
}

static double
pixel (const guint8 *rgb, gsize stride, int width, int height, int x, int y, int c)
{
  return rgb[stride * CLAMP (y, 0, height - 1) + 3 * CLAMP (x, 0, width - 1) + c];
}

/* The signal at a point, before it is scaled to steps: 0 = Y', 1 = Pb, 2 = Pr. */
static double
signal_at (const guint8 *rgb, gsize stride, int width, int height, int x, int y, FwYuvMatrix matrix, int which)
{
  double kr = red_weight (matrix), kb = blue_weight (matrix), v[3];
  for (int c = 0; c < 3; c++)
    v[c] = pixel (rgb, stride, width, height, x, y, c) / 255;
  double luma = kr * v[0] + (1 - kr - kb) * v[1] + kb * v[2];
  return which == 0 ? luma : which == 1 ? (v[2] - luma) / (2 * (1 - kb)) : (v[0] - luma) / (2 * (1 - kr));
}

static double
expected_stored (const FwYuvImage *image, const guint8 *rgb, gsize stride, int plane, int i, int j)
{
  int w = image->width, h = image->height;
  if (plane == 0) {
    double luma = signal_at (rgb, stride, w, h, i, j, image->matrix, 0);
    return image->full_range ? 255 * luma : 16 + 219 * luma;
  }
  Shape shape = shape_of (image->layout);
  static const double taps_left[3] = { 0.25, 0.5, 0.25 }, taps_centre[3] = { 0, 0.5, 0.5 }, taps_none[3] = { 0, 1, 0 };
  const double *taps = shape.across == 1 ? taps_none : image->siting == FW_YUV_LEFT ? taps_left : taps_centre;
  double total = 0;
  for (int dy = 0; dy < shape.down; dy++)
    for (int dx = -1; dx <= 1; dx++)
      total += taps[dx + 1] / shape.down * signal_at (rgb, stride, w, h, i * shape.across + dx, j * shape.down + dy,
                                                      image->matrix, plane);
  return 128 + (image->full_range ? 255 : 224) * total;
}

static double
chroma_between (const FwYuvImage *image, int plane, double x, double y, int columns, int rows)
{
  x = CLAMP (x, 0, columns - 1);
  y = CLAMP (y, 0, rows - 1);
  int x0 = floor (x), y0 = floor (y), x1 = MIN (x0 + 1, columns - 1), y1 = MIN (y0 + 1, rows - 1);
  double fx = x - x0, fy = y - y0;
  return (1 - fy) * ((1 - fx) * stored (image, plane, x0, y0) + fx * stored (image, plane, x1, y0)) +
         fy * ((1 - fx) * stored (image, plane, x0, y1) + fx * stored (image, plane, x1, y1));
}

static double
expected_rgb (const FwYuvImage *image, int x, int y, int c)
{
  Shape shape = shape_of (image->layout);
  int columns = (image->width + shape.across - 1) / shape.across, rows = (image->height + shape.down - 1) / shape.down;
  double step = pow (2, shape.bits - 8), top = pow (2, shape.bits) - 1;
  double at_x = shape.across == 1 ? x : image->siting == FW_YUV_LEFT ? x / 2.0 : (x - 0.5) / 2;
  double at_y = shape.down == 1 ? y : (y - 0.5) / 2;
  double span = image->full_range ? top : 224 * step, kr = red_weight (image->matrix), kb = blue_weight (image->matrix);
  double pb = (chroma_between (image, 1, at_x, at_y, columns, rows) - 128 * step) / span;
  double pr = (chroma_between (image, 2, at_x, at_y, columns, rows) - 128 * step) / span;
  double luma = image->full_range ? stored (image, 0, x, y) / top : (stored (image, 0, x, y) - 16 * step) / (219 * step);
  double red = luma + 2 * (1 - kr) * pr, blue = luma + 2 * (1 - kb) * pb;
  double green = (luma - kr * red - kb * blue) / (1 - kr - kb);
  double value = 255 * (c == 0 ? red : c == 1 ? green : blue);
  return CLAMP (value, 0, 255);
}

static void
check_down (const FwYuvImage *image, const guint8 *rgb, gsize stride)
{
  Shape shape = shape_of (image->layout);
  for (int plane = 0; plane < 3; plane++) {
    int columns = plane == 0 ? image->width : (image->width + shape.across - 1) / shape.across;
    int rows = plane == 0 ? image->height : (image->height + shape.down - 1) / shape.down;
    for (int j = 0; j < rows; j++)
      for (int i = 0; i < columns; i++)
        g_assert_cmpfloat (fabs (stored (image, plane, i, j) - expected_stored (image, rgb, stride, plane, i, j)), <=, HALF_STEP);
  }
}

static void
check_up (const FwYuvImage *image, const guint8 *rgb, gsize stride)
{
  for (int y = 0; y < image->height; y++)
    for (int x = 0; x < image->width; x++)
      for (int c = 0; c < 3; c++)
        g_assert_cmpfloat (fabs (rgb[stride * y + 3 * x + c] - expected_rgb (image, x, y, c)), <=, HALF_STEP);
}

static void
fill_with_noise (const FwYuvImage *image, GRand *rand)
{
  Shape shape = shape_of (image->layout);
  for (int plane = 0; plane < 3; plane++) {
    gsize bytes;
    int rows;
    fw_yuv_plane_size (image->layout, plane, image->width, image->height, &bytes, &rows);
    for (int y = 0; y < rows; y++)
      for (gsize x = 0; x < bytes; x++)
        image->plane[plane][image->stride[plane] * y + x] = g_rand_int_range (rand, 0, shape.bits == 10 && (x & 1) ? 4 : 256);
  }
}

static void
test_against_real_arithmetic (void)
{
  static const int sizes[][2] = { { 1, 1 }, { 2, 2 }, { 7, 5 }, { 16, 9 }, { 33, 18 } };
  g_autoptr (GRand) rand = g_rand_new_with_seed (7);
  for (int s = 0; s < (int) G_N_ELEMENTS (sizes); s++)
    for (int variant = 0; variant < FW_N_YUV_LAYOUTS * 8; variant++) {
      FwYuvLayout layout = variant / 8;
      int width = sizes[s][0], height = sizes[s][1];
      FwYuvImage image = new_image (layout, variant & 1, (variant & 2) != 0, variant & 4 ? FW_YUV_CENTRE : FW_YUV_LEFT, width,
                                    height);
      gsize stride = 3 * width + 5;
      g_autofree guint8 *rgb = g_malloc (stride * height);
      if (shape_of (layout).bits == 8) {
        for (gsize i = 0; i < stride * height; i++)
          rgb[i] = g_rand_int_range (rand, 0, 256);
        fw_yuv_from_rgb (&image, rgb, stride);
        check_down (&image, rgb, stride);
      }
      fill_with_noise (&image, rand);
      fw_yuv_to_rgb (&image, rgb, stride);
      check_up (&image, rgb, stride);
      clear_image (&image);
    }
}

static void
test_known_colours (void)
{
  static const struct { FwYuvMatrix matrix; gboolean full; guint8 rgb[3], yuv[3]; } rows[] = {
    { FW_YUV_BT601, FALSE, { 255, 0, 0 }, { 81, 90, 240 } }, { FW_YUV_BT601, FALSE, { 0, 255, 0 }, { 145, 54, 34 } },
    { FW_YUV_BT601, FALSE, { 0, 0, 255 }, { 41, 240, 110 } }, { FW_YUV_BT709, FALSE, { 255, 0, 0 }, { 63, 102, 240 } },
    { FW_YUV_BT709, FALSE, { 0, 255, 0 }, { 173, 42, 26 } }, { FW_YUV_BT709, FALSE, { 0, 0, 255 }, { 32, 240, 118 } },
    { FW_YUV_BT709, FALSE, { 200, 50, 100 }, { 89, 135, 192 } }, { FW_YUV_BT709, FALSE, { 255, 255, 255 }, { 235, 128, 128 } },
    { FW_YUV_BT709, FALSE, { 0, 0, 0 }, { 16, 128, 128 } }, { FW_YUV_BT601, TRUE, { 255, 0, 0 }, { 76, 85, 255 } },
    { FW_YUV_BT709, TRUE, { 127, 127, 127 }, { 127, 128, 128 } },
  };
  for (int i = 0; i < (int) G_N_ELEMENTS (rows); i++) {
    FwYuvImage image = new_image (FW_YUV_Y444, rows[i].matrix, rows[i].full, FW_YUV_LEFT, 1, 1);
    fw_yuv_from_rgb (&image, rows[i].rgb, 3);
    for (int c = 0; c < 3; c++)
      g_assert_cmpint (image.plane[c][0], ==, rows[i].yuv[c]);
    clear_image (&image);
  }
}

static double
round_trip_psnr (FwYuvLayout layout, const guint8 *rgb, int width, int height, double *mean_error)
{
  gsize stride = 3 * (gsize) width, count = stride * height;
  FwYuvImage image = new_image (layout, FW_YUV_BT709, FALSE, FW_YUV_LEFT, width, height);
  g_autofree guint8 *back = g_malloc (count);
  fw_yuv_from_rgb (&image, rgb, stride);
  fw_yuv_to_rgb (&image, back, stride);
  clear_image (&image);
  double squares = 0, sum = 0;
  for (gsize i = 0; i < count; i++) {
    double difference = (double) back[i] - rgb[i];
    squares += difference * difference;
    sum += difference;
  }
  *mean_error = sum / count;
  return 10 * log10 (255 * 255 / (squares / count));
}

/* Smooth shading, a few hard-edged discs and grain of two levels: what chroma subsampling is made for. */
static void
paint_scene (guint8 *rgb, int width, int height, GRand *rand)
{
  for (int y = 0; y < height; y++)
    for (int x = 0; x < width; x++) {
      double u = (double) x / width, v = (double) y / height;
      double colour[3] = { 90 + 80 * sin (3 * u + v), 110 + 60 * cos (2 * v - u), 130 + 70 * sin (4 * v) };
      for (int disc = 0; disc < 3; disc++)
        if (hypot (u - 0.25 * (disc + 1), v - 0.2 * (disc + 1.5)) < 0.1)
          for (int c = 0; c < 3; c++)
            colour[c] = c == disc ? 190 : 70;
      for (int c = 0; c < 3; c++)
        rgb[3 * (y * width + x) + c] = CLAMP (colour[c] + g_rand_double_range (rand, -2, 2), 0, 255);
    }
}

static void
test_round_trip (void)
{
  const int width = 320, height = 240;
  g_autoptr (GRand) rand = g_rand_new_with_seed (11);
  g_autofree guint8 *noise = g_malloc (3 * width * height), *scene = g_malloc (3 * width * height);
  for (int i = 0; i < 3 * width * height; i++)
    noise[i] = g_rand_int_range (rand, 0, 256);
  paint_scene (scene, width, height, rand);
  static const struct { FwYuvLayout layout; gboolean scene; double least; } rows[] = {
    { FW_YUV_Y444, FALSE, 52 }, { FW_YUV_Y444, TRUE, 52 }, { FW_YUV_I420, FALSE, 12 }, { FW_YUV_I420, TRUE, 38 },
    { FW_YUV_NV12, TRUE, 38 },
  };
  for (int i = 0; i < (int) G_N_ELEMENTS (rows); i++) {
    double mean, psnr = round_trip_psnr (rows[i].layout, rows[i].scene ? scene : noise, width, height, &mean);
    g_test_message ("%s, %s: %.2f dB, mean error %+.3f", layout_names[rows[i].layout], rows[i].scene ? "scene" : "noise", psnr,
                    mean);
    g_assert_cmpfloat (psnr, >=, rows[i].least);
    if (rows[i].layout == FW_YUV_Y444 || rows[i].scene)
      g_assert_cmpfloat (fabs (mean), <, 0.05);
  }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/yuv/against-real-arithmetic", test_against_real_arithmetic);
  g_test_add_func ("/yuv/known-colours", test_known_colours);
  g_test_add_func ("/yuv/round-trip", test_round_trip);
  return g_test_run ();
}
