/* SPDX-License-Identifier: Apache-2.0
 * Greedy packing of intervals, largest first. */
#include "engine/plan/pack.h"

static gint
by_bytes (gconstpointer a, gconstpointer b)
{
  const FwInterval *first = *(FwInterval *const *) a, *second = *(FwInterval *const *) b;
  if (first->bytes != second->bytes)
    return first->bytes > second->bytes ? -1 : 1;
  return first->first - second->first;
}

static gint
by_offset (gconstpointer a, gconstpointer b)
{
  const FwInterval *first = *(FwInterval *const *) a, *second = *(FwInterval *const *) b;
  return first->offset < second->offset ? -1 : first->offset > second->offset;
}

gsize
fw_pack (FwInterval *intervals, guint n)
{
  g_autoptr (GPtrArray) order = g_ptr_array_sized_new (n), rivals = g_ptr_array_new ();
  gsize slab = 0;
  for (guint i = 0; i < n; i++) {
    intervals[i].bytes = (intervals[i].bytes + FW_ALIGNMENT - 1) & ~(gsize) (FW_ALIGNMENT - 1);
    g_ptr_array_add (order, &intervals[i]);
  }
  g_ptr_array_sort (order, by_bytes);
  for (guint i = 0; i < n; i++) {
    FwInterval *block = g_ptr_array_index (order, i);
    g_ptr_array_set_size (rivals, 0);
    for (guint j = 0; j < i; j++) {
      FwInterval *placed = g_ptr_array_index (order, j);
      if (placed->first <= block->last && block->first <= placed->last)
        g_ptr_array_add (rivals, placed);
    }
    g_ptr_array_sort (rivals, by_offset);
    gsize offset = 0;
    for (guint j = 0; j < rivals->len; j++) {
      const FwInterval *rival = g_ptr_array_index (rivals, j);
      if (offset + block->bytes <= rival->offset)
        break;
      offset = MAX (offset, rival->offset + rival->bytes);
    }
    block->offset = offset;
    slab = MAX (slab, offset + block->bytes);
  }
  return slab;
}
