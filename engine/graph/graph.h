/* SPDX-License-Identifier: Apache-2.0
 * The recorded graph: values, nodes and scopes in an arena. Models record into it (engine/graph/ops.h), transforms rewrite
 * and extend it (rewrite.h, gradient.h), the planner reads it. One thread at a time. */
#pragma once
#include "engine/memory/error.h"
#include "kernels/kernel.h"

/* A value of a graph: an index, never a pointer. id 0 stands for "absent", and for every value recorded after a failure. */
typedef struct { gint32 id; } FwVal;
#define FW_NONE ((FwVal) { 0 })

typedef struct _FwGraph FwGraph;
typedef struct _FwNode FwNode;
typedef struct _FwOp FwOp;

/* The most elements a value may have; their bytes and offsets fit in 64 bits. */
#define FW_MAX_ELEMENTS (G_MAXINT64 / 16)

typedef enum {
  FW_VALUE_TRANSIENT,   /* lives inside one run of the plan, in the slab */
  FW_VALUE_PERSISTENT,  /* keeps its content from run to run, owned by the executor */
  FW_VALUE_EXTERNAL     /* inputs and weights: memory bound by the caller */
} FwValueClass;

/* A tensor of the graph. Views share the storage of their base; a base's @base is its own id. */
typedef struct {
  gint32 id;
  FwTensor layout;      /* dtype, dims and strides; data is unused */
  gint32 base;
  gint64 offset;        /* elements from the start of the base's storage */
  gint64 storage;       /* bases: elements of storage */
  FwValueClass class;
  FwNode *producer;     /* NULL for external and persistent values */
  const char *name;     /* of external, persistent and kept values, else NULL */
  gconstpointer constant; /* content of a constant, owned by the graph; else NULL */
  gboolean kept;        /* an output of the graph */
  gboolean steady;      /* external values: the same from run to run unless the executor is told */
} FwValue;

struct _FwNode {
  const FwOp *op;       /* NULL once a rewrite has removed the node */
  gint32 index;         /* position in the graph's order */
  gint32 in[FW_MAX_INPUTS];
  gint32 out[FW_MAX_OUTPUTS];
  gpointer attributes;
  const char *scope;    /* "blocks.3.attn.proj" */
  gint32 segment;       /* activation checkpointing: 0 = none */
  gboolean precise;     /* recorded between fw_precise_begin() and _end() */
};

/* @compute is the dtype of products, norms and attention (F32, BF16, or F64 for gradient checks); residual streams stay
 * F32 (F64). Free with fw_graph_free(). */
FwGraph *fw_graph_new (FwDtype compute);
void fw_graph_free (FwGraph *graph);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (FwGraph, fw_graph_free)
FwDtype fw_graph_compute (const FwGraph *graph);
/* F64 in a graph that computes in F64, else F32. */
FwDtype fw_graph_accumulate (const FwGraph *graph);

/* Scopes nest and name the nodes recorded inside; format as printf. */
void fw_scope_push (FwGraph *graph, const char *format, ...) G_GNUC_PRINTF (2, 3);
void fw_scope_pop (FwGraph *graph);
/* Nodes recorded between begin and end form one segment that activation checkpointing may recompute. */
void fw_segment_begin (FwGraph *graph);
void fw_segment_end (FwGraph *graph);

/* External values (memory bound later, by name) and persistent ones (zero before the first run). Names are unique. */
FwVal fw_external (FwGraph *graph, const char *name, FwDtype dtype, int rank, const gint64 *dim);
FwVal fw_persistent (FwGraph *graph, const char *name, FwDtype dtype, int rank, const gint64 *dim);
/* A constant (its dense content is copied), named for messages only. */
FwVal fw_constant (FwGraph *graph, const char *name, FwDtype dtype, int rank, const gint64 *dim, gconstpointer data);

/* Says that the content of external @val stays the same over many runs: what depends on steady values and constants alone is
 * computed once and kept (the keys and values of a caption over all denoising steps). */
void fw_steady (FwGraph *graph, FwVal val);

/* Where models get their weights from: @get returns the value of the tensor called @name, of exactly these dims. */
typedef struct _FwWeightSource FwWeightSource;
struct _FwWeightSource {
  FwVal (*get) (FwWeightSource *source, FwGraph *graph, const char *name, int rank, const gint64 *dim);
};
/* Borrowed; without one, weights are F32 external values. */
void fw_graph_set_weights (FwGraph *graph, FwWeightSource *source);
/* The weight @name of the current scope: "blocks.0" and "attn.qkv.weight" make "blocks.0.attn.qkv.weight". */
FwVal fw_weight (FwGraph *graph, const char *name, int rank, const gint64 *dim);

/* Between begin and end, products and norms are computed and stored as fw_graph_accumulate() says: for timestep embeddings
 * and other short vectors that deserve it. Does not nest. */
void fw_precise_begin (FwGraph *graph);
void fw_precise_end (FwGraph *graph);

/* Marks @val as an output: it is valid after a run, under @name. A view or external value is copied first. */
void fw_keep (FwGraph *graph, const char *name, FwVal val);
/* The value called @name (external, persistent or kept), or NULL. */
FwValue *fw_graph_named (const FwGraph *graph, const char *name);

/* Records one node; @in has @n_in values, absent ones FW_NONE. Returns its first output, FW_NONE after a failure. */
FwVal fw_record (FwGraph *graph, const FwOp *op, gconstpointer attributes, const FwVal *in, guint n_in);
/* Another output of the node that produced @val. */
FwVal fw_sibling (FwGraph *graph, FwVal val, guint output);

/* The first failure is kept with scope, op and shapes; later ones are ignored. */
void fw_graph_fail (FwGraph *graph, const char *format, ...) G_GNUC_PRINTF (2, 3);
gboolean fw_graph_failed (const FwGraph *graph);
/* Reports the first failure, if any, and verifies the graph. To be called once when recording is done. */
gboolean fw_graph_finish (FwGraph *graph, GError **error);

guint fw_graph_n_values (const FwGraph *graph);   /* valid ids are 1 .. n-1 */
guint fw_graph_n_nodes (const FwGraph *graph);
FwValue *fw_graph_value (const FwGraph *graph, gint32 id);
FwNode *fw_graph_node (const FwGraph *graph, guint index);
/* The value's layout; a static rank -1 layout for FW_NONE. */
const FwTensor *fw_layout (const FwGraph *graph, FwVal val);
gint64 fw_dim (const FwGraph *graph, FwVal val, int axis);

/* For inference functions of op-*.c: the layout of input @i (NULL if absent), and a new dense output. */
const FwTensor *fw_in (const FwGraph *graph, const FwNode *node, guint i);
FwValue *fw_out (FwGraph *graph, FwNode *node, guint output, FwDtype dtype, int rank, const gint64 *dim);
/* An output that is a view of input 0's storage. */
FwValue *fw_out_view (FwGraph *graph, FwNode *node, const FwTensor *layout, gint64 extra_offset);
/* Memory that lives as long as the graph. */
gpointer fw_graph_alloc (FwGraph *graph, gsize size);
/* "f32[2, 64, 32]"; free with g_free(). */
char *fw_layout_describe (const FwTensor *layout);
/* "blocks.0.attn.qkv (linear)". */
char *fw_node_describe (const FwNode *node);

/* The position at which the next node is recorded is the end; a transform that replaces nodes keeps their order valid. */
void fw_node_remove (FwNode *node);
