/* SPDX-License-Identifier: Apache-2.0
 * The parallel walk in runs. */
#include "kernels/cpu/walk.h"

enum { ELEMENTS_PER_RANGE = 1 << 16 };

static void
walk_range (void *context, int64_t begin, int64_t end, int worker)
{
  const FwWalk *walk = context;
  const FwRows *rows = &walk->rows;
  FwCursor cursor;
  int64_t run = begin % walk->runs_per_row;
  fw_rows_seek (rows, begin / walk->runs_per_row, &cursor);
  for (int64_t item = begin; item < end; item++) {
    int64_t start = run * FW_RUN, offset[FW_MAX_WALKED];
    for (int t = 0; t < rows->tensors; t++)
      offset[t] = cursor.offset[t] + start * rows->step[t];
    walk->run (walk, offset, FW_MIN (rows->length - start, FW_RUN));
    if (++run == walk->runs_per_row) {
      run = 0;
      fw_rows_next (rows, &cursor);
    }
  }
}

void
fw_walk (FwWalk *walk, int count, const FwTensor *const *tensors)
{
  fw_rows_init (&walk->rows, count, tensors, true);
  if (walk->rows.rows == 0)
    return;
  walk->runs_per_row = fw_ceil_div (walk->rows.length, FW_RUN);
  int64_t grain = FW_MAX (1, ELEMENTS_PER_RANGE / FW_MIN (walk->rows.length, FW_RUN));
  walk->call->parallel->run (walk->call->parallel, walk->rows.rows * walk->runs_per_row, grain, walk_range, walk);
}
