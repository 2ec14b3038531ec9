/* SPDX-License-Identifier: Apache-2.0
 * Element types and the strided view of memory that every kernel reads and writes. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Element types of checkpoints and kernels. Arithmetic exists for F32 and BF16 (cpu) and also F64 and F16 (ref);
 * ids and masks are I32, I64 and U8; the rest is only read from files. */
typedef enum {
  FW_DTYPE_F32, FW_DTYPE_BF16, FW_DTYPE_F16, FW_DTYPE_F64,
  FW_DTYPE_I64, FW_DTYPE_I32, FW_DTYPE_I16, FW_DTYPE_I8,
  FW_DTYPE_U64, FW_DTYPE_U32, FW_DTYPE_U16, FW_DTYPE_U8,
  FW_DTYPE_BOOL, FW_DTYPE_F8_E4M3, FW_DTYPE_F8_E5M2,
  FW_N_DTYPES
} FwDtype;

enum { FW_MAX_RANK = 8 };

/* Bytes of one element. */
size_t fw_dtype_size (FwDtype dtype);
/* Lower-case name as the command line prints it: "f32", "bf16", ... */
const char *fw_dtype_name (FwDtype dtype);

/* A view of memory. Strides count elements, may be 0 (broadcast) and are never negative. Element (i0, i1, ...) lies at
 * data + (i0*stride[0] + i1*stride[1] + ...) * size. The view owns nothing. */
typedef struct {
  void *data;
  FwDtype dtype;
  int rank;
  int64_t dim[FW_MAX_RANK];
  int64_t stride[FW_MAX_RANK];
} FwTensor;

/* Number of elements; 1 for rank 0. */
int64_t fw_tensor_count (const FwTensor *tensor);
/* Whether the elements lie densely in row-major order. */
bool fw_tensor_is_contiguous (const FwTensor *tensor);
/* A dense row-major view of @data. */
FwTensor fw_tensor_dense (void *data, FwDtype dtype, int rank, const int64_t *dim);

/* Scalar conversions; round to nearest even. Any float type can be loaded and stored as double. */
float fw_bf16_to_f32 (uint16_t bits);
uint16_t fw_f32_to_bf16 (float value);
float fw_f16_to_f32 (uint16_t bits);
uint16_t fw_f32_to_f16 (float value);
/* Element @index (in elements, after strides) of @data as a double, and back; integer types are converted exactly up to 2^53. */
double fw_load_element (const void *data, FwDtype dtype, int64_t index);
void fw_store_element (void *data, FwDtype dtype, int64_t index, double value);
