/* SPDX-License-Identifier: Apache-2.0
 * Inversion by Gauss-Jordan elimination; definite matrices need no pivots. */
#include "engine/train/solve.h"

void
fw_invert_definite (double *a, int n, double ridge)
{
  for (int i = 0; i < n; i++)
    a[i * n + i] += ridge;
  for (int k = 0; k < n; k++) {
    double pivot = 1 / a[k * n + k];
    a[k * n + k] = 1;
    for (int j = 0; j < n; j++)
      a[k * n + j] *= pivot;
    for (int i = 0; i < n; i++) {
      if (i == k)
        continue;
      double factor = a[i * n + k];
      a[i * n + k] = 0;
      for (int j = 0; j < n; j++)
        a[i * n + j] -= factor * a[k * n + j];
    }
  }
}
