/* SPDX-License-Identifier: Apache-2.0
 * linear, with bias, function, gate and residual applied to finished pieces while they are in the cache, and
 * linear_grad_weight. */
#include "kernels/cpu/functions.h"
#include "kernels/cpu/gemm.h"
#include "kernels/cpu/kernels.h"
#include "kernels/cpu/row-math.h"
#include "kernels/cpu/rows.h"
#include "kernels/cpu/run.h"

enum { Y, X, H, GATE, SAVED, NARROW, LINEAR_TENSORS }; /* the tensors walked */
_Static_assert ((int) LINEAR_TENSORS <= (int) FW_MAX_AREAS, "all may be asked for at once");

typedef struct {
  FwRows rows;
  bool transposed;
  const FwFunctionKernel *function;
} Linear;

/* Rows [first, first + count) of one of the tensors walked as lines; @offset is room for where they begin, if they do not
 * follow one another. */
static FwLines
row_lines (const FwRows *rows, int which, const FwTensor *tensor, int64_t first, int64_t count, int64_t *offset)
{
  FwLines lines = { .data = tensor->data, .dtype = tensor->dtype, .step = 1 };
  if (rows->rank > 1) {
    fw_rows_offsets (rows, which, first, count, offset);
    lines.offset = offset;
  } else if (rows->rank == 1) {
    lines.stride = rows->stride[which][0];
    lines.data = (const char *) tensor->data + (size_t) (first * lines.stride) * fw_dtype_size (tensor->dtype);
  }
  return lines;
}

static void
linear_pack_a (const FwGemm *gemm, int64_t batch, int64_t first, int64_t count, int64_t start, int64_t depth, int64_t padded,
               char *to)
{
  const Linear *linear = gemm->operands;
  int64_t offset[FW_MAX_BLOCK_ROWS];
  FwLines lines = row_lines (&linear->rows, X, &gemm->call->in[0], first, count, offset);
  fw_pack_rows (gemm->kernel, to, &lines, start, count, depth, padded);
}

static void
linear_pack_b (const FwGemm *gemm, int64_t batch, int64_t first, int64_t count, int64_t start, int64_t depth, int64_t padded,
               int64_t panel_depth, char *to)
{
  const Linear *linear = gemm->operands;
  const FwTensor *w = &gemm->call->in[1];
  int64_t line = linear->transposed ? start : first;
  FwLines lines = { .data = (const char *) w->data + (size_t) (line * w->stride[0]) * fw_dtype_size (w->dtype),
                    .dtype = w->dtype, .stride = w->stride[0], .step = w->stride[1] };
  if (linear->transposed)
    fw_pack_columns_across (gemm->kernel, to, panel_depth, &lines, first, count, depth, padded);
  else
    fw_pack_columns (gemm->kernel, to, panel_depth, &lines, start, count, depth, padded);
}

/* sum = c + bias; y = h + gate * sum; anything but c and y may be absent. Lanes [0, left) from element @i on. */
static FW_ALWAYS_INLINE void
finish_lanes (const float *c, const float *bias, const float *gate, FwRun h, FwRun sum, FwRun y, int64_t i, int64_t left)
{
  FwVec value = row_load_any (false, c, i, left);
  if (bias != NULL)
    value = value + row_load_any (false, bias, i, left);
  if (sum.data != NULL)
    row_store_run (sum, i, left, value);
  if (gate != NULL)
    value = value * row_load_any (false, gate, i, left);
  if (h.data != NULL)
    value = value + row_load_run (h, i, left);
  row_store_run (y, i, left, value);
}

static FW_ALWAYS_INLINE void
finish_run (const float *c, const float *bias, const float *gate, FwRun h, FwRun sum, FwRun y, int64_t count)
{
  int64_t i = 0;
  for (; i + VEC <= count; i += VEC)
    finish_lanes (c, bias, gate, h, sum, y, i, VEC);
  if (i < count)
    finish_lanes (c, bias, gate, h, sum, y, i, count - i);
}

/* The same; the commonest loops are compiled apart: without h, gate and sum, and, in f32 onto a residual, with all of them. */
static void
finish_any_run (const float *c, const float *bias, const float *gate, FwRun h, FwRun sum, FwRun y, int64_t count)
{
  const FwRun none = { NULL, 0, false };
  FwRun floats = { y.data, y.place, false }, halves = { y.data, y.place, true };
  if (bias != NULL && gate != NULL && h.data != NULL && !h.bf16 && sum.data != NULL && sum.bf16 && !y.bf16)
    finish_run (c, bias, gate, (FwRun) { h.data, h.place, false }, (FwRun) { sum.data, sum.place, true }, floats, count);
  else if (gate != NULL || h.data != NULL || sum.data != NULL)
    finish_run (c, bias, gate, h, sum, y, count);
  else if (bias != NULL && y.bf16)
    finish_run (c, bias, NULL, none, none, halves, count);
  else if (bias != NULL)
    finish_run (c, bias, NULL, none, none, floats, count);
  else if (y.bf16)
    finish_run (c, NULL, NULL, none, none, halves, count);
  else
    finish_run (c, NULL, NULL, none, none, floats, count);
}

/* The slopes of a function at @x to @count elements of @to from @place on. */
static void
store_slopes (const FwFunctionKernel *function, const float *x, int64_t count, const FwTensor *to, int64_t place)
{
  float slopes[FW_RUN];
  for (int64_t i = 0; i < FW_RUN; i += VEC)
    vec_store (slopes + i, vec_set (1));
  function->derive (x, slopes, slopes, count, 0, 0);
  fw_run_store (to, place, count, slopes);
}

/* What becomes of @count finished elements of a row, of which the first is in @column. */
static void
store_elements (const FwKernelCall *call, const Linear *linear, const FwCursor *cursor, int64_t column, int64_t count, float *c)
{
  const FwTensor *bias = &call->in[2], *h = &call->in[3], *gate = &call->in[4], *y = &call->out[0], *saved = &call->out[1];
  const int64_t *step = linear->rows.step, *place = cursor->offset;
  float biases[FW_RUN], gates[FW_RUN], others[FW_RUN];
  const float *b = fw_present (bias) ? fw_run_load (bias, column * bias->stride[0], bias->stride[0], count, biases) : NULL;
  const float *g = fw_present (gate) ? fw_run_load (gate, place[GATE] + column * step[GATE], step[GATE], count, gates) : NULL;
  const FwRun none = { NULL, 0, false }, own = { c, 0, false };
  FwRun added = none, kept = fw_run_of (saved, place[SAVED] + column);
  if (fw_present (h) && step[H] == 1)
    added = fw_run_of (h, place[H] + column);
  else if (fw_present (h))
    added.data = (void *) fw_run_load (h, place[H] + column * step[H], step[H], count, others);
  if (linear->function->apply && g == NULL && added.data == NULL && y->dtype == FW_DTYPE_BF16
      && (kept.data == NULL || kept.bf16)) {
    uint16_t *slope = kept.data ? (uint16_t *) kept.data + kept.place : NULL;
    linear->function->apply_to_sum (c, b, slope, (uint16_t *) y->data + place[Y] + column, count);
    return;
  }
  if (linear->function->apply) {
    finish_any_run (c, b, NULL, none, none, own, count);
    if (kept.data != NULL)
      store_slopes (linear->function, c, count, saved, kept.place);
    linear->function->apply (c, c, count, 0, 0);
    b = NULL;
    kept = none;
  }
  finish_any_run (c, b, g, added, kept, fw_run_of (y, place[Y] + column), count);
}

static void
finish_elements (const FwKernelCall *call, const Linear *linear, const FwCursor *cursor, int64_t column, int64_t count, float *c)
{
  const FwTensor *y = &call->out[0], *narrow = &call->out[2];
  const int64_t *place = cursor->offset;
  float values[FW_RUN];
  store_elements (call, linear, cursor, column, count, c);
  if (fw_present (narrow))
    fw_run_store (narrow, place[NARROW] + column, count, fw_run_load (y, place[Y] + column, 1, count, values));
}

static void
linear_finish (const FwGemm *gemm, int64_t batch, int64_t row, int64_t rows, int64_t column, int64_t columns, float *c,
               int64_t c_stride)
{
  const Linear *linear = gemm->operands;
  FwCursor cursor;
  fw_rows_seek (&linear->rows, row, &cursor);
  for (int64_t r = 0; r < rows; r++, c += c_stride, fw_rows_next (&linear->rows, &cursor))
    for (int64_t start = 0; start < columns; start += FW_RUN)
      finish_elements (gemm->call, linear, &cursor, column + start, FW_MIN (columns - start, FW_RUN), c + start);
}

/* Whether the rows of a tensor are all equally far apart, @stride numbers. */
static bool
even_rows (const FwRows *rows, int which, int64_t *stride)
{
  *stride = rows->rank == 0 ? 0 : rows->stride[which][rows->rank - 1];
  for (int axis = 0; axis + 1 < rows->rank; axis++)
    if (rows->stride[which][axis] != rows->stride[which][axis + 1] * rows->dim[axis + 1])
      return false;
  return true;
}

/* How many bytes apart the rows of x are if microkernels can read them where they lie, else 0. */
static int64_t
readable_in_place (const FwGemm *gemm, const FwRows *rows)
{
  const FwTensor *x = &gemm->call->in[0];
  int64_t stride;
  if (rows->rank == 0 || !even_rows (rows, X, &stride))
    return 0;
  int64_t bytes = stride * (int64_t) fw_dtype_size (x->dtype);
  return fw_micro_reads (gemm->kernel, x->dtype, gemm->depth, bytes) ? bytes : 0;
}

/* Rows and columns of one of the tensors walked, if it moves from row to row by even steps. */
static void
add_area (FwFetching *fetching, const FwRows *rows, int which, const FwTensor *tensor, int64_t row, int64_t count, int64_t column,
          int64_t columns)
{
  int64_t stride, size = (int64_t) fw_dtype_size (tensor->dtype);
  if (fw_present (tensor) && even_rows (rows, which, &stride) && stride != 0 && rows->step[which] == 1)
    fw_fetching_add (fetching, (const char *) tensor->data + (row * stride + column) * size, count, stride * size, columns * size);
}

static void
linear_expect (const FwGemm *gemm, const FwGemmBlock *coming, const FwGemmBlock *ending, FwFetching *fetching)
{
  const Linear *linear = gemm->operands;
  const FwKernelCall *call = gemm->call;
  const FwTensor *finished[LINEAR_TENSORS] = { [Y] = &call->out[0], [H] = &call->in[3], [GATE] = &call->in[4],
                                               [SAVED] = &call->out[1], [NARROW] = &call->out[2] };
  if (coming)
    add_area (fetching, &linear->rows, X, &call->in[0], coming->row, coming->rows, coming->start, coming->depth);
  for (int i = 0; ending && i < LINEAR_TENSORS; i++)
    if (finished[i])
      add_area (fetching, &linear->rows, i, finished[i], ending->row, ending->rows, ending->column, ending->columns);
}

/* Lets microkernels store y themselves where they can: whole panels, without a function and any other result, as bf16, by a gate of
 * bf16 or not, or in f32 onto a residual. A gate besides a residual and what is saved would have to come from and go to memory a
 * few lines of a row at a time, which is slower than finishing whole rows. */
static void
plan_end (FwGemm *gemm, const Linear *linear)
{
  const FwTensor *bias = &gemm->call->in[2], *h = &gemm->call->in[3], *gate = &gemm->call->in[4];
  const FwTensor *y = &gemm->call->out[0];
  const FwRows *rows = &linear->rows;
  FwMicroEnd end = { .bias = fw_present (bias) ? bias->data : NULL, .y = y->data, .h = fw_present (h) ? h->data : NULL,
                     .factor = fw_present (gate) ? gate->data : NULL };
  bool alone = !linear->function->apply && !fw_present (&gemm->call->out[1]) && !fw_present (&gemm->call->out[2]);
  if (gemm->kernel->run_to_end == NULL || !alone || (end.h && end.factor) || gemm->columns % gemm->kernel->columns != 0
      || y->dtype != (end.h ? FW_DTYPE_F32 : FW_DTYPE_BF16) || !even_rows (rows, Y, &end.y_stride)
      || (end.bias && (bias->dtype != FW_DTYPE_F32 || bias->stride[0] != 1))
      || (end.h && (h->dtype != FW_DTYPE_F32 || rows->step[H] != 1 || !even_rows (rows, H, &end.h_stride)))
      || (end.factor && (gate->dtype != FW_DTYPE_BF16 || rows->step[GATE] != 1 || !even_rows (rows, GATE, &end.factor_stride))))
    return;
  gemm->end = end;
}

static size_t
plan_linear (FwGemm *gemm, Linear *linear, const FwKernelCall *call)
{
  const FwLinearAttributes *attributes = call->attributes;
  const FwTensor *x = &call->in[0], *y = &call->out[0];
  *linear = (Linear) { .transposed = attributes->transposed, .function = &fw_functions[attributes->function] };
  fw_rows_init (&linear->rows, LINEAR_TENSORS, (const FwTensor *[]) { y, x, &call->in[3], &call->in[4], &call->out[1],
                                                                     &call->out[2] }, false);
  *gemm = (FwGemm) { .call = call, .kernel = fw_micro_for (x->dtype), .batches = 1, .rows = linear->rows.rows,
                     .columns = y->dim[y->rank - 1], .depth = x->dim[x->rank - 1], .operands = linear,
                     .expect = linear_expect, .pack_a = linear_pack_a, .pack_b = linear_pack_b, .finish = linear_finish };
  gemm->a_row_bytes = readable_in_place (gemm, &linear->rows);
  plan_end (gemm, linear);
  return fw_gemm_plan (gemm);
}

size_t
fw_linear_scratch (const FwKernelCall *call)
{
  FwGemm gemm;
  Linear linear;
  return plan_linear (&gemm, &linear, call);
}

void
fw_linear_run (const FwKernelCall *call)
{
  FwGemm gemm;
  Linear linear;
  plan_linear (&gemm, &linear, call);
  fw_gemm_run (&gemm);
}

enum { DY, GRAD_X, GRAD_TENSORS };

typedef struct {
  FwRows rows;
  float *bias_sums; /* [segments][rows of dw] */
} GradWeight;

static void
grad_pack_a (const FwGemm *gemm, int64_t batch, int64_t first, int64_t count, int64_t start, int64_t depth, int64_t padded,
             char *to)
{
  const GradWeight *grad = gemm->operands;
  int64_t offset[FW_MAX_BLOCK_DEPTH];
  FwLines lines = row_lines (&grad->rows, DY, &gemm->call->in[1], start, depth, offset);
  if (gemm->a_across) {
    FwMicroKernel wide = *gemm->kernel; /* whose one panel is as wide as the block */
    wide.columns = (int) (gemm->a_unit_bytes / 4);
    fw_pack_columns_across (&wide, to, padded, &lines, first, count, depth, padded);
  } else {
    fw_pack_rows_across (gemm->kernel, to, &lines, first, count, depth, padded);
  }
}

/* The column sums of dy are taken while the block is in the cache, some columns at a time down the whole block. */
static FW_ALWAYS_INLINE void
add_columns (const bool bf16, const FwLines *lines, int64_t depth, int64_t first, int64_t columns, float *sums)
{
  enum { WIDTH = 4 };
  for (int64_t column = 0; column < columns; column += WIDTH * VEC) {
    FwVec sum[WIDTH];
    int64_t left[WIDTH];
    for (int v = 0; v < WIDTH; v++) {
      left[v] = FW_MAX (0, FW_MIN (VEC, columns - column - v * VEC));
      sum[v] = vec_load_part (sums + column + v * VEC, left[v]);
    }
    for (int64_t i = 0; i < depth; i++) {
      int64_t place = (lines->offset ? lines->offset[i] : i * lines->stride) + first + column;
      for (int v = 0; v < WIDTH; v++)
        sum[v] = sum[v] + row_load_any (bf16, lines->data, place + v * VEC, left[v]);
    }
    for (int v = 0; v < WIDTH; v++)
      vec_store_part (sums + column + v * VEC, sum[v], left[v]);
  }
}

static void
grad_see_a (const FwGemm *gemm, int64_t batch, int64_t segment, int64_t first, int64_t count, int64_t start, int64_t depth)
{
  const GradWeight *grad = gemm->operands;
  const FwTensor *dy = &gemm->call->in[1];
  float *sums = grad->bias_sums + segment * gemm->rows + first;
  int64_t offset[FW_MAX_BLOCK_DEPTH];
  FwLines lines = row_lines (&grad->rows, DY, dy, start, depth, offset);
  if (dy->dtype == FW_DTYPE_BF16)
    add_columns (true, &lines, depth, first, count, sums);
  else
    add_columns (false, &lines, depth, first, count, sums);
}

static void
grad_pack_b (const FwGemm *gemm, int64_t batch, int64_t first, int64_t count, int64_t start, int64_t depth, int64_t padded,
             int64_t panel_depth, char *to)
{
  const GradWeight *grad = gemm->operands;
  int64_t offset[FW_MAX_BLOCK_DEPTH];
  FwLines lines = row_lines (&grad->rows, GRAD_X, &gemm->call->in[0], start, depth, offset);
  fw_pack_columns_across (gemm->kernel, to, panel_depth, &lines, first, count, depth, padded);
}

static void
grad_expect (const FwGemm *gemm, const FwGemmBlock *coming, const FwGemmBlock *ending, FwFetching *fetching)
{
  const GradWeight *grad = gemm->operands;
  if (coming) {
    add_area (fetching, &grad->rows, DY, &gemm->call->in[1], coming->start, coming->depth, coming->row, coming->rows);
    add_area (fetching, &grad->rows, GRAD_X, &gemm->call->in[0], coming->start, coming->depth, coming->column, coming->columns);
  }
}

static void
grad_finish (const FwGemm *gemm, int64_t batch, int64_t row, int64_t rows, int64_t column, int64_t columns, float *c,
             int64_t c_stride)
{
  const FwTensor *dw = &gemm->call->out[0];
  for (int64_t r = 0; fw_present (dw) && r < rows; r++)
    fw_run_store (dw, (row + r) * dw->stride[0] + column, columns, c + r * c_stride);
}

/* Has microkernels pack dy and x, if both are bf16, their rows evenly apart and of an even number, and x is whole panels wide. */
static void
plan_lines (FwGemm *gemm, const GradWeight *grad)
{
  const FwTensor *x = &gemm->call->in[0], *dy = &gemm->call->in[1];
  int64_t a_stride, b_stride;
  if (gemm->kernel->run_packing == NULL || x->dtype != FW_DTYPE_BF16 || dy->dtype != FW_DTYPE_BF16 || gemm->depth % 2 != 0
      || gemm->columns % gemm->kernel->columns != 0 || !even_rows (&grad->rows, DY, &a_stride)
      || !even_rows (&grad->rows, GRAD_X, &b_stride))
    return;
  gemm->lines = (FwMicroLines) { .a = dy->data, .b = x->data, .a_bytes = a_stride * 2, .b_bytes = b_stride * 2 };
}

static size_t
plan_grad (FwGemm *gemm, GradWeight *grad, const FwKernelCall *call)
{
  const FwTensor *x = &call->in[0], *dy = &call->in[1];
  fw_rows_init (&grad->rows, GRAD_TENSORS, (const FwTensor *[]) { dy, x }, false);
  bool bf16 = x->dtype == FW_DTYPE_BF16 || dy->dtype == FW_DTYPE_BF16;
  *gemm = (FwGemm) { .call = call, .kernel = fw_micro_for (bf16 ? FW_DTYPE_BF16 : FW_DTYPE_F32), .batches = 1,
                     .rows = dy->dim[dy->rank - 1], .columns = x->dim[x->rank - 1], .depth = grad->rows.rows, .split_depth = true,
                     .operands = grad, .expect = grad_expect, .pack_a = grad_pack_a, .pack_b = grad_pack_b, .finish = grad_finish };
  gemm->a_across = gemm->kernel->run_across != NULL;
  plan_lines (gemm, grad);
  size_t bytes = (size_t) fw_round_up ((int64_t) fw_gemm_plan (gemm), 64);
  grad->bias_sums = fw_room_at (call->scratch, bytes);
  return bytes + (size_t) (FW_MAX (1, gemm->segments) * gemm->rows) * sizeof (float);
}

size_t
fw_linear_grad_weight_scratch (const FwKernelCall *call)
{
  FwGemm gemm;
  GradWeight grad;
  return plan_grad (&gemm, &grad, call);
}

void
fw_linear_grad_weight_run (const FwKernelCall *call)
{
  FwGemm gemm;
  GradWeight grad;
  const FwTensor *dbias = &call->out[1];
  plan_grad (&gemm, &grad, call);
  if (fw_present (dbias)) {
    gemm.see_a = grad_see_a;
    gemm.lines.sums = grad.bias_sums;
    memset (grad.bias_sums, 0, (size_t) (FW_MAX (1, gemm.segments) * gemm.rows) * sizeof (float));
  }
  fw_gemm_run (&gemm);
  if (!fw_present (dbias))
    return;
  for (int64_t segment = 1; segment < gemm.segments; segment++)
    row_add (grad.bias_sums + segment * gemm.rows, grad.bias_sums, gemm.rows);
  fw_run_store (dbias, 0, gemm.rows, grad.bias_sums);
}
