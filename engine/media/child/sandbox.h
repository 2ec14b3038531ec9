/* SPDX-License-Identifier: Apache-2.0
 * The walls around decoding: from here on this process can compute, use its open descriptors, and nothing else. */
#pragma once
#include <glib.h>

/* Closes the process in for good: no new files, sockets, processes or executable memory (seccomp), at most @memory bytes of
 * address space beyond what it has now, no file growth, few descriptors (rlimits). All plugins must be loaded before. FALSE
 * with a reason in words where the kernel refuses; without libseccomp at build time only the rlimits and no_new_privs are set. */
gboolean sandbox_enter (guint64 memory, const char **reason);

/* Whether sandbox_enter() limits memory: not in sanitizer builds. */
gboolean sandbox_limits_memory (void);

/* Enters the sandbox and tries what it must forbid, one line each on stdout: an exit code, 0 where all was denied. */
int sandbox_check (void);
