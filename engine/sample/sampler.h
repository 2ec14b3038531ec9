/* SPDX-License-Identifier: Apache-2.0
 * Samplers: from noise to latents, one model evaluation at a time. A sampler is a state machine around a model that it never
 * calls: the job asks for the next model input, runs the model, and hands back its output. Between two evaluations the state
 * can be saved as bytes and continued in another process, bit for bit.
 *
 *   fw_sampler_start (sampler, NULL);
 *   while (fw_sampler_next (sampler, input, times)) {
 *     ... output = model (input, times), the captions arranged as fw_sampler_row_is_conditional() says ...
 *     fw_sampler_take (sampler, output);
 *   }
 *   latent = fw_sampler_latent (sampler);
 */
#pragma once
#include "engine/sample/noise.h"

typedef struct _FwSampler FwSampler;

/* Latents are float32, [clips, channels, positions], a position being a (frame, row, column) in row-major order. */
typedef struct {
  int steps;           /* of the sampler, 1 .. 1000 */
  double guidance;     /* classifier-free guidance scale */
  int clips;           /* clips sampled together */
  int channels;        /* of the latent */
  int model_channels;  /* of the model's output: channels, or twice as many where it also predicts the variance */
  gint64 positions;    /* frames * rows * columns of the latent */
} FwSamplerSettings;

/* The name of the sampler number @index, as --sampler takes it; NULL from the last on. */
const char *fw_sampler_name (guint index);

/* A sampler of the kind @name. Everything it ever needs is allocated here. Refuses numbers that make no sense, and kinds that
 * need another model_channels. @noise is copied: the sampler draws from its copy. One thread at a time; free with
 * fw_sampler_free(). */
FwSampler *fw_sampler_new (const char *name, const FwSamplerSettings *settings, const FwNoise *noise, GError **error);
void fw_sampler_free (FwSampler *sampler);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (FwSampler, fw_sampler_free)

/* Bytes that the sampler holds, apart from small tables. */
gsize fw_sampler_bytes (const FwSampler *sampler);

/* Draws noise from @draw instead of the sampler's generator: recorded noise in tests. */
typedef void (*FwSamplerDraw) (gpointer data, float *noise, gsize count);
void fw_sampler_set_draw (FwSampler *sampler, FwSamplerDraw draw, gpointer data);

/* Begins (again) from @latent, or from drawn noise if NULL. */
void fw_sampler_start (FwSampler *sampler, const float *latent);

/* The model's batch, the same at every evaluation: its rows, which clip a row belongs to, and whether it wants that clip's
 * caption (conditional) or the null caption. */
int fw_sampler_rows (const FwSampler *sampler);
int fw_sampler_row_clip (const FwSampler *sampler, int row);
gboolean fw_sampler_row_is_conditional (const FwSampler *sampler, int row);

/* Model evaluations in all, and done so far. */
int fw_sampler_evaluations (const FwSampler *sampler);
int fw_sampler_done (const FwSampler *sampler);

/* Fills the model's batch: @input [rows, channels, positions] and @times [rows]. FALSE when nothing is left to evaluate. */
gboolean fw_sampler_next (FwSampler *sampler, float *input, float *times);
/* Advances by the model's @output [rows, model_channels, positions] for the batch of the last fw_sampler_next(). */
void fw_sampler_take (FwSampler *sampler, const float *output);

/* The state [clips, channels, positions], and the clean latent that the last evaluation points at (for previews; zeros before
 * the first). Owned by the sampler, valid until its next change. */
const float *fw_sampler_latent (const FwSampler *sampler);
const float *fw_sampler_predicted (const FwSampler *sampler);
/* The generator as it stands, to go on drawing from it after the last step. */
const FwNoise *fw_sampler_noise (const FwSampler *sampler);

/* The state between two evaluations, as bytes that depend on nothing but it. */
GBytes *fw_sampler_save (const FwSampler *sampler);
/* Continues from saved bytes; refuses, unchanged, those of another kind or other settings, and damaged ones. */
gboolean fw_sampler_restore (FwSampler *sampler, GBytes *saved, GError **error);
