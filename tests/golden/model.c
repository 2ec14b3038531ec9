/* SPDX-License-Identifier: Apache-2.0
 * Setting up a network for a golden case. */
#include "tests/golden/model.h"

#include "engine/graph/rewrite.h"

gboolean
golden_model_init (GoldenModel *model, GoldenCase *golden, const char *file, const FwNameTable *names, FwDtype compute,
                   GError **error)
{
  g_autofree char *path = golden_path (golden, file);
  FwCheckpoint *checkpoint = fw_checkpoint_open (path, error);
  if (checkpoint == NULL)
    return FALSE;
  *model = (GoldenModel) { .graph = fw_graph_new (compute), .weights = fw_weights_new (checkpoint, names) };
  fw_graph_set_weights (model->graph, fw_weights_source (model->weights));
  model->device = fw_device_new_cpu (NULL, 0, error);
  return model->device != NULL;
}

gboolean
golden_model_plan (GoldenModel *model, GError **error)
{
  fw_rewrite_forward (model->graph);
  fw_rewrite_final (model->graph);
  model->plan = fw_plan_new (model->graph, model->device, error);
  model->exec = model->plan != NULL ? fw_exec_new (model->plan, model->device, NULL, error) : NULL;
  if (model->exec == NULL)
    return FALSE;
  if (model->weights != NULL)
    fw_weights_bind (model->weights, model->exec);
  return TRUE;
}

void
golden_model_clear (GoldenModel *model)
{
  fw_exec_free (model->exec);
  fw_plan_free (model->plan);
  fw_graph_free (model->graph);
  fw_weights_free (model->weights);
  fw_device_free (model->device);
}

void
golden_stdit_config (GoldenCase *golden, FwStditConfig *config)
{
  *config = fw_stdit_default;
  JsonObject *json = json_object_get_object_member (golden->json, "config");
  JsonArray *size = json_object_get_array_member (json, "input_size");
  for (guint i = 0; i < 3; i++)
    config->input_size[i] = (int) json_array_get_int_element (size, i);
  if (json_object_has_member (json, "patch_size"))
    for (guint i = 0; i < 3; i++)
      config->patch_size[i] = (int) json_array_get_int_element (json_object_get_array_member (json, "patch_size"), i);
  config->in_channels = (int) json_object_get_int_member_with_default (json, "in_channels", 4);
  config->hidden_size = (int) json_object_get_int_member_with_default (json, "hidden_size", 1152);
  config->depth = (int) json_object_get_int_member_with_default (json, "depth", 28);
  config->num_heads = (int) json_object_get_int_member_with_default (json, "num_heads", 16);
  config->mlp_ratio = (int) json_object_get_double_member_with_default (json, "mlp_ratio", 4);
  config->caption_channels = (int) json_object_get_int_member_with_default (json, "caption_channels", 4096);
  config->model_max_length = (int) json_object_get_int_member_with_default (json, "model_max_length", 120);
  config->space_scale = json_object_get_double_member_with_default (json, "space_scale", 1);
  config->time_scale = json_object_get_double_member_with_default (json, "time_scale", 1);
}

FwVal
golden_input (GoldenModel *model, GoldenCase *golden, const char *name, const char *tensor, FwDtype dtype)
{
  const FwCheckpointTensor *found = fw_checkpoint_find (golden->io, tensor);
  return found != NULL ? fw_external (model->graph, name, dtype, found->rank, found->dim) : FW_NONE;
}

guint8 *
golden_mask (GoldenCase *golden, const char *tensor, gint64 batch, gint64 *length)
{
  if (!golden_has (golden, tensor))
    return NULL;
  FwTensor shape;
  g_autofree gint64 *rows = golden_integers (golden, tensor, &shape);
  *length = shape.dim[1];
  guint8 *mask = g_new0 (guint8, batch * shape.dim[1]);
  for (gint64 i = 0; i < batch * shape.dim[1]; i++)
    mask[i] = rows[i % fw_tensor_count (&shape)] != 0;
  return mask;
}
