/* SPDX-License-Identifier: Apache-2.0
 * One network of a job, recorded for its shapes, planned, and run as often as the job needs it. Stages of a job share one
 * slab, since they run one after the other. */
#pragma once
#include "engine/model/network.h"

typedef struct {
  FwNetwork *network;       /* borrowed */
  FwGraph *graph;
  FwPlan *plan;
  FwExec *exec;             /* NULL until fw_stage_bind() */
  const char *output;       /* the kept value */
} FwStage;

/* Begins recording for @network, computing in @compute; the caller records and keeps one output called @output. */
void fw_stage_record (FwStage *stage, FwNetwork *network, FwDtype compute, const char *output);
/* Fuses and plans what was recorded. The weights' shapes are checked; none is read. */
gboolean fw_stage_plan (FwStage *stage, FwDevice *device, GError **error);
/* Bytes of the graph's own constants, which the plan does not count. */
gsize fw_stage_constant_bytes (const FwStage *stage);
/* Binds plan and weights to the shared @slab. */
gboolean fw_stage_bind (FwStage *stage, FwDevice *device, gpointer slab, GError **error);
/* Runs once; the result is valid until the slab is used again. NULL with an error; a result that is not finite is run again
 * under watch, so that FW_ERROR_NUMERIC names the node where it began. */
const float *fw_stage_run (FwStage *stage, GCancellable *cancellable, FwExecProgress progress, gpointer user_data,
                           GError **error);
void fw_stage_clear (FwStage *stage);
