/* SPDX-License-Identifier: Apache-2.0
 * How much memory this process has held at most. */
#pragma once
#include <glib.h>

/* The kernel's high-water mark of resident memory (VmHWM) in bytes, mapped pages counted; 0 if it does not say. */
gint64 fw_process_peak (void);
