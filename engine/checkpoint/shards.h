/* SPDX-License-Identifier: Apache-2.0
 * Folders that hold one checkpoint, and the index file that names its shards. Internal to engine/checkpoint. */
#pragma once
#include "engine/memory/error.h"

/* A Hugging Face *.index.json. Tensor and shard names are checked text; shards are plain file names beside the index. */
typedef struct {
  GTree *weight_map;  /* tensor name -> shard name, which @shards owns */
  GPtrArray *shards;  /* distinct names in order of appearance */
} FwCheckpointIndex;

/* The file to open for @path: itself, or for a folder the single file or index in it (also below model/, where ColossalAI
 * puts it). Safetensors win over pickles. Free with g_free(). */
char *fw_checkpoint_resolve (const char *path, GError **error);

FwCheckpointIndex *fw_checkpoint_index_read (const char *path, GError **error);
void fw_checkpoint_index_free (FwCheckpointIndex *index);
/* The first tensor of the index that is no key of @names, or NULL. */
const char *fw_checkpoint_index_missing (const FwCheckpointIndex *index, GTree *names);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (FwCheckpointIndex, fw_checkpoint_index_free)
