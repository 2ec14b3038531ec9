/* SPDX-License-Identifier: Apache-2.0
 * Which nodes are needed, when each storage is first written and last read, and which results may lie on an operand. */
#pragma once
#include "engine/graph/op-table.h"

typedef struct {
  gint32 root;        /* the storage this one shares memory with (itself if none) */
  gint32 first, last; /* steps; first = -1: never used */
  gsize bytes;
} FwLifetime;

/* Whether the node's result is used or changes memory that outlives the run; indexed by node. Free with g_free(). */
gboolean *fw_live_nodes (const FwGraph *graph);
/* Whether any live node or the caller reads value @id; indexed by value. Free with g_free(). */
gboolean *fw_read_values (const FwGraph *graph, const gboolean *live);
/* Whether part @i of a concatenation already lies where the whole wants it (or is empty). */
gboolean fw_part_is_placed (const FwGraph *graph, const FwNode *concat, guint i);
/* A view, or a concatenation whose parts already lie in place. */
gboolean fw_node_is_free (const FwGraph *graph, const FwNode *node);
/* Whether every operand of a node is steady, directly or through such nodes; a node without operands is not. Indexed by
 * node. Free with g_free(). */
gboolean *fw_steady_nodes (const FwGraph *graph);
/* Storages that steady nodes write and others read, by base value: they outlive a run. Free with g_free(). */
gboolean *fw_crossing_values (const FwGraph *graph, const gboolean *live, const gboolean *steady);
/* Lifetimes of transient storages over @steps (live nodes that compute), indexed by value; @crossing ones share with nothing.
 * Free with g_free(). */
FwLifetime *fw_lifetimes (const FwGraph *graph, FwNode *const *steps, guint n_steps, const gboolean *read, const gboolean *crossing);
