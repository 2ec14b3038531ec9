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

static FW_ALWAYS_INLINE void
store_sums (const int rows, const int vectors, FwVec (*sum)[VECTORS], float *c, int64_t c_stride)
{
  FW_UNROLL
  for (int r = 0; r < rows; r++) {
    FW_UNROLL
    for (int v = 0; v < vectors; v++)
      vec_store (c + r * c_stride + v * VEC, sum[r][v]);
  }
}

/* Rows of A begin @row_bytes apart, and units of a row @unit_bytes. Every third row has a pointer of its own: more would not
 * fit in registers, and the others are one and two steps from it. */
static FW_ALWAYS_INLINE void
add_products (const int rows, const int vectors, const FwMicroPart *parts, int64_t n_parts, const char *a, int64_t row_bytes,
              int64_t unit_bytes, const char *b, const FwStream *asked, FwVec (*sum)[VECTORS])
{
  FwStream stream = fw_stream_or (asked, b);
  for (int64_t part = 0; part < n_parts; part++) {
    const char *row[(ROWS + 2) / 3];
    FW_UNROLL
    for (int i = 0; i < (rows + 2) / 3; i++)
      row[i] = a + parts[part].offset + 3 * i * row_bytes;
    for (int64_t pair = 0; pair < parts[part].depth / 2; pair++, b += COLUMNS * 4) {
      __m512bh column[VECTORS];
      fw_stream_ask (&stream);
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
          int64_t unit_bytes, const char *b, float *c, int64_t c_stride, bool accumulate, const FwStream *asked)
{
  FwVec sum[ROWS][VECTORS];
  load_sums (rows, vectors, c, c_stride, accumulate, sum);
  add_products (rows, vectors, parts, n_parts, a, row_bytes, unit_bytes, b, asked, sum);
  store_sums (rows, vectors, sum, c, c_stride);
}

/* Where the next pair of the depth is read from and stored to, and the sums of A's rows until there. */
typedef struct {
  const FwMicroLines *from;
  const char *a, *b;
  char *packed_a, *packed_b;
  int64_t unit_bytes;
  FwVec total;
} Packing;

/* A is packed so many pairs before it is multiplied: by then what was stored can be read. */
enum { AHEAD = 6 };

/* Packs a pair of each of a tile's rows at @to. The store is wider than the tile: what follows must be packed later. */
static FW_ALWAYS_INLINE void
pack_pair_of_rows (const int rows, Packing *at, char *to)
{
  const __mmask16 mask = (__mmask16) ((1u << rows) - 1);
  const __m512bh ones = (__m512bh) bits_set (0x3f803f80);
  FwBits low = _mm512_cvtepu16_epi32 (_mm256_maskz_loadu_epi16 (mask, at->a));
  FwBits high = _mm512_cvtepu16_epi32 (_mm256_maskz_loadu_epi16 (mask, at->a + at->from->a_bytes));
  FwBits pairs = bits_or (low, _mm512_slli_epi32 (high, 16));
  bits_store (to, pairs);
  at->total = _mm512_dpbf16_ps (at->total, (__m512bh) pairs, ones);
  at->a += 2 * at->from->a_bytes;
}

static FW_ALWAYS_INLINE void
pack_pair_of_columns (Packing *at, FwBits *column)
{
  vec_interleave_bf16 (bits_load (at->b), bits_load (at->b + at->from->b_bytes), &column[0], &column[1]);
  FW_UNROLL
  for (int v = 0; v < VECTORS; v++)
    bits_store (at->packed_b + v * VEC * 4, column[v]);
  at->b += 2 * at->from->b_bytes;
}

/* Adds the products of the next @pairs of the depth. */
static FW_ALWAYS_INLINE void
add_packing (const int rows, const bool pack_a, const bool pack_b, int64_t pairs, Packing *at, FwVec (*sum)[VECTORS])
{
  for (int64_t pair = 0; pair < pairs; pair++) {
    FwBits column[VECTORS];
    if (pack_b)
      pack_pair_of_columns (at, column);
    FW_UNROLL
    for (int v = 0; v < VECTORS && !pack_b; v++)
      column[v] = bits_load (at->packed_b + v * VEC * 4);
    if (pack_a)
      pack_pair_of_rows (rows, at, at->packed_a + AHEAD * at->unit_bytes);
    FW_UNROLL
    for (int r = 0; r < rows; r++) {
      __m512bh numbers = (__m512bh) bits_set (load_pair (at->packed_a + r * 4));
      FW_UNROLL
      for (int v = 0; v < VECTORS; v++)
        sum[r][v] = _mm512_dpbf16_ps (sum[r][v], numbers, (__m512bh) column[v]);
    }
    at->packed_a += at->unit_bytes;
    at->packed_b += COLUMNS * 4;
  }
}

static FW_ALWAYS_INLINE void
multiply_packing (const int rows, const bool pack_a, const bool pack_b, int64_t depth, const FwMicroLines *from, char *a,
                  int64_t unit_bytes, char *b, float *c, int64_t c_stride, bool accumulate)
{
  FwVec sum[ROWS][VECTORS];
  int64_t pairs = depth / 2, ahead = pack_a ? FW_MIN (AHEAD, pairs) : 0;
  Packing at = { .from = from, .a = from->a, .b = from->b, .packed_a = a, .packed_b = b, .unit_bytes = unit_bytes,
                 .total = vec_zero () };
  for (int64_t pair = 0; pair < ahead; pair++)
    pack_pair_of_rows (rows, &at, a + pair * unit_bytes);
  load_sums (rows, VECTORS, c, c_stride, accumulate, sum);
  add_packing (rows, pack_a, pack_b, pairs - ahead, &at, sum);
  add_packing (rows, false, pack_b, ahead, &at, sum);
  if (pack_a && from->sums)
    vec_store_part (from->sums, vec_load_part (from->sums, rows) + at.total, rows);
  store_sums (rows, VECTORS, sum, c, c_stride);
}

static FW_ALWAYS_INLINE void
load_bias (const float *bias, FwVec *vectors)
{
  FW_UNROLL
  for (int v = 0; v < VECTORS; v++)
    vectors[v] = bias ? vec_load (bias + v * VEC) : vec_zero ();
}

/* The factors arrive, and the lines of y are made ready to be written, while the products are computed. */
static FW_ALWAYS_INLINE void
fetch_factors (const int rows, const FwMicroEnd *end)
{
  FW_UNROLL
  for (int r = 0; r < rows; r++) {
    __builtin_prefetch (end->factor + r * end->factor_stride);
    __builtin_prefetch ((uint16_t *) end->y + r * end->y_stride, 1);
  }
}

static FW_ALWAYS_INLINE void
multiply_to_end (const int rows, const bool by_factor, int64_t depth, const char *a, int64_t row_bytes, const char *b, const float *c,
                 int64_t c_stride, const FwMicroEnd *end, const FwStream *asked)
{
  FwVec sum[ROWS][VECTORS], bias[VECTORS];
  if (by_factor)
    fetch_factors (rows, end);
  load_sums (rows, VECTORS, c, c_stride, c != NULL, sum);
  add_products (rows, VECTORS, &(FwMicroPart) { 0, depth }, 1, a, row_bytes, 4, b, asked, sum);
  load_bias (end->bias, bias);
  uint16_t *y = end->y;
  FW_UNROLL
  for (int r = 0; r < rows; r++) {
    FW_UNROLL
    for (int v = 0; v < VECTORS; v++) {
      FwVec value = sum[r][v] + bias[v];
      if (by_factor)
        value = value * vec_load_bf16 (end->factor + r * end->factor_stride + v * VEC);
      vec_store_bf16 (y + r * end->y_stride + v * VEC, value);
    }
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
               const FwMicroEnd *end, const FwStream *asked)
{
  FwVec sum[ROWS][VECTORS], bias[VECTORS];
  fetch_residual (rows, end);
  load_sums (rows, VECTORS, c, c_stride, c != NULL, sum);
  add_products (rows, VECTORS, &(FwMicroPart) { 0, depth }, 1, a, row_bytes, 4, b, asked, sum);
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
  static void parts_##count##_##vectors (const FwMicroPart *parts, int64_t n_parts, const char *a, \
                                         int64_t row_bytes, const char *b, float *c, int64_t c_stride, bool accumulate, \
                                         const FwStream *asked) \
  { multiply (count, vectors, parts, n_parts, a, row_bytes, 4, b, c, c_stride, accumulate, asked); } \
  static void across_##count##_##vectors (int64_t depth, const char *a, int64_t unit_bytes, const char *b, float *c, \
                                          int64_t c_stride, bool accumulate, const FwStream *asked) \
  { multiply (count, vectors, &(FwMicroPart) { 0, depth }, 1, a, 4, unit_bytes, b, c, c_stride, accumulate, asked); }
#define DEFINE_PACKING(count, name, pack_a, pack_b) \
  static void packing_##name##_##count (int64_t depth, const FwMicroLines *from, char *a, int64_t unit_bytes, char *b, float *c, \
                                        int64_t c_stride, bool accumulate) \
  { multiply_packing (count, pack_a, pack_b, depth, from, a, unit_bytes, b, c, c_stride, accumulate); }
#define DEFINE_TILES(count) \
  DEFINE_PACKING (count, a, true, false) DEFINE_PACKING (count, b, false, true) DEFINE_PACKING (count, both, true, true) \
  DEFINE_TILE (count, 1) DEFINE_TILE (count, 2) \
  static void to_end_##count (int64_t depth, const char *a, int64_t row_bytes, const char *b, const float *c, int64_t c_stride, \
                              const FwMicroEnd *end, const FwStream *asked) \
  { multiply_to_end (count, false, depth, a, row_bytes, b, c, c_stride, end, asked); } \
  static void onto_##count (int64_t depth, const char *a, int64_t row_bytes, const char *b, const float *c, int64_t c_stride, \
                            const FwMicroEnd *end, const FwStream *asked) \
  { multiply_onto (count, depth, a, row_bytes, b, c, c_stride, end, asked); } \
  static void by_factor_##count (int64_t depth, const char *a, int64_t row_bytes, const char *b, const float *c, int64_t c_stride, \
                                 const FwMicroEnd *end, const FwStream *asked) \
  { multiply_to_end (count, true, depth, a, row_bytes, b, c, c_stride, end, asked); }
EACH_ROW_COUNT (DEFINE_TILES)

#define PARTS_ROW(count) { parts_##count##_1, parts_##count##_2 },
static void (*const tiles_of_parts[ROWS][VECTORS]) (const FwMicroPart *, int64_t, const char *, int64_t, const char *,
                                                    float *, int64_t, bool, const FwStream *) = {
  EACH_ROW_COUNT (PARTS_ROW)
};

#define ACROSS_ROW(count) { across_##count##_1, across_##count##_2 },
static void (*const tiles_across[ROWS][VECTORS]) (int64_t, const char *, int64_t, const char *, float *, int64_t, bool,
                                                   const FwStream *) = {
  EACH_ROW_COUNT (ACROSS_ROW)
};

#define PACKING_ROW(count) { packing_a_##count, packing_b_##count, packing_both_##count },
static void (*const tiles_packing[ROWS][3]) (int64_t, const FwMicroLines *, char *, int64_t, char *, float *, int64_t, bool) = {
  EACH_ROW_COUNT (PACKING_ROW)
};

#define ENDS_ROW(count) { to_end_##count, onto_##count, by_factor_##count },
static void (*const tiles_to_end[ROWS][3]) (int64_t, const char *, int64_t, const char *, const float *, int64_t,
                                            const FwMicroEnd *, const FwStream *) = {
  EACH_ROW_COUNT (ENDS_ROW)
};

static void
run_parts (int rows, int columns, const FwMicroPart *parts, int64_t n_parts, const char *a, int64_t row_bytes, const char *b,
           float *c, int64_t c_stride, bool accumulate, const FwStream *asked)
{
  tiles_of_parts[rows - 1][(columns - 1) / VEC] (parts, n_parts, a, row_bytes, b, c, c_stride, accumulate, asked);
}

static void
run_across (int rows, int columns, int64_t depth, const char *a, int64_t unit_bytes, const char *b, float *c, int64_t c_stride,
            bool accumulate, const FwStream *asked)
{
  tiles_across[rows - 1][(columns - 1) / VEC] (depth, a, unit_bytes, b, c, c_stride, accumulate, asked);
}

static void
run_packing (int rows, int64_t depth, const FwMicroLines *from, char *a, int64_t unit_bytes, char *b, float *c, int64_t c_stride,
             bool accumulate)
{
  tiles_packing[rows - 1][from->a ? from->b ? 2 : 0 : 1] (depth, from, a, unit_bytes, b, c, c_stride, accumulate);
}

static void
run_to_end (int rows, int64_t depth, const char *a, int64_t row_bytes, const char *b, const float *c, int64_t c_stride,
            const FwMicroEnd *end, const FwStream *asked)
{
  tiles_to_end[rows - 1][end->h ? 1 : end->factor ? 2 : 0] (depth, a, row_bytes, b, c, c_stride, end, asked);
}

const FwMicroKernel fw_micro_bf16 = {
  .bf16 = true, .rows = ROWS, .columns = COLUMNS, .row_step = 1, .depth = DEPTH, .unit = 2, .step = 2,
  .row_bytes = ROW_BYTES, .run_parts = run_parts, .run_across = run_across, .run_packing = run_packing,
  .run_to_end = run_to_end,
};
