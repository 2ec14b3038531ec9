/* SPDX-License-Identifier: Apache-2.0
 * The stage that trains the diffusion transformer on latents of the frozen VAE and states of the frozen text encoder. */
#include "engine/train/stage.h"

#include <math.h>
#include <string.h>

#include "engine/checkpoint/safetensors-write.h"
#include "engine/model/config.h"
#include "engine/train/diffusion-batch.h"
#include "engine/train/diffusion-init.h"
#include "engine/train/diffusion-loss.h"
#include "engine/train/frame-code.h"
#include "engine/train/recipe-json.h"

static const char *const keys[] = { "model", "vae", "text", "loss", "timesteps", NULL };
static const char *const model_keys[] = {
  "type", "depth", "hidden_size", "num_heads", "patch_size", "space_scale", "time_scale", "caption_dropout", NULL
};
static const char *const loss_keys[] = { "weight_cap", "variance", NULL };
static const char *const init_keys[] = { "from", "fast", "temporal", "temporal_qkv", "frame_code", NULL };
static const char *const types[] = { "STDiT", NULL };
enum { PURPOSE_NULL_CAPTION = 5, PURPOSE_FRAME_CODE };

static const FwConfigField model_fields[] = {
  { "depth", FW_CONFIG_INT, offsetof (FwStditConfig, depth), 1, 1, 1000, TRUE },
  { "hidden_size", FW_CONFIG_INT, offsetof (FwStditConfig, hidden_size), 1, 4, 1 << 16, TRUE },
  { "num_heads", FW_CONFIG_INT, offsetof (FwStditConfig, num_heads), 1, 1, 1 << 10, TRUE },
  { "patch_size", FW_CONFIG_INT, offsetof (FwStditConfig, patch_size), 3, 1, 16, FALSE },
  { "space_scale", FW_CONFIG_DOUBLE, offsetof (FwStditConfig, space_scale), 1, 1e-3, 1e3, FALSE },
  { "time_scale", FW_CONFIG_DOUBLE, offsetof (FwStditConfig, time_scale), 1, 1e-3, 1e3, FALSE },
  { NULL }
};
static const FwConfigField dropout_field[] = {
  { "caption_dropout", FW_CONFIG_DOUBLE, offsetof (FwDiffusionOptions, caption_dropout), 1, 0, 1, FALSE }, { NULL }
};
static const FwConfigField loss_fields[] = {
  { "weight_cap", FW_CONFIG_DOUBLE, offsetof (FwDiffusionOptions, weight_cap), 1, 1, 1e9, FALSE },
  { "variance", FW_CONFIG_DOUBLE, offsetof (FwDiffusionOptions, variance), 1, 0, 1, FALSE },
  { NULL }
};

static const FwConfigField init_fields[] = {
  { "temporal", FW_CONFIG_DOUBLE, offsetof (FwDiffusionStart, temporal), 1, 0, 100, FALSE },
  { "temporal_qkv", FW_CONFIG_DOUBLE, offsetof (FwDiffusionStart, temporal_qkv), 1, 0, 100, FALSE },
  { "frame_code", FW_CONFIG_DOUBLE, offsetof (FwDiffusionStart, frame_code), 1, 0, 100, FALSE },
  { NULL }
};

typedef struct {
  FwTrainContext *context;
  const FwTrainStage *stage;
  const FwTrainStage *vae, *text, *pieces, *before; /* stages it builds on; @before NULL = random weights */
  FwStditConfig config;
  FwDiffusionOptions options;
  FwDiffusionStart start;
  FwDiffusionBatches *batches;
  FwTrainer *trainer;
} DiffusionStage;

/* --- the recipe --- */

static gboolean
read_network (DiffusionStage *s, const char *what, GError **error)
{
  const char *type = NULL;
  JsonObject *model = fw_recipe_strict_object (s->stage->json, "model", model_keys, what, error);
  s->config = fw_stdit_default;
  s->config.space_scale = 1;
  if (model == NULL || !fw_recipe_choice (model, "type", types, &type, what, error)
      || !fw_config_read (model, model_fields, &s->config, what, error)
      || !fw_config_read (model, dropout_field, &s->options, what, error))
    return FALSE;
  if (type == NULL || s->config.hidden_size % (4 * s->config.num_heads) != 0)
    return fw_recipe_refuse (error, "%s wants an STDiT whose hidden size its heads and 4 divide", what);
  s->config.in_channels = s->options.vae.latent_channels;
  s->config.caption_channels = s->options.text.d_model;
  s->config.model_max_length = (int) s->options.length;
  return TRUE;
}

/* The stage whose weights are continued must have a network of the same shape; positions may be other ones. */
static gboolean
read_init (DiffusionStage *s, const FwTrainRecipe *recipe, const char *what, GError **error)
{
  JsonObject *init = fw_recipe_strict_object (s->stage->json, "init", init_keys, what, error);
  s->start.temporal_qkv = 1;
  if (init == NULL || !fw_config_read (init, init_fields, &s->start, what, error)
      || !fw_recipe_flag (init, "fast", &s->start.fast, what, error))
    return FALSE;
  if (g_str_equal (s->stage->init_from, "random"))
    return TRUE;
  s->before = fw_train_recipe_stage (recipe, s->stage->init_from);
  if (s->before == NULL || s->before >= s->stage || s->before->kind != &fw_stage_diffusion)
    return fw_recipe_refuse (error, "“init” of %s must name an earlier diffusion stage, or “random”", what);
  FwStditConfig other;
  if (!fw_stage_diffusion_config (recipe, s->before, &other, error))
    return FALSE;
  if (other.depth != s->config.depth || other.hidden_size != s->config.hidden_size || other.num_heads != s->config.num_heads
      || memcmp (other.patch_size, s->config.patch_size, sizeof other.patch_size) != 0
      || other.in_channels != s->config.in_channels
      || other.caption_channels != s->config.caption_channels || other.model_max_length != s->config.model_max_length)
    return fw_recipe_refuse (error, "%s continues “%s”, which has a network of another shape", what, s->before->name);
  return TRUE;
}

/* Positions of the temporal table from the first to the last frame of a clip. */
static double
positions (const DiffusionStage *s)
{
  return 1 + round ((s->stage->rows[0].frames / s->config.patch_size[0] - 1) / s->config.time_scale);
}

static gboolean
check_rows (const DiffusionStage *s, const char *what, GError **error)
{
  int factor = fw_sd_vae_factor (&s->options.vae);
  gboolean clips = FALSE;
  for (guint i = 0; i < s->stage->n_rows; i++) {
    const FwTrainRow *row = &s->stage->rows[i];
    const int *patch = s->config.patch_size;
    if (row->size % (factor * patch[1]) != 0 || row->size % (factor * patch[2]) != 0 || row->frames % patch[0] != 0)
      return fw_recipe_refuse (error, "%s needs sizes that %d divides and frames that %d divides", what,
                               factor * MAX (patch[1], patch[2]), patch[0]);
    clips |= row->frames > 1;
  }
  if (clips && s->stage->rows[0].frames == 1)
    return fw_recipe_refuse (error, "%s has clips and pictures in “data”; the first row must be clips", what);
  if (s->start.frame_code > 0 && !(positions (s) >= 2 && positions (s) <= FW_FRAME_CODE_MOST))
    return fw_recipe_refuse (error, "%s wants clips over 2 to %d positions in time for its “frame_code”", what, FW_FRAME_CODE_MOST);
  return TRUE;
}

static gboolean
read_stage (DiffusionStage *s, const FwTrainRecipe *recipe, GError **error)
{
  const FwTrainStage *stage = s->stage;
  g_autofree char *what = g_strdup_printf ("stage “%s”", stage->name);
  const char *spacing = "uniform";
  FwDiffusionOptions *o = &s->options;
  *o = (FwDiffusionOptions) { .caption_dropout = 0.1, .weight_cap = 1, .variance = 1 };
  s->vae = fw_stage_named (recipe, stage, "vae", &fw_stage_image_vae, error);
  s->text = s->vae != NULL ? fw_stage_named (recipe, stage, "text", &fw_stage_text_encoder, error) : NULL;
  s->pieces = s->text != NULL ? fw_stage_named (recipe, s->text, "tokenizer", &fw_stage_sentencepiece, error) : NULL;
  if (s->pieces == NULL || !fw_stage_vae_config (s->vae, &o->vae, error)
      || !fw_stage_text_config (recipe, s->text, &o->text, &o->length, error))
    return FALSE;
  JsonObject *loss = fw_recipe_strict_object (stage->json, "loss", loss_keys, what, error);
  if (loss == NULL || !fw_config_read (loss, loss_fields, o, what, error)
      || !fw_recipe_choice (stage->json, "timesteps", fw_timesteps_names, &spacing, what, error))
    return FALSE;
  o->vae_stage = s->vae;
  o->timesteps = fw_timesteps_find (spacing);
  return read_network (s, what, error) && read_init (s, recipe, what, error) && check_rows (s, what, error);
}

static gboolean
check (const FwTrainRecipe *recipe, const FwTrainStage *stage, GError **error)
{
  DiffusionStage s = { .stage = stage };
  return read_stage (&s, recipe, error);
}

gboolean
fw_stage_diffusion_config (const FwTrainRecipe *recipe, const FwTrainStage *stage, FwStditConfig *config, GError **error)
{
  DiffusionStage s = { .stage = stage };
  gboolean done = read_stage (&s, recipe, error);
  *config = s.config;
  return done;
}

/* --- training --- */

static FwVal
latent (FwGraph *graph, const DiffusionStage *s, const FwTrainRow *row, const char *name)
{
  gint64 side = row->size / fw_sd_vae_factor (&s->options.vae);
  return fw_external (graph, name, FW_DTYPE_F32, 5, (gint64[]) { row->batch, s->config.in_channels, row->frames, side, side });
}

static FwVal
record_loss (FwGraph *graph, guint variant, gpointer data)
{
  const DiffusionStage *s = data;
  const FwTrainRow *row = &s->stage->rows[variant];
  gint64 size = row->batch;
  FwStditConfig config = s->config;
  config.without_time = row->frames == 1;
  FwVal x0 = latent (graph, s, row, "x0"), noise = latent (graph, s, row, "noise"), xt = latent (graph, s, row, "xt");
  FwVal t = fw_external (graph, "t", FW_DTYPE_F32, 1, &size);
  FwVal y = fw_external (graph, "y", FW_DTYPE_F32, 3, (gint64[]) { size, s->options.length, config.caption_channels });
  FwVal mask = fw_external (graph, "mask", FW_DTYPE_U8, 2, (gint64[]) { size, s->options.length });
  FwVal rows = fw_external (graph, "rows", FW_DTYPE_F32, 2, (gint64[]) { size, FW_LOSS_COLUMNS });
  FwDiffusionLoss loss = fw_diffusion_loss (graph, fw_stdit (graph, &config, xt, t, y, mask), x0, noise, xt, rows);
  fw_keep (graph, "mse", loss.mse);
  return loss.total;
}

static gboolean
batch (gpointer data, const FwTrainStep *at, GError **error)
{
  DiffusionStage *s = data;
  return fw_diffusion_batches_make (s->batches, at, fw_trainer_exec (s->trainer, at->row), error);
}

/* @rehearsal: with blank frozen networks, which earlier stages have yet to make. */
static gboolean
open_stage (DiffusionStage *s, gboolean rehearsal, GError **error)
{
  const FwTrainStage *stage = s->stage;
  if (!read_stage (s, s->context->recipe, error))
    return FALSE;
  g_autofree char *vae = fw_stage_path (s->context, s->vae, NULL), *text = fw_stage_path (s->context, s->text, NULL);
  g_autofree char *pieces = fw_stage_path (s->context, s->pieces, NULL);
  s->batches = rehearsal ? fw_diffusion_batches_new (s->context, stage, &s->options, NULL, NULL, NULL, error)
                         : fw_diffusion_batches_new (s->context, stage, &s->options, vae, text, pieces, error);
  if (s->batches == NULL)
    return FALSE;
  const FwTrainerSettings settings = {
    .variants = stage->n_rows, .compute = s->context->compute, .clip = stage->clip,
    .adamw = { stage->beta1, stage->beta2, stage->epsilon, stage->weight_decay },
    .slab_bytes = fw_diffusion_batches_slab_bytes (s->batches),
  };
  s->trainer = fw_trainer_new (record_loss, s, &settings, s->context->device, error);
  return s->trainer != NULL && fw_diffusion_batches_bind (s->batches, fw_trainer_slab (s->trainer), error);
}

static void
close_stage (DiffusionStage *s)
{
  fw_trainer_free (s->trainer);
  fw_diffusion_batches_free (s->batches);
}

/* The weights and the null caption of the stage before. */
static gboolean
continue_weights (DiffusionStage *s, float *flat, float *caption, GError **error)
{
  const FwParameters *parameters = fw_trainer_parameters (s->trainer);
  g_autofree char *path = fw_stage_path (s->context, s->before, NULL);
  g_autoptr (FwCheckpoint) checkpoint = fw_checkpoint_open (path, error);
  if (checkpoint == NULL || !fw_parameters_read (parameters, checkpoint, &fw_names_stdit, flat, NULL, error))
    return FALSE;
  const FwCheckpointTensor *null = fw_checkpoint_find (checkpoint, "y_embedder.y_embedding");
  if (null == NULL || null->rank != 2 || null->dim[0] != s->options.length || null->dim[1] != s->config.caption_channels) {
    g_set_error (error, FW_ERROR, FW_ERROR_CHECKPOINT, "“%s” has no null caption of this model's shape", path);
    return FALSE;
  }
  return fw_checkpoint_read (checkpoint, null, FW_DTYPE_F32, caption, error);
}

/* The weights to begin with, and the null caption, which is no weight and never changes. */
static gboolean
initialise (DiffusionStage *s, GError **error)
{
  const FwParameters *parameters = fw_trainer_parameters (s->trainer);
  float *flat = fw_trainer_array (s->trainer, FW_TRAINER_WEIGHTS), *caption = fw_diffusion_batches_null_caption (s->batches);
  gsize count = (gsize) s->options.length * s->config.caption_channels;
  FwNoise noise;
  fw_noise_seed (&noise, fw_stage_seed (s->stage, 0, PURPOSE_NULL_CAPTION));
  fw_noise_randn (&noise, caption, count);
  for (gsize i = 0; i < count; i++)
    caption[i] /= sqrtf ((float) s->config.caption_channels);
  fw_diffusion_init (parameters, &s->config, &s->start, s->stage->seed, flat);
  if (s->before != NULL && !continue_weights (s, flat, caption, error))
    return FALSE;
  if (s->start.frame_code > 0)
    fw_frame_code (parameters, &s->config, (int) positions (s), s->start.frame_code, fw_stage_seed (s->stage, 0, PURPOSE_FRAME_CODE), flat);
  return TRUE;
}

static gboolean
finish (DiffusionStage *s, GError **error)
{
  const gint64 dim[] = { s->options.length, s->config.caption_channels };
  const FwSafetensorsEntry null = {
    "y_embedder.y_embedding", fw_tensor_dense (fw_diffusion_batches_null_caption (s->batches), FW_DTYPE_F32, 2, dim), FW_DTYPE_F32
  };
  g_autofree char *folder = fw_stage_path (s->context, s->stage, NULL);
  return fw_parameters_write (fw_trainer_parameters (s->trainer), fw_trainer_array (s->trainer, FW_TRAINER_WEIGHTS), FW_DTYPE_F32,
                              &null, 1, folder, "diffusion_pytorch_model", error);
}

static gboolean
forecast (FwTrainContext *context, const FwTrainStage *stage, FwStageForecast *forecast, GError **error)
{
  DiffusionStage s = { .context = context, .stage = stage };
  const gsize before = fw_stage_memory ();
  gboolean done = open_stage (&s, TRUE, error);
  forecast->bytes = fw_stage_memory () - before;
  const FwTrainLoop loop = { context, stage, s.trainer, batch, &s };
  done = done && fw_train_rehearse (&loop, forecast, error)
         && fw_diffusion_batches_rehearse_caches (s.batches, &forecast->start, error);
  close_stage (&s);
  return done;
}

static gboolean
run (FwTrainContext *context, const FwTrainStage *stage, GError **error)
{
  DiffusionStage s = { .context = context, .stage = stage };
  gboolean done = open_stage (&s, FALSE, error) && fw_diffusion_batches_fill_caches (s.batches, error) && initialise (&s, error);
  const FwTrainLoop loop = { context, stage, s.trainer, batch, &s };
  done = done && fw_train_loop (&loop, error) && finish (&s, error);
  close_stage (&s);
  return done;
}

const FwStageKind fw_stage_diffusion = { "diffusion", keys, TRUE, TRUE, check, forecast, run };
