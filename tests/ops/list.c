/* SPDX-License-Identifier: Apache-2.0
 * Every op there is, with what the test must know about its operands, and inputs that cannot be plain random numbers. */
#include "tests/ops/ops.h"

#include "kernels/ref/ref.h"

#include <stdlib.h>
#include <string.h>

/* Ids in 0..limit-1, and now and then one that is outside. */
static void
set_ids (const FwTensor *ids, int64_t limit)
{
  static const double outside[] = { -1, 0x1p30 };
  int64_t count = fw_tensor_count (ids);
  for (int64_t i = 0; i < count; i++)
    set_element (ids, i, i % 5 == 4 ? outside[i % 2] : limit > 0 ? (double) ((i * 7 + 3) % limit) : 0);
}

static void
prepare_label (FwKernelCall *call)
{
  set_ids (&call->in[1], call->in[0].dim[1]);
}

static void
prepare_embedding (FwKernelCall *call)
{
  set_ids (&call->in[1], call->in[0].dim[0]);
}

static void
prepare_embedding_grad (FwKernelCall *call)
{
  set_ids (&call->in[0], call->out[0].dim[0]);
}

/* Two keys of three count, with different values for yes; in every second sample none but one, in every fourth none. */
static void
prepare_mask (FwKernelCall *call)
{
  const FwTensor *mask = &call->in[3];
  int64_t count = fw_present (mask) ? fw_tensor_count (mask) : 0;
  for (int64_t i = 0; i < count; i++) {
    int64_t sample = i / mask->dim[1], key = i % mask->dim[1];
    bool attends = sample % 4 == 3 ? false : sample % 2 == 1 ? key == mask->dim[1] / 2 : key % 3 != 1;
    set_element (mask, i, attends ? 1 + (double) (key % 2) * 254 : 0);
  }
}

/* o and lse are what the forward kernel gives for q, k, v, mask and bias. */
static void
prepare_attention_grad (FwKernelCall *call)
{
  prepare_mask (call);
  FwKernelCall forward = { .attributes = call->attributes, .parallel = call->parallel };
  memcpy (forward.in, call->in, 5 * sizeof forward.in[0]);
  forward.out[0] = call->in[5];
  forward.out[1] = call->in[7];
  Scratch scratch = scratch_new (&fw_ref_attention, &forward);
  fw_ref_attention.run (&forward);
  scratch_free (&scratch);
}

/* Second moments are not negative; step sizes as in training. */
static void
prepare_adamw (FwKernelCall *call)
{
  static const double hyper[] = { 0.01, 0.4, 0.05, 0.7 };
  int64_t count = fw_tensor_count (&call->in[2]);
  for (int64_t i = 0; i < count; i++)
    set_element (&call->in[2], i, 0.25 + 0.25 * get_element (&call->in[2], i));
  for (int i = 0; i < 4; i++)
    set_element (&call->in[4], i, hyper[i]);
}

#define KERNEL(op) #op, &fw_ref_##op, offsetof (FwCpuPath, op)

const Op ops[] = {
  { KERNEL (unary), "fa", "fu", .shared = "00", .amplification = 4 },
  { KERNEL (unary_grad), "fa fa", "fu", .shared = "01", .amplification = 4 },
  { KERNEL (binary), "fa fa", "fu", .shared = "00 01" },
  { KERNEL (gated), "fa fa", "fu" },
  { KERNEL (gated_grad), "fa fa fa", "fu fu", .optional_outputs = 3 },
  { KERNEL (gate_residual), "fa fa fa", "fu", .shared = "00" },
  { KERNEL (gate_residual_grad), "fa fa fa", "fu fu", .optional_outputs = 3 },
  { KERNEL (copy), "fa", "fu", .exact = true },
  { KERNEL (fill), "", "fu", .exact = true },
  { KERNEL (sinusoid), "fa", "fu", .keeps_f32 = true },
  { KERNEL (reduce), "fa", "fu" },
  { KERNEL (softmax), "fa", "fu" },
  { KERNEL (softmax_grad), "fa fa", "fu" },
  { KERNEL (cross_entropy), "fa ia", "fu", .prepare = prepare_label },
  { KERNEL (cross_entropy_grad), "fa ia fa", "fu", .prepare = prepare_label },
  { KERNEL (linear), "fu fu fu fu fu", "fu fu fu", .shared = "03", .shortens = 1, .optional_outputs = 6 },
  { KERNEL (linear_grad_weight), "fu fu", "fu fu", .shortens = 3, .optional_outputs = 3 },
  { KERNEL (matmul), "fa fa", "fu" },
  /* Softmax weights, at most 1 and adding up to 1, may be rounded to bf16 before the product with values within -1..1. */
  { KERNEL (attention), "fu fu fu mu fu", "fu su", .optional_outputs = 2, .shortens = 1, .bf16_slack = 0x1p-8,
    .prepare = prepare_mask },
  { KERNEL (attention_grad), "fu fu fu mu fu fu fu su", "fu fu fu fu", .optional_outputs = 15, .shortens = 1,
    .takes_results = true, .bf16_slack = 0x1p-5, .prepare = prepare_attention_grad },
  { KERNEL (conv), "fu fd fd", "fu", .shortens = 1 },
  { KERNEL (conv_grad_input), "fu fd", "fu", .shortens = 1 },
  { KERNEL (conv_grad_weight), "fu fu", "fd fd", .shortens = 3, .optional_outputs = 3 },
  { KERNEL (resample), "fa", "fu", .exact = true },
  { KERNEL (resample_grad), "fa", "fu" },
  /* Dividing by the standard deviation of a few random numbers makes errors larger. */
  { KERNEL (layer_norm), "fa fa fa fa fa", "fu", .amplification = 8 },
  { KERNEL (layer_norm_grad), "fa fa fa fa fu", "fu fu fu fu fu fu", .optional_outputs = 63, .amplification = 32 },
  { KERNEL (rms_norm), "fa fa", "fu", .amplification = 8 },
  { KERNEL (rms_norm_grad), "fa fa fa", "fu fu", .optional_outputs = 3, .amplification = 32 },
  { KERNEL (group_norm), "fd fa fa", "fd", .amplification = 8 },
  { KERNEL (group_norm_grad), "fd fa fa fd", "fd fu fu", .optional_outputs = 7, .amplification = 32 },
  { KERNEL (embedding), "fa ia", "fu", .exact = true, .prepare = prepare_embedding },
  { KERNEL (embedding_grad), "ia fa", "fu", .prepare = prepare_embedding_grad },
  { KERNEL (concat), "fa fa fa fa fa fa fa fa fa fa", "fu", .exact = true },
  { KERNEL (pad), "fa", "fu", .exact = true },
  { KERNEL (sum_squares), "fd", "sd" },
  { KERNEL (adamw), "sd sd sd sd sd", "sd sd sd", .shared = "00 11 22", .always_shared = true, .prepare = prepare_adamw },
  { KERNEL (ema), "sd sd sd", "sd", .shared = "00", .always_shared = true },
};
const int n_ops = sizeof ops / sizeof ops[0];

/* An op that is added to FwCpuPath must be added here too. */
_Static_assert (sizeof ops / sizeof ops[0] == (sizeof (FwCpuPath) - offsetof (FwCpuPath, unary)) / sizeof (FwKernel),
                "the list must hold every kernel of FwCpuPath");

const Op *
find_op (const char *name)
{
  for (int i = 0; i < n_ops; i++)
    if (strcmp (ops[i].name, name) == 0)
      return &ops[i];
  return NULL;
}
