/* SPDX-License-Identifier: Apache-2.0
 * A device: where slabs live and which kernel runs an op. The CPU backend is one; a CUDA module will be another. */
#pragma once
#include "engine/graph/op-table.h"
#include "kernels/cpu/cpu.h"
#include "engine/exec/pool.h"

typedef struct _FwDevice FwDevice;

typedef struct {
  const char *name;
  /* The kernel for one call, whose operands have shapes but maybe no data yet. Never NULL. */
  const FwKernel *(*kernel) (FwDevice *device, const FwOp *op, const FwKernelCall *call);
  gpointer (*slab_new) (FwDevice *device, gsize size, GError **error);
  void (*slab_free) (FwDevice *device, gpointer slab, gsize size);
  void (*free) (FwDevice *device);
} FwDeviceClass;

struct _FwDevice {
  const FwDeviceClass *class;
  const FwCpuPath *path;   /* the CPU path in use */
  FwPool *pool;
};

/* The CPU backend with @workers threads (0 = all allowed cores) on the path @forced ("ref", "avx2", ...; NULL: the
 * environment variable FRAMEWRIGHT_CPU, else the best). FW_ERROR_UNSUPPORTED if that path cannot run here. */
FwDevice *fw_device_new_cpu (const char *forced, int workers, GError **error);
void fw_device_free (FwDevice *device);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (FwDevice, fw_device_free)
/* F32 or BF16: what "auto" precision means here. */
FwDtype fw_device_preferred (const FwDevice *device);
