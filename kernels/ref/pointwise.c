/* SPDX-License-Identifier: Apache-2.0
 * Reference kernels that work element by element: functions, gates, copies, fills and the timestep sinusoid. */
#include "kernels/ref/function.h"
#include "kernels/ref/ref.h"
#include "kernels/ref/walk.h"

#include <math.h>

static void
run_unary (const FwKernelCall *call)
{
  const FwUnaryAttributes *attributes = call->attributes;
  WalkRows rows = walk_rows (&call->out[0]);
  for (int64_t row = 0; row < rows.count; row++) {
    WalkRow x = walk_row (&call->in[0], &rows, row);
    WalkRow y = walk_row (&call->out[0], &rows, row);
    for (int64_t i = 0; i < rows.length; i++)
      walk_put (&y, i, fw_ref_function (attributes->function, walk_get (&x, i), attributes->a, attributes->b));
  }
}

static void
run_unary_grad (const FwKernelCall *call)
{
  const FwUnaryAttributes *attributes = call->attributes;
  WalkRows rows = walk_rows (&call->out[0]);
  for (int64_t row = 0; row < rows.count; row++) {
    WalkRow x = walk_row (&call->in[0], &rows, row);
    WalkRow dy = walk_row (&call->in[1], &rows, row);
    WalkRow dx = walk_row (&call->out[0], &rows, row);
    for (int64_t i = 0; i < rows.length; i++) {
      double slope = fw_ref_derivative (attributes->function, walk_get (&x, i), attributes->a, attributes->b);
      walk_put (&dx, i, walk_get (&dy, i) * slope);
    }
  }
}

static double add (double a, double b) { return a + b; }
static double subtract (double a, double b) { return a - b; }
static double multiply (double a, double b) { return a * b; }
static double divide (double a, double b) { return a / b; }
static double maximum (double a, double b) { return a > b ? a : b; }
static double minimum (double a, double b) { return a < b ? a : b; }

static double (*const binary_functions[FW_BINARY_N]) (double a, double b) = {
  [FW_BINARY_ADD] = add, [FW_BINARY_SUB] = subtract, [FW_BINARY_MUL] = multiply, [FW_BINARY_DIV] = divide,
  [FW_BINARY_MAX] = maximum, [FW_BINARY_MIN] = minimum,
};

static void
run_binary (const FwKernelCall *call)
{
  const FwBinaryAttributes *attributes = call->attributes;
  WalkRows rows = walk_rows (&call->out[0]);
  for (int64_t row = 0; row < rows.count; row++) {
    WalkRow a = walk_row (&call->in[0], &rows, row);
    WalkRow b = walk_row (&call->in[1], &rows, row);
    WalkRow y = walk_row (&call->out[0], &rows, row);
    for (int64_t i = 0; i < rows.length; i++)
      walk_put (&y, i, binary_functions[attributes->function] (walk_get (&a, i), walk_get (&b, i)));
  }
}

static void
run_gated (const FwKernelCall *call)
{
  const FwGatedAttributes *attributes = call->attributes;
  WalkRows rows = walk_rows (&call->out[0]);
  for (int64_t row = 0; row < rows.count; row++) {
    WalkRow a = walk_row (&call->in[0], &rows, row);
    WalkRow b = walk_row (&call->in[1], &rows, row);
    WalkRow y = walk_row (&call->out[0], &rows, row);
    for (int64_t i = 0; i < rows.length; i++)
      walk_put (&y, i, fw_ref_function (attributes->function, walk_get (&a, i), 0, 0) * walk_get (&b, i));
  }
}

static void
run_gated_grad (const FwKernelCall *call)
{
  const FwGatedAttributes *attributes = call->attributes;
  WalkRows rows = walk_rows (&call->in[2]);
  for (int64_t row = 0; row < rows.count; row++) {
    WalkRow a = walk_row (&call->in[0], &rows, row);
    WalkRow b = walk_row (&call->in[1], &rows, row);
    WalkRow dy = walk_row (&call->in[2], &rows, row);
    WalkRow da = walk_row (&call->out[0], &rows, row);
    WalkRow db = walk_row (&call->out[1], &rows, row);
    for (int64_t i = 0; i < rows.length; i++) {
      double at = walk_get (&a, i), slope = walk_get (&dy, i);
      walk_put (&da, i, slope * walk_get (&b, i) * fw_ref_derivative (attributes->function, at, 0, 0));
      walk_put (&db, i, slope * fw_ref_function (attributes->function, at, 0, 0));
    }
  }
}

static void
run_gate_residual (const FwKernelCall *call)
{
  WalkRows rows = walk_rows (&call->out[0]);
  for (int64_t row = 0; row < rows.count; row++) {
    WalkRow h = walk_row (&call->in[0], &rows, row);
    WalkRow gate = walk_row (&call->in[1], &rows, row);
    WalkRow a = walk_row (&call->in[2], &rows, row);
    WalkRow y = walk_row (&call->out[0], &rows, row);
    for (int64_t i = 0; i < rows.length; i++)
      walk_put (&y, i, walk_get (&h, i) + walk_get (&gate, i) * walk_get (&a, i));
  }
}

static void
gate_residual_grad_gate (const FwTensor *a, const FwTensor *dy, const FwTensor *dgate)
{
  int axes = dy->rank;
  uint32_t summed = walk_summed_axes (dgate, dy, axes);
  int64_t outer_count = walk_count (dy, axes, WALK_ALL & ~summed), inner_count = walk_count (dy, axes, summed);
  for (int64_t outer = 0; outer < outer_count; outer++) {
    double sum = 0;
    for (int64_t inner = 0; inner < inner_count; inner++)
      sum += fw_load_element (a->data, a->dtype, walk_offset (a, dy, axes, summed, outer, inner))
        * fw_load_element (dy->data, dy->dtype, walk_offset (dy, dy, axes, summed, outer, inner));
    fw_store_element (dgate->data, dgate->dtype, walk_offset (dgate, dy, axes, summed, outer, 0), sum);
  }
}

static void
run_gate_residual_grad (const FwKernelCall *call)
{
  const FwTensor *dy = &call->in[2];
  WalkRows rows = walk_rows (dy);
  for (int64_t row = 0; row < rows.count && fw_present (&call->out[0]); row++) {
    WalkRow gate = walk_row (&call->in[0], &rows, row);
    WalkRow slope = walk_row (dy, &rows, row);
    WalkRow da = walk_row (&call->out[0], &rows, row);
    for (int64_t i = 0; i < rows.length; i++)
      walk_put (&da, i, walk_get (&gate, i) * walk_get (&slope, i));
  }
  if (fw_present (&call->out[1]))
    gate_residual_grad_gate (&call->in[1], dy, &call->out[1]);
}

static void
run_copy (const FwKernelCall *call)
{
  WalkRows rows = walk_rows (&call->out[0]);
  for (int64_t row = 0; row < rows.count; row++) {
    WalkRow x = walk_row (&call->in[0], &rows, row);
    WalkRow y = walk_row (&call->out[0], &rows, row);
    walk_copy (&x, &y, rows.length);
  }
}

static void
run_fill (const FwKernelCall *call)
{
  const FwFillAttributes *attributes = call->attributes;
  WalkRows rows = walk_rows (&call->out[0]);
  for (int64_t row = 0; row < rows.count; row++) {
    WalkRow y = walk_row (&call->out[0], &rows, row);
    for (int64_t i = 0; i < rows.length; i++)
      walk_put (&y, i, attributes->value);
  }
}

static void
run_sinusoid (const FwKernelCall *call)
{
  const FwSinusoidAttributes *attributes = call->attributes;
  const FwTensor *e = &call->out[0];
  WalkRow t = walk_line (&call->in[0], 0, 0);
  bool round = e->dtype != FW_DTYPE_F64;
  int64_t half = e->dim[1] / 2;
  for (int64_t row = 0; row < e->dim[0]; row++) {
    WalkRow line = walk_line (e, row * e->stride[0], 1);
    for (int64_t i = 0; i < half; i++) {
      double frequency = exp (-log (attributes->max_period) * (double) i / (double) half);
      double angle = walk_get (&t, row) * (round ? (float) frequency : frequency);
      if (round)
        angle = (float) angle;
      walk_put (&line, i, cos (angle));
      walk_put (&line, half + i, sin (angle));
    }
    if (e->dim[1] % 2 != 0)
      walk_put (&line, e->dim[1] - 1, 0);
  }
}

const FwKernel fw_ref_unary = { run_unary, NULL };
const FwKernel fw_ref_unary_grad = { run_unary_grad, NULL };
const FwKernel fw_ref_binary = { run_binary, NULL };
const FwKernel fw_ref_gated = { run_gated, NULL };
const FwKernel fw_ref_gated_grad = { run_gated_grad, NULL };
const FwKernel fw_ref_gate_residual = { run_gate_residual, NULL };
const FwKernel fw_ref_gate_residual_grad = { run_gate_residual_grad, NULL };
const FwKernel fw_ref_copy = { run_copy, NULL };
const FwKernel fw_ref_fill = { run_fill, NULL };
const FwKernel fw_ref_sinusoid = { run_sinusoid, NULL };
