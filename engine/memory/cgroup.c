/* SPDX-License-Identifier: Apache-2.0
 * Walks from the process's own group, as /proc/self/cgroup names it, up to the root of each hierarchy. A container that shows
 * its own group alone, as the root, names it by a path that is not there: groups without files limit nothing. */
#include "engine/memory/cgroup.h"

#include <math.h>
#include <string.h>

typedef double (*Limit) (const char *folder);

static char *
read_file (const char *folder, const char *name)
{
  g_autofree char *path = g_build_filename (folder, name, NULL);
  char *text = NULL;
  return g_file_get_contents (path, &text, NULL, NULL) ? text : NULL;
}

/* The number behind @key in a file, or at its beginning for "", or @fallback. */
static double
read_number (const char *folder, const char *name, const char *key, double fallback)
{
  g_autofree char *text = read_file (folder, name);
  const char *at = text != NULL ? strstr (text, key) : NULL;
  char *end = NULL;
  double number = at != NULL ? (double) g_ascii_strtoll (at + strlen (key), &end, 10) : 0;
  return at != NULL && end != at + strlen (key) ? number : fallback;
}

static double
memory_left (const char *folder, const char *limit, const char *usage, const char *file_key)
{
  double most = read_number (folder, limit, "", INFINITY);
  double used = read_number (folder, usage, "", 0) - read_number (folder, "memory.stat", file_key, 0);
  return MAX (most - used, 0);
}

static double
memory_of_unified (const char *folder)
{
  return memory_left (folder, "memory.max", "memory.current", "\nfile ");
}

static double
memory_of_first (const char *folder)
{
  return memory_left (folder, "memory.limit_in_bytes", "memory.usage_in_bytes", "\ntotal_cache ");
}

static double
share (double quota, double period)
{
  return quota > 0 && period > 0 ? quota / period : INFINITY;
}

static double
cores_of_unified (const char *folder)
{
  return share (read_number (folder, "cpu.max", "", 0), read_number (folder, "cpu.max", " ", 0));
}

static double
cores_of_first (const char *folder)
{
  return share (read_number (folder, "cpu.cfs_quota_us", "", 0), read_number (folder, "cpu.cfs_period_us", "", 0));
}

/* Whether a line "ID:CONTROLLERS:PATH" is about @controller; NULL means the unified hierarchy, whose list is empty. */
static gboolean
is_about (char *const *line, const char *controller)
{
  g_auto (GStrv) controllers = g_strsplit (line[1], ",", -1);
  return controller != NULL ? g_strv_contains ((const char *const *) controllers, controller) : *line[1] == '\0';
}

/* Where the process is in the hierarchy of @controller. */
static char *
own_group (const char *root, const char *controller)
{
  g_autofree char *text = read_file (root, "proc/self/cgroup");
  g_auto (GStrv) lines = g_strsplit (text != NULL ? text : "", "\n", -1);
  for (guint i = 0; lines[i] != NULL; i++) {
    g_auto (GStrv) line = g_strsplit (lines[i], ":", 3);
    /* a group outside of what is shown here has a path that goes up */
    if (g_strv_length (line) == 3 && is_about (line, controller) && strstr (line[2], "..") == NULL)
      return g_strdup (line[2]);
  }
  return g_strdup ("");
}

/* The least of @limit over the process's group in @mount and all groups around it. */
static double
least (const char *root, const char *controller, const char *mount, Limit limit)
{
  g_autofree char *group = own_group (root, controller);
  for (double found = INFINITY;;) {
    g_autofree char *folder = g_build_filename (root, mount, group, NULL);
    found = MIN (found, limit (folder));
    char *slash = strrchr (group, '/');
    if (slash == NULL)
      return found;
    *slash = '\0';
  }
}

static double
least_of_all (const char *root, const char *controller, Limit unified, Limit first)
{
  g_autofree char *mount = g_build_filename ("sys/fs/cgroup", controller, NULL);
  double found = least (root, NULL, "sys/fs/cgroup", unified);
  found = MIN (found, least (root, NULL, "sys/fs/cgroup/unified", unified)); /* beside those of the first version */
  return MIN (found, least (root, controller, mount, first));
}

double
fw_cgroup_memory (const char *root)
{
  return least_of_all (root, "memory", memory_of_unified, memory_of_first);
}

double
fw_cgroup_cores (const char *root)
{
  return least_of_all (root, "cpu", cores_of_unified, cores_of_first);
}
