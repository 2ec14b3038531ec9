/* SPDX-License-Identifier: Apache-2.0
 * What a kernel is: a function over strided views with typed attributes, planned scratch and a parallel loop lent by the
 * caller. kernels/ops.h says what each op computes; kernels/ref is the definition, kernels/cpu the fast form. */
#pragma once
#include "kernels/tensor.h"

enum { FW_MAX_INPUTS = 10, FW_MAX_OUTPUTS = 6 };

/* A loop over [0, count) lent by the engine. run() calls body(context, begin, end, worker) for disjoint ranges of at most
 * @grain items that cover everything, on workers 0..workers-1, and returns when all are done; ranges are handed out in any
 * order, so a body must write only what its items own. After a cancel, remaining ranges are skipped and the output is
 * undefined. @grain is chosen by the kernel so that one range takes well under 20 ms; a body whose single item may take longer
 * asks stopped(), where that is not NULL, whether a cancel came meanwhile, and may then return. Any worker may ask. */
typedef struct FwParallel {
  int workers;
  void (*run) (struct FwParallel *parallel, int64_t count, int64_t grain,
               void (*body) (void *context, int64_t begin, int64_t end, int worker), void *context);
  bool (*stopped) (const struct FwParallel *parallel);
} FwParallel;

/* One call of one op. An absent optional input, and an output nobody reads, has data == NULL and rank == -1 (inputs) or
 * data == NULL with its usual shape (outputs). Shapes are already checked by the caller. */
typedef struct {
  FwTensor in[FW_MAX_INPUTS];
  FwTensor out[FW_MAX_OUTPUTS];
  const void *attributes;  /* the op's struct from kernels/ops.h, or NULL */
  void *scratch;           /* scratch_size bytes, 64-byte aligned, contents undefined */
  size_t scratch_size;
  FwParallel *parallel;
} FwKernelCall;

static inline bool
fw_present (const FwTensor *tensor)
{
  return tensor->data != NULL;
}

/* @run computes; @scratch says how many bytes of scratch it wants for these shapes, strides and dtypes (data may be NULL in
 * this question, and absent operands are told by rank == -1); NULL means none. Both must be thread safe and allocate nothing. */
typedef struct {
  void (*run) (const FwKernelCall *call);
  size_t (*scratch) (const FwKernelCall *call);
} FwKernel;
