/* SPDX-License-Identifier: Apache-2.0
 * Counting the allocations of a stretch of code by standing in for malloc; to be included by one file of a program. Where a
 * sanitizer does the same, nothing is counted. */
#pragma once
#include <stdatomic.h>
#include <stdlib.h>

#if defined (__has_feature)
#define COUNT_CLANG_SANITIZER (__has_feature (address_sanitizer) || __has_feature (thread_sanitizer))
#else
#define COUNT_CLANG_SANITIZER 0
#endif
#if COUNT_CLANG_SANITIZER || defined (__SANITIZE_ADDRESS__) || defined (__SANITIZE_THREAD__) || !defined (__GLIBC__)
#define COUNTS_ALLOCATIONS 0
#else
#define COUNTS_ALLOCATIONS 1
#endif

static atomic_bool counting;
static atomic_uint counted;

static inline void
count_begin (void)
{
  atomic_store (&counted, 0);
  atomic_store (&counting, 1);
}

/* How many there were since count_begin(), on all threads. */
static inline unsigned
count_end (void)
{
  atomic_store (&counting, 0);
  return atomic_load (&counted);
}

#if COUNTS_ALLOCATIONS
extern void *__libc_malloc (size_t size);
extern void *__libc_calloc (size_t n, size_t size);
extern void *__libc_realloc (void *memory, size_t size);
extern void *__libc_memalign (size_t alignment, size_t size);

static void
count_one (void)
{
  if (atomic_load_explicit (&counting, memory_order_relaxed))
    atomic_fetch_add (&counted, 1);
}

void *
malloc (size_t size)
{
  count_one ();
  return __libc_malloc (size);
}

void *
calloc (size_t n, size_t size)
{
  count_one ();
  return __libc_calloc (n, size);
}

void *
realloc (void *memory, size_t size)
{
  count_one ();
  return __libc_realloc (memory, size);
}

void *
aligned_alloc (size_t alignment, size_t size)
{
  count_one ();
  return __libc_memalign (alignment, size);
}

int
posix_memalign (void **memory, size_t alignment, size_t size)
{
  count_one ();
  *memory = __libc_memalign (alignment, size);
  return *memory != NULL ? 0 : 12;
}
#endif
