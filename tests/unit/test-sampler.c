/* SPDX-License-Identifier: Apache-2.0
 * The samplers: recorded first steps, the model's batch, models whose answer is known exactly, parking, and bad settings. */
#include <math.h>
#include <string.h>

#include "engine/sample/diffusion.h"
#include "engine/sample/sampler.h"
#include "tests/unit/recorded.h"

enum { CHANNELS = 4 };

static FwSampler *
new_sampler (const char *name, int steps, double guidance, int clips, gint64 positions)
{
  g_autoptr (GError) error = NULL;
  FwNoise noise;
  fw_noise_seed (&noise, 5);
  FwSamplerSettings settings = { steps, guidance, clips, CHANNELS, 2 * CHANNELS, positions };
  FwSampler *sampler = fw_sampler_new (name, &settings, &noise, &error);
  g_assert_no_error (error);
  return sampler;
}

/* --- recorded steps --------------------------------------------------------------------------------------------- */

typedef struct { const float *noise; gsize size; int draws; } Recorded;

/* Noise is drawn for both halves of the batch although only the first is used. */
static void
draw_recorded (gpointer data, float *noise, gsize count)
{
  Recorded *recorded_noise = data;
  g_assert_cmpuint (count, ==, 2 * recorded_noise->size);
  memcpy (noise, recorded_noise->noise, recorded_noise->size * sizeof (float));
  memset (noise + recorded_noise->size, 0x55, recorded_noise->size * sizeof (float));
  recorded_noise->draws++;
}

static void
test_iddpm_first_step (void)
{
  gsize size, output_size, steps;
  g_autofree float *z = recorded_floats ("iddpm.z", &size), *noise = recorded_floats ("iddpm.noise", &size);
  g_autofree float *output = recorded_floats ("iddpm.output", &output_size), *want = recorded_floats ("iddpm.x", &size);
  g_autofree float *want_x0 = recorded_floats ("iddpm.x0", &size), *want_times = recorded_floats ("iddpm.times", &steps);
  g_autoptr (FwSampler) sampler = new_sampler ("iddpm", 10, 7.0, 2, size / (2 * CHANNELS));
  g_autofree float *input = g_new (float, 2 * size);
  float times[4];
  Recorded draws = { noise, size, 0 };
  fw_sampler_set_draw (sampler, draw_recorded, &draws);
  fw_sampler_start (sampler, z);
  g_assert_cmpint (fw_sampler_rows (sampler), ==, 4);
  for (int row = 0; row < 4; row++) {
    g_assert_cmpint (fw_sampler_row_clip (sampler, row), ==, row % 2);
    g_assert_cmpint (fw_sampler_row_is_conditional (sampler, row), ==, row < 2);
  }
  g_assert_true (fw_sampler_next (sampler, input, times));
  for (int half = 0; half < 2; half++)
    g_assert_cmpmem (input + half * size, size * sizeof (float), z, size * sizeof (float));
  fw_sampler_take (sampler, output);
  assert_close (fw_sampler_predicted (sampler), want_x0, size, 2e-4);
  assert_close (fw_sampler_latent (sampler), want, size, 1e-5);
  for (gsize step = 1; step < steps; step++) {
    g_assert_true (fw_sampler_next (sampler, input, times));
    for (int row = 0; row < 4; row++)
      g_assert_cmpfloat (times[row], ==, want_times[step]);
    fw_sampler_take (sampler, output);
  }
  g_assert_false (fw_sampler_next (sampler, input, times));
  g_assert_cmpint (draws.draws, ==, (int) steps);
  /* The last step adds no noise: it ends on the clean latent. */
  g_assert_cmpmem (fw_sampler_latent (sampler), size * sizeof (float), fw_sampler_predicted (sampler), size * sizeof (float));
}

static void
test_dpm_first_step (void)
{
  gsize size, output_size;
  g_autofree float *z = recorded_floats ("dpm.z", &size), *output = recorded_floats ("dpm.output", &output_size);
  g_autofree float *want = recorded_floats ("dpm.x", &size), *input = g_new (float, 2 * size);
  float times[4];
  g_autoptr (GError) error = NULL;
  FwNoise noise;
  fw_noise_seed (&noise, 0);
  FwSamplerSettings settings = { 8, 7.0, 2, CHANNELS, CHANNELS, (gint64) size / (2 * CHANNELS) };
  g_autoptr (FwSampler) sampler = fw_sampler_new ("dpm-solver", &settings, &noise, &error);
  g_assert_no_error (error);
  fw_sampler_start (sampler, z);
  for (int row = 0; row < 4; row++)
    g_assert_cmpint (fw_sampler_row_is_conditional (sampler, row), ==, row >= 2);
  g_assert_true (fw_sampler_next (sampler, input, times));
  fw_sampler_take (sampler, output);
  assert_close (fw_sampler_latent (sampler), want, size, 1e-4);
}

static void
test_dpm_times (void)
{
  static const char *const names[] = { "dpm.times8", "dpm.times12" };
  for (gsize i = 0; i < G_N_ELEMENTS (names); i++) {
    gsize steps;
    g_autofree float *want = recorded_floats (names[i], &steps);
    g_autoptr (FwSampler) sampler = new_sampler ("dpm-solver", (int) steps, 1, 1, 1);
    float input[CHANNELS], time, output[2 * CHANNELS] = { 0 };
    fw_sampler_start (sampler, NULL);
    for (gsize step = 0; step < steps; step++) {
      g_assert_true (fw_sampler_next (sampler, input, &time));
      g_assert_cmpfloat (time, ==, want[step]);
      fw_sampler_take (sampler, output);
    }
    g_assert_false (fw_sampler_next (sampler, input, &time));
  }
}

/* Single times of torch.linspace (1.0, 0.001, steps + 1), as the model is told them, where rounding twice, or walking from one
 * end only, gives a neighbouring number. */
static void
test_dpm_times_of_other_counts (void)
{
  static const struct { int steps, at; float time; } rows[] = {
    { 7, 3, 0x1.1d6db6p+9f }, { 7, 6, 0x1.1d6db8p+7f }, { 25, 15, 0x1.8f999cp+8f }, { 25, 24, 0x1.3fae14p+5f },
    { 50, 25, 0x1.f38002p+8f }, { 50, 37, 0x1.03bd72p+8f }, { 50, 49, 0x1.3fae14p+4f },
  };
  for (gsize row = 0; row < G_N_ELEMENTS (rows); row++) {
    g_autoptr (FwSampler) sampler = new_sampler ("dpm-solver", rows[row].steps, 1, 1, 1);
    float input[CHANNELS], time = 0, output[2 * CHANNELS] = { 0 };
    fw_sampler_start (sampler, NULL);
    for (int step = 0; step <= rows[row].at; step++) {
      g_assert_true (fw_sampler_next (sampler, input, &time));
      fw_sampler_take (sampler, output);
    }
    g_assert_cmpfloat (time, ==, rows[row].time);
  }
}

/* --- models whose answer is known ------------------------------------------------------------------------------- */

/* Runs @sampler from where it stands; the model answers for every element from (context, x, time). */
typedef void (*Model) (gpointer context, float x, float time, float *epsilon, float *variance);

static void
run_model (FwSampler *sampler, gint64 positions, Model model, gpointer context, int evaluations)
{
  gsize rows = (gsize) fw_sampler_rows (sampler), count = CHANNELS * (gsize) positions;
  g_autofree float *input = g_new (float, rows * count), *output = g_new (float, 2 * rows * count), *times = g_new (float, rows);
  while (evaluations-- > 0 && fw_sampler_next (sampler, input, times))
    for (gsize row = 0; row < rows; row++) {
      float *epsilon = output + 2 * row * count;
      for (gsize i = 0; i < count; i++)
        model (context, input[row * count + i], times[row], &epsilon[i], &epsilon[count + i]);
      if (row == rows - 1)
        fw_sampler_take (sampler, output);
    }
}

/* The best possible model of latents that are normal with standard deviation @spread: its noise is linear in x, and its
 * variance that of x_{t-1} given x_t. */
typedef struct { FwDiffusion *diffusion; double spread; } Normal;

static void
normal_model (gpointer context, float x, float time, float *epsilon, float *variance)
{
  Normal *normal = context;
  const FwDiffusion *d = normal->diffusion;
  int i = 0;
  while (i < d->steps - 1 && d->timestep[i] < (int) rintf (time))
    i++;
  double data = normal->spread * normal->spread, total = d->abar[i] * data + 1 - d->abar[i];
  *epsilon = (float) (x * sqrt (1 - d->abar[i]) / total);
  double x0_variance = data * (1 - d->abar[i]) / total, of_x0 = d->posterior_mean_x0[i];
  double log_variance = log (d->posterior_variance[MAX (i, 1)] + of_x0 * of_x0 * x0_variance);
  double low = d->posterior_log_variance_clipped[i], high = d->log_beta[i];
  *variance = (float) (2 * (log_variance - low) / (high - low) - 1);
}

/* Ancestral sampling with the best model has the right distribution after every number of steps. */
static void
test_iddpm_distribution (void)
{
  static const int steps[] = { 4, 25 };
  const gint64 positions = 4096;
  for (gsize row = 0; row < G_N_ELEMENTS (steps); row++) {
    g_autofree char *respacing = g_strdup_printf ("%d", steps[row]);
    g_autoptr (FwDiffusion) diffusion = fw_diffusion_new ("linear", respacing, NULL);
    Normal normal = { diffusion, 0.6 };
    g_autoptr (FwSampler) sampler = new_sampler ("iddpm", steps[row], 1, 1, positions);
    fw_sampler_start (sampler, NULL);
    run_model (sampler, positions, normal_model, &normal, G_MAXINT);
    const float *x = fw_sampler_latent (sampler);
    double sum = 0, squares = 0, count = CHANNELS * (double) positions;
    for (int i = 0; i < count; i++) {
      sum += x[i];
      squares += x[i] * x[i];
    }
    /* Four standard errors of 16384 samples. */
    g_assert_cmpfloat_with_epsilon (sum / count, 0, 4 * normal.spread / sqrt (count));
    g_assert_cmpfloat_with_epsilon (sqrt (squares / count) / normal.spread, 1, 4 / sqrt (2 * count));
  }
}

/* The exact flow of normal latents multiplies x by the ratio of the standard deviations at the two ends. */
static double
normal_flow_error (int steps)
{
  g_autoptr (FwDiffusion) diffusion = fw_diffusion_new ("linear", "", NULL);
  Normal normal = { diffusion, 2.0 };
  g_autoptr (FwSampler) sampler = new_sampler ("dpm-solver", steps, 1, 1, 1);
  const float start[CHANNELS] = { 1, 1, 1, 1 };
  fw_sampler_start (sampler, start);
  run_model (sampler, 1, normal_model, &normal, G_MAXINT);
  int last = FW_DIFFUSION_STEPS - 1;
  double data = normal.spread * normal.spread;
  double first_spread = sqrt (diffusion->abar[last] * data + 1 - diffusion->abar[last]);
  double last_spread = sqrt (diffusion->abar[0] * data + 1 - diffusion->abar[0]);
  return fabs (fw_sampler_latent (sampler)[0] - last_spread / first_spread);
}

/* 37 and 111 steps fall on whole timesteps. Three times the steps of a second-order method leave a ninth of the error. */
static void
test_dpm_order (void)
{
  double coarse = normal_flow_error (37), fine = normal_flow_error (111);
  g_assert_cmpfloat (coarse, <, 0.02);
  g_assert_cmpfloat (coarse / fine, >, 6);
  g_assert_cmpfloat (coarse / fine, <, 14);
}

static void
curved_model (gpointer context, float x, float time, float *epsilon, float *variance)
{
  *epsilon = sinf (2 * x) + 0.3f * cosf (time / 150);
  *variance = sinf (x);
}

/* log (alpha / sigma) at a model time between whole timesteps: log alpha is a straight line there. */
static double
log_ratio (const FwDiffusion *diffusion, double time, double *alpha, double *sigma)
{
  int below = MIN ((int) time, FW_DIFFUSION_STEPS - 2);
  double low = log (diffusion->sqrt_abar[below]), high = log (diffusion->sqrt_abar[below + 1]);
  *alpha = exp (low + (time - below) * (high - low));
  *sigma = sqrt (1 - *alpha * *alpha);
  return log (*alpha / *sigma);
}

/* DPM-Solver++ 2M written down a second time, in double. Returns the state from @x. */
static double
replay (double x, int steps)
{
  g_autoptr (FwDiffusion) diffusion = fw_diffusion_new ("linear", "", NULL);
  double before = 0, lambda_before = 0;
  for (int k = 0; k < steps; k++) {
    double here = 999.0 - k * 999.0 / steps, next = here - 999.0 / steps, alpha, sigma, next_alpha, next_sigma;
    double lambda = log_ratio (diffusion, here, &alpha, &sigma);
    double h = log_ratio (diffusion, next, &next_alpha, &next_sigma) - lambda;
    float epsilon, variance;
    curved_model (NULL, (float) x, (float) here, &epsilon, &variance);
    double clean = (x - sigma * epsilon) / alpha, used = clean;
    if (k > 0 && (k < steps - 1 || steps >= 10))
      used += h / (2 * (lambda - lambda_before)) * (clean - before);
    x = next_sigma / sigma * x + next_alpha * (1 - exp (-h)) * used;
    before = clean;
    lambda_before = lambda;
  }
  return x;
}

static void
test_dpm_replay (void)
{
  static const int steps[] = { 2, 3, 9, 10, 14, 27 };  /* the first three end with a first-order step */
  const double tolerance = 1e-4;
  const float start[CHANNELS] = { -1.5f, -0.2f, 0.4f, 1.1f };
  for (gsize row = 0; row < G_N_ELEMENTS (steps); row++) {
    g_autoptr (FwSampler) sampler = new_sampler ("dpm-solver", steps[row], 1, 1, 1);
    g_assert_cmpint (fw_sampler_rows (sampler), ==, 1);
    g_assert_true (fw_sampler_row_is_conditional (sampler, 0));
    fw_sampler_start (sampler, start);
    run_model (sampler, 1, curved_model, NULL, G_MAXINT);
    for (int i = 0; i < CHANNELS; i++) {
      double want = replay (start[i], steps[row]);
      g_assert_cmpfloat_with_epsilon (fw_sampler_latent (sampler)[i], want, tolerance * MAX (1, fabs (want)));
    }
  }
}

/* --- guidance --------------------------------------------------------------------------------------------------- */

/* The latent after one step where the pass without caption answers @without everywhere, the other 0. */
static void
one_guided_step (const char *name, float without, float *latent)
{
  g_autoptr (FwSampler) sampler = new_sampler (name, 20, 3, 1, 1);
  const float start[CHANNELS] = { 0.5f, 0.5f, 0.5f, 0.5f };
  float input[2 * CHANNELS], times[2], output[2 * 2 * CHANNELS] = { 0 };
  fw_sampler_start (sampler, start);
  g_assert_true (fw_sampler_next (sampler, input, times));
  for (int row = 0; row < 2; row++)
    for (int i = 0; i < 2 * CHANNELS; i++)
      output[row * 2 * CHANNELS + i] = fw_sampler_row_is_conditional (sampler, row) ? 0 : without;
  fw_sampler_take (sampler, output);
  memcpy (latent, fw_sampler_latent (sampler), CHANNELS * sizeof (float));
}

/* IDDPM guides the first three channels only, DPM-Solver all; neither looks at the unguided variance. */
static void
test_guided_channels (void)
{
  static const struct { const char *name; int guided; } rows[] = { { "iddpm", 3 }, { "dpm-solver", CHANNELS } };
  for (gsize row = 0; row < G_N_ELEMENTS (rows); row++) {
    float same[CHANNELS], other[CHANNELS];
    one_guided_step (rows[row].name, 0, same);
    one_guided_step (rows[row].name, 1, other);
    for (int i = 0; i < CHANNELS; i++)
      g_assert_cmpint (same[i] != other[i], ==, i < rows[row].guided);
  }
}

/* --- parking ---------------------------------------------------------------------------------------------------- */

static void
test_park (void)
{
  for (guint kind = 0; fw_sampler_name (kind) != NULL; kind++) {
    const char *name = fw_sampler_name (kind);
    g_autoptr (FwSampler) whole = new_sampler (name, 12, 2.5, 2, 7), parked = new_sampler (name, 12, 2.5, 2, 7);
    gsize size = 2 * CHANNELS * 7 * sizeof (float);
    fw_sampler_start (whole, NULL);
    run_model (whole, 7, curved_model, NULL, G_MAXINT);
    fw_sampler_start (parked, NULL);
    for (int at = 0; at < 12; at += 5) {
      run_model (parked, 7, curved_model, NULL, at == 0 ? 0 : 5);
      g_autoptr (GBytes) saved = fw_sampler_save (parked);
      g_autoptr (GError) error = NULL;
      FwSampler *resumed = new_sampler (name, 12, 2.5, 2, 7);
      g_assert_true (fw_sampler_restore (resumed, saved, &error));
      g_assert_no_error (error);
      g_assert_cmpint (fw_sampler_done (resumed), ==, at);
      fw_sampler_free (parked);
      parked = resumed;
    }
    run_model (parked, 7, curved_model, NULL, G_MAXINT);
    g_assert_cmpint (fw_sampler_done (parked), ==, fw_sampler_evaluations (parked));
    g_assert_cmpmem (fw_sampler_latent (parked), size, fw_sampler_latent (whole), size);
    g_assert_cmpmem (fw_sampler_predicted (parked), size, fw_sampler_predicted (whole), size);
    g_assert_cmpmem (fw_sampler_noise (parked)->words, sizeof fw_sampler_noise (whole)->words,
                     fw_sampler_noise (whole)->words, sizeof fw_sampler_noise (whole)->words);
  }
}

static void
expect_not_restored (FwSampler *sampler, gconstpointer data, gsize size)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GBytes) bytes = g_bytes_new (data, size), before = fw_sampler_save (sampler);
  g_assert_false (fw_sampler_restore (sampler, bytes, &error));
  g_assert_error (error, FW_ERROR, FW_ERROR_FORMAT);
  g_autoptr (GBytes) after = fw_sampler_save (sampler);
  g_assert_true (g_bytes_equal (before, after));
}

static void
test_damaged (void)
{
  g_autoptr (FwSampler) sampler = new_sampler ("dpm-solver", 12, 2.5, 1, 3);
  fw_sampler_start (sampler, NULL);
  run_model (sampler, 3, curved_model, NULL, 2);
  g_autoptr (GBytes) saved = fw_sampler_save (sampler);
  gsize size, noise_at, latent_bytes = CHANNELS * 3 * sizeof (float);
  const guint8 *good = g_bytes_get_data (saved, &size);
  g_autofree guint8 *bad = g_memdup2 (good, size);
  noise_at = size - 2 * latent_bytes - FW_NOISE_SAVED_SIZE;
  expect_not_restored (sampler, good, size - 1);
  expect_not_restored (sampler, good, 0);
  bad[noise_at - 4] = 13;                                   /* evaluations done */
  expect_not_restored (sampler, bad, size);
  bad[noise_at - 4] = good[noise_at - 4];
  memset (bad + noise_at + 4 * FW_NOISE_WORDS, 0xff, 4);    /* inside the generator */
  expect_not_restored (sampler, bad, size);
  memcpy (bad, good, size);
  memset (bad + size - latent_bytes - 4, 0xff, 4);          /* a latent that is not a number */
  expect_not_restored (sampler, bad, size);

  static const struct { const char *name; int steps; double guidance; int clips; gint64 positions; } others[] = {
    { "iddpm", 12, 2.5, 1, 3 }, { "dpm-solver", 13, 2.5, 1, 3 }, { "dpm-solver", 12, 2, 1, 3 }, { "dpm-solver", 12, 2.5, 3, 1 },
  };
  for (gsize i = 0; i < G_N_ELEMENTS (others); i++) {
    g_autoptr (FwSampler) other = new_sampler (others[i].name, others[i].steps, others[i].guidance, others[i].clips,
                                               others[i].positions);
    fw_sampler_start (other, NULL);
    expect_not_restored (other, good, size);
  }
}

/* --- settings --------------------------------------------------------------------------------------------------- */

static void
test_refused (void)
{
  static const struct { const char *name; FwSamplerSettings settings; FwErrorCode code; } rows[] = {
    { "euler-of-basel", { 20, 4, 1, 4, 8, 10 }, FW_ERROR_INVALID },
    { "iddpm", { 0, 4, 1, 4, 8, 10 }, FW_ERROR_INVALID },
    { "iddpm", { 1001, 4, 1, 4, 8, 10 }, FW_ERROR_INVALID },
    { "dpm-solver", { 1, 4, 1, 4, 8, 10 }, FW_ERROR_INVALID },
    { "dpm-solver", { -5, 4, 1, 4, 8, 10 }, FW_ERROR_INVALID },
    { "dpm-solver", { 20, NAN, 1, 4, 8, 10 }, FW_ERROR_INVALID },
    { "dpm-solver", { 20, INFINITY, 1, 4, 8, 10 }, FW_ERROR_INVALID },
    { "dpm-solver", { 20, 4, 0, 4, 8, 10 }, FW_ERROR_INVALID },
    { "dpm-solver", { 20, 4, 1, 4, 8, 0 }, FW_ERROR_INVALID },
    { "dpm-solver", { 20, 4, 1, -4, -8, 10 }, FW_ERROR_INVALID },
    { "dpm-solver", { 20, 4, G_MAXINT, G_MAXINT, G_MAXINT, G_MAXINT64 }, FW_ERROR_INVALID },
    { "dpm-solver", { 20, 4, 1, 4, 9, 10 }, FW_ERROR_CHECKPOINT },
    { "iddpm", { 20, 4, 1, 4, 4, 10 }, FW_ERROR_CHECKPOINT },
    { "dpm-solver", { 20, 4, 1, 4, 8, (gint64) 1 << 48 }, FW_ERROR_MEMORY },
  };
  FwNoise noise;
  fw_noise_seed (&noise, 0);
  for (gsize i = 0; i < G_N_ELEMENTS (rows); i++) {
    g_autoptr (GError) error = NULL;
    g_assert_null (fw_sampler_new (rows[i].name, &rows[i].settings, &noise, &error));
    g_assert_error (error, FW_ERROR, (int) rows[i].code);
  }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/sampler/iddpm/first-step", test_iddpm_first_step);
  g_test_add_func ("/sampler/iddpm/distribution", test_iddpm_distribution);
  g_test_add_func ("/sampler/dpm-solver/first-step", test_dpm_first_step);
  g_test_add_func ("/sampler/dpm-solver/times", test_dpm_times);
  g_test_add_func ("/sampler/dpm-solver/times-of-other-counts", test_dpm_times_of_other_counts);
  g_test_add_func ("/sampler/dpm-solver/order", test_dpm_order);
  g_test_add_func ("/sampler/dpm-solver/replay", test_dpm_replay);
  g_test_add_func ("/sampler/guided-channels", test_guided_channels);
  g_test_add_func ("/sampler/park", test_park);
  g_test_add_func ("/sampler/damaged", test_damaged);
  g_test_add_func ("/sampler/refused", test_refused);
  return g_test_run ();
}
