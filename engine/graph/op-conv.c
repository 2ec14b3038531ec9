/* SPDX-License-Identifier: Apache-2.0
 * Channels-last convolution and nearest-neighbour enlargement: shapes, gradients, FLOPs and recording. */
#include "engine/graph/gradient.h"
#include "engine/graph/ops.h"

static gint64
output_size (gint64 in, gint64 kernel, const FwConvAttributes *attributes, int axis)
{
  if (axis > 0)
    in *= attributes->upsample;
  gint64 span = in + attributes->pad_front[axis] + attributes->pad_back[axis] - kernel;
  return span < 0 ? -1 : span / attributes->stride[axis] + 1;
}

gboolean
fw_infer_conv (FwGraph *graph, FwNode *node)
{
  const FwConvAttributes *attributes = node->attributes;
  const FwTensor *x = fw_in (graph, node, 0), *w = fw_in (graph, node, 1), *bias = fw_in (graph, node, 2);
  if (x->rank != 5 || w->rank != 5 || x->dim[4] != w->dim[1] || attributes->upsample > 2 || (bias != NULL && (bias->rank != 1 || bias->dim[0] != w->dim[0])))
    return FALSE;
  gint64 dim[5] = { x->dim[0], 0, 0, 0, w->dim[0] };
  for (int axis = 0; axis < 3; axis++) {
    if (attributes->stride[axis] < 1 || attributes->pad_front[axis] < 0 || attributes->pad_back[axis] < 0 || w->dim[2 + axis] < 1)
      return FALSE;
    dim[1 + axis] = output_size (x->dim[1 + axis], w->dim[2 + axis], attributes, axis);
    if (dim[1 + axis] < 0)
      return FALSE;
  }
  return fw_out (graph, node, 0, fw_graph_compute (graph), 5, dim) != NULL;
}

FwVal
fw_conv (FwGraph *graph, FwVal x, FwVal w, FwVal bias, const FwConvAttributes *attributes)
{
  FwConvAttributes filled = *attributes;
  filled.upsample = MAX (filled.upsample, 1);
  FwVal in[] = { fw_dense_rows (graph, x), fw_contiguous (graph, w), bias.id != 0 ? fw_contiguous (graph, bias) : bias };
  return fw_record (graph, FW_OP (CONV), &filled, in, 3);
}

double
fw_flops_conv (const FwGraph *graph, const FwNode *node)
{
  const FwTensor *w = fw_in (graph, node, 1), *y = &fw_graph_value (graph, node->out[0])->layout;
  return 2.0 * y->dim[0] * y->dim[1] * y->dim[2] * y->dim[3] * fw_tensor_count (w);
}

/* Both gradients do the forward pass's products once: dy rows times the kernel's size. */
double
fw_flops_conv_grad (const FwGraph *graph, const FwNode *node)
{
  gboolean weight = node->op == FW_OP (CONV_GRAD_WEIGHT);
  const FwTensor *dy = fw_in (graph, node, weight ? 1 : 0);
  const FwTensor *w = weight ? &fw_graph_value (graph, node->out[0])->layout : fw_in (graph, node, 1);
  return 2.0 * dy->dim[0] * dy->dim[1] * dy->dim[2] * dy->dim[3] * fw_tensor_count (w);
}

gboolean
fw_infer_conv_grad_input (FwGraph *graph, FwNode *node)
{
  const FwConvGradRecord *attributes = node->attributes;
  return fw_out (graph, node, 0, fw_graph_compute (graph), 5, attributes->dim) != NULL;
}

gboolean
fw_infer_conv_grad_weight (FwGraph *graph, FwNode *node)
{
  const FwConvGradRecord *attributes = node->attributes;
  FwDtype dtype = fw_graph_accumulate (graph);
  return fw_out (graph, node, 0, dtype, 5, attributes->dim) != NULL && fw_out (graph, node, 1, dtype, 1, attributes->dim) != NULL;
}

void
fw_grad_conv (FwGradient *gradient, const FwNode *node)
{
  FwGraph *graph = fw_gradient_graph (gradient);
  FwVal x = fw_gradient_in (gradient, node, 0), w = fw_gradient_in (gradient, node, 1);
  FwVal dy = fw_contiguous (graph, fw_gradient_arrived (gradient, node, 0));
  FwConvGradRecord attributes = { .kernel = *(const FwConvAttributes *) node->attributes };
  if (fw_gradient_wanted (gradient, node, 0)) {
    for (int i = 0; i < 5; i++)
      attributes.dim[i] = fw_layout (graph, x)->dim[i];
    fw_gradient_add (gradient, node, 0, fw_record (graph, FW_OP (CONV_GRAD_INPUT), &attributes, (FwVal[]) { dy, w }, 2));
  }
  if (fw_gradient_wanted (gradient, node, 1) || fw_gradient_wanted (gradient, node, 2)) {
    for (int i = 0; i < 5; i++)
      attributes.dim[i] = fw_layout (graph, w)->dim[i];
    FwVal dw = fw_record (graph, FW_OP (CONV_GRAD_WEIGHT), &attributes, (FwVal[]) { x, dy }, 2);
    fw_gradient_add (gradient, node, 1, dw);
    fw_gradient_add (gradient, node, 2, fw_sibling (graph, dw, 1));
  }
}

gboolean
fw_infer_resample (FwGraph *graph, FwNode *node)
{
  const FwResampleAttributes *attributes = node->attributes;
  FwTensor x = *fw_in (graph, node, 0);
  if (x.rank != 5)
    return FALSE;
  for (int axis = 0; axis < 3; axis++) {
    if (attributes->factor[axis] < 1 || x.dim[1 + axis] > FW_MAX_ELEMENTS / attributes->factor[axis])
      return FALSE;
    x.dim[1 + axis] *= attributes->factor[axis];
  }
  return fw_out (graph, node, 0, x.dtype, 5, x.dim) != NULL;
}

FwVal
fw_upsample (FwGraph *graph, FwVal x, int time, int height, int width)
{
  return fw_record (graph, FW_OP (RESAMPLE), &(FwResampleAttributes) { { time, height, width } }, &x, 1);
}

gboolean
fw_infer_resample_grad (FwGraph *graph, FwNode *node)
{
  const FwResampleAttributes *attributes = node->attributes;
  FwTensor dy = *fw_in (graph, node, 0);
  for (int axis = 0; axis < 3; axis++)
    dy.dim[1 + axis] /= attributes->factor[axis];
  return fw_out (graph, node, 0, dy.dtype, 5, dy.dim) != NULL;
}

void
fw_grad_resample (FwGradient *gradient, const FwNode *node)
{
  FwVal dy = fw_gradient_arrived (gradient, node, 0);
  fw_gradient_add (gradient, node, 0, fw_record (fw_gradient_graph (gradient), FW_OP (RESAMPLE_GRAD), node->attributes, &dy, 1));
}
