/* SPDX-License-Identifier: Apache-2.0
 * The large allocations: slabs, weights, frames. They may fail, they come in huge pages, and fault tests make them fail. */
#pragma once
#include "engine/memory/error.h"

/* @size bytes of zeros, 2 MiB aligned when large. NULL with FW_ERROR_MEMORY naming @purpose and the size. Any thread. */
gpointer fw_block_new (gsize size, const char *purpose, GError **error);
/* Gives a block back; NULL is accepted. */
void fw_block_free (gpointer block, gsize size);
/* Makes the @nth call from now on fail, and every later one; 0 switches that off. For fault tests. */
void fw_block_fail_after (guint nth);
/* Bytes in blocks now, and the most there ever were. */
gsize fw_block_total (void);
gsize fw_block_peak (void);
