/* SPDX-License-Identifier: Apache-2.0
 * What all samplers share: the table of kinds, the model's batch, and saving and restoring. */
#include "engine/sample/sampler-kind.h"

#include "engine/sample/bytes.h"
#include <math.h>

static const FwSamplerKind *const kinds[] = { &fw_sampler_iddpm, &fw_sampler_dpm_solver };

const char *
fw_sampler_name (guint index)
{
  return index < G_N_ELEMENTS (kinds) ? kinds[index]->name : NULL;
}

static const FwSamplerKind *
find_kind (const char *name, GError **error)
{
  g_autoptr (GString) known = g_string_new (NULL);
  for (gsize i = 0; i < G_N_ELEMENTS (kinds); i++) {
    if (g_strcmp0 (kinds[i]->name, name) == 0)
      return kinds[i];
    g_string_append_printf (known, "%s%s", i > 0 ? ", " : "", kinds[i]->name);
  }
  g_set_error (error, FW_ERROR, FW_ERROR_INVALID, "Unknown sampler “%s”; known are %s", name, known->str);
  return NULL;
}

static gboolean
check_settings (const FwSamplerSettings *settings, GError **error)
{
  if (!isfinite (settings->guidance)) {
    g_set_error_literal (error, FW_ERROR, FW_ERROR_INVALID, "The guidance scale is not a number");
    return FALSE;
  }
  gsize size = 0;
  if (settings->clips < 1 || settings->channels < 1 || settings->positions < 1
      || !g_size_checked_mul (&size, settings->clips, settings->channels)
      || !g_size_checked_mul (&size, size, settings->positions) || size > G_MAXSSIZE / (64 * sizeof (float))) {
    g_set_error (error, FW_ERROR, FW_ERROR_INVALID, "Cannot sample %d clips of %d channels and %" G_GINT64_FORMAT " positions",
                 settings->clips, settings->channels, settings->positions);
    return FALSE;
  }
  if (settings->model_channels != settings->channels && settings->model_channels != 2 * (gint64) settings->channels) {
    g_set_error (error, FW_ERROR, FW_ERROR_CHECKPOINT,
                 "The model returns %d channels for latents of %d; it should return %d or twice as many",
                 settings->model_channels, settings->channels, settings->channels);
    return FALSE;
  }
  return TRUE;
}

FwSampler *
fw_sampler_new (const char *name, const FwSamplerSettings *settings, const FwNoise *noise, GError **error)
{
  const FwSamplerKind *kind = find_kind (name, error);
  if (kind == NULL || !check_settings (settings, error))
    return NULL;
  g_autoptr (FwSampler) sampler = g_new0 (FwSampler, 1);
  sampler->kind = kind;
  sampler->settings = *settings;
  sampler->clip_size = (gsize) settings->channels * (gsize) settings->positions;
  sampler->size = settings->clips * sampler->clip_size;
  sampler->noise = *noise;
  if (!kind->open (sampler, error))
    return NULL;
  sampler->x = g_try_new0 (float, sampler->size);
  sampler->x0 = g_try_new0 (float, sampler->size);
  sampler->scratch = g_try_new (float, MAX (sampler->scratch_size, 1));
  if (sampler->x == NULL || sampler->x0 == NULL || sampler->scratch == NULL) {
    g_set_error (error, FW_ERROR, FW_ERROR_MEMORY,
                 "No memory for latents of %" G_GSIZE_FORMAT " numbers; use fewer or smaller clips", sampler->size);
    return NULL;
  }
  return g_steal_pointer (&sampler);
}

void
fw_sampler_free (FwSampler *sampler)
{
  if (sampler == NULL)
    return;
  if (sampler->own != NULL)
    sampler->kind->free_own (sampler->own);
  g_free (sampler->x);
  g_free (sampler->x0);
  g_free (sampler->scratch);
  g_free (sampler);
}

gsize
fw_sampler_bytes (const FwSampler *sampler)
{
  return (2 * sampler->size + sampler->scratch_size) * sizeof (float);
}

gboolean
fw_sampler_check_steps (const FwSampler *sampler, int least, GError **error)
{
  if (sampler->settings.steps >= least && sampler->settings.steps <= 1000)
    return TRUE;
  g_set_error (error, FW_ERROR, FW_ERROR_INVALID, "%d steps are out of range; %s takes %d to 1000", sampler->settings.steps,
               sampler->kind->name, least);
  return FALSE;
}

void
fw_sampler_set_draw (FwSampler *sampler, FwSamplerDraw draw, gpointer data)
{
  sampler->draw = draw;
  sampler->draw_data = data;
}

void
fw_sampler_draw (FwSampler *sampler, float *noise, gsize count)
{
  if (sampler->draw != NULL)
    sampler->draw (sampler->draw_data, noise, count);
  else
    fw_noise_randn (&sampler->noise, noise, count);
}

void
fw_sampler_start (FwSampler *sampler, const float *latent)
{
  if (latent != NULL)
    memcpy (sampler->x, latent, sampler->size * sizeof (float));
  else
    fw_sampler_draw (sampler, sampler->x, sampler->size);
  memset (sampler->x0, 0, sampler->size * sizeof (float));
  sampler->done = 0;
}

int
fw_sampler_rows (const FwSampler *sampler)
{
  return sampler->passes * sampler->settings.clips;
}

int
fw_sampler_row_clip (const FwSampler *sampler, int row)
{
  return row % sampler->settings.clips;
}

gboolean
fw_sampler_row_is_conditional (const FwSampler *sampler, int row)
{
  return row / sampler->settings.clips == sampler->conditional_pass;
}

const float *
fw_sampler_output (const FwSampler *sampler, const float *output, gboolean conditional, int clip)
{
  int pass = conditional ? sampler->conditional_pass : 1 - sampler->conditional_pass;
  gsize row = (gsize) pass * sampler->settings.clips + clip;
  return output + row * sampler->settings.model_channels * sampler->settings.positions;
}

int
fw_sampler_evaluations (const FwSampler *sampler)
{
  return sampler->evaluations;
}

int
fw_sampler_done (const FwSampler *sampler)
{
  return sampler->done;
}

gboolean
fw_sampler_next (FwSampler *sampler, float *input, float *times)
{
  if (sampler->done >= sampler->evaluations)
    return FALSE;
  for (int pass = 0; pass < sampler->passes; pass++)
    memcpy (input + pass * sampler->size, sampler->x, sampler->size * sizeof (float));
  float time = sampler->kind->time (sampler);
  for (int row = 0; row < fw_sampler_rows (sampler); row++)
    times[row] = time;
  return TRUE;
}

void
fw_sampler_take (FwSampler *sampler, const float *output)
{
  if (sampler->done >= sampler->evaluations)
    return;
  sampler->kind->take (sampler, output);
  sampler->done++;
}

const float *
fw_sampler_latent (const FwSampler *sampler)
{
  return sampler->x;
}

const float *
fw_sampler_predicted (const FwSampler *sampler)
{
  return sampler->x0;
}

const FwNoise *
fw_sampler_noise (const FwSampler *sampler)
{
  return &sampler->noise;
}

/* A saved state begins with what must agree for it to be continued. */
enum { MAGIC_SIZE = 8, NAME_SIZE = 32, HEADER_SIZE = MAGIC_SIZE + NAME_SIZE + 4 * 4 + 2 * 8 };

static void
put_header (guint8 **at, const FwSampler *sampler)
{
  const FwSamplerSettings *settings = &sampler->settings;
  memset (*at, 0, MAGIC_SIZE + NAME_SIZE);
  memcpy (*at, "FWSAMPL1", MAGIC_SIZE);
  g_strlcpy ((char *) *at + MAGIC_SIZE, sampler->kind->name, NAME_SIZE);
  *at += MAGIC_SIZE + NAME_SIZE;
  fw_put_u32 (at, settings->steps);
  fw_put_u32 (at, settings->clips);
  fw_put_u32 (at, settings->channels);
  fw_put_u32 (at, settings->model_channels);
  fw_put_u64 (at, settings->positions);
  fw_put_double (at, settings->guidance);
}

static gsize
saved_size (const FwSampler *sampler)
{
  return HEADER_SIZE + 4 + FW_NOISE_SAVED_SIZE + 2 * sampler->size * sizeof (float);
}

GBytes *
fw_sampler_save (const FwSampler *sampler)
{
  gsize size = saved_size (sampler);
  guint8 *bytes = g_malloc (size), *at = bytes;
  put_header (&at, sampler);
  fw_put_u32 (&at, sampler->done);
  fw_noise_save (&sampler->noise, at);
  at += FW_NOISE_SAVED_SIZE;
  for (gsize i = 0; i < sampler->size; i++)
    fw_put_float (&at, sampler->x[i]);
  for (gsize i = 0; i < sampler->size; i++)
    fw_put_float (&at, sampler->x0[i]);
  return g_bytes_new_take (bytes, size);
}

static gboolean
all_finite (const guint8 *at, gsize count)
{
  for (gsize i = 0; i < count; i++)
    if (!isfinite (fw_get_float (&at)))
      return FALSE;
  return TRUE;
}

gboolean
fw_sampler_restore (FwSampler *sampler, GBytes *saved, GError **error)
{
  gsize size;
  const guint8 *at = g_bytes_get_data (saved, &size);
  guint8 header[HEADER_SIZE], *header_end = header;
  put_header (&header_end, sampler);
  if (size != saved_size (sampler) || memcmp (at, header, HEADER_SIZE) != 0) {
    g_set_error_literal (error, FW_ERROR, FW_ERROR_FORMAT,
                         "The saved sampling state belongs to other settings, or is damaged; start the clip again");
    return FALSE;
  }
  at += HEADER_SIZE;
  guint32 done = fw_get_u32 (&at);
  const guint8 *noise = at;
  at += FW_NOISE_SAVED_SIZE;
  if (done > (guint32) sampler->evaluations || !all_finite (at, 2 * sampler->size)) {
    g_set_error_literal (error, FW_ERROR, FW_ERROR_FORMAT, "The saved sampling state is damaged; start the clip again");
    return FALSE;
  }
  if (!fw_noise_restore (&sampler->noise, noise, FW_NOISE_SAVED_SIZE, error))
    return FALSE;
  for (gsize i = 0; i < sampler->size; i++)
    sampler->x[i] = fw_get_float (&at);
  for (gsize i = 0; i < sampler->size; i++)
    sampler->x0[i] = fw_get_float (&at);
  sampler->done = (int) done;
  return TRUE;
}
