/* SPDX-License-Identifier: Apache-2.0
 * Microkernels: the innermost matrix product, a tile of C kept in registers while A's rows and B's columns stream by.
 *
 * A block of A is kept row by row, row_bytes apart, each row's depth contiguous. A panel of B holds `columns` columns:
 * for each unit of depth (one f32, or a pair of bf16) the units of all its columns side by side, so a unit always takes
 * four bytes. C is f32. Depth is filled up with zeros to a multiple of `step`; rows and columns beyond those asked for hold
 * anything and are computed along, so blocks of A and C have room for whole tiles. */
#pragma once
#include "kernels/cpu/fetching.h"

/* Some of a row's depth: @depth numbers, @offset bytes from where the row begins. */
typedef struct { int64_t offset, depth; } FwMicroPart;

/* What becomes of a tile of C that is not wanted itself: y = C + bias rounded to bf16, with a factor y = factor (C + bias), or with h
 * y = h + C + bias in f32. Pointers are to the tile's first row and column, strides are numbers between rows. */
typedef struct {
  const float *bias;  /* NULL for none */
  void *y;
  int64_t y_stride;
  const float *h;     /* NULL for none; may be y */
  int64_t h_stride;
  const uint16_t *factor; /* bf16; NULL for none, and where h is there */
  int64_t factor_stride;
} FwMicroEnd;

/* Where the numbers of a block of A and of a panel of B lie before they are packed: lines of bf16 across the depth, for each
 * depth one, so many bytes apart. NULL where they are packed already. */
typedef struct {
  const char *a, *b;
  int64_t a_bytes, b_bytes;
  float *sums; /* NULL, or one for each row of a tile, to which what is packed of A is added */
} FwMicroLines;

typedef struct {
  bool bf16;          /* A and B hold bf16, else f32 */
  int rows, columns;  /* of the largest tile */
  int row_step;       /* rows are computed in multiples of this */
  int depth;          /* the longest depth of one block */
  int unit;           /* numbers of a unit of depth: 1 or 2 */
  int step;           /* depth comes in multiples of this, in numbers */
  int row_bytes;      /* between rows of a block of A */
  /* C = A B, or += with @accumulate, for rows <= kernel->rows and columns <= kernel->columns. NULL where there is run_parts. */
  void (*run) (int rows, int columns, int64_t depth, const char *a, const char *b, float *c, int64_t c_stride, bool accumulate);
  /* The same where rows of A are any distance apart and made of parts that lie anywhere: the depth is that of the parts one
   * after another. Here and below, a line of @asked is asked for with each unit of depth. NULL where there is run. */
  void (*run_parts) (int rows, int columns, const FwMicroPart *parts, int64_t n_parts, const char *a, int64_t row_bytes,
                     const char *b, float *c, int64_t c_stride, bool accumulate, const FwStream *asked);
  /* The same where A is kept the other way: the units of all rows side by side, @unit_bytes from one unit of a row to its
   * next. NULL where it does not exist. */
  void (*run_across) (int rows, int columns, int64_t depth, const char *a, int64_t unit_bytes, const char *b, float *c,
                      int64_t c_stride, bool accumulate, const FwStream *asked);
  /* The same for all columns and an even depth, packing A or B or both from @from on the way. Tiles must be packed in the order of
   * their rows: the units of sixteen rows are stored, whatever the tile's height. NULL where it does not exist. */
  void (*run_packing) (int rows, int64_t depth, const FwMicroLines *from, char *a, int64_t unit_bytes, char *b, float *c,
                       int64_t c_stride, bool accumulate);
  /* Of all columns: A B is added to @c, or to zeros where that is NULL, and goes to @end without being stored in between. Rows of
   * A are @row_bytes apart. NULL where it does not exist. */
  void (*run_to_end) (int rows, int64_t depth, const char *a, int64_t row_bytes, const char *b, const float *c,
                      int64_t c_stride, const FwMicroEnd *end, const FwStream *asked);
  /* Around a series of runs in one thread; NULL where the processor needs nothing of the kind. */
  void (*begin) (void);
  void (*end) (void);
} FwMicroKernel;

/* Blocks of A and C have room for a multiple of this many rows, whatever the kernel. */
enum { FW_ROW_PADDING = 32 };

#define fw_micro_f32 FW_ISA (fw_micro_f32)
#define fw_micro_bf16 FW_ISA (fw_micro_bf16)
extern const FwMicroKernel fw_micro_f32, fw_micro_bf16;

/* The kernel for products of @activations with anything: bf16 where activations are bf16 and the processor multiplies such
 * numbers, else f32. */
static inline const FwMicroKernel *
fw_micro_for (FwDtype activations)
{
#ifdef FW_BF16_PRODUCTS
  return activations == FW_DTYPE_BF16 ? &fw_micro_bf16 : &fw_micro_f32;
#else
  return &fw_micro_f32;
#endif
}

/* Whether microkernels can read rows of A where they lie: @depth numbers each, @row_bytes apart. Rows a multiple of CROWDED_BYTES
 * apart would share one set of the first-level cache. */
static inline bool
fw_micro_reads (const FwMicroKernel *kernel, FwDtype dtype, int64_t depth, int64_t row_bytes)
{
  enum { CROWDED_BYTES = 4096 };
  return kernel->run_parts != NULL && dtype == (kernel->bf16 ? FW_DTYPE_BF16 : FW_DTYPE_F32) && depth % kernel->step == 0
         && row_bytes % CROWDED_BYTES != 0;
}

/* What may be asked for during the products of a block, or of the first of its depths; nothing so far. */
static inline FwFetching
fw_block_fetching (const FwMicroKernel *kernel, int64_t rows, int64_t columns, int64_t depth)
{
  FwFetching fetching;
  int64_t tiles = fw_ceil_div (rows, kernel->rows) * fw_ceil_div (columns, kernel->columns);
  fw_fetching_begin (&fetching, FW_MIN (depth, kernel->depth) / kernel->unit, tiles);
  return fetching;
}

/* C = A B, or += with @accumulate, for a tile whose rows of A are @row_bytes apart: kernel->row_bytes where there is no run_parts.
 * Asks for the next stream of @fetching meanwhile. */
static inline void
fw_micro_run (const FwMicroKernel *kernel, int64_t rows, int64_t columns, int64_t depth, const char *a, int64_t row_bytes,
              const char *b, float *c, int64_t c_stride, bool accumulate, FwFetching *fetching)
{
  FwStream asked = fw_fetching_next (fetching);
  if (kernel->run_parts != NULL) {
    kernel->run_parts ((int) rows, (int) columns, &(FwMicroPart) { 0, depth }, 1, a, row_bytes, b, c, c_stride, accumulate, &asked);
    return;
  }
  fw_stream_ask_all (&asked);
  kernel->run ((int) rows, (int) columns, depth, a, b, c, c_stride, accumulate);
}

/* The bytes of one panel of @depth. */
static inline int64_t
fw_panel_bytes (const FwMicroKernel *kernel, int64_t depth)
{
  return fw_round_up (depth, kernel->step) / kernel->unit * kernel->columns * 4;
}

/* Loops are unrolled wholly, so that arrays of accumulators stay in registers. */
#ifdef __clang__
#define FW_UNROLL _Pragma ("clang loop unroll(full)")
#else
#define FW_UNROLL _Pragma ("GCC unroll 32")
#endif
