/* SPDX-License-Identifier: Apache-2.0
 * Matrix products: linear, matmul. Shapes, gradients, FLOPs and recording. */
#include "engine/graph/gradient.h"
#include "engine/graph/ops.h"

gboolean
fw_infer_linear (FwGraph *graph, FwNode *node)
{
  const FwLinearAttributes *attributes = node->attributes;
  FwTensor x = *fw_in (graph, node, 0), w = *fw_in (graph, node, 1);
  const FwTensor *bias = fw_in (graph, node, 2), *h = fw_in (graph, node, 3), *gate = fw_in (graph, node, 4);
  if (x.rank < 1 || w.rank != 2)
    return FALSE;
  gint64 n = attributes->transposed ? w.dim[1] : w.dim[0], k = attributes->transposed ? w.dim[0] : w.dim[1];
  if (x.dim[x.rank - 1] != k || (bias != NULL && (bias->rank != 1 || bias->dim[0] != n)))
    return FALSE;
  x.dim[x.rank - 1] = n;
  if ((h != NULL && (h->rank != x.rank || !fw_broadcasts_to (h, &x) || !fw_broadcasts_to (&x, h)))
      || (gate != NULL && !fw_broadcasts_to (gate, &x)))
    return FALSE;
  FwDtype dtype = h != NULL ? h->dtype : fw_graph_compute (graph);
  return fw_out (graph, node, 0, dtype, x.rank, x.dim) != NULL
         && fw_out (graph, node, 1, fw_graph_compute (graph), x.rank, x.dim) != NULL
         && fw_out (graph, node, 2, fw_graph_compute (graph), x.rank, x.dim) != NULL;
}

FwVal
fw_linear (FwGraph *graph, FwVal x, FwVal w, FwVal bias)
{
  FwVal in[] = { fw_dense_rows (graph, x), fw_dense_rows (graph, w), fw_dense_rows (graph, bias) };
  return fw_record (graph, FW_OP (LINEAR), &(FwLinearAttributes) { 0 }, in, 3);
}

static double
rows (const FwTensor *x)
{
  return x->dim[x->rank - 1] > 0 ? (double) fw_tensor_count (x) / x->dim[x->rank - 1] : 0;
}

double
fw_flops_linear (const FwGraph *graph, const FwNode *node)
{
  return 2 * rows (fw_in (graph, node, 0)) * fw_tensor_count (fw_in (graph, node, 1));
}

gboolean
fw_infer_linear_grad_weight (FwGraph *graph, FwNode *node)
{
  const FwTensor *x = fw_in (graph, node, 0), *dy = fw_in (graph, node, 1);
  FwDtype dtype = fw_graph_accumulate (graph);
  gint64 n = dy->dim[dy->rank - 1], k = x->dim[x->rank - 1];
  return fw_out (graph, node, 0, dtype, 2, (gint64[]) { n, k }) != NULL && fw_out (graph, node, 1, dtype, 1, &n) != NULL;
}

double
fw_flops_linear_grad_weight (const FwGraph *graph, const FwNode *node)
{
  const FwTensor *x = fw_in (graph, node, 0), *dy = fw_in (graph, node, 1);
  return 2 * rows (x) * x->dim[x->rank - 1] * dy->dim[dy->rank - 1];
}

/* y = [h +] [gate *] fn(p), p = x w^T + bias. A gate is differentiated only with fn the identity, where "saved" is what
 * the gate multiplies; fusions before the gradient keep to that. */
void
fw_grad_linear (FwGradient *gradient, const FwNode *node)
{
  FwGraph *graph = fw_gradient_graph (gradient);
  const FwLinearAttributes *attributes = node->attributes;
  FwVal x = fw_gradient_in (gradient, node, 0), w = fw_gradient_in (gradient, node, 1);
  FwVal gate = fw_gradient_in (gradient, node, 4), saved = fw_gradient_out (gradient, node, 1);
  FwVal dy = fw_gradient_arrived (gradient, node, 0);
  fw_gradient_add (gradient, node, 3, dy);
  if (gate.id != 0) {
    FwVal da = fw_record (graph, FW_OP (GATE_RESIDUAL_GRAD), NULL, (FwVal[]) { gate, saved, dy }, 3);
    const FwTensor *shape = fw_layout (graph, gate);
    if (fw_gradient_wanted (gradient, node, 4))
      fw_gradient_add (gradient, node, 4, fw_reshape (graph, fw_sibling (graph, da, 1), shape->rank, shape->dim));
    dy = da;
  }
  FwDtype dtype = fw_layout (graph, saved)->dtype; /* products of the backward pass run as the forward one did */
  if (fw_layout (graph, dy)->dtype != dtype)
    dy = fw_cast (graph, dy, dtype);
  if (attributes->function != FW_FN_IDENTITY)
    dy = fw_mul (graph, dy, saved);
  dy = fw_dense_rows (graph, dy);
  if (fw_gradient_wanted (gradient, node, 0)) {
    FwLinearAttributes back = { .transposed = !attributes->transposed };
    fw_gradient_add (gradient, node, 0, fw_record (graph, FW_OP (LINEAR), &back, (FwVal[]) { dy, w }, 2));
  }
  if (fw_gradient_wanted (gradient, node, 1) || fw_gradient_wanted (gradient, node, 2)) {
    FwVal dw = fw_record (graph, FW_OP (LINEAR_GRAD_WEIGHT), NULL, (FwVal[]) { x, dy }, 2);
    fw_gradient_add (gradient, node, 2, fw_sibling (graph, dw, 1));
    fw_gradient_add (gradient, node, 1, attributes->transposed ? fw_permute_to (graph, dw, 1, 0) : dw);
  }
}

gboolean
fw_infer_matmul (FwGraph *graph, FwNode *node)
{
  const FwTensor a = *fw_in (graph, node, 0), b = *fw_in (graph, node, 1);
  FwTensor y = a;
  if (a.rank < 2 || a.rank != b.rank || a.dim[a.rank - 1] != b.dim[b.rank - 2])
    return FALSE;
  for (int i = 0; i < a.rank - 2; i++)
    if (a.dim[i] != b.dim[i])
      return FALSE;
  y.dim[a.rank - 1] = b.dim[b.rank - 1];
  return fw_out (graph, node, 0, fw_graph_compute (graph), y.rank, y.dim) != NULL;
}

FwVal
fw_matmul (FwGraph *graph, FwVal a, FwVal b, double alpha)
{
  return fw_record (graph, FW_OP (MATMUL), &(FwMatmulAttributes) { alpha }, (FwVal[]) { a, b }, 2);
}

double
fw_flops_matmul (const FwGraph *graph, const FwNode *node)
{
  const FwTensor *b = fw_in (graph, node, 1);
  return 2 * fw_tensor_count (fw_in (graph, node, 0)) * (double) b->dim[b->rank - 1];
}

static FwVal
transpose (FwGraph *graph, FwVal x)
{
  int rank = fw_layout (graph, x)->rank, axis[FW_MAX_RANK];
  for (int i = 0; i < rank; i++)
    axis[i] = i < rank - 2 ? i : 2 * rank - 3 - i;
  return fw_permute (graph, x, axis);
}

void
fw_grad_matmul (FwGradient *gradient, const FwNode *node)
{
  FwGraph *graph = fw_gradient_graph (gradient);
  double alpha = ((const FwMatmulAttributes *) node->attributes)->alpha;
  FwVal a = fw_gradient_in (gradient, node, 0), b = fw_gradient_in (gradient, node, 1), dy = fw_gradient_arrived (gradient, node, 0);
  if (fw_gradient_wanted (gradient, node, 0))
    fw_gradient_add (gradient, node, 0, fw_matmul (graph, dy, transpose (graph, b), alpha));
  if (fw_gradient_wanted (gradient, node, 1))
    fw_gradient_add (gradient, node, 1, fw_matmul (graph, transpose (graph, a), dy, alpha));
}
