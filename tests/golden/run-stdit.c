/* SPDX-License-Identifier: Apache-2.0
 * Golden runners of STDiT: the forward pass, also from an image checkpoint. */
#include "tests/golden/model.h"

/* Runs the network and returns its output, to be freed with g_free(). */
static float *
run_stdit (GoldenCase *golden, const char *weights, gboolean from_image, FwDtype compute, gint64 *count, GError **error)
{
  const char *architecture = json_object_get_string_member_with_default (golden->json, "model", "");
  if (g_strcmp0 (architecture, "STDiT") != 0) {
    g_set_error (error, FW_ERROR, FW_ERROR_UNSUPPORTED, "the model %s is not in this build", architecture);
    return NULL;
  }
  g_auto (GoldenModel) model = { 0 };
  FwStditConfig config;
  golden_stdit_config (golden, &config);
  if (!golden_model_init (&model, golden, weights, &fw_names_stdit, compute, error))
    return NULL;
  if (from_image)
    fw_weights_allow_missing (model.weights, "attn_temp");

  FwTensor x_shape, y_shape;
  g_autofree float *x = golden_floats (golden, "in.x", &x_shape), *t = golden_floats (golden, "in.t", NULL);
  g_autofree float *y = golden_floats (golden, "in.y", &y_shape);
  gint64 batch = x_shape.dim[0], length = y_shape.dim[2];
  g_autofree guint8 *mask = golden_mask (golden, "in.mask", batch, &length);
  FwVal mask_val = mask != NULL ? fw_external (model.graph, "mask", FW_DTYPE_U8, 2, (gint64[]) { batch, length }) : FW_NONE;
  FwVal out = fw_stdit (model.graph, &config, golden_input (&model, golden, "x", "in.x", FW_DTYPE_F32),
                        golden_input (&model, golden, "t", "in.t", FW_DTYPE_F32),
                        fw_external (model.graph, "y", FW_DTYPE_F32, 3, (gint64[]) { batch, length, y_shape.dim[3] }), mask_val);
  fw_keep (model.graph, "out", out);
  if (!golden_model_plan (&model, error))
    return NULL;
  fw_exec_bind (model.exec, "x", x);
  fw_exec_bind (model.exec, "t", t);
  fw_exec_bind (model.exec, "y", y);
  fw_exec_bind (model.exec, "mask", mask);
  if (!fw_exec_run (model.exec, NULL, NULL, NULL, error))
    return NULL;
  *count = fw_tensor_count (&fw_graph_named (model.graph, "out")->layout);
  return g_memdup2 (fw_exec_data (model.exec, "out"), *count * sizeof (float));
}

static gboolean
forward (GoldenCase *golden, const char *weights, gboolean from_image, GError **error)
{
  gint64 count;
  g_autofree float *out = run_stdit (golden, weights, from_image, FW_DTYPE_F32, &count, error);
  g_autofree float *rounded = out != NULL ? run_stdit (golden, weights, from_image, FW_DTYPE_BF16, &count, error) : NULL;
  if (rounded == NULL)
    return FALSE;
  golden_compare_io (golden, "out", out, count, golden_number (golden, "tolerance.atol", 1e-4),
                     golden_number (golden, "tolerance.rtol", 0));
  golden_drift (golden, "out", rounded, out, count);
  return TRUE;
}

/* Every form the case ships its weights in must give the same answer. */
static gboolean
run_forward (GoldenCase *golden, GError **error)
{
  static const char *const forms[] = { "weights.safetensors", "weights.pth", "weights_legacy_format.pth", "sharded" };
  for (guint i = 0; i < G_N_ELEMENTS (forms); i++) {
    g_autofree char *path = golden_path (golden, forms[i]);
    if (g_file_test (path, G_FILE_TEST_EXISTS) && !forward (golden, forms[i], FALSE, error))
      return FALSE;
  }
  return TRUE;
}

static gboolean
run_init_from_2d (GoldenCase *golden, GError **error)
{
  return forward (golden, "weights.pth", TRUE, error);
}

const GoldenRunner golden_stdit_runners[] = {
  { "opensora/forward", run_forward },
  { "opensora/forward_init_from_2d", run_init_from_2d },
  { NULL, NULL }
};
