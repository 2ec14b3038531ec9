/* SPDX-License-Identifier: Apache-2.0
 * The kernels that each instruction set compiles, as its table (table.c) names them: fw_OP_run, and fw_OP_scratch where the
 * op wants scratch. kernels/ops.h says what they compute. */
#pragma once
#include "kernels/cpu/isa.h"

#define fw_unary_run FW_ROWS (fw_unary_run)
#define fw_unary_grad_run FW_ROWS (fw_unary_grad_run)
#define fw_binary_run FW_ROWS (fw_binary_run)
#define fw_gated_run FW_ROWS (fw_gated_run)
#define fw_gated_grad_run FW_ROWS (fw_gated_grad_run)
#define fw_gate_residual_run FW_ROWS (fw_gate_residual_run)
#define fw_copy_run FW_ROWS (fw_copy_run)
#define fw_fill_run FW_ROWS (fw_fill_run)

void fw_unary_run (const FwKernelCall *call);
void fw_unary_grad_run (const FwKernelCall *call);
void fw_binary_run (const FwKernelCall *call);
void fw_gated_run (const FwKernelCall *call);
void fw_gated_grad_run (const FwKernelCall *call);
void fw_gate_residual_run (const FwKernelCall *call);
void fw_copy_run (const FwKernelCall *call);
void fw_fill_run (const FwKernelCall *call);
