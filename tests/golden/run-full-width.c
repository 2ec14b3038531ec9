/* SPDX-License-Identifier: Apache-2.0
 * Golden runner of networks at the width of released checkpoints. Weights and inputs are too large to ship, so both sides draw
 * them: each tensor by a generator of its own, seeded by its name (tests/reference/full-width.py is the other side). */
#include <math.h>
#include <string.h>

#include "engine/model/sd-vae.h"
#include "engine/model/t5.h"
#include "engine/sample/noise.h"
#include "tests/golden/model.h"

typedef struct {
  GoldenCase *golden;
  JsonObject *config, *inputs;
  FwGraph *graph;
} Recording;

/* External @name of the shape that the case's "inputs" give it; FW_NONE if they do not name it. */
static FwVal
input (const Recording *recording, const char *name, FwDtype dtype)
{
  gint64 dim[FW_MAX_RANK];
  if (!json_object_has_member (recording->inputs, name))
    return FW_NONE;
  JsonArray *shape = json_object_get_array_member (recording->inputs, name);
  guint rank = MIN (json_array_get_length (shape), FW_MAX_RANK);
  for (guint i = 0; i < rank; i++)
    dim[i] = json_array_get_int_element (shape, i);
  return fw_external (recording->graph, name, dtype, (int) rank, dim);
}

static FwVal
record_stdit (const Recording *recording, GError **error)
{
  FwStditConfig config;
  golden_stdit_config (recording->golden, &config);
  return fw_stdit (recording->graph, &config, input (recording, "x", FW_DTYPE_F32), input (recording, "t", FW_DTYPE_F32),
                   input (recording, "y", FW_DTYPE_F32), input (recording, "mask", FW_DTYPE_U8));
}

static FwVal
record_t5 (const Recording *recording, GError **error)
{
  FwT5Config config;
  if (!fw_t5_config_read (&config, recording->config, recording->golden->folder, error))
    return FW_NONE;
  FwVal ids = input (recording, "ids", FW_DTYPE_I32), mask = input (recording, "mask", FW_DTYPE_U8);
  return fw_t5_encoder (recording->graph, &config, ids, mask);
}

static FwVal
record_encode (const Recording *recording, GError **error)
{
  FwSdVaeConfig config;
  if (!fw_sd_vae_config_read (&config, recording->config, recording->golden->folder, error))
    return FW_NONE;
  return fw_sd_vae_encode (recording->graph, &config, input (recording, "image", FW_DTYPE_F32));
}

static FwVal
record_decode (const Recording *recording, GError **error)
{
  FwSdVaeConfig config;
  if (!fw_sd_vae_config_read (&config, recording->config, recording->golden->folder, error))
    return FW_NONE;
  return fw_sd_vae_decode (recording->graph, &config, input (recording, "latent", FW_DTYPE_F32));
}

static const struct { const char *name; FwVal (*record) (const Recording *recording, GError **error); } networks[] = {
  { "stdit", record_stdit }, { "t5", record_t5 }, { "sd-vae-encode", record_encode }, { "sd-vae-decode", record_decode },
};

/* FNV-1a of the tensor's name. */
static guint32
seed_of (const char *name)
{
  guint32 hash = 2166136261u;
  for (; *name != '\0'; name++)
    hash = (hash ^ (guint8) *name) * 16777619u;
  return hash;
}

/* What the case multiplies tensors by whose names end as a member of "factors" says. */
static double
factor_of (GoldenCase *golden, const char *name)
{
  if (!json_object_has_member (golden->json, "factors"))
    return 1;
  JsonObject *factors = json_object_get_object_member (golden->json, "factors");
  g_autoptr (GList) suffixes = json_object_get_members (factors);
  for (GList *suffix = suffixes; suffix != NULL; suffix = suffix->next)
    if (g_str_has_suffix (name, suffix->data))
      return json_object_get_double_member (factors, suffix->data);
  return 1;
}

/* Uniform numbers with a variance of 1 / fan-in for matrices and kernels, 1 for inputs; vectors lie around 1 (scales) or 0. */
static float *
draw_floats (GoldenCase *golden, const char *name, const FwTensor *layout, gboolean is_input)
{
  gint64 count = fw_tensor_count (layout), fan_in = is_input ? 1 : count / MAX (layout->dim[0], 1);
  gboolean vector = layout->rank < 2 && !is_input;
  float limit = vector ? 0.25f : (float) (sqrt (3.0 / fan_in) * factor_of (golden, name));
  float centre = vector && g_str_has_suffix (name, ".weight") ? 1 : 0;
  float *floats = g_new (float, count);
  FwNoise noise;
  fw_noise_seed (&noise, seed_of (name));
  fw_noise_rand (&noise, floats, count);
  for (gint64 i = 0; i < count; i++) {
    float scaled = (floats[i] * 2 - 1) * limit;
    floats[i] = scaled + centre;
  }
  return floats;
}

/* Inputs that are not drawn as floats: times and lengths stand in the case, ids are drawn below the vocabulary's size. */
static gpointer
make_input (GoldenCase *golden, JsonObject *config, const char *name, const FwTensor *layout)
{
  gint64 count = fw_tensor_count (layout);
  gsize size = fw_dtype_size (layout->dtype);
  if (strcmp (name, "t") == 0) {
    float *times = g_malloc0_n (count, size);
    for (gint64 i = 0; i < count; i++)
      times[i] = (float) golden_number (golden, "time", 0);
    return times;
  }
  if (layout->dtype == FW_DTYPE_U8) {
    guint8 *mask = g_malloc0_n (count, size);
    gint64 length = layout->dim[1], real = (gint64) golden_number (golden, "length", 0);
    for (gint64 i = 0; i < count; i++)
      mask[i] = i % length < real;
    return mask;
  }
  if (layout->dtype == FW_DTYPE_I32) {
    gint32 *ids = g_malloc0_n (count, size);
    g_autofree gint64 *wide = g_new (gint64, count);
    FwNoise noise;
    fw_noise_seed (&noise, seed_of (name));
    fw_noise_randint (&noise, 0, json_object_get_int_member (config, "vocab_size"), wide, count);
    for (gint64 i = 0; i < count; i++)
      ids[i] = (gint32) wide[i];
    return ids;
  }
  return draw_floats (golden, name, layout, TRUE);
}

/* Binds every external value, drawing those that @drawn (name -> data) does not have yet. */
static void
bind_all (const Recording *recording, FwExec *exec, GHashTable *drawn)
{
  for (guint i = 1; i < fw_graph_n_values (recording->graph); i++) {
    const FwValue *value = fw_graph_value (recording->graph, i);
    if (value->class != FW_VALUE_EXTERNAL || value->constant != NULL || value->name == NULL)
      continue;
    gpointer data = g_hash_table_lookup (drawn, value->name);
    if (data == NULL) {
      data = json_object_has_member (recording->inputs, value->name)
        ? make_input (recording->golden, recording->config, value->name, &value->layout)
        : draw_floats (recording->golden, value->name, &value->layout, FALSE);
      g_hash_table_insert (drawn, g_strdup (value->name), data);
    }
    fw_exec_bind (exec, value->name, data);
  }
}

/* Runs the case's network and returns its output, to be freed with g_free(). */
static float *
run_network (GoldenCase *golden, FwDtype compute, GHashTable *drawn, gint64 *count, GError **error)
{
  const char *name = json_object_get_string_member_with_default (golden->json, "network", "");
  gsize network = 0;
  while (network < G_N_ELEMENTS (networks) && strcmp (networks[network].name, name) != 0)
    network++;
  if (network == G_N_ELEMENTS (networks)) {
    g_set_error (error, FW_ERROR, FW_ERROR_UNSUPPORTED, "no network “%s” in this runner", name);
    return NULL;
  }
  g_auto (GoldenModel) model = { .graph = fw_graph_new (compute) };
  model.device = fw_device_new_cpu (NULL, 0, error);
  const Recording recording = {
    golden, json_object_get_object_member (golden->json, "config"), json_object_get_object_member (golden->json, "inputs"),
    model.graph,
  };
  FwVal out = model.device != NULL ? networks[network].record (&recording, error) : FW_NONE;
  if (error != NULL && *error != NULL)
    return NULL;
  fw_keep (model.graph, "out", out);
  if (!golden_model_plan (&model, error))
    return NULL;
  bind_all (&recording, model.exec, drawn);
  if (!fw_exec_run (model.exec, NULL, NULL, NULL, error))
    return NULL;
  *count = fw_tensor_count (&fw_graph_named (model.graph, "out")->layout);
  return g_memdup2 (fw_exec_data (model.exec, "out"), *count * sizeof (float));
}

/* Mean and root mean square over all elements: what the shipped sample of them would miss. */
static void
sums_of (const float *values, gint64 count, double *sums)
{
  double sum = 0, squares = 0;
  for (gint64 i = 0; i < count; i++) {
    sum += values[i];
    squares += (double) values[i] * values[i];
  }
  sums[0] = sum / count;
  sums[1] = sqrt (squares / count);
}

static gboolean
run_full_width (GoldenCase *golden, GError **error)
{
  g_autoptr (GHashTable) drawn = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, g_free);
  gint64 count;
  g_autofree float *out = run_network (golden, FW_DTYPE_F32, drawn, &count, error);
  g_autofree float *rounded = out != NULL ? run_network (golden, FW_DTYPE_BF16, drawn, &count, error) : NULL;
  if (rounded == NULL)
    return FALSE;
  FwTensor shape;
  g_autofree float *want = golden_floats (golden, "out.sample", &shape);
  g_autofree double *want_sums = golden_doubles (golden, "out.sums", NULL);
  gint64 n_want = fw_tensor_count (&shape), stride = (gint64) golden_number (golden, "stride", 1);
  gint64 n_sample = (count + stride - 1) / stride;
  g_autofree float *sample = g_new (float, n_sample);
  double sums[2], largest = 0;
  for (gint64 i = 0; i < n_sample; i++)
    sample[i] = out[i * stride];
  for (gint64 i = 0; i < n_want; i++)
    largest = MAX (largest, fabs (want[i]));
  sums_of (out, count, sums);
  double atol = largest * golden_number (golden, "tolerance.relative", 1e-4);
  golden_compare_io (golden, "out.sample", sample, n_sample, atol, 0);
  golden_compare_doubles (golden, "out.sums", sums, want_sums, G_N_ELEMENTS (sums), atol, 0);
  golden_drift (golden, "out", rounded, out, count);
  return TRUE;
}

const GoldenRunner golden_full_width_runners[] = {
  { "project/full_width", run_full_width },
  { NULL, NULL }
};
