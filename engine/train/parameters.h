/* SPDX-License-Identifier: Apache-2.0
 * The trainable weights of a network as one flat float32 array, in which every tensor is a named range. Weights, their two
 * AdamW moments and the moving average all have this layout, so that an optimiser step is one pass over each. */
#pragma once
#include "engine/checkpoint/name-table.h"
#include "engine/checkpoint/safetensors-write.h"
#include "engine/graph/graph.h"
#include "engine/sample/noise.h"

typedef struct {
  char *name;
  int rank;
  gint64 dim[FW_MAX_RANK];
  gint64 offset, count;    /* floats */
} FwParameter;

typedef struct _FwParameters FwParameters;

/* Learns names and shapes by having @record build the network's graph once; nothing is computed. */
typedef void (*FwRecord) (FwGraph *graph, gpointer user_data);
FwParameters *fw_parameters_new (FwRecord record, gpointer user_data, GError **error);
void fw_parameters_free (FwParameters *parameters);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (FwParameters, fw_parameters_free)

/* Floats of the flat array, padding between ranges included. */
gint64 fw_parameters_size (const FwParameters *parameters);
guint fw_parameters_count (const FwParameters *parameters);
const FwParameter *fw_parameters_get (const FwParameters *parameters, guint index);
const FwParameter *fw_parameters_find (const FwParameters *parameters, const char *name);

/* Makes fw_weight() return views of one external value, @flat f32[size], which is recorded now under the name "parameters". */
FwWeightSource *fw_parameters_source (FwParameters *parameters, FwGraph *graph, FwVal *flat);

/* Copies tensors of @checkpoint into @flat; those it lacks keep their values and are counted in @missing (may be NULL). A
 * shape that differs is an error. */
gboolean fw_parameters_read (const FwParameters *parameters, FwCheckpoint *checkpoint, const FwNameTable *names, float *flat,
                             guint *missing, GError **error);
/* Writes @flat as the safetensors file @stem.safetensors of @dtype in @folder under the tensors' names, and @n_extra more tensors
 * behind them; shards that an earlier checkpoint of this name left there go, so that readers of the folder find this one. */
gboolean fw_parameters_write (const FwParameters *parameters, const float *flat, FwDtype dtype, const FwSafetensorsEntry *extra,
                              guint n_extra, const char *folder, const char *stem, GError **error);
