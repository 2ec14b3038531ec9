/* SPDX-License-Identifier: Apache-2.0
 * Large allocations straight from the kernel, so that freed memory leaves the process at once. */
#include "engine/memory/block.h"

#include <errno.h>
#include <stdatomic.h>
#include <sys/mman.h>

enum { HUGE_PAGE = 2 << 20 };

static atomic_size_t total, peak;
static atomic_uint failing_in;

void
fw_block_fail_after (guint nth)
{
  atomic_store (&failing_in, nth);
}

/* Counts down to 1 and stays there: from the nth call on every call fails. */
static gboolean
made_to_fail (void)
{
  guint left = atomic_load (&failing_in);
  if (left == 0)
    return FALSE;
  if (left > 1)
    atomic_store (&failing_in, left - 1);
  return left == 1;
}

static void
account (gsize size)
{
  gsize now = atomic_fetch_add (&total, size) + size, before = atomic_load (&peak);
  while (now > before && !atomic_compare_exchange_weak (&peak, &before, now))
    continue;
}

gpointer
fw_block_new (gsize size, const char *purpose, GError **error)
{
  size = MAX (size, 1);
  /* large blocks are mapped with room to align, and the surplus is given back */
  gsize slack = size >= HUGE_PAGE ? HUGE_PAGE : 0;
  char *memory = made_to_fail () || size > G_MAXSIZE / 2 ? MAP_FAILED
                                                        : mmap (NULL, size + slack, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) {
    g_autofree char *text = g_format_size_full (size, G_FORMAT_SIZE_IEC_UNITS);
    g_set_error (error, FW_ERROR, FW_ERROR_MEMORY, "Not enough memory: %s could not be had for %s; close other programs or choose a smaller size",
                 text, purpose);
    return NULL;
  }
  if (slack > 0) {
    gsize page = 4096, used = (size + page - 1) & ~(page - 1);
    char *aligned = (char *) (((guintptr) memory + HUGE_PAGE - 1) & ~(guintptr) (HUGE_PAGE - 1));
    if (aligned > memory)
      munmap (memory, aligned - memory);
    gsize tail = (memory + ((size + slack + page - 1) & ~(page - 1))) - (aligned + used);
    if (tail > 0)
      munmap (aligned + used, tail);
    memory = aligned;
    madvise (memory, size, MADV_HUGEPAGE);
  }
  account (size);
  return memory;
}

void
fw_block_free (gpointer block, gsize size)
{
  if (block == NULL)
    return;
  size = MAX (size, 1);
  munmap (block, size);
  atomic_fetch_sub (&total, size);
}

gsize
fw_block_total (void)
{
  return atomic_load (&total);
}

gsize
fw_block_peak (void)
{
  return atomic_load (&peak);
}
