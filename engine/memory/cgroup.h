/* SPDX-License-Identifier: Apache-2.0
 * What the control groups of this process leave it: the least limit of its own group and all groups around that, of either version. */
#pragma once
#include <glib.h>

/* @root is the folder that /proc and /sys/fs/cgroup lie in: "/", or another one for tests. Any thread. */

/* Bytes that can still be had; memory that only caches files counts as free. INFINITY where nothing is limited. */
double fw_cgroup_memory (const char *root);
/* Cores' worth of time, which need not be a whole number. INFINITY where nothing is limited. */
double fw_cgroup_cores (const char *root);
