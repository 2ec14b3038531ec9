/* SPDX-License-Identifier: Apache-2.0
 * Gradients against central differences, all in double: for a random direction d in one input,
 * <dy, f(x + eps d) - f(x - eps d)> / 2 eps must be <gradient, d>. */
#include "tests/ops/ops.h"
#include "tests/ops/parallel.h"

#include "kernels/ref/ref.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* How a gradient op belongs to its forward op. @inputs: where each forward input comes from: "i2" is the gradient's input 2,
 * "s2" random of that input's shape, "o1" random of the shape of the gradient's output 1, "-" absent. @to: a digit for each
 * output of the gradient: the forward input it belongs to. @feeds_back: the gradient's input 0 is the forward's output. */
typedef struct {
  const char *gradient, *forward, *inputs;
  int dy;
  const char *to;
  bool feeds_back;
  const void *attributes; /* of the forward op, where the gradient has none */
  int added;              /* the gradient's input that is merely added to output 0, and left out here; 0 for none */
} Gradient;

static const Gradient gradients[] = {
  { "unary_grad", "unary", "i0", 1, "0", false, NULL },
  { "gated_grad", "gated", "i0 i1", 2, "01", false, NULL },
  { "gate_residual_grad", "gate_residual", "s2 i0 i1", 2, "21", false, NULL },
  { "softmax_grad", "softmax", "o0", 1, "0", true, NULL },
  { "cross_entropy_grad", "cross_entropy", "i0 i1", 2, "0", false, NULL },
  { "linear_grad_weight", "linear", "i0 o0 o1", 1, "12", false, &(const FwLinearAttributes) { FW_FN_IDENTITY, false } },
  { "attention_grad", "attention", "i0 i1 i2 i3 i4", 6, "0124", false, NULL },
  { "conv_grad_input", "conv", "o0 i1 -", 0, "0", false, NULL },
  { "conv_grad_weight", "conv", "i0 o0 o1", 1, "12", false, NULL },
  { "resample_grad", "resample", "o0", 0, "0", false, NULL },
  { "layer_norm_grad", "layer_norm", "i0 i1 s1 s2 i2", 3, "012340", false, NULL, 4 },
  { "rms_norm_grad", "rms_norm", "i0 i1", 2, "01", false, NULL },
  { "group_norm_grad", "group_norm", "i0 i1 i2", 3, "012", false, NULL },
  { "embedding_grad", "embedding", "o0 i0", 1, "0", false, NULL },
};

static const Gradient *
find_gradient (const Op *op)
{
  for (size_t i = 0; i < sizeof gradients / sizeof gradients[0]; i++)
    if (strcmp (gradients[i].gradient, op->name) == 0)
      return &gradients[i];
  return NULL;
}

bool
is_gradient (const Op *op)
{
  return find_gradient (op) != NULL;
}

typedef struct {
  const Gradient *gradient;
  const OpRow *row;
  Shapes shapes; /* of the gradient op */
  Random random;
  Operand in[FW_MAX_INPUTS], out[FW_MAX_OUTPUTS];   /* of the gradient op */
  Operand forward_in[FW_MAX_INPUTS], y;             /* of the forward op */
  FwKernelCall gradient_call, forward_call;
} Check;

static void
run (const FwKernel *kernel, FwKernelCall *call)
{
  TestParallel parallel = parallel_serial ();
  call->parallel = &parallel.loop;
  Scratch scratch = scratch_new (kernel, call);
  kernel->run (call);
  scratch_free (&scratch);
}

static void
fill_random (Check *check, Operand *operand)
{
  const OpRow *row = check->row;
  int64_t count = fw_present (&operand->view) ? fw_tensor_count (&operand->view) : 0;
  for (int64_t i = 0; i < count; i++)
    set_element (&operand->view, i, random_uniform (&check->random, row->low == row->high ? -1 : row->low,
                                                    row->low == row->high ? 1 : row->high));
}

static void
set_up_gradient (Check *check, const Op *op)
{
  static const Shape absent = { .absent = true };
  for (int i = 0; i < FW_MAX_INPUTS; i++) {
    bool given = i < check->shapes.n_inputs && (i == 0 || i != check->gradient->added);
    char kind = given ? op->inputs[3 * i] : '-';
    FwDtype dtype = kind == 'i' ? FW_DTYPE_I32 : kind == 'm' ? FW_DTYPE_U8 : FW_DTYPE_F64;
    check->in[i] = operand_new (given ? &check->shapes.in[i] : &absent, dtype, LAYOUT_DENSE, 'a');
    fill_random (check, &check->in[i]);
    check->gradient_call.in[i] = check->in[i].view;
  }
  for (int i = 0; i < check->shapes.n_outputs; i++) {
    check->out[i] = operand_new (&check->shapes.out[i], FW_DTYPE_F64, LAYOUT_DENSE, 'a');
    check->gradient_call.out[i] = check->out[i].view;
  }
  check->gradient_call.attributes = check->row->attributes;
  if (op->prepare != NULL)
    op->prepare (&check->gradient_call);
}

static void
set_up_forward (Check *check)
{
  const Gradient *gradient = check->gradient;
  Shape shape;
  for (int i = 0; i < FW_MAX_INPUTS; i++)
    check->forward_call.in[i].rank = -1;
  int n = 0;
  for (const char *code = gradient->inputs; *code; n++) {
    int which = *code == '-' ? 0 : code[1] - '0';
    FwTensor *view = &check->forward_call.in[n];
    if (*code == 'i') {
      *view = check->in[which].view;
    } else if (*code != '-') {
      shape = *code == 's' ? check->shapes.in[which] : check->shapes.out[which];
      check->forward_in[n] = operand_new (&shape, FW_DTYPE_F64, LAYOUT_DENSE, 'a');
      fill_random (check, &check->forward_in[n]);
      *view = check->forward_in[n].view;
    }
    code += *code == '-' ? 1 : 2;
    code += *code == ' ';
  }
  shape = check->shapes.in[gradient->dy];
  memset (shape.repeated, 0, sizeof shape.repeated);
  check->y = operand_new (&shape, FW_DTYPE_F64, LAYOUT_DENSE, 'a');
  check->forward_call.out[0] = check->y.view;
  check->forward_call.attributes = gradient->attributes != NULL ? gradient->attributes : check->row->attributes;
}

/* The distinct elements of a view: axes of stride 0 have size 1. */
static FwTensor
distinct (FwTensor view)
{
  for (int axis = 0; axis < view.rank; axis++)
    if (view.stride[axis] == 0 && view.dim[axis] > 1)
      view.dim[axis] = 1;
  return view;
}

static void
move (const FwTensor *base, const double *start, const double *direction, double factor)
{
  int64_t count = fw_tensor_count (base);
  for (int64_t i = 0; i < count; i++)
    set_element (base, i, start[i] + factor * direction[i]);
}

/* Whether the gradient of a forward op without results is all 0. */
static bool
is_zero (const FwTensor *gradient)
{
  int64_t count = fw_tensor_count (gradient);
  for (int64_t i = 0; i < count; i++)
    if (get_element (gradient, i) != 0)
      return false;
  return true;
}

/* Compares the gradient's output @k; fills @complaint if it is wrong. */
static void
check_output (Check *check, int k, char *complaint, size_t size)
{
  const double step = 1e-5;
  const FwKernel *forward = find_op (check->gradient->forward)->reference;
  const FwTensor *gradient = &check->out[k].view, *dy = &check->in[check->gradient->dy].view;
  int input = check->gradient->to[k] - '0';
  FwTensor base = distinct (check->forward_call.in[input]);
  int64_t count = fw_tensor_count (&base), results = fw_tensor_count (dy);
  if (results == 0) {
    if (!is_zero (gradient))
      snprintf (complaint, size, "output %d is not 0 though there is nothing to differentiate", k);
    return;
  }
  if (count != fw_tensor_count (gradient)) {
    snprintf (complaint, size, "output %d has another size than the input it belongs to", k);
    return;
  }
  double *start = malloc (sizeof (double) * (size_t) (count + 1)), *direction = malloc (sizeof (double) * (size_t) (count + 1));
  double *raised = malloc (sizeof (double) * (size_t) (results + 1));
  double analytic = 0, square = 0, numeric = 0;
  for (int64_t i = 0; i < count; i++) {
    double slope = get_element (gradient, i);
    start[i] = get_element (&base, i);
    direction[i] = random_uniform (&check->random, -1, 1);
    analytic += slope * direction[i];
    square += slope * slope;
  }
  move (&base, start, direction, step);
  run (forward, &check->forward_call);
  for (int64_t i = 0; i < results; i++)
    raised[i] = get_element (&check->y.view, i);
  move (&base, start, direction, -step);
  run (forward, &check->forward_call);
  for (int64_t i = 0; i < results; i++)
    numeric += get_element (dy, i) * (raised[i] - get_element (&check->y.view, i)) / (2 * step);
  move (&base, start, direction, 0);
  /* 1e-9: the rounding of a hundred results, 1e-16 each, divided by the step */
  double allowed = 1e-6 * (fabs (analytic) + sqrt (square)) + 1e-9;
  if (!(fabs (numeric - analytic) <= allowed))
    snprintf (complaint, size, "output %d gives %.12g along a direction, differences give %.12g", k, analytic, numeric);
  free (start);
  free (direction);
  free (raised);
}

bool
check_gradient (const Op *op, const OpRow *row, Tally *counts)
{
  Check check = { .gradient = find_gradient (op), .row = row, .random = { 7 } };
  char complaint[300] = "", told[500] = "";
  if (check.gradient == NULL)
    return false;
  if (!parse_shapes (row->shapes, &check.shapes)) {
    tally (counts, "the row's shapes cannot be read");
    return true;
  }
  set_up_gradient (&check, op);
  set_up_forward (&check);
  if (check.gradient->feeds_back) {
    run (find_op (check.gradient->forward)->reference, &check.forward_call);
    copy_elements (&check.y.view, &check.in[0].view);
  }
  run (op->reference, &check.gradient_call);
  for (int k = 0; k < check.shapes.n_outputs && complaint[0] == '\0'; k++)
    if (fw_present (&check.out[k].view))
      check_output (&check, k, complaint, sizeof complaint);
  if (complaint[0])
    snprintf (told, sizeof told, "gradient %s [%s]: %s", op->name, row->shapes, complaint);
  tally (counts, told);
  for (int i = 0; i < FW_MAX_INPUTS; i++) {
    operand_free (&check.in[i]);
    operand_free (&check.forward_in[i]);
  }
  for (int i = 0; i < FW_MAX_OUTPUTS; i++)
    operand_free (&check.out[i]);
  operand_free (&check.y);
  return true;
}
