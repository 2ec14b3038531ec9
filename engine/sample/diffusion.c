/* SPDX-License-Identifier: Apache-2.0
 * Noise schedules, kept timesteps and the float64 tables of the diffusion process. */
#include "engine/sample/diffusion.h"

#include <math.h>
#include <string.h>

static double
linear_beta (int i)
{
  const double first = 1e-4, last = 0.02;
  return i == FW_DIFFUSION_STEPS - 1 ? last : first + i * ((last - first) / (FW_DIFFUSION_STEPS - 1));
}

static double
squared_cosine (double t)
{
  double c = cos ((t + 0.008) / 1.008 * G_PI / 2);
  return c * c;
}

static double
squared_cosine_beta (int i)
{
  double abar_before = squared_cosine ((double) i / FW_DIFFUSION_STEPS);
  double abar_after = squared_cosine ((double) (i + 1) / FW_DIFFUSION_STEPS);
  return MIN (1 - abar_after / abar_before, 0.999);
}

static const struct { const char *name; double (*beta) (int i); } schedules[] = {
  { "linear", linear_beta },
  { "squaredcos_cap_v2", squared_cosine_beta },
};

gboolean
fw_diffusion_betas (const char *name, double *betas, GError **error)
{
  for (gsize row = 0; row < G_N_ELEMENTS (schedules); row++)
    if (g_strcmp0 (schedules[row].name, name) == 0) {
      for (int i = 0; i < FW_DIFFUSION_STEPS; i++)
        betas[i] = schedules[row].beta (i);
      return TRUE;
    }
  g_set_error (error, FW_ERROR, FW_ERROR_INVALID, "Unknown noise schedule “%s”; use linear or squaredcos_cap_v2", name);
  return FALSE;
}

/* Takes @count of the @size timesteps from @start on, both ends included, rounding a running sum half to even. */
static void
take_section (GArray *kept, int start, int size, int count)
{
  double stride = count <= 1 ? 1 : (double) (size - 1) / (count - 1), at = 0;
  for (int i = 0; i < count; i++, at += stride) {
    int timestep = start + (int) rint (at);
    g_array_append_val (kept, timestep);
  }
}

static gboolean
take_sections (GArray *kept, const char *respacing, GError **error)
{
  g_auto (GStrv) counts = g_strsplit (respacing, ",", FW_DIFFUSION_STEPS + 1);
  int sections = (int) g_strv_length (counts);
  if (sections > FW_DIFFUSION_STEPS) {
    g_set_error (error, FW_ERROR, FW_ERROR_INVALID, "More than %d sections of timesteps", FW_DIFFUSION_STEPS);
    return FALSE;
  }
  for (int i = 0, start = 0; i < sections; i++) {
    int size = FW_DIFFUSION_STEPS / sections + (i < FW_DIFFUSION_STEPS % sections);
    guint64 count;
    if (!g_ascii_string_to_unsigned (g_strstrip (counts[i]), 10, 1, size, &count, NULL)) {
      g_set_error (error, FW_ERROR, FW_ERROR_INVALID, "Cannot take “%.40s” of %d timesteps; use 1 to %d", counts[i], size, size);
      return FALSE;
    }
    take_section (kept, start, size, (int) count);
    start += size;
  }
  return TRUE;
}

static gboolean
take_whole_stride (GArray *kept, const char *text, GError **error)
{
  guint64 count;
  if (g_ascii_string_to_unsigned (text, 10, 1, FW_DIFFUSION_STEPS, &count, NULL))
    for (int stride = 1; stride < FW_DIFFUSION_STEPS; stride++)
      if ((FW_DIFFUSION_STEPS + stride - 1) / stride == (int) count) {
        for (int timestep = 0; timestep < FW_DIFFUSION_STEPS; timestep += stride)
          g_array_append_val (kept, timestep);
        return TRUE;
      }
  g_set_error (error, FW_ERROR, FW_ERROR_INVALID, "No whole stride takes “%.40s” of %d timesteps", text, FW_DIFFUSION_STEPS);
  return FALSE;
}

GArray *
fw_diffusion_respace (const char *respacing, GError **error)
{
  g_autoptr (GArray) kept = g_array_new (FALSE, FALSE, sizeof (int));
  gboolean taken = TRUE;
  if (respacing == NULL || *respacing == '\0')
    take_section (kept, 0, FW_DIFFUSION_STEPS, FW_DIFFUSION_STEPS);
  else if (g_str_has_prefix (respacing, "ddim"))
    taken = take_whole_stride (kept, respacing + strlen ("ddim"), error);
  else
    taken = take_sections (kept, respacing, error);
  return taken ? g_steal_pointer (&kept) : NULL;
}

/* Hands out the tables from one allocation. */
static void
allocate (FwDiffusion *diffusion)
{
  double **tables[] = {
    &diffusion->beta, &diffusion->log_beta, &diffusion->abar, &diffusion->abar_previous, &diffusion->sqrt_abar,
    &diffusion->sqrt_1m_abar, &diffusion->log_1m_abar, &diffusion->sqrt_recip_abar, &diffusion->sqrt_recipm1_abar,
    &diffusion->posterior_variance, &diffusion->posterior_log_variance_clipped, &diffusion->posterior_mean_x0,
    &diffusion->posterior_mean_xt,
  };
  diffusion->storage = g_new0 (double, G_N_ELEMENTS (tables) * diffusion->steps);
  for (gsize i = 0; i < G_N_ELEMENTS (tables); i++)
    *tables[i] = diffusion->storage + i * diffusion->steps;
}

static void
fill (FwDiffusion *d)
{
  double abar = 1;
  for (int i = 0; i < d->steps; i++) {
    double beta = d->beta[i], previous = abar;
    abar *= 1 - beta;
    d->log_beta[i] = log (beta);
    d->abar[i] = abar;
    d->abar_previous[i] = previous;
    d->sqrt_abar[i] = sqrt (abar);
    d->sqrt_1m_abar[i] = sqrt (1 - abar);
    d->log_1m_abar[i] = log (1 - abar);
    d->sqrt_recip_abar[i] = sqrt (1 / abar);
    d->sqrt_recipm1_abar[i] = sqrt (1 / abar - 1);
    d->posterior_variance[i] = beta * (1 - previous) / (1 - abar);
    d->posterior_mean_x0[i] = beta * sqrt (previous) / (1 - abar);
    d->posterior_mean_xt[i] = (1 - previous) * sqrt (1 - beta) / (1 - abar);
  }
  /* The first posterior variance is 0. A process of one step has no second one to stand in; its end of the range is
   * then never looked at by a sampler but must be finite: the variance of the forward step serves. */
  for (int i = 0; i < d->steps; i++)
    d->posterior_log_variance_clipped[i] = d->steps > 1 ? log (d->posterior_variance[MAX (i, 1)]) : d->log_beta[i];
}

FwDiffusion *
fw_diffusion_new (const char *schedule, const char *respacing, GError **error)
{
  double betas[FW_DIFFUSION_STEPS];
  if (!fw_diffusion_betas (schedule, betas, error))
    return NULL;
  GArray *kept = fw_diffusion_respace (respacing, error);
  if (kept == NULL)
    return NULL;
  FwDiffusion *diffusion = g_new0 (FwDiffusion, 1);
  diffusion->steps = (int) kept->len;
  diffusion->timestep = (int *) g_array_free (kept, FALSE);
  allocate (diffusion);
  double abar = 1, last_kept = 1;
  for (int timestep = 0, i = 0; timestep < FW_DIFFUSION_STEPS && i < diffusion->steps; timestep++) {
    abar *= 1 - betas[timestep];
    if (timestep == diffusion->timestep[i]) {
      diffusion->beta[i++] = 1 - abar / last_kept;
      last_kept = abar;
    }
  }
  fill (diffusion);
  return diffusion;
}

void
fw_diffusion_free (FwDiffusion *diffusion)
{
  if (diffusion == NULL)
    return;
  g_free (diffusion->timestep);
  g_free (diffusion->storage);
  g_free (diffusion);
}
