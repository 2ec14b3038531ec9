/* SPDX-License-Identifier: Apache-2.0
 * The numerics watchdog and the node-by-node comparison with kernels/ref. */
#include "engine/exec/check.h"

#include <math.h>
#include <string.h>

/* Element offset of position @index in row-major order of the dims. */
static gint64
element (const FwTensor *tensor, gint64 index)
{
  gint64 offset = 0;
  for (int i = tensor->rank - 1; i >= 0; i--) {
    offset += index % tensor->dim[i] * tensor->stride[i];
    index /= tensor->dim[i];
  }
  return offset;
}

gboolean
fw_tensor_is_finite (const FwTensor *tensor)
{
  if (tensor->dtype > FW_DTYPE_F64)
    return TRUE;
  for (gint64 i = 0, n = fw_tensor_count (tensor); i < n; i++)
    if (!isfinite (fw_load_element (tensor->data, tensor->dtype, element (tensor, i))))
      return FALSE;
  return TRUE;
}

static gboolean
results_are_finite (const FwPlanStep *step, const FwKernelCall *call)
{
  const FwOp *op = step->node->op;
  for (guint o = 0; o < op->n_out; o++)
    if (!(op->unbounded >> o & 1) && call->out[o].data != NULL && !fw_tensor_is_finite (&call->out[o]))
      return FALSE;
  return TRUE;
}

/* The first operand that was given from outside, or kept from an earlier run, and holds a NaN or Inf; else NULL. */
static const FwValue *
damaged_operand (const FwGraph *graph, const FwPlanStep *step, const FwKernelCall *call)
{
  for (guint i = 0; i < step->node->op->n_in; i++) {
    const FwValue *value = fw_graph_value (graph, step->node->in[i]);
    const FwValue *base = value != NULL ? fw_graph_value (graph, value->base) : NULL;
    if (base != NULL && base->producer == NULL && call->in[i].data != NULL && !fw_tensor_is_finite (&call->in[i]))
      return base;
  }
  return NULL;
}

gboolean
fw_check_finite (const FwGraph *graph, const FwPlanStep *step, const FwKernelCall *call, double tolerance, GError **error)
{
  const FwValue *damaged = damaged_operand (graph, step, call);
  if (damaged != NULL) {
    g_set_error (error, FW_ERROR, FW_ERROR_NUMERIC, "“%s” holds a number that is not finite; check that its file is not damaged",
                 damaged->name);
    return FALSE;
  }
  step->kernel->run (call);
  if (results_are_finite (step, call))
    return TRUE;
  g_autofree char *name = fw_node_describe (step->node);
  g_set_error (error, FW_ERROR, FW_ERROR_NUMERIC, "A number overflowed at %s; try the precision fp32, and check that the weights are not damaged", name);
  return FALSE;
}

/* A dense copy of a strided operand, bit by bit; broadcast axes stay broadcast, since kernels sum over them. */
static FwTensor
dense_copy (const FwTensor *tensor)
{
  gsize size = fw_dtype_size (tensor->dtype);
  FwTensor narrow = *tensor;
  for (int i = 0; i < tensor->rank; i++)
    if (tensor->stride[i] == 0 && tensor->dim[i] > 1)
      narrow.dim[i] = 1;
  gint64 count = fw_tensor_count (&narrow);
  char *memory = g_malloc0 (MAX (count, 1) * size);
  for (gint64 i = 0; i < count; i++)
    memcpy (memory + i * size, (const char *) tensor->data + element (&narrow, i) * size, size);
  FwTensor copy = fw_tensor_dense (memory, tensor->dtype, tensor->rank, narrow.dim);
  for (int i = 0; i < tensor->rank; i++)
    if (copy.dim[i] != tensor->dim[i]) {
      copy.dim[i] = tensor->dim[i];
      copy.stride[i] = 0;
    }
  return copy;
}

static gboolean
close_enough (const FwTensor *got, const FwTensor *want, double tolerance, double *worst)
{
  double largest = 0;
  gint64 count = fw_tensor_count (want);
  *worst = 0;
  for (gint64 i = 0; i < count; i++)
    largest = MAX (largest, fabs (fw_load_element (want->data, want->dtype, i)));
  for (gint64 i = 0; i < count; i++) {
    double a = fw_load_element (got->data, got->dtype, element (got, i)), b = fw_load_element (want->data, want->dtype, i);
    if (a == b || (isnan (a) && isnan (b)))
      continue;
    double difference = fabs (a - b) / MAX (largest, 1e-30);
    if (!(difference <= *worst))
      *worst = difference;
  }
  return *worst <= tolerance;
}

gboolean
fw_check_against_reference (const FwGraph *graph, const FwPlanStep *step, const FwKernelCall *call, double tolerance, GError **error)
{
  const FwKernel *ref = step->node->op->ref;
  FwKernelCall twin = *call;
  gpointer owned[FW_MAX_INPUTS + FW_MAX_OUTPUTS] = { NULL };
  /* inputs are copied because the kernel may write its result over them */
  for (guint i = 0; i < step->node->op->n_in; i++)
    if (call->in[i].data != NULL) {
      twin.in[i] = dense_copy (&call->in[i]);
      owned[i] = twin.in[i].data;
    }
  for (guint o = 0; o < step->node->op->n_out; o++)
    if (call->out[o].data != NULL) {
      twin.out[o] = dense_copy (&call->out[o]);
      owned[FW_MAX_INPUTS + o] = twin.out[o].data;
    }
  twin.scratch_size = ref->scratch != NULL ? ref->scratch (&twin) : 0;
  g_autofree char *scratch = g_malloc (twin.scratch_size + 64);
  twin.scratch = (gpointer) (((guintptr) scratch + 63) & ~(guintptr) 63);
  step->kernel->run (call);
  ref->run (&twin);
  gboolean same = TRUE;
  for (guint o = 0; o < step->node->op->n_out && same; o++) {
    double worst = 0;
    if (call->out[o].data == NULL || close_enough (&call->out[o], &twin.out[o], tolerance, &worst))
      continue;
    g_autofree char *name = fw_node_describe (step->node);
    g_set_error (error, FW_ERROR, FW_ERROR_NUMERIC, "%s differs from the reference in result %u by %.3g of its largest magnitude", name, o, worst);
    same = FALSE;
  }
  for (guint i = 0; i < G_N_ELEMENTS (owned); i++)
    g_free (owned[i]);
  return same;
}
