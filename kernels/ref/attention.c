/* SPDX-License-Identifier: Apache-2.0
 * Reference attention. A block of queries is held in double while keys and values go by one at a time. */
#include "kernels/ref/attention.h"
#include "kernels/ref/ref.h"

#include <math.h>

WalkRow
fw_ref_head_row (const FwTensor *tensor, int64_t b1, int64_t b2, int64_t position, int64_t head)
{
  int64_t offset = b1 * tensor->stride[0] + (tensor->dim[1] == 1 ? 0 : b2 * tensor->stride[1])
    + position * tensor->stride[2] + head * tensor->stride[3];
  return walk_line (tensor, offset, 4);
}

bool
fw_ref_attends (const FwKernelCall *call, int64_t b1, int64_t query, int64_t key)
{
  const FwAttentionAttributes *attributes = call->attributes;
  const FwTensor *mask = &call->in[3];
  if (attributes->causal && key > query)
    return false;
  return !fw_present (mask) || fw_load_element (mask->data, mask->dtype, b1 * mask->stride[0] + key * mask->stride[1]) != 0;
}

void
fw_ref_attention_weights (const FwKernelCall *call, int64_t b1, int64_t b2, int64_t head, int64_t first, int64_t count,
                          const double *queries, double *key, double *weights, double *log_sums)
{
  const FwAttentionAttributes *attributes = call->attributes;
  const FwTensor *k = &call->in[1], *bias = &call->in[4];
  int64_t n_keys = k->dim[2], width = k->dim[4];
  for (int64_t j = 0; j < n_keys; j++) {
    WalkRow row = fw_ref_head_row (k, b1, b2, j, head);
    walk_load (&row, width, key);
    for (int64_t i = 0; i < count; i++) {
      double score = attributes->scale * walk_dot (queries + i * width, key, width);
      if (fw_present (bias))
        score += fw_load_element (bias->data, bias->dtype, head * bias->stride[0] + (first + i) * bias->stride[1]
                                  + j * bias->stride[2]);
      weights[i * n_keys + j] = fw_ref_attends (call, b1, first + i, j) ? score : -INFINITY;
    }
  }
  for (int64_t i = 0; i < count; i++) {
    double *row = weights + i * n_keys, largest = -INFINITY, sum = 0;
    for (int64_t j = 0; j < n_keys; j++)
      largest = fmax (largest, row[j]);
    for (int64_t j = 0; j < n_keys; j++)
      sum += row[j] = row[j] == -INFINITY ? 0 : exp (row[j] - largest);
    for (int64_t j = 0; j < n_keys; j++)
      row[j] = sum > 0 ? row[j] / sum : 0;
    log_sums[i] = largest + log (sum);
  }
}

static size_t
attention_scratch (const FwKernelCall *call)
{
  int64_t n_keys = call->in[1].dim[2], key_width = call->in[1].dim[4], value_width = call->in[2].dim[4];
  int64_t block = FW_REF_BLOCK_QUERIES * (key_width + value_width + n_keys + 1);
  return (size_t) (key_width + value_width + block) * sizeof (double);
}

static void
run_attention (const FwKernelCall *call)
{
  const FwTensor *q = &call->in[0], *k = &call->in[1], *v = &call->in[2], *o = &call->out[0], *lse = &call->out[1];
  int64_t n_queries = q->dim[2], n_keys = k->dim[2], key_width = k->dim[4], value_width = v->dim[4];
  double *key = call->scratch, *value = key + key_width, *queries = value + value_width;
  double *results = queries + FW_REF_BLOCK_QUERIES * key_width, *log_sums = results + FW_REF_BLOCK_QUERIES * value_width;
  double *weights = log_sums + FW_REF_BLOCK_QUERIES;
  int64_t n_heads = q->dim[3], blocks = (n_queries + FW_REF_BLOCK_QUERIES - 1) / FW_REF_BLOCK_QUERIES;

  for (int64_t item = 0; item < q->dim[0] * q->dim[1] * n_heads * blocks; item++) {
    int64_t first = item % blocks * FW_REF_BLOCK_QUERIES, head = item / blocks % n_heads;
    int64_t b2 = item / blocks / n_heads % q->dim[1], b1 = item / blocks / n_heads / q->dim[1];
    int64_t count = n_queries - first < FW_REF_BLOCK_QUERIES ? n_queries - first : FW_REF_BLOCK_QUERIES;
    for (int64_t i = 0; i < count; i++) {
      WalkRow row = fw_ref_head_row (q, b1, b2, first + i, head);
      walk_load (&row, key_width, queries + i * key_width);
    }
    fw_ref_attention_weights (call, b1, b2, head, first, count, queries, key, weights, log_sums);
    walk_clear (results, count * value_width);
    for (int64_t j = 0; j < n_keys; j++) {
      WalkRow row = fw_ref_head_row (v, b1, b2, j, head);
      walk_load (&row, value_width, value);
      for (int64_t i = 0; i < count; i++)
        if (fw_ref_attends (call, b1, first + i, j))
          walk_add_scaled (results + i * value_width, weights[i * n_keys + j], value, value_width);
    }
    for (int64_t i = 0; i < count; i++) {
      WalkRow row = fw_ref_head_row (o, b1, b2, first + i, head);
      walk_store (&row, value_width, results + i * value_width);
      if (fw_present (lse))
        fw_store_element (lse->data, lse->dtype, b1 * lse->stride[0] + b2 * lse->stride[1] + head * lse->stride[2]
                          + (first + i) * lse->stride[3], log_sums[i]);
    }
  }
}

const FwKernel fw_ref_attention = { run_attention, attention_scratch };
