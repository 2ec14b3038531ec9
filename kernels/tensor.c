/* SPDX-License-Identifier: Apache-2.0
 * Element sizes, names and scalar conversions, and the few questions asked of a strided view. */
#include "kernels/tensor.h"

#include <string.h>

static const struct { size_t size; const char *name; } dtypes[FW_N_DTYPES] = {
  [FW_DTYPE_F32] = { 4, "f32" }, [FW_DTYPE_BF16] = { 2, "bf16" }, [FW_DTYPE_F16] = { 2, "f16" }, [FW_DTYPE_F64] = { 8, "f64" },
  [FW_DTYPE_I64] = { 8, "i64" }, [FW_DTYPE_I32] = { 4, "i32" }, [FW_DTYPE_I16] = { 2, "i16" }, [FW_DTYPE_I8] = { 1, "i8" },
  [FW_DTYPE_U64] = { 8, "u64" }, [FW_DTYPE_U32] = { 4, "u32" }, [FW_DTYPE_U16] = { 2, "u16" }, [FW_DTYPE_U8] = { 1, "u8" },
  [FW_DTYPE_BOOL] = { 1, "bool" }, [FW_DTYPE_F8_E4M3] = { 1, "f8_e4m3" }, [FW_DTYPE_F8_E5M2] = { 1, "f8_e5m2" },
};

size_t
fw_dtype_size (FwDtype dtype)
{
  return dtypes[dtype].size;
}

const char *
fw_dtype_name (FwDtype dtype)
{
  return dtypes[dtype].name;
}

int64_t
fw_tensor_count (const FwTensor *tensor)
{
  int64_t count = 1;
  for (int i = 0; i < tensor->rank; i++)
    count *= tensor->dim[i];
  return count;
}

bool
fw_tensor_is_contiguous (const FwTensor *tensor)
{
  int64_t expected = 1;
  for (int i = tensor->rank - 1; i >= 0; i--) {
    if (tensor->dim[i] != 1 && tensor->stride[i] != expected)
      return fw_tensor_count (tensor) == 0;
    expected *= tensor->dim[i];
  }
  return true;
}

FwTensor
fw_tensor_dense (void *data, FwDtype dtype, int rank, const int64_t *dim)
{
  FwTensor tensor = { .data = data, .dtype = dtype, .rank = rank };
  int64_t stride = 1;
  for (int i = rank - 1; i >= 0; i--) {
    tensor.dim[i] = dim[i];
    tensor.stride[i] = stride;
    stride *= dim[i];
  }
  return tensor;
}

float
fw_bf16_to_f32 (uint16_t bits)
{
  uint32_t wide = (uint32_t) bits << 16;
  float value;
  memcpy (&value, &wide, sizeof value);
  return value;
}

uint16_t
fw_f32_to_bf16 (float value)
{
  uint32_t bits;
  memcpy (&bits, &value, sizeof bits);
  if ((bits & 0x7fffffffu) > 0x7f800000u) /* keep a NaN a NaN */
    return (uint16_t) ((bits >> 16) | 0x40u);
  return (uint16_t) ((bits + 0x7fffu + ((bits >> 16) & 1u)) >> 16);
}

float
fw_f16_to_f32 (uint16_t bits)
{
  uint32_t sign = (uint32_t) (bits & 0x8000u) << 16, exponent = (bits >> 10) & 0x1fu, fraction = bits & 0x3ffu, wide;
  if (exponent == 31) {
    wide = sign | 0x7f800000u | fraction << 13;
  } else if (exponent != 0) {
    wide = sign | (exponent + 112) << 23 | fraction << 13;
  } else {
    float magnitude = (float) fraction * 0x1p-24f;
    memcpy (&wide, &magnitude, sizeof wide);
    wide |= sign;
  }
  float value;
  memcpy (&value, &wide, sizeof value);
  return value;
}

uint16_t
fw_f32_to_f16 (float value)
{
  uint32_t bits;
  memcpy (&bits, &value, sizeof bits);
  uint16_t sign = (uint16_t) ((bits >> 16) & 0x8000u);
  uint32_t magnitude = bits & 0x7fffffffu;
  if (magnitude > 0x7f800000u)
    return (uint16_t) (sign | 0x7e00u);
  if (magnitude >= 0x477ff000u) /* rounds to infinity */
    return (uint16_t) (sign | 0x7c00u);
  if (magnitude < 0x38800000u) { /* subnormal: let the float adder round */
    float shifted;
    memcpy (&shifted, &magnitude, sizeof shifted);
    shifted += 0.5f;
    memcpy (&magnitude, &shifted, sizeof magnitude);
    return (uint16_t) (sign | (magnitude - 0x3f000000u));
  }
  magnitude += 0xfffu + ((magnitude >> 13) & 1u);
  return (uint16_t) (sign | ((magnitude - 0x38000000u) >> 13));
}

double
fw_load_element (const void *data, FwDtype dtype, int64_t index)
{
  switch (dtype) {
  case FW_DTYPE_F32: return ((const float *) data)[index];
  case FW_DTYPE_BF16: return fw_bf16_to_f32 (((const uint16_t *) data)[index]);
  case FW_DTYPE_F16: return fw_f16_to_f32 (((const uint16_t *) data)[index]);
  case FW_DTYPE_F64: return ((const double *) data)[index];
  case FW_DTYPE_I64: return (double) ((const int64_t *) data)[index];
  case FW_DTYPE_I32: return ((const int32_t *) data)[index];
  case FW_DTYPE_I16: return ((const int16_t *) data)[index];
  case FW_DTYPE_I8: return ((const int8_t *) data)[index];
  case FW_DTYPE_U64: return (double) ((const uint64_t *) data)[index];
  case FW_DTYPE_U32: return ((const uint32_t *) data)[index];
  case FW_DTYPE_U16: return ((const uint16_t *) data)[index];
  case FW_DTYPE_U8: case FW_DTYPE_BOOL: return ((const uint8_t *) data)[index];
  default: return 0; /* 8-bit floats are read from files only as bytes */
  }
}

void
fw_store_element (void *data, FwDtype dtype, int64_t index, double value)
{
  switch (dtype) {
  case FW_DTYPE_F32: ((float *) data)[index] = (float) value; break;
  case FW_DTYPE_BF16: ((uint16_t *) data)[index] = fw_f32_to_bf16 ((float) value); break;
  case FW_DTYPE_F16: ((uint16_t *) data)[index] = fw_f32_to_f16 ((float) value); break;
  case FW_DTYPE_F64: ((double *) data)[index] = value; break;
  case FW_DTYPE_I64: ((int64_t *) data)[index] = (int64_t) value; break;
  case FW_DTYPE_I32: ((int32_t *) data)[index] = (int32_t) value; break;
  case FW_DTYPE_I16: ((int16_t *) data)[index] = (int16_t) value; break;
  case FW_DTYPE_I8: ((int8_t *) data)[index] = (int8_t) value; break;
  case FW_DTYPE_U64: ((uint64_t *) data)[index] = (uint64_t) value; break;
  case FW_DTYPE_U32: ((uint32_t *) data)[index] = (uint32_t) value; break;
  case FW_DTYPE_U16: ((uint16_t *) data)[index] = (uint16_t) value; break;
  case FW_DTYPE_U8: case FW_DTYPE_BOOL: ((uint8_t *) data)[index] = (uint8_t) value; break;
  default: break;
  }
}
