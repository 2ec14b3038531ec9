/* SPDX-License-Identifier: Apache-2.0
 * PNG pictures from 8-bit RGB.
 *
 * Source: PNG (Portable Network Graphics) Specification, W3C Recommendation, sections 5, 9 and 11. */
#pragma once
#include "engine/memory/error.h"

/* The bytes of a PNG file: @height rows of @width R, G, B bytes, @stride bytes apart, tagged sRGB; @comment, UTF-8, goes into
 * an iTXt chunk named Comment unless it is NULL. NULL only where the memory for it is missing. Any thread. */
GBytes *fw_png_encode (const guint8 *rgb, int width, int height, gsize stride, const char *comment, GError **error);
