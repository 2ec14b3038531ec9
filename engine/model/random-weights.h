/* SPDX-License-Identifier: Apache-2.0
 * Weights drawn by chance, for benchmarks and forecasts of networks whose files are not there. */
#pragma once
#include "engine/exec/exec.h"

typedef struct _FwRandomWeights FwRandomWeights;

/* Tensors of @dtype (F32 or BF16): normal numbers that keep activations near one, vectors near zero. */
FwRandomWeights *fw_random_weights_new (FwDtype dtype);
void fw_random_weights_free (FwRandomWeights *weights);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (FwRandomWeights, fw_random_weights_free)
/* To be given to fw_graph_set_weights(). */
FwWeightSource *fw_random_weights_source (FwRandomWeights *weights);
/* Draws what the graph asked for and binds it to @exec; large tensors repeat the same 65521 numbers. @progress, or NULL, is told
 * after every tensor how many of fw_random_weights_bytes() are drawn. */
gboolean fw_random_weights_bind (FwRandomWeights *weights, FwExec *exec, GCancellable *cancellable, FwExecProgress progress,
                                 gpointer user_data, GError **error);
gsize fw_random_weights_bytes (const FwRandomWeights *weights);
