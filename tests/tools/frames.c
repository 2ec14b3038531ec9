/* SPDX-License-Identifier: Apache-2.0
 * frames CLIP: prints "WIDTHxHEIGHT FRAMES RATE SHA256" of a clip's decoded frames, so that scripts can compare clips by what
 * they show. */
#include <stdio.h>

#include "engine/media/decoder.h"

static gboolean
digest_clip (const char *path, GError **error)
{
  g_autoptr (FwDecoder) decoder = fw_decoder_open (path, NULL, NULL, error);
  if (decoder == NULL)
    return FALSE;
  const FwMediaInfo *info = fw_decoder_info (decoder);
  gsize row = (gsize) info->width * 3, frame = row * (gsize) info->height;
  g_autofree guint8 *pixels = g_malloc (frame);
  g_autoptr (GChecksum) checksum = g_checksum_new (G_CHECKSUM_SHA256);
  guint frames = 0;
  int got;
  while ((got = fw_decoder_next (decoder, pixels, row, NULL, NULL, error)) > 0) {
    g_checksum_update (checksum, pixels, (gssize) frame);
    frames++;
  }
  if (got < 0)
    return FALSE;
  printf ("%dx%d %u %d/%d %s\n", info->width, info->height, frames, info->fps_n, info->fps_d, g_checksum_get_string (checksum));
  return TRUE;
}

int
main (int argc, char **argv)
{
  g_autoptr (GError) error = NULL;
  if (argc != 2) {
    fputs ("usage: frames CLIP\n", stderr);
    return 2;
  }
  if (digest_clip (argv[1], &error))
    return 0;
  fprintf (stderr, "frames: %s\n", error->message);
  return 1;
}
