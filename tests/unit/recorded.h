/* SPDX-License-Identifier: Apache-2.0
 * Numbers recorded from the original programs, in tests/data/sample/recorded.safetensors. */
#pragma once
#include "engine/checkpoint/checkpoint.h"

/* The tensor @name as dense floats or integers; its elements are counted in @count. Ends the test where it is missing. */
static inline gpointer
recorded (const char *name, FwDtype dtype, gsize *count)
{
  g_autoptr (GError) error = NULL;
  g_autofree char *path = g_build_filename (g_getenv ("FRAMEWRIGHT_TEST_DATA"), "data", "sample", "recorded.safetensors", NULL);
  g_autoptr (FwCheckpoint) file = fw_checkpoint_open (path, &error);
  g_assert_no_error (error);
  const FwCheckpointTensor *tensor = fw_checkpoint_find (file, name);
  g_assert_nonnull (tensor);
  FwTensor shape = fw_tensor_dense (NULL, dtype, tensor->rank, tensor->dim);
  *count = (gsize) fw_tensor_count (&shape);
  gpointer data = g_malloc (*count * fw_dtype_size (dtype));
  fw_checkpoint_read (file, tensor, dtype, data, &error);
  g_assert_no_error (error);
  return data;
}

static inline float *
recorded_floats (const char *name, gsize *count)
{
  return recorded (name, FW_DTYPE_F32, count);
}

static inline void
assert_close (const float *got, const float *want, gsize count, double tolerance)
{
  for (gsize i = 0; i < count; i++)
    g_assert_cmpfloat_with_epsilon (got[i], want[i], tolerance);
}
