/* SPDX-License-Identifier: Apache-2.0
 * The commands of framewright-cli, one file each, and the exit codes they share. */
#pragma once
#include "app/cli/options.h"

enum {
  FW_EXIT_DONE = 0,
  FW_EXIT_FAILED = 1,       /* one line on stderr says why */
  FW_EXIT_USAGE = 2,
  FW_EXIT_CANCELLED = 130
};

extern const FwCommand fw_command_bench, fw_command_generate, fw_command_inspect, fw_command_models, fw_command_train;

/* Prints @error as one line on stderr and returns the exit code that its kind asks for. */
int fw_cli_fail (const GError *error);
