/* SPDX-License-Identifier: Apache-2.0
 * Attention to at most 64 keys, as between the frames of a clip, the patches of a small one or to a caption: all of them, and
 * sixteen queries at a time, stay in the first cache levels, where blocks and calls of microkernels would cost more than products. */
#pragma once
#include "kernels/cpu/attention.h"

#define fw_few_keys_scratch FW_ISA (fw_few_keys_scratch)
#define fw_few_keys_run FW_ISA (fw_few_keys_run)
#define fw_few_keys_grad_scratch FW_ISA (fw_few_keys_grad_scratch)
#define fw_few_keys_grad_run FW_ISA (fw_few_keys_grad_run)

/* Do the whole call as fw_attention_run and fw_attention_grad_run would, or nothing: false where there are no or more keys, no
 * queries, heads wider than 128, scores biased or causal, gradients of keys shared by sequences or that of the bias wanted, where q,
 * k, v, do or a result but lse is not bf16, or the processor has no fast products of such numbers but those of tiles. The scratch
 * they want is 0 there. */
size_t fw_few_keys_scratch (const FwKernelCall *call);
bool fw_few_keys_run (const FwKernelCall *call);
size_t fw_few_keys_grad_scratch (const FwKernelCall *call);
bool fw_few_keys_grad_run (const FwKernelCall *call);
