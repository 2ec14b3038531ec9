/* SPDX-License-Identifier: Apache-2.0
 * Transposing a square of VEC vectors of 32-bit lanes in registers. */
#pragma once
#include "kernels/cpu/vec.h"

#ifdef __AVX512F__

VEC_INLINE void
transpose (FwBits *v)
{
  FwBits a[16], b[16];
  for (int i = 0; i < 16; i += 2) {
    a[i] = _mm512_unpacklo_epi32 (v[i], v[i + 1]);
    a[i + 1] = _mm512_unpackhi_epi32 (v[i], v[i + 1]);
  }
  for (int i = 0; i < 16; i += 4) {
    b[i] = _mm512_unpacklo_epi64 (a[i], a[i + 2]);
    b[i + 1] = _mm512_unpackhi_epi64 (a[i], a[i + 2]);
    b[i + 2] = _mm512_unpacklo_epi64 (a[i + 1], a[i + 3]);
    b[i + 3] = _mm512_unpackhi_epi64 (a[i + 1], a[i + 3]);
  }
  for (int i = 0; i < 4; i++) {
    a[i] = _mm512_shuffle_i32x4 (b[i], b[i + 4], 0x88);
    a[i + 4] = _mm512_shuffle_i32x4 (b[i], b[i + 4], 0xdd);
    a[i + 8] = _mm512_shuffle_i32x4 (b[i + 8], b[i + 12], 0x88);
    a[i + 12] = _mm512_shuffle_i32x4 (b[i + 8], b[i + 12], 0xdd);
  }
  for (int i = 0; i < 8; i++) {
    v[i] = _mm512_shuffle_i32x4 (a[i], a[i + 8], 0x88);
    v[i + 8] = _mm512_shuffle_i32x4 (a[i], a[i + 8], 0xdd);
  }
}

#else

VEC_INLINE void
transpose (FwBits *v)
{
  FwBits a[8], b[8];
  for (int i = 0; i < 8; i += 2) {
    a[i] = _mm256_unpacklo_epi32 (v[i], v[i + 1]);
    a[i + 1] = _mm256_unpackhi_epi32 (v[i], v[i + 1]);
  }
  for (int i = 0; i < 8; i += 4) {
    b[i] = _mm256_unpacklo_epi64 (a[i], a[i + 2]);
    b[i + 1] = _mm256_unpackhi_epi64 (a[i], a[i + 2]);
    b[i + 2] = _mm256_unpacklo_epi64 (a[i + 1], a[i + 3]);
    b[i + 3] = _mm256_unpackhi_epi64 (a[i + 1], a[i + 3]);
  }
  for (int i = 0; i < 4; i++) {
    v[i] = _mm256_permute2x128_si256 (b[i], b[i + 4], 0x20);
    v[i + 4] = _mm256_permute2x128_si256 (b[i], b[i + 4], 0x31);
  }
}

#endif
