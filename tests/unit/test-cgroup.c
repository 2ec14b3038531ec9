/* SPDX-License-Identifier: Apache-2.0
 * Limits of control groups, in folders that look like a machine's: both versions, the group's own and those around it, and what
 * containers show. */
#include "engine/memory/cgroup.h"

#include <math.h>
#include <string.h>

#define MIB 1048576.0

typedef struct { const char *path, *text; } File;

static char *
make_root (const File *files)
{
  char *root = g_dir_make_tmp ("cgroup-XXXXXX", NULL);
  for (; files->path != NULL; files++) {
    g_autofree char *path = g_build_filename (root, files->path, NULL), *folder = g_path_get_dirname (path);
    g_assert_cmpint (g_mkdir_with_parents (folder, 0700), ==, 0);
    g_assert_true (g_file_set_contents (path, files->text, -1, NULL));
  }
  return root;
}

static void
expect (double memory, double cores, const File *files)
{
  g_autofree char *root = make_root (files);
  g_assert_cmpfloat (fw_cgroup_memory (root), ==, memory);
  g_assert_cmpfloat (fw_cgroup_cores (root), ==, cores);
}

#define UNIFIED "sys/fs/cgroup/"
#define OWN { "proc/self/cgroup", "0::/user.slice/job.scope\n" }

static void
test_unified (void)
{
  expect (48 * MIB, 1.5, (const File[]) { OWN, /* the group's own limits */
    { UNIFIED "user.slice/job.scope/memory.max", "67108864\n" }, { UNIFIED "user.slice/job.scope/memory.current", "33554432\n" },
    { UNIFIED "user.slice/job.scope/memory.stat", "anon 16777216\nfile 16777216\nfile_mapped 5\n" },
    { UNIFIED "user.slice/job.scope/cpu.max", "150000 100000\n" },
    { UNIFIED "user.slice/memory.max", "max\n" }, { UNIFIED "user.slice/cpu.max", "max 100000\n" }, { NULL } });
  expect (8 * MIB, 3, (const File[]) { OWN, /* those of the group around it are less */
    { UNIFIED "user.slice/job.scope/memory.max", "67108864\n" }, { UNIFIED "user.slice/job.scope/memory.current", "1048576\n" },
    { UNIFIED "user.slice/job.scope/cpu.max", "400000 100000\n" },
    { UNIFIED "user.slice/memory.max", "33554432\n" }, { UNIFIED "user.slice/memory.current", "25165824\n" },
    { UNIFIED "user.slice/cpu.max", "150000 50000\n" }, { NULL } });
  expect (0, INFINITY, (const File[]) { OWN, /* more is used than allowed */
    { UNIFIED "user.slice/job.scope/memory.max", "1048576\n" }, { UNIFIED "user.slice/job.scope/memory.current", "2097152\n" },
    { NULL } });
}

static void
test_first (void)
{
  expect (24 * MIB, 2, (const File[]) {
    { "proc/self/cgroup", "5:cpu,cpuacct:/a\n4:memory:/a/b\n1:name=systemd:/a/b\n0::/\n" },
    { UNIFIED "memory/a/b/memory.limit_in_bytes", "9223372036854771712\n" },
    { UNIFIED "memory/a/memory.limit_in_bytes", "33554432\n" }, { UNIFIED "memory/a/memory.usage_in_bytes", "16777216\n" },
    { UNIFIED "memory/a/memory.stat", "cache 1\ntotal_cache 8388608\n" },
    { UNIFIED "cpu/a/cpu.cfs_quota_us", "200000\n" }, { UNIFIED "cpu/a/cpu.cfs_period_us", "100000\n" },
    { UNIFIED "cpu/cpu.cfs_quota_us", "-1\n" }, { UNIFIED "cpu/cpu.cfs_period_us", "100000\n" }, { NULL } });
}

/* A container may see its own group as the root, whatever that is called outside. */
static void
test_container (void)
{
  expect (MIB, 0.5, (const File[]) { { "proc/self/cgroup", "0::/docker/1234\n" },
    { UNIFIED "memory.max", "1048576\n" }, { UNIFIED "cpu.max", "50000 100000\n" }, { NULL } });
  expect (MIB, 0.5, (const File[]) { { "proc/self/cgroup", "3:cpu:/docker/1234\n2:memory:/docker/1234\n" },
    { UNIFIED "memory/memory.limit_in_bytes", "1048576\n" },
    { UNIFIED "cpu/cpu.cfs_quota_us", "50000\n" }, { UNIFIED "cpu/cpu.cfs_period_us", "100000\n" }, { NULL } });
  expect (INFINITY, INFINITY, (const File[]) { { "proc/self/cgroup", "0::/../elsewhere\n" }, /* nobody's business */
    { "sys/fs/elsewhere/memory.max", "5\n" }, { NULL } });
}

static void
test_nothing (void)
{
  expect (INFINITY, INFINITY, (const File[]) { { NULL } });
  expect (INFINITY, INFINITY, (const File[]) { { "proc/self/cgroup", "\n:\n0:\nnonsense\n" },
    { UNIFIED "memory.max", "" }, { UNIFIED "cpu.max", "x" }, { NULL } });
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/cgroup/unified", test_unified);
  g_test_add_func ("/cgroup/first-version", test_first);
  g_test_add_func ("/cgroup/container", test_container);
  g_test_add_func ("/cgroup/nothing", test_nothing);
  return g_test_run ();
}
