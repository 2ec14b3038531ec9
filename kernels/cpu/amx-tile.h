/* SPDX-License-Identifier: Apache-2.0
 * The few AMX operations that the microkernel uses, over tiles of 16 rows of 64 bytes. With FW_AMX_EMULATED they are done
 * in plain C on an array, so that the code above them runs, and is tested, on processors without AMX. Tile numbers must be
 * literals (gcc pastes them into the instruction), and tile_fence() parts tile accesses from others to the same memory. */
#pragma once
#include <string.h>

#include "kernels/cpu/isa.h"

enum { TILE_ROWS = 16, TILE_ROW_BYTES = 64 };

#ifdef FW_AMX_EMULATED

typedef union {
  float number[TILE_ROWS][16];
  uint16_t half[TILE_ROWS][32];
  char bytes[TILE_ROWS][TILE_ROW_BYTES];
} FwTile;

static _Thread_local FwTile emulated_tiles[8];
static _Thread_local bool emulated_configured;

static inline void
tile_configure (void)
{
  memset (emulated_tiles, 0, sizeof emulated_tiles);
  emulated_configured = true;
}

static inline void
tile_release (void)
{
  emulated_configured = false;
}

static inline void
tile_fence (void)
{
}

static inline void
tile_clear (int tile)
{
  memset (&emulated_tiles[tile], 0, sizeof emulated_tiles[tile]);
}

static inline void
tile_load (int tile, const void *from, int64_t stride)
{
  for (int row = 0; row < TILE_ROWS; row++)
    memcpy (emulated_tiles[tile].bytes[row], (const char *) from + row * stride, TILE_ROW_BYTES);
}

static inline void
tile_store (int tile, void *to, int64_t stride)
{
  for (int row = 0; row < TILE_ROWS; row++)
    memcpy ((char *) to + row * stride, emulated_tiles[tile].bytes[row], TILE_ROW_BYTES);
}

/* c += a b, where rows of b hold pairs along the depth. Without a configuration the result is spoilt, as the processor
 * would fault. */
static inline void
tile_multiply_bf16 (int c, int a, int b)
{
  for (int row = 0; row < TILE_ROWS; row++)
    for (int pair = 0; pair < 16; pair++)
      for (int column = 0; column < 16; column++)
        for (int half = 0; half < 2; half++)
          emulated_tiles[c].number[row][column] += emulated_configured
            ? fw_bf16_to_f32 (emulated_tiles[a].half[row][2 * pair + half])
              * fw_bf16_to_f32 (emulated_tiles[b].half[pair][2 * column + half])
            : 1e30f;
}

#else

#include <immintrin.h>

/* The layout that LDTILECFG reads. */
typedef struct {
  uint8_t palette, start_row, reserved[14];
  uint16_t row_bytes[16];
  uint8_t rows[16];
} FwTileConfiguration;

static inline void
tile_configure (void)
{
  FwTileConfiguration configuration = { .palette = 1 };
  for (int tile = 0; tile < 8; tile++) {
    configuration.row_bytes[tile] = TILE_ROW_BYTES;
    configuration.rows[tile] = TILE_ROWS;
  }
  /* gcc 12 takes only the first 8 bytes for an input of the intrinsic, and would drop the other stores */
  __asm__ volatile ("" : : "r" (&configuration) : "memory");
  _tile_loadconfig (&configuration);
}

static inline void
tile_release (void)
{
  _tile_release ();
}

/* gcc 12 tells its compiler neither that tile loads read memory nor that tile stores write it. */
static inline void
tile_fence (void)
{
  __asm__ volatile ("" : : : "memory");
}

#define tile_clear(tile) _tile_zero (tile)
#define tile_load(tile, from, stride) _tile_loadd (tile, from, stride)
#define tile_store(tile, to, stride) _tile_stored (tile, to, stride)
#define tile_multiply_bf16(c, a, b) _tile_dpbf16ps (c, a, b)

#endif
