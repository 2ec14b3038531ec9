/* SPDX-License-Identifier: Apache-2.0
 * The sentence for a job that does not fit its memory: what it needs, and which smaller clip would fit. */
#include "engine/job/generate-private.h"
#include "engine/job/memory.h"

/* Clips of no more than this share of the frames, or of the sides, are worth suggesting. */
static const double shares[] = { 0.75, 0.5, 0.375, 0.25, 0.125 };

/* Rounded up, so that whoever allows as much gets by with it. */
static char *
format_need (gint64 bytes)
{
  return g_strdup_printf ("%" G_GINT64_FORMAT "\u00a0MiB", (bytes + (1 << 20) - 1) >> 20);
}

/* The multiple of @unit nearest below @share of @value, at least one. */
static int
shrink (gint64 value, int unit, double share)
{
  return MAX ((int) ((double) value * share) / unit, 1) * unit;
}

/* Whether a clip of this size fits in the leanest way; leaves the job planned for it. */
static gboolean
fits (FwGenerateJob *job, int frames, int width, int height, gint64 budget, gint64 *forecast)
{
  int factor = job->network[FW_ROLE_IMAGE]->traits.factor;
  job->base->frames = job->latent[0] = frames;
  job->base->width = width;
  job->base->height = height;
  job->latent[1] = height / factor;
  job->latent[2] = width / factor;
  return fw_generate_try (job, (FwGenerateWay) { 1, 1 }, budget, forecast, NULL) && *forecast <= budget;
}

gboolean
fw_generate_refuse (FwGenerateJob *job, gint64 budget, GError **error)
{
  const FwNetworkTraits *denoiser = &job->network[FW_ROLE_DENOISER]->traits;
  int factor = job->network[FW_ROLE_IMAGE]->traits.factor;
  int frames = (int) job->base->frames, width = (int) job->base->width, height = (int) job->base->height;
  gint64 needed = G_MAXINT64, other = 0;
  fits (job, frames, width, height, MAX (budget, fw_memory_available ()), &needed);
  g_autofree char *allowed = g_format_size_full ((guint64) budget, G_FORMAT_SIZE_IEC_UNITS), *wanted = NULL;
  wanted = needed < G_MAXINT64 ? format_need (needed) : g_strdup ("far more memory");
  g_autoptr (GString) advice = g_string_new (NULL);
  for (gsize i = 0; i < G_N_ELEMENTS (shares) && advice->len == 0; i++) {
    int fewer = shrink (frames, denoiser->patch[0], shares[i]);
    if (fewer < frames && fits (job, fewer, width, height, budget, &other))
      g_string_append_printf (advice, "--frames %d", fewer);
  }
  for (gsize i = 0; i < G_N_ELEMENTS (shares); i++) {
    int narrow = shrink (width, factor * denoiser->patch[2], shares[i]);
    int low = shrink (height, factor * denoiser->patch[1], shares[i]);
    if ((narrow < width || low < height) && fits (job, frames, narrow, low, budget, &other)) {
      g_string_append_printf (advice, "%s--size %dx%d", advice->len > 0 ? " or " : "", narrow, low);
      break;
    }
  }
  if (advice->len > 0)
    g_string_append (advice, " would fit");
  else if (fits (job, denoiser->patch[0], factor * denoiser->patch[2], factor * denoiser->patch[1], G_MAXINT64, &other)) {
    g_autofree char *least = format_need (other);
    g_string_append_printf (advice, "even the smallest clip of this model needs %s", least);
  }
  g_set_error (error, FW_ERROR, FW_ERROR_MEMORY, "A clip of %d frames of %dx%d needs %s, but %s may be used: %s",
               frames, width, height, wanted, allowed, advice->str);
  return FALSE;
}
