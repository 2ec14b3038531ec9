/* SPDX-License-Identifier: Apache-2.0
 * Packing. Everything moves in units of four bytes (one f32, or a pair of bf16 neighbours along the depth), VEC of them a
 * vector, so the four ways of packing share loads, transposition and stores. */
#include "kernels/cpu/pack.h"
#include "kernels/cpu/transpose.h"

/* How numbers are read and what they become: one set of loops is compiled for each. */
typedef struct { bool from_bf16, to_bf16, strided; } Kind;

static FW_ALWAYS_INLINE const char *
line_at (const FwLines *from, int64_t line)
{
  int64_t offset = from->offset ? from->offset[line] : line * from->stride;
  return offset < 0 ? NULL : (const char *) from->data + offset * (from->dtype == FW_DTYPE_BF16 ? 2 : 4);
}

/* Numbers [element, element + n) of a line as floats, zeros after them; n may exceed VEC or be negative. */
static FW_ALWAYS_INLINE FwVec
load_floats (const Kind kind, const char *line, int64_t step, int64_t element, int64_t n)
{
  if (n <= 0 || line == NULL)
    return vec_zero ();
  if (kind.strided && !kind.from_bf16 && n >= VEC)
    return vec_load_strided ((const float *) (const void *) line + element * step, step);
  if (kind.strided) {
    float gathered[VEC] = { 0 };
    for (int64_t i = 0; i < FW_MIN (n, VEC); i++)
      gathered[i] = kind.from_bf16 ? fw_bf16_to_f32 (((const uint16_t *) (const void *) line)[(element + i) * step])
                                   : ((const float *) (const void *) line)[(element + i) * step];
    return vec_load (gathered);
  }
  if (kind.from_bf16) {
    const uint16_t *numbers = (const uint16_t *) (const void *) line + element;
    return n >= VEC ? vec_load_bf16 (numbers) : vec_load_bf16_part (numbers, n);
  }
  const float *numbers = (const float *) (const void *) line + element;
  return n >= VEC ? vec_load (numbers) : vec_load_part (numbers, n);
}

/* VEC units of one line that runs along the depth; @n numbers are left in it. */
static FW_ALWAYS_INLINE FwBits
load_along (const Kind kind, const char *line, int64_t step, int64_t element, int64_t n)
{
  if (!kind.to_bf16)
    return bits_of (load_floats (kind, line, step, element, n));
  if (kind.from_bf16 && !kind.strided && n >= 2 * VEC && line)
    return bits_load (line + element * 2);
  return vec_pairs_along (load_floats (kind, line, step, element, n), load_floats (kind, line, step, element + VEC, n - VEC));
}

/* One unit of VEC lines' neighbours: lines that run across the depth, @low and for bf16 @high, the line after it. */
static FW_ALWAYS_INLINE FwBits
load_across (const Kind kind, const char *low, const char *high, int64_t step, int64_t element, int64_t n)
{
  FwVec first = load_floats (kind, low, step, element, n);
  if (!kind.to_bf16)
    return bits_of (first);
  FwVec second = load_floats (kind, high, step, element, n);
  return kind.from_bf16 ? vec_pairs_exact (first, second) : vec_pairs_across (first, second);
}

/* The two lines that run across the depth at unit @unit; for f32 only the first. NULL stands for zeros. */
typedef struct { const char *low, *high; } Lines;

static FW_ALWAYS_INLINE Lines
lines_at (const Kind kind, const FwLines *from, int64_t unit, int64_t depth)
{
  int64_t line = kind.to_bf16 ? 2 * unit : unit;
  return (Lines) { line < depth ? line_at (from, line) : NULL,
                   kind.to_bf16 && line + 1 < depth ? line_at (from, line + 1) : NULL };
}

/* A unit of such lines from @element on: 2 VEC neighbours, of which @n are left. */
static FW_ALWAYS_INLINE void
load_unit (const Kind kind, Lines lines, int64_t step, int64_t element, int64_t n, FwBits *first, FwBits *second)
{
  if (kind.from_bf16 && kind.to_bf16 && !kind.strided && n >= 2 * VEC && lines.low && lines.high) {
    vec_interleave_bf16 (bits_load (lines.low + element * 2), bits_load (lines.high + element * 2), first, second);
    return;
  }
  *first = load_across (kind, lines.low, lines.high, step, element, n);
  *second = load_across (kind, lines.low, lines.high, step, element + VEC, n - VEC);
}

static FW_ALWAYS_INLINE void
rows_along (const Kind kind, const FwMicroKernel *kernel, char *to, const FwLines *from, int64_t first, int64_t rows,
            int64_t depth, int64_t padded)
{
  const int64_t unit = kind.to_bf16 ? 2 : 1, units = padded / unit;
  for (int64_t row = 0; row < rows; row++, to += kernel->row_bytes) {
    const char *line = line_at (from, row);
    int64_t u = 0;
    for (; u + VEC <= units; u += VEC)
      bits_store (to + u * 4, load_along (kind, line, from->step, first + u * unit, depth - u * unit));
    if (u < units)
      bits_store_part (to + u * 4, load_along (kind, line, from->step, first + u * unit, depth - u * unit), units - u);
  }
}

/* VEC units of @rows rows, from the rows of units in @block. */
static FW_ALWAYS_INLINE void
store_turned (FwBits *block, char *to, int64_t row_bytes, int64_t rows, int64_t units)
{
  transpose (block);
  if (rows >= VEC && units >= VEC) {
    for (int i = 0; i < VEC; i++)
      bits_store (to + i * row_bytes, block[i]);
    return;
  }
  for (int i = 0; i < FW_MIN (VEC, rows); i++)
    bits_store_part (to + i * row_bytes, block[i], FW_MIN (VEC, units));
}

static FW_ALWAYS_INLINE void
rows_across (const Kind kind, const FwMicroKernel *kernel, char *to, const FwLines *from, int64_t first, int64_t rows,
             int64_t depth, int64_t padded)
{
  const int64_t unit = kind.to_bf16 ? 2 : 1, units = padded / unit;
  for (int64_t u = 0; u < units; u += VEC) {
    Lines lines[VEC];
    for (int i = 0; i < VEC; i++)
      lines[i] = lines_at (kind, from, u + i, depth);
    for (int64_t row = 0; row < rows; row += 2 * VEC) {
      FwBits upper[VEC], lower[VEC];
      for (int i = 0; i < VEC; i++)
        load_unit (kind, lines[i], from->step, first + row, rows - row, &upper[i], &lower[i]);
      char *place = to + row * kernel->row_bytes + u * 4;
      store_turned (upper, place, kernel->row_bytes, rows - row, units - u);
      if (rows - row > VEC)
        store_turned (lower, place + VEC * kernel->row_bytes, kernel->row_bytes, rows - row - VEC, units - u);
    }
  }
}

/* Where the panel with @column begins, at that column. */
static FW_ALWAYS_INLINE char *
panel_place (const FwMicroKernel *kernel, char *to, int64_t panel_depth, int64_t column)
{
  return to + column / kernel->columns * fw_panel_bytes (kernel, panel_depth) + column % kernel->columns * 4;
}

static FW_ALWAYS_INLINE void
columns_along (const Kind kind, const FwMicroKernel *kernel, char *to, int64_t panel_depth, const FwLines *from,
               int64_t first, int64_t columns, int64_t depth, int64_t padded)
{
  const int64_t unit = kind.to_bf16 ? 2 : 1, units = padded / unit, unit_bytes = kernel->columns * 4;
  for (int64_t column = 0; column < columns; column += VEC) {
    char *panel = panel_place (kernel, to, panel_depth, column);
    const char *line[VEC];
    for (int i = 0; i < VEC; i++)
      line[i] = column + i < columns ? line_at (from, column + i) : NULL;
    for (int64_t u = 0; u < units; u += VEC) {
      FwBits block[VEC];
      for (int i = 0; i < VEC; i++)
        block[i] = load_along (kind, line[i], from->step, first + u * unit, depth - u * unit);
      transpose (block);
      for (int i = 0; i < FW_MIN (VEC, units - u); i++)
        bits_store (panel + (u + i) * unit_bytes, block[i]);
    }
  }
}

/* One unit of columns [begin, begin + count), of which @left are there, next to one another at @to. */
static FW_ALWAYS_INLINE void
unit_across (const Kind kind, Lines lines, int64_t step, int64_t begin, int64_t count, int64_t left, char *to)
{
  for (int64_t column = 0; column < count; column += 2 * VEC) {
    FwBits lower, upper;
    load_unit (kind, lines, step, begin + column, left - column, &lower, &upper);
    bits_store (to + column * 4, lower);
    bits_store (to + (column + VEC) * 4, upper);
  }
}

static FW_ALWAYS_INLINE void
columns_across (const Kind kind, const FwMicroKernel *kernel, char *to, int64_t panel_depth, const FwLines *from,
                int64_t first, int64_t columns, int64_t depth, int64_t padded)
{
  const int64_t unit = kind.to_bf16 ? 2 : 1, units = padded / unit, width = kernel->columns, step = from->step;
  const int64_t panel_bytes = fw_panel_bytes (kernel, panel_depth), whole = columns - columns % width;
  for (int64_t u = 0; u < units; u++, to += width * 4) {
    const Lines lines = lines_at (kind, from, u, depth);
    char *panel = to;
    int64_t begin = 0;
    if (lines.low && (lines.high || !kind.to_bf16))
      for (; begin < whole; begin += width, panel += panel_bytes)
        unit_across (kind, lines, step, first + begin, width, width, panel);
    for (; begin < columns; begin += width, panel += panel_bytes)
      unit_across (kind, lines, step, first + begin, FW_MIN (width, columns - begin), columns - begin, panel);
  }
}

/* Calls @loops compiled for the kind of this packing. */
#define FOR_KIND(loops, ...) \
  do { \
    const bool from_bf16 = from->dtype == FW_DTYPE_BF16; \
    if (from->step != 1) { \
      if (from_bf16 && kernel->bf16) loops ((Kind) { true, true, true }, __VA_ARGS__); \
      else if (from_bf16) loops ((Kind) { true, false, true }, __VA_ARGS__); \
      else if (kernel->bf16) loops ((Kind) { false, true, true }, __VA_ARGS__); \
      else loops ((Kind) { false, false, true }, __VA_ARGS__); \
    } else { \
      if (from_bf16 && kernel->bf16) loops ((Kind) { true, true, false }, __VA_ARGS__); \
      else if (from_bf16) loops ((Kind) { true, false, false }, __VA_ARGS__); \
      else if (kernel->bf16) loops ((Kind) { false, true, false }, __VA_ARGS__); \
      else loops ((Kind) { false, false, false }, __VA_ARGS__); \
    } \
  } while (0)

void
fw_pack_rows (const FwMicroKernel *kernel, char *to, const FwLines *from, int64_t first, int64_t rows, int64_t depth,
              int64_t padded)
{
  FOR_KIND (rows_along, kernel, to, from, first, rows, depth, padded);
}

void
fw_pack_rows_across (const FwMicroKernel *kernel, char *to, const FwLines *from, int64_t first, int64_t rows, int64_t depth,
                     int64_t padded)
{
  FOR_KIND (rows_across, kernel, to, from, first, rows, depth, padded);
}

void
fw_pack_columns (const FwMicroKernel *kernel, char *to, int64_t panel_depth, const FwLines *from, int64_t first,
                 int64_t columns, int64_t depth, int64_t padded)
{
  FOR_KIND (columns_along, kernel, to, panel_depth, from, first, columns, depth, padded);
}

void
fw_pack_columns_across (const FwMicroKernel *kernel, char *to, int64_t panel_depth, const FwLines *from, int64_t first,
                        int64_t columns, int64_t depth, int64_t padded)
{
  FOR_KIND (columns_across, kernel, to, panel_depth, from, first, columns, depth, padded);
}
