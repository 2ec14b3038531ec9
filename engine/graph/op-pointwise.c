/* SPDX-License-Identifier: Apache-2.0
 * Pointwise ops: shapes, gradients and recording. */
#include "engine/graph/gradient.h"
#include "engine/graph/ops.h"

gboolean
fw_infer_same (FwGraph *graph, FwNode *node)
{
  const FwTensor in = *fw_in (graph, node, 0);
  for (guint o = 0; o < node->op->n_out; o++)
    if (fw_out (graph, node, o, in.dtype, in.rank, in.dim) == NULL)
      return FALSE;
  return TRUE;
}

FwDtype
fw_promote (FwDtype a, FwDtype b)
{
  if (a == FW_DTYPE_F64 || b == FW_DTYPE_F64)
    return FW_DTYPE_F64;
  return a == b ? a : FW_DTYPE_F32;
}

static gboolean
broadcast_shape (const FwTensor *a, const FwTensor *b, int *rank, gint64 *dim)
{
  *rank = MAX (a->rank, b->rank);
  for (int i = 0; i < *rank; i++) {
    int ia = i - (*rank - a->rank), ib = i - (*rank - b->rank);
    gint64 da = ia >= 0 ? a->dim[ia] : 1, db = ib >= 0 ? b->dim[ib] : 1;
    if (da != db && da != 1 && db != 1)
      return FALSE;
    dim[i] = da == 1 ? db : da;
  }
  return TRUE;
}

gboolean
fw_broadcasts_to (const FwTensor *small, const FwTensor *large)
{
  int extra = large->rank - small->rank;
  for (int i = 0; extra >= 0 && i < small->rank; i++)
    if (small->dim[i] != 1 && small->dim[i] != large->dim[i + extra])
      return FALSE;
  return extra >= 0;
}

gboolean
fw_infer_binary (FwGraph *graph, FwNode *node)
{
  const FwTensor *a = fw_in (graph, node, 0), *b = fw_in (graph, node, 1);
  gint64 dim[FW_MAX_RANK];
  int rank;
  return broadcast_shape (a, b, &rank, dim) && fw_out (graph, node, 0, fw_promote (a->dtype, b->dtype), rank, dim) != NULL;
}

FwVal
fw_unary (FwGraph *graph, FwFunction function, FwVal x)
{
  return fw_record (graph, FW_OP (UNARY), &(FwUnaryAttributes) { .function = function }, &x, 1);
}

FwVal
fw_affine (FwGraph *graph, FwVal x, double a, double b)
{
  return fw_record (graph, FW_OP (UNARY), &(FwUnaryAttributes) { FW_FN_AFFINE, a, b }, &x, 1);
}

FwVal
fw_clamp (FwGraph *graph, FwVal x, double low, double high)
{
  return fw_record (graph, FW_OP (UNARY), &(FwUnaryAttributes) { FW_FN_CLAMP, low, high }, &x, 1);
}

void
fw_grad_unary (FwGradient *gradient, const FwNode *node)
{
  FwVal in[] = { fw_gradient_in (gradient, node, 0), fw_gradient_arrived (gradient, node, 0) };
  fw_gradient_add (gradient, node, 0, fw_record (fw_gradient_graph (gradient), FW_OP (UNARY_GRAD), node->attributes, in, 2));
}

FwVal
fw_binary (FwGraph *graph, FwBinaryFunction function, FwVal a, FwVal b)
{
  return fw_record (graph, FW_OP (BINARY), &(FwBinaryAttributes) { function }, (FwVal[]) { a, b }, 2);
}

FwVal
fw_add (FwGraph *graph, FwVal a, FwVal b)
{
  return fw_binary (graph, FW_BINARY_ADD, a, b);
}

FwVal
fw_sub (FwGraph *graph, FwVal a, FwVal b)
{
  return fw_binary (graph, FW_BINARY_SUB, a, b);
}

FwVal
fw_mul (FwGraph *graph, FwVal a, FwVal b)
{
  return fw_binary (graph, FW_BINARY_MUL, a, b);
}

/* Partial derivatives of the binary functions times dy; max and min are used on constants only and have none. */
typedef void (*BinaryRule) (FwGraph *graph, FwVal a, FwVal b, FwVal dy, FwVal *da, FwVal *db);

static void
rule_add (FwGraph *graph, FwVal a, FwVal b, FwVal dy, FwVal *da, FwVal *db)
{
  *da = dy;
  *db = dy;
}

static void
rule_sub (FwGraph *graph, FwVal a, FwVal b, FwVal dy, FwVal *da, FwVal *db)
{
  *da = dy;
  *db = fw_unary (graph, FW_FN_NEG, dy);
}

static void
rule_mul (FwGraph *graph, FwVal a, FwVal b, FwVal dy, FwVal *da, FwVal *db)
{
  *da = fw_mul (graph, dy, b);
  *db = fw_mul (graph, dy, a);
}

static void
rule_div (FwGraph *graph, FwVal a, FwVal b, FwVal dy, FwVal *da, FwVal *db)
{
  *da = fw_binary (graph, FW_BINARY_DIV, dy, b);
  *db = fw_unary (graph, FW_FN_NEG, fw_binary (graph, FW_BINARY_DIV, fw_mul (graph, *da, a), b));
}

static const BinaryRule binary_rules[FW_BINARY_N] = {
  [FW_BINARY_ADD] = rule_add, [FW_BINARY_SUB] = rule_sub, [FW_BINARY_MUL] = rule_mul, [FW_BINARY_DIV] = rule_div,
};

void
fw_grad_binary (FwGradient *gradient, const FwNode *node)
{
  FwGraph *graph = fw_gradient_graph (gradient);
  const FwBinaryAttributes *attributes = node->attributes;
  FwVal operands[2] = { fw_gradient_in (gradient, node, 0), fw_gradient_in (gradient, node, 1) }, parts[2];
  if (binary_rules[attributes->function] == NULL) {
    fw_graph_fail (graph, "maximum and minimum have no gradient here");
    return;
  }
  binary_rules[attributes->function] (graph, operands[0], operands[1], fw_gradient_arrived (gradient, node, 0), &parts[0], &parts[1]);
  for (guint i = 0; i < 2; i++)
    if (fw_gradient_wanted (gradient, node, i))
      fw_gradient_add (gradient, node, i, fw_reduce_to (graph, parts[i], fw_layout (graph, operands[i])));
}

gboolean
fw_infer_gated (FwGraph *graph, FwNode *node)
{
  const FwTensor *a = fw_in (graph, node, 0), *b = fw_in (graph, node, 1);
  return a->rank == b->rank && fw_broadcasts_to (a, b) && fw_broadcasts_to (b, a) && fw_infer_same (graph, node);
}

FwVal
fw_gated (FwGraph *graph, FwFunction function, FwVal a, FwVal b)
{
  return fw_record (graph, FW_OP (GATED), &(FwGatedAttributes) { function }, (FwVal[]) { a, b }, 2);
}

gboolean
fw_infer_gated_grad (FwGraph *graph, FwNode *node)
{
  const FwTensor a = *fw_in (graph, node, 0), b = *fw_in (graph, node, 1);
  return fw_out (graph, node, 0, a.dtype, a.rank, a.dim) != NULL && fw_out (graph, node, 1, b.dtype, b.rank, b.dim) != NULL;
}

void
fw_grad_gated (FwGradient *gradient, const FwNode *node)
{
  FwGraph *graph = fw_gradient_graph (gradient);
  FwVal in[] = { fw_gradient_in (gradient, node, 0), fw_gradient_in (gradient, node, 1), fw_gradient_arrived (gradient, node, 0) };
  FwVal da = fw_record (graph, FW_OP (GATED_GRAD), node->attributes, in, 3);
  fw_gradient_add (gradient, node, 0, da);
  fw_gradient_add (gradient, node, 1, fw_sibling (graph, da, 1));
}

gboolean
fw_infer_gate_residual (FwGraph *graph, FwNode *node)
{
  const FwTensor h = *fw_in (graph, node, 0), *gate = fw_in (graph, node, 1), *a = fw_in (graph, node, 2);
  return fw_broadcasts_to (gate, &h) && a->rank == h.rank && fw_broadcasts_to (a, &h) && fw_broadcasts_to (&h, a)
         && fw_out (graph, node, 0, h.dtype, h.rank, h.dim) != NULL;
}

FwVal
fw_gate_residual (FwGraph *graph, FwVal h, FwVal gate, FwVal a)
{
  return fw_record (graph, FW_OP (GATE_RESIDUAL), NULL, (FwVal[]) { h, gate, a }, 3);
}

/* The shape of @gate with leading axes of size 1 up to rank @rank. */
static void
pad_rank (const FwTensor *gate, int rank, gint64 *dim)
{
  for (int i = 0; i < rank; i++)
    dim[i] = i >= rank - gate->rank ? gate->dim[i - (rank - gate->rank)] : 1;
}

gboolean
fw_infer_gate_residual_grad (FwGraph *graph, FwNode *node)
{
  const FwTensor gate = *fw_in (graph, node, 0), a = *fw_in (graph, node, 1), dy = *fw_in (graph, node, 2);
  gint64 dim[FW_MAX_RANK];
  pad_rank (&gate, dy.rank, dim);
  return fw_out (graph, node, 0, a.dtype, dy.rank, dy.dim) != NULL
         && fw_out (graph, node, 1, fw_graph_accumulate (graph), dy.rank, dim) != NULL;
}

void
fw_grad_gate_residual (FwGradient *gradient, const FwNode *node)
{
  FwGraph *graph = fw_gradient_graph (gradient);
  FwVal gate = fw_gradient_in (gradient, node, 1), dy = fw_gradient_arrived (gradient, node, 0);
  FwVal in[] = { gate, fw_gradient_in (gradient, node, 2), dy };
  fw_gradient_add (gradient, node, 0, dy);
  FwVal da = fw_record (graph, FW_OP (GATE_RESIDUAL_GRAD), NULL, in, 3);
  fw_gradient_add (gradient, node, 2, da);
  if (fw_gradient_wanted (gradient, node, 1)) {
    const FwTensor *shape = fw_layout (graph, gate);
    fw_gradient_add (gradient, node, 1, fw_reshape (graph, fw_sibling (graph, da, 1), shape->rank, shape->dim));
  }
}

FwVal
fw_modulate (FwGraph *graph, FwVal x, FwVal shift, FwVal scale)
{
  return fw_add (graph, fw_mul (graph, x, fw_affine (graph, scale, 1, 1)), shift);
}

gboolean
fw_infer_copy (FwGraph *graph, FwNode *node)
{
  const FwTensor in = *fw_in (graph, node, 0);
  return fw_out (graph, node, 0, ((const FwCopyRecord *) node->attributes)->dtype, in.rank, in.dim) != NULL;
}

static FwVal
copy (FwGraph *graph, FwVal x, FwDtype dtype)
{
  return fw_record (graph, FW_OP (COPY), &(FwCopyRecord) { dtype }, &x, 1);
}

FwVal
fw_cast (FwGraph *graph, FwVal x, FwDtype dtype)
{
  const FwValue *value = fw_graph_value (graph, x.id);
  if (value != NULL && value->layout.dtype == dtype && value->base == value->id && value->class == FW_VALUE_TRANSIENT && value->name == NULL
      && fw_tensor_is_contiguous (&value->layout))
    return x;
  return copy (graph, x, dtype);
}

FwVal
fw_contiguous (FwGraph *graph, FwVal x)
{
  const FwTensor *layout = fw_layout (graph, x);
  return layout->rank >= 0 && fw_tensor_is_contiguous (layout) ? x : copy (graph, x, layout->dtype);
}

FwVal
fw_dense_rows (FwGraph *graph, FwVal x)
{
  const FwTensor *layout = fw_layout (graph, x);
  gboolean dense = layout->rank < 1 || layout->dim[layout->rank - 1] <= 1 || layout->stride[layout->rank - 1] == 1;
  return dense ? x : copy (graph, x, layout->dtype);
}

void
fw_grad_copy (FwGradient *gradient, const FwNode *node)
{
  fw_gradient_add (gradient, node, 0, fw_gradient_arrived (gradient, node, 0));
}

gboolean
fw_infer_fill (FwGraph *graph, FwNode *node)
{
  const FwFillRecord *attributes = node->attributes;
  return fw_out (graph, node, 0, attributes->dtype, attributes->rank, attributes->dim) != NULL;
}

FwVal
fw_fill (FwGraph *graph, double value, FwDtype dtype, int rank, const gint64 *dim)
{
  FwFillRecord attributes = { { value }, dtype, rank, { 0 } };
  for (int i = 0; i < MIN (rank, FW_MAX_RANK); i++)
    attributes.dim[i] = dim[i];
  return fw_record (graph, FW_OP (FILL), &attributes, NULL, 0);
}

gboolean
fw_infer_sinusoid (FwGraph *graph, FwNode *node)
{
  const FwSinusoidRecord *attributes = node->attributes;
  return fw_in (graph, node, 0)->rank == 1 && attributes->dim >= 0
         && fw_out (graph, node, 0, attributes->dtype, 2, (gint64[]) { fw_in (graph, node, 0)->dim[0], attributes->dim }) != NULL;
}

FwVal
fw_sinusoid (FwGraph *graph, FwVal t, gint64 dim, double max_period, FwDtype dtype)
{
  return fw_record (graph, FW_OP (SINUSOID), &(FwSinusoidRecord) { { max_period }, dtype, dim }, &t, 1);
}
