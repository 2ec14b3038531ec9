/* SPDX-License-Identifier: Apache-2.0
 * Keeping blocks to give them back. */
#include "engine/memory/buffers.h"

gpointer
fw_buffers_add (FwBuffers *buffers, gsize count, gsize size, const char *purpose, GError **error)
{
  gsize bytes;
  if (!g_size_checked_mul (&bytes, count, size))
    bytes = G_MAXSIZE;
  gpointer block = fw_block_new (bytes, purpose, error);
  if (block == NULL)
    return NULL;
  buffers->list = g_realloc_n (buffers->list, buffers->count + 1, sizeof *buffers->list);
  buffers->list[buffers->count].block = block;
  buffers->list[buffers->count++].size = bytes;
  return block;
}

void
fw_buffers_clear (FwBuffers *buffers)
{
  for (gsize i = 0; i < buffers->count; i++)
    fw_block_free (buffers->list[i].block, buffers->list[i].size);
  g_free (buffers->list);
  *buffers = (FwBuffers) { 0 };
}
