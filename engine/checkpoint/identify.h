/* SPDX-License-Identifier: Apache-2.0
 * What a checkpoint is, told by its tensors' names, and its size: for people, and for saying what a wrong file really is. */
#pragma once
#include "engine/checkpoint/checkpoint.h"

typedef struct {
  const char *kind;         /* "STDiT video transformer (Open-Sora 1.0)", ...; NULL = not known. Static */
  const char *lacking;      /* what a file of this kind usually has and this one has not, as "the encoder"; or NULL. Static */
  gint64 elements, bytes;   /* of all tensors, as stored */
} FwCheckpointSummary;

FwCheckpointSummary fw_checkpoint_summarize (const FwCheckpoint *checkpoint);
/* The name of the first tensor that one of the checkpoint's numbered blocks has not, although the others of its kind have it; NULL
 * if there is none, or the kind is not known. Free with g_free(). */
char *fw_checkpoint_first_missing (const FwCheckpoint *checkpoint);

/* "64x4x3x3", "scalar"; free with g_free(). */
char *fw_checkpoint_tensor_shape (const FwCheckpointTensor *tensor);
/* "f32", "bf16", ... */
const char *fw_checkpoint_tensor_type (const FwCheckpointTensor *tensor);
