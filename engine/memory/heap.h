/* SPDX-License-Identifier: Apache-2.0
 * The ordinary heap, where small things lie: how much is in use, and giving back what is not. */
#pragma once
#include <glib.h>

/* Bytes in use by all threads; 0 where the C library does not say. */
gsize fw_heap_bytes (void);
/* Gives free pages back to the system, so that what is done next does not add to what was done before. */
void fw_heap_trim (void);
