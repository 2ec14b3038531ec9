/* SPDX-License-Identifier: Apache-2.0
 * Reading checkpoints of any layout: safetensors, torch .pth (zip and legacy), and folders of shards with an index.
 * Everything in a file is hostile until parsed: a bad one gives one sentence, never a crash or an allocation by its word. */
#pragma once
#include "engine/memory/error.h"
#include "kernels/tensor.h"

typedef struct _FwCheckpoint FwCheckpoint;

/* A tensor of an open checkpoint; owned by it. */
typedef struct {
  const char *name;         /* as in the file */
  FwDtype dtype;
  int rank;
  gint64 dim[FW_MAX_RANK];
  gint64 stride[FW_MAX_RANK]; /* elements; pickled views may be non-contiguous */
} FwCheckpointTensor;

/* Opens a file, or a folder holding one checkpoint (single file, or shards named by an index .json). Wrappers
 * ({"state_dict": ...}, {"ema": ...}) are entered as fw_checkpoint_open_part() says with part NULL. Files are mapped, no
 * tensor is read. Any thread; the result may be used from one thread at a time. Free with fw_checkpoint_close(). */
FwCheckpoint *fw_checkpoint_open (const char *path, GError **error);
/* The same, choosing the sub-dictionary of a pickle (other files have no parts): "state_dict", "ema", ... ; "" = the root itself;
 * NULL = the first of "ema", "state_dict", "model", "module" that is a dictionary with tensors, else the root. Tensors in
 * nested dictionaries and lists are named by joining keys and indices with "/". */
FwCheckpoint *fw_checkpoint_open_part (const char *path, const char *part, GError **error);
void fw_checkpoint_close (FwCheckpoint *checkpoint);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (FwCheckpoint, fw_checkpoint_close)

guint fw_checkpoint_count (const FwCheckpoint *checkpoint);
const FwCheckpointTensor *fw_checkpoint_tensor (const FwCheckpoint *checkpoint, guint index);
const FwCheckpointTensor *fw_checkpoint_find (const FwCheckpoint *checkpoint, const char *name);

/* Copies @tensor densely (row-major) into @destination, converted to @dtype, which has room for all its elements.
 * Float types convert among each other, integers among each other; anything else is an error. */
gboolean fw_checkpoint_read (FwCheckpoint *checkpoint, const FwCheckpointTensor *tensor, FwDtype dtype, gpointer destination,
                             GError **error);
/* The tensor's bytes in the mapped file if they are dense, little-endian, uncompressed and aligned to their type, else NULL.
 * Valid until close. */
gconstpointer fw_checkpoint_map (FwCheckpoint *checkpoint, const FwCheckpointTensor *tensor);
/* String metadata of a safetensors file (__metadata__), or NULL. Owned by the checkpoint. */
const char *fw_checkpoint_metadata (const FwCheckpoint *checkpoint, const char *key);
/* How the file is laid out, for people: "safetensors", "torch zip", "torch legacy", "safetensors, 3 shards", ... */
const char *fw_checkpoint_layout (const FwCheckpoint *checkpoint);
