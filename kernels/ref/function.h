/* SPDX-License-Identifier: Apache-2.0
 * The functions of one variable and their derivatives, in double. */
#pragma once
#include "kernels/ops.h"

/* @function of @x; @a and @b are the parameters of FW_FN_AFFINE and FW_FN_CLAMP, unused by the others. Thread safe. */
double fw_ref_function (FwFunction function, double x, double a, double b);
/* Its derivative at @x. */
double fw_ref_derivative (FwFunction function, double x, double a, double b);
