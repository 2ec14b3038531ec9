/* SPDX-License-Identifier: Apache-2.0
 * The vector primitives that the kernels are written in, over AVX-512 or AVX2 as the file is compiled: FwVec holds VEC
 * floats, FwBits the same lanes as 32-bit integers, FwMask the outcome of a comparison. The operators + - * / and unary
 * minus work on FwVec by the compilers' vector extension. "part" forms touch only the first @n lanes, 0 <= n <= VEC;
 * loads fill the other lanes with zeros. */
#pragma once
#include <immintrin.h>
#include <string.h>

#include "kernels/cpu/isa.h"

#define VEC_INLINE static FW_ALWAYS_INLINE __attribute__ ((unused))

#ifdef __AVX512F__

enum { VEC = 16 };
typedef __m512 FwVec;
typedef __m512i FwBits;
typedef __mmask16 FwMask;

VEC_INLINE FwVec vec_set (float value) { return _mm512_set1_ps (value); }
VEC_INLINE FwVec vec_zero (void) { return _mm512_setzero_ps (); }
VEC_INLINE FwVec vec_load (const float *from) { return _mm512_loadu_ps (from); }
VEC_INLINE void vec_store (float *to, FwVec value) { _mm512_storeu_ps (to, value); }
VEC_INLINE FwVec vec_fma (FwVec a, FwVec b, FwVec c) { return _mm512_fmadd_ps (a, b, c); }
/* The second operand if one of them is a NaN. */
VEC_INLINE FwVec vec_min (FwVec a, FwVec b) { return _mm512_min_ps (a, b); }
VEC_INLINE FwVec vec_max (FwVec a, FwVec b) { return _mm512_max_ps (a, b); }
VEC_INLINE FwVec vec_sqrt (FwVec a) { return _mm512_sqrt_ps (a); }
VEC_INLINE FwVec vec_round (FwVec a) { return _mm512_roundscale_ps (a, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC); }
VEC_INLINE FwMask vec_less (FwVec a, FwVec b) { return _mm512_cmp_ps_mask (a, b, _CMP_LT_OQ); }
VEC_INLINE FwMask vec_less_equal (FwVec a, FwVec b) { return _mm512_cmp_ps_mask (a, b, _CMP_LE_OQ); }
VEC_INLINE bool mask_any (FwMask mask) { return mask != 0; }
/* @yes where the mask holds, else @no. */
VEC_INLINE FwVec vec_select (FwMask mask, FwVec yes, FwVec no) { return _mm512_mask_blend_ps (mask, no, yes); }
VEC_INLINE float vec_sum (FwVec a) { return _mm512_reduce_add_ps (a); }
VEC_INLINE float vec_largest (FwVec a) { return _mm512_reduce_max_ps (a); }

VEC_INLINE FwBits bits_of (FwVec a) { return _mm512_castps_si512 (a); }
VEC_INLINE FwVec bits_vec (FwBits a) { return _mm512_castsi512_ps (a); }
VEC_INLINE FwBits bits_set (int value) { return _mm512_set1_epi32 (value); }
VEC_INLINE FwBits bits_and (FwBits a, FwBits b) { return _mm512_and_si512 (a, b); }
VEC_INLINE FwBits bits_or (FwBits a, FwBits b) { return _mm512_or_si512 (a, b); }
VEC_INLINE FwBits bits_xor (FwBits a, FwBits b) { return _mm512_xor_si512 (a, b); }
VEC_INLINE FwBits bits_add (FwBits a, FwBits b) { return _mm512_add_epi32 (a, b); }
VEC_INLINE FwBits bits_sub (FwBits a, FwBits b) { return _mm512_sub_epi32 (a, b); }
#define bits_left(a, count) _mm512_slli_epi32 (a, count)
#define bits_right(a, count) _mm512_srli_epi32 (a, count)
VEC_INLINE FwBits bits_from_vec (FwVec a) { return _mm512_cvtps_epi32 (a); }
VEC_INLINE FwVec bits_to_vec (FwBits a) { return _mm512_cvtepi32_ps (a); }
VEC_INLINE FwBits bits_load (const void *from) { return _mm512_loadu_si512 (from); }
VEC_INLINE void bits_store (void *to, FwBits value) { _mm512_storeu_si512 (to, value); }

VEC_INLINE __mmask16 vec_lanes (int64_t n) { return (__mmask16) ((1u << n) - 1u); }
VEC_INLINE FwVec vec_load_part (const float *from, int64_t n) { return _mm512_maskz_loadu_ps (vec_lanes (n), from); }
VEC_INLINE void vec_store_part (float *to, FwVec value, int64_t n) { _mm512_mask_storeu_ps (to, vec_lanes (n), value); }
VEC_INLINE void bits_store_part (void *to, FwBits value, int64_t n) { _mm512_mask_storeu_epi32 (to, vec_lanes (n), value); }
/* @value in the first @n lanes, zero in the others. */
VEC_INLINE FwVec vec_keep (FwVec value, int64_t n) { return _mm512_maskz_mov_ps (vec_lanes (n), value); }
/* The opposite: zero in the first @n lanes. */
VEC_INLINE FwVec vec_drop (FwVec value, int64_t n) { return _mm512_maskz_mov_ps ((__mmask16) ~vec_lanes (n), value); }

/* Numbers that lie @step apart. */
VEC_INLINE FwVec
vec_load_strided (const float *from, int64_t step)
{
  const float *second = from + 8 * step;
  return _mm512_setr_ps (from[0], from[step], from[2 * step], from[3 * step], from[4 * step], from[5 * step], from[6 * step],
                         from[7 * step], second[0], second[step], second[2 * step], second[3 * step], second[4 * step],
                         second[5 * step], second[6 * step], second[7 * step]);
}

VEC_INLINE FwVec
vec_load_bf16 (const uint16_t *from)
{
  return bits_vec (bits_left (_mm512_cvtepu16_epi32 (_mm256_loadu_si256 ((const __m256i *) from)), 16));
}

VEC_INLINE FwVec
vec_load_bf16_part (const uint16_t *from, int64_t n)
{
  return bits_vec (bits_left (_mm512_cvtepu16_epi32 (_mm256_maskz_loadu_epi16 (vec_lanes (n), from)), 16));
}

/* The upper half of every lane holds the bf16 nearest to the lane; the lower half is garbage. */
VEC_INLINE FwBits
vec_round_bf16 (FwVec value)
{
  FwBits bits = bits_of (value);
  FwBits rounded = bits_add (bits, bits_add (bits_set (0x7fff), bits_and (bits_right (bits, 16), bits_set (1))));
  __mmask16 unordered = _mm512_cmp_ps_mask (value, value, _CMP_UNORD_Q);
  return _mm512_mask_or_epi32 (rounded, unordered, bits, bits_set (0x400000));
}

VEC_INLINE __m256i
vec_to_bf16 (FwVec value)
{
#ifdef __AVX512BF16__
  return (__m256i) _mm512_cvtneps_pbh (value);
#else
  return _mm512_cvtepi32_epi16 (bits_right (vec_round_bf16 (value), 16));
#endif
}

VEC_INLINE void
vec_store_bf16 (uint16_t *to, FwVec value)
{
  _mm256_storeu_si256 ((__m256i *) to, vec_to_bf16 (value));
}

VEC_INLINE void
vec_store_bf16_part (uint16_t *to, FwVec value, int64_t n)
{
  _mm256_mask_storeu_epi16 (to, vec_lanes (n), vec_to_bf16 (value));
}

/* Lanes 2i and 2i+1 of the concatenation first:second as a pair of bf16 in lane i. */
VEC_INLINE FwBits
vec_pairs_along (FwVec first, FwVec second)
{
#ifdef __AVX512BF16__
  return (FwBits) _mm512_cvtne2ps_pbh (second, first);
#else
  return _mm512_inserti64x4 (_mm512_castsi256_si512 (vec_to_bf16 (first)), vec_to_bf16 (second), 1);
#endif
}

/* 32 numbers of each of two lines of bf16 as pairs, lanes in order: the first 16 in @first, the others in @second. */
VEC_INLINE void
vec_interleave_bf16 (__m512i low, __m512i high, FwBits *first, FwBits *second)
{
  const __m512i front = _mm512_set_epi16 (47, 15, 46, 14, 45, 13, 44, 12, 43, 11, 42, 10, 41, 9, 40, 8,
                                          39, 7, 38, 6, 37, 5, 36, 4, 35, 3, 34, 2, 33, 1, 32, 0);
  const __m512i back = _mm512_add_epi16 (front, _mm512_set1_epi16 (16));
  *first = _mm512_permutex2var_epi16 (low, front, high);
  *second = _mm512_permutex2var_epi16 (low, back, high);
}

#else /* AVX2 with FMA */

enum { VEC = 8 };
typedef __m256 FwVec;
typedef __m256i FwBits;
typedef __m256 FwMask;

VEC_INLINE FwVec vec_set (float value) { return _mm256_set1_ps (value); }
VEC_INLINE FwVec vec_zero (void) { return _mm256_setzero_ps (); }
VEC_INLINE FwVec vec_load (const float *from) { return _mm256_loadu_ps (from); }
VEC_INLINE void vec_store (float *to, FwVec value) { _mm256_storeu_ps (to, value); }
VEC_INLINE FwVec vec_fma (FwVec a, FwVec b, FwVec c) { return _mm256_fmadd_ps (a, b, c); }
VEC_INLINE FwVec vec_min (FwVec a, FwVec b) { return _mm256_min_ps (a, b); }
VEC_INLINE FwVec vec_max (FwVec a, FwVec b) { return _mm256_max_ps (a, b); }
VEC_INLINE FwVec vec_sqrt (FwVec a) { return _mm256_sqrt_ps (a); }
VEC_INLINE FwVec vec_round (FwVec a) { return _mm256_round_ps (a, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC); }
VEC_INLINE FwMask vec_less (FwVec a, FwVec b) { return _mm256_cmp_ps (a, b, _CMP_LT_OQ); }
VEC_INLINE FwMask vec_less_equal (FwVec a, FwVec b) { return _mm256_cmp_ps (a, b, _CMP_LE_OQ); }
VEC_INLINE bool mask_any (FwMask mask) { return _mm256_movemask_ps (mask) != 0; }
VEC_INLINE FwVec vec_select (FwMask mask, FwVec yes, FwVec no) { return _mm256_blendv_ps (no, yes, mask); }

VEC_INLINE float
vec_sum (FwVec a)
{
  __m128 half = _mm_add_ps (_mm256_castps256_ps128 (a), _mm256_extractf128_ps (a, 1));
  half = _mm_add_ps (half, _mm_movehl_ps (half, half));
  return _mm_cvtss_f32 (_mm_add_ss (half, _mm_movehdup_ps (half)));
}

VEC_INLINE float
vec_largest (FwVec a)
{
  __m128 half = _mm_max_ps (_mm256_castps256_ps128 (a), _mm256_extractf128_ps (a, 1));
  half = _mm_max_ps (half, _mm_movehl_ps (half, half));
  return _mm_cvtss_f32 (_mm_max_ss (half, _mm_movehdup_ps (half)));
}

VEC_INLINE FwBits bits_of (FwVec a) { return _mm256_castps_si256 (a); }
VEC_INLINE FwVec bits_vec (FwBits a) { return _mm256_castsi256_ps (a); }
VEC_INLINE FwBits bits_set (int value) { return _mm256_set1_epi32 (value); }
VEC_INLINE FwBits bits_and (FwBits a, FwBits b) { return _mm256_and_si256 (a, b); }
VEC_INLINE FwBits bits_or (FwBits a, FwBits b) { return _mm256_or_si256 (a, b); }
VEC_INLINE FwBits bits_xor (FwBits a, FwBits b) { return _mm256_xor_si256 (a, b); }
VEC_INLINE FwBits bits_add (FwBits a, FwBits b) { return _mm256_add_epi32 (a, b); }
VEC_INLINE FwBits bits_sub (FwBits a, FwBits b) { return _mm256_sub_epi32 (a, b); }
#define bits_left(a, count) _mm256_slli_epi32 (a, count)
#define bits_right(a, count) _mm256_srli_epi32 (a, count)
VEC_INLINE FwBits bits_from_vec (FwVec a) { return _mm256_cvtps_epi32 (a); }
VEC_INLINE FwVec bits_to_vec (FwBits a) { return _mm256_cvtepi32_ps (a); }
VEC_INLINE FwBits bits_load (const void *from) { return _mm256_loadu_si256 ((const __m256i *) from); }
VEC_INLINE void bits_store (void *to, FwBits value) { _mm256_storeu_si256 ((__m256i *) to, value); }

VEC_INLINE __m256i
vec_lanes (int64_t n)
{
  return _mm256_cmpgt_epi32 (_mm256_set1_epi32 ((int) n), _mm256_setr_epi32 (0, 1, 2, 3, 4, 5, 6, 7));
}

VEC_INLINE FwVec vec_load_part (const float *from, int64_t n) { return _mm256_maskload_ps (from, vec_lanes (n)); }
VEC_INLINE void vec_store_part (float *to, FwVec value, int64_t n) { _mm256_maskstore_ps (to, vec_lanes (n), value); }
VEC_INLINE void bits_store_part (void *to, FwBits value, int64_t n) { _mm256_maskstore_epi32 ((int *) to, vec_lanes (n), value); }
VEC_INLINE FwVec vec_keep (FwVec value, int64_t n) { return bits_vec (bits_and (bits_of (value), vec_lanes (n))); }
VEC_INLINE FwVec vec_drop (FwVec value, int64_t n) { return bits_vec (_mm256_andnot_si256 (vec_lanes (n), bits_of (value))); }

VEC_INLINE FwVec
vec_load_strided (const float *from, int64_t step)
{
  return _mm256_setr_ps (from[0], from[step], from[2 * step], from[3 * step], from[4 * step], from[5 * step], from[6 * step],
                         from[7 * step]);
}

VEC_INLINE FwVec
vec_load_bf16 (const uint16_t *from)
{
  return bits_vec (bits_left (_mm256_cvtepu16_epi32 (_mm_loadu_si128 ((const __m128i *) from)), 16));
}

VEC_INLINE FwVec
vec_load_bf16_part (const uint16_t *from, int64_t n)
{
  uint16_t whole[8] = { 0 };
  memcpy (whole, from, (size_t) n * sizeof *from);
  return vec_load_bf16 (whole);
}

VEC_INLINE FwBits
vec_round_bf16 (FwVec value)
{
  FwBits bits = bits_of (value);
  FwBits rounded = bits_add (bits, bits_add (bits_set (0x7fff), bits_and (bits_right (bits, 16), bits_set (1))));
  FwVec unordered = _mm256_cmp_ps (value, value, _CMP_UNORD_Q);
  return bits_of (vec_select (unordered, bits_vec (bits_or (bits, bits_set (0x400000))), bits_vec (rounded)));
}

VEC_INLINE __m128i
vec_to_bf16 (FwVec value)
{
  FwBits rounded = bits_right (vec_round_bf16 (value), 16);
  return _mm_packus_epi32 (_mm256_castsi256_si128 (rounded), _mm256_extracti128_si256 (rounded, 1));
}

VEC_INLINE void
vec_store_bf16 (uint16_t *to, FwVec value)
{
  _mm_storeu_si128 ((__m128i *) to, vec_to_bf16 (value));
}

VEC_INLINE void
vec_store_bf16_part (uint16_t *to, FwVec value, int64_t n)
{
  uint16_t whole[8];
  vec_store_bf16 (whole, value);
  memcpy (to, whole, (size_t) n * sizeof *to);
}

VEC_INLINE FwBits
vec_pairs_along (FwVec first, FwVec second)
{
  return _mm256_inserti128_si256 (_mm256_castsi128_si256 (vec_to_bf16 (first)), vec_to_bf16 (second), 1);
}

VEC_INLINE void
vec_interleave_bf16 (__m256i low, __m256i high, FwBits *first, FwBits *second)
{
  __m256i even = _mm256_unpacklo_epi16 (low, high), odd = _mm256_unpackhi_epi16 (low, high);
  *first = _mm256_permute2x128_si256 (even, odd, 0x20);
  *second = _mm256_permute2x128_si256 (even, odd, 0x31);
}

#endif

VEC_INLINE FwVec vec_abs (FwVec a) { return bits_vec (bits_and (bits_of (a), bits_set (0x7fffffff))); }

/* Lane i of @low and @high, rounded to bf16, as a pair in lane i. */
VEC_INLINE FwBits
vec_pairs_across (FwVec low, FwVec high)
{
  return bits_or (bits_right (vec_round_bf16 (low), 16), bits_and (vec_round_bf16 (high), bits_set ((int) 0xffff0000u)));
}

/* The same for numbers that came from bf16, where nothing has to be rounded. */
VEC_INLINE FwBits
vec_pairs_exact (FwVec low, FwVec high)
{
  return bits_or (bits_right (bits_of (low), 16), bits_of (high));
}
