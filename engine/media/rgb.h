/* SPDX-License-Identifier: Apache-2.0
 * Pictures as networks compute them, [-1, 1] in planes, to 8-bit pixels. */
#pragma once
#include <glib.h>

/* Planes [3, positions] to packed pixels rgb[positions, 3], clamped and rounded as the original programs save clips
 * (opensora-1.0 12, "Saving"): half a step is added and the fraction dropped. Values must be numbers. Any thread. */
void fw_rgb_from_planes (const float *planes, gsize positions, guint8 *rgb);
