/* SPDX-License-Identifier: Apache-2.0
 * What the model runners share: a network recorded in fp32 or bf16, bound to a case's weights and inputs, and run. */
#pragma once
#include "engine/model/stdit.h"
#include "engine/model/weights.h"
#include "tests/golden/golden.h"

typedef struct {
  FwDevice *device;
  FwGraph *graph;
  FwWeights *weights;
  FwPlan *plan;
  FwExec *exec;
} GoldenModel;

/* Opens @file of the case as weights of a graph that computes in @compute. */
gboolean golden_model_init (GoldenModel *model, GoldenCase *golden, const char *file, const FwNameTable *names, FwDtype compute,
                            GError **error);
/* Fuses, plans and binds what was recorded (weights may be NULL, then nothing is bound). */
gboolean golden_model_plan (GoldenModel *model, GError **error);
void golden_model_clear (GoldenModel *model);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (GoldenModel, golden_model_clear)

/* "config" of case.json as STDiT's configuration. */
void golden_stdit_config (GoldenCase *golden, FwStditConfig *config);
/* An external value shaped like tensor @tensor of io.safetensors but of @dtype. */
FwVal golden_input (GoldenModel *model, GoldenCase *golden, const char *name, const char *tensor, FwDtype dtype);
/* The mask tensor (int64 [rows, L]) tiled to @batch rows as u8, or NULL; free with g_free(). */
guint8 *golden_mask (GoldenCase *golden, const char *tensor, gint64 batch, gint64 *length);
