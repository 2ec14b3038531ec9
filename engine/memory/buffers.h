/* SPDX-License-Identifier: Apache-2.0
 * Several blocks that are given back together: the buffers of a long-running piece of work. */
#pragma once
#include "engine/memory/block.h"

/* All zero = none. Not thread-safe. */
typedef struct {
  struct { gpointer block; gsize size; } *list;
  gsize count;
} FwBuffers;

/* @count items of @size bytes, zeros; NULL with FW_ERROR_MEMORY naming @purpose, also where the product overflows. */
gpointer fw_buffers_add (FwBuffers *buffers, gsize count, gsize size, const char *purpose, GError **error);
/* Gives all of them back. */
void fw_buffers_clear (FwBuffers *buffers);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (FwBuffers, fw_buffers_clear)
