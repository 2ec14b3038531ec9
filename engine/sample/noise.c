/* SPDX-License-Identifier: Apache-2.0
 * The Mersenne Twister and the order in which PyTorch's CPU generator turns its words into numbers. */
#include "engine/sample/noise.h"

#include "engine/sample/bytes.h"
#include <math.h>

enum { SHIFT = 397, GROUP = 16 };

/* Integers from so many on take two words each. */
enum { WIDE_RANGE = 1 << 28 };

void
fw_noise_seed (FwNoise *noise, guint64 seed)
{
  memset (noise, 0, sizeof *noise);
  noise->words[0] = (guint32) seed;
  for (guint i = 1; i < FW_NOISE_WORDS; i++)
    noise->words[i] = 1812433253u * (noise->words[i - 1] ^ noise->words[i - 1] >> 30) + i;
  noise->next = FW_NOISE_WORDS;
}

static void
refill (FwNoise *noise)
{
  guint32 *words = noise->words;
  for (guint i = 0; i < FW_NOISE_WORDS; i++) {
    guint32 mixed = (words[i] & 0x80000000u) | (words[(i + 1) % FW_NOISE_WORDS] & 0x7fffffffu);
    words[i] = words[(i + SHIFT) % FW_NOISE_WORDS] ^ mixed >> 1 ^ (mixed & 1 ? 0x9908b0dfu : 0);
  }
  noise->next = 0;
}

static guint32
random_32 (FwNoise *noise)
{
  if (noise->next == FW_NOISE_WORDS)
    refill (noise);
  guint32 word = noise->words[noise->next++];
  word ^= word >> 11;
  word ^= word << 7 & 0x9d2c5680u;
  word ^= word << 15 & 0xefc60000u;
  return word ^ word >> 18;
}

/* Two words, the first being the high half. */
static guint64
random_64 (FwNoise *noise)
{
  guint64 high = random_32 (noise);
  return high << 32 | random_32 (noise);
}

/* 24 bits of one word. */
static float
uniform_float (FwNoise *noise)
{
  return (float) (random_32 (noise) & 0xffffffu) * 0x1p-24f;
}

/* 53 bits of two words. */
static double
uniform_double (FwNoise *noise)
{
  return (double) (random_64 (noise) & ((G_GUINT64_CONSTANT (1) << 53) - 1)) * 0x1p-53;
}

/* Box-Muller on pairs half a group apart. Radius and angle are rounded to float as in torch; sine and cosine of the rounded
 * angle are taken in double, which no C library gets wrong. */
static void
normal_group (float *values)
{
  for (int i = 0; i < GROUP / 2; i++) {
    float first = 1.0f - values[i], second = values[i + GROUP / 2];
    float radius = (float) sqrt (-2.0 * log (first));
    float angle = (float) (2.0 * G_PI) * second;
    values[i] = (float) (radius * cos (angle));
    values[i + GROUP / 2] = (float) (radius * sin (angle));
  }
}

static double
normal_double (FwNoise *noise)
{
  if (noise->has_spare) {
    noise->has_spare = FALSE;
    return noise->spare;
  }
  double angle = 2.0 * G_PI * uniform_double (noise);
  double radius = sqrt (-2.0 * log1p (-uniform_double (noise)));
  noise->spare = radius * sin (angle);
  noise->has_spare = TRUE;
  return radius * cos (angle);
}

void
fw_noise_randn (FwNoise *noise, float *out, gsize count)
{
  if (count < GROUP) {
    for (gsize i = 0; i < count; i++)
      out[i] = (float) normal_double (noise);
    return;
  }
  fw_noise_rand (noise, out, count);
  for (gsize i = 0; i + GROUP <= count; i += GROUP)
    normal_group (out + i);
  if (count % GROUP != 0) {
    /* A short last group is made of fresh words together with the numbers before it, which are drawn again. */
    fw_noise_rand (noise, out + count - GROUP, GROUP);
    normal_group (out + count - GROUP);
  }
}

void
fw_noise_rand (FwNoise *noise, float *out, gsize count)
{
  for (gsize i = 0; i < count; i++)
    out[i] = uniform_float (noise);
}

void
fw_noise_randint (FwNoise *noise, gint64 low, gint64 high, gint64 *out, gsize count)
{
  guint64 range = (guint64) high - (guint64) low;
  for (gsize i = 0; i < count; i++)
    out[i] = (gint64) ((guint64) low + (range < WIDE_RANGE ? random_32 (noise) : random_64 (noise)) % range);
}

void
fw_noise_save (const FwNoise *noise, guint8 *bytes)
{
  for (guint i = 0; i < FW_NOISE_WORDS; i++)
    fw_put_u32 (&bytes, noise->words[i]);
  fw_put_u32 (&bytes, noise->next);
  fw_put_u32 (&bytes, noise->has_spare);
  fw_put_double (&bytes, noise->spare);
}

gboolean
fw_noise_restore (FwNoise *noise, const guint8 *bytes, gsize size, GError **error)
{
  FwNoise saved;
  if (size == FW_NOISE_SAVED_SIZE) {
    for (guint i = 0; i < FW_NOISE_WORDS; i++)
      saved.words[i] = fw_get_u32 (&bytes);
    saved.next = fw_get_u32 (&bytes);
    guint32 has_spare = fw_get_u32 (&bytes);
    saved.has_spare = has_spare == 1;
    saved.spare = fw_get_double (&bytes);
    if (saved.next <= FW_NOISE_WORDS && has_spare <= 1 && isfinite (saved.spare)) {
      *noise = saved;
      return TRUE;
    }
  }
  g_set_error_literal (error, FW_ERROR, FW_ERROR_FORMAT,
                       "The saved state of the noise generator is damaged; start the job again");
  return FALSE;
}
