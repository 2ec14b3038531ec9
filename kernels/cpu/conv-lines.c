/* SPDX-License-Identifier: Apache-2.0
 * Products through a window. Where neighbouring positions read neighbouring places, the lines that a piece of work sees are
 * copied once, enlarged and padded as the window wants, and every tap reads its rows from that copy. Otherwise rows of A are
 * gathered for each tap, as for any product. The order of every sum is the same. */
#include "kernels/cpu/conv.h"

#include <string.h>

enum {
  LEAST_WIDTH = 7,          /* of an image: tiles never reach over the end of a line, and small ones are slow */
  FEW_CHANNELS = 64,        /* with more, a filter of one tap gains nothing from a copy */
  TARGET_WIDTH = 128,       /* of a piece */
  TARGET_POSITIONS = 256,
  TARGET_PIECES = 16,
  TARGET_BYTES = 384 << 10, /* of the copy, which then lies in the second-level cache; */
  LEAST_POSITIONS = 128,    /* but with fewer positions B would be read too often */
  MOST_BYTES = 1 << 20,     /* beyond this rows are gathered */
  LEAST_COLUMNS = 128,
  MOST_WORK = 1 << 28,      /* multiply-adds of one piece, twice as many of bf16: a few milliseconds */
  LEAST_WORK = 1 << 23,     /* of what a worker takes at once */
  PACK_CHANNELS = 64,       /* packed at a time */
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
  int64_t most_blocks = FW_MAX (1, product->gemm.columns / LEAST_COLUMNS);
  int64_t images = window->batch * window->frames * product->x_pieces;
  int64_t height = FW_MIN (window->height, FW_MAX (1, TARGET_POSITIONS / product->piece_width));
  for (; height > 1; height = fw_ceil_div (height, 2)) {
    int64_t most = height * product->piece_width > LEAST_POSITIONS ? TARGET_BYTES : MOST_BYTES;
    if (window->count[0] * places (&window->axis[1], height) * product->line_bytes <= most
        && images * fw_ceil_div (window->height, height) * most_blocks >= TARGET_PIECES)
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
  bool worth_copying = window->count[1] * window->count[2] > 1 || product->padded_channels <= FEW_CHANNELS;
  return product->gemm.kernel->run_parts != NULL && window->width >= LEAST_WIDTH && worth_copying
         && product->gemm.rows > 0 && product->gemm.columns > 0 && product->gemm.depth > 0;
}

static size_t
plan_lines (FwWindowProduct *product)
{
  FwGemm *gemm = &product->gemm;
  const FwMicroKernel *kernel = gemm->kernel;
  const FwWindow *window = &product->window;
  gemm->depth_blocks = fw_ceil_div (gemm->depth, kernel->depth);
  gemm->block_depth = fw_round_up (fw_ceil_div (gemm->depth, gemm->depth_blocks), kernel->step);
  gemm->panels = fw_ceil_div (gemm->columns, kernel->columns);
  gemm->panel_bytes = fw_panel_bytes (kernel, gemm->block_depth);
  int64_t positions = product->piece_width * product->piece_height;
  int64_t most_columns = FW_MAX (LEAST_COLUMNS, (kernel->bf16 ? 2 : 1) * (int64_t) MOST_WORK / (positions * gemm->depth));
  int64_t images = window->batch * window->frames * product->x_pieces * product->y_pieces;
  int64_t wanted_blocks = FW_MIN (fw_ceil_div (TARGET_PIECES, images), gemm->columns / LEAST_COLUMNS);
  gemm->column_blocks = FW_MAX (fw_ceil_div (gemm->columns, most_columns), wanted_blocks);
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

/* An item is some channels of one panel through all taps, whose numbers lie side by side in a filter. */
static void
pack_range (void *context, int64_t begin, int64_t end, int worker)
{
  const FwWindowProduct *product = context;
  const FwGemm *gemm = &product->gemm;
  const FwMicroKernel *kernel = gemm->kernel;
  int64_t groups = fw_ceil_div (product->padded_channels, PACK_CHANNELS);
  for (int64_t item = begin; item < end; item++) {
    int64_t panel = item / groups, channel = item % groups * PACK_CHANNELS, column = panel * kernel->columns;
    int64_t channels = FW_MIN (PACK_CHANNELS, product->padded_channels - channel);
    for (int64_t tap = 0; tap < gemm->depth; tap += product->padded_channels)
      for (int64_t at = tap + channel, past = at + channels, some; at < past; at += some) {
        int64_t block = at / gemm->block_depth, start = at % gemm->block_depth;
        char *to = gemm->packed + (block * gemm->panels + panel) * gemm->panel_bytes + start / kernel->unit * kernel->columns * 4;
        some = FW_MIN (past - at, gemm->block_depth - start);
        gemm->pack_b (gemm, 0, column, FW_MIN (kernel->columns, gemm->columns - column), at, some, some, gemm->block_depth, to);
      }
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

/* Whether the copy of a line is a line's own bytes. */
static bool
holds_tensor_bytes (const FwWindowProduct *product)
{
  int64_t apart = product->position_bytes, size = 4 / product->gemm.kernel->unit;
  return product->tensor->stride[3] * size == apart && product->tensor->dim[4] * size == apart;
}

/* Three bf16 channels, filled up to four. */
static bool
holds_colours (const FwWindowProduct *product)
{
  return product->gemm.kernel->bf16 && product->tensor->dim[4] == 3;
}

static void
copy_colours (const uint16_t *from, int64_t stride, int64_t count, char *to)
{
  for (int64_t i = 0; i < count; i++, from += stride, to += 8) {
    uint64_t colours = from[0] | (uint64_t) from[1] << 16 | (uint64_t) from[2] << 32;
    memcpy (to, &colours, sizeof colours);
  }
}

/* Copies @count places of one line from place @first on, numbers as they are. */
static void
copy_numbers (const FwWindowProduct *product, int64_t base, int64_t first, int64_t count, char *to)
{
  const FwTensor *tensor = product->tensor;
  int64_t apart = product->position_bytes, limit = product->window.axis[2].first.limit, size = 4 / product->gemm.kernel->unit;
  int64_t before = FW_MAX (0, FW_MIN (count, -first));
  int64_t inside = FW_MAX (0, FW_MIN (count, limit - first) - before);
  memset (to, 0, (size_t) (before * apart));
  const char *from = (const char *) tensor->data + (base + (first + before) * tensor->stride[3]) * size;
  if (holds_tensor_bytes (product))
    memcpy (to + before * apart, from, (size_t) (inside * apart));
  else
    copy_colours ((const uint16_t *) (const void *) from, tensor->stride[3], inside, to + before * apart);
  memset (to + (before + inside) * apart, 0, (size_t) ((count - before - inside) * apart));
}

/* Copies @count places of one line from place @first on; @base is the line's offset in the tensor. */
static void
copy_line (const FwWindowProduct *product, int64_t base, int64_t first, int64_t count, char *to)
{
  const FwTensor *tensor = product->tensor;
  FwMicroKernel kernel = *product->gemm.kernel;
  FwAxisTap tap = at_place (&product->window.axis[2]);
  int64_t offset[FW_MAX_BLOCK_ROWS];
  bool as_they_are = tap.divide == 1 && tensor->dtype == (kernel.bf16 ? FW_DTYPE_BF16 : FW_DTYPE_F32);
  if (as_they_are && (holds_tensor_bytes (product) || holds_colours (product))) {
    copy_numbers (product, base, first, count, to);
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
    const FwStream nothing = { 0 };
    for (int64_t line = 0; line < piece->height; line++)
      for (int64_t tile = 0; tile < tiles; tile++) {
        int64_t x = piece->width * tile / tiles, past = piece->width * (tile + 1) / tiles;
        kernel->run_parts ((int) (past - x), width, parts, n_parts,
                           copy + line * axis[1].first.multiply * product->line_bytes + x * apart, apart, b,
                           c + (line * piece->width + x) * kernel->columns, kernel->columns, block > 0, &nothing);
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
  parallel->run (parallel, gemm->panels * fw_ceil_div (product->padded_channels, PACK_CHANNELS), 1, pack_range, product);
  const FwWindow *window = &product->window;
  int64_t pieces = window->batch * window->frames * product->y_pieces * product->x_pieces * gemm->column_blocks;
  int64_t work = product->piece_width * product->piece_height * gemm->block_columns * gemm->depth;
  parallel->run (parallel, pieces, FW_MAX (1, LEAST_WORK / work), multiply_range, product);
}
