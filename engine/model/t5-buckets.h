/* SPDX-License-Identifier: Apache-2.0
 * Relative position buckets of T5: near distances have their own learned bias, far ones share one (text-vae-formats, T5). */
#pragma once
#include <glib.h>

/* The bucket, 0 .. buckets-1, of @relative = key - query in an encoder (keys on both sides). Half of the @buckets are for keys
 * after the query; distances from @max_distance on share the last. @buckets is at least 4, @max_distance above buckets/4. */
int fw_t5_bucket (gint64 relative, int buckets, int max_distance);

/* table[queries, keys] of buckets, to gather the bias of every query and key. */
void fw_t5_bucket_table (int queries, int keys, int buckets, int max_distance, gint32 *table);
