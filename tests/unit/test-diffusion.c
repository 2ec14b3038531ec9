/* SPDX-License-Identifier: Apache-2.0
 * The diffusion process: which timesteps are kept, laws that hold between its tables, its steps, and the gradient of its loss. */
#include <math.h>

#include "engine/sample/dpm-solver.h"
#include "engine/sample/iddpm-loss.h"
#include "engine/sample/iddpm.h"

static void
expect_kept (const char *respacing, guint count, const int *first, guint n_first)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GArray) kept = fw_diffusion_respace (respacing, &error);
  g_assert_no_error (error);
  g_assert_cmpuint (kept->len, ==, count);
  for (guint i = 0; i < n_first; i++)
    g_assert_cmpint (g_array_index (kept, int, i), ==, first[i]);
  for (guint i = 1; i < count; i++)
    g_assert_cmpint (g_array_index (kept, int, i), >, g_array_index (kept, int, i - 1));
  g_assert_cmpint (g_array_index (kept, int, count - 1), <, FW_DIFFUSION_STEPS);
}

static void
test_respacing (void)
{
  expect_kept ("", 1000, (int[]) { 0, 1, 2 }, 3);
  expect_kept (NULL, 1000, (int[]) { 0, 1, 2 }, 3);
  expect_kept ("1", 1, (int[]) { 0 }, 1);
  expect_kept ("20", 20, (int[]) { 0, 53, 105, 158, 210, 263 }, 6);  /* 157.7 and 262.9 round up, 105.2 and 210.3 down */
  expect_kept ("7", 7, (int[]) { 0, 166, 333, 500, 666, 832, 999 }, 7);  /* 166.5, 499.5 and 832.5 go to the even neighbour */
  expect_kept ("ddim25", 25, (int[]) { 0, 40, 80 }, 3);
  expect_kept ("1,1,1", 3, (int[]) { 0, 334, 667 }, 3);              /* sections of 334, 333 and 333 */
}

static void
test_respacing_refused (void)
{
  static const char *const rows[] = { "0", "1001", "-3", "abc", "3.5", "10,", "600,600", "ddim", "ddim999", "ddim0", "1e3",
                                      "99999999999999999999" };
  for (gsize i = 0; i < G_N_ELEMENTS (rows); i++) {
    g_autoptr (GError) error = NULL;
    g_assert_null (fw_diffusion_respace (rows[i], &error));
    g_assert_error (error, FW_ERROR, FW_ERROR_INVALID);
  }
  g_autoptr (GError) error = NULL;
  g_assert_null (fw_diffusion_new ("quadratic", "", &error));
  g_assert_error (error, FW_ERROR, FW_ERROR_INVALID);
}

/* What is kept has the noise level that it had in the whole process, and the posterior of a step leads from the noise level of
 * one timestep to that of the one before. */
static void
test_laws (void)
{
  static const char *const schedules[] = { "linear", "squaredcos_cap_v2" };
  for (gsize row = 0; row < G_N_ELEMENTS (schedules); row++) {
    g_autoptr (FwDiffusion) whole = fw_diffusion_new (schedules[row], "", NULL);
    g_autoptr (FwDiffusion) kept = fw_diffusion_new (schedules[row], "7,50", NULL);
    g_assert_cmpint (kept->steps, ==, 57);
    for (int i = 0; i < kept->steps; i++) {
      g_assert_cmpfloat_with_epsilon (kept->abar[i] / whole->abar[kept->timestep[i]], 1, 1e-9);
      double signal = kept->posterior_mean_x0[i] + kept->posterior_mean_xt[i] * kept->sqrt_abar[i];
      g_assert_cmpfloat_with_epsilon (signal, sqrt (kept->abar_previous[i]), 1e-9);
      double spread = kept->posterior_mean_xt[i] * kept->sqrt_1m_abar[i];
      g_assert_cmpfloat_with_epsilon (kept->posterior_variance[i] + spread * spread, 1 - kept->abar_previous[i], 1e-9);
    }
  }
}

static void
test_single_step (void)
{
  g_autoptr (FwDiffusion) diffusion = fw_diffusion_new ("linear", "1", NULL);
  g_assert_cmpint (diffusion->steps, ==, 1);
  g_assert_true (isfinite (diffusion->posterior_log_variance_clipped[0]));
}

enum { COUNT = 6 };

static const float some_x0[COUNT] = { -0.9f, -0.2f, 0, 0.4f, 0.7f, 1.3f };
static const float some_noise[COUNT] = { 0.3f, -1.2f, 0.8f, 2.1f, -0.4f, 0.1f };

/* A network that predicts the true noise sees the true clean latent, and without randomness DDIM then lands where noising the
 * clean latent for the timestep before would. */
static void
test_perfect_prediction (void)
{
  g_autoptr (FwDiffusion) diffusion = fw_diffusion_new ("linear", "25", NULL);
  const float variance[COUNT] = { -1, -1, -1, 1, 1, 1 };
  for (int index = 1; index < diffusion->steps; index++) {
    float xt[COUNT], x0[COUNT], mean[COUNT], log_variance[COUNT], x[COUNT], before[COUNT];
    fw_iddpm_noise (diffusion, index, some_x0, some_noise, COUNT, xt);
    fw_iddpm_predict (diffusion, index, FALSE, xt, some_noise, variance, COUNT, x0, mean, log_variance);
    fw_iddpm_ddim_step (diffusion, index, 0, xt, x0, some_noise, COUNT, x);
    fw_iddpm_noise (diffusion, index - 1, some_x0, some_noise, COUNT, before);
    for (int i = 0; i < COUNT; i++) {
      g_assert_cmpfloat_with_epsilon (x0[i], some_x0[i], 1e-3);
      g_assert_cmpfloat_with_epsilon (x[i], before[i], 1e-3);
      double end = i < COUNT / 2 ? diffusion->posterior_log_variance_clipped[index] : diffusion->log_beta[index];
      g_assert_cmpfloat_with_epsilon (log_variance[i], end, 1e-5);
    }
    fw_iddpm_predict (diffusion, index, TRUE, xt, some_noise, variance, COUNT, x0, mean, log_variance);
    g_assert_cmpfloat (x0[COUNT - 1], ==, 1);
  }
}

/* With the noise predicted and the variance at its lower end, the prediction is the true posterior: nothing is left to learn. */
static void
test_loss_of_the_truth (void)
{
  g_autoptr (FwDiffusion) diffusion = fw_diffusion_new ("linear", "", NULL);
  float output[2 * COUNT];
  for (int i = 0; i < COUNT; i++) {
    output[i] = some_noise[i];
    output[COUNT + i] = -1;
  }
  FwIddpmLoss loss = fw_iddpm_loss (diffusion, 300, some_x0, some_noise, output, COUNT, NULL);
  g_assert_cmpfloat_with_epsilon (loss.mse, 0, 1e-12);
  g_assert_cmpfloat_with_epsilon (loss.vb, 0, 1e-9);
  output[0] += 0.5f;
  output[COUNT + 1] = 0;
  loss = fw_iddpm_loss (diffusion, 300, some_x0, some_noise, output, COUNT, NULL);
  g_assert_cmpfloat_with_epsilon (loss.mse, 0.25 / COUNT, 1e-6);
  g_assert_cmpfloat (loss.vb, >, 1e-8);
}

/* The written-out gradient against differences of the loss; index 0 is the likelihood with both open bins. */
static void
test_loss_gradient (void)
{
  static const int indices[] = { 0, 1, 40, 999 };
  static const float x0[COUNT] = { -1, -0.2f, 0, 0.4f, 0.7f, 1 };
  g_autoptr (FwDiffusion) diffusion = fw_diffusion_new ("linear", "", NULL);
  const float nudge = 1.0f / 256;
  for (gsize row = 0; row < G_N_ELEMENTS (indices); row++) {
    float output[2 * COUNT] = { 0.5f, -1, 0.5f, 2, -0.25f, 0, 0.5f, -0.5f, 1, 0, -1, 0.25f };
    double gradient[2 * COUNT];
    fw_iddpm_loss (diffusion, indices[row], x0, some_noise, output, COUNT, gradient);
    for (int i = 0; i < 2 * COUNT; i++) {
      float kept = output[i];
      output[i] = kept + nudge;
      FwIddpmLoss above = fw_iddpm_loss (diffusion, indices[row], x0, some_noise, output, COUNT, NULL);
      output[i] = kept - nudge;
      FwIddpmLoss below = fw_iddpm_loss (diffusion, indices[row], x0, some_noise, output, COUNT, NULL);
      output[i] = kept;
      double change = i < COUNT ? above.mse - below.mse : above.vb - below.vb;
      g_assert_cmpfloat_with_epsilon (gradient[i], change / (2 * nudge), 1e-4 * MAX (0.01, fabs (gradient[i])));
    }
  }
}

/* The continuous schedule passes through the discrete one, and its inverse inverts it. */
static void
test_continuous_schedule (void)
{
  g_autofree FwDpmSchedule *schedule = g_new (FwDpmSchedule, 1);
  g_autoptr (FwDiffusion) diffusion = fw_diffusion_new ("linear", "", NULL);
  g_assert_true (fw_dpm_schedule_fill (schedule, "linear", NULL));
  for (int i = 0; i < FW_DIFFUSION_STEPS; i += 37) {
    float t = (float) (i + 1) / FW_DIFFUSION_STEPS;
    g_assert_cmpfloat_with_epsilon (expf (fw_dpm_log_alpha (schedule, t)), diffusion->sqrt_abar[i], 2e-6);
    g_assert_cmpfloat_with_epsilon (fw_dpm_sigma (schedule, t) / diffusion->sqrt_1m_abar[i], 1, 1e-3);
    g_assert_cmpfloat_with_epsilon (fw_dpm_inverse_lambda (schedule, fw_dpm_lambda (schedule, t)), t, 1e-5);
  }
  g_assert_cmpfloat (fw_dpm_log_alpha (schedule, 0.0005f), >, fw_dpm_log_alpha (schedule, 0.001f));
  g_assert_cmpfloat (fw_dpm_log_alpha (schedule, 1.01f), <, fw_dpm_log_alpha (schedule, 1));
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/diffusion/respacing", test_respacing);
  g_test_add_func ("/diffusion/respacing/refused", test_respacing_refused);
  g_test_add_func ("/diffusion/laws", test_laws);
  g_test_add_func ("/diffusion/single-step", test_single_step);
  g_test_add_func ("/diffusion/perfect-prediction", test_perfect_prediction);
  g_test_add_func ("/diffusion/continuous-schedule", test_continuous_schedule);
  g_test_add_func ("/diffusion/loss/truth", test_loss_of_the_truth);
  g_test_add_func ("/diffusion/loss/gradient", test_loss_gradient);
  return g_test_run ();
}
