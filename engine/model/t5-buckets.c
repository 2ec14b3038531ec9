/* SPDX-License-Identifier: Apache-2.0
 * Relative position buckets of T5. */
#include "engine/model/t5-buckets.h"

#include <math.h>

/* The logarithms are float32, as in the original: at the boundaries between buckets double would decide otherwise. */
int
fw_t5_bucket (gint64 relative, int buckets, int max_distance)
{
  int half = buckets / 2, exact = half / 2, first = relative > 0 ? half : 0;
  gint64 distance = ABS (relative);
  if (distance < exact)
    return first + (int) distance;
  float position = logf ((float) distance / (float) exact) / (float) log ((double) max_distance / exact) * (float) (half - exact);
  return first + (position < (float) (half - 1 - exact) ? exact + (int) position : half - 1);
}

void
fw_t5_bucket_table (int queries, int keys, int buckets, int max_distance, gint32 *table)
{
  for (int query = 0; query < queries; query++)
    for (int key = 0; key < keys; key++)
      table[(gsize) query * keys + key] = fw_t5_bucket (key - query, buckets, max_distance);
}
