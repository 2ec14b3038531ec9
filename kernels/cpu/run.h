/* SPDX-License-Identifier: Apache-2.0
 * Runs of elements of any dtype as arrays of floats and back: how kernels read operands without knowing their types. */
#pragma once
#include "kernels/cpu/isa.h"

/* Elements that pointwise kernels handle at a time; the float forms of all operands of a run fit in the L1 cache. */
enum { FW_RUN = 512 };

/* Consecutive elements of f32 or bf16 from a place on; data is NULL for none. */
typedef struct {
  void *data;
  int64_t place;
  bool bf16;
} FwRun;

#define fw_run_load FW_ROWS (fw_run_load)
#define fw_run_store FW_ROWS (fw_run_store)
#define fw_run_add FW_ROWS (fw_run_add)

/* The run that begins with element @place. */
static inline FwRun
fw_run_of (const FwTensor *tensor, int64_t place)
{
  return (FwRun) { tensor->data, place, tensor->dtype == FW_DTYPE_BF16 };
}

/* @count elements of @data from element @offset on, @step apart (0 repeats one), as floats: the data itself where it is
 * dense f32, else converted into @buffer. */
const float *fw_run_load (const FwTensor *data, int64_t offset, int64_t step, int64_t count, float *buffer);
/* The same as a run: where it lies if it is dense, else converted. */
static inline FwRun
fw_run_at (const FwTensor *data, int64_t offset, int64_t step, int64_t count, float *buffer)
{
  if (step == 1 && fw_present (data))
    return fw_run_of (data, offset);
  return (FwRun) { fw_present (data) ? (void *) fw_run_load (data, offset, step, count, buffer) : NULL, 0, false };
}

/* @count floats to consecutive elements of @data. */
void fw_run_store (const FwTensor *data, int64_t offset, int64_t count, const float *values);
/* sum[i] += element i of the run; @count is at most FW_RUN. */
void fw_run_add (const FwTensor *data, int64_t offset, int64_t step, int64_t count, float *sum);
