/* SPDX-License-Identifier: Apache-2.0
 * Copying strided elements out of a file's bytes (at any alignment, of either byte order) into a dense array of another type. */
#pragma once
#include "engine/checkpoint/checkpoint.h"

/* Copies the elements of @tensor, the first of which lies at @bytes, densely to @destination as @dtype. @swapped: the bytes
 * are big-endian. 8-bit floats can only be read. Errors: a type that does not convert, an integer out of range. */
gboolean fw_convert_tensor (const guint8 *bytes, gboolean swapped, const FwCheckpointTensor *tensor,
                            FwDtype dtype, gpointer destination, GError **error);
/* The same for @count dense native elements. */
gboolean fw_convert_elements (gconstpointer source, FwDtype from, gsize count, FwDtype to, gpointer destination, GError **error);
