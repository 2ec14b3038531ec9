/* SPDX-License-Identifier: Apache-2.0
 * The functions of one variable and their derivatives, one vector expression each. */
#include "kernels/cpu/functions.h"
#include "kernels/cpu/row-math.h"

typedef FwVec (*Value) (FwVec x, FwVec a, FwVec b);

static FW_ALWAYS_INLINE void
map_value (Value function, const float *x, float *y, int64_t count, float a, float b)
{
  FwVec va = vec_set (a), vb = vec_set (b);
  int64_t i = 0;
  for (; i + VEC <= count; i += VEC)
    vec_store (y + i, function (vec_load (x + i), va, vb));
  if (i < count)
    vec_store_part (y + i, function (vec_load_part (x + i, count - i), va, vb), count - i);
}

/* What value and slope have in common is computed once where both are wanted. */
static FW_ALWAYS_INLINE void
map_sum_lanes (Value function, Value derivative, FwVec x, uint16_t *slope, uint16_t *y, int64_t i, int64_t left)
{
  FwVec value = function (x, vec_zero (), vec_zero ());
  if (slope != NULL)
    row_store_any (true, slope, i, left, derivative (x, vec_zero (), vec_zero ()));
  row_store_any (true, y, i, left, value);
}

static FW_ALWAYS_INLINE void
map_sum (Value function, Value derivative, const float *x, const float *bias, uint16_t *slope, uint16_t *y, int64_t count)
{
  for (int64_t i = 0; i < count; i += VEC) {
    int64_t left = FW_MIN (VEC, count - i);
    FwVec sum = row_load_any (false, x, i, left);
    if (bias != NULL)
      sum = sum + row_load_any (false, bias, i, left);
    map_sum_lanes (function, derivative, sum, slope, y, i, left);
  }
}

static FW_ALWAYS_INLINE void
map_slope (Value slope, const bool bf16, const void *x, const void *dy, void *dx, int64_t count, float a, float b)
{
  FwVec va = vec_set (a), vb = vec_set (b);
  for (int64_t i = 0; i < count; i += VEC) {
    int64_t left = FW_MIN (VEC, count - i);
    row_store_any (bf16, dx, i, left, row_load_any (bf16, dy, i, left) * slope (row_load_any (bf16, x, i, left), va, vb));
  }
}

#define DEFINE(name, VALUE, SLOPE) \
  VEC_INLINE FwVec name##_value (FwVec x, FwVec a, FwVec b) { return VALUE; } \
  VEC_INLINE FwVec name##_slope (FwVec x, FwVec a, FwVec b) { return SLOPE; } \
  static void apply_##name (const float *x, float *y, int64_t count, float a, float b) \
  { map_value (name##_value, x, y, count, a, b); } \
  static void apply_to_sum_##name (const float *x, const float *bias, uint16_t *slope, uint16_t *y, int64_t count) \
  { map_sum (name##_value, name##_slope, x, bias, slope, y, count); } \
  static void derive_##name (const float *x, const float *dy, float *dx, int64_t count, float a, float b) \
  { map_slope (name##_slope, false, x, dy, dx, count, a, b); } \
  static void derive_bf16_##name (const uint16_t *x, const uint16_t *dy, uint16_t *dx, int64_t count, float a, float b) \
  { map_slope (name##_slope, true, x, dy, dx, count, a, b); }

#define C(value) vec_set (value)

VEC_INLINE FwVec
sign (FwVec x)
{
  return vec_select (vec_less (vec_zero (), x), C (1.0f), vec_select (vec_less (x, vec_zero ()), C (-1.0f), vec_zero ()));
}

/* 0.5x(1+tanh(u)) is x sigmoid(2u), with 2u = x(p + q x^2); as powers of two, -2u is -log2(e) times as large. */
static const float gelu_p = 1.5957691216f, gelu_q = 0.0713548163f, gelu_p_of_two = -2.302208198f, gelu_q_of_two = -0.1029432396f;

VEC_INLINE FwVec
gelu_tanh (FwVec x)
{
  return x * vec_falling_sigmoid_of_two (x * vec_fma (C (gelu_q_of_two), x * x, C (gelu_p_of_two)));
}

VEC_INLINE FwVec
gelu_tanh_slope_of (FwVec x)
{
  FwVec square = x * x, s = vec_falling_sigmoid_of_two (x * vec_fma (C (gelu_q_of_two), square, C (gelu_p_of_two)));
  return vec_fma (x * s * (C (1.0f) - s), vec_fma (C (3.0f * gelu_q), square, C (gelu_p)), s);
}

VEC_INLINE FwVec
gelu_erf_slope_of (FwVec x)
{
  return vec_fma (x * C (0.398942280f), vec_exp (x * x * C (-0.5f)), vec_normal_share (x));
}

VEC_INLINE FwVec
sigmoid_product_slope (FwVec x, FwVec factor)
{
  FwVec s = vec_sigmoid (factor * x);
  return s * vec_fma (factor * x, C (1.0f) - s, C (1.0f));
}

VEC_INLINE FwVec
logistic_slope (FwVec x)
{
  FwVec s = vec_sigmoid (x);
  return s * (C (1.0f) - s);
}

VEC_INLINE FwVec
tanh_slope_of (FwVec x)
{
  FwVec t = vec_tanh (x);
  return vec_fma (-t, t, C (1.0f));
}

VEC_INLINE FwVec
inside (FwVec x, FwVec a, FwVec b)
{
  return vec_select (vec_less_equal (a, x), vec_select (vec_less_equal (x, b), C (1.0f), vec_zero ()), vec_zero ());
}

static void
derive_identity (const float *x, const float *dy, float *dx, int64_t count, float a, float b)
{
  if (dx != dy)
    memmove (dx, dy, (size_t) count * sizeof *dx);
}

static void
derive_bf16_identity (const uint16_t *x, const uint16_t *dy, uint16_t *dx, int64_t count, float a, float b)
{
  if (dx != dy)
    memmove (dx, dy, (size_t) count * sizeof *dx);
}

DEFINE (neg, -x, C (-1.0f))
DEFINE (exp, vec_exp (x), vec_exp (x))
DEFINE (log, vec_log (x), C (1.0f) / x)
DEFINE (sqrt, vec_sqrt (x), C (0.5f) / vec_sqrt (x))
DEFINE (square, x * x, x + x)
DEFINE (abs, vec_abs (x), sign (x))
DEFINE (reciprocal, C (1.0f) / x, C (-1.0f) / (x * x))
DEFINE (tanh, vec_tanh (x), tanh_slope_of (x))
DEFINE (sigmoid, vec_sigmoid (x), logistic_slope (x))
DEFINE (silu, x * vec_sigmoid (x), sigmoid_product_slope (x, C (1.0f)))
DEFINE (gelu_tanh, gelu_tanh (x), gelu_tanh_slope_of (x))
DEFINE (gelu_erf, x * vec_normal_share (x), gelu_erf_slope_of (x))
DEFINE (quick_gelu, x * vec_sigmoid (C (1.702f) * x), sigmoid_product_slope (x, C (1.702f)))
DEFINE (relu, vec_max (vec_zero (), x), vec_select (vec_less (vec_zero (), x), C (1.0f), vec_zero ()))
DEFINE (sin, vec_sine (x, 0), vec_sine (x, 1))
DEFINE (cos, vec_sine (x, 1), -vec_sine (x, 0))
DEFINE (affine, vec_fma (a, x, b), a)
DEFINE (clamp, vec_min (b, vec_max (a, x)), inside (x, a, b))

#define ROW(name) { apply_##name, apply_to_sum_##name, derive_##name, derive_bf16_##name }
const FwFunctionKernel fw_functions[FW_FN_N] = {
  [FW_FN_IDENTITY] = { NULL, NULL, derive_identity, derive_bf16_identity },
  [FW_FN_NEG] = ROW (neg),
  [FW_FN_EXP] = ROW (exp),
  [FW_FN_LOG] = ROW (log),
  [FW_FN_SQRT] = ROW (sqrt),
  [FW_FN_SQUARE] = ROW (square),
  [FW_FN_ABS] = ROW (abs),
  [FW_FN_RECIPROCAL] = ROW (reciprocal),
  [FW_FN_TANH] = ROW (tanh),
  [FW_FN_SIGMOID] = ROW (sigmoid),
  [FW_FN_SILU] = ROW (silu),
  [FW_FN_GELU_TANH] = ROW (gelu_tanh),
  [FW_FN_GELU_ERF] = ROW (gelu_erf),
  [FW_FN_QUICK_GELU] = ROW (quick_gelu),
  [FW_FN_RELU] = ROW (relu),
  [FW_FN_SIN] = ROW (sin),
  [FW_FN_COS] = ROW (cos),
  [FW_FN_AFFINE] = ROW (affine),
  [FW_FN_CLAMP] = ROW (clamp),
};
