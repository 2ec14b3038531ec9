/* SPDX-License-Identifier: Apache-2.0
 * The sampler "iddpm": ancestral sampling with learned variance and classifier-free guidance (opensora-1.0 7.2). The original
 * keeps a second, unconditional half of the state that is never looked at; here it exists only in the count of drawn noise. */
#include "engine/sample/iddpm.h"
#include "engine/sample/sampler-kind.h"

/* Only the first three channels of the predicted noise are guided: a slip of the original that its clips depend on. */
enum { GUIDED_CHANNELS = 3 };

static gboolean
open_iddpm (FwSampler *sampler, GError **error)
{
  const FwSamplerSettings *settings = &sampler->settings;
  if (!fw_sampler_check_steps (sampler, 1, error))
    return FALSE;
  if (settings->model_channels == settings->channels) {
    g_set_error_literal (error, FW_ERROR, FW_ERROR_CHECKPOINT,
                         "The sampler iddpm needs a model that predicts its variance; this one does not, choose another sampler");
    return FALSE;
  }
  g_autofree char *respacing = g_strdup_printf ("%d", settings->steps);
  FwDiffusion *diffusion = fw_diffusion_new ("linear", respacing, error);
  if (diffusion == NULL)
    return FALSE;
  sampler->own = diffusion;
  sampler->passes = 2;
  sampler->conditional_pass = 0;
  sampler->evaluations = diffusion->steps;
  sampler->scratch_size = 2 * sampler->size + 3 * sampler->clip_size;
  return TRUE;
}

static int
kept_index (const FwSampler *sampler)
{
  return sampler->evaluations - 1 - sampler->done;
}

static float
time_iddpm (const FwSampler *sampler)
{
  const FwDiffusion *diffusion = sampler->own;
  return (float) diffusion->timestep[kept_index (sampler)];
}

/* The guided noise prediction of one clip. */
static void
guide (const FwSampler *sampler, const float *conditional, const float *unconditional, float *epsilon)
{
  gsize guided = MIN (sampler->settings.channels, GUIDED_CHANNELS) * (gsize) sampler->settings.positions;
  float scale = (float) sampler->settings.guidance;
  for (gsize i = 0; i < guided; i++)
    epsilon[i] = unconditional[i] + scale * (conditional[i] - unconditional[i]);
  memcpy (epsilon + guided, conditional + guided, (sampler->clip_size - guided) * sizeof (float));
}

static void
take_iddpm (FwSampler *sampler, const float *output)
{
  int index = kept_index (sampler);
  gsize count = sampler->clip_size;
  float *noise = sampler->scratch, *epsilon = noise + 2 * sampler->size, *mean = epsilon + count, *log_variance = mean + count;
  fw_sampler_draw (sampler, noise, 2 * sampler->size);
  for (int clip = 0; clip < sampler->settings.clips; clip++) {
    const float *conditional = fw_sampler_output (sampler, output, TRUE, clip);
    float *x = sampler->x + clip * count, *x0 = sampler->x0 + clip * count;
    guide (sampler, conditional, fw_sampler_output (sampler, output, FALSE, clip), epsilon);
    fw_iddpm_predict (sampler->own, index, FALSE, x, epsilon, conditional + count, count, x0, mean, log_variance);
    fw_iddpm_ancestral_step (index, mean, log_variance, noise + clip * count, count, x);
  }
}

static void
free_iddpm (gpointer own)
{
  fw_diffusion_free (own);
}

const FwSamplerKind fw_sampler_iddpm = { "iddpm", open_iddpm, time_iddpm, take_iddpm, free_iddpm };
