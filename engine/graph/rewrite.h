/* SPDX-License-Identifier: Apache-2.0
 * Fusion as rewrites of the recorded graph, so that model code can read like the paper. */
#pragma once
#include "engine/graph/graph.h"

/* Fusions with gradient rules of their own; run before fw_gradient(): activation into linear and group norm, modulation
 * into layer norm, enlargement into convolution. */
void fw_rewrite_forward (FwGraph *graph);
/* Fusions that only save memory traffic; run last: gated and plain residual sums into the linear that feeds them, dtype
 * conversion into the producer, and results written straight into the concatenation they become part of. */
void fw_rewrite_final (FwGraph *graph);
