/* SPDX-License-Identifier: Apache-2.0
 * Elementary functions over FwVec, correct to a few units in the last place of f32. The polynomials are Chebyshev fits. */
#pragma once
#include <math.h>

#include "kernels/cpu/vec.h"

/* a * 2^n for whole n; over- and underflow go to infinity and zero. */
VEC_INLINE FwVec
vec_scale (FwVec a, FwVec n)
{
#ifdef __AVX512F__
  return _mm512_scalef_ps (a, n);
#else
  FwBits whole = bits_from_vec (n), half = _mm256_srai_epi32 (whole, 1), rest = bits_sub (whole, half), one = bits_set (127);
  return a * bits_vec (bits_left (bits_add (half, one), 23)) * bits_vec (bits_left (bits_add (rest, one), 23));
#endif
}

#define FW_LOG2_E 1.44269504f

VEC_INLINE FwVec
vec_exp (FwVec x)
{
  x = vec_min (vec_set (89.5f), vec_max (vec_set (-104.0f), x));
  FwVec n = vec_round (x * vec_set (FW_LOG2_E));
  FwVec r = vec_fma (n, vec_set (-0.693359375f), x);
  r = vec_fma (n, vec_set (2.12194440e-4f), r);
  FwVec p = vec_fma (vec_set (0.001392625083f), r, vec_set (0.008363232884f));
  p = vec_fma (p, r, vec_set (0.04166655421f));
  p = vec_fma (p, r, vec_set (0.1666657667f));
  p = vec_fma (p, r, vec_set (0.5f));
  p = vec_fma (p, r * r, r);
  return vec_scale (p + vec_set (1.0f), n);
}

/* 2^x for x in [-150, 129], with the rounding of x alone between it and the power. */
VEC_INLINE FwVec
vec_exp2_within (FwVec x)
{
  FwVec n = vec_round (x), r = x - n;
  FwVec p = vec_fma (vec_set (0.0001546144777f), r, vec_set (0.001339086681f));
  p = vec_fma (p, r, vec_set (0.009618056938f));
  p = vec_fma (p, r, vec_set (0.05550356954f));
  p = vec_fma (p, r, vec_set (0.2402265072f));
  p = vec_fma (p, r, vec_set (0.6931471825f));
  return vec_scale (vec_fma (p, r, vec_set (1.0f)), n);
}

/* The same for any x. */
VEC_INLINE FwVec
vec_exp2 (FwVec x)
{
  return vec_exp2_within (vec_min (vec_set (129.0f), vec_max (vec_set (-150.0f), x)));
}

VEC_INLINE FwVec
vec_log (FwVec x)
{
  const FwVec infinity = vec_set (INFINITY);
  /* split x into m * 2^e with m in [sqrt(1/2), sqrt(2)) */
  FwBits bits = bits_of (x);
  FwBits shifted = bits_add (bits, bits_set (0x3f800000 - 0x3f3504f3));
  FwVec e = bits_to_vec (bits_sub (bits_right (shifted, 23), bits_set (127)));
  FwVec m = bits_vec (bits_add (bits_and (shifted, bits_set (0x007fffff)), bits_set (0x3f3504f3)));
  FwVec r = m - vec_set (1.0f);
  FwVec p = vec_fma (vec_set (0.06971611471f), r, vec_set (-0.1147973385f));
  p = vec_fma (p, r, vec_set (0.1168541992f));
  p = vec_fma (p, r, vec_set (-0.1242568733f));
  p = vec_fma (p, r, vec_set (0.1424905765f));
  p = vec_fma (p, r, vec_set (-0.1666780232f));
  p = vec_fma (p, r, vec_set (0.2000071575f));
  p = vec_fma (p, r, vec_set (-0.2499999696f));
  p = vec_fma (p, r, vec_set (0.3333333118f));
  FwVec square = r * r;
  FwVec low = vec_fma (p, square * r, e * vec_set (-2.12194440e-4f));
  FwVec y = vec_fma (e, vec_set (0.693359375f), vec_fma (square, vec_set (-0.5f), low) + r);
  y = vec_select (vec_less (x, infinity), y, x);                                     /* +inf and NaN stay */
  y = vec_select (vec_less (x, vec_set (0x1p-126f)), vec_set (-INFINITY), y);        /* zero, and what counts as zero */
  return vec_select (vec_less (x, vec_zero ()), vec_set (NAN), y);
}

/* 1/a for a in [1, 2^126). */
VEC_INLINE FwVec
vec_inverse (FwVec a)
{
#ifdef __AVX512F__
  FwVec estimate = _mm512_rcp14_ps (a); /* one Newton step later it is exact but for the rounding */
  return vec_fma (estimate, vec_fma (-a, estimate, vec_set (1.0f)), estimate);
#else
  return vec_set (1.0f) / a;
#endif
}

/* Exponents beyond 87 would leave the range of vec_inverse; the results there are as good as 0. */
VEC_INLINE FwVec
vec_sigmoid (FwVec x)
{
  return vec_inverse (vec_set (1.0f) + vec_exp (-vec_max (vec_set (-87.0f), x)));
}

/* 1 / (1 + 2^x), likewise. */
VEC_INLINE FwVec
vec_falling_sigmoid_of_two (FwVec x)
{
  return vec_inverse (vec_set (1.0f) + vec_exp2_within (vec_min (vec_set (125.0f), vec_max (vec_set (-150.0f), x))));
}

VEC_INLINE FwVec
vec_tanh (FwVec x)
{
  FwVec z = x * x;
  FwVec p = vec_fma (vec_set (-0.006096714166f), z, vec_set (0.020997179f));
  p = vec_fma (p, z, vec_set (-0.05385090958f));
  p = vec_fma (p, z, vec_set (0.1333276974f));
  p = vec_fma (p, z, vec_set (-0.3333332894f));
  FwVec small = vec_fma (p, z * x, x);
  FwVec above_one = vec_exp (vec_min (vec_set (87.0f), x + x)) + vec_set (1.0f);
  FwVec large = vec_fma (vec_set (-2.0f), vec_inverse (above_one), vec_set (1.0f));
  return vec_select (vec_less (vec_abs (x), vec_set (0.625f)), small, large);
}

/* erfc(x) for x >= 1, as exp(-x^2) times a polynomial in 1/(1 + x/2). */
VEC_INLINE FwVec
vec_erfc_tail (FwVec x)
{
  FwVec t = vec_set (1.0f) / vec_fma (x, vec_set (0.5f), vec_set (1.0f));
  FwVec p = vec_fma (vec_set (-0.06919133189f), t, vec_set (0.2165286031f));
  p = vec_fma (p, t, vec_set (-0.1872294115f));
  p = vec_fma (p, t, vec_set (-0.0342258651f));
  p = vec_fma (p, t, vec_set (0.01112562676f));
  p = vec_fma (p, t, vec_set (0.07268879551f));
  p = vec_fma (p, t, vec_set (0.1795946579f));
  p = vec_fma (p, t, vec_set (0.2462969252f));
  p = vec_fma (p, t, vec_set (0.2821416476f));
  p = vec_fma (p, t, vec_set (0.282093073f));
  FwVec square = x * x, error = vec_fma (x, x, -square); /* the rounding of x^2 would show in exp */
  FwVec e = vec_exp (-square);
  return p * t * vec_fma (e, -error, e);
}

/* The share of a standard normal distribution below x: erfc(-x/sqrt(2))/2, accurate in the tail too. */
VEC_INLINE FwVec
vec_normal_share (FwVec x)
{
  FwVec s = x * vec_set (0.707106781f), a = vec_abs (s), z = s * s;
  FwVec p = vec_fma (vec_set (-9.667044571e-6f), z, vec_set (0.0001126595903f));
  p = vec_fma (p, z, vec_set (-0.0008484080406f));
  p = vec_fma (p, z, vec_set (0.005221031808f));
  p = vec_fma (p, z, vec_set (-0.02686543073f));
  p = vec_fma (p, z, vec_set (0.112837825f));
  p = vec_fma (p, z, vec_set (-0.3761263847f));
  p = vec_fma (p, z, vec_set (1.128379167f));
  FwVec middle = vec_fma (p * s, vec_set (0.5f), vec_set (0.5f));
  FwVec tail = vec_set (0.5f) * vec_erfc_tail (vec_min (vec_set (15.0f), a));
  FwVec outside = vec_select (vec_less (s, vec_zero ()), tail, vec_set (1.0f) - tail);
  return vec_select (vec_less (vec_set (1.0f), a), outside, middle);
}

/* sin(x + quarter * pi/2); every lane must be below 8192 in magnitude. */
VEC_INLINE FwVec
vec_sine_reduced (FwVec x, int quarter)
{
  FwVec n = vec_round (x * vec_set (0.636619772f));
  FwVec r = vec_fma (n, vec_set (-1.5703125f), x);
  r = vec_fma (n, vec_set (-4.837512969970703125e-4f), r);
  r = vec_fma (n, vec_set (-7.549789948768648e-8f), r);
  FwBits octant = bits_add (bits_from_vec (n), bits_set (quarter));
  FwVec z = r * r;
  FwVec s = vec_fma (vec_set (-0.0001958537321f), z, vec_set (0.008332736559f));
  s = vec_fma (s, z, vec_set (-0.166666646f));
  s = vec_fma (s, z * r, r);
  FwVec c = vec_fma (vec_set (2.454541908e-5f), z, vec_set (-0.00138882913f));
  c = vec_fma (c, z, vec_set (0.0416666646f));
  c = vec_fma (c, z * z, vec_fma (z, vec_set (-0.5f), vec_set (1.0f)));
  FwVec odd = bits_to_vec (bits_and (octant, bits_set (1)));
  FwVec y = vec_select (vec_less (vec_zero (), odd), c, s);
  FwBits sign = bits_left (bits_and (octant, bits_set (2)), 30);
  return bits_vec (bits_xor (bits_of (y), sign));
}

/* sin(x) with @quarter 0, cos(x) with 1. */
VEC_INLINE FwVec
vec_sine (FwVec x, int quarter)
{
  if (!mask_any (vec_less (vec_set (8192.0f), vec_abs (x))))
    return vec_sine_reduced (x, quarter);
  float lane[VEC];
  vec_store (lane, x);
  for (int i = 0; i < VEC; i++)
    lane[i] = quarter ? cosf (lane[i]) : sinf (lane[i]);
  return vec_load (lane);
}
