/* SPDX-License-Identifier: Apache-2.0
 * The plan of a finished graph on a device: which nodes run, where every value lies in one slab, how much scratch each step
 * takes. Peak memory is known before anything runs. */
#pragma once
#include "engine/exec/device.h"

typedef struct {
  FwNode *node;
  const FwKernel *kernel;
  FwKernelCall call;        /* shapes set, data unset */
  gsize scratch_offset;
  double flops;
} FwPlanStep;

/* Where the storage of a base value lies. */
typedef enum { FW_PLACE_NONE, FW_PLACE_SLAB, FW_PLACE_PERSISTENT, FW_PLACE_EXTERNAL } FwPlace;
typedef struct { FwPlace place; gsize offset; } FwPlanStorage;

typedef struct {
  FwGraph *graph;           /* borrowed: outlives the plan */
  FwPlanStep *steps;
  guint n_steps;
  guint n_prologue;         /* the first steps, which depend on steady values alone and run only when those change */
  FwPlanStorage *storage;   /* per value id; meaningful for bases */
  gsize slab_bytes;         /* values and scratch of one run */
  gsize persistent_bytes;
  double flops;             /* of one run */
} FwPlan;

/* Plans a graph that fw_graph_finish() accepted. Nodes nothing needs are left out. Free with fw_plan_free(). */
FwPlan *fw_plan_new (FwGraph *graph, FwDevice *device, GError **error);
void fw_plan_free (FwPlan *plan);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (FwPlan, fw_plan_free)
/* One line a step with result, FLOPs, scratch and whether the reference kernel runs it, after a line of totals; free with g_free(). */
char *fw_plan_describe (const FwPlan *plan);
