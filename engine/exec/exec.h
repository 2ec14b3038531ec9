/* SPDX-License-Identifier: Apache-2.0
 * The executor: a plan bound to memory, run as often as wanted without allocating. */
#pragma once
#include "engine/plan/plan.h"

typedef struct _FwExec FwExec;

/* Told after every step with the FLOPs done in this run so far; must be quick. */
typedef void (*FwExecProgress) (gpointer user_data, double flops_done);

/* Binds @plan to memory. @slab of at least plan->slab_bytes may be shared by executors that do not run at the same time;
 * NULL lets the executor own one. Persistent values start as zeros. Plan and device outlive it. In the environment,
 * FRAMEWRIGHT_DEBUG=watch makes every fw_exec_run() an fw_exec_run_watched(), =compare an fw_exec_run_compared(), and =graph, =dot
 * and =plan print what was planned on stderr; FW_ERROR_UNSUPPORTED for anything else. */
FwExec *fw_exec_new (const FwPlan *plan, FwDevice *device, gpointer slab, GError **error);
void fw_exec_free (FwExec *exec);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (FwExec, fw_exec_free)

const FwPlan *fw_exec_plan (const FwExec *exec);
/* Binds an external value to dense memory of its shape, which must stay valid while the executor runs. A name the plan does
 * not use is ignored, so that one set of weights can serve several plans. */
void fw_exec_bind (FwExec *exec, const char *name, gconstpointer data);
/* Says that the content of steady values has changed where it lies; binding one anew says so too. The next run then computes
 * again what depends on them alone. */
void fw_exec_refresh (FwExec *exec);
/* Memory of a kept, persistent or bound value; NULL if there is none of that name. Kept values are valid until the slab is
 * used again. */
gpointer fw_exec_data (const FwExec *exec, const char *name);

/* Runs all steps on the calling thread and the device's pool. FALSE with FW_ERROR_CANCELLED soon after @cancellable is
 * cancelled (results are then undefined), or FW_ERROR_INVALID naming an external value that is not bound. */
gboolean fw_exec_run (FwExec *exec, GCancellable *cancellable, FwExecProgress progress, gpointer user_data, GError **error);
/* The same, adding each step's time to @seconds[plan->n_steps]. */
gboolean fw_exec_run_timed (FwExec *exec, double *seconds, GError **error);
/* The same with every result checked: FW_ERROR_NUMERIC names the first node that makes a NaN or Inf from finite operands.
 * Slower; meant for the run after one whose final result was not finite. */
gboolean fw_exec_run_watched (FwExec *exec, GCancellable *cancellable, GError **error);
/* The same with every step also run by the reference kernels; stops at the first result that differs by more than
 * @tolerance of its largest magnitude. For debugging; allocates. */
gboolean fw_exec_run_compared (FwExec *exec, double tolerance, GError **error);
