/* SPDX-License-Identifier: Apache-2.0
 * The noise generator: PyTorch's numbers, one stream through mixed draws, and streams parked as bytes. */
#include <string.h>

#include "engine/sample/noise.h"
#include "tests/unit/recorded.h"

static void
expect_randn (FwNoise *noise, const char *name)
{
  gsize count;
  g_autofree float *want = recorded_floats (name, &count);
  g_autofree float *got = g_new (float, count);
  fw_noise_randn (noise, got, count);
  assert_close (got, want, count, 2e-6);
}

static void
expect_rand (FwNoise *noise, const char *name)
{
  gsize count;
  g_autofree float *want = recorded_floats (name, &count);
  g_autofree float *got = g_new (float, count);
  fw_noise_rand (noise, got, count);
  g_assert_cmpmem (got, count * sizeof (float), want, count * sizeof (float));
}

static void
test_recorded (void)
{
  static const char *const pairs[][2] = {
    { "noise42.randn15", "noise42.randn15.again" }, { "noise42.randn17", "noise42.randn17.again" },
    { "noise42.mixed.randn5", "noise42.mixed.randn20" },
  };
  FwNoise noise;
  for (gsize i = 0; i < G_N_ELEMENTS (pairs); i++) {
    fw_noise_seed (&noise, 42);
    expect_randn (&noise, pairs[i][0]);
    expect_randn (&noise, pairs[i][1]);
  }
  expect_rand (&noise, "noise42.mixed.rand3");
  fw_noise_seed (&noise, 42);
  expect_rand (&noise, "noise42.rand33");
}

static void
test_integers (void)
{
  gsize count;
  g_autofree gint64 *want = recorded ("noise42.randint33", FW_DTYPE_I64, &count), *got = g_new (gint64, count);
  FwNoise noise;
  fw_noise_seed (&noise, 42);
  fw_noise_randint (&noise, 0, 1000, got, count);
  g_assert_cmpmem (got, count * sizeof *got, want, count * sizeof *want);
  fw_noise_seed (&noise, 42);
  fw_noise_randint (&noise, -7, 993, got, count);
  for (gsize i = 0; i < count; i++)
    g_assert_cmpint (got[i], ==, want[i] - 7);
}

/* torch.randint after torch.manual_seed (42): three from [0, 2^28), then three from [-7, 2^33). */
static void
test_wide_integers (void)
{
  static const gint64 wide[] = { 199900595, 250975502, 127521863 }, wider[] = { 2154121346, 8159439380, 6674353783 };
  gint64 got[3];
  FwNoise noise;
  fw_noise_seed (&noise, 42);
  fw_noise_randint (&noise, 0, 1 << 28, got, 3);
  g_assert_cmpmem (got, sizeof got, wide, sizeof wide);
  fw_noise_randint (&noise, -7, G_GINT64_CONSTANT (1) << 33, got, 3);
  g_assert_cmpmem (got, sizeof got, wider, sizeof wider);
}

/* Only the low half of a seed counts, as in torch. */
static void
test_seed (void)
{
  FwNoise one, other;
  fw_noise_seed (&one, 42);
  fw_noise_seed (&other, (G_GUINT64_CONSTANT (1) << 32) + 42);
  g_assert_cmpmem (one.words, sizeof one.words, other.words, sizeof other.words);
  fw_noise_seed (&other, 43);
  g_assert_cmpint (memcmp (one.words, other.words, sizeof one.words), !=, 0);
}

/* Parked in the middle of a block of words and between the two numbers of a pair. */
static void
test_park (void)
{
  guint8 bytes[FW_NOISE_SAVED_SIZE];
  float drawn[1001], after[2][40];
  FwNoise noise, resumed;
  fw_noise_seed (&noise, 7);
  fw_noise_randn (&noise, drawn, 1001);
  fw_noise_randn (&noise, drawn, 3);
  g_assert_true (noise.has_spare);
  fw_noise_save (&noise, bytes);
  fw_noise_seed (&resumed, 1);
  g_autoptr (GError) error = NULL;
  g_assert_true (fw_noise_restore (&resumed, bytes, sizeof bytes, &error));
  g_assert_no_error (error);
  FwNoise *streams[] = { &noise, &resumed };
  for (int i = 0; i < 2; i++) {
    fw_noise_randn (streams[i], after[i], 5);
    fw_noise_randn (streams[i], after[i] + 5, 35);
  }
  g_assert_cmpmem (after[0], sizeof after[0], after[1], sizeof after[1]);
}

static void
expect_refused (const guint8 *bytes, gsize size)
{
  FwNoise noise, before;
  g_autoptr (GError) error = NULL;
  fw_noise_seed (&noise, 3);
  before = noise;
  g_assert_false (fw_noise_restore (&noise, bytes, size, &error));
  g_assert_error (error, FW_ERROR, FW_ERROR_FORMAT);
  g_assert_cmpmem (&noise, sizeof noise, &before, sizeof before);
}

static void
test_damaged (void)
{
  guint8 good[FW_NOISE_SAVED_SIZE], bad[FW_NOISE_SAVED_SIZE];
  FwNoise noise;
  fw_noise_seed (&noise, 3);
  fw_noise_save (&noise, good);
  expect_refused (good, sizeof good - 1);
  expect_refused (good, 0);
  memcpy (bad, good, sizeof bad);
  bad[4 * FW_NOISE_WORDS + 3] = 0x80;   /* the position of the next word */
  expect_refused (bad, sizeof bad);
  memcpy (bad, good, sizeof bad);
  bad[4 * FW_NOISE_WORDS + 4] = 2;      /* whether a number is spare */
  expect_refused (bad, sizeof bad);
  memcpy (bad, good, sizeof bad);
  memset (bad + sizeof bad - 8, 0xff, 8);  /* the spare number: not a number */
  expect_refused (bad, sizeof bad);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/noise/recorded", test_recorded);
  g_test_add_func ("/noise/integers", test_integers);
  g_test_add_func ("/noise/wide-integers", test_wide_integers);
  g_test_add_func ("/noise/seed", test_seed);
  g_test_add_func ("/noise/park", test_park);
  g_test_add_func ("/noise/damaged", test_damaged);
  return g_test_run ();
}
