/* SPDX-License-Identifier: Apache-2.0
 * Asks the kernel for free memory and limits. */
#include "engine/job/memory.h"
#include "engine/memory/cgroup.h"

#include <string.h>

static gint64
available_on_machine (void)
{
  g_autofree char *text = NULL;
  static const char key[] = "MemAvailable:";
  const char *at = g_file_get_contents ("/proc/meminfo", &text, NULL, NULL) ? strstr (text, key) : NULL;
  return at != NULL ? g_ascii_strtoll (at + strlen (key), NULL, 10) * 1024 : G_MAXINT64;
}

gint64
fw_memory_available (void)
{
  gint64 machine = available_on_machine ();
  double group = fw_cgroup_memory ("/");
  return group < (double) machine ? (gint64) group : machine;
}
