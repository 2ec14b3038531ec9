/* SPDX-License-Identifier: Apache-2.0
 * The kernel sources of this folder are compiled once per instruction set, each time with another FW_ISA_NAME, which
 * FW_ISA() appends to every symbol that is seen outside its file. Sets that differ only in their matrix products share all
 * other files: FW_ROWS() names the symbols of those, by FW_ROWS_NAME. */
#pragma once
#include "kernels/cpu/cpu.h"

#define FW_PASTE_TOKENS(a, b) a##_##b
#define FW_PASTE(a, b) FW_PASTE_TOKENS (a, b)
#define FW_ISA(name) FW_PASTE (name, FW_ISA_NAME)
#ifndef FW_ROWS_NAME
#define FW_ROWS_NAME FW_ISA_NAME
#endif
#define FW_ROWS(name) FW_PASTE (name, FW_ROWS_NAME)

#define FW_ALWAYS_INLINE inline __attribute__ ((always_inline))
#define FW_MIN(a, b) ((a) < (b) ? (a) : (b))
#define FW_MAX(a, b) ((a) > (b) ? (a) : (b))

/* The room that begins @bytes into @scratch, which is NULL where only sizes are asked for: no pointer may be moved then. */
static FW_ALWAYS_INLINE void *
fw_room_at (const void *scratch, int64_t bytes)
{
  return (void *) ((uintptr_t) scratch + (uintptr_t) bytes);
}

/* @count / @unit, rounded up. */
static FW_ALWAYS_INLINE int64_t
fw_ceil_div (int64_t count, int64_t unit)
{
  return (count + unit - 1) / unit;
}

/* @value rounded up to a multiple of @unit. */
static FW_ALWAYS_INLINE int64_t
fw_round_up (int64_t value, int64_t unit)
{
  return fw_ceil_div (value, unit) * unit;
}

/* Ask for @bytes from @from on to be in the first-level cache soon, or for @count elements of a tensor from element @offset on to be
 * in the second-level cache, to be read or to be written: stores that miss the cache wait as long as loads do. The empty
 * assembly keeps compilers from thinking that a function which does nothing else can be left out. */
#define FW_FETCH(from, bytes, write, near) \
  do { \
    const char *at = (const char *) (from), *past = at + (bytes); \
    for (at -= (uintptr_t) at % 64; at < past; at += 64) \
      __builtin_prefetch (at, write, near); \
    __asm__ volatile (""); \
  } while (0)

static FW_ALWAYS_INLINE void
fw_fetch_bytes (const void *from, int64_t bytes)
{
  FW_FETCH (from, bytes, 0, 3);
}

static FW_ALWAYS_INLINE void
fw_fetch (const FwTensor *tensor, int64_t offset, int64_t count)
{
  const int64_t size = tensor->dtype == FW_DTYPE_BF16 ? 2 : 4;
  FW_FETCH ((const char *) tensor->data + offset * size, count * size, 0, 2);
}

static FW_ALWAYS_INLINE void
fw_fetch_to_write (const FwTensor *tensor, int64_t offset, int64_t count)
{
  const int64_t size = tensor->dtype == FW_DTYPE_BF16 ? 2 : 4;
  FW_FETCH ((const char *) tensor->data + offset * size, count * size, 1, 2);
}
