/* SPDX-License-Identifier: Apache-2.0
 * Timesteps of training batches: drawn as often as their density says, and evenly over a batch where that is promised. */
#include "engine/train/timesteps.h"

enum { STEPS = 10, BATCH = 4, FINE = 5000 };

/* How often each timestep comes when u runs evenly through [0, 1) for every sample of a batch. */
static void
count (const FwTimesteps *timesteps, double *often)
{
  for (int i = 0; i < BATCH; i++)
    for (int j = 0; j < FINE; j++)
      often[fw_timesteps_draw (timesteps, (j + 0.5f) / FINE, i, BATCH, STEPS)] += 1.0 / (BATCH * FINE);
}

static void
test_density (void)
{
  /* of ten timesteps: (2 i + 1) / 100 */
  static const double late[STEPS] = { 0.01, 0.03, 0.05, 0.07, 0.09, 0.11, 0.13, 0.15, 0.17, 0.19 };
  for (int k = 0; fw_timesteps_names[k] != NULL; k++) {
    const FwTimesteps *timesteps = fw_timesteps_find (fw_timesteps_names[k]);
    double often[STEPS] = { 0 };
    count (timesteps, often);
    for (int i = 0; i < STEPS; i++) {
      double expected = timesteps->late ? late[i] : 0.1;
      g_assert_cmpfloat_with_epsilon (often[i], expected, 1e-3);
      g_assert_cmpfloat_with_epsilon (fw_timesteps_share (timesteps, i, STEPS), expected, 1e-12);
    }
  }
  g_assert_null (fw_timesteps_find ("early"));
}

/* A sample keeps to its share of probability: a quarter of ten timesteps, or of the area under the ramp. */
static void
test_strata (void)
{
  const FwTimesteps *even = fw_timesteps_find ("stratified"), *late = fw_timesteps_find ("late");
  static const int first[] = { 0, 2, 5, 7 }, first_late[] = { 0, 5, 7, 8 };
  const float end = 0.99999994f; /* the largest below 1 */
  for (int i = 0; i < BATCH; i++) {
    g_assert_cmpint (fw_timesteps_draw (even, 0, i, BATCH, STEPS), ==, first[i]);
    g_assert_cmpint (fw_timesteps_draw (late, 0, i, BATCH, STEPS), ==, first_late[i]);
  }
  g_assert_cmpint (fw_timesteps_draw (even, end, 0, BATCH, STEPS), ==, 2);
  g_assert_cmpint (fw_timesteps_draw (late, end, 0, BATCH, STEPS), ==, 4);
  g_assert_cmpint (fw_timesteps_draw (late, end, BATCH - 1, BATCH, STEPS), ==, STEPS - 1);
  g_assert_cmpint (fw_timesteps_draw (fw_timesteps_find ("uniform"), end, 0, BATCH, STEPS), ==, STEPS - 1);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/timesteps/density", test_density);
  g_test_add_func ("/timesteps/strata", test_strata);
  return g_test_run ();
}
