/* SPDX-License-Identifier: Apache-2.0
 * A small PNG writer: chunks, the row filter that leaves the least, and zlib through GIO. */
#include "engine/media/png.h"

#include <stdlib.h>
#include <string.h>

#define LEVEL 6
#define PIXEL 3

static guint32
checksum (guint32 crc, const guint8 *bytes, gsize size)
{
  for (gsize i = 0; i < size; i++) {
    crc ^= bytes[i];
    for (int bit = 0; bit < 8; bit++)
      crc = crc >> 1 ^ (crc & 1 ? 0xedb88320u : 0);
  }
  return crc;
}

static void
append_number (GByteArray *out, guint32 value)
{
  guint32 big = GUINT32_TO_BE (value);
  g_byte_array_append (out, (guint8 *) &big, sizeof big);
}

static void
append_chunk (GByteArray *out, const char *type, gconstpointer data, gsize size)
{
  guint32 crc = checksum (0xffffffffu, (const guint8 *) type, 4);
  append_number (out, size);
  g_byte_array_append (out, (const guint8 *) type, 4);
  if (size > 0)
    g_byte_array_append (out, data, size);
  append_number (out, ~checksum (crc, data, size));
}

static int
paeth (int left, int up, int corner)
{
  int estimate = left + up - corner, by_left = abs (estimate - left), by_up = abs (estimate - up), by_corner = abs (estimate - corner);
  return by_left <= by_up && by_left <= by_corner ? left : by_up <= by_corner ? up : corner;
}

static guint8
predict (int filter, int left, int up, int corner)
{
  const int prediction[5] = { 0, left, up, (left + up) / 2, paeth (left, up, corner) };
  return prediction[filter];
}

/* Writes the filter's number and the filtered row; returns the sum of absolute differences, the usual measure of which filter
 * is best. */
static guint64
filter_row (int filter, const guint8 *row, const guint8 *above, gsize bytes, guint8 *out)
{
  guint64 sum = 0;
  *out++ = filter;
  for (gsize i = 0; i < bytes; i++) {
    int left = i < PIXEL ? 0 : row[i - PIXEL], corner = i < PIXEL || above == NULL ? 0 : above[i - PIXEL];
    out[i] = row[i] - predict (filter, left, above == NULL ? 0 : above[i], corner);
    sum += abs ((gint8) out[i]);
  }
  return sum;
}

static guint8 *
filter_picture (const guint8 *rgb, int width, int height, gsize stride)
{
  gsize bytes = PIXEL * (gsize) width;
  guint8 *filtered = g_try_malloc ((bytes + 1) * height);
  g_autofree guint8 *attempt = g_try_malloc (bytes + 1);
  if (filtered == NULL || attempt == NULL) {
    g_free (filtered);
    return NULL;
  }
  for (int y = 0; y < height; y++) {
    const guint8 *row = rgb + stride * y;
    guint8 *best = filtered + (bytes + 1) * y;
    guint64 least = filter_row (0, row, y > 0 ? row - stride : NULL, bytes, best);
    for (int filter = 1; filter < 5; filter++) {
      guint64 sum = filter_row (filter, row, y > 0 ? row - stride : NULL, bytes, attempt);
      if (sum < least) {
        least = sum;
        memcpy (best, attempt, bytes + 1);
      }
    }
  }
  return filtered;
}

static void
append_header (GByteArray *out, int width, int height)
{
  static const guint8 signature[8] = { 137, 80, 78, 71, 13, 10, 26, 10 };
  static const guint8 perceptual = 0;
  guint8 header[13] = { 0 };
  guint32 size[2] = { GUINT32_TO_BE (width), GUINT32_TO_BE (height) };
  memcpy (header, size, sizeof size);
  header[8] = 8;       /* bits */
  header[9] = 2;       /* RGB */
  g_byte_array_append (out, signature, sizeof signature);
  append_chunk (out, "IHDR", header, sizeof header);
  append_chunk (out, "sRGB", &perceptual, 1);
}

static void
append_comment (GByteArray *out, const char *comment)
{
  static const char prefix[] = "Comment\0\0\0\0";     /* keyword, not compressed, no language, no translated keyword */
  g_autoptr (GByteArray) text = g_byte_array_new ();
  g_byte_array_append (text, (const guint8 *) prefix, sizeof prefix);
  g_byte_array_append (text, (const guint8 *) comment, strlen (comment));
  append_chunk (out, "iTXt", text->data, text->len);
}

GBytes *
fw_png_encode (const guint8 *rgb, int width, int height, gsize stride, const char *comment, GError **error)
{
  g_autofree guint8 *filtered = filter_picture (rgb, width, height, stride);
  gsize size = (PIXEL * (gsize) width + 1) * height, bound = size + size / 1000 + 1024, read, written;
  g_autofree guint8 *packed = filtered != NULL ? g_try_malloc (bound) : NULL;
  g_autoptr (GZlibCompressor) zlib = g_zlib_compressor_new (G_ZLIB_COMPRESSOR_FORMAT_ZLIB, LEVEL);
  GConverterResult result = G_CONVERTER_ERROR;
  if (packed != NULL)
    result = g_converter_convert (G_CONVERTER (zlib), filtered, size, packed, bound, G_CONVERTER_INPUT_AT_END, &read, &written, NULL);
  if (result != G_CONVERTER_FINISHED) {
    g_set_error (error, FW_ERROR, FW_ERROR_MEMORY, "No memory for a PNG picture of %dx%d", width, height);
    return NULL;
  }
  GByteArray *out = g_byte_array_sized_new (written + 256);
  append_header (out, width, height);
  if (comment != NULL)
    append_comment (out, comment);
  append_chunk (out, "IDAT", packed, written);
  append_chunk (out, "IEND", NULL, 0);
  return g_byte_array_free_to_bytes (out);
}
