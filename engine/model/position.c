/* SPDX-License-Identifier: Apache-2.0
 * Position tables in float64, rounded once; the timestep table in the float32 of the original. */
#include "engine/model/position.h"

#include <math.h>

static const double longest_period = 10000;

/* width values: sines, then cosines, of @position at width/2 falling frequencies. */
static void
encode (double position, int width, float *out)
{
  int half = width / 2;
  for (int j = 0; j < half; j++) {
    double angle = position * (1 / pow (longest_period, (double) j / half));
    out[j] = (float) sin (angle);
    out[half + j] = (float) cos (angle);
  }
}

/* Coordinates are float32 in the original. */
static double
coordinate (int i, int count, double scale, double base_size)
{
  float at = (float) i / (float) scale;
  return base_size > 0 ? at * (float) (base_size / count) : at;
}

void
fw_position_2d (int width, int rows, int columns, double scale, double base_size, float *table)
{
  for (int y = 0; y < rows; y++)
    for (int x = 0; x < columns; x++) {
      encode (coordinate (x, columns, scale, base_size), width / 2, table);
      encode (coordinate (y, rows, scale, base_size), width / 2, table + width / 2);
      table += width;
    }
}

void
fw_position_1d (int width, int length, double scale, float *table)
{
  for (int i = 0; i < length; i++)
    encode (i / scale, width, table + (gsize) i * width);
}

void
fw_timestep_sinusoid (int width, const float *times, gsize count, float *table)
{
  int half = width / 2;
  for (gsize row = 0; row < count; row++)
    for (int j = 0; j < half; j++) {
      float frequency = (float) exp ((float) -log (longest_period) * (float) j / (float) half);
      float angle = times[row] * frequency;
      table[row * width + j] = (float) cos (angle);
      table[row * width + half + j] = (float) sin (angle);
    }
}
