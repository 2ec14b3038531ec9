/* SPDX-License-Identifier: Apache-2.0
 * Operands of kernels under test: views of guarded memory in several layouts, random contents, and whole calls of them. */
#pragma once
#include "kernels/kernel.h"

/* An operand's shape as written in a row of the table. */
typedef struct {
  bool absent;
  int rank;
  int64_t dim[FW_MAX_RANK];
  bool repeated[FW_MAX_RANK]; /* stride 0 */
} Shape;

typedef struct {
  int n_inputs, n_outputs;
  Shape in[FW_MAX_INPUTS], out[FW_MAX_OUTPUTS];
} Shapes;

/* Parses the text of a row; false if it is not well formed. */
bool parse_shapes (const char *text, Shapes *shapes);

typedef enum {
  LAYOUT_DENSE,
  LAYOUT_GAPS,     /* room between rows, the first element not aligned */
  LAYOUT_PERMUTED, /* axes in reversed order in memory, as far as the operand allows */
  N_LAYOUTS
} Layout;

/* A view and the memory it lies in. Memory is filled with 0xff, which is not-a-number in every float type. */
typedef struct {
  FwTensor view;
  unsigned char *memory;   /* NULL if the operand is absent */
  size_t size;
  unsigned char *snapshot; /* the memory as it was at operand_remember */
} Operand;

/* @freedom: 'a' any strides, 'u' last axis dense, 'd' contiguous. */
Operand operand_new (const Shape *shape, FwDtype dtype, Layout layout, char freedom);
void operand_free (Operand *operand);
/* Fills all memory with 0xff. */
void operand_spoil (Operand *operand);
void operand_remember (Operand *operand);
/* Whether every byte is as it was, or every byte outside of the view's elements. */
bool operand_is_unchanged (const Operand *operand);
bool operand_is_unchanged_around (const Operand *operand);

/* Where element @index in row-major order lies, in elements. */
int64_t element_offset (const FwTensor *tensor, int64_t index);
double get_element (const FwTensor *tensor, int64_t index);
void set_element (const FwTensor *tensor, int64_t index, double value);
/* Element by element in row-major order; both views have as many elements. */
void copy_elements (const FwTensor *from, const FwTensor *to);

/* Uniform in low..high; the sequence depends on nothing but the seed. */
typedef struct { uint64_t state; } Random;
double random_uniform (Random *random, double low, double high);

/* Guarded scratch as large as @kernel asks for @call; sets the call's scratch. */
typedef struct {
  unsigned char *memory;
  size_t size;
} Scratch;
Scratch scratch_new (const FwKernel *kernel, FwKernelCall *call);
/* Frees it; false if something was written outside. */
bool scratch_free (Scratch *scratch);
