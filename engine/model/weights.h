/* SPDX-License-Identifier: Apache-2.0
 * The weights of one network, found in a checkpoint by name while its graph is recorded, and bound to executors. */
#pragma once
#include "engine/checkpoint/name-table.h"
#include "engine/exec/exec.h"

typedef struct _FwWeights FwWeights;

/* Takes over @checkpoint, whose names @names translates (NULL: they are the model's own). F32 and BF16 tensors are used where
 * they lie in the mapped file; others are converted to F32 once. Recording reads and converts nothing yet.
 * Shapes may differ from the model's by axes of size 1 (2-D patch convolutions, 1x1 attention convolutions). */
FwWeights *fw_weights_new (FwCheckpoint *checkpoint, const FwNameTable *names);
void fw_weights_free (FwWeights *weights);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (FwWeights, fw_weights_free)
/* Tensors whose name contains @part and that the file lacks are zero: temporal layers on top of an image model. */
void fw_weights_allow_missing (FwWeights *weights, const char *part);
/* To be given to fw_graph_set_weights(); a missing or misshapen tensor fails the graph with its name. */
FwWeightSource *fw_weights_source (FwWeights *weights);
/* Converts what cannot be used as it lies, of everything that graphs have asked for. */
gboolean fw_weights_load (FwWeights *weights, GError **error);
/* Binds everything that graphs have asked for; loads it first where that has not been done (what fails is then not bound, and the
 * run says so). */
void fw_weights_bind (FwWeights *weights, FwExec *exec);
/* Bytes of the weights asked for so far, mapped ones included. */
gsize fw_weights_bytes (const FwWeights *weights);
FwCheckpoint *fw_weights_checkpoint (const FwWeights *weights);
