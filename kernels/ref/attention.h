/* SPDX-License-Identifier: Apache-2.0
 * What reference attention and its gradient share: rows of heads, the mask, and the softmax weights of a block of queries. */
#pragma once
#include "kernels/ref/walk.h"

enum { FW_REF_BLOCK_QUERIES = 32 };

/* The row [.., b1, b2, position, head, :] of a [B1, B2, N, H, K] tensor, where B2 may have size 1. */
WalkRow fw_ref_head_row (const FwTensor *tensor, int64_t b1, int64_t b2, int64_t position, int64_t head);
/* Whether @query may look at @key: inputs and attributes of @call are those of attention. */
bool fw_ref_attends (const FwKernelCall *call, int64_t b1, int64_t query, int64_t key);
/* weights[count, Nk] = softmax (scale q k^T + bias), 0 where a key is left out, and log_sums[count], minus infinity for a
 * query without keys. @queries holds the rows of q from @first on; @key is room for one key. */
void fw_ref_attention_weights (const FwKernelCall *call, int64_t b1, int64_t b2, int64_t head, int64_t first, int64_t count,
                               const double *queries, double *key, double *weights, double *log_sums);
