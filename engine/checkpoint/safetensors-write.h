/* SPDX-License-Identifier: Apache-2.0
 * Writing safetensors files atomically. */
#pragma once
#include "engine/memory/error.h"
#include "kernels/tensor.h"

/* One tensor to write: dense row-major data of @dtype, stored as @stored (float types are converted). */
typedef struct {
  const char *name;
  FwTensor value;
  FwDtype stored;
} FwSafetensorsEntry;

/* Writes @count tensors in the given order and @metadata (name -> string, may be NULL) to @path, atomically. The header is
 * padded so that data starts 64-byte aligned. */
gboolean fw_safetensors_write (const char *path, const FwSafetensorsEntry *entries, gsize count, GHashTable *metadata,
                               GError **error);
/* The same, quick to end once @hurry (may be NULL) is cancelled: fw_file_writer_set_hurry(). */
gboolean fw_safetensors_write_hurried (const char *path, const FwSafetensorsEntry *entries, gsize count, GHashTable *metadata,
                                       GCancellable *hurry, GError **error);

/* The same into @folder as @stem.safetensors, or, where that would hold more than @limit bytes of tensors, as shards of at most
 * so many (a tensor is never cut) and their index, all named as Hugging Face's libraries do. Once all are there, every other
 * file of a checkpoint by that name is removed, whichever of the two forms it had; after a failure the old checkpoint is whole or, where
 * its shards had the new ones' names, without an index. Returns the names of the files written, NULL-ended; free with
 * g_strfreev(). */
char **fw_safetensors_write_shards (const char *folder, const char *stem, const FwSafetensorsEntry *entries, gsize count,
                                    guint64 limit, GError **error);
