/* SPDX-License-Identifier: Apache-2.0
 * Reference matrix products. A block of rows is held in double while the other operand goes by one line at a time, so that
 * each element of it is converted once a block. */
#include "kernels/ref/function.h"
#include "kernels/ref/ref.h"
#include "kernels/ref/walk.h"

enum { BLOCK_ROWS = 32 };

static int64_t
smaller (int64_t a, int64_t b)
{
  return a < b ? a : b;
}

static size_t
linear_scratch (const FwKernelCall *call)
{
  return (size_t) walk_rows (&call->in[0]).length * (BLOCK_ROWS + 1) * sizeof (double);
}

/* The operands of one row of a linear layer's output. */
typedef struct {
  WalkRow h, gate, y, saved, narrow;
} LinearRow;

static void
run_linear (const FwKernelCall *call)
{
  const FwLinearAttributes *attributes = call->attributes;
  const FwTensor *w = &call->in[1];
  WalkRows inputs = walk_rows (&call->in[0]), outputs = walk_rows (&call->out[0]);
  WalkRow bias = walk_vector (&call->in[2]);
  int along_n = attributes->transposed ? 1 : 0, along_k = 1 - along_n;
  double *weights = call->scratch, *block = weights + inputs.length;
  LinearRow rows[BLOCK_ROWS];

  for (int64_t first = 0; first < outputs.count; first += BLOCK_ROWS) {
    int64_t count = smaller (BLOCK_ROWS, outputs.count - first);
    for (int64_t r = 0; r < count; r++) {
      WalkRow x = walk_row (&call->in[0], &inputs, first + r);
      walk_load (&x, inputs.length, block + r * inputs.length);
      rows[r] = (LinearRow) {
        walk_row (&call->in[3], &outputs, first + r), walk_row (&call->in[4], &outputs, first + r),
        walk_row (&call->out[0], &outputs, first + r), walk_row (&call->out[1], &outputs, first + r),
        walk_row (&call->out[2], &outputs, first + r),
      };
    }
    for (int64_t n = 0; n < outputs.length; n++) {
      WalkRow line = walk_line (w, n * w->stride[along_n], along_k);
      walk_load (&line, inputs.length, weights);
      for (int64_t r = 0; r < count; r++) {
        double p = walk_dot (block + r * inputs.length, weights, inputs.length);
        if (bias.data != NULL)
          p += walk_get (&bias, n);
        double value = fw_ref_function (attributes->function, p, 0, 0);
        if (rows[r].gate.data != NULL)
          value *= walk_get (&rows[r].gate, n);
        if (rows[r].h.data != NULL)
          value += walk_get (&rows[r].h, n);
        walk_put (&rows[r].y, n, value);
        walk_put (&rows[r].narrow, n, value);
        walk_put (&rows[r].saved, n, attributes->function == FW_FN_IDENTITY ? p : fw_ref_derivative (attributes->function, p, 0, 0));
      }
    }
  }
}

static size_t
linear_grad_weight_scratch (const FwKernelCall *call)
{
  return linear_scratch (call) + (size_t) BLOCK_ROWS * sizeof (double);
}

static void
run_linear_grad_weight (const FwKernelCall *call)
{
  const FwTensor *dw = &call->out[0];
  WalkRows inputs = walk_rows (&call->in[0]), slopes = walk_rows (&call->in[1]);
  WalkRow dbias = walk_vector (&call->out[1]);
  double *values = call->scratch, *sums = values + inputs.length, *column_sums = sums + BLOCK_ROWS * inputs.length;

  for (int64_t first = 0; first < slopes.length; first += BLOCK_ROWS) {
    int64_t count = smaller (BLOCK_ROWS, slopes.length - first);
    walk_clear (sums, count * inputs.length);
    walk_clear (column_sums, count);
    for (int64_t m = 0; m < slopes.count; m++) {
      WalkRow x = walk_row (&call->in[0], &inputs, m), dy = walk_row (&call->in[1], &slopes, m);
      walk_load (&x, inputs.length, values);
      for (int64_t n = 0; n < count; n++) {
        double slope = walk_get (&dy, first + n);
        walk_add_scaled (sums + n * inputs.length, slope, values, inputs.length);
        column_sums[n] += slope;
      }
    }
    for (int64_t n = 0; n < count; n++) {
      if (fw_present (dw)) {
        WalkRow line = walk_line (dw, (first + n) * dw->stride[0], 1);
        walk_store (&line, inputs.length, sums + n * inputs.length);
      }
      walk_put (&dbias, first + n, column_sums[n]);
    }
  }
}

static size_t
matmul_scratch (const FwKernelCall *call)
{
  return (size_t) call->in[0].dim[call->in[0].rank - 1] * (BLOCK_ROWS + 1) * sizeof (double);
}

static void
run_matmul (const FwKernelCall *call)
{
  const FwMatmulAttributes *attributes = call->attributes;
  const FwTensor *a = &call->in[0], *b = &call->in[1], *y = &call->out[0];
  int row_axis = y->rank - 2, column_axis = y->rank - 1;
  int64_t rows = y->dim[row_axis], columns = y->dim[column_axis], depth = a->dim[column_axis];
  int64_t batches = walk_count (y, row_axis, WALK_ALL);
  double *column = call->scratch, *block = column + depth;

  for (int64_t batch = 0; batch < batches; batch++) {
    int64_t a_start = walk_offset (a, y, row_axis, 0, batch, 0), b_start = walk_offset (b, y, row_axis, 0, batch, 0);
    int64_t y_start = walk_offset (y, y, row_axis, 0, batch, 0);
    for (int64_t first = 0; first < rows; first += BLOCK_ROWS) {
      int64_t count = smaller (BLOCK_ROWS, rows - first);
      for (int64_t r = 0; r < count; r++) {
        WalkRow line = walk_line (a, a_start + (first + r) * a->stride[row_axis], column_axis);
        walk_load (&line, depth, block + r * depth);
      }
      for (int64_t n = 0; n < columns; n++) {
        WalkRow line = walk_line (b, b_start + n * b->stride[column_axis], row_axis);
        WalkRow results = walk_line (y, y_start + first * y->stride[row_axis] + n * y->stride[column_axis], row_axis);
        walk_load (&line, depth, column);
        for (int64_t r = 0; r < count; r++)
          walk_put (&results, r, attributes->alpha * walk_dot (block + r * depth, column, depth));
      }
    }
  }
}

const FwKernel fw_ref_linear = { run_linear, linear_scratch };
const FwKernel fw_ref_linear_grad_weight = { run_linear_grad_weight, linear_grad_weight_scratch };
const FwKernel fw_ref_matmul = { run_matmul, matmul_scratch };
