/* SPDX-License-Identifier: Apache-2.0
 * The one worker pool: as many workers as cores the process may use, ranges of work handed out one at a time. */
#pragma once
#include <glib.h>
#include <stdatomic.h>
#include "kernels/kernel.h"

/* A pool starts with its FwParallel, so that it can be lent to kernels. The calling thread is worker 0. */
typedef struct _FwPool FwPool;

/* @workers threads in all (the caller included); 0 = the cores this process may use (affinity, and the quotas of its cgroups). */
FwPool *fw_pool_new (int workers);
void fw_pool_free (FwPool *pool);
FwParallel *fw_pool_parallel (FwPool *pool);
/* While @flag is set and true, remaining ranges are skipped; NULL for none. Not while a loop runs. */
void fw_pool_set_cancel (FwPool *pool, atomic_bool *flag);
/* The cores this process may use. */
int fw_pool_cores (void);
