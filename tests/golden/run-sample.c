/* SPDX-License-Identifier: Apache-2.0
 * Golden runners for random numbers and for the tables, steps and losses of diffusion. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "engine/sample/dpm-solver.h"
#include "engine/sample/iddpm-loss.h"
#include "engine/sample/iddpm.h"
#include "engine/sample/noise.h"
#include "tests/golden/golden.h"

/* --- random numbers: a tensor's name says how it was drawn ----------------------------------------------------- */

static gsize
element_count (const FwCheckpointTensor *tensor)
{
  FwTensor shape = fw_tensor_dense (NULL, tensor->dtype, tensor->rank, tensor->dim);
  return (gsize) fw_tensor_count (&shape);
}

static void
compare_randn (GoldenCase *golden, FwNoise *noise, const char *name, gsize count)
{
  g_autofree float *got = g_new (float, count);
  fw_noise_randn (noise, got, count);
  golden_compare_io (golden, name, got, count, 2e-6, 0);
}

static void
compare_rand (GoldenCase *golden, FwNoise *noise, const char *name, gsize count)
{
  g_autofree float *got = g_new (float, count);
  fw_noise_rand (noise, got, count);
  golden_compare_io (golden, name, got, count, 0, 0);
}

static void
compare_randint (GoldenCase *golden, FwNoise *noise, const char *name, gsize count, gint64 low, gint64 high)
{
  g_autofree gint64 *got = g_new (gint64, count), *want = golden_integers (golden, name, NULL);
  fw_noise_randint (noise, low, high, got, count);
  golden_check (golden, memcmp (got, want, count * sizeof *got) == 0, "%s differs", name);
}

/* One generator draws 5 normal numbers one by one, 20 in groups, and 3 uniform ones; @name is the last of them. */
static void
compare_mixed (GoldenCase *golden, FwNoise *noise, guint64 seed)
{
  g_autofree char *few = g_strdup_printf ("s%" G_GUINT64_FORMAT ".mixed.randn5", seed);
  g_autofree char *many = g_strdup_printf ("s%" G_GUINT64_FORMAT ".mixed.randn20", seed);
  g_autofree char *uniform = g_strdup_printf ("s%" G_GUINT64_FORMAT ".mixed.rand3", seed);
  compare_randn (golden, noise, few, 5);
  compare_randn (golden, noise, many, 20);
  compare_rand (golden, noise, uniform, 3);
}

static gboolean
run_noise (GoldenCase *golden, GError **error)
{
  for (guint i = 0; i < fw_checkpoint_count (golden->io); i++) {
    const FwCheckpointTensor *tensor = fw_checkpoint_tensor (golden->io, i);
    gsize count = element_count (tensor);
    char *draw;
    guint64 seed = g_ascii_strtoull (tensor->name + 1, &draw, 10);
    gint64 low, high;
    FwNoise noise;
    fw_noise_seed (&noise, seed);
    if (g_str_has_suffix (draw, ".first")) {
      g_autofree char *second = g_strdup_printf ("%.*ssecond", (int) (strlen (tensor->name) - strlen ("first")), tensor->name);
      compare_randn (golden, &noise, tensor->name, count);
      compare_randn (golden, &noise, second, count);
    } else if (g_str_has_prefix (draw, ".latent_")) {
      compare_randn (golden, &noise, tensor->name, count);
    } else if (g_str_has_prefix (draw, ".uniform_")) {
      compare_rand (golden, &noise, tensor->name, count);
    } else if (sscanf (draw, ".randint_%" G_GINT64_FORMAT "_%" G_GINT64_FORMAT "_", &low, &high) == 2) {
      compare_randint (golden, &noise, tensor->name, count, low, high);
    } else if (g_str_equal (draw, ".mixed.rand3")) {
      compare_mixed (golden, &noise, seed);
    } else if (!g_str_has_suffix (draw, ".second") && !g_str_equal (draw, ".mixed.randn5") && !g_str_equal (draw, ".mixed.randn20")) {
      golden_check (golden, FALSE, "no idea how %s was drawn", tensor->name);
    }
  }
  return TRUE;
}

/* --- tables ---------------------------------------------------------------------------------------------------- */

static const struct { const char *name; gsize offset; } tables[] = {
  { "betas", G_STRUCT_OFFSET (FwDiffusion, beta) },
  { "alphas_cumprod", G_STRUCT_OFFSET (FwDiffusion, abar) },
  { "alphas_cumprod_prev", G_STRUCT_OFFSET (FwDiffusion, abar_previous) },
  { "sqrt_alphas_cumprod", G_STRUCT_OFFSET (FwDiffusion, sqrt_abar) },
  { "sqrt_one_minus_alphas_cumprod", G_STRUCT_OFFSET (FwDiffusion, sqrt_1m_abar) },
  { "log_one_minus_alphas_cumprod", G_STRUCT_OFFSET (FwDiffusion, log_1m_abar) },
  { "sqrt_recip_alphas_cumprod", G_STRUCT_OFFSET (FwDiffusion, sqrt_recip_abar) },
  { "sqrt_recipm1_alphas_cumprod", G_STRUCT_OFFSET (FwDiffusion, sqrt_recipm1_abar) },
  { "posterior_variance", G_STRUCT_OFFSET (FwDiffusion, posterior_variance) },
  { "posterior_log_variance_clipped", G_STRUCT_OFFSET (FwDiffusion, posterior_log_variance_clipped) },
  { "posterior_mean_coef1", G_STRUCT_OFFSET (FwDiffusion, posterior_mean_x0) },
  { "posterior_mean_coef2", G_STRUCT_OFFSET (FwDiffusion, posterior_mean_xt) },
};

static void
compare_doubles_io (GoldenCase *golden, const char *name, const double *got, gsize count, double atol, double rtol)
{
  FwTensor shape;
  g_autofree double *want = golden_doubles (golden, name, &shape);
  if (golden_check (golden, (gsize) fw_tensor_count (&shape) == count, "%s has another size", name))
    golden_compare_doubles (golden, name, got, want, count, atol, rtol);
}

/* f64.GROUP.TABLE, GROUP being "full", or "r" with the respacing. */
static gboolean
compare_table (GoldenCase *golden, const char *tensor_name, GError **error)
{
  g_auto (GStrv) parts = g_strsplit (tensor_name, ".", 3);
  gboolean full = g_str_equal (parts[1], "full");
  g_autoptr (FwDiffusion) diffusion = fw_diffusion_new ("linear", full ? "" : parts[1] + 1, error);
  if (diffusion == NULL)
    return FALSE;
  for (gsize i = 0; i < G_N_ELEMENTS (tables); i++)
    if (g_str_equal (tables[i].name, parts[2])) {
      compare_doubles_io (golden, tensor_name, G_STRUCT_MEMBER (double *, diffusion, tables[i].offset), diffusion->steps,
                          0, 1e-10);
      return TRUE;
    }
  golden_check (golden, FALSE, "unknown table %s", tensor_name);
  return TRUE;
}

static gboolean
compare_tables (GoldenCase *golden, GError **error)
{
  double betas[FW_DIFFUSION_STEPS];
  if (!fw_diffusion_betas ("squaredcos_cap_v2", betas, error))
    return FALSE;
  for (guint i = 0; i < fw_checkpoint_count (golden->io); i++) {
    const char *name = fw_checkpoint_tensor (golden->io, i)->name;
    if (g_str_equal (name, "f64.cosine_betas"))
      compare_doubles_io (golden, name, betas, FW_DIFFUSION_STEPS, 0, 1e-10);
    else if (g_str_has_prefix (name, "f64.") && !compare_table (golden, name, error))
      return FALSE;
  }
  return TRUE;
}

static gboolean
compare_respacings (GoldenCase *golden, GError **error)
{
  JsonObject *respacings = json_object_get_object_member (golden->json, "respacings");
  g_autoptr (GList) names = json_object_get_members (respacings);
  for (GList *link = names; link != NULL; link = link->next) {
    JsonArray *want = json_object_get_array_member (respacings, link->data);
    g_autoptr (GArray) got = fw_diffusion_respace (link->data, error);
    if (got == NULL)
      return FALSE;
    gboolean same = got->len == json_array_get_length (want);
    for (guint i = 0; same && i < got->len; i++)
      same = g_array_index (got, int, i) == json_array_get_int_element (want, i);
    golden_check (golden, same, "respacing “%s” keeps other timesteps", (char *) link->data);
  }
  return TRUE;
}

/* --- one step, and the losses, of a batch whose samples are at different timesteps ------------------------------ */

typedef struct {
  gsize samples, count;  /* count: elements of one sample */
  float *x0, *noise, *output, *xt;
  gint64 *index;
} Batch;

static Batch
read_batch (GoldenCase *golden, const char *index_name)
{
  Batch batch;
  FwTensor shape;
  batch.x0 = golden_floats (golden, "in.x0", &shape);
  batch.noise = golden_floats (golden, "in.noise", NULL);
  batch.output = golden_floats (golden, "in.model_out", NULL);
  batch.index = golden_integers (golden, index_name, NULL);
  batch.samples = (gsize) shape.dim[0];
  batch.count = (gsize) fw_tensor_count (&shape) / batch.samples;
  batch.xt = g_memdup2 (batch.x0, batch.samples * batch.count * sizeof (float));
  return batch;
}

static void
clear_batch (Batch *batch)
{
  g_free (batch->x0);
  g_free (batch->noise);
  g_free (batch->output);
  g_free (batch->xt);
  g_free (batch->index);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Batch, clear_batch)

static double
rtol_of (GoldenCase *golden)
{
  return golden_number (golden, "tolerance.rtol", 1e-4);
}

static double
atol_of (GoldenCase *golden)
{
  return golden_number (golden, "tolerance.atol", 1e-5);
}

static void
compare_floats (GoldenCase *golden, const char *name, const float *got, gsize count)
{
  golden_compare_io (golden, name, got, count, atol_of (golden), rtol_of (golden));
}

static void
compare_forward (GoldenCase *golden, const FwDiffusion *diffusion, Batch *batch)
{
  gsize count = batch->count, all = batch->samples * count;
  g_autofree float *mean = g_new (float, all), *variance = g_new (float, all), *log_variance = g_new (float, all);
  for (gsize b = 0; b < batch->samples; b++) {
    int index = (int) batch->index[b];
    float *xt = batch->xt + b * count;
    fw_iddpm_noise (diffusion, index, batch->x0 + b * count, batch->noise + b * count, count, xt);
    fw_iddpm_posterior_mean (diffusion, index, batch->x0 + b * count, xt, count, mean + b * count);
    for (gsize i = 0; i < count; i++) {
      variance[b * count + i] = (float) diffusion->posterior_variance[index];
      log_variance[b * count + i] = (float) diffusion->posterior_log_variance_clipped[index];
    }
  }
  compare_floats (golden, "q_sample", batch->xt, all);
  compare_floats (golden, "q_posterior.mean", mean, all);
  compare_floats (golden, "q_posterior.variance", variance, all);
  compare_floats (golden, "q_posterior.log_variance_clipped", log_variance, all);
}

/* What the network output says of every sample, into arrays of all samples. */
static void
predict (const FwDiffusion *diffusion, const Batch *batch, gboolean clip, float *x0, float *mean, float *log_variance)
{
  gsize count = batch->count;
  for (gsize b = 0; b < batch->samples; b++) {
    const float *output = batch->output + 2 * b * count;
    fw_iddpm_predict (diffusion, (int) batch->index[b], clip, batch->xt + b * count, output, output + count, count,
                      x0 + b * count, mean + b * count, log_variance + b * count);
  }
}

static void
compare_predictions (GoldenCase *golden, const FwDiffusion *diffusion, const Batch *batch)
{
  gsize all = batch->samples * batch->count;
  g_autofree float *x0 = g_new (float, all), *mean = g_new (float, all), *log_variance = g_new (float, all);
  predict (diffusion, batch, TRUE, x0, mean, log_variance);
  compare_floats (golden, "p_clip.mean", mean, all);
  compare_floats (golden, "p_clip.pred_xstart", x0, all);
  predict (diffusion, batch, FALSE, x0, mean, log_variance);
  compare_floats (golden, "p.mean", mean, all);
  compare_floats (golden, "p.pred_xstart", x0, all);
  compare_floats (golden, "p.log_variance", log_variance, all);
  for (gsize i = 0; i < all; i++)
    log_variance[i] = expf (log_variance[i]);
  compare_floats (golden, "p.variance", log_variance, all);
}

/* Compares numbers of every sample; where t = 0 to @atol_at_0, since float32 cancels in the likelihood there. */
static void
compare_per_sample (GoldenCase *golden, const char *name, const Batch *batch, const double *got, gsize per_sample,
                    double atol, double atol_at_0)
{
  g_autofree double *want = golden_doubles (golden, name, NULL);
  for (gsize b = 0; b < batch->samples; b++) {
    g_autofree char *label = g_strdup_printf ("%s[%" G_GSIZE_FORMAT "] t=%" G_GINT64_FORMAT, name, b, batch->index[b]);
    golden_compare_doubles (golden, label, got + b * per_sample, want + b * per_sample, per_sample,
                            batch->index[b] == 0 ? atol_at_0 : atol, rtol_of (golden));
  }
}

static void
compare_losses (GoldenCase *golden, const FwDiffusion *diffusion, const Batch *batch)
{
  gsize count = batch->count, samples = batch->samples;
  const double bits_at_0 = 0.2, exact = atol_of (golden);
  g_autofree double *mse = g_new (double, samples), *vb = g_new (double, samples), *total = g_new (double, samples);
  g_autofree double *kl = g_new (double, samples), *prior = g_new (double, samples),
    *gradient = g_new (double, 2 * samples * count);
  for (gsize b = 0; b < samples; b++) {
    FwIddpmLoss loss = fw_iddpm_loss (diffusion, (int) batch->index[b], batch->x0 + b * count, batch->noise + b * count,
                                      batch->output + 2 * b * count, count, gradient + 2 * b * count);
    mse[b] = loss.mse;
    vb[b] = loss.vb;
    total[b] = loss.mse + loss.vb;
    kl[b] = loss.vb * diffusion->steps;
    prior[b] = fw_iddpm_prior_bits (diffusion, batch->x0 + b * count, count);
  }
  for (gsize i = 0; i < 2 * samples * count; i++)
    gradient[i] /= samples;
  compare_per_sample (golden, "loss.mse", batch, mse, 1, exact, exact);
  compare_per_sample (golden, "loss_fixedvar.total", batch, mse, 1, exact, exact);
  compare_per_sample (golden, "loss64.vb", batch, vb, 1, exact, exact);
  compare_per_sample (golden, "loss.vb", batch, vb, 1, exact, bits_at_0);
  compare_per_sample (golden, "loss.total", batch, total, 1, exact, bits_at_0);
  /* The rescaled loss divides by the 1000 steps of the full process, so here it is the same. */
  compare_per_sample (golden, "loss_rescaled.vb", batch, vb, 1, exact, bits_at_0);
  compare_per_sample (golden, "loss_rescaled.total", batch, total, 1, exact, bits_at_0);
  compare_per_sample (golden, "loss_kl.total", batch, kl, 1, exact, bits_at_0 * diffusion->steps);
  compare_per_sample (golden, "prior_bpd", batch, prior, 1, exact, exact);
  compare_per_sample (golden, "grad.model_out", batch, gradient, 2 * count, 1e-7, 1e-6);
  compare_per_sample (golden, "grad32.model_out", batch, gradient, 2 * count, 1e-7, 5e-3);
}

/* One step of the process respaced to 10 timesteps, on x_t = in.x0. */
static gboolean
compare_respaced_steps (GoldenCase *golden, GError **error)
{
  g_autoptr (FwDiffusion) diffusion = fw_diffusion_new ("linear", "10", error);
  if (diffusion == NULL)
    return FALSE;
  g_auto (Batch) batch = read_batch (golden, "respaced10.t_index");
  gsize count = batch.count, all = batch.samples * count;
  g_autofree float *x0 = g_new (float, all), *mean = g_new (float, all), *log_variance = g_new (float, all),
    *x = g_new (float, all);
  static const struct { const char *name; double eta; } ddim[] = {
    { "respaced10.ddim_eta0", 0 }, { "respaced10.ddim_eta0.5", 0.5 },
  };
  predict (diffusion, &batch, FALSE, x0, mean, log_variance);
  for (gsize row = 0; row < G_N_ELEMENTS (ddim); row++) {
    for (gsize b = 0; b < batch.samples; b++)
      fw_iddpm_ddim_step (diffusion, (int) batch.index[b], ddim[row].eta, batch.xt + b * count, x0 + b * count,
                          batch.noise + b * count, count, x + b * count);
    compare_floats (golden, ddim[row].name, x, all);
  }
  for (gsize b = 0; b < batch.samples; b++)
    fw_iddpm_ancestral_step ((int) batch.index[b], mean + b * count, log_variance + b * count, batch.noise + b * count,
                             count, x + b * count);
  compare_floats (golden, "respaced10.p_sample", x, all);
  return TRUE;
}

static gboolean
compare_dpm_schedule (GoldenCase *golden, GError **error)
{
  g_autofree FwDpmSchedule *schedule = g_new (FwDpmSchedule, 1);
  if (!fw_dpm_schedule_fill (schedule, "linear", error))
    return FALSE;
  FwTensor shape;
  g_autofree float *t = golden_floats (golden, "dpm.t", &shape), *lambda = golden_floats (golden, "dpm.lambda", NULL);
  gsize count = (gsize) fw_tensor_count (&shape);
  g_autofree float *got = g_new (float, 4 * count);
  for (gsize i = 0; i < count; i++) {
    got[i] = fw_dpm_log_alpha (schedule, t[i]);
    got[count + i] = fw_dpm_sigma (schedule, t[i]);
    got[2 * count + i] = fw_dpm_lambda (schedule, t[i]);
    got[3 * count + i] = fw_dpm_inverse_lambda (schedule, lambda[i]);
  }
  compare_floats (golden, "dpm.log_alpha", got, count);
  compare_floats (golden, "dpm.sigma", got + count, count);
  compare_floats (golden, "dpm.lambda", got + 2 * count, count);
  compare_floats (golden, "dpm.inverse_lambda", got + 3 * count, count);
  golden_check (golden, golden_number (golden, "dpm_total_N", FW_DIFFUSION_STEPS) == FW_DIFFUSION_STEPS,
                "the schedule has other knots");
  return TRUE;
}

static gboolean
run_diffusion_tables (GoldenCase *golden, GError **error)
{
  g_autoptr (FwDiffusion) diffusion = fw_diffusion_new ("linear", "", error);
  if (diffusion == NULL)
    return FALSE;
  g_auto (Batch) batch = read_batch (golden, "in.t");
  compare_forward (golden, diffusion, &batch);
  compare_predictions (golden, diffusion, &batch);
  compare_losses (golden, diffusion, &batch);
  return compare_tables (golden, error) && compare_respacings (golden, error) && compare_respaced_steps (golden, error)
         && compare_dpm_schedule (golden, error);
}

const GoldenRunner golden_sample_runners[] = {
  { "noise/torch_cpu", run_noise },
  { "opensora/diffusion_tables", run_diffusion_tables },
  { NULL, NULL }
};
