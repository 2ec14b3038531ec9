/* SPDX-License-Identifier: Apache-2.0
 * Answers for small inputs, worked out from the formulas of kernels/ops.h outside of this program, in another language or by
 * hand; the reference kernels must give them. */
#include "tests/ops/ops.h"
#include "tests/ops/parallel.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* Contents are in row-major order; NULL for what is absent. */
typedef struct {
  const char *op, *shapes;
  const void *attributes;
  const double *in[5], *out[3];
} Known;

#define FN(function, a, b) &(const FwUnaryAttributes) { FW_FN_##function, a, b }
#define BINARY(function) &(const FwBinaryAttributes) { FW_BINARY_##function }
#define CONV(...) &(const FwConvAttributes) { __VA_ARGS__ }

static const Known known_answers[] = {
  { "unary", "5 -> 5", FN (IDENTITY, 0, 0),
    { (const double[]) { -2, -0.5, 0, 0.75, 3 } }, { (const double[]) { -2, -0.5, 0, 0.75, 3 } } },
  { "unary", "5 -> 5", FN (NEG, 0, 0),
    { (const double[]) { -2, -0.5, 0, 0.75, 3 } }, { (const double[]) { 2, 0.5, 0, -0.75, -3 } } },
  { "unary", "5 -> 5", FN (EXP, 0, 0),
    { (const double[]) { -2, -0.5, 0, 0.75, 3 } }, { (const double[]) { 0.135335283237, 0.606530659713, 1, 2.11700001661,
    20.0855369232 } } },
  { "unary", "4 -> 4", FN (LOG, 0, 0),
    { (const double[]) { 0.25, 1, 2, 9 } }, { (const double[]) { -1.38629436112, 0, 0.69314718056, 2.19722457734 } } },
  { "unary", "4 -> 4", FN (SQRT, 0, 0),
    { (const double[]) { 0.25, 1, 2, 9 } }, { (const double[]) { 0.5, 1, 1.41421356237, 3 } } },
  { "unary", "5 -> 5", FN (SQUARE, 0, 0),
    { (const double[]) { -2, -0.5, 0, 0.75, 3 } }, { (const double[]) { 4, 0.25, 0, 0.5625, 9 } } },
  { "unary", "5 -> 5", FN (ABS, 0, 0),
    { (const double[]) { -2, -0.5, 0, 0.75, 3 } }, { (const double[]) { 2, 0.5, 0, 0.75, 3 } } },
  { "unary", "4 -> 4", FN (RECIPROCAL, 0, 0),
    { (const double[]) { 0.25, 1, 2, 9 } }, { (const double[]) { 4, 1, 0.5, 0.111111111111 } } },
  { "unary", "5 -> 5", FN (TANH, 0, 0),
    { (const double[]) { -2, -0.5, 0, 0.75, 3 } }, { (const double[]) { -0.964027580076, -0.46211715726, 0, 0.635148952387,
    0.995054753687 } } },
  { "unary", "5 -> 5", FN (SIGMOID, 0, 0),
    { (const double[]) { -2, -0.5, 0, 0.75, 3 } }, { (const double[]) { 0.119202922022, 0.377540668798, 0.5, 0.679178699175,
    0.952574126822 } } },
  { "unary", "5 -> 5", FN (SILU, 0, 0),
    { (const double[]) { -2, -0.5, 0, 0.75, 3 } }, { (const double[]) { -0.238405844044, -0.188770334399, 0, 0.509384024382,
    2.85772238047 } } },
  { "unary", "5 -> 5", FN (GELU_TANH, 0, 0),
    { (const double[]) { -2, -0.5, 0, 0.75, 3 } }, { (const double[]) { -0.0454023059122, -0.154285990175, 0, 0.579960555166,
    2.99636260792 } } },
  { "unary", "5 -> 5", FN (GELU_ERF, 0, 0),
    { (const double[]) { -2, -0.5, 0, 0.75, 3 } }, { (const double[]) { -0.0455002638964, -0.154268769363, 0, 0.580029485717,
    2.99595030591 } } },
  { "unary", "5 -> 5", FN (QUICK_GELU, 0, 0),
    { (const double[]) { -2, -0.5, 0, 0.75, 3 } }, { (const double[]) { -0.0643413768558, -0.149611563394, 0, 0.586390057535,
    2.98192869029 } } },
  { "unary", "5 -> 5", FN (RELU, 0, 0),
    { (const double[]) { -2, -0.5, 0, 0.75, 3 } }, { (const double[]) { 0, 0, 0, 0.75, 3 } } },
  { "unary", "5 -> 5", FN (SIN, 0, 0),
    { (const double[]) { -2, -0.5, 0, 0.75, 3 } }, { (const double[]) { -0.909297426826, -0.479425538604, 0, 0.681638760023,
    0.14112000806 } } },
  { "unary", "5 -> 5", FN (COS, 0, 0),
    { (const double[]) { -2, -0.5, 0, 0.75, 3 } }, { (const double[]) { -0.416146836547, 0.87758256189, 1, 0.731688868874,
    -0.9899924966 } } },
  { "unary", "5 -> 5", FN (AFFINE, 1.5, -0.25),
    { (const double[]) { -2, -0.5, 0, 0.75, 3 } }, { (const double[]) { -3.25, -1, -0.25, 0.875, 4.25 } } },
  { "unary", "5 -> 5", FN (CLAMP, -1, 2),
    { (const double[]) { -2, -0.5, 0, 0.75, 3 } }, { (const double[]) { -1, -0.5, 0, 0.75, 2 } } },
  { "binary", "2,2 2,2 -> 2,2", BINARY (ADD),
    { (const double[]) { 1, -2, 3, 8 }, (const double[]) { 2, -4, -1, 5 } }, { (const double[]) { 3, -6, 2, 13 } } },
  { "binary", "2,2 2,2 -> 2,2", BINARY (SUB),
    { (const double[]) { 1, -2, 3, 8 }, (const double[]) { 2, -4, -1, 5 } }, { (const double[]) { -1, 2, 4, 3 } } },
  { "binary", "2,2 2,2 -> 2,2", BINARY (MUL),
    { (const double[]) { 1, -2, 3, 8 }, (const double[]) { 2, -4, -1, 5 } }, { (const double[]) { 2, 8, -3, 40 } } },
  { "binary", "2,2 2,2 -> 2,2", BINARY (DIV),
    { (const double[]) { 1, -2, 3, 8 }, (const double[]) { 2, -4, -1, 5 } }, { (const double[]) { 0.5, 0.5, -3, 1.6 } } },
  { "binary", "2,2 2,2 -> 2,2", BINARY (MAX),
    { (const double[]) { 1, -2, 3, 8 }, (const double[]) { 2, -4, -1, 5 } }, { (const double[]) { 2, -2, 3, 8 } } },
  { "binary", "2,2 2,2 -> 2,2", BINARY (MIN),
    { (const double[]) { 1, -2, 3, 8 }, (const double[]) { 2, -4, -1, 5 } }, { (const double[]) { 1, -4, -1, 5 } } },
  { "gated", "3 3 -> 3", &(const FwGatedAttributes) { FW_FN_RELU },
    { (const double[]) { -1, 2, 3 }, (const double[]) { 5, 6, 7 } }, { (const double[]) { 0, 12, 21 } } },
  { "gate_residual", "2,2 2,2 2,2 -> 2,2", NULL,
    { (const double[]) { 1, 2, 3, 4 }, (const double[]) { 2, 3, 2, 3 }, (const double[]) { 10, 20, 30, 40 } }, { (const
    double[]) { 21, 62, 63, 124 } } },
  { "copy", "2,2 -> 2,2", NULL,
    { (const double[]) { 1, 2, 3, 4 } }, { (const double[]) { 1, 2, 3, 4 } } },
  { "fill", "-> 3", &(const FwFillAttributes) { 2.5 },
    { NULL }, { (const double[]) { 2.5, 2.5, 2.5 } } },
  { "sinusoid", "2 -> 2,5", &(const FwSinusoidAttributes) { 10000 },
    { (const double[]) { 0, 3 } }, { (const double[]) { 1, 1, 0, 0, 0, -0.9899924966, 0.999550033749, 0.14112000806,
    0.0299955002025, 0 } } },
  { "reduce", "2,3 -> 2,1", &(const FwReduceAttributes) { FW_REDUCE_SUM, 2 },
    { (const double[]) { 1, 2, 3, 4, 5, 6 } }, { (const double[]) { 6, 15 } } },
  { "reduce", "2,3 -> 1,3", &(const FwReduceAttributes) { FW_REDUCE_MEAN, 1 },
    { (const double[]) { 1, 2, 3, 4, 5, 6 } }, { (const double[]) { 2.5, 3.5, 4.5 } } },
  { "reduce", "2,2,2 -> 1,2,1", &(const FwReduceAttributes) { FW_REDUCE_SUM, 5 },
    { (const double[]) { 1, 2, 3, 4, 5, 6, 7, 8 } }, { (const double[]) { 14, 22 } } },
  { "softmax", "2,3 -> 2,3", NULL,
    { (const double[]) { 0, 1, 2, -1, -1, 3 } }, { (const double[]) { 0.0900305731704, 0.244728471055, 0.665240955775,
    0.017668422014, 0.017668422014, 0.964663155972 } } },
  { "cross_entropy", "3,3 3 -> 3", NULL,
    { (const double[]) { 0, 1, 2, -1, -1, 3, 5, 5, 5 }, (const double[]) { 1, 0, 3 } }, { (const double[]) { 1.40760596444,
    4.03597629975, 0 } } },
  { "linear", "2,3 2,3 2 - - -> 2,2 2,2", &(const FwLinearAttributes) { FW_FN_IDENTITY, false },
    { (const double[]) { 1, 2, 3, 4, 5, 6 }, (const double[]) { 1, 0, -1, 2, 1, 0 }, (const double[]) { 10, 20 } }, { (const
    double[]) { 8, 24, 8, 33 }, (const double[]) { 8, 24, 8, 33 } } },
  { "linear", "2,3 3,2 2 - - -> 2,2 2,2", &(const FwLinearAttributes) { FW_FN_IDENTITY, true },
    { (const double[]) { 1, 2, 3, 4, 5, 6 }, (const double[]) { 1, 2, 0, 1, -1, 0 }, (const double[]) { 10, 20 } }, { (const
    double[]) { 8, 24, 8, 33 }, (const double[]) { 8, 24, 8, 33 } } },
  { "linear", "2,3 2,3 - 2,2 2,2 -> 2,2 2,2", &(const FwLinearAttributes) { FW_FN_RELU, false },
    { (const double[]) { 1, 2, 3, 4, 5, 6 }, (const double[]) { 1, 0, -1, 2, 1, 0 }, NULL, (const double[]) { 1, 2, 3, 4 },
    (const double[]) { 10, 100, 1000, 0.5 } }, { (const double[]) { 1, 402, 3, 10.5 }, (const double[]) { 0, 1, 0, 1 } } },
  { "linear", "2,3 2,3 - 2,2 - -> 2,2 2,2", &(const FwLinearAttributes) { FW_FN_RELU, false },
    { (const double[]) { 1, 2, 3, 4, 5, 6 }, (const double[]) { 1, 0, -1, 2, 1, 0 }, NULL, (const double[]) { 1, 2, 3, 4 } },
    { (const double[]) { 1, 6, 3, 17 }, (const double[]) { 0, 1, 0, 1 } } },
  { "matmul", "2,3 3,2 -> 2,2", &(const FwMatmulAttributes) { 0.5 },
    { (const double[]) { 1, 2, 3, 4, 5, 6 }, (const double[]) { 1, 2, 3, 4, 5, 6 } }, { (const double[]) { 11, 14, 24.5, 32 }
    } },
  { "attention", "1,1,2,2,2 1,1,3,2,2 1,1,3,2,1 - - -> 1,1,2,2,1 1,1,2,2", &(const FwAttentionAttributes) { 0.5, false },
    { (const double[]) { 1, 0, 0, 1, 1, 1, -1, 2 }, (const double[]) { 1, 1, 0, 1, 2, 0, 1, -1, 0, 2, 1, 1 }, (const double[])
    { 1, 2, 3, 4, 5, 6 } }, { (const double[]) { 2.75825567501, 4, 3, 3.53397407119 }, (const double[]) { 1.68026967064,
    2.09861228867, 1.36199480406, 1.52390905618 } } },
  { "attention", "1,1,2,2,2 1,1,3,2,2 1,1,3,2,1 1,3 2,2,3 -> 1,1,2,2,1 1,1,2,2", &(const FwAttentionAttributes) { 0.5, false },
    { (const double[]) { 1, 0, 0, 1, 1, 1, -1, 2 }, (const double[]) { 1, 1, 0, 1, 2, 0, 1, -1, 0, 2, 1, 1 }, (const double[])
    { 1, 2, 3, 4, 5, 6 }, (const double[]) { 1, 0, 1 }, (const double[]) { 0.5, -1, 0, 1, 0, 2, 0, 0, 1, -1, 1, 0 } }, {
    (const double[]) { 2.07576568548, 4.92423431452, 3.92423431452, 4.48983732481 }, (const double[]) { 1.31326168752,
    3.31326168752, 1.81326168752, 0.97407698418 } } },
  { "attention", "1,1,2,2,2 1,1,3,2,2 1,1,3,2,1 - - -> 1,1,2,2,1 1,1,2,2", &(const FwAttentionAttributes) { 1, true },
    { (const double[]) { 1, 0, 0, 1, 1, 1, -1, 2 }, (const double[]) { 1, 1, 0, 1, 2, 0, 1, -1, 0, 2, 1, 1 }, (const double[])
    { 1, 2, 3, 4, 5, 6 } }, { (const double[]) { 1, 2, 2, 2.01338570185 }, (const double[]) { 1, 2.69314718056, 1,
    2.00671534849 } } },
  { "conv", "1,1,3,3,2 2,2,1,3,3 2 -> 1,1,3,3,2", CONV ({ 1, 1, 1 }, { 0, 1, 1 }, { 0, 1, 1 }, FW_PAD_ZERO, 1),
    { (const double[]) { -5, 2, -2, 5, 1, -3, 4, 0, -4, 3, -1, -5, 2, -2, 5, 1, -3, 4 }, (const double[]) { -3, 2, 0, -2, 3,
    1, -1, -3, 2, 0, -2, 3, 1, -1, -3, 2, 0, -2, 3, 1, -1, -3, 2, 0, -2, 3, 1, -1, -3, 2, 0, -2, 3, 1, -1, -3 }, (const
    double[]) { 10, -10 } }, { (const double[]) { -50, -10, 37, -27, 38, 17, 12, 18, -42, -99, 43, -13, 37, 15, -38, -6, 8,
    -40 } } },
  { "conv", "1,1,4,4,1 1,1,1,3,3 - -> 1,1,2,2,1", CONV ({ 1, 2, 2 }, { 0, 0, 0 }, { 0, 1, 1 }, FW_PAD_ZERO, 1),
    { (const double[]) { -5, 2, -2, 5, 1, -3, 4, 0, -4, 3, -1, -5, 2, -2, 5, 1 }, (const double[]) { -3, 2, 0, -2, 3, 1, -1,
    -3, 2 } }, { (const double[]) { 5, 24, 13, -14 } } },
  { "conv", "1,3,2,2,1 1,1,3,1,1 - -> 1,3,2,2,1", CONV ({ 1, 1, 1 }, { 2, 0, 0 }, { 0, 0, 0 }, FW_PAD_REPEAT_FRONT, 1),
    { (const double[]) { -5, 2, -2, 5, 1, -3, 4, 0, -4, 3, -1, -5 }, (const double[]) { -3, 2, 0 } }, { (const double[]) { 5,
    -2, 2, -5, 5, -2, 2, -5, 17, -12, 14, -15 } } },
  { "conv", "1,5,1,2,1 1,1,3,1,1 - -> 1,3,1,2,1", CONV ({ 2, 1, 1 }, { 1, 0, 0 }, { 1, 0, 0 }, FW_PAD_ZERO, 1),
    { (const double[]) { -5, 2, -2, 5, 1, -3, 4, 0, -4, 3 }, (const double[]) { -3, 2, 0 } }, { (const double[]) { -10, 4, 8,
    -21, -20, 6 } } },
  { "conv", "1,1,2,2,1 2,1,1,3,3 2 -> 1,1,4,4,2", CONV ({ 1, 1, 1 }, { 0, 1, 1 }, { 0, 1, 1 }, FW_PAD_ZERO, 2),
    { (const double[]) { -5, 2, -2, 5 }, (const double[]) { -3, 2, 0, -2, 3, 1, -1, -3, 2, 0, -2, 3, 1, -1, -3, 2, 0, -2 },
    (const double[]) { 1, 2 } }, { (const double[]) { -14, 32, 22, -18, 22, -25, -5, 6, -27, 21, 21, -2, 35, -23, -19, 8, -15,
    9, 27, -11, 41, -32, -16, 8, -11, 8, 6, 6, 41, -15, 1, -8 } } },
  { "resample", "1,1,1,2,2 -> 1,2,2,4,2", &(const FwResampleAttributes) { { 2, 2, 2 } },
    { (const double[]) { 1, 2, 3, 4 } }, { (const double[]) { 1, 2, 1, 2, 3, 4, 3, 4, 1, 2, 1, 2, 3, 4, 3, 4, 1, 2, 1, 2, 3,
    4, 3, 4, 1, 2, 1, 2, 3, 4, 3, 4 } } },
  { "resample", "1,2,1,1,1 -> 1,4,1,3,1", &(const FwResampleAttributes) { { 2, 1, 3 } },
    { (const double[]) { 1, 2 } }, { (const double[]) { 1, 1, 1, 1, 1, 1, 2, 2, 2, 2, 2, 2 } } },
  { "layer_norm", "2,3 - - - - -> 2,3", &(const FwNormAttributes) { 0.5 },
    { (const double[]) { 1, 2, 6, -1, 0, 4 } }, { (const double[]) { -0.879882690128, -0.439941345064, 1.31982403519,
    -0.879882690128, -0.439941345064, 1.31982403519 } } },
  { "layer_norm", "2,3 3 3 - - -> 2,3", &(const FwNormAttributes) { 0.5 },
    { (const double[]) { 1, 2, 6, -1, 0, 4 }, (const double[]) { 2, 3, -1 }, (const double[]) { 0.5, 0, 1 } }, { (const
    double[]) { -1.25976538026, -1.31982403519, -0.319824035192, -1.25976538026, -1.31982403519, -0.319824035192 } } },
  { "layer_norm", "2,3 - - 2,3 2,3 -> 2,3", &(const FwNormAttributes) { 0.5 },
    { (const double[]) { 1, 2, 6, -1, 0, 4 }, NULL, NULL, (const double[]) { 1, 2, 3, 4, 5, 6 }, (const double[]) { 0.5, 0,
    -1, 2, 1, 0.25 } }, { (const double[]) { -0.319824035192, 1.56005865494, 3, 1.36035192962, 4.12011730987, 7.64978004399 }
    } },
  { "rms_norm", "2,3 3 -> 2,3", &(const FwNormAttributes) { 0.5 },
    { (const double[]) { 1, 2, 6, -1, 0, 4 }, (const double[]) { 2, 3, -1 } }, { (const double[]) { 0.531368931324,
    1.59410679397, -1.59410679397, -0.805387266257, 0, -1.61077453251 } } },
  { "group_norm", "2,3,4 4 4 -> 2,3,4", &(const FwGroupNormAttributes) { 0.1, 2, FW_FN_SILU },
    { (const double[]) { -5, 2, -2, 5, 1, -3, 4, 0, -4, 3, -1, -5, 2, -2, 5, 1, -3, 4, 0, -4, 3, -1, -5, 2 }, (const double[])
    { 1, 2, 3, -1 }, (const double[]) { 0, 1, 0.5, -2 } }, { (const double[]) { -0.278464308478, 2.77046112396,
    -0.277312339404, -0.109746427428, 0.419014930122, -0.120502358723, 3.75169402912, -0.242729500575, -0.265798731901,
    3.46141156097, -0.192459758218, -0.189446924724, 0.361227082728, -0.258826375168, 4.9585045232, -0.205788850089,
    -0.278268507033, 3.54966289179, 0.422971451135, -0.258983526204, 0.679399441734, -0.0618872874148, -0.0891214761954,
    -0.177022769616 } } },
  { "embedding", "3,2 4 -> 4,2", NULL,
    { (const double[]) { 1, 2, 3, 4, 5, 6 }, (const double[]) { 2, 0, 3, -1 } }, { (const double[]) { 5, 6, 1, 2, 0, 0, 0, 0 }
    } },
  { "concat", "2,1 2,2 -> 2,3", &(const FwConcatAttributes) { 1 },
    { (const double[]) { 1, 2 }, (const double[]) { 3, 4, 5, 6 } }, { (const double[]) { 1, 3, 4, 2, 5, 6 } } },
  { "pad", "2,2 -> 3,4", &(const FwPadAttributes) { { 0, 1 } },
    { (const double[]) { 1, 2, 3, 4 } }, { (const double[]) { 0, 1, 2, 0, 0, 3, 4, 0, 0, 0, 0, 0 } } },
  { "sum_squares", "2,2 -> 1", NULL,
    { (const double[]) { 1, 2, 3, -4 } }, { (const double[]) { 30 } } },
  { "adamw", "2 2 2 2 4 -> 2 2 2", &(const FwAdamwAttributes) { 0.9, 0.99, 0.01, 0.1 },
    { (const double[]) { 1, -2 }, (const double[]) { 0.5, 0 }, (const double[]) { 0.25, 1 }, (const double[]) { 2, -1 },
    (const double[]) { 0.1, 0.5, 0.25, 0.5 } }, { (const double[]) { 0.882671320307, -1.975006207 }, (const double[]) { 0.55,
    -0.05 }, (const double[]) { 0.2575, 0.9925 } } },
  { "ema", "2 2 1 -> 2", NULL,
    { (const double[]) { 1, 2 }, (const double[]) { 3, -2 }, (const double[]) { 0.75 } }, { (const double[]) { 1.5, 1 } } },
};

static void
check_answer (const Op *op, const Known *known, Tally *counts)
{
  Shapes shapes;
  char complaint[300] = "";
  if (!parse_shapes (known->shapes, &shapes)) {
    tally (counts, "the shapes of a recorded answer cannot be read");
    return;
  }
  TestParallel parallel = parallel_serial ();
  FwKernelCall call = { .attributes = known->attributes, .parallel = &parallel.loop };
  Operand in[FW_MAX_INPUTS] = { 0 }, out[FW_MAX_OUTPUTS] = { 0 };
  static const Shape absent = { .absent = true };
  for (int i = 0; i < FW_MAX_INPUTS; i++) {
    char kind = i < shapes.n_inputs ? op->inputs[3 * i] : '-';
    FwDtype dtype = kind == 'i' ? FW_DTYPE_I64 : kind == 'm' ? FW_DTYPE_U8 : FW_DTYPE_F64;
    in[i] = operand_new (i < shapes.n_inputs ? &shapes.in[i] : &absent, dtype, LAYOUT_DENSE, 'd');
    call.in[i] = in[i].view;
    for (int64_t j = 0; fw_present (&call.in[i]) && j < fw_tensor_count (&call.in[i]); j++)
      set_element (&call.in[i], j, known->in[i][j]);
  }
  for (int i = 0; i < shapes.n_outputs; i++) {
    out[i] = operand_new (&shapes.out[i], FW_DTYPE_F64, LAYOUT_DENSE, 'd');
    call.out[i] = out[i].view;
  }
  Scratch scratch = scratch_new (op->reference, &call);
  op->reference->run (&call);
  scratch_free (&scratch);
  for (int i = 0; i < shapes.n_outputs; i++)
    for (int64_t j = 0; j < fw_tensor_count (&call.out[i]); j++) {
      double got = get_element (&call.out[i], j), want = known->out[i][j];
      if (!(fabs (got - want) <= 1e-11 * fmax (1, fabs (want)))) /* twelve digits are recorded */
        snprintf (complaint, sizeof complaint, "recorded %s [%s]: output %d element %lld is %.12g, not %.12g", op->name,
                  known->shapes, i, (long long) j, got, want);
    }
  tally (counts, complaint);
  for (int i = 0; i < FW_MAX_INPUTS; i++)
    operand_free (&in[i]);
  for (int i = 0; i < FW_MAX_OUTPUTS; i++)
    operand_free (&out[i]);
}

int
check_known (const Op *op, Tally *counts)
{
  int found = 0;
  for (size_t i = 0; i < sizeof known_answers / sizeof known_answers[0]; i++)
    if (strcmp (known_answers[i].op, op->name) == 0) {
      check_answer (op, &known_answers[i], counts);
      found++;
    }
  return found;
}
