/* SPDX-License-Identifier: Apache-2.0
 * Rounding pictures to bytes. */
#include "engine/media/rgb.h"

static guint8
to_byte (float value)
{
  float scaled = (CLAMP (value, -1.f, 1.f) + 1) / 2 * 255 + 0.5f;
  return (guint8) MIN (scaled, 255.f);
}

void
fw_rgb_from_planes (const float *planes, gsize positions, guint8 *rgb)
{
  for (int channel = 0; channel < 3; channel++)
    for (gsize i = 0; i < positions; i++)
      rgb[3 * i + channel] = to_byte (planes[channel * positions + i]);
}
