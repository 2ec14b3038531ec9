/* SPDX-License-Identifier: Apache-2.0
 * Small dense linear algebra for initial weights. Internal to engine/train. */
#pragma once

/* Inverts the symmetric positive definite @a [n, n] in place, after adding @ridge to its diagonal. */
void fw_invert_definite (double *a, int n, double ridge);
