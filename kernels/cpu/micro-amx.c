/* SPDX-License-Identifier: Apache-2.0
 * The bf16 microkernel of AMX: two by two tiles of C, two of A and two of B, so every tile loaded is used twice. */
#include "kernels/cpu/amx-tile.h"
#include "kernels/cpu/micro.h"

/* At this depth a panel of B takes 20 KiB, which leaves room for A in a first-level cache of 48 KiB. */
enum { DEPTH = 320, ROW_BYTES = DEPTH * 2 + 64, STEP = 32, COLUMNS = 32, PANEL_ROW_BYTES = COLUMNS * 4 };
enum { PANEL_STEP_BYTES = STEP / 2 * PANEL_ROW_BYTES, A_STEP_BYTES = STEP * 2 };
#define C00 0
#define C01 1
#define C10 2
#define C11 3
#define A0 4
#define A1 5
#define B0 6
#define B1 7

static void
run_four (int64_t depth, const char *a, const char *b, float *c, int64_t c_stride, bool accumulate)
{
  const char *lower = a + TILE_ROWS * ROW_BYTES;
  float *c_lower = c + TILE_ROWS * c_stride;
  int64_t c_bytes = c_stride * 4;
  if (accumulate) {
    tile_load (C00, c, c_bytes);
    tile_load (C01, c + 16, c_bytes);
    tile_load (C10, c_lower, c_bytes);
    tile_load (C11, c_lower + 16, c_bytes);
  } else {
    tile_clear (C00);
    tile_clear (C01);
    tile_clear (C10);
    tile_clear (C11);
  }
  for (int64_t k = 0; k < depth; k += STEP) {
    tile_load (A0, a, ROW_BYTES);
    tile_load (B0, b, PANEL_ROW_BYTES);
    tile_multiply_bf16 (C00, A0, B0);
    tile_load (B1, b + 64, PANEL_ROW_BYTES);
    tile_multiply_bf16 (C01, A0, B1);
    tile_load (A1, lower, ROW_BYTES);
    tile_multiply_bf16 (C10, A1, B0);
    tile_multiply_bf16 (C11, A1, B1);
    a += A_STEP_BYTES;
    lower += A_STEP_BYTES;
    b += PANEL_STEP_BYTES;
  }
  tile_store (C00, c, c_bytes);
  tile_store (C01, c + 16, c_bytes);
  tile_store (C10, c_lower, c_bytes);
  tile_store (C11, c_lower + 16, c_bytes);
}

/* At most 16 rows. */
static void
run_upper (int64_t depth, const char *a, const char *b, float *c, int64_t c_stride, bool accumulate)
{
  int64_t c_bytes = c_stride * 4;
  if (accumulate) {
    tile_load (C00, c, c_bytes);
    tile_load (C01, c + 16, c_bytes);
  } else {
    tile_clear (C00);
    tile_clear (C01);
  }
  for (int64_t k = 0; k < depth; k += STEP) {
    tile_load (A0, a, ROW_BYTES);
    tile_load (B0, b, PANEL_ROW_BYTES);
    tile_multiply_bf16 (C00, A0, B0);
    tile_load (B1, b + 64, PANEL_ROW_BYTES);
    tile_multiply_bf16 (C01, A0, B1);
    a += A_STEP_BYTES;
    b += PANEL_STEP_BYTES;
  }
  tile_store (C00, c, c_bytes);
  tile_store (C01, c + 16, c_bytes);
}

/* At most 16 columns. */
static void
run_left (int tiles, int64_t depth, const char *a, const char *b, float *c, int64_t c_stride, bool accumulate)
{
  int64_t c_bytes = c_stride * 4;
  for (int tile = 0; tile < tiles; tile++, a += TILE_ROWS * ROW_BYTES, c += TILE_ROWS * c_stride) {
    if (accumulate)
      tile_load (C00, c, c_bytes);
    else
      tile_clear (C00);
    for (int64_t k = 0; k < depth; k += STEP) {
      tile_load (A0, a + k * 2, ROW_BYTES);
      tile_load (B0, b + k / 2 * PANEL_ROW_BYTES, PANEL_ROW_BYTES);
      tile_multiply_bf16 (C00, A0, B0);
    }
    tile_store (C00, c, c_bytes);
  }
}

static void
run (int rows, int columns, int64_t depth, const char *a, const char *b, float *c, int64_t c_stride, bool accumulate)
{
  tile_fence ();
  if (columns <= 16)
    run_left (rows > TILE_ROWS ? 2 : 1, depth, a, b, c, c_stride, accumulate);
  else if (rows <= TILE_ROWS)
    run_upper (depth, a, b, c, c_stride, accumulate);
  else
    run_four (depth, a, b, c, c_stride, accumulate);
  tile_fence ();
}

const FwMicroKernel fw_micro_bf16 = {
  .bf16 = true, .rows = 2 * TILE_ROWS, .columns = COLUMNS, .row_step = TILE_ROWS, .depth = DEPTH, .unit = 2, .step = STEP,
  .row_bytes = ROW_BYTES, .run = run, .begin = tile_configure, .end = tile_release,
};
