/* SPDX-License-Identifier: Apache-2.0
 * Rows for the matrix products. */
#include "tests/ops/ops.h"

#define LINEAR(function, transposed) &(const FwLinearAttributes) { FW_FN_##function, transposed }
#define ALPHA(alpha) &(const FwMatmulAttributes) { alpha }

extern const OpRow rows_matmul[];
const OpRow rows_matmul[] = {
  { "linear", "3,17 5,17 - - - -> 3,5 3,5", LINEAR (IDENTITY, false), 17 },
  { "linear", "7,33 65,33 65 - - -> 7,65 7,65", LINEAR (IDENTITY, false), 33 },
  { "linear", "7,33 33,65 65 - - -> 7,65 7,65", LINEAR (IDENTITY, true), 33 },
  { "linear", "33,64 64,64 64 - - -> 33,64 33,64", LINEAR (GELU_TANH, false), 64 },
  { "linear", "2,3,63 17,63 17 - - -> 2,3,17 2,3,17", LINEAR (SILU, false), 63 },
  { "linear", "2,5,48 32,48 32 2,5,32 2,5*,32 -> 2,5,32 2,5,32", LINEAR (IDENTITY, false), 48 },
  { "linear", "2,5,48 32,48 32 2,5,32 - -> 2,5,32 2,5,32", LINEAR (IDENTITY, false), 48 },
  { "linear", "2,5,17 17,33 - 2,5,33 2,5*,33 -> 2,5,33 2,5,33", LINEAR (GELU_ERF, true), 17 },
  { "linear", "65,128 96,128 96 - - -> 65,96 65,96", LINEAR (IDENTITY, false), 128 },
  { "linear", "130,257 63,257 63 130,63 130,63 -> 130,63 130,63", LINEAR (IDENTITY, false), 257 },
  { "linear", "2,15,1100 64,1100 64 2,15,64 - -> 2,15,64 -", LINEAR (IDENTITY, false), 1100 },
  { "linear", "3,64 32,64 - 3,32 - -> 3,32 -", LINEAR (IDENTITY, false), 64 },
  { "linear", "65,128 96,128 96 - - -> 65,96 -", LINEAR (IDENTITY, false), 128 },
  { "linear", "2,15,1100 64,1100 - - - -> 2,15,64 -", LINEAR (IDENTITY, false), 1100 },
  { "linear", "33*,64 64,96 96 - - -> 33,96 -", LINEAR (IDENTITY, true), 64 },
  { "linear", "3,5,64 32,64 32 - - -> 3,5,32 -", LINEAR (IDENTITY, false), 64 },
  { "linear", "2,15,64 96,64 96 - 2,15,96 -> 2,15,96 -", LINEAR (IDENTITY, false), 64 }, /* a gate without a residual */
  { "linear", "2,15,64 96,64 - - 2,15,96 -> 2,15,96 -", LINEAR (IDENTITY, false), 64 },
  { "linear", "33,1100 64,1100 - - 33,64 -> 33,64 -", LINEAR (IDENTITY, false), 1100 },
  { "linear", "2,15,1100 1100,32 - - 2,15*,32 -> 2,15,32 -", LINEAR (IDENTITY, true), 1100 },
  { "linear", "2,5,48 32,48 32 - 2,5*,32 -> 2,5,32 2,5,32", LINEAR (SILU, false), 48 },
  { "linear", "2,15,64 96,64 96 2,15,96 2,15*,96 -> 2,15,96 2,15,96 2,15,96", LINEAR (IDENTITY, false), 64 }, /* y twice */
  { "linear", "3,64 32,64 - 3,32 - -> 3,32 - 3,32", LINEAR (IDENTITY, false), 64 },
  { "linear", "3,64 32,64 32 - - -> 3,32 3,32 3,32", LINEAR (GELU_TANH, false), 64 },
  { "linear", "1,1 1,1 1 - - -> 1,1 1,1", LINEAR (IDENTITY, false), 1 },
  { "linear", "17 3,17 3 - - -> 3 3", LINEAR (IDENTITY, false), 17 },
  { "linear", "0,17 3,17 3 - - -> 0,3 0,3", LINEAR (IDENTITY, false), 17 },
  { "linear", "4,0 3,0 3 - - -> 4,3 4,3", LINEAR (IDENTITY, false), 1 },
  { "linear", "4*,17 3,17 3 - - -> 4,3 4,3", LINEAR (RELU, false), 17 },

  { "linear_grad_weight", "3,17 3,5 -> 5,17 5", NULL, 3 },
  { "linear_grad_weight", "2,33,64 2,33,48 -> 48,64 48", NULL, 66 },
  { "linear_grad_weight", "300,33 300,65 -> 65,33 65", NULL, 300 },
  { "linear_grad_weight", "1100,270 1100,17 -> 17,270 17", NULL, 1100 },
  { "linear_grad_weight", "1100,17 1100,270 -> 270,17 270", NULL, 1100 },
  { "linear_grad_weight", "2,700,288 2,700,40 -> 40,288 40", NULL, 1400 }, /* several blocks of columns, segments, depths */
  { "linear_grad_weight", "34,32 34,1300 -> 1300,32 1300", NULL, 34 }, /* so many rows that columns are packed ahead */
  { "linear_grad_weight", "70,1 70,1 -> 1,1 1", NULL, 70 },
  { "linear_grad_weight", "17 3 -> 3,17 3", NULL, 1 },
  { "linear_grad_weight", "0,5 0,3 -> 3,5 3", NULL, 1 },

  { "matmul", "3,17 17,5 -> 3,5", ALPHA (1), 17 },
  { "matmul", "2,3,33,65 2,3,65,17 -> 2,3,33,17", ALPHA (0.125), 65 },
  { "matmul", "2,7,16 2*,16,9 -> 2,7,9", ALPHA (1), 16 },
  { "matmul", "64,64 64,64 -> 64,64", ALPHA (2), 64 },
  { "matmul", "1,1 1,63 -> 1,63", ALPHA (1), 1 },
  { "matmul", "5,130,200 5,200,33 -> 5,130,33", ALPHA (1), 200 },
  { "matmul", "3,0 0,4 -> 3,4", ALPHA (1), 1 },
  { "matmul", "0,3 3,4 -> 0,4", ALPHA (1), 3 },
  { NULL },
};
