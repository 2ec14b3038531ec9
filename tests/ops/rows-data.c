/* SPDX-License-Identifier: Apache-2.0
 * Rows for moving data. */
#include "tests/ops/ops.h"

#define AXIS(axis) &(const FwConcatAttributes) { axis }
#define BEFORE(...) &(const FwPadAttributes) { { __VA_ARGS__ } }

extern const OpRow rows_data[];
const OpRow rows_data[] = {
  { "embedding", "11,17 5 -> 5,17", NULL, 1 },
  { "embedding", "100,65 3,7 -> 3,7,65", NULL, 1 },
  { "embedding", "7,1 () -> 1", NULL, 1 },
  { "embedding", "7,33 0 -> 0,33", NULL, 1 },
  { "embedding", "0,4 3 -> 3,4", NULL, 1 },
  { "embedding_grad", "5 5,17 -> 11,17", NULL, 5 },
  { "embedding_grad", "3,70 3,70,33 -> 4,33", NULL, 53 },
  { "embedding_grad", "0 0,9 -> 3,9", NULL, 1 },

  { "concat", "2,3,5 2,4,5 -> 2,7,5", AXIS (1), 1 },
  { "concat", "3,17 1,17 2,17 -> 6,17", AXIS (0), 1 },
  { "concat", "3,1 3,63 3,0 3,3 -> 3,67", AXIS (1), 1 },
  { "concat", "2*,5 2,65 -> 2,70", AXIS (1), 1 },
  { "concat", "2 3 4 1 1 1 1 1 1 5 -> 20", AXIS (0), 1 },
  { "concat", "2,3,4,5 - 2,3,4,5 -> 4,3,4,5", AXIS (0), 1 },
  { "concat", "7,3 -> 7,3", AXIS (0), 1 },

  { "pad", "3,17 -> 5,20", BEFORE (1, 2), 1 },
  { "pad", "2,3,4,65 -> 2,4,4,65", BEFORE (0, 1, 0, 0), 1 },
  { "pad", "5 -> 5", BEFORE (0), 1 },
  { "pad", "0,3 -> 2,3", BEFORE (1, 0), 1 },
  { "pad", "1,1 -> 1,33", BEFORE (0, 32), 1 },
  { NULL },
};
