/* SPDX-License-Identifier: Apache-2.0
 * The cache of latents: what was encoded comes back, once it is there nothing is encoded again, it is made anew for other
 * latents, reading it costs no memory, and a file that shrinks ends in one sentence. */
#include <glib.h>
#include <glib/gstdio.h>
#include <unistd.h>

#include "engine/train/latent-cache.h"

enum { SIZE = 16384, BATCH = 8, SAMPLES = 1024 }; /* 32 MiB */

typedef struct { gint64 encoded, fail_at; } Encoder;

/* Whole numbers below 2048 are exact in f16. */
static float
number (guint64 sample, gint64 i)
{
  return (float) ((sample * 7 + (guint64) i) % 2047);
}

static gboolean
encode (gpointer user_data, gint64 first, gint64 count, float *latents, GError **error)
{
  Encoder *encoder = user_data;
  if (encoder->fail_at > 0 && first >= encoder->fail_at) {
    g_set_error (error, FW_ERROR, FW_ERROR_IO, "no more");
    return FALSE;
  }
  encoder->encoded += count;
  for (gint64 i = 0; i < count * SIZE; i++)
    latents[i] = number ((guint64) (first + i / SIZE), i % SIZE);
  return TRUE;
}

static FwLatentCache *
open_cache (const char *path, const char *digest, gint64 samples, Encoder *encoder, GError **error)
{
  return fw_latent_cache_open (path, digest, samples, SIZE, BATCH, encode, encoder, error);
}

static char *
new_path (void)
{
  g_autofree char *name = g_strdup_printf ("latents-%u", g_random_int ());
  return g_build_filename (g_get_tmp_dir (), name, NULL);
}

static void
expect_sample (FwLatentCache *cache, guint64 index, guint64 sample)
{
  g_autofree float *latent = g_new (float, SIZE);
  g_autoptr (GError) error = NULL;
  g_assert_true (fw_latent_cache_get (cache, index, latent, &error));
  g_assert_no_error (error);
  for (gint64 i = 0; i < SIZE; i += 11)
    g_assert_cmpfloat (latent[i], ==, number (sample, i));
}

static void
test_samples (void)
{
  Encoder encoder = { 0 };
  g_autofree char *path = new_path ();
  for (int opened = 0; opened < 2; opened++) {
    g_autoptr (GError) error = NULL;
    g_autoptr (FwLatentCache) cache = open_cache (path, "one", 32, &encoder, &error);
    g_assert_no_error (error);
    g_assert_cmpint (encoder.encoded, ==, 32);
    expect_sample (cache, 0, 0);
    expect_sample (cache, 31, 31);
    expect_sample (cache, 32 * 5 + 9, 9);
  }
  g_assert_cmpint (g_unlink (path), ==, 0);
}

static void
test_other_latents (void)
{
  const struct { const char *digest; gint64 samples; } others[] = { { "two", 32 }, { "two", 40 }, { "one", 32 } };
  Encoder encoder = { 0 };
  g_autofree char *path = new_path ();
  g_autoptr (FwLatentCache) first = open_cache (path, "one", 32, &encoder, NULL);
  g_assert_nonnull (first);
  for (gsize i = 0; i < G_N_ELEMENTS (others); i++) {
    gint64 before = encoder.encoded;
    g_autoptr (FwLatentCache) cache = open_cache (path, others[i].digest, others[i].samples, &encoder, NULL);
    g_assert_nonnull (cache);
    g_assert_cmpint (encoder.encoded - before, ==, others[i].samples);
    expect_sample (cache, 17, 17);
  }
  expect_sample (first, 17, 17);
  g_assert_cmpint (g_unlink (path), ==, 0);
}

static void
test_failure (void)
{
  Encoder encoder = { .fail_at = 16 };
  g_autofree char *path = new_path ();
  g_autoptr (GError) error = NULL;
  g_assert_null (open_cache (path, "one", 32, &encoder, &error));
  g_assert_error (error, FW_ERROR, FW_ERROR_IO);
  g_assert_cmpstr (error->message, ==, "no more");
  g_assert_false (g_file_test (path, G_FILE_TEST_EXISTS));
}

/* Pages of this process that files share with it. */
static gint64
mapped_bytes (void)
{
  g_autofree char *text = NULL;
  gint64 pages[3] = { 0 };
  g_assert_true (g_file_get_contents ("/proc/self/statm", &text, NULL, NULL));
  g_auto (GStrv) words = g_strsplit (text, " ", -1);
  for (int i = 0; i < 3; i++)
    pages[i] = g_ascii_strtoll (words[i], NULL, 10);
  return pages[2] * sysconf (_SC_PAGESIZE);
}

static void
test_memory (void)
{
  Encoder encoder = { 0 };
  g_autofree char *path = new_path ();
  g_autoptr (FwLatentCache) cache = open_cache (path, "one", SAMPLES, &encoder, NULL);
  g_assert_nonnull (cache);
  expect_sample (cache, 0, 0);
  gint64 before = mapped_bytes ();
  for (guint64 i = 0; i < SAMPLES; i++)
    expect_sample (cache, i, i);
  g_assert_cmpint (mapped_bytes () - before, <, 4 << 20);
  g_assert_cmpint (g_unlink (path), ==, 0);
}

static void
test_shrunk (void)
{
  Encoder encoder = { 0 };
  g_autofree char *path = new_path ();
  g_autofree float *latent = g_new (float, SIZE);
  g_autoptr (GError) error = NULL;
  g_autoptr (FwLatentCache) cache = open_cache (path, "one", 32, &encoder, NULL);
  g_assert_nonnull (cache);
  g_assert_cmpint (truncate (path, 100000), ==, 0);
  expect_sample (cache, 1, 1);
  g_assert_false (fw_latent_cache_get (cache, 31, latent, &error));
  g_assert_error (error, FW_ERROR, FW_ERROR_IO);
  g_assert_nonnull (strstr (error->message, path));
  g_assert_cmpint (g_unlink (path), ==, 0);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/latent-cache/samples", test_samples);
  g_test_add_func ("/latent-cache/other-latents", test_other_latents);
  g_test_add_func ("/latent-cache/failure", test_failure);
  g_test_add_func ("/latent-cache/memory", test_memory);
  g_test_add_func ("/latent-cache/shrunk", test_shrunk);
  return g_test_run ();
}
