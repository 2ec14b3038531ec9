/* SPDX-License-Identifier: Apache-2.0
 * The bf16 microkernel of AVX512-BF16: pairs of A, broadcast, times pairs of each column of B, summed in f32. Fast where
 * vdpbf16ps has the rate of the f32 multiply-add (AMD); processors on which it has not have AMX. */
#include <string.h>

#include "kernels/cpu/micro.h"
#include "kernels/cpu/vec.h"

#define ROWS 14
#define EACH_ROW_COUNT(X) X (1) X (2) X (3) X (4) X (5) X (6) X (7) X (8) X (9) X (10) X (11) X (12) X (13) X (14)
enum { VECTORS = 2, COLUMNS = VECTORS * VEC, DEPTH = 512, ROW_BYTES = DEPTH * 2 + 64 };

/* Two bf16 numbers, which lie on any even address where rows of A have an odd length. */
static FW_ALWAYS_INLINE int
load_pair (const char *place)
{
  int pair;
  memcpy (&pair, place, sizeof pair);
  return pair;
}

static FW_ALWAYS_INLINE void
load_sums (const int rows, const int vectors, const float *c, int64_t c_stride, bool accumulate, FwVec (*sum)[VECTORS])
{
  FW_UNROLL
  for (int r = 0; r < rows; r++) {
    FW_UNROLL
    for (int v = 0; v < vectors; v++)
      sum[r][v] = accumulate ? vec_load (c + r * c_stride + v * VEC) : vec_zero ();
  }
}

/* Rows of A begin @row_bytes apart, and units of a row @unit_bytes. Every third row has a pointer of its own: more would not
 * fit in registers, and the others are one and two steps from it. */
static FW_ALWAYS_INLINE void
add_products (const int rows, const int vectors, const FwMicroPart *parts, int64_t n_parts, const char *a, int64_t row_bytes,
              int64_t unit_bytes, const char *b, FwVec (*sum)[VECTORS])
{
  for (int64_t part = 0; part < n_parts; part++) {
    const char *row[(ROWS + 2) / 3];
    FW_UNROLL
    for (int i = 0; i < (rows + 2) / 3; i++)
      row[i] = a + parts[part].offset + 3 * i * row_bytes;
    for (int64_t pair = 0; pair < parts[part].depth / 2; pair++, b += COLUMNS * 4) {
      __m512bh column[VECTORS];
      FW_UNROLL
      for (int v = 0; v < vectors; v++)
        column[v] = (__m512bh) bits_load (b + v * VEC * 4);
      FW_UNROLL
      for (int r = 0; r < rows; r++) {
        __m512bh numbers = (__m512bh) bits_set (load_pair (row[r / 3] + r % 3 * row_bytes));
        FW_UNROLL
        for (int v = 0; v < vectors; v++)
          sum[r][v] = _mm512_dpbf16_ps (sum[r][v], numbers, column[v]);
      }
      FW_UNROLL
      for (int i = 0; i < (rows + 2) / 3; i++)
        row[i] += unit_bytes;
    }
  }
}

static FW_ALWAYS_INLINE void
multiply (const int rows, const int vectors, const FwMicroPart *parts, int64_t n_parts, const char *a, int64_t row_bytes,
          int64_t unit_bytes, const char *b, float *c, int64_t c_stride, bool accumulate)
{
  FwVec sum[ROWS][VECTORS];
  load_sums (rows, vectors, c, c_stride, accumulate, sum);
  add_products (rows, vectors, parts, n_parts, a, row_bytes, unit_bytes, b, sum);
  FW_UNROLL
  for (int r = 0; r < rows; r++) {
    FW_UNROLL
    for (int v = 0; v < vectors; v++)
      vec_store (c + r * c_stride + v * VEC, sum[r][v]);
  }
}

static FW_ALWAYS_INLINE void
load_bias (const float *bias, FwVec *vectors)
{
  FW_UNROLL
  for (int v = 0; v < VECTORS; v++)
    vectors[v] = bias ? vec_load (bias + v * VEC) : vec_zero ();
}

static FW_ALWAYS_INLINE void
multiply_to_end (const int rows, int64_t depth, const char *a, int64_t row_bytes, const char *b, const float *c, int64_t c_stride,
                 const FwMicroEnd *end)
{
  FwVec sum[ROWS][VECTORS], bias[VECTORS];
  load_sums (rows, VECTORS, c, c_stride, c != NULL, sum);
  add_products (rows, VECTORS, &(FwMicroPart) { 0, depth }, 1, a, row_bytes, 4, b, sum);
  load_bias (end->bias, bias);
  uint16_t *y = end->y;
  FW_UNROLL
  for (int r = 0; r < rows; r++) {
    FW_UNROLL
    for (int v = 0; v < VECTORS; v++)
      vec_store_bf16 (y + r * end->y_stride + v * VEC, sum[r][v] + bias[v]);
  }
}

/* The residual arrives, and the lines of y are made ready to be written, while the products are computed. */
static FW_ALWAYS_INLINE void
fetch_residual (const int rows, const FwMicroEnd *end)
{
  FW_UNROLL
  for (int r = 0; r < rows; r++) {
    FW_UNROLL
    for (int v = 0; v < VECTORS; v++) {
      __builtin_prefetch (end->h + r * end->h_stride + v * VEC);
      __builtin_prefetch ((float *) end->y + r * end->y_stride + v * VEC, 1);
    }
  }
}

static FW_ALWAYS_INLINE void
multiply_onto (const int rows, int64_t depth, const char *a, int64_t row_bytes, const char *b, const float *c, int64_t c_stride,
               const FwMicroEnd *end)
{
  FwVec sum[ROWS][VECTORS], bias[VECTORS];
  fetch_residual (rows, end);
  load_sums (rows, VECTORS, c, c_stride, c != NULL, sum);
  add_products (rows, VECTORS, &(FwMicroPart) { 0, depth }, 1, a, row_bytes, 4, b, sum);
  load_bias (end->bias, bias);
  float *y = end->y;
  FW_UNROLL
  for (int r = 0; r < rows; r++) {
    FW_UNROLL
    for (int v = 0; v < VECTORS; v++)
      vec_store (y + r * end->y_stride + v * VEC, vec_load (end->h + r * end->h_stride + v * VEC) + (sum[r][v] + bias[v]));
  }
}

#define DEFINE_TILE(count, vectors) \
  static void tile_##count##_##vectors (int64_t depth, const char *a, const char *b, float *c, int64_t c_stride, \
                                        bool accumulate) \
  { multiply (count, vectors, &(FwMicroPart) { 0, depth }, 1, a, ROW_BYTES, 4, b, c, c_stride, accumulate); } \
  static void parts_##count##_##vectors (const FwMicroPart *parts, int64_t n_parts, const char *a, \
                                         int64_t row_bytes, const char *b, float *c, int64_t c_stride, bool accumulate) \
  { multiply (count, vectors, parts, n_parts, a, row_bytes, 4, b, c, c_stride, accumulate); } \
  static void across_##count##_##vectors (int64_t depth, const char *a, int64_t unit_bytes, const char *b, float *c, \
                                          int64_t c_stride, bool accumulate) \
  { multiply (count, vectors, &(FwMicroPart) { 0, depth }, 1, a, 4, unit_bytes, b, c, c_stride, accumulate); }
#define DEFINE_TILES(count) \
  DEFINE_TILE (count, 1) DEFINE_TILE (count, 2) \
  static void to_end_##count (int64_t depth, const char *a, int64_t row_bytes, const char *b, const float *c, int64_t c_stride, \
                              const FwMicroEnd *end) \
  { multiply_to_end (count, depth, a, row_bytes, b, c, c_stride, end); } \
  static void onto_##count (int64_t depth, const char *a, int64_t row_bytes, const char *b, const float *c, int64_t c_stride, \
                            const FwMicroEnd *end) \
  { multiply_onto (count, depth, a, row_bytes, b, c, c_stride, end); }
EACH_ROW_COUNT (DEFINE_TILES)

#define TILE_ROW(count) { tile_##count##_1, tile_##count##_2 },
static void (*const tiles[ROWS][VECTORS]) (int64_t, const char *, const char *, float *, int64_t, bool) = {
  EACH_ROW_COUNT (TILE_ROW)
};

#define PARTS_ROW(count) { parts_##count##_1, parts_##count##_2 },
static void (*const tiles_of_parts[ROWS][VECTORS]) (const FwMicroPart *, int64_t, const char *, int64_t, const char *,
                                                    float *, int64_t, bool) = {
  EACH_ROW_COUNT (PARTS_ROW)
};

#define ACROSS_ROW(count) { across_##count##_1, across_##count##_2 },
static void (*const tiles_across[ROWS][VECTORS]) (int64_t, const char *, int64_t, const char *, float *, int64_t, bool) = {
  EACH_ROW_COUNT (ACROSS_ROW)
};

#define ENDS_ROW(count) { to_end_##count, onto_##count },
static void (*const tiles_to_end[ROWS][2]) (int64_t, const char *, int64_t, const char *, const float *, int64_t,
                                            const FwMicroEnd *) = {
  EACH_ROW_COUNT (ENDS_ROW)
};

static void
run (int rows, int columns, int64_t depth, const char *a, const char *b, float *c, int64_t c_stride, bool accumulate)
{
  tiles[rows - 1][(columns - 1) / VEC] (depth, a, b, c, c_stride, accumulate);
}

static void
run_parts (int rows, int columns, const FwMicroPart *parts, int64_t n_parts, const char *a, int64_t row_bytes, const char *b,
           float *c, int64_t c_stride, bool accumulate)
{
  tiles_of_parts[rows - 1][(columns - 1) / VEC] (parts, n_parts, a, row_bytes, b, c, c_stride, accumulate);
}

static void
run_across (int rows, int columns, int64_t depth, const char *a, int64_t unit_bytes, const char *b, float *c, int64_t c_stride,
            bool accumulate)
{
  tiles_across[rows - 1][(columns - 1) / VEC] (depth, a, unit_bytes, b, c, c_stride, accumulate);
}

static void
run_to_end (int rows, int64_t depth, const char *a, int64_t row_bytes, const char *b, const float *c, int64_t c_stride,
            const FwMicroEnd *end)
{
  tiles_to_end[rows - 1][end->h != NULL] (depth, a, row_bytes, b, c, c_stride, end);
}

const FwMicroKernel fw_micro_bf16 = {
  .bf16 = true, .rows = ROWS, .columns = COLUMNS, .row_step = 1, .depth = DEPTH, .unit = 2, .step = 2,
  .row_bytes = ROW_BYTES, .run = run, .run_parts = run_parts, .run_across = run_across, .run_to_end = run_to_end,
};
