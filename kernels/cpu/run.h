/* SPDX-License-Identifier: Apache-2.0
 * Runs of elements of any dtype as arrays of floats and back: how kernels read operands without knowing their types. */
#pragma once
#include "kernels/cpu/isa.h"

/* Elements that pointwise kernels handle at a time; the float forms of all operands of a run fit in the L1 cache. */
enum { FW_RUN = 512 };

#define fw_run_load FW_ROWS (fw_run_load)
#define fw_run_store FW_ROWS (fw_run_store)
#define fw_run_add FW_ROWS (fw_run_add)

/* @count elements of @data from element @offset on, @step apart (0 repeats one), as floats: the data itself where it is
 * dense f32, else converted into @buffer. */
const float *fw_run_load (const FwTensor *data, int64_t offset, int64_t step, int64_t count, float *buffer);
/* @count floats to consecutive elements of @data. */
void fw_run_store (const FwTensor *data, int64_t offset, int64_t count, const float *values);
/* sum[i] += element i of the run; @count is at most FW_RUN. */
void fw_run_add (const FwTensor *data, int64_t offset, int64_t step, int64_t count, float *sum);
