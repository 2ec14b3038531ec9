/* SPDX-License-Identifier: Apache-2.0
 * Reads the resident high-water mark from the kernel's own report. */
#include "engine/job/process-peak.h"

#include <string.h>

gint64
fw_process_peak (void)
{
  g_autofree char *text = NULL;
  if (!g_file_get_contents ("/proc/self/status", &text, NULL, NULL))
    return 0;
  const char *line = strstr (text, "\nVmHWM:");
  return line != NULL ? g_ascii_strtoll (line + strlen ("\nVmHWM:"), NULL, 10) * 1024 : 0;
}
