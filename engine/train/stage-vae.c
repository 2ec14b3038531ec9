/* SPDX-License-Identifier: Apache-2.0
 * The stage that trains the image autoencoder: absolute and squared error, and a little KL. */
#include <math.h>
#include <string.h>

#include "engine/checkpoint/json-text.h"
#include "engine/graph/ops.h"
#include "engine/memory/file.h"
#include "engine/model/sd-vae.h"
#include "engine/train/init.h"
#include "engine/train/shapes-batch.h"
#include "engine/train/stage.h"

static const char *const keys[] = { "model", "loss", NULL };
enum { PURPOSE_POSTERIOR = 1, MEASURED_FRAMES = 1024 };

typedef struct {
  FwTrainContext *context;
  const FwTrainStage *stage;
  FwSdVaeConfig config;
  double l1, mse, kl;
  FwTrainer *trainer;
  float *images[FW_TRAIN_MAX_ROWS], *noise[FW_TRAIN_MAX_ROWS];
  FwShapesScene *scenes;
} VaeStage;

/* The last layer of every residual branch starts small. */
static const FwInitRule init_rules[] = {
  { ".bias", NULL, FW_INIT_ZERO, 0 },
  { "norm1.weight", NULL, FW_INIT_ONE, 0 }, { "norm2.weight", NULL, FW_INIT_ONE, 0 }, { "norm.weight", NULL, FW_INIT_ONE, 0 },
  { "norm_out.weight", NULL, FW_INIT_ONE, 0 },
  { "conv2.weight", NULL, FW_INIT_UNIT_GAIN, 0.1 }, { "to_out.0.weight", NULL, FW_INIT_UNIT_GAIN, 0.1 },
  { NULL, NULL, FW_INIT_UNIT_GAIN, 1 },
};

/* No spread of the posterior to begin with: log variance -4 whatever the picture. */
static void
narrow_posterior (const VaeStage *s, float *flat)
{
  const FwParameters *parameters = fw_trainer_parameters (s->trainer);
  const FwParameter *weight = fw_parameters_find (parameters, "quant_conv.weight"), *bias = fw_parameters_find (parameters, "quant_conv.bias");
  gint64 half = weight->count / 2;
  memset (flat + weight->offset + half, 0, half * sizeof (float));
  for (gint64 i = bias->count / 2; i < bias->count; i++)
    flat[bias->offset + i] = -4;
}

static FwVal
mean_of (FwGraph *graph, FwVal x, double weight)
{
  FwVal sum = fw_reduce (graph, FW_REDUCE_MEAN, x, (1u << fw_layout (graph, x)->rank) - 1);
  return fw_affine (graph, fw_reshape_to (graph, sum, 1), weight, 0);
}

static FwVal
record_loss (FwGraph *graph, guint variant, gpointer data)
{
  const VaeStage *s = data;
  const FwTrainRow *row = &s->stage->rows[variant];
  gint64 batch = (gint64) row->batch * row->frames, side = row->size, small = side / fw_sd_vae_factor (&s->config), channels = s->config.latent_channels;
  FwVal image = fw_permute_to (graph, fw_external (graph, "image", FW_DTYPE_F32, 4, (gint64[]) { batch, side, side, 3 }), 0, 3, 1, 2);
  FwVal noise = fw_external (graph, "noise", FW_DTYPE_F32, 4, (gint64[]) { batch, channels, small, small });
  FwVal moments = fw_sd_vae_encode (graph, &s->config, image);
  FwVal mean = fw_slice (graph, moments, 1, 0, channels), logvar = fw_slice (graph, moments, 1, channels, channels);
  FwVal latent = fw_add (graph, mean, fw_mul (graph, fw_unary (graph, FW_FN_EXP, fw_affine (graph, logvar, 0.5, 0)), noise));
  FwVal difference = fw_sub (graph, fw_sd_vae_decode (graph, &s->config, latent), image);

  FwVal square = mean_of (graph, fw_unary (graph, FW_FN_SQUARE, difference), 1);
  FwVal absolute = mean_of (graph, fw_unary (graph, FW_FN_ABS, difference), s->l1);
  FwVal spread = fw_sub (graph, fw_unary (graph, FW_FN_EXP, logvar), logvar);
  FwVal kl = mean_of (graph, fw_affine (graph, fw_add (graph, fw_unary (graph, FW_FN_SQUARE, mean), spread), 0.5, -0.5), s->kl);
  fw_keep (graph, "square", square);
  return fw_add (graph, fw_add (graph, fw_affine (graph, square, s->mse, 0), absolute), kl);
}

static gboolean
batch (gpointer data, gint64 step, guint variant, GError **error)
{
  VaeStage *s = data;
  const FwTrainRow *row = &s->stage->rows[variant];
  gsize small = row->size / fw_sd_vae_factor (&s->config), count = (gsize) row->batch * row->frames * s->config.latent_channels * small * small;
  FwNoise noise;
  fw_shapes_batch_render (row, s->stage->seed, fw_train_stage_first_sample (s->stage, step), s->context->device->pool, s->scenes, s->images[variant]);
  fw_noise_seed (&noise, fw_stage_seed (s->stage, step, PURPOSE_POSTERIOR));
  fw_noise_randn (&noise, s->noise[variant], count);
  FwExec *exec = fw_trainer_exec (s->trainer, variant);
  fw_exec_bind (exec, "image", s->images[variant]);
  fw_exec_bind (exec, "noise", s->noise[variant]);
  return TRUE;
}

/* One over the standard deviation of latents of training frames, over all channels about zero mean: what a diffusion model
 * that expects unit scale multiplies them by. */
static gboolean
measure_scale (VaeStage *s, double *scale, GError **error)
{
  const FwTrainRow *row = &s->stage->rows[s->stage->n_rows - 1];
  gint64 frames = (gint64) row->batch * row->frames, channels = s->config.latent_channels;
  g_autoptr (FwGraph) graph = fw_graph_new (FW_DTYPE_F32);
  fw_graph_set_weights (graph, fw_parameters_source (fw_trainer_parameters (s->trainer), graph, NULL));
  FwVal image = fw_external (graph, "image", FW_DTYPE_F32, 4, (gint64[]) { frames, row->size, row->size, 3 });
  FwVal moments = fw_sd_vae_encode (graph, &s->config, fw_permute_to (graph, image, 0, 3, 1, 2));
  fw_keep (graph, "mean", fw_slice (graph, moments, 1, 0, channels));
  g_autoptr (FwPlan) plan = fw_plan_new (graph, s->context->device, error);
  g_autoptr (FwExec) exec = plan != NULL ? fw_exec_new (plan, s->context->device, NULL, error) : NULL;
  if (exec == NULL)
    return FALSE;
  fw_exec_bind (exec, "parameters", fw_trainer_array (s->trainer, FW_TRAINER_WEIGHTS));
  fw_exec_bind (exec, "image", s->images[s->stage->n_rows - 1]);
  double sum = 0, squares = 0, n = 0;
  for (gint64 done = 0; done < MEASURED_FRAMES; done += frames) {
    guint64 first = ((guint64) 1 << 40) + (guint64) done; /* samples that training did not reach */
    fw_shapes_batch_render (row, s->stage->seed, first, s->context->device->pool, s->scenes, s->images[s->stage->n_rows - 1]);
    if (!fw_exec_run (exec, s->context->cancellable, NULL, NULL, error))
      return FALSE;
    const float *mean = fw_exec_data (exec, "mean");
    gint64 count = fw_tensor_count (&fw_graph_named (graph, "mean")->layout);
    for (gint64 i = 0; i < count; i++) {
      sum += mean[i];
      squares += (double) mean[i] * mean[i];
    }
    n += (double) count;
  }
  *scale = 1 / sqrt (squares / n - (sum / n) * (sum / n));
  return TRUE;
}

/* diffusers' config.json: the recipe's own keys, with the scale as a number. */
static gboolean
write_config (const VaeStage *s, double scale, GError **error)
{
  g_autoptr (JsonNode) node = json_node_new (JSON_NODE_OBJECT);
  JsonObject *json = json_object_new (), *model = json_object_get_object_member (s->stage->json, "model");
  g_autoptr (GList) members = json_object_get_members (model);
  json_object_set_string_member (json, "_class_name", "AutoencoderKL");
  for (GList *member = members; member != NULL; member = member->next)
    json_object_set_member (json, member->data, json_node_copy (json_object_get_member (model, member->data)));
  json_object_set_double_member (json, "scaling_factor", scale);
  json_node_take_object (node, json);
  g_autofree char *text = fw_json_text_print (node, TRUE), *path = fw_stage_path (s->context, s->stage, "config.json");
  return fw_file_write (path, text, strlen (text), error);
}

static gboolean
finish (VaeStage *s, GError **error)
{
  double scale = s->config.scaling_factor;
  JsonNode *wanted = json_object_get_member (json_object_get_object_member (s->stage->json, "model"), "scaling_factor");
  if (wanted != NULL && json_node_get_value_type (wanted) == G_TYPE_STRING && !measure_scale (s, &scale, error))
    return FALSE;
  g_autofree char *path = fw_stage_path (s->context, s->stage, "diffusion_pytorch_model.safetensors");
  return fw_parameters_write (fw_trainer_parameters (s->trainer), fw_trainer_array (s->trainer, FW_TRAINER_WEIGHTS), FW_DTYPE_F32, NULL, 0, path, error)
         && write_config (s, scale, error);
}

/* "measure" is no number: the network is read without it. */
static gboolean
read_config (VaeStage *s, GError **error)
{
  JsonObject *model = fw_stage_object (s->stage, "model", error), *loss = fw_stage_object (s->stage, "loss", error);
  if (model == NULL || loss == NULL)
    return FALSE;
  g_autoptr (JsonObject) plain = json_object_new ();
  g_autoptr (GList) members = json_object_get_members (model);
  for (GList *member = members; member != NULL; member = member->next) {
    JsonNode *node = json_object_get_member (model, member->data);
    if (!JSON_NODE_HOLDS_VALUE (node) || json_node_get_value_type (node) != G_TYPE_STRING)
      json_object_set_member (plain, member->data, json_node_copy (node));
  }
  s->l1 = json_object_get_double_member_with_default (loss, "l1", 1);
  s->mse = json_object_get_double_member_with_default (loss, "mse", 1);
  s->kl = json_object_get_double_member_with_default (loss, "kl", 1e-4);
  if (!fw_sd_vae_config_read (&s->config, plain, s->stage->name, error))
    return FALSE;
  for (guint i = 0; i < s->stage->n_rows; i++)
    if (s->stage->rows[i].size % fw_sd_vae_factor (&s->config) != 0) {
      g_set_error (error, FW_ERROR, FW_ERROR_FORMAT, "The recipe cannot be used: stage “%s” needs sizes that %d divides", s->stage->name, fw_sd_vae_factor (&s->config));
      return FALSE;
    }
  return TRUE;
}

static gboolean
run_stage (VaeStage *s, GError **error)
{
  const FwTrainStage *stage = s->stage;
  const FwTrainerSettings settings = {
    .variants = stage->n_rows, .compute = s->context->compute, .clip = stage->clip,
    .adamw = { stage->beta1, stage->beta2, stage->epsilon, stage->weight_decay },
  };
  int most = 0;
  for (guint i = 0; i < stage->n_rows; i++) {
    const FwTrainRow *row = &stage->rows[i];
    gsize frames = (gsize) row->batch * row->frames, pixels = (gsize) row->size * row->size;
    s->images[i] = g_new (float, frames * pixels * 3);
    s->noise[i] = g_new (float, frames * pixels * s->config.latent_channels);
    most = MAX (most, row->batch);
  }
  s->scenes = g_new (FwShapesScene, most);
  s->trainer = fw_trainer_new (record_loss, s, &settings, s->context->device, error);
  if (s->trainer == NULL)
    return FALSE;
  float *weights = fw_trainer_array (s->trainer, FW_TRAINER_WEIGHTS);
  fw_init_parameters (fw_trainer_parameters (s->trainer), init_rules, stage->seed, weights);
  narrow_posterior (s, weights);
  const FwTrainLoop loop = { s->context, stage, s->trainer, batch, s };
  return fw_train_loop (&loop, error) && finish (s, error);
}

static gboolean
run (FwTrainContext *context, const FwTrainStage *stage, GError **error)
{
  VaeStage s = { .context = context, .stage = stage };
  gboolean done = read_config (&s, error) && run_stage (&s, error);
  fw_trainer_free (s.trainer);
  for (guint i = 0; i < stage->n_rows; i++) {
    g_free (s.images[i]);
    g_free (s.noise[i]);
  }
  g_free (s.scenes);
  return done;
}

const FwStageKind fw_stage_image_vae = { "image-vae", keys, TRUE, run };
