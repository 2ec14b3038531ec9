/* SPDX-License-Identifier: Apache-2.0
 * One pair of small functions, value and derivative, for each FwFunction, and the table of them. At the corners of abs and
 * relu the derivative is 0. Not-a-number passes through. */
#include "kernels/ref/function.h"

#include <math.h>

static const double sqrt_2_over_pi = 0.79788456080286535588;
static const double sqrt_1_over_2 = 0.70710678118654752440;
static const double one_over_sqrt_2_pi = 0.39894228040143267794;

static double identity (double x, double a, double b) { return x; }
static double one (double x, double a, double b) { return 1; }
static double negative (double x, double a, double b) { return -x; }
static double minus_one (double x, double a, double b) { return -1; }
static double exponential (double x, double a, double b) { return exp (x); }
static double logarithm (double x, double a, double b) { return log (x); }
static double reciprocal (double x, double a, double b) { return 1 / x; }
static double reciprocal_slope (double x, double a, double b) { return -1 / (x * x); }
static double square_root (double x, double a, double b) { return sqrt (x); }
static double square_root_slope (double x, double a, double b) { return 0.5 / sqrt (x); }
static double square (double x, double a, double b) { return x * x; }
static double square_slope (double x, double a, double b) { return 2 * x; }
static double magnitude (double x, double a, double b) { return fabs (x); }
static double magnitude_slope (double x, double a, double b) { return x > 0 ? 1 : x < 0 ? -1 : x; }
static double tangent (double x, double a, double b) { return tanh (x); }
static double sine (double x, double a, double b) { return sin (x); }
static double cosine (double x, double a, double b) { return cos (x); }
static double cosine_slope (double x, double a, double b) { return -sin (x); }
static double affine (double x, double a, double b) { return a * x + b; }
static double affine_slope (double x, double a, double b) { return a; }
static double relu (double x, double a, double b) { return x < 0 ? 0 : x; }
static double relu_slope (double x, double a, double b) { return x > 0 ? 1 : x <= 0 ? 0 : x; }

static double
tangent_slope (double x, double a, double b)
{
  double t = tanh (x);
  return 1 - t * t;
}

static double
sigmoid (double x, double a, double b)
{
  return 1 / (1 + exp (-x));
}

static double
sigmoid_slope (double x, double a, double b)
{
  double s = sigmoid (x, 0, 0);
  return s * (1 - s);
}

static double
silu (double x, double a, double b)
{
  return x / (1 + exp (-x));
}

static double
silu_slope (double x, double a, double b)
{
  double s = sigmoid (x, 0, 0);
  return s * (1 + x * (1 - s));
}

static double
gelu_tanh (double x, double a, double b)
{
  return 0.5 * x * (1 + tanh (sqrt_2_over_pi * (x + 0.044715 * x * x * x)));
}

static double
gelu_tanh_slope (double x, double a, double b)
{
  double t = tanh (sqrt_2_over_pi * (x + 0.044715 * x * x * x));
  return 0.5 * (1 + t) + 0.5 * x * (1 - t * t) * sqrt_2_over_pi * (1 + 3 * 0.044715 * x * x);
}

static double
gelu_erf (double x, double a, double b)
{
  return 0.5 * x * (1 + erf (x * sqrt_1_over_2));
}

static double
gelu_erf_slope (double x, double a, double b)
{
  return 0.5 * (1 + erf (x * sqrt_1_over_2)) + x * one_over_sqrt_2_pi * exp (-0.5 * x * x);
}

static double
quick_gelu (double x, double a, double b)
{
  return x / (1 + exp (-1.702 * x));
}

static double
quick_gelu_slope (double x, double a, double b)
{
  double s = sigmoid (1.702 * x, 0, 0);
  return s * (1 + 1.702 * x * (1 - s));
}

static double
clamp (double x, double a, double b)
{
  double raised = x < a ? a : x;
  return raised > b ? b : raised;
}

static double
clamp_slope (double x, double a, double b)
{
  return x < a || x > b ? 0 : 1;
}

static const struct {
  double (*value) (double x, double a, double b);
  double (*slope) (double x, double a, double b);
} functions[FW_FN_N] = {
  [FW_FN_IDENTITY] = { identity, one },
  [FW_FN_NEG] = { negative, minus_one },
  [FW_FN_EXP] = { exponential, exponential },
  [FW_FN_LOG] = { logarithm, reciprocal },
  [FW_FN_SQRT] = { square_root, square_root_slope },
  [FW_FN_SQUARE] = { square, square_slope },
  [FW_FN_ABS] = { magnitude, magnitude_slope },
  [FW_FN_RECIPROCAL] = { reciprocal, reciprocal_slope },
  [FW_FN_TANH] = { tangent, tangent_slope },
  [FW_FN_SIGMOID] = { sigmoid, sigmoid_slope },
  [FW_FN_SILU] = { silu, silu_slope },
  [FW_FN_GELU_TANH] = { gelu_tanh, gelu_tanh_slope },
  [FW_FN_GELU_ERF] = { gelu_erf, gelu_erf_slope },
  [FW_FN_QUICK_GELU] = { quick_gelu, quick_gelu_slope },
  [FW_FN_RELU] = { relu, relu_slope },
  [FW_FN_SIN] = { sine, cosine },
  [FW_FN_COS] = { cosine, cosine_slope },
  [FW_FN_AFFINE] = { affine, affine_slope },
  [FW_FN_CLAMP] = { clamp, clamp_slope },
};

double
fw_ref_function (FwFunction function, double x, double a, double b)
{
  return functions[function].value (x, a, b);
}

double
fw_ref_derivative (FwFunction function, double x, double a, double b)
{
  return functions[function].slope (x, a, b);
}
