/* SPDX-License-Identifier: Apache-2.0
 * Graphs as text for people and tests. */
#pragma once
#include "engine/graph/graph.h"

/* One line a node: position, scope, op, operands with shapes. Free with g_free(). */
char *fw_graph_dump_text (const FwGraph *graph);
/* The same as a Graphviz digraph. Free with g_free(). */
char *fw_graph_dump_dot (const FwGraph *graph);
