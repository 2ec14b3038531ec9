/* SPDX-License-Identifier: Apache-2.0
 * The table test of kernels: every path of kernels/cpu against kernels/ref over the rows of one table, kernels/ref against
 * answers worked out elsewhere, and gradients against differences of the forward kernel. */
#pragma once
#include "kernels/cpu/cpu.h"
#include "tests/ops/operand.h"

/* One op as the test sees it. @inputs and @outputs have two letters per operand: its type (f: the float type under test,
 * s: always f32, i: ids, m: mask) and how it may lie in memory (a: any strides, u: last axis dense, d: contiguous). */
typedef struct {
  const char *name;
  const FwKernel *reference;
  size_t offset;               /* of the kernel in FwCpuPath */
  const char *inputs, *outputs;
  const char *shared;          /* pairs of digits: output that may lie on input, "00 11" */
  bool always_shared;          /* and always does */
  bool exact;                  /* moves data: results differ from the definition by nothing but the type's rounding */
  bool keeps_f32;              /* the definition depends on whether the output is f64 */
  double amplification;        /* of rounding errors, beyond those of a plain sum; 0 stands for 1 */
  uint32_t shortens;           /* bit i: where input i is bf16, a path that multiplies bf16 rounds other factors to it */
  bool takes_results;          /* some inputs are results of another op, which bf16 holds only roughly */
  double bf16_slack;           /* absolute error that comes of shortened inner values, or of rough results */
  uint32_t optional_outputs;   /* bit i: output i may be NULL */
  void (*prepare) (FwKernelCall *call); /* overwrites inputs that must not be plain random numbers */
} Op;

extern const Op ops[];
extern const int n_ops;
const Op *find_op (const char *name);

/* One row of the table: op, shapes ("3,17 17 - -> 3,17": inputs, then outputs; "-" is absent, "4*" an axis of stride 0,
 * "()" rank 0) and attributes. Random inputs are uniform in low..high, -1..1 if both are 0. @terms: the longest sum in it. */
typedef struct {
  const char *op, *shapes;
  const void *attributes;
  int terms;
  double low, high;
} OpRow;

/* Tables end with op == NULL. */
extern const OpRow *const row_tables[];

/* What is counted and told. */
typedef struct {
  int passed, failed;
  int shown; /* failures printed so far for the current op */
} Tally;

/* One more test, failed if @complaint is not empty; the first few complaints are printed as TAP comments. */
void tally (Tally *counts, const char *complaint);

/* A path's kernel for @op; @is_reference tells that it calculates in double, @multiplies_bf16 that some of its products are of
 * bf16 numbers. */
typedef struct {
  const char *name;
  const FwKernel *kernel;
  bool is_reference, multiplies_bf16;
} Candidate;

/* Row against the definition: values in every type and layout, memory around operands and scratch, unchanged inputs, shared
 * and NULL outputs, equal bits whatever the workers. */
void compare_row (const Candidate *candidate, const Op *op, const OpRow *row, Tally *counts);
/* The gradient op of @row against central differences of its forward op; false if the op is no gradient. */
bool check_gradient (const Op *op, const OpRow *row, Tally *counts);
bool is_gradient (const Op *op);
/* The reference kernel against recorded answers; returns how many there are. */
int check_known (const Op *op, Tally *counts);
