/* SPDX-License-Identifier: Apache-2.0
 * The graph verifier: structural rules that recording, gradients and rewrites must all keep. */
#pragma once
#include "engine/graph/graph.h"

/* Checks that every operand exists before it is read, that views stay inside their base's storage, and that nothing reads
 * what a removed node produced. FALSE with FW_ERROR_FAILED naming the node. */
gboolean fw_graph_verify (const FwGraph *graph, GError **error);
