/* SPDX-License-Identifier: Apache-2.0
 * Conversion of runs of elements to and from f32. */
#include "kernels/cpu/run.h"
#include "kernels/cpu/row-math.h"

static void
load_repeated (float value, int64_t count, float *buffer)
{
  int64_t i = 0;
  for (; i + VEC <= count; i += VEC)
    vec_store (buffer + i, vec_set (value));
  vec_store_part (buffer + i, vec_set (value), count - i);
}

static void
load_bf16 (const uint16_t *from, int64_t count, float *buffer)
{
  int64_t i = 0;
  for (; i + VEC <= count; i += VEC)
    vec_store (buffer + i, vec_load_bf16 (from + i));
  if (i < count)
    vec_store_part (buffer + i, vec_load_bf16_part (from + i, count - i), count - i);
}

const float *
fw_run_load (const FwTensor *data, int64_t offset, int64_t step, int64_t count, float *buffer)
{
  if (step == 0 && count > 1) {
    load_repeated ((float) fw_load_element (data->data, data->dtype, offset), count, buffer);
  } else if (data->dtype == FW_DTYPE_F32 && (step == 1 || count == 1)) {
    return (const float *) data->data + offset;
  } else if (data->dtype == FW_DTYPE_F32) {
    for (int64_t i = 0; i < count; i++)
      buffer[i] = ((const float *) data->data)[offset + i * step];
  } else if (data->dtype == FW_DTYPE_BF16 && (step == 1 || count == 1)) {
    load_bf16 ((const uint16_t *) data->data + offset, count, buffer);
  } else if (data->dtype == FW_DTYPE_BF16) {
    for (int64_t i = 0; i < count; i++)
      buffer[i] = fw_bf16_to_f32 (((const uint16_t *) data->data)[offset + i * step]);
  } else {
    for (int64_t i = 0; i < count; i++)
      buffer[i] = (float) fw_load_element (data->data, data->dtype, offset + i * step);
  }
  return buffer;
}

void
fw_run_store (const FwTensor *data, int64_t offset, int64_t count, const float *values)
{
  if (data->dtype == FW_DTYPE_F32) {
    float *to = (float *) data->data + offset;
    if (to != values)
      memcpy (to, values, (size_t) count * sizeof *to);
  } else if (data->dtype == FW_DTYPE_BF16) {
    uint16_t *to = (uint16_t *) data->data + offset;
    int64_t i = 0;
    for (; i + VEC <= count; i += VEC)
      vec_store_bf16 (to + i, vec_load (values + i));
    if (i < count)
      vec_store_bf16_part (to + i, vec_load_part (values + i, count - i), count - i);
  } else {
    for (int64_t i = 0; i < count; i++)
      fw_store_element (data->data, data->dtype, offset + i, values[i]);
  }
}

void
fw_run_add (const FwTensor *data, int64_t offset, int64_t step, int64_t count, float *sum)
{
  float buffer[FW_RUN];
  if (data->dtype != FW_DTYPE_BF16 || step != 1) {
    row_add (fw_run_load (data, offset, step, count, buffer), sum, count);
    return;
  }
  const uint16_t *from = (const uint16_t *) data->data + offset;
  int64_t i = 0;
  for (; i + VEC <= count; i += VEC)
    vec_store (sum + i, vec_load (sum + i) + vec_load_bf16 (from + i));
  if (i < count)
    vec_store_part (sum + i, vec_load_part (sum + i, count - i) + vec_load_bf16_part (from + i, count - i), count - i);
}
