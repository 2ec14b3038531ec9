/* SPDX-License-Identifier: Apache-2.0
 * Sine-cosine tables of the video transformers: where a token lies in the picture and in time, and the timestep
 * (opensora-1.0 2.2, 2.8, 2.9). Tables are made for one grid and never interpolated. */
#pragma once
#include <glib.h>

/* table[rows * columns, width]: the first half of a row encodes the column, the second the row, sines before cosines. Grid
 * coordinates are divided by @scale; with @base_size > 0 they are also stretched by base_size/columns and base_size/rows.
 * @width is divisible by 4. */
void fw_position_2d (int width, int rows, int columns, double scale, double base_size, float *table);

/* table[length, width]: the position divided by @scale, sines before cosines. @width is even. */
void fw_position_1d (int width, int length, double scale, float *table);

/* table[count, width] of times that may be fractional: cosines before sines, frequencies from 1 down to nearly 1/10000, the
 * products rounded to float32 as the original program rounds them. @width is even. */
void fw_timestep_sinusoid (int width, const float *times, gsize count, float *table);
