/* SPDX-License-Identifier: Apache-2.0
 * Optimiser updates as nodes: their results lie on their operands, so the planner sees them like any other op. */
#include "engine/graph/op-table.h"
#include "engine/graph/ops.h"

gboolean
fw_infer_sum_squares (FwGraph *graph, FwNode *node)
{
  return fw_out (graph, node, 0, FW_DTYPE_F32, 1, (gint64[]) { 1 }) != NULL;
}

FwVal
fw_sum_squares (FwGraph *graph, FwVal x)
{
  return fw_record (graph, FW_OP (SUM_SQUARES), NULL, &x, 1);
}

/* Output o is input o, changed in place; behind them come one more flat array and @n_hyper numbers. */
static gboolean
infer_in_place (FwGraph *graph, FwNode *node, gint64 n_hyper)
{
  const FwTensor *first = fw_in (graph, node, 0), *hyper = fw_in (graph, node, node->op->n_out + 1);
  for (guint i = 0; i <= node->op->n_out; i++) {
    const FwTensor *flat = fw_in (graph, node, i);
    if (flat->rank != 1 || flat->dim[0] != first->dim[0] || flat->dtype != FW_DTYPE_F32 || !fw_tensor_is_contiguous (flat))
      return FALSE;
  }
  if (hyper->rank != 1 || hyper->dim[0] != n_hyper || hyper->dtype != FW_DTYPE_F32 || !fw_tensor_is_contiguous (hyper))
    return FALSE;
  for (guint o = 0; o < node->op->n_out; o++) {
    const FwValue *state = fw_graph_value (graph, node->in[o]);
    FwValue *out = fw_out (graph, node, o, FW_DTYPE_F32, 1, first->dim);
    if (out == NULL)
      return FALSE;
    out->base = state->base;
    out->offset = state->offset;
    out->class = state->class;
    out->storage = 0;
  }
  return TRUE;
}

gboolean
fw_infer_adamw (FwGraph *graph, FwNode *node)
{
  return infer_in_place (graph, node, 4);
}

gboolean
fw_infer_ema (FwGraph *graph, FwNode *node)
{
  return infer_in_place (graph, node, 1);
}

void
fw_adamw (FwGraph *graph, FwVal p, FwVal m, FwVal v, FwVal g, FwVal hyper, const FwAdamwAttributes *attributes)
{
  fw_record (graph, FW_OP (ADAMW), attributes, (FwVal[]) { p, m, v, g, hyper }, 5);
}

void
fw_ema (FwGraph *graph, FwVal e, FwVal p, FwVal hyper)
{
  fw_record (graph, FW_OP (EMA), NULL, (FwVal[]) { e, p, hyper }, 3);
}
