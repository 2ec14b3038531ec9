/* SPDX-License-Identifier: Apache-2.0
 * The latent cache: a digest line padded to a fixed header, then half floats, mapped. */
#include "engine/train/latent-cache.h"

#include <string.h>

#include "engine/memory/file.h"
#include "kernels/tensor.h"

enum { HEADER = 128 };

struct _FwLatentCache {
  GMappedFile *file;
  const guint16 *halves;
  gint64 samples, size;
};

static void
fill_header (char *header, const char *digest)
{
  memset (header, 0, HEADER);
  g_snprintf (header, HEADER, "framewright latents %s\n", digest);
}

static FwLatentCache *
map (const char *path, const char *digest, gint64 samples, gint64 size)
{
  char header[HEADER];
  g_autoptr (GMappedFile) file = g_file_test (path, G_FILE_TEST_EXISTS) ? fw_file_map (path, NULL) : NULL;
  fill_header (header, digest);
  if (file == NULL || g_mapped_file_get_length (file) != HEADER + (gsize) samples * size * sizeof (guint16)
      || memcmp (g_mapped_file_get_contents (file), header, HEADER) != 0)
    return NULL;
  FwLatentCache *cache = g_new0 (FwLatentCache, 1);
  cache->halves = (const guint16 *) (gpointer) (g_mapped_file_get_contents (file) + HEADER);
  cache->file = g_steal_pointer (&file);
  cache->samples = samples;
  cache->size = size;
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
  FwLatentCache *cache = map (path, digest, samples, size);
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
  cache = map (path, digest, samples, size);
  if (cache == NULL)
    g_set_error (error, FW_ERROR, FW_ERROR_IO, "The latents just written to “%s” cannot be read back", path);
  return cache;
}

void
fw_latent_cache_free (FwLatentCache *cache)
{
  if (cache == NULL)
    return;
  g_mapped_file_unref (cache->file);
  g_free (cache);
}

void
fw_latent_cache_get (const FwLatentCache *cache, guint64 index, float *latent)
{
  const guint16 *halves = cache->halves + (gint64) (index % (guint64) cache->samples) * cache->size;
  for (gint64 i = 0; i < cache->size; i++)
    latent[i] = fw_f16_to_f32 (halves[i]);
}
