/* SPDX-License-Identifier: Apache-2.0
 * Random numbers equal to those of PyTorch's CPU generator (Mersenne Twister 19937), so that a seed gives the clip that the
 * original programs would have made. All noise of sampling and all randomness of training come from here. */
#pragma once
#include "engine/memory/error.h"

enum { FW_NOISE_WORDS = 624 };

/* One stream. It is plain data: copy it to fork the stream. One thread at a time. */
typedef struct {
  guint32 words[FW_NOISE_WORDS];
  guint next;          /* the next unread word; FW_NOISE_WORDS when all are used */
  gboolean has_spare;  /* short normal draws make two numbers at a time; the second waits here */
  double spare;
} FwNoise;

/* As torch.manual_seed(): only the low 32 bits of @seed matter. */
void fw_noise_seed (FwNoise *noise, guint64 seed);

/* @count float32 normal numbers, as torch.randn of that many elements in one call. Cutting a draw in two changes the
 * numbers: torch computes from 16 numbers up in groups of 16, and below 16 one after the other in double. Agrees with
 * torch to 2e-6, since its vectorised logarithm and cosine differ from the C library's in the last bits. */
void fw_noise_randn (FwNoise *noise, float *out, gsize count);
/* @count float32 numbers in [0, 1), as torch.rand; exact. */
void fw_noise_rand (FwNoise *noise, float *out, gsize count);
/* @count integers in [@low, @high), as torch.randint; exact. @low < @high. */
void fw_noise_randint (FwNoise *noise, gint64 low, gint64 high, gint64 *out, gsize count);

/* The stream as bytes of the same length on every machine, for parking a job and resuming it in another process. */
enum { FW_NOISE_SAVED_SIZE = 4 * FW_NOISE_WORDS + 4 + 4 + 8 };
void fw_noise_save (const FwNoise *noise, guint8 *bytes);
/* Refuses bytes that no stream could have saved; @noise is then unchanged. */
gboolean fw_noise_restore (FwNoise *noise, const guint8 *bytes, gsize size, GError **error);
