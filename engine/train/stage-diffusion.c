/* SPDX-License-Identifier: Apache-2.0
 * The stage that trains the diffusion transformer on latents of the frozen VAE and states of the frozen text encoder. */
#include <math.h>
#include <string.h>

#include "engine/checkpoint/json-text.h"
#include "engine/memory/file.h"
#include "engine/model/config.h"
#include "engine/model/stdit.h"
#include "engine/train/diffusion-init.h"
#include "engine/train/diffusion-loss.h"
#include "engine/train/frozen.h"
#include "engine/train/latent-cache.h"
#include "engine/train/shapes-batch.h"
#include "engine/train/stage.h"

static const char *const keys[] = { "model", "vae", "text", "loss", "timesteps", NULL };
enum { PURPOSE_POSTERIOR = 1, PURPOSE_NOISE, PURPOSE_TIME, PURPOSE_DROPOUT, PURPOSE_NULL_CAPTION };

/* What one row of the data needs: its encoders and the buffers of a batch. */
typedef struct {
  FwFrozenVae *vae;
  FwFrozenText *text;
  FwLatentCache *cache;      /* or NULL */
  gint64 cached;             /* samples in it: a whole number of batches */
  FwShapesScene *scenes;
  float *images, *x0, *noise, *xt, *t, *rows, *states;
  gint32 *ids;
  guint8 *mask;
} Row;

typedef struct {
  FwTrainContext *context;
  const FwTrainStage *stage;
  FwStditConfig config;
  double caption_dropout, weight_cap, variance, mean_weight;
  gboolean stratified;
  gint64 length;             /* of captions */
  int factor, channels;      /* of the VAE */
  double scale;
  Row rows[FW_TRAIN_MAX_ROWS];
  float *null_caption;       /* [length, caption_channels] */
  FwDiffusion *diffusion;
  FwTrainer *trainer;
} DiffusionStage;

static FwVal
latent (FwGraph *graph, const DiffusionStage *s, const FwTrainRow *row, const char *name)
{
  gint64 side = row->size / s->factor;
  return fw_external (graph, name, FW_DTYPE_F32, 5, (gint64[]) { row->batch, s->channels, row->frames, side, side });
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
  FwVal y = fw_external (graph, "y", FW_DTYPE_F32, 3, (gint64[]) { size, s->length, config.caption_channels });
  FwVal mask = fw_external (graph, "mask", FW_DTYPE_U8, 2, (gint64[]) { size, s->length });
  FwVal rows = fw_external (graph, "rows", FW_DTYPE_F32, 2, (gint64[]) { size, FW_LOSS_COLUMNS });
  FwDiffusionLoss loss = fw_diffusion_loss (graph, fw_stdit (graph, &config, xt, t, y, mask), x0, noise, xt, rows);
  fw_keep (graph, "mse", loss.mse);
  return loss.total;
}

static gsize
latent_size (const DiffusionStage *s, const FwTrainRow *row)
{
  gsize side = row->size / s->factor;
  return (gsize) s->channels * row->frames * side * side;
}

/* The weight that makes noise prediction pay for errors of the clean latent, capped (as v-prediction with a cap would). */
static double
weight (const DiffusionStage *s, int index)
{
  return MIN (1 / s->diffusion->abar[index], s->weight_cap) / s->mean_weight;
}

/* Timesteps, noise, the noisy latent and the loss's coefficients of a batch. */
static void
add_noise (DiffusionStage *s, const FwTrainRow *row, Row *b, gint64 step)
{
  gsize per_sample = latent_size (s, row);
  FwNoise time, draw;
  fw_noise_seed (&time, fw_stage_seed (s->stage, step, PURPOSE_TIME));
  fw_noise_seed (&draw, fw_stage_seed (s->stage, step, PURPOSE_NOISE));
  fw_noise_randn (&draw, b->noise, per_sample * row->batch);
  fw_noise_rand (&time, b->t, row->batch);
  for (int i = 0; i < row->batch; i++) {
    double u = s->stratified ? (i + b->t[i]) / row->batch : b->t[i];
    int index = MIN ((int) (u * s->diffusion->steps), s->diffusion->steps - 1);
    float keep = (float) s->diffusion->sqrt_abar[index], spread = (float) s->diffusion->sqrt_1m_abar[index];
    const float *x0 = b->x0 + i * per_sample, *noise = b->noise + i * per_sample;
    float *xt = b->xt + i * per_sample, *coefficients = b->rows + i * FW_LOSS_COLUMNS;
    for (gsize j = 0; j < per_sample; j++)
      xt[j] = keep * x0[j] + spread * noise[j];
    b->t[i] = (float) s->diffusion->timestep[index];
    fw_diffusion_loss_row (s->diffusion, index, coefficients);
    coefficients[FW_LOSS_MSE_WEIGHT] = (float) weight (s, index);
    coefficients[FW_LOSS_VB_WEIGHT] = (float) (s->variance / s->mean_weight);
  }
}

/* Posterior samples times the scale; the encoder's frames [B*T, 2C, y, x] become x0 [B, C, T, y, x]. */
static void
sample_latents (DiffusionStage *s, const FwTrainRow *row, Row *b, const float *moments, gint64 step)
{
  gsize plane = (gsize) (row->size / s->factor) * (row->size / s->factor), channels = s->channels, frames = row->frames;
  FwNoise draw;
  fw_noise_seed (&draw, fw_stage_seed (s->stage, step, PURPOSE_POSTERIOR));
  fw_noise_randn (&draw, b->x0, row->batch * channels * frames * plane);
  for (gsize i = 0; i < (gsize) row->batch; i++)
    for (gsize c = 0; c < channels; c++)
      for (gsize t = 0; t < frames; t++) {
        const float *mean = moments + ((i * frames + t) * 2 * channels + c) * plane, *logvar = mean + channels * plane;
        float *x0 = b->x0 + ((i * channels + c) * frames + t) * plane;
        for (gsize p = 0; p < plane; p++)
          x0[p] = (float) s->scale * (mean[p] + expf (logvar[p] / 2) * x0[p]);
      }
}

/* Captions' states, those dropped replaced by the null caption; the masks stay (2.5). */
static gboolean
encode_captions (DiffusionStage *s, const FwTrainRow *row, Row *b, gint64 step, GError **error)
{
  gsize count = (gsize) s->length * s->config.caption_channels;
  if (!fw_shapes_batch_captions (row, b->scenes, fw_frozen_text_tokenizer (b->text), s->length, b->ids, b->mask, error))
    return FALSE;
  const float *states = fw_frozen_text_encode (b->text, b->ids, b->mask, s->context->cancellable, error);
  if (states == NULL)
    return FALSE;
  FwNoise draw;
  fw_noise_seed (&draw, fw_stage_seed (s->stage, step, PURPOSE_DROPOUT));
  for (int i = 0; i < row->batch; i++) {
    float u;
    fw_noise_rand (&draw, &u, 1);
    memcpy (b->states + i * count, u < s->caption_dropout ? s->null_caption : states + i * count, count * sizeof (float));
  }
  return TRUE;
}

/* Renders samples @first on and encodes them into b->x0; @draw numbers the posterior's noise. */
static gboolean
encode_pictures (DiffusionStage *s, const FwTrainRow *row, Row *b, guint64 first, gint64 draw, GError **error)
{
  fw_shapes_batch_render (row, s->stage->seed, first, s->context->device->pool, b->scenes, b->images);
  const float *moments = fw_frozen_vae_encode (b->vae, b->images, s->context->cancellable, error);
  if (moments == NULL)
    return FALSE;
  sample_latents (s, row, b, moments, draw);
  return TRUE;
}

typedef struct { DiffusionStage *stage; guint row; } Encoding;

static gboolean
encode_for_cache (gpointer data, gint64 first, gint64 count, float *latents, GError **error)
{
  const Encoding *encoding = data;
  DiffusionStage *s = encoding->stage;
  const FwTrainRow *row = &s->stage->rows[encoding->row];
  Row *b = &s->rows[encoding->row];
  if (!encode_pictures (s, row, b, (guint64) first, first, error))
    return FALSE;
  memcpy (latents, b->x0, (gsize) count * latent_size (s, row) * sizeof (float));
  return TRUE;
}

static gboolean
open_cache (DiffusionStage *s, guint index, const FwTrainStage *vae, GError **error)
{
  const FwTrainRow *row = &s->stage->rows[index];
  Row *b = &s->rows[index];
  Encoding encoding = { s, index };
  if (row->cache == 0)
    return TRUE;
  b->cached = ((gint64) row->cache + row->batch - 1) / row->batch * row->batch;
  g_autofree char *vae_digest = fw_train_stage_digest (s->context->recipe, vae), *stage_digest = fw_train_stage_digest (s->context->recipe, s->stage);
  g_autofree char *text = g_strconcat (vae_digest, stage_digest, NULL), *digest = g_compute_checksum_for_string (G_CHECKSUM_SHA256, text, -1);
  g_autofree char *name = g_strdup_printf ("%s.%u.latents", s->stage->name, index), *path = g_build_filename (s->context->folder, "state", name, NULL);
  fw_job_message (s->context->events, "Stage “%s” encodes %" G_GINT64_FORMAT " samples, or reads them where it has", s->stage->name, b->cached);
  b->cache = fw_latent_cache_open (path, digest, b->cached, (gint64) latent_size (s, row), row->batch, encode_for_cache, &encoding, error);
  return b->cache != NULL;
}

/* Latents and scenes of a step's samples. */
static gboolean
take_samples (DiffusionStage *s, const FwTrainRow *row, Row *b, gint64 step, GError **error)
{
  guint64 first = fw_train_stage_first_sample (s->stage, step);
  if (b->cache == NULL)
    return encode_pictures (s, row, b, first, step, error);
  for (int i = 0; i < row->batch; i++) {
    guint64 sample = (first + (guint64) i) % (guint64) b->cached;
    fw_shapes_draw (s->stage->seed, sample, FW_SHAPES_TRAINED, &b->scenes[i]);
    fw_latent_cache_get (b->cache, sample, b->x0 + (gsize) i * latent_size (s, row));
  }
  return TRUE;
}

static gboolean
batch (gpointer data, gint64 step, guint variant, GError **error)
{
  DiffusionStage *s = data;
  const FwTrainRow *row = &s->stage->rows[variant];
  Row *b = &s->rows[variant];
  if (!take_samples (s, row, b, step, error))
    return FALSE;
  add_noise (s, row, b, step);
  if (!encode_captions (s, row, b, step, error))
    return FALSE;
  FwExec *exec = fw_trainer_exec (s->trainer, variant);
  fw_exec_bind (exec, "x0", b->x0);
  fw_exec_bind (exec, "noise", b->noise);
  fw_exec_bind (exec, "xt", b->xt);
  fw_exec_bind (exec, "t", b->t);
  fw_exec_bind (exec, "y", b->states);
  fw_exec_bind (exec, "mask", b->mask);
  fw_exec_bind (exec, "rows", b->rows);
  return TRUE;
}

/* --- setting up --- */

typedef struct { double caption_dropout, weight_cap, variance; } Options;

static const FwConfigField model_fields[] = {
  { "depth", FW_CONFIG_INT, offsetof (FwStditConfig, depth), 1, 1, 1000, TRUE },
  { "hidden_size", FW_CONFIG_INT, offsetof (FwStditConfig, hidden_size), 1, 4, 1 << 16, TRUE },
  { "num_heads", FW_CONFIG_INT, offsetof (FwStditConfig, num_heads), 1, 1, 1 << 10, TRUE },
  { "patch_size", FW_CONFIG_INT, offsetof (FwStditConfig, patch_size), 3, 1, 16, FALSE },
  { "space_scale", FW_CONFIG_DOUBLE, offsetof (FwStditConfig, space_scale), 1, 1e-3, 1e3, FALSE },
  { "time_scale", FW_CONFIG_DOUBLE, offsetof (FwStditConfig, time_scale), 1, 1e-3, 1e3, FALSE },
  { NULL }
};
static const FwConfigField dropout_field[] = { { "caption_dropout", FW_CONFIG_DOUBLE, offsetof (Options, caption_dropout), 1, 0, 1, FALSE }, { NULL } };
static const FwConfigField loss_fields[] = {
  { "weight_cap", FW_CONFIG_DOUBLE, offsetof (Options, weight_cap), 1, 1, 1e9, FALSE },
  { "variance", FW_CONFIG_DOUBLE, offsetof (Options, variance), 1, 0, 1, FALSE },
  { NULL }
};

static gboolean
read_config (DiffusionStage *s, GError **error)
{
  JsonObject *model = fw_stage_object (s->stage, "model", error), *loss = fw_stage_object (s->stage, "loss", error);
  Options options = { 0.1, 1, 1 };
  s->config = fw_stdit_default;
  s->config.space_scale = 1;
  if (model == NULL || loss == NULL || !fw_config_read (model, model_fields, &s->config, s->stage->name, error)
      || !fw_config_read (model, dropout_field, &options, s->stage->name, error) || !fw_config_read (loss, loss_fields, &options, s->stage->name, error))
    return FALSE;
  if (g_strcmp0 (json_object_get_string_member_with_default (model, "type", ""), "STDiT") != 0 || s->config.hidden_size % (4 * s->config.num_heads) != 0) {
    g_set_error (error, FW_ERROR, FW_ERROR_FORMAT, "The recipe cannot be used: stage “%s” wants an STDiT whose hidden size its heads and 4 divide", s->stage->name);
    return FALSE;
  }
  s->caption_dropout = options.caption_dropout;
  s->weight_cap = options.weight_cap;
  s->variance = options.variance;
  s->stratified = g_strcmp0 (json_object_get_string_member_with_default (s->stage->json, "timesteps", "uniform"), "stratified") == 0;
  s->diffusion = fw_diffusion_new ("linear", "", error);
  if (s->diffusion == NULL)
    return FALSE;
  for (int i = 0; i < s->diffusion->steps; i++)
    s->mean_weight += MIN (1 / s->diffusion->abar[i], s->weight_cap) / s->diffusion->steps;
  return TRUE;
}

static gboolean
open_row (DiffusionStage *s, guint index, const char *vae, const char *text, const char *spiece, GError **error)
{
  const FwTrainRow *row = &s->stage->rows[index];
  Row *b = &s->rows[index];
  FwDevice *device = s->context->device;
  b->vae = fw_frozen_vae_new (vae, (gint64) row->batch * row->frames, row->size, s->context->compute, device, error);
  b->text = b->vae != NULL ? fw_frozen_text_new (text, spiece, row->batch, s->length, device, error) : NULL;
  if (b->text == NULL)
    return FALSE;
  const FwSdVaeConfig *config = fw_frozen_vae_config (b->vae);
  s->factor = fw_sd_vae_factor (config);
  s->channels = s->config.in_channels = config->latent_channels;
  s->scale = config->scaling_factor;
  s->config.caption_channels = fw_frozen_text_config (b->text)->d_model;
  if (row->size % (s->factor * s->config.patch_size[1]) != 0 || row->frames % s->config.patch_size[0] != 0) {
    g_set_error (error, FW_ERROR, FW_ERROR_FORMAT, "The recipe cannot be used: stage “%s” has a size or frame count that latents and patches do not divide", s->stage->name);
    return FALSE;
  }
  gsize size = row->batch, frames = size * row->frames, side = row->size / s->factor, latents = frames * s->channels * side * side;
  b->scenes = g_new (FwShapesScene, size);
  b->images = g_new (float, frames * row->size * row->size * 3);
  b->x0 = g_new (float, latents);
  b->noise = g_new (float, latents);
  b->xt = g_new (float, latents);
  b->t = g_new (float, size);
  b->rows = g_new (float, size * FW_LOSS_COLUMNS);
  b->states = g_new (float, size * s->length * s->config.caption_channels);
  b->ids = g_new (gint32, size * s->length);
  b->mask = g_new (guint8, size * s->length);
  return TRUE;
}

static gboolean
open_frozen (DiffusionStage *s, GError **error)
{
  const FwTrainStage *vae = fw_stage_named (s->context, s->stage, "vae", &fw_stage_image_vae, error);
  const FwTrainStage *text = vae != NULL ? fw_stage_named (s->context, s->stage, "text", &fw_stage_text_encoder, error) : NULL;
  const FwTrainStage *pieces = text != NULL ? fw_stage_named (s->context, text, "tokenizer", &fw_stage_sentencepiece, error) : NULL;
  if (pieces == NULL)
    return FALSE;
  g_autofree char *vae_path = fw_stage_path (s->context, vae, NULL), *text_path = fw_stage_path (s->context, text, NULL);
  g_autofree char *spiece = fw_stage_path (s->context, pieces, NULL);
  s->length = json_object_get_int_member_with_default (text->json, "length", 120);
  for (guint i = 0; i < s->stage->n_rows; i++)
    if (!open_row (s, i, vae_path, text_path, spiece, error) || !open_cache (s, i, vae, error))
      return FALSE;
  return TRUE;
}

/* The weights to begin with, and the null caption, which is no weight and never changes. */
static gboolean
initialise (DiffusionStage *s, GError **error)
{
  const FwParameters *parameters = fw_trainer_parameters (s->trainer);
  float *flat = fw_trainer_array (s->trainer, FW_TRAINER_WEIGHTS);
  gsize count = (gsize) s->length * s->config.caption_channels;
  FwNoise noise;
  s->null_caption = g_new (float, count);
  fw_noise_seed (&noise, fw_stage_seed (s->stage, 0, PURPOSE_NULL_CAPTION));
  fw_noise_randn (&noise, s->null_caption, count);
  for (gsize i = 0; i < count; i++)
    s->null_caption[i] /= sqrtf ((float) s->config.caption_channels);
  JsonNode *temporal = json_object_get_member (s->stage->init, "temporal");
  double gain = temporal != NULL && JSON_NODE_HOLDS_VALUE (temporal) ? json_node_get_double (temporal) : 0;
  fw_diffusion_init (parameters, &s->config, json_object_get_boolean_member_with_default (s->stage->init, "fast", FALSE), gain, s->stage->seed, flat);
  if (g_strcmp0 (s->stage->init_from, "random") == 0)
    return TRUE;
  const FwTrainStage *before = fw_train_recipe_stage (s->context->recipe, s->stage->init_from);
  if (before == NULL || before >= s->stage || before->kind != &fw_stage_diffusion) {
    g_set_error (error, FW_ERROR, FW_ERROR_FORMAT, "The recipe cannot be used: “init” of stage “%s” must name an earlier diffusion stage, or “random”", s->stage->name);
    return FALSE;
  }
  g_autofree char *path = fw_stage_path (s->context, before, "transformer.safetensors");
  g_autoptr (FwCheckpoint) checkpoint = fw_checkpoint_open (path, error);
  if (checkpoint == NULL || !fw_parameters_read (parameters, checkpoint, &fw_names_stdit, flat, NULL, error))
    return FALSE;
  const FwCheckpointTensor *null = fw_checkpoint_find (checkpoint, "y_embedder.y_embedding");
  if (null == NULL || null->rank != 2 || null->dim[0] != s->length || null->dim[1] != s->config.caption_channels) {
    g_set_error (error, FW_ERROR, FW_ERROR_CHECKPOINT, "“%s” has no null caption of this model's shape", path);
    return FALSE;
  }
  return fw_checkpoint_read (checkpoint, null, FW_DTYPE_F32, s->null_caption, error);
}

static gboolean
finish (DiffusionStage *s, GError **error)
{
  const gint64 dim[] = { s->length, s->config.caption_channels };
  const FwSafetensorsEntry null = { "y_embedder.y_embedding", fw_tensor_dense (s->null_caption, FW_DTYPE_F32, 2, dim), FW_DTYPE_F32 };
  g_autofree char *path = fw_stage_path (s->context, s->stage, "transformer.safetensors");
  return fw_parameters_write (fw_trainer_parameters (s->trainer), fw_trainer_array (s->trainer, FW_TRAINER_WEIGHTS), FW_DTYPE_F32, &null, 1, path, error);
}

static gboolean
run_stage (DiffusionStage *s, GError **error)
{
  const FwTrainStage *stage = s->stage;
  const FwTrainerSettings settings = {
    .variants = stage->n_rows, .compute = s->context->compute, .clip = stage->clip,
    .adamw = { stage->beta1, stage->beta2, stage->epsilon, stage->weight_decay },
  };
  if (!read_config (s, error) || !open_frozen (s, error))
    return FALSE;
  s->trainer = fw_trainer_new (record_loss, s, &settings, s->context->device, error);
  if (s->trainer == NULL || !initialise (s, error))
    return FALSE;
  const FwTrainLoop loop = { s->context, stage, s->trainer, batch, s };
  return fw_train_loop (&loop, error) && finish (s, error);
}

static void
row_clear (Row *b)
{
  fw_frozen_vae_free (b->vae);
  fw_frozen_text_free (b->text);
  fw_latent_cache_free (b->cache);
  g_free (b->scenes);
  g_free (b->images);
  g_free (b->x0);
  g_free (b->noise);
  g_free (b->xt);
  g_free (b->t);
  g_free (b->rows);
  g_free (b->states);
  g_free (b->ids);
  g_free (b->mask);
}

static gboolean
run (FwTrainContext *context, const FwTrainStage *stage, GError **error)
{
  DiffusionStage *s = g_new0 (DiffusionStage, 1);
  s->context = context;
  s->stage = stage;
  gboolean done = run_stage (s, error);
  fw_trainer_free (s->trainer);
  for (guint i = 0; i < stage->n_rows; i++)
    row_clear (&s->rows[i]);
  fw_diffusion_free (s->diffusion);
  g_free (s->null_caption);
  g_free (s);
  return done;
}

const FwStageKind fw_stage_diffusion = { "diffusion", keys, TRUE, run };
