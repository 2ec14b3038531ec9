/* SPDX-License-Identifier: Apache-2.0
 * What probing and decoding share on the engine's side. */
#pragma once
#include "engine/media/client.h"
#include "engine/media/probe.h"

#define FW_MEDIA_MAX_FRAMES 1000000

/* Opens @path, which must be a regular file, and starts a media process for it. */
FwMediaChild *fw_media_open_input (const char *path, guint stall_ms, int *fd, GError **error);

/* Checks what the media process says about a file and copies it; NULL where it cannot be true. */
FwMediaInfo *fw_media_info_from_message (const FwInfoMessage *message, const char *comment, GError **error);
