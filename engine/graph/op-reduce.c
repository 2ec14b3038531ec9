/* SPDX-License-Identifier: Apache-2.0
 * Sums, softmax and cross entropy: shapes, gradients and recording. */
#include "engine/graph/gradient.h"
#include "engine/graph/ops.h"

gboolean
fw_infer_reduce (FwGraph *graph, FwNode *node)
{
  const FwReduceAttributes *attributes = node->attributes;
  FwTensor in = *fw_in (graph, node, 0);
  for (int i = 0; i < in.rank; i++)
    if (attributes->axes >> i & 1)
      in.dim[i] = 1;
  return fw_out (graph, node, 0, fw_graph_accumulate (graph), in.rank, in.dim) != NULL;
}

FwVal
fw_reduce (FwGraph *graph, FwReduceFunction function, FwVal x, guint32 axes)
{
  return fw_record (graph, FW_OP (REDUCE), &(FwReduceAttributes) { function, axes }, &x, 1);
}

FwVal
fw_reduce_to (FwGraph *graph, FwVal x, const FwTensor *like)
{
  const FwTensor from = *fw_layout (graph, x);
  guint32 axes = 0;
  for (int i = 0; i < from.rank; i++) {
    int j = i - (from.rank - like->rank);
    if (from.dim[i] != 1 && (j < 0 || like->dim[j] == 1))
      axes |= 1u << i;
  }
  if (axes != 0)
    x = fw_reduce (graph, FW_REDUCE_SUM, x, axes);
  return axes != 0 || from.rank != like->rank ? fw_reshape (graph, x, like->rank, like->dim) : x;
}

/* The derivative of a sum spreads dy over the reduced axes; adding it to zeros of the input's shape broadcasts it. */
void
fw_grad_reduce (FwGradient *gradient, const FwNode *node)
{
  FwGraph *graph = fw_gradient_graph (gradient);
  const FwReduceAttributes *attributes = node->attributes;
  const FwTensor in = *fw_in (graph, node, 0);
  FwVal dy = fw_gradient_arrived (gradient, node, 0);
  if (attributes->function == FW_REDUCE_MEAN) {
    gint64 count = MAX (fw_tensor_count (fw_layout (graph, dy)), 1);
    dy = fw_affine (graph, dy, (double) count / MAX (fw_tensor_count (&in), 1), 0);
  }
  fw_gradient_add (gradient, node, 0, fw_add (graph, fw_fill (graph, 0, fw_graph_accumulate (graph), in.rank, in.dim), dy));
}

FwVal
fw_softmax (FwGraph *graph, FwVal x)
{
  return fw_record (graph, FW_OP (SOFTMAX), NULL, &x, 1);
}

void
fw_grad_softmax (FwGradient *gradient, const FwNode *node)
{
  FwVal in[] = { fw_gradient_out (gradient, node, 0), fw_gradient_arrived (gradient, node, 0) };
  fw_gradient_add (gradient, node, 0, fw_record (fw_gradient_graph (gradient), FW_OP (SOFTMAX_GRAD), NULL, in, 2));
}

gboolean
fw_infer_cross_entropy (FwGraph *graph, FwNode *node)
{
  const FwTensor *logits = fw_in (graph, node, 0), *labels = fw_in (graph, node, 1);
  return logits->rank == 2 && (labels->dtype == FW_DTYPE_I32 || labels->dtype == FW_DTYPE_I64) && labels->rank == 1 && labels->dim[0] == logits->dim[0]
         && fw_out (graph, node, 0, fw_graph_accumulate (graph), 1, labels->dim) != NULL;
}

FwVal
fw_cross_entropy (FwGraph *graph, FwVal logits, FwVal labels)
{
  return fw_record (graph, FW_OP (CROSS_ENTROPY), NULL, (FwVal[]) { logits, labels }, 2);
}

void
fw_grad_cross_entropy (FwGradient *gradient, const FwNode *node)
{
  FwVal in[] = { fw_gradient_in (gradient, node, 0), fw_gradient_in (gradient, node, 1), fw_gradient_arrived (gradient, node, 0) };
  fw_gradient_add (gradient, node, 0, fw_record (fw_gradient_graph (gradient), FW_OP (CROSS_ENTROPY_GRAD), NULL, in, 3));
}
