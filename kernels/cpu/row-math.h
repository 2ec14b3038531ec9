/* SPDX-License-Identifier: Apache-2.0
 * Sums and maps over arrays of floats, the building blocks of norms, softmax and reductions. The order of every sum
 * depends on the length alone. */
#pragma once
#include "kernels/cpu/run.h"
#include "kernels/cpu/vec-math.h"

/* Lanes [i, i + VEC) of @x that lie before @count. */
VEC_INLINE FwVec
row_load (const float *x, int64_t i, int64_t count)
{
  return i + VEC <= count ? vec_load (x + i) : vec_load_part (x + i, count - i);
}

/* Lanes [0, left) of f32 or @bf16 numbers from element @place on; those beyond are zero. */
VEC_INLINE FwVec
row_load_any (bool bf16, const void *data, int64_t place, int64_t left)
{
  const uint16_t *halves = (const uint16_t *) data + place;
  const float *floats = (const float *) data + place;
  if (left >= VEC)
    return bf16 ? vec_load_bf16 (halves) : vec_load (floats);
  return bf16 ? vec_load_bf16_part (halves, left) : vec_load_part (floats, left);
}

/* The counterpart: lanes [0, left) of @value. */
VEC_INLINE void
row_store_any (bool bf16, void *data, int64_t place, int64_t left, FwVec value)
{
  uint16_t *halves = (uint16_t *) data + place;
  float *floats = (float *) data + place;
  if (left >= VEC && bf16)
    vec_store_bf16 (halves, value);
  else if (left >= VEC)
    vec_store (floats, value);
  else if (bf16)
    vec_store_bf16_part (halves, value, left);
  else
    vec_store_part (floats, value, left);
}

/* Lanes [i, i + VEC) of a run, of which @left are there. */
VEC_INLINE FwVec
row_load_run (FwRun run, int64_t i, int64_t left)
{
  return row_load_any (run.bf16, run.data, run.place + i, left);
}

VEC_INLINE void
row_store_run (FwRun run, int64_t i, int64_t left, FwVec value)
{
  row_store_any (run.bf16, run.data, run.place + i, left, value);
}

VEC_INLINE void
row_store (float *y, int64_t i, int64_t count, FwVec value)
{
  if (i + VEC <= count)
    vec_store (y + i, value);
  else
    vec_store_part (y + i, value, count - i);
}

/* Four sums side by side hide the latency of the additions. */
VEC_INLINE float
row_sum (const float *x, int64_t count)
{
  FwVec sum[4] = { vec_zero (), vec_zero (), vec_zero (), vec_zero () };
  int64_t i = 0;
  for (; i + 4 * VEC <= count; i += 4 * VEC)
    for (int k = 0; k < 4; k++)
      sum[k] = sum[k] + vec_load (x + i + k * VEC);
  for (; i < count; i += VEC)
    sum[0] = sum[0] + row_load (x, i, count);
  return vec_sum ((sum[0] + sum[1]) + (sum[2] + sum[3]));
}

VEC_INLINE float
row_dot (const float *x, const float *y, int64_t count)
{
  FwVec sum[4] = { vec_zero (), vec_zero (), vec_zero (), vec_zero () };
  int64_t i = 0;
  for (; i + 4 * VEC <= count; i += 4 * VEC)
    for (int k = 0; k < 4; k++)
      sum[k] = vec_fma (vec_load (x + i + k * VEC), vec_load (y + i + k * VEC), sum[k]);
  for (; i < count; i += VEC)
    sum[0] = vec_fma (row_load (x, i, count), row_load (y, i, count), sum[0]);
  return vec_sum ((sum[0] + sum[1]) + (sum[2] + sum[3]));
}

/* Sum of (x - centre)^2. */
VEC_INLINE float
row_spread (const float *x, int64_t count, float centre)
{
  FwVec sum[4] = { vec_zero (), vec_zero (), vec_zero (), vec_zero () }, middle = vec_set (centre);
  int64_t i = 0;
  for (; i + 4 * VEC <= count; i += 4 * VEC)
    for (int k = 0; k < 4; k++) {
      FwVec apart = vec_load (x + i + k * VEC) - middle;
      sum[k] = vec_fma (apart, apart, sum[k]);
    }
  for (; i < count; i += VEC) {
    FwVec apart = row_load (x, i, count) - middle;
    if (i + VEC > count)
      apart = vec_keep (apart, count - i);
    sum[0] = vec_fma (apart, apart, sum[0]);
  }
  return vec_sum ((sum[0] + sum[1]) + (sum[2] + sum[3]));
}

/* The largest element, at least @least. */
VEC_INLINE float
row_largest (const float *x, int64_t count, float least)
{
  FwVec largest = vec_set (least);
  int64_t i = 0;
  for (; i + VEC <= count; i += VEC)
    largest = vec_max (vec_load (x + i), largest);
  float result = vec_largest (largest);
  for (; i < count; i++)
    result = x[i] > result ? x[i] : result;
  return result;
}

/* y = exp(x - shift); the sum of y. */
VEC_INLINE float
row_exp (const float *x, float *y, int64_t count, float shift)
{
  FwVec sum = vec_zero (), away = vec_set (shift);
  for (int64_t i = 0; i < count; i += VEC) {
    FwVec e = vec_exp (row_load (x, i, count) - away);
    if (i + VEC > count)
      e = vec_keep (e, count - i);
    row_store (y, i, count, e);
    sum = sum + e;
  }
  return vec_sum (sum);
}

/* y = x * factor. */
VEC_INLINE void
row_scale (const float *x, float *y, int64_t count, float factor)
{
  FwVec times = vec_set (factor);
  for (int64_t i = 0; i < count; i += VEC)
    row_store (y, i, count, row_load (x, i, count) * times);
}

/* y += x. */
VEC_INLINE void
row_add (const float *x, float *y, int64_t count)
{
  for (int64_t i = 0; i < count; i += VEC)
    row_store (y, i, count, row_load (y, i, count) + row_load (x, i, count));
}

/* y += a * b. */
VEC_INLINE void
row_add_product (const float *a, const float *b, float *y, int64_t count)
{
  for (int64_t i = 0; i < count; i += VEC)
    row_store (y, i, count, vec_fma (row_load (a, i, count), row_load (b, i, count), row_load (y, i, count)));
}
