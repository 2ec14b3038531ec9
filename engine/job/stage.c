/* SPDX-License-Identifier: Apache-2.0
 * Recording, planning, binding and running the networks of a job. */
#include "engine/job/stage.h"

#include "engine/exec/check.h"
#include "engine/graph/rewrite.h"

void
fw_stage_record (FwStage *stage, FwNetwork *network, FwDtype compute, const char *output)
{
  *stage = (FwStage) { .network = network, .graph = fw_graph_new (compute), .output = output };
  fw_graph_set_weights (stage->graph, fw_weights_source (network->weights));
}

gboolean
fw_stage_plan (FwStage *stage, FwDevice *device, GError **error)
{
  fw_rewrite_forward (stage->graph);
  fw_rewrite_final (stage->graph);
  stage->plan = fw_plan_new (stage->graph, device, error);
  if (stage->plan == NULL)
    g_prefix_error (error, "“%s”: ", stage->network->path);
  return stage->plan != NULL;
}

gsize
fw_stage_constant_bytes (const FwStage *stage)
{
  gsize bytes = 0;
  for (guint id = 1; id < fw_graph_n_values (stage->graph); id++) {
    const FwValue *value = fw_graph_value (stage->graph, (gint32) id);
    if (value->constant != NULL)
      bytes += (gsize) value->storage * fw_dtype_size (value->layout.dtype);
  }
  return bytes;
}

gboolean
fw_stage_bind (FwStage *stage, FwDevice *device, gpointer slab, GError **error)
{
  if (!fw_weights_load (stage->network->weights, error)) {
    g_prefix_error (error, "“%s”: ", stage->network->path);
    return FALSE;
  }
  stage->exec = fw_exec_new (stage->plan, device, slab, error);
  if (stage->exec == NULL)
    return FALSE;
  fw_weights_bind (stage->network->weights, stage->exec);
  return TRUE;
}

static gboolean
is_finite (const FwStage *stage, gpointer data)
{
  FwTensor result = fw_graph_named (stage->graph, stage->output)->layout;
  result.data = data;
  return fw_tensor_is_finite (&result);
}

const float *
fw_stage_run (FwStage *stage, GCancellable *cancellable, FwExecProgress progress, gpointer user_data, GError **error)
{
  if (!fw_exec_run (stage->exec, cancellable, progress, user_data, error))
    return NULL;
  gpointer data = fw_exec_data (stage->exec, stage->output);
  if (is_finite (stage, data))
    return data;
  if (fw_exec_run_watched (stage->exec, cancellable, error))
    g_set_error (error, FW_ERROR, FW_ERROR_NUMERIC,
                 "The result of “%s” is not a number, though every step of it was when run again", stage->network->path);
  else
    g_prefix_error (error, "“%s”: ", stage->network->path);
  return NULL;
}

void
fw_stage_clear (FwStage *stage)
{
  g_clear_pointer (&stage->exec, fw_exec_free);
  g_clear_pointer (&stage->plan, fw_plan_free);
  g_clear_pointer (&stage->graph, fw_graph_free);
}
