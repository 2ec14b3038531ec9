/* SPDX-License-Identifier: Apache-2.0
 * Pointwise ops: unary, binary, gated, gate_residual, copy, fill and their gradients, as walks in runs of floats. */
#include <math.h>

#include "kernels/cpu/functions.h"
#include "kernels/cpu/kernels.h"
#include "kernels/cpu/vec.h"
#include "kernels/cpu/walk.h"

/* Where results of a run go first: straight into a dense f32 output, else into @buffer. */
static float *
result_place (const FwTensor *out, int64_t offset, float *buffer)
{
  return out->dtype == FW_DTYPE_F32 ? (float *) out->data + offset : buffer;
}

static void
unary_run (const FwWalk *walk, const int64_t *offset, int64_t count)
{
  float input[FW_RUN], output[FW_RUN];
  const FwTensor *y = &walk->call->out[0];
  const float *x = fw_run_load (&walk->call->in[0], offset[1], walk->rows.step[1], count, input);
  if (fw_functions[walk->choice].apply) {
    float *place = result_place (y, offset[0], output);
    fw_functions[walk->choice].apply (x, place, count, walk->a, walk->b);
    x = place;
  }
  fw_run_store (y, offset[0], count, x);
}

void
fw_unary_run (const FwKernelCall *call)
{
  const FwUnaryAttributes *attributes = call->attributes;
  FwWalk walk = { .call = call, .run = unary_run, .choice = attributes->function,
                  .a = (float) attributes->a, .b = (float) attributes->b };
  fw_walk (&walk, 2, (const FwTensor *[]) { &call->out[0], &call->in[0] });
}

static void
unary_grad_run (const FwWalk *walk, const int64_t *offset, int64_t count)
{
  float input[FW_RUN], gradient[FW_RUN], output[FW_RUN];
  const FwTensor *x = &walk->call->in[0], *dy = &walk->call->in[1], *dx = &walk->call->out[0];
  const int64_t *step = walk->rows.step;
  const FwFunctionKernel *function = &fw_functions[walk->choice];
  bool bf16 = x->dtype == FW_DTYPE_BF16 && dy->dtype == FW_DTYPE_BF16 && dx->dtype == FW_DTYPE_BF16;
  if (bf16 && step[1] == 1 && step[2] == 1) {
    function->derive_bf16 ((const uint16_t *) x->data + offset[1], (const uint16_t *) dy->data + offset[2],
                           (uint16_t *) dx->data + offset[0], count, walk->a, walk->b);
    return;
  }
  const float *at = fw_run_load (x, offset[1], step[1], count, input);
  float *place = result_place (dx, offset[0], output);
  function->derive (at, fw_run_load (dy, offset[2], step[2], count, gradient), place, count, walk->a, walk->b);
  fw_run_store (dx, offset[0], count, place);
}

void
fw_unary_grad_run (const FwKernelCall *call)
{
  const FwUnaryAttributes *attributes = call->attributes;
  FwWalk walk = { .call = call, .run = unary_grad_run, .choice = attributes->function,
                  .a = (float) attributes->a, .b = (float) attributes->b };
  fw_walk (&walk, 3, (const FwTensor *[]) { &call->out[0], &call->in[0], &call->in[1] });
}

typedef FwVec (*Combine) (FwVec a, FwVec b);

static FW_ALWAYS_INLINE void
combine (Combine function, const float *a, const float *b, float *y, int64_t count)
{
  int64_t i = 0;
  for (; i + VEC <= count; i += VEC)
    vec_store (y + i, function (vec_load (a + i), vec_load (b + i)));
  if (i < count)
    vec_store_part (y + i, function (vec_load_part (a + i, count - i), vec_load_part (b + i, count - i)), count - i);
}

#define DEFINE_BINARY(name, VALUE) \
  VEC_INLINE FwVec name##_value (FwVec a, FwVec b) { return VALUE; } \
  static void name (const float *a, const float *b, float *y, int64_t count) { combine (name##_value, a, b, y, count); }

DEFINE_BINARY (add, a + b)
DEFINE_BINARY (subtract, a - b)
DEFINE_BINARY (multiply, a * b)
DEFINE_BINARY (divide, a / b)
DEFINE_BINARY (larger, vec_max (a, b))
DEFINE_BINARY (smaller, vec_min (a, b))

static void (*const binary_functions[FW_BINARY_N]) (const float *a, const float *b, float *y, int64_t count) = {
  [FW_BINARY_ADD] = add, [FW_BINARY_SUB] = subtract, [FW_BINARY_MUL] = multiply,
  [FW_BINARY_DIV] = divide, [FW_BINARY_MAX] = larger, [FW_BINARY_MIN] = smaller,
};

static void
binary_run (const FwWalk *walk, const int64_t *offset, int64_t count)
{
  float first[FW_RUN], second[FW_RUN], output[FW_RUN];
  const FwTensor *y = &walk->call->out[0];
  const float *a = fw_run_load (&walk->call->in[0], offset[1], walk->rows.step[1], count, first);
  const float *b = fw_run_load (&walk->call->in[1], offset[2], walk->rows.step[2], count, second);
  float *place = result_place (y, offset[0], output);
  binary_functions[walk->choice] (a, b, place, count);
  fw_run_store (y, offset[0], count, place);
}

void
fw_binary_run (const FwKernelCall *call)
{
  const FwBinaryAttributes *attributes = call->attributes;
  FwWalk walk = { .call = call, .run = binary_run, .choice = attributes->function };
  fw_walk (&walk, 3, (const FwTensor *[]) { &call->out[0], &call->in[0], &call->in[1] });
}

static void
gated_run (const FwWalk *walk, const int64_t *offset, int64_t count)
{
  float first[FW_RUN], second[FW_RUN], output[FW_RUN];
  const FwTensor *y = &walk->call->out[0];
  const float *a = fw_run_load (&walk->call->in[0], offset[1], walk->rows.step[1], count, first);
  const float *b = fw_run_load (&walk->call->in[1], offset[2], walk->rows.step[2], count, second);
  if (fw_functions[walk->choice].apply) {
    fw_functions[walk->choice].apply (a, first, count, 0, 0);
    a = first;
  }
  float *place = result_place (y, offset[0], output);
  multiply (a, b, place, count);
  fw_run_store (y, offset[0], count, place);
}

void
fw_gated_run (const FwKernelCall *call)
{
  const FwGatedAttributes *attributes = call->attributes;
  FwWalk walk = { .call = call, .run = gated_run, .choice = attributes->function };
  fw_walk (&walk, 3, (const FwTensor *[]) { &call->out[0], &call->in[0], &call->in[1] });
}

static void
gated_grad_run (const FwWalk *walk, const int64_t *offset, int64_t count)
{
  float first[FW_RUN], second[FW_RUN], gradient[FW_RUN], result[FW_RUN];
  const FwKernelCall *call = walk->call;
  const FwFunctionKernel *function = &fw_functions[walk->choice];
  const float *a = fw_run_load (&call->in[0], offset[1], walk->rows.step[1], count, first);
  const float *b = fw_run_load (&call->in[1], offset[2], walk->rows.step[2], count, second);
  const float *dy = fw_run_load (&call->in[2], offset[3], walk->rows.step[3], count, gradient);
  multiply (dy, b, result, count);
  function->derive (a, result, result, count, 0, 0);
  if (function->apply) {
    function->apply (a, first, count, 0, 0);
    a = first;
  }
  multiply (a, dy, second, count);
  if (fw_present (&call->out[0]))
    fw_run_store (&call->out[0], offset[0], count, result);
  if (fw_present (&call->out[1]))
    fw_run_store (&call->out[1], offset[4], count, second);
}

void
fw_gated_grad_run (const FwKernelCall *call)
{
  const FwGatedAttributes *attributes = call->attributes;
  FwWalk walk = { .call = call, .run = gated_grad_run, .choice = attributes->function };
  fw_walk (&walk, 5, (const FwTensor *[]) { &call->out[0], &call->in[0], &call->in[1], &call->in[2], &call->out[1] });
}

static void
gate_residual_run (const FwWalk *walk, const int64_t *offset, int64_t count)
{
  float residual[FW_RUN], gates[FW_RUN], branch[FW_RUN], output[FW_RUN];
  const FwTensor *y = &walk->call->out[0];
  const float *h = fw_run_load (&walk->call->in[0], offset[1], walk->rows.step[1], count, residual);
  const float *gate = fw_run_load (&walk->call->in[1], offset[2], walk->rows.step[2], count, gates);
  const float *a = fw_run_load (&walk->call->in[2], offset[3], walk->rows.step[3], count, branch);
  float *place = result_place (y, offset[0], output);
  int64_t i = 0;
  for (; i + VEC <= count; i += VEC)
    vec_store (place + i, vec_fma (vec_load (gate + i), vec_load (a + i), vec_load (h + i)));
  for (; i < count; i++)
    place[i] = fmaf (gate[i], a[i], h[i]);
  fw_run_store (y, offset[0], count, place);
}

void
fw_gate_residual_run (const FwKernelCall *call)
{
  FwWalk walk = { .call = call, .run = gate_residual_run };
  fw_walk (&walk, 4, (const FwTensor *[]) { &call->out[0], &call->in[0], &call->in[1], &call->in[2] });
}

static void
copy_run (const FwWalk *walk, const int64_t *offset, int64_t count)
{
  float input[FW_RUN];
  const float *x = fw_run_load (&walk->call->in[0], offset[1], walk->rows.step[1], count, input);
  fw_run_store (&walk->call->out[0], offset[0], count, x);
}

/* Between equal types elements are moved as they are. */
static void
copy_bits_run (const FwWalk *walk, const int64_t *offset, int64_t count)
{
  size_t size = fw_dtype_size (walk->call->out[0].dtype), step = (size_t) walk->rows.step[1] * size;
  char *to = (char *) walk->call->out[0].data + (size_t) offset[0] * size;
  const char *from = (const char *) walk->call->in[0].data + (size_t) offset[1] * size;
  if (step == size || count == 1)
    memcpy (to, from, (size_t) count * size);
  else if (size == 2)
    for (int64_t i = 0; i < count; i++)
      memcpy (to + 2 * i, from + (size_t) i * step, 2);
  else if (size == 4)
    for (int64_t i = 0; i < count; i++)
      memcpy (to + 4 * i, from + (size_t) i * step, 4);
  else
    for (int64_t i = 0; i < count; i++)
      memcpy (to + (size_t) i * size, from + (size_t) i * step, size);
}

/* Types wider than a float go through double. */
static void
copy_exact_run (const FwWalk *walk, const int64_t *offset, int64_t count)
{
  const FwTensor *y = &walk->call->out[0], *x = &walk->call->in[0];
  for (int64_t i = 0; i < count; i++)
    fw_store_element (y->data, y->dtype, offset[0] + i, fw_load_element (x->data, x->dtype, offset[1] + i * walk->rows.step[1]));
}

static bool
fits_float (FwDtype dtype)
{
  return dtype == FW_DTYPE_F32 || dtype == FW_DTYPE_BF16 || dtype == FW_DTYPE_F16;
}

void
fw_copy_run (const FwKernelCall *call)
{
  const FwTensor *x = &call->in[0], *y = &call->out[0];
  FwWalk walk = { .call = call, .run = copy_exact_run };
  if (x->dtype == y->dtype)
    walk.run = copy_bits_run;
  else if (fits_float (x->dtype) && fits_float (y->dtype))
    walk.run = copy_run;
  fw_walk (&walk, 2, (const FwTensor *[]) { y, x });
}

static void
fill_run (const FwWalk *walk, const int64_t *offset, int64_t count)
{
  float values[FW_RUN];
  for (int64_t i = 0; i < count; i += VEC)
    vec_store (values + i, vec_set (walk->a));
  fw_run_store (&walk->call->out[0], offset[0], count, values);
}

static void
fill_exact_run (const FwWalk *walk, const int64_t *offset, int64_t count)
{
  const FwFillAttributes *attributes = walk->call->attributes;
  const FwTensor *y = &walk->call->out[0];
  for (int64_t i = 0; i < count; i++)
    fw_store_element (y->data, y->dtype, offset[0] + i, attributes->value);
}

void
fw_fill_run (const FwKernelCall *call)
{
  const FwFillAttributes *attributes = call->attributes;
  FwWalk walk = { .call = call, .run = fits_float (call->out[0].dtype) ? fill_run : fill_exact_run,
                  .a = (float) attributes->value };
  fw_walk (&walk, 1, (const FwTensor *[]) { &call->out[0] });
}
