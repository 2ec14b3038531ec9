/* SPDX-License-Identifier: Apache-2.0
 * Learning-rate schedules and the decay of the moving average at steps whose value is known by hand. */
#include "engine/train/ema-decay.h"
#include "engine/train/lr-schedule.h"

static void
expect_curve (const char *name, gint64 warmup, gint64 total, const double (*points)[2], gsize count)
{
  g_autoptr (GError) error = NULL;
  FwLrSchedule schedule;
  g_assert_true (fw_lr_schedule_init (&schedule, name, warmup, total, &error));
  g_assert_no_error (error);
  for (gsize i = 0; i < count; i++)
    g_assert_cmpfloat_with_epsilon (fw_lr_multiplier (&schedule, (gint64) points[i][0]), points[i][1], 1e-9);
}

static void
test_curves (void)
{
  const double constant[][2] = { { 0, 1 }, { 99, 1 } }, warm[][2] = { { 0, 0 }, { 5, 0.5 }, { 10, 1 }, { 200, 1 } };
  const double linear[][2] = { { 5, 0.5 }, { 10, 1 }, { 55, 0.5 }, { 100, 0 }, { 150, 0 } };
  const double cosine[][2] = { { 5, 0.5 }, { 10, 1 }, { 40, 0.75 }, { 55, 0.5 }, { 100, 0 } };
  const double restarts[][2] = { { 10, 1 }, { 55, 0.5 }, { 100, 0 }, { 150, 0 } };
  const double polynomial[][2] = { { 10, 1 }, { 55, 0.5 + 0.5e-7 }, { 100, 1e-7 }, { 150, 1e-7 } };
  const double tail[][2] = { { 0, 0 }, { 5, 0.5 }, { 10, 1 }, { 60, 1 }, { 80, 0.5 }, { 90, 0.25 }, { 100, 0 }, { 150, 0 } };
  expect_curve ("constant", 10, 100, constant, G_N_ELEMENTS (constant));
  expect_curve ("constant_with_warmup", 10, 100, warm, G_N_ELEMENTS (warm));
  expect_curve ("linear", 10, 100, linear, G_N_ELEMENTS (linear));
  expect_curve ("cosine", 10, 100, cosine, G_N_ELEMENTS (cosine));
  expect_curve ("cosine_with_restarts", 10, 100, restarts, G_N_ELEMENTS (restarts));
  expect_curve ("polynomial", 10, 100, polynomial, G_N_ELEMENTS (polynomial));
  expect_curve ("constant_then_linear", 10, 100, tail, G_N_ELEMENTS (tail));
}

/* Every schedule stays within 0 .. 1, before, in and after the run, also where the warm-up is as long as the run. */
static void
test_bounds (void)
{
  static const char *const names[] = { "constant", "constant_with_warmup", "linear", "cosine", "cosine_with_restarts", "polynomial",
                                       "constant_then_linear" };
  for (guint kind = 0; kind < G_N_ELEMENTS (names); kind++)
    for (gint64 warmup = 0; warmup <= 9; warmup += 3) {
      FwLrSchedule schedule;
      g_assert_true (fw_lr_schedule_init (&schedule, names[kind], warmup, 7, NULL));
      for (gint64 step = 0; step < 20; step++) {
        double multiplier = fw_lr_multiplier (&schedule, step);
        g_assert_true (multiplier >= 0 && multiplier <= 1);
      }
    }
}

static void
test_options (void)
{
  FwLrSchedule schedule;
  g_assert_true (fw_lr_schedule_init (&schedule, "constant_then_linear", 0, 1000, NULL));
  schedule.end = 0.02;
  schedule.decay_from = 0.9;
  g_assert_cmpfloat_with_epsilon (fw_lr_multiplier (&schedule, 899), 1, 1e-12);
  g_assert_cmpfloat_with_epsilon (fw_lr_multiplier (&schedule, 950), 0.51, 1e-12);
  g_assert_cmpfloat_with_epsilon (fw_lr_multiplier (&schedule, 1000), 0.02, 1e-12);
}

static void
test_refused (void)
{
  static const struct { const char *name; gint64 warmup, total; } rows[] = {
    { "steep", 0, 10 }, { "linear", 0, 0 }, { "linear", -1, 10 },
  };
  for (gsize i = 0; i < G_N_ELEMENTS (rows); i++) {
    g_autoptr (GError) error = NULL;
    FwLrSchedule schedule;
    g_assert_false (fw_lr_schedule_init (&schedule, rows[i].name, rows[i].warmup, rows[i].total, &error));
    g_assert_error (error, FW_ERROR, FW_ERROR_INVALID);
  }
}

static void
test_average (void)
{
  FwEmaRule rule = fw_ema_rule (0.9);
  g_assert_cmpfloat (fw_ema_decay (&rule, 1), ==, 0);
  g_assert_cmpfloat_with_epsilon (fw_ema_decay (&rule, 2), 2.0 / 11, 1e-12);
  g_assert_cmpfloat_with_epsilon (fw_ema_decay (&rule, 11), 11.0 / 20, 1e-12);
  g_assert_cmpfloat (fw_ema_decay (&rule, 100000), ==, 0.9);
  rule.min_decay = 0.5;
  g_assert_cmpfloat (fw_ema_decay (&rule, 2), ==, 0.5);
  rule.update_after = 10;
  g_assert_cmpfloat (fw_ema_decay (&rule, 11), ==, 0);
  rule.min_decay = 0;
  rule.warmup = TRUE;
  g_assert_cmpfloat_with_epsilon (fw_ema_decay (&rule, 18), 0.75, 1e-12);  /* 1 - 8^(-2/3) */
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/rates/curves", test_curves);
  g_test_add_func ("/rates/bounds", test_bounds);
  g_test_add_func ("/rates/options", test_options);
  g_test_add_func ("/rates/refused", test_refused);
  g_test_add_func ("/rates/average", test_average);
  return g_test_run ();
}
