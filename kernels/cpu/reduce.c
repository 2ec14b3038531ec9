/* SPDX-License-Identifier: Apache-2.0
 * reduce and gate_residual_grad: sums over axes. */
#include "kernels/cpu/kernels.h"
#include "kernels/cpu/row-math.h"
#include "kernels/cpu/sums.h"

static void
reduce_add (const FwSums *sums, const int64_t *offset, int64_t count, float *const *sum, float *work)
{
  fw_run_add (&sums->call->in[0], offset[0], sums->kept.step[0], count, sum[0]);
}

static void
reduce_finish (const FwSums *sums, const int64_t *offset, int64_t count, float *const *sum)
{
  if (sums->sum_row) {
    sum[0][0] = row_sum (sum[0], count);
    count = 1;
  }
  row_scale (sum[0], sum[0], count, sums->constant);
  fw_run_store (&sums->call->out[0], offset[1], count, sum[0]);
}

static size_t
plan_reduce (FwSums *sums, const FwKernelCall *call)
{
  const FwReduceAttributes *attributes = call->attributes;
  const FwTensor *x = &call->in[0];
  int64_t summed = 1;
  for (int axis = 0; axis < x->rank; axis++)
    if (attributes->axes >> axis & 1)
      summed *= x->dim[axis];
  *sums = (FwSums) { .call = call, .add = reduce_add, .finish = reduce_finish,
                     .constant = attributes->function == FW_REDUCE_MEAN ? 1.0f / (float) summed : 1.0f };
  return fw_sums_init (sums, 2, (const FwTensor *[]) { x, &call->out[0] }, attributes->axes);
}

size_t
fw_reduce_scratch (const FwKernelCall *call)
{
  FwSums sums;
  return plan_reduce (&sums, call);
}

void
fw_reduce_run (const FwKernelCall *call)
{
  FwSums sums;
  plan_reduce (&sums, call);
  fw_sums_run (&sums);
}

enum { GRADIENT, GATE, BRANCH, BRANCH_GRADIENT, GATE_GRADIENT }; /* the tensors walked */

/* dgate += a dy where @sum is there, da = gate dy where da is, for lanes [0, left) from element @i on. */
static FW_ALWAYS_INLINE void
weigh_lanes (FwRun a, FwRun dy, const float *gate, float *sum, FwRun da, int64_t i, int64_t left)
{
  FwVec gradient = row_load_run (dy, i, left);
  if (sum)
    row_store_any (false, sum, i, left, vec_fma (row_load_run (a, i, left), gradient, row_load_any (false, sum, i, left)));
  if (da.data)
    row_store_run (da, i, left, row_load_any (false, gate, i, left) * gradient);
}

static FW_ALWAYS_INLINE void
weigh_branch (FwRun a, FwRun dy, const float *gate, int64_t count, float *sum, FwRun da)
{
  int64_t i = 0;
  for (; i + VEC <= count; i += VEC)
    weigh_lanes (a, dy, gate, sum, da, i, VEC);
  if (i < count)
    weigh_lanes (a, dy, gate, sum, da, i, count - i);
}

/* The commonest loop is compiled apart. */
static void
gate_add (const FwSums *sums, const int64_t *offset, int64_t count, float *const *sum, float *work)
{
  const FwKernelCall *call = sums->call;
  const int64_t *step = sums->kept.step;
  float gates[FW_RUN], *products = fw_present (&call->out[1]) ? sum[0] : NULL;
  FwRun a = fw_run_at (&call->in[1], offset[BRANCH], step[BRANCH], count, work);
  FwRun dy = fw_run_at (&call->in[2], offset[GRADIENT], step[GRADIENT], count, work + fw_round_up (sums->stretch, 16));
  FwRun da = fw_run_of (&call->out[0], offset[BRANCH_GRADIENT]);
  const float *gate = fw_run_load (&call->in[0], offset[GATE], step[GATE], count, gates);
  if (products && da.data && da.bf16 && a.bf16 && !dy.bf16)
    weigh_branch ((FwRun) { a.data, a.place, true }, (FwRun) { dy.data, dy.place, false }, gate, count, sum[0],
                  (FwRun) { da.data, da.place, true });
  else
    weigh_branch (a, dy, gate, count, products, da);
}

static void
gate_finish (const FwSums *sums, const int64_t *offset, int64_t count, float *const *sum)
{
  if (!fw_present (&sums->call->out[1]))
    return;
  if (sums->sum_row) {
    sum[0][0] = row_sum (sum[0], count);
    count = 1;
  }
  fw_run_store (&sums->call->out[1], offset[GATE_GRADIENT], count, sum[0]);
}

static size_t
plan_gate (FwSums *sums, const FwKernelCall *call)
{
  const FwTensor *gate = &call->in[0], *dy = &call->in[2];
  *sums = (FwSums) { .call = call, .add = gate_add, .finish = gate_finish };
  return fw_sums_init (sums, 5, (const FwTensor *[]) { dy, gate, &call->in[1], &call->out[0], &call->out[1] },
                       fw_broadcast_axes (dy, gate));
}

size_t
fw_gate_residual_grad_scratch (const FwKernelCall *call)
{
  FwSums sums;
  return plan_gate (&sums, call);
}

void
fw_gate_residual_grad_run (const FwKernelCall *call)
{
  FwSums sums;
  plan_gate (&sums, call);
  fw_sums_run (&sums);
}
