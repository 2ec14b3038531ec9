/* SPDX-License-Identifier: Apache-2.0
 * How much memory a job may use where nobody says. */
#pragma once
#include <glib.h>

/* Bytes that can be had without swapping: what the machine has available, within the limit of the process's cgroup. */
gint64 fw_memory_available (void);
