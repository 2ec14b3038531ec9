/* SPDX-License-Identifier: Apache-2.0
 * Asks glibc about its heap. */
#include "engine/memory/heap.h"

#ifdef __GLIBC__
#include <malloc.h>
#endif

gsize
fw_heap_bytes (void)
{
#if defined (__GLIBC__) && __GLIBC_PREREQ (2, 33)
  return mallinfo2 ().uordblks;
#else
  return 0;
#endif
}

void
fw_heap_trim (void)
{
#ifdef __GLIBC__
  malloc_trim (0);
#endif
}
