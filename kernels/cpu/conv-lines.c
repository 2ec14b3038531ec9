/* SPDX-License-Identifier: Apache-2.0
 * Products through a window. Where neighbouring positions read neighbouring places, the lines that a piece of work sees are
 * copied once, enlarged and padded as the window wants, and every tap reads its rows from that copy. Otherwise rows of A are
 * gathered for each tap, as for any product. The order of every sum is the same. */
#include "kernels/cpu/conv.h"

#include <string.h>

enum {
  LEAST_WIDTH = 7,          /* of an image: tiles never reach over the end of a line, and small ones are slow */
  TARGET_WIDTH = 128,       /* of a piece */
  TARGET_POSITIONS = 256,
  TARGET_PIECES = 16,
  TARGET_BYTES = 384 << 10, /* of the copy, which then lies in the second-level cache; */
  LEAST_POSITIONS = 128,    /* but with fewer positions B would be read too often */
  MOST_BYTES = 1 << 20,     /* beyond this rows are gathered */
  LEAST_COLUMNS = 128,
  MOST_WORK = 1 << 28,      /* multiply-adds of one piece, twice as many of bf16: a few milliseconds */
  LEAST_WORK = 1 << 23,     /* of what a worker takes at once */
  PACK_PANELS = 8,          /* panels packed at a time */
  CACHE_LINE = 64,
  CROWDED_BYTES = 512,      /* rows such a distance apart would share few sets of the first-level cache */
};

static void
pack_a (const FwGemm *gemm, int64_t batch, int64_t first, int64_t count, int64_t start, int64_t depth, int64_t padded, char *to)
{
  const FwWindowProduct *product = gemm->operands;
  fw_window_pack_rows (&product->window, gemm->kernel, product->tensor, product->padded_channels, first, count, start, depth,
                       padded, to);
}

/* Taps move over places p * multiply + add, before enlargement is undone. The least place that position 0 reads. */
static int64_t
least_place (const FwWindowAxis *axis)
{
  return axis->first.add + FW_MIN (0, axis->slope * (axis->taps - 1));
}

/* The places that @positions neighbours see in all. */
static int64_t
places (const FwWindowAxis *axis, int64_t positions)
{
  int64_t reach = (axis->slope < 0 ? -axis->slope : axis->slope) * (axis->taps - 1) + axis->shifts - 1;
  return (positions - 1) * axis->first.multiply + reach + 1;
}

static void
cut_positions (FwWindowProduct *product)
{
  const FwWindow *window = &product->window;
  product->x_pieces = fw_ceil_div (window->width, TARGET_WIDTH);
  product->piece_width = fw_ceil_div (window->width, product->x_pieces);
  product->line_positions = places (&window->axis[2], product->piece_width);
  product->line_bytes = product->line_positions * product->position_bytes;
  int64_t images = window->batch * window->frames * product->x_pieces;
  int64_t height = FW_MIN (window->height, FW_MAX (1, TARGET_POSITIONS / product->piece_width));
  for (; height > 1; height = fw_ceil_div (height, 2)) {
    int64_t most = height * product->piece_width > LEAST_POSITIONS ? TARGET_BYTES : MOST_BYTES;
    if (window->count[0] * places (&window->axis[1], height) * product->line_bytes <= most
        && images * fw_ceil_div (window->height, height) >= TARGET_PIECES)
      break;
  }
  product->y_pieces = fw_ceil_div (window->height, height);
  product->piece_height = fw_ceil_div (window->height, product->y_pieces);
  product->lines = places (&window->axis[1], product->piece_height);
  product->copy_bytes = fw_round_up (window->count[0] * product->lines * product->line_bytes, CACHE_LINE);
}

static bool
can_go_by_lines (const FwWindowProduct *product)
{
  const FwWindow *window = &product->window;
  for (int i = 0; i < 3; i++) {
    const FwWindowAxis *axis = &window->axis[i];
    if ((axis->first.exact && axis->first.divide > 1) || window->count[i] != axis->taps * axis->shifts)
      return false;
  }
  return product->gemm.kernel->run_parts != NULL && window->width >= LEAST_WIDTH && window->count[1] * window->count[2] > 1
         && product->gemm.rows > 0 && product->gemm.columns > 0 && product->gemm.depth > 0;
}

static size_t
plan_lines (FwWindowProduct *product)
{
  FwGemm *gemm = &product->gemm;
  const FwMicroKernel *kernel = gemm->kernel;
  gemm->depth_blocks = fw_ceil_div (gemm->depth, kernel->depth);
  gemm->block_depth = fw_round_up (fw_ceil_div (gemm->depth, gemm->depth_blocks), kernel->step);
  gemm->panels = fw_ceil_div (gemm->columns, kernel->columns);
  gemm->panel_bytes = fw_panel_bytes (kernel, gemm->block_depth);
  int64_t positions = product->piece_width * product->piece_height;
  int64_t most_columns = FW_MAX (LEAST_COLUMNS, (kernel->bf16 ? 2 : 1) * (int64_t) MOST_WORK / (positions * gemm->depth));
  gemm->column_blocks = fw_ceil_div (gemm->columns, most_columns);
  gemm->block_columns = fw_ceil_div (gemm->panels, gemm->column_blocks) * kernel->columns;
  gemm->column_blocks = fw_ceil_div (gemm->columns, gemm->block_columns);
  product->block_parts = fw_ceil_div (gemm->block_depth, product->padded_channels) + 1;
  int64_t packed_bytes = gemm->depth_blocks * gemm->panels * gemm->panel_bytes;
  int64_t parts_bytes = gemm->depth_blocks * product->block_parts * (int64_t) sizeof *product->parts;
  int64_t before = fw_round_up (packed_bytes, CACHE_LINE) + fw_round_up (parts_bytes, CACHE_LINE);
  product->worker_bytes = product->copy_bytes + positions * kernel->columns * 4;
  gemm->packed = gemm->call->scratch;
  product->parts = fw_room_at (gemm->packed, fw_round_up (packed_bytes, CACHE_LINE));
  product->workers = fw_room_at (gemm->packed, before);
  return (size_t) (before + product->worker_bytes * gemm->call->parallel->workers);
}

size_t
fw_window_product_plan (FwWindowProduct *product)
{
  product->gemm.pack_a = pack_a;
  product->by_lines = can_go_by_lines (product);
  if (product->by_lines) {
    product->position_bytes = product->padded_channels / product->gemm.kernel->unit * 4;
    if (product->position_bytes % CROWDED_BYTES == 0)
      product->position_bytes += CACHE_LINE;
    cut_positions (product);
    product->by_lines = product->copy_bytes <= MOST_BYTES;
  }
  return product->by_lines ? plan_lines (product) : fw_gemm_plan (&product->gemm);
}

/* Where tap @index of all reads the copy, in bytes from where the first tap of position 0 does. */
static int64_t
tap_offset (const FwWindowProduct *product, int64_t index)
{
  const FwWindow *window = &product->window;
  int64_t place[3];
  for (int i = 2; i >= 0; index /= window->count[i--])
    place[i] = index % window->count[i];
  int64_t y = fw_axis_tap (&window->axis[1], place[1]).add - least_place (&window->axis[1]);
  int64_t x = fw_axis_tap (&window->axis[2], place[2]).add - least_place (&window->axis[2]);
  return (place[0] * product->lines + y) * product->line_bytes + x * product->position_bytes;
}

/* Lists the parts of the depth of one block; parts that lie side by side become one. Filled up with empty ones. */
static void
list_parts (const FwWindowProduct *product, int64_t block, FwMicroPart *parts)
{
  const FwGemm *gemm = &product->gemm;
  int64_t at = block * gemm->block_depth, past = FW_MIN (gemm->depth, at + gemm->block_depth);
  int64_t number_bytes = 4 / gemm->kernel->unit, count = 0;
  while (at < past) {
    int64_t tap = at / product->padded_channels, channel = at % product->padded_channels;
    FwMicroPart part = { .offset = tap_offset (product, tap) + channel * number_bytes,
                         .depth = FW_MIN (product->padded_channels - channel, past - at) };
    if (count > 0 && parts[count - 1].offset + parts[count - 1].depth * number_bytes == part.offset)
      parts[count - 1].depth += part.depth;
    else
      parts[count++] = part;
    at += part.depth;
  }
  while (count < product->block_parts)
    parts[count++] = (FwMicroPart) { 0, 0 };
}

static void
pack_range (void *context, int64_t begin, int64_t end, int worker)
{
  const FwWindowProduct *product = context;
  const FwGemm *gemm = &product->gemm;
  const FwMicroKernel *kernel = gemm->kernel;
  int64_t groups = fw_ceil_div (gemm->panels, PACK_PANELS);
  for (int64_t item = begin; item < end; item++) {
    int64_t panel = item % groups * PACK_PANELS, block = item / groups, column = panel * kernel->columns;
    int64_t depth = FW_MIN (gemm->block_depth, gemm->depth - block * gemm->block_depth);
    gemm->pack_b (gemm, 0, column, FW_MIN (PACK_PANELS * kernel->columns, gemm->columns - column), block * gemm->block_depth,
                  depth, fw_round_up (depth, kernel->step), gemm->block_depth,
                  gemm->packed + (block * gemm->panels + panel) * gemm->panel_bytes);
  }
}

typedef struct { int64_t sample, frame, y, height, x, width, column, columns; } Piece;

static Piece
piece_of (const FwWindowProduct *product, int64_t item)
{
  const FwGemm *gemm = &product->gemm;
  const FwWindow *window = &product->window;
  Piece piece;
  piece.column = item % gemm->column_blocks * gemm->block_columns;
  item /= gemm->column_blocks;
  piece.x = item % product->x_pieces * product->piece_width;
  item /= product->x_pieces;
  piece.y = item % product->y_pieces * product->piece_height;
  item /= product->y_pieces;
  piece.frame = item % window->frames;
  piece.sample = item / window->frames;
  piece.columns = FW_MIN (gemm->block_columns, gemm->columns - piece.column);
  piece.width = FW_MIN (product->piece_width, window->width - piece.x);
  piece.height = FW_MIN (product->piece_height, window->height - piece.y);
  return piece;
}

/* One place of an axis, whatever tap it is read through. */
static FwAxisTap
at_place (const FwWindowAxis *axis)
{
  FwAxisTap tap = axis->first;
  tap.multiply = 1;
  tap.add = 0;
  return tap;
}

/* The same where the copy holds the tensor's own bytes. */
static void
copy_bytes (const FwWindowProduct *product, int64_t base, int64_t first, int64_t count, char *to)
{
  const FwTensor *tensor = product->tensor;
  int64_t apart = product->position_bytes, limit = product->window.axis[2].first.limit, size = 4 / product->gemm.kernel->unit;
  int64_t before = FW_MAX (0, FW_MIN (count, -first));
  int64_t inside = FW_MAX (0, FW_MIN (count, limit - first) - before);
  memset (to, 0, (size_t) (before * apart));
  const char *from = (const char *) tensor->data + (base + (first + before) * tensor->stride[3]) * size;
  memcpy (to + before * apart, from, (size_t) (inside * apart));
  memset (to + (before + inside) * apart, 0, (size_t) ((count - before - inside) * apart));
}

static bool
holds_tensor_bytes (const FwWindowProduct *product)
{
  const FwTensor *tensor = product->tensor;
  int64_t size = (int64_t) fw_dtype_size (tensor->dtype);
  return size == 4 / product->gemm.kernel->unit && tensor->stride[3] * size == product->position_bytes
         && tensor->dim[4] * size == product->position_bytes && product->window.axis[2].first.divide == 1;
}

/* Copies @count places of one line from place @first on; @base is the line's offset in the tensor. */
static void
copy_line (const FwWindowProduct *product, int64_t base, int64_t first, int64_t count, char *to)
{
  const FwTensor *tensor = product->tensor;
  FwMicroKernel kernel = *product->gemm.kernel;
  FwAxisTap tap = at_place (&product->window.axis[2]);
  int64_t offset[FW_MAX_BLOCK_ROWS];
  if (holds_tensor_bytes (product)) {
    copy_bytes (product, base, first, count, to);
    return;
  }
  kernel.row_bytes = (int) product->position_bytes;
  for (int64_t some; count > 0; count -= some, first += some, to += some * product->position_bytes) {
    some = FW_MIN (count, FW_MAX_BLOCK_ROWS);
    fw_axis_offsets (&tap, first, some, base, tensor->stride[3], offset);
    FwLines lines = { .data = tensor->data, .dtype = tensor->dtype, .offset = offset, .step = 1 };
    fw_pack_rows (&kernel, to, &lines, 0, some, tensor->dim[4], product->padded_channels);
  }
}

static void
copy_lines (const FwWindowProduct *product, const Piece *piece, char *to)
{
  const FwTensor *tensor = product->tensor;
  const FwWindowAxis *axis = product->window.axis;
  FwAxisTap row = at_place (&axis[1]);
  int64_t first_y = piece->y * axis[1].first.multiply + least_place (&axis[1]);
  int64_t first_x = piece->x * axis[2].first.multiply + least_place (&axis[2]);
  int64_t lines = places (&axis[1], piece->height), positions = places (&axis[2], piece->width);
  for (int64_t i = 0; i < product->window.count[0]; i++) {
    FwAxisTap tap = fw_axis_tap (&axis[0], i);
    int64_t t;
    fw_axis_offsets (&tap, product->window.frame + piece->frame, 1, 0, 1, &t);
    for (int64_t line = 0; line < lines; line++) {
      int64_t y;
      char *place = to + (i * product->lines + line) * product->line_bytes;
      fw_axis_offsets (&row, first_y + line, 1, 0, 1, &y);
      if ((t | y) < 0)
        memset (place, 0, (size_t) (positions * product->position_bytes));
      else
        copy_line (product, piece->sample * tensor->stride[0] + t * tensor->stride[1] + y * tensor->stride[2], first_x,
                   positions, place);
    }
  }
}

/* One panel of B times all positions of a piece, through all of the depth. */
static void
multiply_panel (const FwWindowProduct *product, const Piece *piece, int64_t panel, int width, const char *copy, float *c)
{
  const FwGemm *gemm = &product->gemm;
  const FwMicroKernel *kernel = gemm->kernel;
  const FwWindowAxis *axis = product->window.axis;
  int64_t tiles = fw_ceil_div (piece->width, kernel->rows), apart = axis[2].first.multiply * product->position_bytes;
  for (int64_t block = 0; block < gemm->depth_blocks; block++) {
    const FwMicroPart *parts = product->parts + block * product->block_parts;
    const char *b = gemm->packed + (block * gemm->panels + panel) * gemm->panel_bytes;
    int64_t n_parts = product->block_parts;
    while (n_parts > 1 && parts[n_parts - 1].depth == 0)
      n_parts--;
    for (int64_t line = 0; line < piece->height; line++)
      for (int64_t tile = 0; tile < tiles; tile++) {
        int64_t x = piece->width * tile / tiles, past = piece->width * (tile + 1) / tiles;
        kernel->run_parts ((int) (past - x), width, parts, n_parts,
                           copy + line * axis[1].first.multiply * product->line_bytes + x * apart, apart, b,
                           c + (line * piece->width + x) * kernel->columns, kernel->columns, block > 0);
      }
  }
}

static void
multiply_range (void *context, int64_t begin, int64_t end, int worker)
{
  const FwWindowProduct *product = context;
  const FwGemm *gemm = &product->gemm;
  const FwWindow *window = &product->window;
  char *copy = product->workers + worker * product->worker_bytes;
  float *c = (float *) (void *) (copy + product->copy_bytes);
  for (int64_t item = begin; item < end; item++) {
    Piece piece = piece_of (product, item);
    int64_t first_row = ((piece.sample * window->frames + piece.frame) * window->height + piece.y) * window->width + piece.x;
    copy_lines (product, &piece, copy);
    for (int64_t column = piece.column; column < piece.column + piece.columns; column += gemm->kernel->columns) {
      int64_t width = FW_MIN (gemm->kernel->columns, gemm->columns - column);
      multiply_panel (product, &piece, column / gemm->kernel->columns, (int) width, copy, c);
      for (int64_t line = 0; line < piece.height; line++)
        gemm->finish (gemm, 0, first_row + line * window->width, piece.width, column, width,
                      c + line * piece.width * gemm->kernel->columns, gemm->kernel->columns);
    }
  }
}

void
fw_window_product_run (FwWindowProduct *product)
{
  FwGemm *gemm = &product->gemm;
  FwParallel *parallel = gemm->call->parallel;
  if (!product->by_lines) {
    fw_gemm_run (gemm);
    return;
  }
  for (int64_t block = 0; block < gemm->depth_blocks; block++)
    list_parts (product, block, product->parts + block * product->block_parts);
  parallel->run (parallel, gemm->depth_blocks * fw_ceil_div (gemm->panels, PACK_PANELS), 1, pack_range, product);
  const FwWindow *window = &product->window;
  int64_t pieces = window->batch * window->frames * product->y_pieces * product->x_pieces * gemm->column_blocks;
  int64_t work = product->piece_width * product->piece_height * gemm->block_columns * gemm->depth;
  parallel->run (parallel, pieces, FW_MAX (1, LEAST_WORK / work), multiply_range, product);
}
