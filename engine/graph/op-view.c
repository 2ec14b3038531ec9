/* SPDX-License-Identifier: Apache-2.0
 * Views: reshape, permute, slice. They only compute strides; a reshape that strides cannot express is preceded by a copy. */
#include <string.h>

#include "engine/graph/gradient.h"
#include "engine/graph/ops.h"

/* Strides of @layout seen as @dim, if that needs no copy: runs of axes that merge must be contiguous to each other. */
static gboolean
reshape_strides (const FwTensor *layout, int rank, const gint64 *dim, FwTensor *out)
{
  *out = fw_tensor_dense (NULL, layout->dtype, rank, dim);
  if (fw_tensor_count (layout) == 0)
    return TRUE;
  int i = 0, j = 0;
  while (i < layout->rank || j < rank) {
    gint64 from = 1, to = 1;
    int first_i = i, first_j = j;
    if (i < layout->rank)
      from = layout->dim[i++];
    if (j < rank)
      to = dim[j++];
    while (from != to) {
      if (from < to) {
        if (i >= layout->rank)
          return FALSE;
        from *= layout->dim[i++];
      } else {
        if (j >= rank)
          return FALSE;
        to *= dim[j++];
      }
    }
    /* axes first_i..i-1 become first_j..j-1 */
    gint64 stride = 0;
    int innermost = -1;
    for (int a = i - 1; a >= first_i; a--) {
      if (layout->dim[a] == 1)
        continue;
      if (innermost < 0)
        innermost = a, stride = layout->stride[a] * layout->dim[a];
      else if (layout->stride[a] != stride)
        return FALSE;
      else
        stride *= layout->dim[a];
    }
    stride = innermost >= 0 ? layout->stride[innermost] : 1;
    for (int b = j - 1; b >= first_j; b--) {
      out->stride[b] = stride;
      stride *= dim[b];
    }
  }
  return TRUE;
}

gboolean
fw_infer_reshape (FwGraph *graph, FwNode *node)
{
  const FwReshapeAttributes *attributes = node->attributes;
  FwTensor layout;
  if (!reshape_strides (fw_in (graph, node, 0), attributes->rank, attributes->dim, &layout))
    return FALSE;
  return fw_out_view (graph, node, &layout, 0) != NULL;
}

/* Makes the one negative size, if there is one, what the others leave of @count elements; FALSE if they do not divide it. */
static gboolean
complete_shape (gint64 count, int rank, gint64 *dim)
{
  gint64 known = 1;
  int open = -1;
  for (int i = 0; i < rank; i++) {
    if (dim[i] < 0 ? open >= 0 : dim[i] > 0 && known > FW_MAX_ELEMENTS / dim[i])
      return FALSE;
    if (dim[i] < 0)
      open = i;
    else
      known *= dim[i];
  }
  if (open < 0)
    return known == count;
  if (known == 0 || count % known != 0)
    return FALSE;
  dim[open] = count / known;
  return TRUE;
}

FwVal
fw_reshape (FwGraph *graph, FwVal x, int rank, const gint64 *dim)
{
  const FwTensor *layout = fw_layout (graph, x);
  FwReshapeAttributes attributes = { .rank = rank };
  if (rank < 0 || rank > FW_MAX_RANK) {
    fw_graph_fail (graph, "rank %d is outside 0..%d", rank, FW_MAX_RANK);
    return FW_NONE;
  }
  for (int i = 0; i < rank; i++)
    attributes.dim[i] = dim[i];
  if (layout->rank >= 0 && !complete_shape (fw_tensor_count (layout), rank, attributes.dim)) {
    FwTensor wanted = { .dtype = layout->dtype, .rank = rank };
    memcpy (wanted.dim, attributes.dim, sizeof wanted.dim);
    g_autofree char *from = fw_layout_describe (layout), *to = fw_layout_describe (&wanted);
    fw_graph_fail (graph, "%s cannot be reshaped to %s", from, to);
    return FW_NONE;
  }
  FwTensor ignored;
  if (layout->rank >= 0 && !reshape_strides (layout, rank, attributes.dim, &ignored))
    x = fw_contiguous (graph, x);
  return fw_record (graph, FW_OP (RESHAPE), &attributes, &x, 1);
}

void
fw_grad_reshape (FwGradient *gradient, const FwNode *node)
{
  FwGraph *graph = fw_gradient_graph (gradient);
  const FwTensor *in = fw_in (graph, node, 0);
  fw_gradient_add (gradient, node, 0, fw_reshape (graph, fw_gradient_arrived (gradient, node, 0), in->rank, in->dim));
}

gboolean
fw_infer_permute (FwGraph *graph, FwNode *node)
{
  const FwPermuteAttributes *attributes = node->attributes;
  const FwTensor *in = fw_in (graph, node, 0);
  FwTensor layout = *in;
  guint32 seen = 0;
  for (int i = 0; i < in->rank; i++) {
    int axis = attributes->axis[i];
    if (axis < 0 || axis >= in->rank || (seen >> axis & 1))
      return FALSE;
    seen |= 1u << axis;
    layout.dim[i] = in->dim[axis];
    layout.stride[i] = in->stride[axis];
  }
  return fw_out_view (graph, node, &layout, 0) != NULL;
}

FwVal
fw_permute (FwGraph *graph, FwVal x, const int *axis)
{
  FwPermuteAttributes attributes = { 0 };
  for (int i = 0; i < fw_layout (graph, x)->rank; i++)
    attributes.axis[i] = axis[i];
  return fw_record (graph, FW_OP (PERMUTE), &attributes, &x, 1);
}

void
fw_grad_permute (FwGradient *gradient, const FwNode *node)
{
  FwGraph *graph = fw_gradient_graph (gradient);
  const FwPermuteAttributes *attributes = node->attributes;
  int inverse[FW_MAX_RANK] = { 0 };
  for (int i = 0; i < fw_in (graph, node, 0)->rank; i++)
    inverse[attributes->axis[i]] = i;
  fw_gradient_add (gradient, node, 0, fw_permute (graph, fw_gradient_arrived (gradient, node, 0), inverse));
}

gboolean
fw_infer_slice (FwGraph *graph, FwNode *node)
{
  const FwSliceAttributes *attributes = node->attributes;
  FwTensor layout = *fw_in (graph, node, 0);
  if (attributes->axis < 0 || attributes->axis >= layout.rank || attributes->start < 0 || attributes->size < 0
      || attributes->start > layout.dim[attributes->axis] - attributes->size)
    return FALSE;
  layout.dim[attributes->axis] = attributes->size;
  return fw_out_view (graph, node, &layout, attributes->start * layout.stride[attributes->axis]) != NULL;
}

FwVal
fw_slice (FwGraph *graph, FwVal x, int axis, gint64 start, gint64 size)
{
  if (axis < 0)
    axis += fw_layout (graph, x)->rank;
  return fw_record (graph, FW_OP (SLICE), &(FwSliceAttributes) { axis, start, size }, &x, 1);
}

FwVal
fw_select (FwGraph *graph, FwVal x, int axis, gint64 i)
{
  const FwTensor *layout = fw_layout (graph, x);
  if (axis < 0)
    axis += layout->rank;
  gint64 dim[FW_MAX_RANK];
  int rank = 0;
  for (int a = 0; a < layout->rank; a++)
    if (a != axis)
      dim[rank++] = layout->dim[a];
  return fw_reshape (graph, fw_slice (graph, x, axis, i, 1), rank, dim);
}

void
fw_grad_slice (FwGradient *gradient, const FwNode *node)
{
  const FwSliceAttributes *attributes = node->attributes;
  fw_gradient_add_slice (gradient, node, 0, fw_gradient_arrived (gradient, node, 0), attributes->axis, attributes->start);
}

gboolean
fw_infer_detach (FwGraph *graph, FwNode *node)
{
  const FwTensor layout = *fw_in (graph, node, 0);
  return fw_out_view (graph, node, &layout, 0) != NULL;
}

FwVal
fw_detach (FwGraph *graph, FwVal x)
{
  return fw_record (graph, FW_OP (DETACH), NULL, &x, 1);
}
