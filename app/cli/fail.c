/* SPDX-License-Identifier: Apache-2.0
 * How a command ends that could not do what it was asked. */
#include "app/cli/commands.h"
#include "app/cli/print.h"

#include <stdio.h>

int
fw_cli_fail (const GError *error)
{
  g_autofree char *line = fw_cli_printable (error->message);
  fprintf (stderr, "framewright-cli: %s\n", line);
  if (g_error_matches (error, FW_ERROR, FW_ERROR_CANCELLED) || g_error_matches (error, G_IO_ERROR, G_IO_ERROR_CANCELLED))
    return FW_EXIT_CANCELLED;
  return g_error_matches (error, FW_ERROR, FW_ERROR_INVALID) ? FW_EXIT_USAGE : FW_EXIT_FAILED;
}
