/* SPDX-License-Identifier: Apache-2.0
 * Fusions: small patterns over producers and single uses. Most replace the later node, so that operands are always ready. */
#include "engine/graph/rewrite.h"

#include <string.h>

#include "engine/graph/op-table.h"
#include "engine/graph/place.h"
#include "kernels/ops.h"

typedef struct {
  FwGraph *graph;
  guint *uses;   /* per value: how many operands read it, views included; kept values count one more */
} Rewriter;

static void
count_uses (Rewriter *rewriter)
{
  for (guint n = 0; n < fw_graph_n_nodes (rewriter->graph); n++) {
    const FwNode *node = fw_graph_node (rewriter->graph, n);
    for (guint i = 0; node->op != NULL && i < node->op->n_in; i++)
      rewriter->uses[node->in[i]]++;
  }
  for (guint id = 1; id < fw_graph_n_values (rewriter->graph); id++)
    rewriter->uses[id] += fw_graph_value (rewriter->graph, (gint32) id)->kept;
}

/* The node that made @id, if it is an @op and nothing else reads @id. */
static FwNode *
only_feeder (const Rewriter *rewriter, gint32 id, const FwOp *op)
{
  const FwValue *value = fw_graph_value (rewriter->graph, id);
  FwNode *node = value != NULL ? value->producer : NULL;
  return node != NULL && node->op == op && rewriter->uses[id] == 1 && node->out[0] == id ? node : NULL;
}

/* Moves everything @feeder is to the place of @node, which keeps its own output. */
static void
replace (Rewriter *rewriter, FwNode *node, FwNode *feeder, gpointer attributes)
{
  const FwOp *op = feeder->op;
  gint32 result = node->out[0];
  for (guint i = 0; i < FW_MAX_INPUTS; i++)
    node->in[i] = feeder->in[i];
  for (guint o = 1; o < FW_MAX_OUTPUTS; o++) {
    node->out[o] = feeder->out[o];
    if (node->out[o] != 0)
      fw_graph_value (rewriter->graph, node->out[o])->producer = node;
  }
  node->out[0] = result;
  node->op = op;
  node->attributes = attributes;
  node->scope = feeder->scope;
  node->precise = feeder->precise;
  fw_node_remove (feeder);
}

typedef gboolean (*Pattern) (Rewriter *rewriter, FwNode *node);

static gpointer
copy_of (Rewriter *rewriter, gconstpointer attributes, gsize size)
{
  gpointer copy = fw_graph_alloc (rewriter->graph, size);
  memcpy (copy, attributes, size);
  return copy;
}

/* fn(linear) -> linear with fn; fn(group norm) -> group norm with fn. Only functions without parameters. */
static gboolean
fuse_activation (Rewriter *rewriter, FwNode *node)
{
  if (node->op != FW_OP (UNARY))
    return FALSE;
  const FwUnaryAttributes *unary = node->attributes;
  if (unary->function == FW_FN_AFFINE || unary->function == FW_FN_CLAMP)
    return FALSE;
  FwNode *linear = only_feeder (rewriter, node->in[0], FW_OP (LINEAR));
  if (linear != NULL && linear->in[3] == 0 && ((FwLinearAttributes *) linear->attributes)->function == FW_FN_IDENTITY) {
    FwLinearAttributes *attributes = copy_of (rewriter, linear->attributes, sizeof *attributes);
    attributes->function = unary->function;
    replace (rewriter, node, linear, attributes);
    return TRUE;
  }
  FwNode *norm = only_feeder (rewriter, node->in[0], FW_OP (GROUP_NORM));
  if (norm != NULL && ((FwGroupNormAttributes *) norm->attributes)->function == FW_FN_IDENTITY) {
    FwGroupNormAttributes *attributes = copy_of (rewriter, norm->attributes, sizeof *attributes);
    attributes->function = unary->function;
    replace (rewriter, node, norm, attributes);
    return TRUE;
  }
  return FALSE;
}

static gboolean
is_binary (const FwNode *node, FwBinaryFunction function)
{
  return node != NULL && node->op == FW_OP (BINARY) && ((const FwBinaryAttributes *) node->attributes)->function == function;
}

static gboolean
same_dims (const FwTensor *a, const FwTensor *b)
{
  return a->rank == b->rank && memcmp (a->dim, b->dim, (gsize) a->rank * sizeof *a->dim) == 0;
}

/* add(mul(layer_norm(x), scale + 1), shift) -> layer_norm(x, shift, scale) */
static gboolean
fuse_modulation (Rewriter *rewriter, FwNode *node)
{
  if (!is_binary (node, FW_BINARY_ADD))
    return FALSE;
  FwNode *product = only_feeder (rewriter, node->in[0], FW_OP (BINARY));
  if (!is_binary (product, FW_BINARY_MUL))
    return FALSE;
  FwNode *norm = only_feeder (rewriter, product->in[0], FW_OP (LAYER_NORM));
  FwNode *plus_one = only_feeder (rewriter, product->in[1], FW_OP (UNARY));
  if (norm == NULL || plus_one == NULL || norm->in[1] != 0 || norm->in[3] != 0)
    return FALSE;
  const FwUnaryAttributes *affine = plus_one->attributes;
  if (affine->function != FW_FN_AFFINE || affine->a != 1 || affine->b != 1)
    return FALSE;
  gint32 shift = node->in[1], scale = plus_one->in[0];
  const FwTensor *x = fw_in (rewriter->graph, norm, 0), *y = &fw_graph_value (rewriter->graph, node->out[0])->layout;
  const FwTensor *added = fw_in (rewriter->graph, node, 1), *factor = fw_in (rewriter->graph, plus_one, 0);
  if (!same_dims (x, y) || !same_dims (added, factor))
    return FALSE;
  FwDtype dtype = fw_graph_value (rewriter->graph, norm->out[0])->layout.dtype;
  gint32 result = node->out[0];
  fw_node_remove (product);
  fw_node_remove (plus_one);
  replace (rewriter, node, norm, norm->attributes);
  node->in[3] = shift;
  node->in[4] = scale;
  for (gint32 id = 1; id < (gint32) fw_graph_n_values (rewriter->graph); id++) { /* the result and its views */
    FwValue *value = fw_graph_value (rewriter->graph, id);
    if (value->base == result)
      value->layout.dtype = dtype;
  }
  return TRUE;
}

/* conv(enlarge 2x in the plane) -> conv that reads the small image */
static gboolean
fuse_enlargement (Rewriter *rewriter, FwNode *node)
{
  if (node->op != FW_OP (CONV) || ((FwConvAttributes *) node->attributes)->upsample != 1)
    return FALSE;
  FwNode *resample = only_feeder (rewriter, node->in[0], FW_OP (RESAMPLE));
  if (resample == NULL)
    return FALSE;
  const FwResampleAttributes *factors = resample->attributes;
  const FwTensor *x = fw_in (rewriter->graph, resample, 0);
  if (factors->factor[0] != 1 || factors->factor[1] != 2 || factors->factor[2] != 2 || x->stride[4] != 1)
    return FALSE;
  FwConvAttributes *attributes = copy_of (rewriter, node->attributes, sizeof *attributes);
  attributes->upsample = 2;
  node->attributes = attributes;
  node->in[0] = resample->in[0];
  fw_node_remove (resample);
  return TRUE;
}

/* linear * factor -> linear with the factor as its gate; only when gradients have been made, which know no such gate */
static gboolean
fuse_factor (Rewriter *rewriter, FwNode *node)
{
  if (!is_binary (node, FW_BINARY_MUL))
    return FALSE;
  gint32 factor = node->in[1];
  FwNode *linear = only_feeder (rewriter, node->in[0], FW_OP (LINEAR));
  const FwTensor *product = &fw_graph_value (rewriter->graph, node->out[0])->layout;
  if (linear == NULL || linear->in[3] != 0 || linear->in[4] != 0 || rewriter->uses[linear->out[1]] > 0
      || !same_dims (fw_in (rewriter->graph, node, 0), product) || !same_dims (fw_in (rewriter->graph, node, 1), product))
    return FALSE;
  replace (rewriter, node, linear, linear->attributes);
  node->in[4] = factor;
  return TRUE;
}

/* h + gate * linear -> linear with h and gate; h + linear likewise. Other readers of the product get it as "saved". */
static gboolean
fuse_residual (Rewriter *rewriter, FwNode *node)
{
  gboolean gated = node->op == FW_OP (GATE_RESIDUAL);
  if (!gated && !is_binary (node, FW_BINARY_ADD))
    return FALSE;
  gint32 h = node->in[0], gate = gated ? node->in[1] : 0, product = node->in[gated ? 2 : 1];
  const FwValue *value = fw_graph_value (rewriter->graph, product);
  FwNode *linear = value->producer;
  if (linear == NULL || linear->op != FW_OP (LINEAR) || linear->out[0] != product || linear->in[3] != 0 || linear->in[4] != 0
      || value->kept || h == product || gate == product)
    return FALSE;
  const FwLinearAttributes *attributes = linear->attributes;
  if ((attributes->function != FW_FN_IDENTITY && rewriter->uses[product] != 1) || rewriter->uses[linear->out[2]] > 0)
    return FALSE;
  const FwTensor *sum = &fw_graph_value (rewriter->graph, node->out[0])->layout, *addend = fw_in (rewriter->graph, node, 0);
  if (!same_dims (addend, sum) || !same_dims (&value->layout, sum))
    return FALSE;
  /* nothing between the linear and here may already read the product */
  for (guint n = linear->index + 1; n < (guint) node->index; n++) {
    const FwNode *between = fw_graph_node (rewriter->graph, n);
    for (guint i = 0; between->op != NULL && i < between->op->n_in; i++)
      if (between->in[i] == product)
        return FALSE;
  }
  gint32 old_saved = linear->out[1];
  replace (rewriter, node, linear, linear->attributes);
  node->in[3] = h;
  node->in[4] = gate;
  if (attributes->function == FW_FN_IDENTITY) {
    node->out[1] = product;
    fw_graph_value (rewriter->graph, product)->producer = node;
    fw_graph_value (rewriter->graph, old_saved)->producer = NULL;
    rewriter->uses[product]--;
  }
  return TRUE;
}

/* h + layer_norm_grad -> layer_norm_grad that adds h, in the place of the latter if h is ready by then */
static gboolean
fuse_arrival (Rewriter *rewriter, FwNode *node)
{
  if (!is_binary (node, FW_BINARY_ADD))
    return FALSE;
  for (guint i = 0; i < 2; i++) {
    FwNode *norm = only_feeder (rewriter, node->in[i], FW_OP (LAYER_NORM_GRAD));
    const FwValue *h = fw_graph_value (rewriter->graph, node->in[1 - i]);
    FwValue *sum = fw_graph_value (rewriter->graph, node->out[0]);
    if (norm == NULL || norm->in[4] != 0 || !same_dims (&h->layout, &sum->layout) || h->layout.dtype != sum->layout.dtype
        || fw_in (rewriter->graph, node, i)->dtype != sum->layout.dtype || h->layout.stride[h->layout.rank - 1] != 1
        || (h->producer != NULL && h->producer->index >= norm->index))
      continue;
    fw_graph_value (rewriter->graph, norm->out[0])->producer = NULL;
    norm->in[4] = h->id;
    norm->out[0] = sum->id;
    fw_node_remove (node);
    sum->producer = norm;
    return TRUE;
  }
  return FALSE;
}

/* convert(op) -> op that stores the other dtype, where the kernel rounds on store anyway */
static gboolean
fuse_conversion (Rewriter *rewriter, FwNode *node)
{
  if (node->op != FW_OP (COPY))
    return FALSE;
  const FwValue *source = fw_graph_value (rewriter->graph, node->in[0]);
  FwNode *feeder = source->producer;
  if (feeder == NULL || feeder->op == NULL || feeder->op->view || source->kept || rewriter->uses[source->id] != 1
      || feeder->out[0] != source->id || source->base != source->id || !fw_tensor_is_contiguous (&source->layout))
    return FALSE;
  for (guint o = 1; o < feeder->op->n_out; o++)
    if (feeder->out[o] != 0 && rewriter->uses[feeder->out[o]] > 0)
      return FALSE;
  if (feeder->op == FW_OP (ATTENTION_GRAD) || feeder->op == FW_OP (CONCAT) || source->layout.dtype > FW_DTYPE_F64
      || fw_graph_value (rewriter->graph, node->out[0])->layout.dtype > FW_DTYPE_F64)
    return FALSE;
  replace (rewriter, node, feeder, feeder->attributes);
  return TRUE;
}

/* convert(op), where others read op's result as it is -> op, in its old place, that stores it twice */
static gboolean
fuse_narrowing (Rewriter *rewriter, FwNode *node)
{
  static const struct { FwOpId op; guint narrow; } twice[] = { { FW_OP_LINEAR, 2 }, { FW_OP_LAYER_NORM_GRAD, 5 } };
  if (node->op != FW_OP (COPY))
    return FALSE;
  const FwValue *source = fw_graph_value (rewriter->graph, node->in[0]);
  FwValue *copy = fw_graph_value (rewriter->graph, node->out[0]);
  FwNode *feeder = source->producer;
  for (guint i = 0; feeder != NULL && i < G_N_ELEMENTS (twice); i++) {
    guint o = twice[i].narrow;
    const FwValue *narrow = fw_graph_value (rewriter->graph, feeder->out[o]);
    if (feeder->op != &fw_ops[twice[i].op] || feeder->out[0] != source->id || rewriter->uses[feeder->out[o]] > 0
        || narrow->layout.dtype != copy->layout.dtype || source->layout.dtype == copy->layout.dtype
        || !same_dims (&source->layout, &copy->layout))
      continue;
    fw_graph_value (rewriter->graph, feeder->out[o])->producer = NULL;
    feeder->out[o] = copy->id;
    fw_node_remove (node);
    copy->producer = feeder;
    rewriter->uses[source->id]--;
    return TRUE;
  }
  return FALSE;
}

static void
apply (FwGraph *graph, const Pattern *patterns)
{
  if (fw_graph_failed (graph))
    return;
  Rewriter rewriter = { graph, g_new0 (guint, fw_graph_n_values (graph)) };
  count_uses (&rewriter);
  for (guint n = 0; n < fw_graph_n_nodes (graph); n++) {
    FwNode *node = fw_graph_node (graph, n);
    for (const Pattern *pattern = patterns; node->op != NULL && *pattern != NULL; pattern++)
      if ((*pattern) (&rewriter, node))
        break;
  }
  g_free (rewriter.uses);
}

void
fw_rewrite_forward (FwGraph *graph)
{
  apply (graph, (const Pattern[]) { fuse_activation, fuse_modulation, fuse_enlargement, NULL });
}

void
fw_rewrite_final (FwGraph *graph)
{
  apply (graph, (const Pattern[]) { fuse_factor, fuse_arrival, fuse_residual, fuse_conversion, fuse_narrowing, NULL });
  fw_place_parts (graph);
}
