/* SPDX-License-Identifier: Apache-2.0
 * Asks the kernel for free memory and limits. */
#include "engine/job/memory.h"

#include <string.h>

/* The number behind @key in the file of lines @path, or of the whole file for "", or @fallback. */
static gint64
read_number (const char *path, const char *key, gint64 fallback)
{
  g_autofree char *text = NULL;
  if (!g_file_get_contents (path, &text, NULL, NULL))
    return fallback;
  const char *at = *key != '\0' ? strstr (text, key) : text;
  char *end = NULL;
  gint64 number = at != NULL ? g_ascii_strtoll (at + strlen (key), &end, 10) : 0;
  return at != NULL && end != at + strlen (key) ? number : fallback;
}

/* Memory of files counts against a cgroup but can be dropped, so it is taken as free. */
static gint64
left_in_cgroup (const char *limit_path, const char *usage_path, const char *stat_path, const char *file_key)
{
  gint64 limit = read_number (limit_path, "", G_MAXINT64);
  if (limit == G_MAXINT64)
    return G_MAXINT64;
  gint64 left = limit - read_number (usage_path, "", 0) + read_number (stat_path, file_key, 0);
  return MAX (left, 0);
}

gint64
fw_memory_available (void)
{
  gint64 machine = read_number ("/proc/meminfo", "MemAvailable:", G_MAXINT64 / 1024) * 1024;
  gint64 group = left_in_cgroup ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory.current",
                                 "/sys/fs/cgroup/memory.stat", "\nfile ");
  gint64 old_group = left_in_cgroup ("/sys/fs/cgroup/memory/memory.limit_in_bytes", "/sys/fs/cgroup/memory/memory.usage_in_bytes",
                                     "/sys/fs/cgroup/memory/memory.stat", "\ntotal_cache ");
  return MIN (machine, MIN (group, old_group));
}
