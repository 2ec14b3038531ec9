/* SPDX-License-Identifier: Apache-2.0
 * Drawing, encoding and noising batches. */
#include "engine/train/diffusion-batch.h"

#include <math.h>
#include <string.h>

#include "engine/memory/buffers.h"
#include "engine/train/diffusion-loss.h"
#include "engine/train/latent-cache.h"
#include "engine/train/shapes-batch.h"

enum { PURPOSE_POSTERIOR = 1, PURPOSE_NOISE, PURPOSE_TIME, PURPOSE_DROPOUT };

/* What one row of the data needs: its encoders and the buffers of a batch. */
typedef struct {
  FwFrozenVae *vae;
  FwFrozenText *text;
  FwLatentCache *cache;      /* or NULL */
  gint64 cached;             /* samples in it, or meant to be: a whole number of batches */
  FwShapesScene *scenes;
  float *images, *x0, *noise, *xt, *t, *rows, *states;
  gint32 *ids;
  guint8 *mask;
} Row;

struct _FwDiffusionBatches {
  FwTrainContext *context;
  const FwTrainStage *stage;
  const FwDiffusionOptions *options;
  FwT5Tokenizer *tokenizer;
  FwDiffusion *diffusion;
  double mean_weight;
  int factor, channels, width; /* of the VAE, of the VAE, of states */
  float *null_caption;
  Row rows[FW_TRAIN_MAX_ROWS];
  double encoded, to_encode; /* batches for caches */
  FwBuffers buffers;         /* all the arrays */
};

/* Floats of a sample's latent. */
static gsize
latent_size (const FwDiffusionBatches *s, const FwTrainRow *row)
{
  gsize side = row->size / s->factor;
  return (gsize) s->channels * row->frames * side * side;
}

/* The weight that makes noise prediction pay for errors of the clean latent, capped (as v-prediction with a cap would). */
static double
weight (const FwDiffusionBatches *s, int index)
{
  return MIN (1 / s->diffusion->abar[index], s->options->weight_cap) / s->mean_weight;
}

/* Timesteps, noise, the noisy latent and the loss's coefficients of a batch. */
static void
add_noise (FwDiffusionBatches *s, const FwTrainRow *row, Row *b, gint64 step)
{
  gsize per_sample = latent_size (s, row);
  FwNoise time, draw;
  fw_noise_seed (&time, fw_stage_seed (s->stage, step, PURPOSE_TIME));
  fw_noise_seed (&draw, fw_stage_seed (s->stage, step, PURPOSE_NOISE));
  fw_noise_randn (&draw, b->noise, per_sample * row->batch);
  fw_noise_rand (&time, b->t, row->batch);
  for (int i = 0; i < row->batch; i++) {
    int index = fw_timesteps_draw (s->options->timesteps, b->t[i], i, row->batch, s->diffusion->steps);
    float keep = (float) s->diffusion->sqrt_abar[index], spread = (float) s->diffusion->sqrt_1m_abar[index];
    const float *x0 = b->x0 + i * per_sample, *noise = b->noise + i * per_sample;
    float *xt = b->xt + i * per_sample, *coefficients = b->rows + i * FW_LOSS_COLUMNS;
    for (gsize j = 0; j < per_sample; j++)
      xt[j] = keep * x0[j] + spread * noise[j];
    b->t[i] = (float) s->diffusion->timestep[index];
    fw_diffusion_loss_row (s->diffusion, index, coefficients);
    coefficients[FW_LOSS_MSE_WEIGHT] = (float) weight (s, index);
    coefficients[FW_LOSS_VB_WEIGHT] = (float) (s->options->variance / s->mean_weight);
  }
}

/* Posterior samples times the scale; the encoder's frames [B*T, 2C, y, x] become x0 [B, C, T, y, x]. */
static void
sample_latents (FwDiffusionBatches *s, const FwTrainRow *row, Row *b, const float *moments, gint64 step)
{
  gsize plane = (gsize) (row->size / s->factor) * (row->size / s->factor), channels = s->channels, frames = row->frames;
  float scale = (float) fw_frozen_vae_config (b->vae)->scaling_factor;
  FwNoise draw;
  fw_noise_seed (&draw, fw_stage_seed (s->stage, step, PURPOSE_POSTERIOR));
  fw_noise_randn (&draw, b->x0, row->batch * channels * frames * plane);
  for (gsize i = 0; i < (gsize) row->batch; i++)
    for (gsize c = 0; c < channels; c++)
      for (gsize t = 0; t < frames; t++) {
        const float *mean = moments + ((i * frames + t) * 2 * channels + c) * plane, *logvar = mean + channels * plane;
        float *x0 = b->x0 + ((i * channels + c) * frames + t) * plane;
        for (gsize p = 0; p < plane; p++)
          x0[p] = scale * (mean[p] + expf (logvar[p] / 2) * x0[p]);
      }
}

/* Without a tokenizer, every token is the first. */
static gboolean
make_captions (FwDiffusionBatches *s, const FwTrainRow *row, Row *b, GError **error)
{
  if (s->tokenizer != NULL)
    return fw_shapes_batch_captions (row, b->scenes, s->tokenizer, s->options->length, b->ids, b->mask, error);
  memset (b->mask, 1, row->batch * s->options->length);
  return TRUE;
}

/* Captions' states, those dropped replaced by the null caption; the masks stay (2.5). */
static gboolean
encode_captions (FwDiffusionBatches *s, const FwTrainRow *row, Row *b, gint64 step, GError **error)
{
  gsize count = (gsize) s->options->length * s->width;
  if (!make_captions (s, row, b, error))
    return FALSE;
  const float *states = fw_frozen_text_encode (b->text, b->ids, b->mask, s->context->cancellable, error);
  if (states == NULL)
    return FALSE;
  FwNoise draw;
  fw_noise_seed (&draw, fw_stage_seed (s->stage, step, PURPOSE_DROPOUT));
  for (int i = 0; i < row->batch; i++) {
    float u;
    fw_noise_rand (&draw, &u, 1);
    const float *from = u < s->options->caption_dropout ? s->null_caption : states + i * count;
    memcpy (b->states + i * count, from, count * sizeof (float));
  }
  return TRUE;
}

/* Renders samples @first on and encodes them into b->x0; @draw numbers the posterior's noise. */
static gboolean
encode_pictures (FwDiffusionBatches *s, const FwTrainRow *row, Row *b, guint64 first, gint64 draw, GError **error)
{
  fw_shapes_batch_render (row, s->stage->seed, first, s->context->device->pool, b->scenes, b->images);
  const float *moments = fw_frozen_vae_encode (b->vae, b->images, s->context->cancellable, error);
  if (moments == NULL)
    return FALSE;
  sample_latents (s, row, b, moments, draw);
  return TRUE;
}

/* Latents and scenes of a step's samples; of a cache that is yet to be filled, only the scenes. */
static gboolean
take_samples (FwDiffusionBatches *s, const FwTrainRow *row, Row *b, const FwTrainStep *at, GError **error)
{
  if (b->cached == 0)
    return encode_pictures (s, row, b, at->first_sample, at->step, error);
  for (int i = 0; i < row->batch; i++) {
    guint64 sample = (at->first_sample + (guint64) i) % (guint64) b->cached;
    fw_shapes_draw (s->stage->seed, sample, FW_SHAPES_TRAINED, &b->scenes[i]);
    if (b->cache != NULL && !fw_latent_cache_get (b->cache, sample, b->x0 + (gsize) i * latent_size (s, row), error))
      return FALSE;
  }
  return TRUE;
}

gboolean
fw_diffusion_batches_make (FwDiffusionBatches *s, const FwTrainStep *at, FwExec *exec, GError **error)
{
  const FwTrainRow *row = &s->stage->rows[at->row];
  Row *b = &s->rows[at->row];
  if (!take_samples (s, row, b, at, error))
    return FALSE;
  add_noise (s, row, b, at->step);
  if (!encode_captions (s, row, b, at->step, error))
    return FALSE;
  fw_exec_bind (exec, "x0", b->x0);
  fw_exec_bind (exec, "noise", b->noise);
  fw_exec_bind (exec, "xt", b->xt);
  fw_exec_bind (exec, "t", b->t);
  fw_exec_bind (exec, "y", b->states);
  fw_exec_bind (exec, "mask", b->mask);
  fw_exec_bind (exec, "rows", b->rows);
  return TRUE;
}

/* --- caches --- */

typedef struct { FwDiffusionBatches *batches; guint row; } Encoding;

static gboolean
encode_for_cache (gpointer data, gint64 first, gint64 count, float *latents, GError **error)
{
  const Encoding *encoding = data;
  FwDiffusionBatches *s = encoding->batches;
  const FwTrainRow *row = &s->stage->rows[encoding->row];
  Row *b = &s->rows[encoding->row];
  if (!encode_pictures (s, row, b, (guint64) first, first, error))
    return FALSE;
  memcpy (latents, b->x0, (gsize) count * latent_size (s, row) * sizeof (float));
  s->encoded++;
  if (s->context->forecast != NULL)
    fw_job_work (s->context->events, s->context->forecast->start * s->encoded / s->to_encode);
  return TRUE;
}

/* What cached latents depend on. */
static char *
cache_digest (const FwDiffusionBatches *s)
{
  const FwTrainRecipe *recipe = s->context->recipe;
  g_autofree char *vae = fw_train_stage_digest (recipe, s->options->vae_stage), *own = fw_train_stage_digest (recipe, s->stage);
  g_autofree char *text = g_strconcat (vae, own, NULL);
  return g_compute_checksum_for_string (G_CHECKSUM_SHA256, text, -1);
}

gboolean
fw_diffusion_batches_fill_caches (FwDiffusionBatches *s, GError **error)
{
  s->encoded = s->to_encode = 0;
  for (guint i = 0; i < s->stage->n_rows; i++)
    s->to_encode += (double) (s->rows[i].cached / s->stage->rows[i].batch);
  for (guint i = 0; i < s->stage->n_rows; i++) {
    const FwTrainRow *row = &s->stage->rows[i];
    Row *b = &s->rows[i];
    Encoding encoding = { s, i };
    if (b->cached == 0)
      continue;
    g_autofree char *digest = cache_digest (s), *path = fw_stage_cache_path (s->context, s->stage, i);
    fw_job_message (s->context->events, "Stage “%s” encodes %" G_GINT64_FORMAT " samples, or reads them where it has",
                    s->stage->name, b->cached);
    b->cache = fw_latent_cache_open (path, digest, b->cached, (gint64) latent_size (s, row), row->batch, encode_for_cache,
                                     &encoding, error);
    if (b->cache == NULL)
      return FALSE;
  }
  return TRUE;
}

static gboolean
encode_batch (gpointer data, GError **error)
{
  const Encoding *encoding = data;
  FwDiffusionBatches *s = encoding->batches;
  return encode_pictures (s, &s->stage->rows[encoding->row], &s->rows[encoding->row], 0, 0, error);
}

gboolean
fw_diffusion_batches_rehearse_caches (FwDiffusionBatches *s, double *seconds, GError **error)
{
  *seconds = 0;
  for (guint i = 0; i < s->stage->n_rows; i++) {
    g_autofree char *path = fw_stage_cache_path (s->context, s->stage, i);
    Encoding encoding = { s, i };
    double took, times = (double) (s->rows[i].cached / s->stage->rows[i].batch);
    if (s->rows[i].cached == 0 || g_file_test (path, G_FILE_TEST_EXISTS))
      continue;
    if (!fw_train_time (encode_batch, &encoding, times, &took, error))
      return FALSE;
    *seconds += took * times;
  }
  return TRUE;
}

/* --- setting up --- */

static gboolean
make_buffers (FwDiffusionBatches *s, const FwTrainRow *row, Row *b, GError **error)
{
  static const char purpose[] = "a batch of clips";
  gsize size = row->batch, frames = size * row->frames, side = row->size / s->factor,
        latents = frames * s->channels * side * side;
  gsize tokens = size * s->options->length;
  FwBuffers *buffers = &s->buffers;
  return (b->scenes = fw_buffers_add (buffers, size, sizeof *b->scenes, purpose, error)) != NULL
         && (b->images = fw_buffers_add (buffers, frames * row->size * row->size, 3 * sizeof (float), purpose, error)) != NULL
         && (b->x0 = fw_buffers_add (buffers, latents, sizeof (float), purpose, error)) != NULL
         && (b->noise = fw_buffers_add (buffers, latents, sizeof (float), purpose, error)) != NULL
         && (b->xt = fw_buffers_add (buffers, latents, sizeof (float), purpose, error)) != NULL
         && (b->t = fw_buffers_add (buffers, size, sizeof (float), purpose, error)) != NULL
         && (b->rows = fw_buffers_add (buffers, size * FW_LOSS_COLUMNS, sizeof (float), purpose, error)) != NULL
         && (b->states = fw_buffers_add (buffers, tokens * s->width, sizeof (float), purpose, error)) != NULL
         && (b->ids = fw_buffers_add (buffers, tokens, sizeof *b->ids, purpose, error)) != NULL
         && (b->mask = fw_buffers_add (buffers, tokens, 1, purpose, error)) != NULL;
}

static gboolean
open_row (FwDiffusionBatches *s, guint index, const char *vae, const char *text, GError **error)
{
  const FwTrainRow *row = &s->stage->rows[index];
  const FwDiffusionOptions *o = s->options;
  Row *b = &s->rows[index];
  FwDevice *device = s->context->device;
  b->vae = fw_frozen_vae_new (vae, &o->vae, (gint64) row->batch * row->frames, row->size, s->context->compute, device, error);
  b->text = b->vae != NULL ? fw_frozen_text_new (text, &o->text, row->batch, o->length, device, error) : NULL;
  if (b->text == NULL)
    return FALSE;
  s->channels = fw_frozen_vae_config (b->vae)->latent_channels;
  s->factor = fw_sd_vae_factor (fw_frozen_vae_config (b->vae));
  s->width = fw_frozen_text_config (b->text)->d_model;
  if (s->channels != o->vae.latent_channels || s->factor != fw_sd_vae_factor (&o->vae) || s->width != o->text.d_model) {
    g_set_error (error, FW_ERROR, FW_ERROR_CHECKPOINT,
                 "The VAE or text encoder that stage “%s” builds on is not the one that the recipe describes", s->stage->name);
    return FALSE;
  }
  b->cached = ((gint64) row->cache + row->batch - 1) / row->batch * row->batch;
  return make_buffers (s, row, b, error);
}

FwDiffusionBatches *
fw_diffusion_batches_new (FwTrainContext *context, const FwTrainStage *stage, const FwDiffusionOptions *options,
                          const char *vae, const char *text, const char *vocabulary, GError **error)
{
  FwDiffusionBatches *s = g_new0 (FwDiffusionBatches, 1);
  s->context = context;
  s->stage = stage;
  s->options = options;
  s->diffusion = fw_diffusion_new ("linear", "", error);
  s->tokenizer = s->diffusion != NULL && vocabulary != NULL ? fw_t5_tokenizer_open (vocabulary, FW_T5_EXTRA_IDS, error) : NULL;
  gboolean ready = s->diffusion != NULL && (vocabulary == NULL || s->tokenizer != NULL);
  for (guint i = 0; ready && i < stage->n_rows; i++)
    ready = open_row (s, i, vae, text, error);
  if (ready) {
    s->null_caption = fw_buffers_add (&s->buffers, (gsize) options->length * s->width, sizeof (float), "the null caption", error);
    for (int i = 0; i < s->diffusion->steps; i++)
      s->mean_weight += MIN (1 / s->diffusion->abar[i], options->weight_cap)
                        * fw_timesteps_share (options->timesteps, i, s->diffusion->steps);
  }
  if (s->null_caption == NULL)
    g_clear_pointer (&s, fw_diffusion_batches_free);
  return s;
}

void
fw_diffusion_batches_free (FwDiffusionBatches *s)
{
  if (s == NULL)
    return;
  for (guint i = 0; i < s->stage->n_rows; i++) {
    fw_frozen_vae_free (s->rows[i].vae);
    fw_frozen_text_free (s->rows[i].text);
    fw_latent_cache_free (s->rows[i].cache);
  }
  fw_t5_tokenizer_free (s->tokenizer);
  fw_diffusion_free (s->diffusion);
  fw_buffers_clear (&s->buffers);
  g_free (s);
}

gsize
fw_diffusion_batches_slab_bytes (const FwDiffusionBatches *s)
{
  gsize bytes = 0;
  for (guint i = 0; i < s->stage->n_rows; i++)
    bytes = MAX (bytes, MAX (fw_frozen_vae_slab_bytes (s->rows[i].vae), fw_frozen_text_slab_bytes (s->rows[i].text)));
  return bytes;
}

gboolean
fw_diffusion_batches_bind (FwDiffusionBatches *s, gpointer slab, GError **error)
{
  for (guint i = 0; i < s->stage->n_rows; i++)
    if (!fw_frozen_vae_bind (s->rows[i].vae, slab, error) || !fw_frozen_text_bind (s->rows[i].text, slab, error))
      return FALSE;
  return TRUE;
}

float *
fw_diffusion_batches_null_caption (FwDiffusionBatches *s)
{
  return s->null_caption;
}
