/* SPDX-License-Identifier: Apache-2.0
 * How much memory a job may use where nobody says. */
#pragma once
#include <glib.h>

/* Bytes that can be had without swapping: what the machine has available, within the limits of the process's cgroups. */
gint64 fw_memory_available (void);
