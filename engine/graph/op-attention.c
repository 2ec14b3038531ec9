/* SPDX-License-Identifier: Apache-2.0
 * Attention over [B1, B2, N, H, K] views: shapes, gradient, FLOPs and recording. */
#include "engine/graph/gradient.h"
#include "engine/graph/ops.h"

/* Gives a fresh dense output the memory order of @like, so that undoing q's permutation later is a view, not a copy. */
static void
order_like (FwValue *value, const FwTensor *like)
{
  int order[FW_MAX_RANK];
  for (int i = 0; i < like->rank; i++) {
    int j = i;
    for (; j > 0 && like->stride[order[j - 1]] < like->stride[i]; j--)
      order[j] = order[j - 1];
    order[j] = i;
  }
  gint64 stride = 1;
  for (int i = like->rank - 1; i >= 0; i--) {
    value->layout.stride[order[i]] = stride;
    stride *= value->layout.dim[order[i]];
  }
}

gboolean
fw_infer_attention (FwGraph *graph, FwNode *node)
{
  const FwTensor q = *fw_in (graph, node, 0), k = *fw_in (graph, node, 1), v = *fw_in (graph, node, 2);
  const FwTensor *mask = fw_in (graph, node, 3), *bias = fw_in (graph, node, 4);
  if (q.rank != 5 || k.rank != 5 || v.rank != 5)
    return FALSE;
  gint64 b1 = q.dim[0], b2 = q.dim[1], nq = q.dim[2], heads = q.dim[3], nk = k.dim[2];
  for (int i = 0; i < 4; i++)
    if (k.dim[i] != v.dim[i] || (i != 2 && k.dim[i] != q.dim[i]))
      return FALSE;
  if (k.dim[4] != q.dim[4]
      || (mask != NULL && (mask->dtype != FW_DTYPE_U8 || mask->rank != 2 || mask->dim[0] != b1 || mask->dim[1] != nk))
      || (bias != NULL && (bias->rank != 3 || bias->dim[0] != heads || bias->dim[1] != nq || bias->dim[2] != nk)))
    return FALSE;
  FwValue *out = fw_out (graph, node, 0, fw_graph_compute (graph), 5, (gint64[]) { b1, b2, nq, heads, v.dim[4] });
  if (out == NULL || fw_out (graph, node, 1, fw_graph_accumulate (graph), 4, (gint64[]) { b1, b2, heads, nq }) == NULL)
    return FALSE;
  order_like (out, &q);
  return TRUE;
}

/* [B, N, H, K] -> [B, 1, N, H, K], K dense */
static FwVal
with_second_batch (FwGraph *graph, FwVal x)
{
  x = fw_dense_rows (graph, x);
  const FwTensor *layout = fw_layout (graph, x);
  if (layout->rank != 4)
    return x;
  return fw_reshape_to (graph, x, layout->dim[0], 1, layout->dim[1], layout->dim[2], layout->dim[3]);
}

FwVal
fw_attention (FwGraph *graph, FwVal q, FwVal k, FwVal v, FwVal mask, FwVal bias, double scale, gboolean causal)
{
  gboolean flat = fw_layout (graph, q)->rank == 4;
  FwVal in[] = { with_second_batch (graph, q), with_second_batch (graph, k), with_second_batch (graph, v), mask,
                 fw_dense_rows (graph, bias) };
  FwVal out = fw_record (graph, FW_OP (ATTENTION), &(FwAttentionAttributes) { scale, causal }, in, 5);
  if (!flat || out.id == 0)
    return out;
  const FwTensor *layout = fw_layout (graph, out);
  return fw_reshape_to (graph, out, layout->dim[0], layout->dim[2], layout->dim[3], layout->dim[4]);
}

double
fw_flops_attention (const FwGraph *graph, const FwNode *node)
{
  const FwTensor *q = fw_in (graph, node, 0), *k = fw_in (graph, node, 1), *v = fw_in (graph, node, 2);
  return 2 * (double) q->dim[0] * q->dim[1] * q->dim[2] * q->dim[3] * k->dim[2] * (q->dim[4] + v->dim[4]);
}

/* Five products against the forward pass's two. */
double
fw_flops_attention_grad (const FwGraph *graph, const FwNode *node)
{
  return 2.5 * fw_flops_attention (graph, node);
}

gboolean
fw_infer_attention_grad (FwGraph *graph, FwNode *node)
{
  for (guint i = 0; i < 3; i++) {
    const FwTensor in = *fw_in (graph, node, i);
    FwValue *out = fw_out (graph, node, i, fw_graph_compute (graph), in.rank, in.dim);
    if (out == NULL)
      return FALSE;
    order_like (out, &in);
  }
  const FwTensor *q = fw_in (graph, node, 0), *k = fw_in (graph, node, 1);
  return fw_out (graph, node, 3, fw_graph_accumulate (graph), 3, (gint64[]) { q->dim[3], q->dim[2], k->dim[2] }) != NULL;
}

void
fw_grad_attention (FwGradient *gradient, const FwNode *node)
{
  FwGraph *graph = fw_gradient_graph (gradient);
  FwVal in[8];
  for (guint i = 0; i < 5; i++)
    in[i] = fw_gradient_in (gradient, node, i);
  in[5] = fw_gradient_out (gradient, node, 0);
  in[6] = fw_gradient_arrived (gradient, node, 0);
  in[7] = fw_gradient_out (gradient, node, 1);
  FwVal dq = fw_record (graph, FW_OP (ATTENTION_GRAD), node->attributes, in, 8);
  fw_gradient_add (gradient, node, 0, dq);
  fw_gradient_add (gradient, node, 1, fw_sibling (graph, dq, 1));
  fw_gradient_add (gradient, node, 2, fw_sibling (graph, dq, 2));
  fw_gradient_add (gradient, node, 4, fw_sibling (graph, dq, 3));
}
