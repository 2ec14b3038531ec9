/* SPDX-License-Identifier: Apache-2.0
 * The stage that trains the image autoencoder: absolute and squared error, and a little KL. */
#include <math.h>
#include <string.h>

#include "engine/graph/ops.h"
#include "engine/memory/buffers.h"
#include "engine/model/config.h"
#include "engine/model/sd-vae.h"
#include "engine/train/init.h"
#include "engine/train/recipe-json.h"
#include "engine/train/shapes-batch.h"
#include "engine/train/stage.h"

static const char *const keys[] = { "model", "loss", NULL };
static const char *const model_keys[] = {
  "in_channels", "out_channels", "latent_channels", "block_out_channels", "layers_per_block", "norm_num_groups", "scaling_factor", NULL
};
static const char *const loss_keys[] = { "l1", "mse", "kl", NULL };
enum { PURPOSE_POSTERIOR = 1, MEASURED_FRAMES = 1024 };

typedef struct { double l1, mse, kl; } Weights;

static const FwConfigField loss_fields[] = {
  { "l1", FW_CONFIG_DOUBLE, offsetof (Weights, l1), 1, 0, 1e6, FALSE },
  { "mse", FW_CONFIG_DOUBLE, offsetof (Weights, mse), 1, 0, 1e6, FALSE },
  { "kl", FW_CONFIG_DOUBLE, offsetof (Weights, kl), 1, 0, 1e6, FALSE },
  { NULL }
};

typedef struct {
  FwTrainContext *context;
  const FwTrainStage *stage;
  FwSdVaeConfig config;
  gboolean measured;         /* the scale is */
  Weights weight;
  FwTrainer *trainer;
  FwBuffers buffers;         /* all that follow */
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
  const FwParameter *weight = fw_parameters_find (parameters, "quant_conv.weight"),
                    *bias = fw_parameters_find (parameters, "quant_conv.bias");
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
  gint64 batch = (gint64) row->batch * row->frames, side = row->size, small = side / fw_sd_vae_factor (&s->config),
         channels = s->config.latent_channels;
  FwVal image = fw_permute_to (graph, fw_external (graph, "image", FW_DTYPE_F32, 4, (gint64[]) { batch, side, side, 3 }), 0, 3, 1,
                               2);
  FwVal noise = fw_external (graph, "noise", FW_DTYPE_F32, 4, (gint64[]) { batch, channels, small, small });
  FwVal moments = fw_sd_vae_encode (graph, &s->config, image);
  FwVal mean = fw_slice (graph, moments, 1, 0, channels), logvar = fw_slice (graph, moments, 1, channels, channels);
  FwVal latent = fw_add (graph, mean, fw_mul (graph, fw_unary (graph, FW_FN_EXP, fw_affine (graph, logvar, 0.5, 0)), noise));
  FwVal difference = fw_sub (graph, fw_sd_vae_decode (graph, &s->config, latent), image);

  FwVal square = mean_of (graph, fw_unary (graph, FW_FN_SQUARE, difference), 1);
  FwVal absolute = mean_of (graph, fw_unary (graph, FW_FN_ABS, difference), s->weight.l1);
  FwVal spread = fw_sub (graph, fw_unary (graph, FW_FN_EXP, logvar), logvar);
  FwVal kl = mean_of (graph, fw_affine (graph, fw_add (graph, fw_unary (graph, FW_FN_SQUARE, mean), spread), 0.5, -0.5),
                      s->weight.kl);
  fw_keep (graph, "square", square);
  return fw_add (graph, fw_add (graph, fw_affine (graph, square, s->weight.mse, 0), absolute), kl);
}

static gboolean
batch (gpointer data, const FwTrainStep *at, GError **error)
{
  VaeStage *s = data;
  guint variant = at->row;
  const FwTrainRow *row = &s->stage->rows[variant];
  gsize small = row->size / fw_sd_vae_factor (&s->config),
        count = (gsize) row->batch * row->frames * s->config.latent_channels * small * small;
  FwNoise noise;
  fw_shapes_batch_render (row, s->stage->seed, at->first_sample, s->context->device->pool, s->scenes, s->images[variant]);
  fw_noise_seed (&noise, fw_stage_seed (s->stage, at->step, PURPOSE_POSTERIOR));
  fw_noise_randn (&noise, s->noise[variant], count);
  FwExec *exec = fw_trainer_exec (s->trainer, variant);
  fw_exec_bind (exec, "image", s->images[variant]);
  fw_exec_bind (exec, "noise", s->noise[variant]);
  return TRUE;
}

/* The encoder alone, on batches of the last row. */
static FwPlan *
plan_encoder (const VaeStage *s, FwGraph *graph, GError **error)
{
  const FwTrainRow *row = &s->stage->rows[s->stage->n_rows - 1];
  fw_graph_set_weights (graph, fw_parameters_source (fw_trainer_parameters (s->trainer), graph, NULL));
  FwVal image = fw_external (graph, "image", FW_DTYPE_F32, 4,
                             (gint64[]) { (gint64) row->batch * row->frames, row->size, row->size, 3 });
  FwVal moments = fw_sd_vae_encode (graph, &s->config, fw_permute_to (graph, image, 0, 3, 1, 2));
  fw_keep (graph, "mean", fw_slice (graph, moments, 1, 0, s->config.latent_channels));
  return fw_plan_new (graph, s->context->device, error);
}

/* One over the standard deviation of latents of training frames, over all channels about their mean: what a diffusion model
 * that expects unit scale multiplies them by. */
static gboolean
measure_scale (VaeStage *s, double *scale, GError **error)
{
  guint last = s->stage->n_rows - 1;
  const FwTrainRow *row = &s->stage->rows[last];
  gint64 frames = (gint64) row->batch * row->frames;
  g_autoptr (FwGraph) graph = fw_graph_new (FW_DTYPE_F32);
  g_autoptr (FwPlan) plan = plan_encoder (s, graph, error);
  if (plan == NULL)
    return FALSE;
  gpointer slab = plan->slab_bytes <= fw_trainer_slab_bytes (s->trainer) ? fw_trainer_slab (s->trainer) : NULL;
  g_autoptr (FwExec) exec = fw_exec_new (plan, s->context->device, slab, error);
  if (exec == NULL)
    return FALSE;
  fw_exec_bind (exec, "parameters", fw_trainer_array (s->trainer, FW_TRAINER_WEIGHTS));
  fw_exec_bind (exec, "image", s->images[last]);
  double sum = 0, squares = 0, n = 0;
  for (gint64 done = 0; done < MEASURED_FRAMES; done += frames) {
    guint64 first = ((guint64) 1 << 40) + (guint64) done; /* samples that training did not reach */
    fw_shapes_batch_render (row, s->stage->seed, first, s->context->device->pool, s->scenes, s->images[last]);
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

/* One kind of block at every level, as diffusers wants it told. */
static void
set_block_types (JsonObject *json, const char *key, const char *kind, guint levels)
{
  JsonArray *kinds = json_array_new ();
  for (guint i = 0; i < levels; i++)
    json_array_add_string_element (kinds, kind);
  json_object_set_array_member (json, key, kinds);
}

/* diffusers' config.json: the recipe's own keys, the scale as a number, and what diffusers does not assume. */
static gboolean
write_config (const VaeStage *s, double scale, GError **error)
{
  JsonObject *json = json_object_new (), *model = fw_recipe_object (s->stage->json, "model");
  g_autoptr (GList) members = json_object_get_members (model);
  guint levels = json_array_get_length (json_object_get_array_member (model, "block_out_channels"));
  json_object_set_string_member (json, "_class_name", "AutoencoderKL");
  json_object_set_string_member (json, "act_fn", "silu");
  set_block_types (json, "down_block_types", "DownEncoderBlock2D", levels);
  set_block_types (json, "up_block_types", "UpDecoderBlock2D", levels);
  for (GList *member = members; member != NULL; member = member->next)
    json_object_set_member (json, member->data, json_node_copy (json_object_get_member (model, member->data)));
  json_object_set_double_member (json, "scaling_factor", scale);
  return fw_stage_write_json (s->context, s->stage, "config.json", json, error);
}

static gboolean
finish (VaeStage *s, GError **error)
{
  double scale = s->config.scaling_factor;
  if (s->measured && !measure_scale (s, &scale, error))
    return FALSE;
  if (!isfinite (scale)) {
    g_set_error (error, FW_ERROR, FW_ERROR_NUMERIC, "The latents of stage “%s” do not vary; it has learned nothing",
                 s->stage->name);
    return FALSE;
  }
  g_autofree char *folder = fw_stage_path (s->context, s->stage, NULL);
  return fw_parameters_write (fw_trainer_parameters (s->trainer), fw_trainer_array (s->trainer, FW_TRAINER_WEIGHTS), FW_DTYPE_F32,
                              NULL, 0, folder, "diffusion_pytorch_model", error)
         && write_config (s, scale, error);
}

/* "measure" is no number: the network is read without it. */
static gboolean
read_network (const FwTrainStage *stage, FwSdVaeConfig *config, gboolean *measured, GError **error)
{
  static const FwConfigField picture[] = { { "in_channels", FW_CONFIG_INT, 0, 1, 3, 3, FALSE },
                                           { "out_channels", FW_CONFIG_INT, 0, 1, 3, 3, FALSE }, { NULL } };
  g_autofree char *what = g_strdup_printf ("stage “%s”", stage->name);
  JsonObject *model = fw_recipe_strict_object (stage->json, "model", model_keys, what, error);
  int channels;
  if (model == NULL || !fw_config_read (model, picture, &channels, what, error))
    return FALSE;
  g_autoptr (JsonObject) plain = json_object_new ();
  g_autoptr (GList) members = json_object_get_members (model);
  *measured = g_strcmp0 (fw_recipe_text (model, "scaling_factor"), "measure") == 0;
  for (GList *member = members; member != NULL; member = member->next)
    if (!*measured || !g_str_equal (member->data, "scaling_factor"))
      json_object_set_member (plain, member->data, json_node_copy (json_object_get_member (model, member->data)));
  return fw_sd_vae_config_read (config, plain, what, error);
}

gboolean
fw_stage_vae_config (const FwTrainStage *stage, FwSdVaeConfig *config, GError **error)
{
  gboolean measured;
  return read_network (stage, config, &measured, error);
}

static gboolean
read_stage (VaeStage *s, GError **error)
{
  const FwTrainStage *stage = s->stage;
  g_autofree char *what = g_strdup_printf ("stage “%s”", stage->name);
  JsonObject *loss = fw_recipe_strict_object (stage->json, "loss", loss_keys, what, error);
  s->weight = (Weights) { 1, 1, 1e-4 };
  if (loss == NULL || !fw_config_read (loss, loss_fields, &s->weight, what, error)
      || !read_network (stage, &s->config, &s->measured, error))
    return FALSE;
  for (guint i = 0; i < stage->n_rows; i++)
    if (stage->rows[i].size % fw_sd_vae_factor (&s->config) != 0)
      return fw_recipe_refuse (error, "%s needs sizes that %d divides", what, fw_sd_vae_factor (&s->config));
  return fw_stage_is_plain (stage, error);
}

static gboolean
check (const FwTrainRecipe *recipe, const FwTrainStage *stage, GError **error)
{
  VaeStage s = { .stage = stage };
  return read_stage (&s, error);
}

static gboolean
make_buffers (VaeStage *s, GError **error)
{
  static const char purpose[] = "a batch of pictures";
  gsize most = 0, factor = fw_sd_vae_factor (&s->config);
  for (guint i = 0; i < s->stage->n_rows; i++) {
    const FwTrainRow *row = &s->stage->rows[i];
    gsize frames = (gsize) row->batch * row->frames, pixels = (gsize) row->size * row->size;
    s->images[i] = fw_buffers_add (&s->buffers, frames * pixels, 3 * sizeof (float), purpose, error);
    s->noise[i] = s->images[i] != NULL
                    ? fw_buffers_add (&s->buffers, frames * (pixels / (factor * factor)),
                                      s->config.latent_channels * sizeof (float), purpose, error) : NULL;
    if (s->noise[i] == NULL)
      return FALSE;
    most = MAX (most, (gsize) row->batch);
  }
  s->scenes = fw_buffers_add (&s->buffers, most, sizeof *s->scenes, purpose, error);
  return s->scenes != NULL;
}

static gboolean
open_stage (VaeStage *s, GError **error)
{
  const FwTrainStage *stage = s->stage;
  const FwTrainerSettings settings = {
    .variants = stage->n_rows, .compute = s->context->compute, .clip = stage->clip,
    .adamw = { stage->beta1, stage->beta2, stage->epsilon, stage->weight_decay },
  };
  if (!read_stage (s, error) || !make_buffers (s, error))
    return FALSE;
  s->trainer = fw_trainer_new (record_loss, s, &settings, s->context->device, error);
  return s->trainer != NULL;
}

static void
close_stage (VaeStage *s)
{
  fw_trainer_free (s->trainer);
  fw_buffers_clear (&s->buffers);
}

/* Measuring the scale costs as much as its FLOPs do in training. */
static gboolean
forecast_finish (VaeStage *s, FwStageForecast *forecast, GError **error)
{
  guint last = s->stage->n_rows - 1;
  const FwTrainRow *row = &s->stage->rows[last];
  g_autoptr (FwGraph) graph = fw_graph_new (FW_DTYPE_F32);
  g_autoptr (FwPlan) plan = plan_encoder (s, graph, error);
  if (plan == NULL)
    return FALSE;
  double runs = ceil ((double) MEASURED_FRAMES / ((double) row->batch * row->frames));
  forecast->finish = runs * forecast->seconds[last] * plan->flops / fw_trainer_flops (s->trainer, last);
  return TRUE;
}

static gboolean
forecast (FwTrainContext *context, const FwTrainStage *stage, FwStageForecast *forecast, GError **error)
{
  VaeStage s = { .context = context, .stage = stage };
  const gsize before = fw_stage_memory ();
  gboolean done = open_stage (&s, error);
  forecast->bytes = fw_stage_memory () - before;
  const FwTrainLoop loop = { context, stage, s.trainer, batch, &s };
  done = done && fw_train_rehearse (&loop, forecast, error) && (!s.measured || forecast_finish (&s, forecast, error));
  close_stage (&s);
  return done;
}

static gboolean
run_stage (VaeStage *s, GError **error)
{
  float *weights = fw_trainer_array (s->trainer, FW_TRAINER_WEIGHTS);
  fw_init_parameters (fw_trainer_parameters (s->trainer), init_rules, s->stage->seed, weights);
  narrow_posterior (s, weights);
  const FwTrainLoop loop = { s->context, s->stage, s->trainer, batch, s };
  return fw_train_loop (&loop, error) && finish (s, error);
}

static gboolean
run (FwTrainContext *context, const FwTrainStage *stage, GError **error)
{
  VaeStage s = { .context = context, .stage = stage };
  gboolean done = open_stage (&s, error) && run_stage (&s, error);
  close_stage (&s);
  return done;
}

const FwStageKind fw_stage_image_vae = { "image-vae", keys, TRUE, TRUE, check, forecast, run };
