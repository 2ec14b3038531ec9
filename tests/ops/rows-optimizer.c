/* SPDX-License-Identifier: Apache-2.0
 * Rows for the optimiser. */
#include "tests/ops/ops.h"

#define ADAMW(decay) &(const FwAdamwAttributes) { 0.9, 0.999, 1e-8, decay }

extern const OpRow rows_optimizer[];
const OpRow rows_optimizer[] = {
  { "sum_squares", "1 -> 1", NULL, 1 },
  { "sum_squares", "17 -> 1", NULL, 17 },
  { "sum_squares", "3,65 -> 1", NULL, 195 },
  { "sum_squares", "20000 -> 1", NULL, 1 }, /* sums in f64 */
  { "sum_squares", "0 -> 1", NULL, 1 },
  { "adamw", "1 1 1 1 4 -> 1 1 1", ADAMW (0), 1 },
  { "adamw", "63 63 63 63 4 -> 63 63 63", ADAMW (0.01), 1 },
  { "adamw", "3001 3001 3001 3001 4 -> 3001 3001 3001", ADAMW (0.1), 1 },
  { "adamw", "0 0 0 0 4 -> 0 0 0", ADAMW (0.01), 1 },
  { "ema", "1 1 1 -> 1", NULL, 1 },
  { "ema", "65 65 1 -> 65", NULL, 1 },
  { "ema", "3001 3001 1 -> 3001", NULL, 1 },
  { "ema", "0 0 1 -> 0", NULL, 1 },
  { NULL },
};
