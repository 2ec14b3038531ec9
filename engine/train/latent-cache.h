/* SPDX-License-Identifier: Apache-2.0
 * Latents of training samples, encoded once and kept in a file: frozen encoders cost more than a small network's step. */
#pragma once
#include "engine/memory/error.h"

typedef struct _FwLatentCache FwLatentCache;

/* Computes samples @first .. @first + @count - 1 into @latents. */
typedef gboolean (*FwLatentEncode) (gpointer user_data, gint64 first, gint64 count, float *latents, GError **error);

/* Opens the cache of @samples samples of @size floats at @path, or makes it by @encode, @batch samples at a time (the last
 * batch too: @samples is a multiple). @digest says what the latents depend on; a file of another digest or length is made
 * anew. Kept as f16. Free with fw_latent_cache_free(). */
FwLatentCache *fw_latent_cache_open (const char *path, const char *digest, gint64 samples, gint64 size, gint64 batch,
                                     FwLatentEncode encode,
                                     gpointer user_data, GError **error);
void fw_latent_cache_free (FwLatentCache *cache);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (FwLatentCache, fw_latent_cache_free)
/* Sample @index modulo the number of samples, as @size floats. One thread at a time. */
gboolean fw_latent_cache_get (FwLatentCache *cache, guint64 index, float *latent, GError **error);
