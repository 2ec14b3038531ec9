/* SPDX-License-Identifier: Apache-2.0
 * Layer, RMS and group norm: shapes, gradients and recording. */
#include "engine/graph/gradient.h"
#include "engine/graph/ops.h"

gboolean
fw_infer_norm (FwGraph *graph, FwNode *node)
{
  const FwTensor x = *fw_in (graph, node, 0);
  if (x.rank < 1)
    return FALSE;
  for (guint i = 1; i <= 2; i++) {
    const FwTensor *affine = fw_in (graph, node, i);
    if (affine != NULL && (affine->rank != 1 || affine->dim[0] != x.dim[x.rank - 1]))
      return FALSE;
  }
  return fw_out (graph, node, 0, fw_graph_compute (graph), x.rank, x.dim) != NULL;
}

/* w and b come together, and so do shift and scale, but not all four. */
gboolean
fw_infer_layer_norm (FwGraph *graph, FwNode *node)
{
  const FwTensor *x = fw_in (graph, node, 0), *shift = fw_in (graph, node, 3), *scale = fw_in (graph, node, 4);
  gboolean affine = node->in[1] != 0, modulated = shift != NULL;
  if (affine != (node->in[2] != 0) || modulated != (scale != NULL) || (affine && modulated)
      || (modulated && !(fw_broadcasts_to (shift, x) && fw_broadcasts_to (scale, x))))
    return FALSE;
  return fw_infer_norm (graph, node);
}

gboolean
fw_infer_group_norm (FwGraph *graph, FwNode *node)
{
  return fw_in (graph, node, 0)->rank >= 2 && fw_infer_norm (graph, node);
}

FwVal
fw_layer_norm (FwGraph *graph, FwVal x, FwVal w, FwVal b, double epsilon)
{
  return fw_record (graph, FW_OP (LAYER_NORM), &(FwNormAttributes) { epsilon }, (FwVal[]) { x, w, b }, 3);
}

FwVal
fw_rms_norm (FwGraph *graph, FwVal x, FwVal w, double epsilon)
{
  return fw_record (graph, FW_OP (RMS_NORM), &(FwNormAttributes) { epsilon }, (FwVal[]) { x, w }, 2);
}

FwVal
fw_group_norm (FwGraph *graph, FwVal x, FwVal w, FwVal b, int groups, double epsilon)
{
  FwGroupNormAttributes attributes = { epsilon, groups, FW_FN_IDENTITY };
  const FwTensor *layout = fw_layout (graph, x);
  if (layout->rank >= 1 && (groups < 1 || layout->dim[layout->rank - 1] % groups != 0)) {
    fw_graph_fail (graph, "%" G_GINT64_FORMAT " channels do not divide into %d groups", (gint64) layout->dim[layout->rank - 1], groups);
    return FW_NONE;
  }
  return fw_record (graph, FW_OP (GROUP_NORM), &attributes, (FwVal[]) { fw_contiguous (graph, x), w, b }, 3);
}

/* x, w, scale, dy, h -> dx, dw, db, dshift, dscale, narrow; dshift and dscale have size 1 where scale broadcasts. */
gboolean
fw_infer_layer_norm_grad (FwGraph *graph, FwNode *node)
{
  const FwTensor x = *fw_in (graph, node, 0);
  const FwTensor *scale = fw_in (graph, node, 2);
  FwDtype dtype = fw_graph_accumulate (graph);
  gint64 dim[FW_MAX_RANK], width = x.dim[x.rank - 1];
  for (int i = 0; i < x.rank; i++) {
    int j = scale != NULL ? i - (x.rank - scale->rank) : -1;
    dim[i] = j >= 0 ? scale->dim[j] : 1;
  }
  dim[x.rank - 1] = width;
  if (fw_out (graph, node, 0, x.dtype, x.rank, x.dim) == NULL
      || fw_out (graph, node, 5, fw_graph_compute (graph), x.rank, x.dim) == NULL)
    return FALSE;
  if (fw_in (graph, node, 1) != NULL)
    for (guint o = 1; o <= 2; o++)
      if (fw_out (graph, node, o, dtype, 1, &width) == NULL)
        return FALSE;
  if (scale != NULL)
    for (guint o = 3; o <= 4; o++)
      if (fw_out (graph, node, o, dtype, x.rank, dim) == NULL)
        return FALSE;
  return TRUE;
}

void
fw_grad_layer_norm (FwGradient *gradient, const FwNode *node)
{
  FwGraph *graph = fw_gradient_graph (gradient);
  FwVal shift = fw_gradient_in (gradient, node, 3), scale = fw_gradient_in (gradient, node, 4);
  FwVal in[] = { fw_gradient_in (gradient, node, 0), fw_gradient_in (gradient, node, 1), scale, fw_gradient_arrived (gradient, node, 0) };
  FwVal dx = fw_record (graph, FW_OP (LAYER_NORM_GRAD), node->attributes, in, 4);
  fw_gradient_add (gradient, node, 0, dx);
  fw_gradient_add (gradient, node, 1, fw_sibling (graph, dx, 1));
  fw_gradient_add (gradient, node, 2, fw_sibling (graph, dx, 2));
  if (scale.id != 0) {
    const FwTensor *shift_shape = fw_layout (graph, shift), *scale_shape = fw_layout (graph, scale); /* maybe of one column */
    if (fw_gradient_wanted (gradient, node, 3))
      fw_gradient_add (gradient, node, 3, fw_reduce_to (graph, fw_sibling (graph, dx, 3), shift_shape));
    if (fw_gradient_wanted (gradient, node, 4))
      fw_gradient_add (gradient, node, 4, fw_reduce_to (graph, fw_sibling (graph, dx, 4), scale_shape));
  }
}

/* x, w, [b], dy -> dx, dw, [db] */
gboolean
fw_infer_norm_grad (FwGraph *graph, FwNode *node)
{
  const FwTensor x = *fw_in (graph, node, 0);
  FwDtype dtype = fw_graph_accumulate (graph);
  gint64 width = x.dim[x.rank - 1];
  if (fw_out (graph, node, 0, x.dtype, x.rank, x.dim) == NULL)
    return FALSE;
  for (guint o = 1; o < node->op->n_out; o++)
    if (fw_out (graph, node, o, dtype, 1, &width) == NULL)
      return FALSE;
  return TRUE;
}

void
fw_grad_rms_norm (FwGradient *gradient, const FwNode *node)
{
  FwGraph *graph = fw_gradient_graph (gradient);
  FwVal in[] = { fw_gradient_in (gradient, node, 0), fw_gradient_in (gradient, node, 1), fw_gradient_arrived (gradient, node, 0) };
  FwVal dx = fw_record (graph, FW_OP (RMS_NORM_GRAD), node->attributes, in, 3);
  fw_gradient_add (gradient, node, 0, dx);
  fw_gradient_add (gradient, node, 1, fw_sibling (graph, dx, 1));
}

void
fw_grad_group_norm (FwGradient *gradient, const FwNode *node)
{
  FwGraph *graph = fw_gradient_graph (gradient);
  FwVal in[] = { fw_gradient_in (gradient, node, 0), fw_gradient_in (gradient, node, 1), fw_gradient_in (gradient, node, 2),
                 fw_contiguous (graph, fw_gradient_arrived (gradient, node, 0)) };
  FwVal dx = fw_record (graph, FW_OP (GROUP_NORM_GRAD), node->attributes, in, 4);
  fw_gradient_add (gradient, node, 0, dx);
  fw_gradient_add (gradient, node, 1, fw_sibling (graph, dx, 1));
  fw_gradient_add (gradient, node, 2, fw_sibling (graph, dx, 2));
}
