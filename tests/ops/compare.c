/* SPDX-License-Identifier: Apache-2.0
 * One row of the table, one kernel: its results in every type and layout against the definition, and its manners. */
#include "tests/ops/ops.h"
#include "tests/ops/parallel.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Float types of operands: inputs take turns, or all but the first are of the second type, as parameters are; so are all outputs but the
 * first. */
typedef struct {
  const char *name;
  FwDtype in[2], out[2];
  bool reference_only; /* not a type of kernels/cpu */
  bool parameters;
} Types;

#define TYPES(a, b, y, z) { FW_DTYPE_##a, FW_DTYPE_##b }, { FW_DTYPE_##y, FW_DTYPE_##z }
static const Types all_types[] = {
  { "f32", TYPES (F32, F32, F32, F32), false },
  { "bf16", TYPES (BF16, BF16, BF16, BF16), false },
  { "f32+bf16->bf16", TYPES (F32, BF16, BF16, BF16), false },
  { "bf16+f32->f32", TYPES (BF16, F32, F32, F32), false },
  { "bf16, f32 parameters->bf16", TYPES (BF16, F32, BF16, BF16), false, .parameters = true },
  { "bf16, f32 parameters->f32+bf16", TYPES (BF16, F32, F32, BF16), false, .parameters = true },
  { "f16", TYPES (F16, F16, F16, F16), true },
  { "f64", TYPES (F64, F64, F64, F64), true },
};
static const char *const layout_names[N_LAYOUTS] = { "dense", "gaps", "permuted" };

/* A row made concrete: operands of one choice of types and layout, and what the definition says the outputs are. */
typedef struct {
  const Op *op;
  const OpRow *row;
  const Types *types;
  Layout layout;
  const Candidate *candidate;
  Shapes shapes;
  Operand in[FW_MAX_INPUTS], out[FW_MAX_OUTPUTS], want[FW_MAX_OUTPUTS];
  char complaint[300];
} Case;

#define COMPLAIN(test, ...) \
  ((test)->complaint[0] ? (void) 0 : (void) snprintf ((test)->complaint, sizeof (test)->complaint, __VA_ARGS__))

static FwDtype
input_type (const Case *test, int i)
{
  char kind = test->op->inputs[3 * i];
  if (kind == 'i')
    return test->layout == LAYOUT_DENSE ? FW_DTYPE_I32 : FW_DTYPE_I64;
  return kind == 'm' ? FW_DTYPE_U8 : kind == 's' ? FW_DTYPE_F32 : test->types->in[test->types->parameters ? i > 0 : i % 2];
}

static FwDtype
output_type (const Case *test, int i)
{
  return test->op->outputs[3 * i] == 's' ? FW_DTYPE_F32 : test->types->out[i > 0];
}

static void
fill_inputs (Case *test)
{
  Random random = { 1 };
  for (const char *text = test->row->shapes; *text; text++)
    random.state = random.state * 31 + (uint64_t) *text;
  double low = test->row->low, high = test->row->high;
  FwKernelCall call = { .attributes = test->row->attributes };
  for (int i = 0; i < FW_MAX_INPUTS; i++) {
    call.in[i] = test->in[i].view;
    for (int64_t j = 0; fw_present (&call.in[i]) && j < fw_tensor_count (&call.in[i]); j++)
      set_element (&call.in[i], j, random_uniform (&random, low == high ? -1 : low, low == high ? 1 : high));
  }
  for (int i = 0; i < FW_MAX_OUTPUTS; i++)
    call.out[i] = test->out[i].view;
  if (test->op->prepare != NULL)
    test->op->prepare (&call);
}

/* Runs the reference kernel on dense copies in double: nothing of layouts, types or broadcasting is left in it. */
static void
work_out_answer (Case *test)
{
  TestParallel parallel = parallel_serial ();
  FwKernelCall call = { .attributes = test->row->attributes, .parallel = &parallel.loop };
  Operand inputs[FW_MAX_INPUTS] = { 0 };
  for (int i = 0; i < FW_MAX_INPUTS; i++) {
    Shape shape = test->shapes.in[i];
    memset (shape.repeated, 0, sizeof shape.repeated);
    shape.absent = i >= test->shapes.n_inputs || shape.absent;
    char kind = i < test->shapes.n_inputs ? test->op->inputs[3 * i] : '-';
    inputs[i] = operand_new (&shape, kind == 'i' || kind == 'm' ? input_type (test, i) : FW_DTYPE_F64, LAYOUT_DENSE, 'd');
    if (fw_present (&inputs[i].view))
      copy_elements (&test->in[i].view, &inputs[i].view);
    call.in[i] = inputs[i].view;
  }
  for (int i = 0; i < test->shapes.n_outputs; i++) {
    bool keeps_f32 = test->op->keeps_f32 && output_type (test, i) != FW_DTYPE_F64;
    test->want[i] = operand_new (&test->shapes.out[i], keeps_f32 ? FW_DTYPE_F32 : FW_DTYPE_F64, LAYOUT_DENSE, 'd');
    call.out[i] = test->want[i].view;
  }
  Scratch scratch = scratch_new (test->op->reference, &call);
  test->op->reference->run (&call);
  scratch_free (&scratch);
  for (int i = 0; i < FW_MAX_INPUTS; i++)
    operand_free (&inputs[i]);
}

static void
set_up (Case *test)
{
  static const Shape absent = { .absent = true };
  for (int i = 0; i < FW_MAX_INPUTS; i++)
    test->in[i] = i < test->shapes.n_inputs
      ? operand_new (&test->shapes.in[i], input_type (test, i), test->layout, test->op->inputs[3 * i + 1])
      : operand_new (&absent, FW_DTYPE_F32, LAYOUT_DENSE, 'd');
  for (int i = 0; i < test->shapes.n_outputs; i++)
    test->out[i] = operand_new (&test->shapes.out[i], output_type (test, i), test->layout, test->op->outputs[3 * i + 1]);
  fill_inputs (test);
  work_out_answer (test);
}

static void
tear_down (Case *test)
{
  for (int i = 0; i < FW_MAX_INPUTS; i++)
    operand_free (&test->in[i]);
  for (int i = 0; i < FW_MAX_OUTPUTS; i++) {
    operand_free (&test->out[i]);
    operand_free (&test->want[i]);
  }
}

/* Half the distance between neighbours, relative to the larger numbers. */
static double
unit_roundoff (FwDtype dtype)
{
  return dtype == FW_DTYPE_BF16 ? 0x1p-8 : dtype == FW_DTYPE_F16 ? 0x1p-11 : dtype == FW_DTYPE_F32 ? 0x1p-24 : 0x1p-53;
}

/* Whether the rule of kernels/ops.h has factors rounded to bf16. */
static bool
shortens_factors (const Case *test)
{
  bool decides = false;
  for (int i = 0; i < 2; i++)
    decides |= (test->op->shortens >> i & 1) && test->types->in[i] == FW_DTYPE_BF16;
  return decides && test->candidate->multiplies_bf16;
}

/* Whether an input that should be another op's exact result is the bf16 nearest to it. */
static bool
has_rounded_results (const Case *test)
{
  return test->op->takes_results && !test->candidate->is_reference
         && (test->types->in[0] == FW_DTYPE_BF16 || test->types->in[1] == FW_DTYPE_BF16);
}

/* What an output element may differ from @want. It is rounded once to its type (and, on the way to a short one, to f32).
 * A sum of n numbers of size 1 has partial sums of size sqrt n and so, rounding errors being independent, an error of about
 * sqrt n * sqrt n units; a few more for the functions around it. */
static double
tolerance (const Case *test, FwDtype dtype, double want)
{
  const Op *op = test->op;
  double size = fmax (1, fmax (fabs (test->row->low), fabs (test->row->high)));
  double unit = test->candidate->is_reference ? 0x1p-53 : 0x1p-24;
  double allowed = unit_roundoff (dtype) * (1 + 0x1p-10) * fabs (want) + (dtype == FW_DTYPE_F16 ? 0x1p-25 : 0x1p-126);
  if (dtype == FW_DTYPE_BF16 || dtype == FW_DTYPE_F16)
    allowed += 0x1p-24 * fabs (want);
  allowed += unit * (8 + test->row->terms) * (op->amplification > 0 ? op->amplification : 1) * (fabs (want) + size);
  bool shortened = shortens_factors (test);
  /* independent relative errors of one unit of bf16 in each of the terms */
  if (shortened && op->bf16_slack == 0 && test->types->in[0] != test->types->in[1])
    allowed += 0x1p-8 * sqrt (test->row->terms) * size;
  return allowed + (shortened || has_rounded_results (test) ? op->bf16_slack : 0);
}

static bool
is_close (const Case *test, FwDtype dtype, double got, double want)
{
  if (isnan (want) || isinf (want))
    return isnan (want) ? isnan (got) : got == want;
  if (test->op->exact) {
    double rounded = 0;
    fw_store_element (&rounded, dtype, 0, want);
    return got == fw_load_element (&rounded, dtype, 0);
  }
  return fabs (got - want) <= tolerance (test, dtype, want);
}

static void
check_values (Case *test, const char *what, uint32_t dropped)
{
  for (int i = 0; i < test->shapes.n_outputs; i++) {
    const FwTensor *out = &test->out[i].view;
    int64_t count = (dropped >> i & 1) || !fw_present (out) ? 0 : fw_tensor_count (out);
    for (int64_t j = 0; j < count; j++) {
      double got = get_element (out, j), want = get_element (&test->want[i].view, j);
      if (!is_close (test, out->dtype, got, want)) {
        COMPLAIN (test, "%s: output %d element %lld is %.9g, not %.9g within %.2g", what, i, (long long) j, got, want,
                  tolerance (test, out->dtype, want));
        return;
      }
    }
  }
}

/* Which output lies on input @i in this run; -1 for none. */
static int
sharing_output (const char *shared, int i)
{
  for (const char *pair = shared; pair != NULL && *pair; pair += pair[2] ? 3 : 2)
    if (pair[1] - '0' == i)
      return pair[0] - '0';
  return -1;
}

/* Runs the kernel once on fresh outputs. @dropped: bits of outputs that are NULL. @shared: pairs of output and input that
 * lie in the same memory, that of the output. */
static void
run_once (Case *test, const char *what, TestParallel *parallel, uint32_t dropped, const char *shared)
{
  FwKernelCall call = { .attributes = test->row->attributes, .parallel = &parallel->loop };
  for (int i = 0; i < test->shapes.n_outputs; i++) {
    operand_spoil (&test->out[i]);
    call.out[i] = test->out[i].view;
    if (dropped >> i & 1)
      call.out[i].data = NULL;
  }
  for (int i = 0; i < FW_MAX_INPUTS; i++) {
    int output = sharing_output (shared, i);
    call.in[i] = test->in[i].view;
    if (output >= 0 && fw_present (&call.in[i])) {
      copy_elements (&test->in[i].view, &test->out[output].view);
      call.in[i] = test->out[output].view;
    }
    operand_remember (&test->in[i]);
  }
  for (int i = 0; i < test->shapes.n_outputs; i++)
    operand_remember (&test->out[i]);
  Scratch scratch = scratch_new (test->candidate->kernel, &call);
  test->candidate->kernel->run (&call);
  if (!scratch_free (&scratch))
    COMPLAIN (test, "%s: wrote outside of its scratch", what);
  if (parallel->misused)
    COMPLAIN (test, "%s: asked for a parallel loop with a bad grain or count", what);
  for (int i = 0; i < FW_MAX_INPUTS; i++)
    if (!operand_is_unchanged (&test->in[i]))
      COMPLAIN (test, "%s: changed input %d", what, i);
  for (int i = 0; i < test->shapes.n_outputs; i++)
    if (dropped >> i & 1 ? !operand_is_unchanged (&test->out[i]) : !operand_is_unchanged_around (&test->out[i]))
      COMPLAIN (test, "%s: wrote outside of output %d", what, i);
}

/* Runs again with @parallel: not a bit may differ from the outputs of @first. */
static void
check_same_bits (Case *test, const char *what, TestParallel parallel, unsigned char *const *first, const char *shared)
{
  run_once (test, what, &parallel, 0, shared);
  for (int i = 0; i < test->shapes.n_outputs; i++)
    if (test->out[i].memory != NULL && memcmp (first[i], test->out[i].memory, test->out[i].size) != 0)
      COMPLAIN (test, "%s: output %d depends on the order or number of workers", what, i);
}

static void
check_workers (Case *test, const char *shared)
{
  TestParallel serial = parallel_serial ();
  unsigned char *first[FW_MAX_OUTPUTS] = { 0 };
  run_once (test, "one worker", &serial, 0, shared);
  check_values (test, "one worker", 0);
  for (int i = 0; i < test->shapes.n_outputs; i++) {
    first[i] = malloc (test->out[i].size + 1);
    if (test->out[i].memory != NULL)
      memcpy (first[i], test->out[i].memory, test->out[i].size);
  }
  check_same_bits (test, "shuffled", parallel_shuffled (3, 1), first, shared);
  check_same_bits (test, "shuffled anew", parallel_shuffled (7, 2), first, shared);
  if (test->layout != LAYOUT_PERMUTED)
    check_same_bits (test, "threads", parallel_threads (3), first, shared);
  for (int i = 0; i < test->shapes.n_outputs; i++)
    free (first[i]);
}

/* Whether the output can lie on the input: same type, same shape, no axis of stride 0. */
static bool
can_share (const Case *test, int output, int input)
{
  const Shape *in = &test->shapes.in[input];
  if (input >= test->shapes.n_inputs || in->absent || input_type (test, input) != output_type (test, output))
    return false;
  for (int axis = 0; axis < in->rank; axis++)
    if (in->repeated[axis] || in->dim[axis] != test->shapes.out[output].dim[axis])
      return false;
  return true;
}

static void
check_case (Case *test)
{
  const Op *op = test->op;
  check_workers (test, op->always_shared ? op->shared : NULL);
  for (int i = 0; i < test->shapes.n_outputs; i++)
    if (op->optional_outputs >> i & 1 && test->out[i].memory != NULL) {
      TestParallel parallel = parallel_shuffled (2, 3);
      run_once (test, "one output dropped", &parallel, 1u << i, NULL);
      check_values (test, "one output dropped", 1u << i);
    }
  for (const char *pair = op->always_shared ? NULL : op->shared; pair != NULL && *pair; pair += pair[2] ? 3 : 2)
    if (can_share (test, pair[0] - '0', pair[1] - '0')) {
      TestParallel parallel = parallel_shuffled (2, 4);
      char one[3] = { pair[0], pair[1] };
      run_once (test, "in place", &parallel, 0, one);
      check_values (test, "in place", 0);
    }
}

void
compare_row (const Candidate *candidate, const Op *op, const OpRow *row, Tally *counts)
{
  bool has_types = strchr (op->inputs, 'f') != NULL || strchr (op->outputs, 'f') != NULL;
  for (size_t i = 0; i < (has_types ? sizeof all_types / sizeof all_types[0] : 1); i++)
    for (int layout = 0; layout < N_LAYOUTS; layout++) {
      if (all_types[i].reference_only && !candidate->is_reference)
        continue;
      Case test = { .op = op, .row = row, .types = &all_types[i], .layout = (Layout) layout, .candidate = candidate };
      char complaint[500] = "";
      if (parse_shapes (row->shapes, &test.shapes)) {
        set_up (&test);
        check_case (&test);
        tear_down (&test);
      } else {
        COMPLAIN (&test, "the row's shapes cannot be read");
      }
      if (test.complaint[0])
        snprintf (complaint, sizeof complaint, "%s %s [%s] %s %s: %s", candidate->name, op->name, row->shapes, all_types[i].name,
                  layout_names[layout], test.complaint);
      tally (counts, complaint);
    }
}
