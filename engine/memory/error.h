/* SPDX-License-Identifier: Apache-2.0
 * The one error domain above kernels/. A message says what failed, where, and what to do about it, in one sentence. */
#pragma once
#include <gio/gio.h>

#define FW_ERROR (fw_error_quark ())

typedef enum {
  FW_ERROR_FAILED,          /* nothing below fits */
  FW_ERROR_INVALID,         /* the caller's numbers or words: exit code 2 on the command line */
  FW_ERROR_FORMAT,          /* a file is damaged, hostile or of another kind */
  FW_ERROR_CHECKPOINT,      /* a checkpoint does not fit the model */
  FW_ERROR_MEMORY,          /* does not fit the memory budget, or an allocation failed */
  FW_ERROR_IO,              /* reading or writing failed */
  FW_ERROR_UNSUPPORTED,     /* a missing encoder, device or feature; the message names what to install */
  FW_ERROR_NUMERIC,         /* NaN or Inf appeared; the message names the node */
  FW_ERROR_CANCELLED        /* stopped by the user; exit code 130 */
} FwErrorCode;

GQuark fw_error_quark (void);
