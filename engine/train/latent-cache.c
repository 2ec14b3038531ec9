/* SPDX-License-Identifier: Apache-2.0
 * The latent cache: a digest line padded to a fixed header, then half floats. Samples are read, not mapped: mapped pages would
 * count as memory of the process, though the kernel can take them back at any time. */
#include "engine/train/latent-cache.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "engine/memory/file.h"
#include "kernels/tensor.h"

enum { HEADER = 128 };

struct _FwLatentCache {
  int fd;
  char *path;
  guint16 *halves; /* one sample */
  gint64 samples, size;
};

static void
fill_header (char *header, const char *digest)
{
  memset (header, 0, HEADER);
  g_snprintf (header, HEADER, "framewright latents %s\n", digest);
}

/* Fills @bytes from @offset of the file on. */
static gboolean
read_at (int fd, gpointer bytes, gsize count, gint64 offset)
{
  char *to = bytes;
  while (count > 0) {
    gssize got = pread (fd, to, count, offset);
    if (got < 0 && errno == EINTR)
      continue;
    if (got <= 0)
      return FALSE;
    to += got;
    offset += got;
    count -= (gsize) got;
  }
  return TRUE;
}

/* The cache at @path, or NULL if it is not there or another one. */
static FwLatentCache *
find (const char *path, const char *digest, gint64 samples, gint64 size)
{
  char wanted[HEADER], header[HEADER];
  struct stat status;
  int fd = fw_file_open (path, NULL);
  if (fd < 0)
    return NULL;
  fill_header (wanted, digest);
  if (fstat (fd, &status) != 0 || (guint64) status.st_size != HEADER + (guint64) samples * size * sizeof (guint16)
      || !read_at (fd, header, HEADER, 0) || memcmp (header, wanted, HEADER) != 0) {
    close (fd);
    return NULL;
  }
  FwLatentCache *cache = g_new (FwLatentCache, 1);
  *cache = (FwLatentCache) { fd, g_strdup (path), g_new (guint16, size), samples, size };
  return cache;
}

static gboolean
make (FwFileWriter *writer, const char *digest, gint64 samples, gint64 size, gint64 batch, FwLatentEncode encode,
      gpointer user_data, GError **error)
{
  char header[HEADER];
  g_autofree float *latents = g_new (float, batch * size);
  g_autofree guint16 *halves = g_new (guint16, batch * size);
  fill_header (header, digest);
  if (!fw_file_writer_append (writer, header, HEADER, error))
    return FALSE;
  for (gint64 first = 0; first < samples; first += batch) {
    if (!encode (user_data, first, batch, latents, error))
      return FALSE;
    for (gint64 i = 0; i < batch * size; i++)
      halves[i] = fw_f32_to_f16 (latents[i]);
    if (!fw_file_writer_append (writer, halves, (gsize) (batch * size) * sizeof *halves, error))
      return FALSE;
  }
  return TRUE;
}

FwLatentCache *
fw_latent_cache_open (const char *path, const char *digest, gint64 samples, gint64 size, gint64 batch, FwLatentEncode encode,
                      gpointer user_data, GError **error)
{
  FwLatentCache *cache = find (path, digest, samples, size);
  if (cache != NULL)
    return cache;
  FwFileWriter *writer = fw_file_writer_open (path, error);
  if (writer == NULL)
    return NULL;
  if (!make (writer, digest, samples, size, batch, encode, user_data, error)) {
    fw_file_writer_abort (writer);
    return NULL;
  }
  if (!fw_file_writer_commit (writer, error))
    return NULL;
  cache = find (path, digest, samples, size);
  if (cache == NULL)
    g_set_error (error, FW_ERROR, FW_ERROR_IO, "The latents just written to “%s” cannot be read back", path);
  return cache;
}

void
fw_latent_cache_free (FwLatentCache *cache)
{
  if (cache == NULL)
    return;
  close (cache->fd);
  g_free (cache->path);
  g_free (cache->halves);
  g_free (cache);
}

gboolean
fw_latent_cache_get (FwLatentCache *cache, guint64 index, float *latent, GError **error)
{
  gsize bytes = (gsize) cache->size * sizeof (guint16);
  gint64 place = HEADER + (gint64) (index % (guint64) cache->samples) * (gint64) bytes;
  if (!read_at (cache->fd, cache->halves, bytes, place)) {
    g_set_error (error, FW_ERROR, FW_ERROR_IO, "The latents in “%s” cannot be read any more; go on with --resume", cache->path);
    return FALSE;
  }
  for (gint64 i = 0; i < cache->size; i++)
    latent[i] = fw_f16_to_f32 (cache->halves[i]);
  return TRUE;
}
