/* SPDX-License-Identifier: Apache-2.0
 * Passes over the flat arrays of training: adamw, ema, sum_squares. One pass each, bound by memory. */
#include <math.h>

#include "kernels/cpu/kernels.h"
#include "kernels/cpu/row-math.h"
#include "kernels/cpu/run.h"

enum { PIECE = 1 << 15 }; /* elements a worker takes at a time, and the unit of the order of summation */

static int64_t
pieces_of (int64_t count)
{
  return fw_ceil_div (count, PIECE);
}

static void
adamw_pieces (void *context, int64_t begin, int64_t end, int worker)
{
  const FwKernelCall *call = context;
  const FwAdamwAttributes *attributes = call->attributes;
  const float *p = call->in[0].data, *m = call->in[1].data, *v = call->in[2].data, *g = call->in[3].data;
  const float *hyper = call->in[4].data;
  float *new_p = call->out[0].data, *new_m = call->out[1].data, *new_v = call->out[2].data;
  int64_t past = FW_MIN (end * PIECE, fw_tensor_count (&call->in[0]));
  double rate = hyper[0];
  FwVec decay = vec_set ((float) (1.0 - rate * attributes->weight_decay)), clip = vec_set (hyper[3]);
  FwVec beta1 = vec_set ((float) attributes->beta1), rest1 = vec_set ((float) (1.0 - attributes->beta1));
  FwVec beta2 = vec_set ((float) attributes->beta2), rest2 = vec_set ((float) (1.0 - attributes->beta2));
  FwVec step = vec_set ((float) (-rate / hyper[1])), root = vec_set ((float) (1.0 / sqrt ((double) hyper[2])));
  FwVec epsilon = vec_set ((float) attributes->epsilon);
  for (int64_t i = begin * PIECE; i < past; i += VEC) {
    FwVec gradient = row_load (g, i, past) * clip;
    FwVec first = vec_fma (beta1, row_load (m, i, past), rest1 * gradient);
    FwVec second = vec_fma (beta2, row_load (v, i, past), rest2 * gradient * gradient);
    FwVec update = first / vec_fma (vec_sqrt (second), root, epsilon);
    row_store (new_p, i, past, vec_fma (step, update, decay * row_load (p, i, past)));
    row_store (new_m, i, past, first);
    row_store (new_v, i, past, second);
  }
}

void
fw_adamw_run (const FwKernelCall *call)
{
  call->parallel->run (call->parallel, pieces_of (fw_tensor_count (&call->in[0])), 4, adamw_pieces, (void *) call);
}

static void
ema_pieces (void *context, int64_t begin, int64_t end, int worker)
{
  const FwKernelCall *call = context;
  const float *e = call->in[0].data, *p = call->in[1].data;
  float decay = *(const float *) call->in[2].data, *y = call->out[0].data;
  FwVec keep = vec_set (decay), take = vec_set ((float) (1.0 - (double) decay));
  int64_t past = FW_MIN (end * PIECE, fw_tensor_count (&call->in[0]));
  for (int64_t i = begin * PIECE; i < past; i += VEC)
    row_store (y, i, past, vec_fma (keep, row_load (e, i, past), take * row_load (p, i, past)));
}

void
fw_ema_run (const FwKernelCall *call)
{
  call->parallel->run (call->parallel, pieces_of (fw_tensor_count (&call->in[0])), 8, ema_pieces, (void *) call);
}

static void
sum_squares_pieces (void *context, int64_t begin, int64_t end, int worker)
{
  const FwKernelCall *call = context;
  double *sums = call->scratch;
  int64_t total = fw_tensor_count (&call->in[0]);
  float buffer[FW_RUN];
  for (int64_t piece = begin; piece < end; piece++) {
    int64_t past = FW_MIN ((piece + 1) * PIECE, total);
    double sum = 0;
    for (int64_t start = piece * PIECE; start < past; start += FW_RUN) {
      int64_t count = FW_MIN (past - start, FW_RUN);
      const float *x = fw_run_load (&call->in[0], start, 1, count, buffer);
      sum += (double) row_dot (x, x, count);
    }
    sums[piece] = sum;
  }
}

size_t
fw_sum_squares_scratch (const FwKernelCall *call)
{
  return (size_t) pieces_of (fw_tensor_count (&call->in[0])) * sizeof (double);
}

void
fw_sum_squares_run (const FwKernelCall *call)
{
  int64_t pieces = pieces_of (fw_tensor_count (&call->in[0]));
  const double *sums = call->scratch;
  double sum = 0;
  call->parallel->run (call->parallel, pieces, 8, sum_squares_pieces, (void *) call);
  for (int64_t piece = 0; piece < pieces; piece++)
    sum += sums[piece];
  fw_store_element (call->out[0].data, call->out[0].dtype, 0, sum);
}
