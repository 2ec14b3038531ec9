/* SPDX-License-Identifier: Apache-2.0
 * Which kernel sets this processor and operating system allow. Decided by feature bits alone, never by model numbers,
 * which virtual machines mask. */
#include "kernels/cpu/cpu.h"

#include <string.h>

static const FwCpuPath path_ref = { .name = "ref" };

#ifdef __x86_64__
#include <cpuid.h>
#include <immintrin.h>
#include <sys/syscall.h>
#include <unistd.h>

extern const FwCpuPath fw_cpu_path_avx2, fw_cpu_path_avx512, fw_cpu_path_avx512bf16, fw_cpu_path_amx;

enum { REQUEST_STATE_PERMISSION = 0x1023, STATE_TILE_DATA = 18 }; /* arch_prctl: ARCH_REQ_XCOMP_PERM, XFEATURE_XTILEDATA */

typedef struct {
  bool avx2, avx512, avx512_bf16, amx;
} Features;

static uint64_t
enabled_state (void)
{
  uint32_t low, high;
  __asm__ volatile ("xgetbv" : "=a" (low), "=d" (high) : "c" (0));
  return (uint64_t) high << 32 | low;
}

static bool
has_bits (uint64_t value, uint64_t bits)
{
  return (value & bits) == bits;
}

static Features
detect_features (void)
{
  Features found = { 0 };
  unsigned a, b, c, d, subleaves;
  if (!__get_cpuid (1, &a, &b, &c, &d) || !has_bits (c, 1u << 27 | 1u << 28 | 1u << 12)) /* OSXSAVE, AVX, FMA */
    return found;
  uint64_t state = enabled_state ();
  if (!has_bits (state, 0x6) || !__get_cpuid_count (7, 0, &subleaves, &b, &c, &d)) /* XMM and YMM */
    return found;
  found.avx2 = has_bits (b, 1u << 5);
  found.avx512 = found.avx2 && has_bits (state, 0xe6) && has_bits (b, 1u << 16 | 1u << 17 | 1u << 30 | 1u << 31); /* F DQ BW VL */
  bool tiles = has_bits (d, 1u << 22 | 1u << 24); /* AMX-BF16, AMX-TILE */
  unsigned a1 = 0, b1, c1, d1;
  if (subleaves >= 1)
    __get_cpuid_count (7, 1, &a1, &b1, &c1, &d1);
  found.avx512_bf16 = found.avx512 && has_bits (a1, 1u << 5);
  found.amx = found.avx512_bf16 && tiles && has_bits (state, 3u << 17)
              && syscall (SYS_arch_prctl, REQUEST_STATE_PERMISSION, STATE_TILE_DATA) == 0;
  return found;
}

const FwCpuPath *const *
fw_cpu_paths (void)
{
  /* every set of paths a processor can have, so that the answer needs no memory of its own */
  static const FwCpuPath *const with_amx[] = { &fw_cpu_path_amx, &fw_cpu_path_avx512bf16, &fw_cpu_path_avx2, &path_ref, NULL };
  static const FwCpuPath *const with_avx512_bf16[] = { &fw_cpu_path_avx512bf16, &fw_cpu_path_avx2, &path_ref, NULL };
  static const FwCpuPath *const with_avx512[] = { &fw_cpu_path_avx512, &fw_cpu_path_avx2, &path_ref, NULL };
  static const FwCpuPath *const with_avx2[] = { &fw_cpu_path_avx2, &path_ref, NULL };
  static const FwCpuPath *const with_none[] = { &path_ref, NULL };
  Features found = detect_features ();
  return found.amx ? with_amx : found.avx512_bf16 ? with_avx512_bf16 : found.avx512 ? with_avx512
         : found.avx2 ? with_avx2 : with_none;
}

void
fw_cpu_thread_init (void)
{
  enum { FLUSH_TO_ZERO = 0x8000, DENORMALS_ARE_ZERO = 0x40 };
  _mm_setcsr (_mm_getcsr () | FLUSH_TO_ZERO | DENORMALS_ARE_ZERO);
}

#else

const FwCpuPath *const *
fw_cpu_paths (void)
{
  static const FwCpuPath *const only_ref[] = { &path_ref, NULL };
  return only_ref;
}

void
fw_cpu_thread_init (void)
{
}

#endif

const FwCpuPath *
fw_cpu_path (const char *forced)
{
  const FwCpuPath *const *paths = fw_cpu_paths ();
  if (forced == NULL)
    return paths[0];
  for (int i = 0; paths[i]; i++)
    if (strcmp (paths[i]->name, forced) == 0)
      return paths[i];
  return NULL;
}
