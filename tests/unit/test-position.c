/* SPDX-License-Identifier: Apache-2.0
 * Position tables, the timestep sinusoid and T5's buckets: which half of a row encodes what, scales, and values known by hand. */
#include <math.h>

#include "engine/model/position.h"
#include "engine/model/t5-buckets.h"

static void
test_line (void)
{
  float table[3 * 4];
  fw_position_1d (4, 3, 0.5, table);
  for (int i = 0; i < 3; i++) {
    const double want[4] = { sin (2.0 * i), sin (0.02 * i), cos (2.0 * i), cos (0.02 * i) };
    for (int j = 0; j < 4; j++)
      g_assert_cmpfloat_with_epsilon (table[i * 4 + j], want[j], 1e-6);
  }
}

/* The first half of a row encodes the column, the second the row of the grid; base_size stretches both axes to
 * the same length. */
static void
test_plane (void)
{
  enum { ROWS = 2, COLUMNS = 3 };
  float table[ROWS * COLUMNS * 4], stretched[ROWS * COLUMNS * 4];
  fw_position_2d (4, ROWS, COLUMNS, 2, 0, table);
  fw_position_2d (4, ROWS, COLUMNS, 1, 6, stretched);
  for (int y = 0; y < ROWS; y++)
    for (int x = 0; x < COLUMNS; x++) {
      const float *row = table + (y * COLUMNS + x) * 4, *wide = stretched + (y * COLUMNS + x) * 4;
      const double want[4] = { sin (x / 2.0), cos (x / 2.0), sin (y / 2.0), cos (y / 2.0) };
      const double want_wide[4] = { sin (x * 2.0), cos (x * 2.0), sin (y * 3.0), cos (y * 3.0) };
      for (int j = 0; j < 4; j++) {
        g_assert_cmpfloat_with_epsilon (row[j], want[j], 1e-6);
        g_assert_cmpfloat_with_epsilon (wide[j], want_wide[j], 1e-6);
      }
    }
}

static void
test_timestep (void)
{
  const float times[2] = { 0, 12.5f };
  float table[2 * 4];
  fw_timestep_sinusoid (4, times, 2, table);
  for (int row = 0; row < 2; row++) {
    const double want[4] = { cos (times[row]), cos (times[row] * 0.01), sin (times[row]), sin (times[row] * 0.01) };
    for (int j = 0; j < 4; j++)
      g_assert_cmpfloat_with_epsilon (table[row * 4 + j], want[j], 2e-6);
  }
}

/* 32 buckets up to 128: eight exact distances on each side, then ever wider ones, the last without end. */
static void
test_buckets (void)
{
  static const struct { gint64 relative; int bucket; } rows[] = {
    { 0, 0 }, { -1, 1 }, { -7, 7 }, { -8, 8 }, { -11, 8 }, { -12, 9 }, { -127, 15 }, { -128, 15 }, { -5000, 15 },
    { G_MININT64 / 2, 15 }, { 1, 17 }, { 7, 23 }, { 8, 24 }, { 5000, 31 },
  };
  for (gsize i = 0; i < G_N_ELEMENTS (rows); i++)
    g_assert_cmpint (fw_t5_bucket (rows[i].relative, 32, 128), ==, rows[i].bucket);
  gint32 table[2 * 3];
  fw_t5_bucket_table (2, 3, 32, 128, table);
  const gint32 want[2 * 3] = { 0, 17, 18, 1, 0, 17 };
  g_assert_cmpmem (table, sizeof table, want, sizeof want);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/position/line", test_line);
  g_test_add_func ("/position/plane", test_plane);
  g_test_add_func ("/position/timestep", test_timestep);
  g_test_add_func ("/position/buckets", test_buckets);
  return g_test_run ();
}
