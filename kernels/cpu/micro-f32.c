/* SPDX-License-Identifier: Apache-2.0
 * The f32 microkernel: one multiply-add of a broadcast number of A with each vector of B's row. */
#include "kernels/cpu/micro.h"
#include "kernels/cpu/vec.h"

#ifdef __AVX512F__
#define ROWS 14
#define EACH_ROW_COUNT(X) X (1) X (2) X (3) X (4) X (5) X (6) X (7) X (8) X (9) X (10) X (11) X (12) X (13) X (14)
#else
#define ROWS 6
#define EACH_ROW_COUNT(X) X (1) X (2) X (3) X (4) X (5) X (6)
#endif
enum { VECTORS = 2, COLUMNS = VECTORS * VEC, DEPTH = 256, ROW_BYTES = DEPTH * 4 + 64 };

/* Rows of A begin @row_bytes apart, and units of a row @unit_bytes. Every third row has a pointer of its own: more would not
 * fit in registers, and the others are one and two steps from it. */
static FW_ALWAYS_INLINE void
multiply (const int rows, const int vectors, const FwMicroPart *parts, int64_t n_parts, const char *a, int64_t row_bytes,
          int64_t unit_bytes, const float *b, float *c, int64_t c_stride, bool accumulate, const FwStream *asked)
{
  FwStream stream = fw_stream_or (asked, (const char *) b);
  FwVec sum[ROWS][VECTORS];
  FW_UNROLL
  for (int r = 0; r < rows; r++) {
    FW_UNROLL
    for (int v = 0; v < vectors; v++)
      sum[r][v] = accumulate ? vec_load (c + r * c_stride + v * VEC) : vec_zero ();
  }
  for (int64_t part = 0; part < n_parts; part++) {
    const char *row[(ROWS + 2) / 3];
    FW_UNROLL
    for (int i = 0; i < (rows + 2) / 3; i++)
      row[i] = a + parts[part].offset + 3 * i * row_bytes;
    for (int64_t k = 0; k < parts[part].depth; k++, b += COLUMNS) {
      FwVec column[VECTORS];
      fw_stream_ask (&stream);
      FW_UNROLL
      for (int v = 0; v < vectors; v++)
        column[v] = vec_load (b + v * VEC);
      FW_UNROLL
      for (int r = 0; r < rows; r++) {
        FwVec number = vec_set (*(const float *) (const void *) (row[r / 3] + r % 3 * row_bytes));
        FW_UNROLL
        for (int v = 0; v < vectors; v++)
          sum[r][v] = vec_fma (number, column[v], sum[r][v]);
      }
      FW_UNROLL
      for (int i = 0; i < (rows + 2) / 3; i++)
        row[i] += unit_bytes;
    }
  }
  FW_UNROLL
  for (int r = 0; r < rows; r++) {
    FW_UNROLL
    for (int v = 0; v < vectors; v++)
      vec_store (c + r * c_stride + v * VEC, sum[r][v]);
  }
}

#define DEFINE_TILE(count, vectors) \
  static void parts_##count##_##vectors (const FwMicroPart *parts, int64_t n_parts, const char *a, \
                                         int64_t row_bytes, const float *b, float *c, int64_t c_stride, bool accumulate, \
                                         const FwStream *asked) \
  { multiply (count, vectors, parts, n_parts, a, row_bytes, 4, b, c, c_stride, accumulate, asked); } \
  static void across_##count##_##vectors (int64_t depth, const char *a, int64_t unit_bytes, const float *b, float *c, \
                                          int64_t c_stride, bool accumulate, const FwStream *asked) \
  { multiply (count, vectors, &(FwMicroPart) { 0, depth }, 1, a, 4, unit_bytes, b, c, c_stride, accumulate, asked); }
#define DEFINE_TILES(count) DEFINE_TILE (count, 1) DEFINE_TILE (count, 2)
EACH_ROW_COUNT (DEFINE_TILES)

#define PARTS_ROW(count) { parts_##count##_1, parts_##count##_2 },
static void (*const tiles_of_parts[ROWS][VECTORS]) (const FwMicroPart *, int64_t, const char *, int64_t, const float *,
                                                    float *, int64_t, bool, const FwStream *) = {
  EACH_ROW_COUNT (PARTS_ROW)
};

#define ACROSS_ROW(count) { across_##count##_1, across_##count##_2 },
static void (*const tiles_across[ROWS][VECTORS]) (int64_t, const char *, int64_t, const float *, float *, int64_t, bool,
                                                   const FwStream *) = {
  EACH_ROW_COUNT (ACROSS_ROW)
};

static void
run_parts (int rows, int columns, const FwMicroPart *parts, int64_t n_parts, const char *a, int64_t row_bytes, const char *b,
           float *c, int64_t c_stride, bool accumulate, const FwStream *asked)
{
  tiles_of_parts[rows - 1][(columns - 1) / VEC] (parts, n_parts, a, row_bytes, (const float *) (const void *) b, c, c_stride,
                                                 accumulate, asked);
}

static void
run_across (int rows, int columns, int64_t depth, const char *a, int64_t unit_bytes, const char *b, float *c, int64_t c_stride,
            bool accumulate, const FwStream *asked)
{
  tiles_across[rows - 1][(columns - 1) / VEC] (depth, a, unit_bytes, (const float *) (const void *) b, c, c_stride, accumulate,
                                               asked);
}

const FwMicroKernel fw_micro_f32 = {
  .rows = ROWS, .columns = COLUMNS, .row_step = 1, .depth = DEPTH, .unit = 1, .step = 1, .row_bytes = ROW_BYTES,
  .run_parts = run_parts, .run_across = run_across,
};
