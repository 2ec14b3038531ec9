/* SPDX-License-Identifier: Apache-2.0
 * Rows for sums, softmax and cross entropy. */
#include "tests/ops/ops.h"

#define SUM(axes) &(const FwReduceAttributes) { FW_REDUCE_SUM, axes }
#define MEAN(axes) &(const FwReduceAttributes) { FW_REDUCE_MEAN, axes }

extern const OpRow rows_reduce[];
const OpRow rows_reduce[] = {
  { "reduce", "3,17 -> 3,1", SUM (2), 17 },
  { "reduce", "3,17 -> 1,17", SUM (1), 3 },
  { "reduce", "3,17 -> 1,1", MEAN (3), 51 },
  { "reduce", "2,5,65 -> 2,1,65", MEAN (2), 5 },
  { "reduce", "4,3,5,33 -> 1,3,1,33", SUM (5), 20 },
  { "reduce", "4,3,5,33 -> 4,1,5,1", SUM (10), 99 },
  { "reduce", "70,3,63 -> 1,1,63", SUM (3), 210 },
  { "reduce", "5,2003 -> 5,1", MEAN (2), 2003 },
  { "reduce", "4*,9 -> 1,9", SUM (1), 4 },
  { "reduce", "7 -> 7", SUM (0), 1 },
  { "reduce", "() -> ()", SUM (0), 1 },
  { "reduce", "0,4 -> 1,4", SUM (1), 1 },
  { "reduce", "0,4 -> 0,1", SUM (2), 1 },
  { "reduce", "2,1,3,1,2,1,2,3 -> 2,1,1,1,2,1,1,3", SUM (68), 6 },

  { "softmax", "3,17 -> 3,17", NULL, 17, -4, 4 },
  { "softmax", "2,3,65 -> 2,3,65", NULL, 65, -4, 4 },
  { "softmax", "5,1 -> 5,1", NULL, 1 },
  { "softmax", "63 -> 63", NULL, 63, -30, 30 },
  { "softmax", "2,1000 -> 2,1000", NULL, 1000, 80, 100 },
  { "softmax", "0,5 -> 0,5", NULL, 1 },
  { "softmax_grad", "3,17 3,17 -> 3,17", NULL, 17 },
  { "softmax_grad", "2,3,65 2,3,65 -> 2,3,65", NULL, 65 },
  { "softmax_grad", "5,1 5,1 -> 5,1", NULL, 1 },
  { "softmax_grad", "0,5 0,5 -> 0,5", NULL, 1 },

  { "cross_entropy", "7,17 7 -> 7", NULL, 17, -4, 4 },
  { "cross_entropy", "6,1 6 -> 6", NULL, 1 },
  { "cross_entropy", "3,1000 3 -> 3", NULL, 1000, 80, 100 },
  { "cross_entropy", "0,5 0 -> 0", NULL, 1 },
  { "cross_entropy_grad", "7,17 7 7 -> 7,17", NULL, 17, -4, 4 },
  { "cross_entropy_grad", "6,1 6 6 -> 6,1", NULL, 1 },
  { "cross_entropy_grad", "3,65 3 3* -> 3,65", NULL, 65, -4, 4 },
  { "cross_entropy_grad", "0,5 0 0 -> 0,5", NULL, 1 },
  { NULL },
};
