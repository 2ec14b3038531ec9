/* SPDX-License-Identifier: Apache-2.0
 * The CPU backend: picks the path once, and a kernel per call. */
#include "engine/exec/device.h"

#include <math.h>

#include "engine/memory/block.h"

/* The fast kernels compute in f32 and bf16; doubles, halves and results in integers are the reference's. */
static gboolean
is_fast_dtype (FwDtype dtype)
{
  return dtype != FW_DTYPE_F64 && dtype != FW_DTYPE_F16;
}

static const FwKernel *
cpu_kernel (FwDevice *device, const FwOp *op, const FwKernelCall *call)
{
  const FwKernel *kernel = (const FwKernel *) ((const char *) device->path + op->cpu);
  gboolean fast = kernel->run != NULL;
  for (guint i = 0; i < op->n_in && fast; i++)
    fast = call->in[i].rank < 0 || is_fast_dtype (call->in[i].dtype);
  for (guint o = 0; o < op->n_out && fast; o++)
    fast = call->out[o].rank < 0 || call->out[o].dtype == FW_DTYPE_F32 || call->out[o].dtype == FW_DTYPE_BF16;
  return fast ? kernel : op->ref;
}

static gpointer
cpu_slab_new (FwDevice *device, gsize size, GError **error)
{
  return fw_block_new (size, "the working memory of the model", error);
}

static void
cpu_slab_free (FwDevice *device, gpointer slab, gsize size)
{
  fw_block_free (slab, size);
}

static void
cpu_free (FwDevice *device)
{
  fw_pool_free (device->pool);
  g_free (device);
}

static const FwDeviceClass cpu_class = { "cpu", cpu_kernel, cpu_slab_new, cpu_slab_free, cpu_free };

FwDevice *
fw_device_new_cpu (const char *forced, int workers, GError **error)
{
  if (forced == NULL)
    forced = g_getenv ("FRAMEWRIGHT_CPU");
  const FwCpuPath *path = fw_cpu_path (forced);
  if (path == NULL) {
    g_set_error (error, FW_ERROR, FW_ERROR_UNSUPPORTED, "This processor has no CPU path “%s”; choose ref, avx2, avx512 or amx, or leave FRAMEWRIGHT_CPU unset", forced);
    return NULL;
  }
  FwDevice *device = g_new0 (FwDevice, 1);
  device->class = &cpu_class;
  device->path = path;
  device->pool = fw_pool_new (workers);
  return device;
}

void
fw_device_free (FwDevice *device)
{
  if (device != NULL)
    device->class->free (device);
}

FwDtype
fw_device_preferred (const FwDevice *device)
{
  return device->path->bf16 ? FW_DTYPE_BF16 : FW_DTYPE_F32;
}
