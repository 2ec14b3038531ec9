/* SPDX-License-Identifier: Apache-2.0
 * Embedding, concat and pad: shapes, gradients and recording. */
#include "engine/graph/gradient.h"
#include "engine/graph/ops.h"

gboolean
fw_infer_embedding (FwGraph *graph, FwNode *node)
{
  const FwTensor *table = fw_in (graph, node, 0);
  FwTensor ids = *fw_in (graph, node, 1);
  if (table->rank != 2 || ids.rank >= FW_MAX_RANK || (ids.dtype != FW_DTYPE_I32 && ids.dtype != FW_DTYPE_I64))
    return FALSE;
  ids.dim[ids.rank] = table->dim[1];
  return fw_out (graph, node, 0, fw_graph_accumulate (graph), ids.rank + 1, ids.dim) != NULL;
}

FwVal
fw_embedding (FwGraph *graph, FwVal table, FwVal ids)
{
  return fw_record (graph, FW_OP (EMBEDDING), NULL, (FwVal[]) { table, ids }, 2);
}

gboolean
fw_infer_embedding_grad (FwGraph *graph, FwNode *node)
{
  const FwEmbeddingGradRecord *attributes = node->attributes;
  return fw_out (graph, node, 0, fw_graph_accumulate (graph), 2, attributes->dim) != NULL;
}

void
fw_grad_embedding (FwGradient *gradient, const FwNode *node)
{
  FwGraph *graph = fw_gradient_graph (gradient);
  const FwTensor *table = fw_in (graph, node, 0);
  FwEmbeddingGradRecord attributes = { { table->dim[0], table->dim[1] } };
  FwVal in[] = { fw_gradient_in (gradient, node, 1), fw_gradient_arrived (gradient, node, 0) };
  fw_gradient_add (gradient, node, 0, fw_record (graph, FW_OP (EMBEDDING_GRAD), &attributes, in, 2));
}

gboolean
fw_infer_concat (FwGraph *graph, FwNode *node)
{
  const FwConcatAttributes *attributes = node->attributes;
  FwTensor out = *fw_in (graph, node, 0);
  if (attributes->axis < 0 || attributes->axis >= out.rank)
    return FALSE;
  for (guint i = 1; i < FW_MAX_INPUTS && node->in[i] != 0; i++) {
    const FwTensor *part = fw_in (graph, node, i);
    if (part->rank != out.rank || part->dtype != out.dtype)
      return FALSE;
    for (int axis = 0; axis < out.rank; axis++)
      if (axis != attributes->axis && part->dim[axis] != out.dim[axis])
        return FALSE;
    out.dim[attributes->axis] += part->dim[attributes->axis];
  }
  return fw_out (graph, node, 0, out.dtype, out.rank, out.dim) != NULL;
}

/* More parts than one node takes are joined group by group; parts of several types as the widest of them. */
FwVal
fw_concat (FwGraph *graph, int axis, const FwVal *parts, guint n_parts)
{
  FwVal level[FW_MAX_INPUTS];
  guint per_group = 1;
  for (guint i = 0; i < n_parts; i++)
    if (parts[i].id == 0) {
      fw_graph_fail (graph, "part %u of %u is missing in a concatenation", i, n_parts);
      return FW_NONE;
    }
  while (per_group * FW_MAX_INPUTS < n_parts)
    per_group *= FW_MAX_INPUTS;
  guint n = 0;
  FwDtype dtype = n_parts > 0 ? fw_layout (graph, parts[0])->dtype : FW_DTYPE_F32;
  for (guint first = 0; first < n_parts; first += per_group, n++) {
    guint count = MIN (per_group, n_parts - first);
    level[n] = count == 1 ? parts[first] : fw_concat (graph, axis, parts + first, count);
    dtype = fw_promote (dtype, fw_layout (graph, level[n])->dtype);
  }
  for (guint i = 0; i < n; i++)
    if (fw_layout (graph, level[i])->dtype != dtype)
      level[i] = fw_cast (graph, level[i], dtype);
  return fw_record (graph, FW_OP (CONCAT), &(FwConcatAttributes) { axis }, level, n);
}

void
fw_grad_concat (FwGradient *gradient, const FwNode *node)
{
  FwGraph *graph = fw_gradient_graph (gradient);
  int axis = ((const FwConcatAttributes *) node->attributes)->axis;
  FwVal dy = fw_gradient_arrived (gradient, node, 0);
  gint64 start = 0;
  for (guint i = 0; i < FW_MAX_INPUTS && node->in[i] != 0; i++) {
    gint64 size = fw_in (graph, node, i)->dim[axis];
    if (fw_gradient_wanted (gradient, node, i))
      fw_gradient_add (gradient, node, i, fw_slice (graph, dy, axis, start, size));
    start += size;
  }
}

gboolean
fw_infer_pad (FwGraph *graph, FwNode *node)
{
  const FwPadRecord *attributes = node->attributes;
  const FwTensor in = *fw_in (graph, node, 0);
  for (int i = 0; i < in.rank; i++)
    if (attributes->kernel.before[i] < 0 || attributes->kernel.before[i] > attributes->dim[i] - in.dim[i])
      return FALSE;
  return fw_out (graph, node, 0, in.dtype, in.rank, attributes->dim) != NULL;
}

FwVal
fw_pad (FwGraph *graph, FwVal x, const gint64 *before, const gint64 *dim)
{
  FwPadRecord attributes = { 0 };
  for (int i = 0; i < fw_layout (graph, x)->rank; i++) {
    attributes.kernel.before[i] = before[i];
    attributes.dim[i] = dim[i];
  }
  return fw_record (graph, FW_OP (PAD), &attributes, &x, 1);
}

void
fw_grad_pad (FwGradient *gradient, const FwNode *node)
{
  FwGraph *graph = fw_gradient_graph (gradient);
  const FwPadRecord *attributes = node->attributes;
  FwVal dy = fw_gradient_arrived (gradient, node, 0);
  for (int axis = 0; axis < fw_in (graph, node, 0)->rank; axis++)
    dy = fw_slice (graph, dy, axis, attributes->kernel.before[axis], fw_in (graph, node, 0)->dim[axis]);
  fw_gradient_add (gradient, node, 0, dy);
}
