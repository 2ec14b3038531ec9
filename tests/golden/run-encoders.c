/* SPDX-License-Identifier: Apache-2.0
 * Golden runners of the networks around the diffusion model: the T5 encoder and the SD image VAE. */
#include <math.h>

#include "engine/model/sd-vae.h"
#include "engine/model/t5.h"
#include "tests/golden/model.h"

static JsonObject *
config_of (GoldenCase *golden)
{
  return json_object_get_object_member (golden->json, "config");
}

/* Runs the encoder and returns its states, to be freed with g_free(). */
static float *
run_t5 (GoldenCase *golden, const char *weights, FwDtype compute, gint64 *n_states, GError **error)
{
  g_auto (GoldenModel) model = { 0 };
  FwT5Config config;
  FwTensor shape;
  if (!fw_t5_config_read (&config, config_of (golden), golden->folder, error) ||
      !golden_model_init (&model, golden, weights, &fw_names_t5, compute, error))
    return NULL;
  g_autofree gint64 *wide = golden_integers (golden, "input_ids", &shape);
  gint64 count = fw_tensor_count (&shape), length = shape.dim[1];
  g_autofree gint32 *ids = g_new (gint32, count);
  for (gint64 i = 0; i < count; i++)
    ids[i] = (gint32) wide[i];
  g_autofree guint8 *mask = golden_mask (golden, "attention_mask", shape.dim[0], &length);
  FwVal states = fw_t5_encoder (model.graph, &config, fw_external (model.graph, "ids", FW_DTYPE_I32, 2, shape.dim),
                                fw_external (model.graph, "mask", FW_DTYPE_U8, 2, shape.dim));
  fw_keep (model.graph, "states", states);
  if (!golden_model_plan (&model, error))
    return NULL;
  fw_exec_bind (model.exec, "ids", ids);
  fw_exec_bind (model.exec, "mask", mask);
  if (!fw_exec_run (model.exec, NULL, NULL, NULL, error))
    return NULL;
  *n_states = fw_tensor_count (&fw_graph_named (model.graph, "states")->layout);
  return g_memdup2 (fw_exec_data (model.exec, "states"), *n_states * sizeof (float));
}

static gboolean
encode (GoldenCase *golden, const char *weights, GError **error)
{
  gint64 count;
  g_autofree float *states = run_t5 (golden, weights, FW_DTYPE_F32, &count, error);
  g_autofree float *rounded = states != NULL ? run_t5 (golden, weights, FW_DTYPE_BF16, &count, error) : NULL;
  if (rounded == NULL)
    return FALSE;
  golden_compare_io (golden, "last_hidden_state", states, count, golden_number (golden, "tolerance.fp32_abs", 2e-5),
                     golden_number (golden, "tolerance.rel", 0));
  golden_drift (golden, "last_hidden_state", rounded, states, count);
  return TRUE;
}

static gboolean
run_t5_encode (GoldenCase *golden, GError **error)
{
  return encode (golden, "weights.safetensors", error);
}

static gboolean
run_t5_sharded (GoldenCase *golden, GError **error)
{
  return encode (golden, "bin", error) && encode (golden, "st", error);
}

/* One direction of the VAE: its result and the tensor it reads. */
typedef struct {
  const char *name, *input;
  FwVal (*record) (FwGraph *graph, const FwSdVaeConfig *config, FwVal x);
} VaeWay;

static const VaeWay encoding = { "moments", "image", fw_sd_vae_encode }, decoding = { "decoded", "decode_in", fw_sd_vae_decode };

/* Runs one direction and returns its result, to be freed with g_free(). */
static float *
run_vae (GoldenCase *golden, const char *weights, const FwSdVaeConfig *config, const VaeWay *way, FwDtype compute, gint64 *count,
         GError **error)
{
  g_auto (GoldenModel) model = { 0 };
  FwTensor shape;
  if (!golden_model_init (&model, golden, weights, &fw_names_sd_vae, compute, error))
    return NULL;
  g_autofree float *x = golden_floats (golden, way->input, &shape);
  FwVal out = way->record (model.graph, config, fw_external (model.graph, "x", FW_DTYPE_F32, shape.rank, shape.dim));
  fw_keep (model.graph, "out", out);
  if (!golden_model_plan (&model, error))
    return NULL;
  fw_exec_bind (model.exec, "x", x);
  if (!fw_exec_run (model.exec, NULL, NULL, NULL, error))
    return NULL;
  *count = fw_tensor_count (&fw_graph_named (model.graph, "out")->layout);
  return g_memdup2 (fw_exec_data (model.exec, "out"), *count * sizeof (float));
}

/* moments hold the unclamped log variance; ours is clamped, which the case's numbers do not reach unless it says so. */
static gboolean
check_vae (GoldenCase *golden, const char *weights, GError **error)
{
  FwSdVaeConfig config;
  gint64 n_moments, n_decoded;
  double atol = golden_number (golden, "tolerance.fp32_abs", 5e-5), rtol = golden_number (golden, "tolerance.rel", 0);
  if (!fw_sd_vae_config_read (&config, config_of (golden), golden->folder, error))
    return FALSE;
  g_autofree float *moments = run_vae (golden, weights, &config, &encoding, FW_DTYPE_F32, &n_moments, error);
  if (moments == NULL)
    return FALSE;
  g_autofree float *decoded = run_vae (golden, weights, &config, &decoding, FW_DTYPE_F32, &n_decoded, error);
  if (decoded == NULL)
    return FALSE;
  golden_compare_io (golden, "decoded", decoded, n_decoded, atol, rtol);

  FwTensor shape;
  g_autofree float *noise = golden_floats (golden, "noise", &shape);
  gint64 count = fw_tensor_count (&shape), half = count / shape.dim[0];
  g_autofree float *mean = g_new (float, count), *logvar = g_new (float, count);
  g_autofree float *deviation = g_new (float, count), *latent = g_new (float, count);
  for (gint64 i = 0; i < count; i++) {
    gint64 at = i / half * 2 * half + i % half;
    mean[i] = moments[at];
    logvar[i] = moments[at + half];
    deviation[i] = expf (logvar[i] / 2);
    latent[i] = (float) ((mean[i] + deviation[i] * noise[i]) * config.scaling_factor);
  }
  golden_compare_io (golden, "mean", mean, count, atol, rtol);
  golden_compare_io (golden, "logvar", logvar, count, atol, rtol);
  golden_compare_io (golden, "std", deviation, count, atol, rtol);
  golden_compare_io (golden, "latent_scaled", latent, count, atol, rtol);
  return TRUE;
}

/* How far bf16 moves one direction. */
static gboolean
check_vae_drift (GoldenCase *golden, const VaeWay *way, GError **error)
{
  FwSdVaeConfig config;
  gint64 count;
  if (!fw_sd_vae_config_read (&config, config_of (golden), golden->folder, error))
    return FALSE;
  g_autofree float *exact = run_vae (golden, "weights.safetensors", &config, way, FW_DTYPE_F32, &count, error);
  if (exact == NULL)
    return FALSE;
  g_autofree float *rounded = run_vae (golden, "weights.safetensors", &config, way, FW_DTYPE_BF16, &count, error);
  if (rounded == NULL)
    return FALSE;
  golden_drift (golden, way->name, rounded, exact, count);
  return TRUE;
}

static gboolean
run_sd_layout (GoldenCase *golden, GError **error)
{
  return check_vae (golden, "weights.safetensors", error) && check_vae_drift (golden, &encoding, error) &&
         check_vae_drift (golden, &decoding, error);
}

/* The same network under every naming the folder ships. */
static gboolean
run_namings (GoldenCase *golden, GError **error)
{
  JsonObject *files = json_object_get_object_member (golden->json, "files");
  g_autoptr (GList) names = json_object_get_members (files);
  for (GList *name = names; name != NULL; name = name->next)
    if (!check_vae (golden, name->data, error))
      return FALSE;
  return TRUE;
}

const GoldenRunner golden_encoder_runners[] = {
  { "t5/encode", run_t5_encode },
  { "t5/sharded", run_t5_sharded },
  { "sdvae/sd_layout", run_sd_layout },
  { "sdvae/namings", run_namings },
  { NULL, NULL }
};
