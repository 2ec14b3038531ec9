/* SPDX-License-Identifier: Apache-2.0
 * Reference optimiser: norm of a gradient, AdamW and the moving average of weights, over dense flat parameters. */
#include "kernels/ref/ref.h"
#include "kernels/ref/walk.h"

#include <math.h>

/* The dense elements of @tensor as one line. */
static WalkRow
flat (const FwTensor *tensor)
{
  return (WalkRow) { tensor->data, tensor->dtype, 0, 1 };
}

static void
run_sum_squares (const FwKernelCall *call)
{
  WalkRow x = flat (&call->in[0]), s = flat (&call->out[0]);
  int64_t count = fw_tensor_count (&call->in[0]);
  double sum = 0;
  for (int64_t i = 0; i < count; i++)
    sum += walk_get (&x, i) * walk_get (&x, i);
  walk_put (&s, 0, sum);
}

static void
run_adamw (const FwKernelCall *call)
{
  const FwAdamwAttributes *attributes = call->attributes;
  WalkRow p = flat (&call->in[0]), m = flat (&call->in[1]), v = flat (&call->in[2]), g = flat (&call->in[3]);
  WalkRow new_p = flat (&call->out[0]), new_m = flat (&call->out[1]), new_v = flat (&call->out[2]);
  WalkRow hyper = walk_line (&call->in[4], 0, 0);
  double rate = walk_get (&hyper, 0), correction1 = walk_get (&hyper, 1), correction2 = walk_get (&hyper, 2);
  double clip = walk_get (&hyper, 3);
  int64_t count = fw_tensor_count (&call->in[0]);
  for (int64_t i = 0; i < count; i++) {
    double gradient = clip * walk_get (&g, i);
    double first = attributes->beta1 * walk_get (&m, i) + (1 - attributes->beta1) * gradient;
    double second = attributes->beta2 * walk_get (&v, i) + (1 - attributes->beta2) * gradient * gradient;
    double decayed = walk_get (&p, i) * (1 - rate * attributes->weight_decay);
    double divisor = sqrt (second) / sqrt (correction2) + attributes->epsilon;
    walk_put (&new_p, i, decayed - rate / correction1 * first / divisor);
    walk_put (&new_m, i, first);
    walk_put (&new_v, i, second);
  }
}

static void
run_ema (const FwKernelCall *call)
{
  WalkRow e = flat (&call->in[0]), p = flat (&call->in[1]), hyper = flat (&call->in[2]), new_e = flat (&call->out[0]);
  double decay = walk_get (&hyper, 0);
  int64_t count = fw_tensor_count (&call->in[0]);
  for (int64_t i = 0; i < count; i++)
    walk_put (&new_e, i, decay * walk_get (&e, i) + (1 - decay) * walk_get (&p, i));
}

const FwKernel fw_ref_sum_squares = { run_sum_squares, NULL };
const FwKernel fw_ref_adamw = { run_adamw, NULL };
const FwKernel fw_ref_ema = { run_ema, NULL };
