/* SPDX-License-Identifier: Apache-2.0
 * Golden runners of STDiT: the forward pass, also from an image checkpoint. */
#include "tests/golden/model.h"

static gboolean
forward (GoldenCase *golden, const char *weights, gboolean from_image, GError **error)
{
  const char *architecture = json_object_get_string_member_with_default (golden->json, "model", "");
  if (g_strcmp0 (architecture, "STDiT") != 0) {
    g_set_error (error, FW_ERROR, FW_ERROR_UNSUPPORTED, "the model %s is not in this build", architecture);
    return FALSE;
  }
  g_auto (GoldenModel) model = { 0 };
  FwStditConfig config;
  golden_stdit_config (golden, &config);
  if (!golden_model_init (&model, golden, weights, &fw_names_stdit, error))
    return FALSE;
  if (from_image)
    fw_weights_allow_missing (model.weights, "attn_temp");

  FwTensor x_shape, y_shape, out_shape;
  g_autofree float *x = golden_floats (golden, "in.x", &x_shape), *t = golden_floats (golden, "in.t", NULL);
  g_autofree float *y = golden_floats (golden, "in.y", &y_shape), *want = golden_floats (golden, "out", &out_shape);
  gint64 batch = x_shape.dim[0], length = y_shape.dim[2];
  g_autofree guint8 *mask = golden_mask (golden, "in.mask", batch, &length);
  FwVal mask_val = mask != NULL ? fw_external (model.graph, "mask", FW_DTYPE_U8, 2, (gint64[]) { batch, length }) : FW_NONE;
  FwVal out = fw_stdit (model.graph, &config, golden_input (&model, golden, "x", "in.x", FW_DTYPE_F32),
                        golden_input (&model, golden, "t", "in.t", FW_DTYPE_F32),
                        fw_external (model.graph, "y", FW_DTYPE_F32, 3, (gint64[]) { batch, length, y_shape.dim[3] }), mask_val);
  fw_keep (model.graph, "out", out);
  if (!golden_model_plan (&model, error))
    return FALSE;
  fw_exec_bind (model.exec, "x", x);
  fw_exec_bind (model.exec, "t", t);
  fw_exec_bind (model.exec, "y", y);
  fw_exec_bind (model.exec, "mask", mask);
  if (!fw_exec_run (model.exec, NULL, NULL, NULL, error))
    return FALSE;
  golden_compare (golden, "out", fw_exec_data (model.exec, "out"), want, fw_tensor_count (&out_shape),
                  golden_number (golden, "tolerance.atol", 1e-4), golden_number (golden, "tolerance.rtol", 0));
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
