/* SPDX-License-Identifier: Apache-2.0
 * The choice of CPU kernels: which paths there are, forcing one by name, and what a thread's arithmetic does afterwards. */
#include "kernels/cpu/cpu.h"

#include <glib.h>
#include <string.h>

static void
test_order (void)
{
  static const char *const best_first[] = { "amx", "avx512", "avx2", "ref" };
  const FwCpuPath *const *paths = fw_cpu_paths ();
  int last = -1, count = 0;
  for (; paths[count] != NULL; count++) {
    int place = 0;
    while (place < 4 && strcmp (best_first[place], paths[count]->name) != 0)
      place++;
    g_assert_cmpint (place, <, 4);
    g_assert_cmpint (place, >, last);
    last = place;
  }
  g_assert_cmpint (count, >, 0);
  g_assert_cmpstr (paths[count - 1]->name, ==, "ref");
  g_assert_true (fw_cpu_path (NULL) == paths[0]);
}

static void
test_forced (void)
{
  const FwCpuPath *const *paths = fw_cpu_paths ();
  for (int i = 0; paths[i] != NULL; i++)
    g_assert_true (fw_cpu_path (paths[i]->name) == paths[i]);
  g_assert_null (fw_cpu_path ("sse"));
  g_assert_null (fw_cpu_path (""));
  g_assert_null (fw_cpu_path ("ref")->linear.run);
}

/* What the processor tells of itself in /proc/cpuinfo and what was chosen must agree. */
static void
test_flags (void)
{
  g_autofree char *text = NULL;
  if (!g_file_get_contents ("/proc/cpuinfo", &text, NULL, NULL) || strstr (text, "\nflags") == NULL) {
    g_test_skip ("no list of processor features");
    return;
  }
  g_auto (GStrv) lines = g_strsplit (strstr (text, "\nflags") + 1, "\n", 2);
  g_auto (GStrv) flags = g_strsplit_set (lines[0], " \t", -1);
  const char *const *list = (const char *const *) flags;
  gboolean avx2 = g_strv_contains (list, "avx2") && g_strv_contains (list, "fma");
  gboolean avx512 = avx2 && g_strv_contains (list, "avx512f") && g_strv_contains (list, "avx512bw")
                    && g_strv_contains (list, "avx512vl") && g_strv_contains (list, "avx512dq");
  g_assert_true ((fw_cpu_path ("avx2") != NULL) == avx2);
  g_assert_true ((fw_cpu_path ("avx512") != NULL) == avx512);
  if (avx512)
    g_assert_true (fw_cpu_path ("avx512")->bf16 == g_strv_contains (list, "avx512_bf16"));
  if (!g_strv_contains (list, "amx_tile") || !g_strv_contains (list, "amx_bf16"))
    g_assert_null (fw_cpu_path ("amx"));
}

static gpointer
halve_smallest (gpointer data)
{
  volatile float smallest = 0x1p-126f;
  fw_cpu_thread_init ();
  volatile float half = smallest * 0.5f;
  *(float *) data = half;
  return NULL;
}

static void
test_denormals (void)
{
  float half = 1;
  g_thread_join (g_thread_new ("denormals", halve_smallest, &half));
#ifdef __x86_64__
  g_assert_cmpfloat (half, ==, 0);
#else
  g_assert_cmpfloat (half, <, 0x1p-126f);
#endif
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/cpu/order", test_order);
  g_test_add_func ("/cpu/forced", test_forced);
  g_test_add_func ("/cpu/flags", test_flags);
  g_test_add_func ("/cpu/denormals", test_denormals);
  return g_test_run ();
}
