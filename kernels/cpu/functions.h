/* SPDX-License-Identifier: Apache-2.0
 * The functions of one variable (FwFunction) over arrays of floats, and their derivatives. */
#pragma once
#include "kernels/cpu/isa.h"

#define fw_functions FW_ROWS (fw_functions)

typedef struct {
  /* y[i] = fn(x[i]); x and y may be the same. NULL where fn is the identity. */
  void (*apply) (const float *x, float *y, int64_t count, float a, float b);
  /* y[i] = fn(x[i] + bias[i]), and slope[i] = fn' of the same; bias and slope may be NULL. NULL where apply is. */
  void (*apply_to_sum) (const float *x, const float *bias, uint16_t *slope, uint16_t *y, int64_t count);
  /* dx[i] = dy[i] * fn'(x[i]); any of them may be the same. */
  void (*derive) (const float *x, const float *dy, float *dx, int64_t count, float a, float b);
  void (*derive_bf16) (const uint16_t *x, const uint16_t *dy, uint16_t *dx, int64_t count, float a, float b);
} FwFunctionKernel;

extern const FwFunctionKernel fw_functions[FW_FN_N];
