/* SPDX-License-Identifier: Apache-2.0
 * The table of one instruction set. FW_PATH_NAME is what the path is called outside. */
#include "kernels/cpu/kernels.h"

#if defined __AVX512BF16__
#define BF16_PRODUCTS true
#else
#define BF16_PRODUCTS false
#endif

#define fw_cpu_path FW_ISA (fw_cpu_path)
extern const FwCpuPath fw_cpu_path;

const FwCpuPath fw_cpu_path = {
  .name = FW_PATH_NAME,
  .bf16 = BF16_PRODUCTS,
  .unary = { fw_unary_run, NULL },
  .unary_grad = { fw_unary_grad_run, NULL },
  .binary = { fw_binary_run, NULL },
  .gated = { fw_gated_run, NULL },
  .gated_grad = { fw_gated_grad_run, NULL },
  .gate_residual = { fw_gate_residual_run, NULL },
  .copy = { fw_copy_run, NULL },
  .fill = { fw_fill_run, NULL },
};
