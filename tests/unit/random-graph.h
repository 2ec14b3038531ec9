/* SPDX-License-Identifier: Apache-2.0
 * Random graphs: values are drawn from what was recorded before, in every layout that views make, and go through ops of every
 * family that a network uses, with the patterns that fusion and placement look for among them. */
#pragma once
#include "engine/graph/ops.h"

typedef struct {
  FwGraph *graph;
  GRand *random;
  GArray *values;        /* FwVal */
  guint n_weights;
} RandomGraph;

enum { RANDOM_LARGEST = 400, RANDOM_KEPT = 3 };

static inline gint64
random_below (RandomGraph *r, gint64 limit)
{
  return g_rand_int_range (r->random, 0, (gint32) MAX (limit, 1));
}

static inline FwVal
random_value (RandomGraph *r)
{
  return g_array_index (r->values, FwVal, random_below (r, r->values->len));
}

static inline FwVal
random_weight (RandomGraph *r, int rank, const gint64 *dim)
{
  g_autofree char *name = g_strdup_printf ("weight%u", r->n_weights++);
  FwVal weight = fw_external (r->graph, name, fw_graph_accumulate (r->graph), rank, dim);
  if (r->n_weights % 4 < 2)
    fw_steady (r->graph, weight);
  return weight;
}

/* A value of the shape of @x: x itself, another one, or something made of x. */
static inline FwVal
random_like (RandomGraph *r, FwVal x)
{
  const FwTensor layout = *fw_layout (r->graph, x);
  for (int attempt = 0; attempt < 8; attempt++) {
    FwVal y = random_value (r);
    const FwTensor *other = fw_layout (r->graph, y);
    if (other->rank == layout.rank && memcmp (other->dim, layout.dim, sizeof *layout.dim * layout.rank) == 0)
      return y;
  }
  return random_below (r, 2) != 0 ? x : fw_unary (r->graph, FW_FN_SIN, x);
}

typedef FwVal (*RandomRecord) (RandomGraph *r, FwVal x, const FwTensor *shape);

static inline FwVal
random_unary (RandomGraph *r, FwVal x, const FwTensor *shape)
{
  static const FwFunction functions[] = { FW_FN_SILU, FW_FN_TANH, FW_FN_NEG, FW_FN_GELU_TANH, FW_FN_SIN };
  return fw_unary (r->graph, functions[random_below (r, G_N_ELEMENTS (functions))], x);
}

static inline FwVal
random_binary (RandomGraph *r, FwVal x, const FwTensor *shape)
{
  FwVal y = random_like (r, x);
  if (shape->rank > 0 && random_below (r, 3) == 0) { /* one that broadcasts */
    int axis = (int) random_below (r, shape->rank);
    y = shape->dim[axis] > 0 ? fw_slice (r->graph, y, axis, random_below (r, shape->dim[axis]), 1) : y;
  }
  gboolean swapped = random_below (r, 2) != 0;
  return fw_binary (r->graph, random_below (r, 3) == 0 ? FW_BINARY_MUL : FW_BINARY_ADD, swapped ? y : x, swapped ? x : y);
}

static inline FwVal
random_permute (RandomGraph *r, FwVal x, const FwTensor *shape)
{
  int axis[FW_MAX_RANK];
  for (int i = 0; i < shape->rank; i++) {
    int j = (int) random_below (r, i + 1);
    axis[i] = axis[j];
    axis[j] = i;
  }
  return shape->rank > 1 ? fw_permute (r->graph, x, axis) : x;
}

/* Merges two axes, splits one, or adds one of size 1. */
static inline FwVal
random_reshape (RandomGraph *r, FwVal x, const FwTensor *shape)
{
  gint64 dim[FW_MAX_RANK];
  int rank = 0, at = (int) random_below (r, shape->rank);
  gboolean merge = random_below (r, 2) != 0;
  if (shape->rank < 1 || shape->rank > 4)
    return x;
  for (int i = 0; i < shape->rank; i++) {
    gint64 size = shape->dim[i];
    if (merge && i == at && i + 1 < shape->rank) {
      dim[rank++] = size * shape->dim[++i];
    } else if (!merge && i == at) {
      gint64 part = size % 2 == 0 && size > 0 ? 2 : size % 3 == 0 && size > 0 ? 3 : 1;
      dim[rank++] = part;
      dim[rank++] = size / part;
    } else {
      dim[rank++] = size;
    }
  }
  return fw_reshape (r->graph, x, rank, dim);
}

static inline FwVal
random_slice (RandomGraph *r, FwVal x, const FwTensor *shape)
{
  if (shape->rank == 0)
    return x;
  int axis = (int) random_below (r, shape->rank);
  gint64 size = 1 + random_below (r, shape->dim[axis]), start = random_below (r, shape->dim[axis] - size + 1);
  if (shape->dim[axis] < 2)
    return x;
  return size == 1 && random_below (r, 2) ? fw_select (r->graph, x, axis, start) : fw_slice (r->graph, x, axis, start, size);
}

static inline FwVal
random_concat (RandomGraph *r, FwVal x, const FwTensor *shape)
{
  FwVal parts[12];
  guint n = 1 + (guint) random_below (r, random_below (r, 8) == 0 ? 12 : 4);
  if (shape->rank == 0)
    return x;
  int axis = (int) random_below (r, shape->rank);
  for (guint i = 0; i < n; i++) {
    parts[i] = i == 0 ? x : random_like (r, x);
    switch (random_below (r, 4)) {
    case 0: parts[i] = random_unary (r, parts[i], NULL); break;
    case 1: parts[i] = fw_slice (r->graph, parts[i], axis, 0, random_below (r, shape->dim[axis] + 1)); break;
    case 2: parts[i] = fw_softmax (r->graph, parts[i]); break;
    default: break;
    }
  }
  return fw_concat (r->graph, axis, parts, n);
}

static inline FwVal
random_linear (RandomGraph *r, FwVal x, const FwTensor *shape)
{
  if (shape->rank == 0)
    return x;
  gint64 k = shape->dim[shape->rank - 1], n = random_below (r, 2) ? k : 1 + random_below (r, 6);
  FwVal bias = random_below (r, 2) ? random_weight (r, 1, &n) : FW_NONE;
  FwVal y = fw_linear (r->graph, x, random_weight (r, 2, (gint64[]) { n, k }), bias);
  switch (random_below (r, 4)) {
  case 0: return random_unary (r, y, NULL);
  case 1: return fw_add (r->graph, random_like (r, y), y);
  case 2: return fw_gate_residual (r->graph, random_like (r, y),
                                   random_weight (r, 1, (gint64[]) { random_below (r, 2) ? n : 1 }), y);
  default: return y;
  }
}

static inline FwVal
random_norm (RandomGraph *r, FwVal x, const FwTensor *shape)
{
  if (shape->rank == 0)
    return x;
  gint64 d = shape->dim[shape->rank - 1], one = 1;
  switch (random_below (r, 4)) {
  case 0: return fw_rms_norm (r->graph, x, random_weight (r, 1, &d), 1e-3);
  case 1: return fw_layer_norm (r->graph, x, random_weight (r, 1, &d), random_weight (r, 1, &d), 1e-3);
  case 2: {
    FwVal n = fw_layer_norm (r->graph, x, FW_NONE, FW_NONE, 1e-3);
    FwVal shift = random_weight (r, 1, random_below (r, 3) ? &d : &one);
    return fw_modulate (r->graph, n, shift, random_weight (r, 1, random_below (r, 3) ? &d : &one));
  }
  default: {
    if (shape->rank < 2 || d < 1)
      return x;
    int groups = d % 2 == 0 ? 2 : 1;
    FwVal n = fw_group_norm (r->graph, x, random_weight (r, 1, &d), random_weight (r, 1, &d), groups, 1e-2);
    return random_below (r, 2) ? fw_unary (r->graph, FW_FN_SILU, n) : n;
  }
  }
}

static inline FwVal
random_product (RandomGraph *r, FwVal x, const FwTensor *shape)
{
  int axis[FW_MAX_RANK];
  if (shape->rank < 2)
    return x;
  for (int i = 0; i < shape->rank; i++)
    axis[i] = i < shape->rank - 2 ? i : 2 * shape->rank - 3 - i;
  return fw_matmul (r->graph, x, fw_permute (r->graph, random_like (r, x), axis), 0.3);
}

static inline FwVal
random_attention (RandomGraph *r, FwVal x, const FwTensor *shape)
{
  if (shape->rank != 3)
    return x;
  FwVal part[3];
  for (int i = 0; i < 3; i++)
    part[i] = fw_reshape_to (r->graph, random_like (r, x), shape->dim[0], shape->dim[1], 1, shape->dim[2]);
  FwVal a = fw_attention (r->graph, part[0], part[1], part[2], FW_NONE, FW_NONE, 0.5, random_below (r, 2) != 0);
  return fw_reshape (r->graph, a, 3, shape->dim);
}

/* A small convolution over the last axis as channels, after an enlargement now and then. */
static inline FwVal
random_conv (RandomGraph *r, FwVal x, const FwTensor *shape)
{
  if (shape->rank != 3 || shape->dim[0] == 0)
    return x;
  x = fw_reshape_to (r->graph, x, 1, 1, shape->dim[0], shape->dim[1], shape->dim[2]);
  if (random_below (r, 2))
    x = fw_upsample (r->graph, x, 1, 2, 2);
  FwVal w = random_weight (r, 5, (gint64[]) { 2, shape->dim[2], 1, 3, 3 });
  const FwConvAttributes attributes = { .stride = { 1, 1, 1 }, .pad_front = { 0, 1, 1 }, .pad_back = { 0, 1, 1 } };
  x = fw_conv (r->graph, x, w, FW_NONE, &attributes);
  return fw_reshape_to (r->graph, x, fw_dim (r->graph, x, 2), fw_dim (r->graph, x, 3), 2);
}

static inline FwVal
random_moved (RandomGraph *r, FwVal x, const FwTensor *shape)
{
  switch (random_below (r, 4)) {
  case 0: return fw_contiguous (r->graph, x);
  case 1: return fw_cast (r->graph, fw_affine (r->graph, x, 0.5, 0.25), fw_graph_accumulate (r->graph));
  case 2: {
    gint64 before[FW_MAX_RANK], dim[FW_MAX_RANK];
    for (int i = 0; i < shape->rank; i++) {
      before[i] = random_below (r, 2);
      dim[i] = shape->dim[i] + before[i] + random_below (r, 2);
    }
    return fw_pad (r->graph, x, before, dim);
  }
  default: return fw_reduce (r->graph, random_below (r, 2) ? FW_REDUCE_SUM : FW_REDUCE_MEAN, x,
                             1u << random_below (r, shape->rank));
  }
}

static inline FwVal
random_gated (RandomGraph *r, FwVal x, const FwTensor *shape)
{
  return fw_gated (r->graph, FW_FN_GELU_TANH, x, random_like (r, x));
}

static const RandomRecord random_records[] = {
  random_unary, random_unary, random_binary, random_binary, random_permute, random_reshape, random_slice, random_concat,
  random_concat,
  random_linear, random_linear, random_norm, random_product, random_attention, random_conv, random_moved, random_gated,
};

/* A graph of about @n_nodes nodes that computes in @compute; the same for the same seed. Its inputs are external values, its
 * results are kept as "kept0", "kept1", ... up to RANDOM_KEPT. */
static inline FwGraph *
random_graph (guint32 seed, FwDtype compute, guint n_nodes)
{
  RandomGraph r = { fw_graph_new (compute), g_rand_new_with_seed (seed), g_array_new (FALSE, FALSE, sizeof (FwVal)), 0 };
  for (int i = 0; i < 3; i++) {
    FwVal x = random_weight (&r, 3, (gint64[]) { 2, 3, i == 2 ? 6 : 4 });
    g_array_append_val (r.values, x);
  }
  while (fw_graph_n_nodes (r.graph) < n_nodes && !fw_graph_failed (r.graph)) {
    FwVal x = random_value (&r);
    const FwTensor shape = *fw_layout (r.graph, x);
    FwVal y = random_records[random_below (&r, G_N_ELEMENTS (random_records))] (&r, x, &shape);
    gint64 count = fw_tensor_count (fw_layout (r.graph, y));
    if (count > 0 && count <= RANDOM_LARGEST && fw_layout (r.graph, y)->rank <= 6)
      g_array_append_val (r.values, y);
  }
  for (guint i = 0; i < RANDOM_KEPT; i++) {
    g_autofree char *name = g_strdup_printf ("kept%u", i);
    fw_keep (r.graph, name, i == 0 ? g_array_index (r.values, FwVal, r.values->len - 1) : random_value (&r));
  }
  g_array_unref (r.values);
  g_rand_free (r.random);
  return r.graph;
}
