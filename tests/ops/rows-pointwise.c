/* SPDX-License-Identifier: Apache-2.0
 * Rows for the ops that work element by element. */
#include "tests/ops/ops.h"

#define FN(f, ...) &(const FwUnaryAttributes) { FW_FN_##f, __VA_ARGS__ }
#define BOTH(shape, ...) \
  { "unary", shape " -> " shape, __VA_ARGS__ }, { "unary_grad", shape " " shape " -> " shape, __VA_ARGS__ }
#define BINARY(f) &(const FwBinaryAttributes) { FW_BINARY_##f }
#define GATED(f) &(const FwGatedAttributes) { FW_FN_##f }

extern const OpRow rows_pointwise[];
const OpRow rows_pointwise[] = {
  BOTH ("3,17", FN (IDENTITY, 0), 1, -4, 4),
  BOTH ("65", FN (NEG, 0), 1, -4, 4),
  BOTH ("2,63", FN (EXP, 0), 1, -4, 4),
  BOTH ("2,63", FN (LOG, 0), 1, 0.25, 8),
  BOTH ("2,63", FN (SQRT, 0), 1, 0.25, 8),
  BOTH ("5,1", FN (SQUARE, 0), 1, -4, 4),
  BOTH ("2,3,33", FN (ABS, 0), 1, -4, 4),
  BOTH ("2,65", FN (RECIPROCAL, 0), 1, 0.25, 4),
  BOTH ("2,63", FN (TANH, 0), 1, -4, 4),
  BOTH ("2,63", FN (SIGMOID, 0), 1, -12, 12),
  BOTH ("17,17", FN (SILU, 0), 1, -12, 12),
  BOTH ("17,17", FN (GELU_TANH, 0), 1, -6, 6),
  BOTH ("17,17", FN (GELU_ERF, 0), 1, -6, 6),
  BOTH ("17,17", FN (QUICK_GELU, 0), 1, -6, 6),
  BOTH ("2,65", FN (RELU, 0), 1, -4, 4),
  BOTH ("2,65", FN (SIN, 0), 1, -20, 20),
  BOTH ("2,65", FN (COS, 0), 1, -20, 20),
  BOTH ("2,65", FN (AFFINE, 1.5, -0.25), 1, -4, 4),
  BOTH ("2,65", FN (CLAMP, -1, 2), 1, -4, 4),
  BOTH ("()", FN (SILU, 0), 1, -4, 4),
  BOTH ("0", FN (SILU, 0), 1, -4, 4),
  BOTH ("3,0,5", FN (EXP, 0), 1, -4, 4),
  BOTH ("1", FN (EXP, 0), 1, -4, 4),
  BOTH ("2,1,3,1,2,1,2,3", FN (TANH, 0), 1, -4, 4),
  BOTH ("3,4099", FN (SILU, 0), 1, -4, 4),
  { "unary", "4*,17 -> 4,17", FN (SQUARE, 0), 1 },

  { "binary", "3,17 3,17 -> 3,17", BINARY (ADD), 1 },
  { "binary", "3,65 3*,65 -> 3,65", BINARY (SUB), 1 },
  { "binary", "2,3,33 2*,3,33* -> 2,3,33", BINARY (MUL), 1 },
  { "binary", "3,17* 3*,17 -> 3,17", BINARY (DIV), 1, 0.25, 4 },
  { "binary", "63 63 -> 63", BINARY (MAX), 1 },
  { "binary", "2,5,7 2,5,7 -> 2,5,7", BINARY (MIN), 1 },
  { "binary", "() () -> ()", BINARY (ADD), 1 },
  { "binary", "4,0 4,0 -> 4,0", BINARY (MUL), 1 },
  { "binary", "1,1 1,1 -> 1,1", BINARY (SUB), 1 },
  { "binary", "2,5000 2*,5000 -> 2,5000", BINARY (ADD), 1 },

  { "gated", "3,17 3,17 -> 3,17", GATED (GELU_TANH), 1, -4, 4 },
  { "gated", "2,3,65 2,3,65 -> 2,3,65", GATED (SILU), 1, -4, 4 },
  { "gated", "0,8 0,8 -> 0,8", GATED (SILU), 1 },
  { "gated_grad", "3,17 3,17 3,17 -> 3,17 3,17", GATED (GELU_TANH), 1, -4, 4 },
  { "gated_grad", "2,3,65 2,3,65 2,3,65 -> 2,3,65 2,3,65", GATED (SILU), 1, -4, 4 },
  { "gated_grad", "1 1 1 -> 1 1", GATED (GELU_ERF), 1, -4, 4 },
  { "gated_grad", "0,8 0,8 0,8 -> 0,8 0,8", GATED (SILU), 1 },

  { "gate_residual", "2,5,17 2,5*,17 2,5,17 -> 2,5,17", NULL, 1 },
  { "gate_residual", "2,3,4,33 2,3*,4*,33 2,3,4,33 -> 2,3,4,33", NULL, 1 },
  { "gate_residual", "3,65 3,65 3,65 -> 3,65", NULL, 1 },
  { "gate_residual", "1,1 1,1 1,1 -> 1,1", NULL, 1 },
  { "gate_residual", "0,4 0*,4 0,4 -> 0,4", NULL, 1 },
  { "gate_residual_grad", "2,5*,17 2,5,17 2,5,17 -> 2,5,17 2,1,17", NULL, 5 },
  { "gate_residual_grad", "2,3*,4*,33 2,3,4,33 2,3,4,33 -> 2,3,4,33 2,1,1,33", NULL, 12 },
  { "gate_residual_grad", "2*,3,17 2,3,17 2,3,17 -> 2,3,17 1,3,17", NULL, 2 },
  { "gate_residual_grad", "3,65 3,65 3,65 -> 3,65 3,65", NULL, 1 },
  { "gate_residual_grad", "2,100*,65 2,100,65 2,100,65 -> 2,100,65 2,1,65", NULL, 100 },
  { "gate_residual_grad", "3*,17* 3,17 3,17 -> 3,17 1,1", NULL, 51 },
  { "gate_residual_grad", "2,0*,5 2,0,5 2,0,5 -> 2,0,5 2,1,5", NULL, 1 },

  { "copy", "3,17 -> 3,17", NULL, 1 },
  { "copy", "2,3,4,5,65 -> 2,3,4,5,65", NULL, 1 },
  { "copy", "4*,33 -> 4,33", NULL, 1 },
  { "copy", "7,63* -> 7,63", NULL, 1 },
  { "copy", "() -> ()", NULL, 1 },
  { "copy", "0,3 -> 0,3", NULL, 1 },
  { "copy", "2,1,3,1,2,1,2,3 -> 2,1,3,1,2,1,2,3", NULL, 1, -1e-3, 1e-3 },
  { "copy", "3,5000 -> 3,5000", NULL, 1, -1e5, 1e4 },

  { "fill", "-> 3,17", &(const FwFillAttributes) { 0.1 }, 1 },
  { "fill", "-> ()", &(const FwFillAttributes) { -2 }, 1 },
  { "fill", "-> 2,0", &(const FwFillAttributes) { 1 }, 1 },
  { "fill", "-> 4,2100", &(const FwFillAttributes) { 0 }, 1 },

  { "sinusoid", "3 -> 3,8", &(const FwSinusoidAttributes) { 10000 }, 1, 0, 1000 },
  { "sinusoid", "5 -> 5,66", &(const FwSinusoidAttributes) { 10000 }, 1, 0, 1000 },
  { "sinusoid", "2 -> 2,9", &(const FwSinusoidAttributes) { 100 }, 1, 0, 10 },
  { "sinusoid", "0 -> 0,8", &(const FwSinusoidAttributes) { 10000 }, 1, 0, 1 },
  { "sinusoid", "1 -> 1,2", &(const FwSinusoidAttributes) { 10000 }, 1, 0, 1 },
  { NULL },
};
