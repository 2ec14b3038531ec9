/* SPDX-License-Identifier: Apache-2.0
 * Packing of intervals: blocks of memory that are needed from one step to another, into as small a slab as greed finds. */
#pragma once
#include <glib.h>

typedef struct {
  gint32 first, last;  /* steps, inclusive */
  gsize bytes;         /* rounded up to the alignment by fw_pack() */
  gsize offset;        /* the answer */
} FwInterval;

enum { FW_ALIGNMENT = 64 };

/* Sets the offsets so that no two blocks alive at the same step overlap; returns the slab's size. Largest first, each at
 * the lowest gap that fits. */
gsize fw_pack (FwInterval *intervals, guint n);
