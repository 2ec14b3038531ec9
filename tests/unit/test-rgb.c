/* SPDX-License-Identifier: Apache-2.0
 * Pictures in planes to 8-bit pixels: the ends, the rounding at half steps, and which plane becomes which byte. */
#include "engine/media/rgb.h"

#include <math.h>

static const struct { float value; guint8 byte; } known[] = {
  { -1, 0 }, { 1, 255 }, { 0, 128 }, { -7, 0 }, { 7, 255 }, { -INFINITY, 0 }, { INFINITY, 255 },
  { -0.5f, 64 }, { 0.5f, 191 },                  /* 63.75 and 191.25 before the half is added */
  { 2 * 0.49f / 255 - 1, 0 }, { 2 * 0.51f / 255 - 1, 1 }, { 2 * 254.49f / 255 - 1, 254 }, { 2 * 254.51f / 255 - 1, 255 },
};

static void
test_values (void)
{
  for (gsize i = 0; i < G_N_ELEMENTS (known); i++) {
    const float planes[] = { known[i].value, known[i].value, known[i].value };
    guint8 rgb[3];
    fw_rgb_from_planes (planes, 1, rgb);
    for (int channel = 0; channel < 3; channel++)
      g_assert_cmpuint (rgb[channel], ==, known[i].byte);
  }
}

/* Every byte is reached from the value that stands for it. */
static void
test_bytes (void)
{
  for (int byte = 0; byte < 256; byte++) {
    const float planes[] = { (float) (2 * byte / 255.0 - 1), -1, 1 };
    guint8 rgb[3];
    fw_rgb_from_planes (planes, 1, rgb);
    g_assert_cmpuint (rgb[0], ==, byte);
  }
}

static void
test_order (void)
{
  const float planes[] = { -1, 1,  0, -1,  1, 0 };
  static const guint8 expected[] = { 0, 128, 255,  255, 0, 128 };
  guint8 rgb[6];
  fw_rgb_from_planes (planes, 2, rgb);
  g_assert_cmpmem (rgb, sizeof rgb, expected, sizeof expected);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/rgb/values", test_values);
  g_test_add_func ("/rgb/bytes", test_bytes);
  g_test_add_func ("/rgb/order", test_order);
  return g_test_run ();
}
