/* SPDX-License-Identifier: Apache-2.0
 * The blocked matrix product: cutting, packing, multiplying. */
#include "kernels/cpu/gemm.h"
#include "kernels/cpu/row-math.h"

enum {
  TARGET_ROWS = 128,        /* of a block of A, which then lies in the second-level cache */
  TARGET_COLUMNS = 1024,    /* of a block of C, likewise */
  FEW_BLOCKS = 8,           /* with no more blocks of rows than this, workers need blocks of columns */
  FEW_COLUMNS = 512,        /* that are smaller */
  LEAST_COLUMNS = 128,      /* with fewer, packing A would weigh too much */
  SPLIT_ROWS = 256,         /* the same where the depth is split and packing weighs more */
  SPLIT_COLUMNS = 256,
  SPLIT_DEPTH = 256,
  TARGET_ITEMS = 12,        /* pieces of work wanted before the depth is split */
  SEGMENT_DEPTH = 512,      /* no segment is shorter */
  SEGMENT_WORK = 1 << 30,   /* nor is one much more work than this */
  MOST_WORK = 1 << 28,      /* multiply-adds of one piece, twice as many of bf16: a few milliseconds */
  PACK_PANELS = 8,          /* panels packed at a time */
  MOST_REPACKINGS = 4,      /* a panel of B packed where it is used is packed anew for every block of rows */
  JOIN_FLOATS = 1 << 16,    /* numbers of segments added up at a time */
};

static void
cut_depth (FwGemm *gemm)
{
  const FwMicroKernel *kernel = gemm->kernel;
  int64_t most = gemm->split_depth ? FW_MIN (kernel->depth, SPLIT_DEPTH) : kernel->depth;
  gemm->depth_blocks = FW_MAX (1, fw_ceil_div (gemm->depth, most));
  gemm->block_depth = fw_round_up (FW_MAX (1, fw_ceil_div (gemm->depth, gemm->depth_blocks)), 32);
  gemm->depth_blocks = FW_MAX (1, fw_ceil_div (gemm->depth, gemm->block_depth));
}

static void
cut_rows_and_columns (FwGemm *gemm)
{
  const FwMicroKernel *kernel = gemm->kernel;
  int64_t tiles = fw_ceil_div (gemm->rows, kernel->rows), most_rows = gemm->split_depth ? SPLIT_ROWS : TARGET_ROWS;
  gemm->row_blocks = fw_ceil_div (gemm->rows, most_rows);
  gemm->block_rows = fw_ceil_div (tiles, gemm->row_blocks) * kernel->rows;
  gemm->row_blocks = fw_ceil_div (gemm->rows, gemm->block_rows);
  int64_t most_columns = gemm->split_depth ? SPLIT_COLUMNS : gemm->row_blocks > FEW_BLOCKS ? TARGET_COLUMNS : FEW_COLUMNS;
  int64_t most_work = (kernel->bf16 ? 2 : 1) * (int64_t) MOST_WORK / (gemm->block_rows * FW_MAX (1, gemm->depth));
  if (!gemm->split_depth)
    most_columns = FW_MAX (LEAST_COLUMNS, FW_MIN (most_columns, most_work));
  gemm->panels = fw_ceil_div (gemm->columns, kernel->columns);
  gemm->column_blocks = fw_ceil_div (gemm->columns, most_columns);
  gemm->block_columns = fw_ceil_div (gemm->panels, gemm->column_blocks) * kernel->columns;
  gemm->column_blocks = fw_ceil_div (gemm->columns, gemm->block_columns);
}

static int64_t
choose_segments (const FwGemm *gemm)
{
  int64_t items = gemm->batches * gemm->row_blocks * gemm->column_blocks;
  if (!gemm->split_depth)
    return 1;
  int64_t least = gemm->block_rows * gemm->block_columns * gemm->depth / SEGMENT_WORK;
  int64_t wanted = FW_MAX (1, FW_MIN (FW_MAX (fw_ceil_div (TARGET_ITEMS, items), least), gemm->depth / SEGMENT_DEPTH));
  /* Somewhat fewer, if these are equally long: workers then end together, and less is to be joined. */
  for (int64_t fewer = wanted; fewer >= FW_MAX (least, fw_ceil_div (2 * wanted, 3)); fewer--)
    if (gemm->depth_blocks % fewer == 0)
      return fewer;
  return wanted;
}

static int64_t
count_pieces (const FwGemm *gemm)
{
  return gemm->batches * gemm->segments * gemm->row_blocks * gemm->column_blocks;
}

size_t
fw_gemm_plan (FwGemm *gemm)
{
  const FwMicroKernel *kernel = gemm->kernel;
  if (gemm->batches == 0 || gemm->rows == 0 || gemm->columns == 0)
    return 0;
  cut_depth (gemm);
  cut_rows_and_columns (gemm);
  gemm->segments = choose_segments (gemm);
  gemm->packed_ahead = gemm->row_blocks > MOST_REPACKINGS && !gemm->pack_b_in_place;
  if (gemm->packed_ahead)
    gemm->lines.b = NULL;
  gemm->panel_bytes = fw_panel_bytes (kernel, gemm->block_depth);
  gemm->a_unit_bytes = fw_round_up (gemm->block_rows, FW_ROW_PADDING) * 4 + FW_CACHE_LINE; /* run_packing stores beyond the last row */
  gemm->a_bytes = gemm->a_row_bytes > 0 ? 0
                  : gemm->a_across      ? gemm->block_depth / kernel->unit * gemm->a_unit_bytes
                                        : fw_round_up (gemm->block_rows, FW_ROW_PADDING) * kernel->row_bytes;
  gemm->c_stride = gemm->block_columns + 16;
  gemm->c_bytes = fw_round_up (gemm->block_rows, FW_ROW_PADDING) * gemm->c_stride * 4;
  int64_t packed_bytes = gemm->packed_ahead ? gemm->batches * gemm->depth_blocks * gemm->panels * gemm->panel_bytes : 0;
  int64_t partial_bytes = gemm->segments > 1 ? count_pieces (gemm) * gemm->c_bytes : 0;
  int64_t panels_bytes = gemm->packed_ahead ? 0 : PACK_PANELS * gemm->panel_bytes;
  gemm->worker_bytes = fw_round_up (gemm->a_bytes + (gemm->segments > 1 ? 0 : gemm->c_bytes) + panels_bytes, FW_CACHE_LINE);
  gemm->packed = gemm->call->scratch;
  gemm->workers = fw_room_at (gemm->packed, fw_round_up (packed_bytes, FW_CACHE_LINE));
  gemm->partial = fw_room_at (gemm->workers, gemm->worker_bytes * gemm->call->parallel->workers);
  return (size_t) (fw_round_up (packed_bytes, FW_CACHE_LINE) + gemm->worker_bytes * gemm->call->parallel->workers + partial_bytes);
}

static int64_t
depth_of_block (const FwGemm *gemm, int64_t block)
{
  return FW_MIN (gemm->block_depth, gemm->depth - block * gemm->block_depth);
}

static char *
panel_at (const FwGemm *gemm, int64_t batch, int64_t block, int64_t panel)
{
  return gemm->packed + ((batch * gemm->depth_blocks + block) * gemm->panels + panel) * gemm->panel_bytes;
}

static int64_t
pack_groups (const FwGemm *gemm)
{
  return fw_ceil_div (gemm->panels, PACK_PANELS);
}

static void
pack_range (void *context, int64_t begin, int64_t end, int worker)
{
  const FwGemm *gemm = context;
  int64_t groups = pack_groups (gemm);
  for (int64_t item = begin; item < end; item++) {
    int64_t panel = item % groups * PACK_PANELS, block = item / groups % gemm->depth_blocks;
    int64_t batch = item / groups / gemm->depth_blocks, column = panel * gemm->kernel->columns;
    int64_t count = FW_MIN (PACK_PANELS * gemm->kernel->columns, gemm->columns - column), depth = depth_of_block (gemm, block);
    gemm->pack_b (gemm, batch, column, count, block * gemm->block_depth, depth, fw_round_up (depth, gemm->kernel->step),
                  gemm->block_depth, panel_at (gemm, batch, block, panel));
  }
}

/* Where tile @tile of @tiles begins. Their heights are as equal as can be: a small one would not fill the multipliers. */
static int64_t
tile_row (const FwMicroKernel *kernel, int64_t rows, int64_t tile, int64_t tiles)
{
  return FW_MIN (rows, fw_ceil_div (rows, kernel->row_step) * tile / tiles * kernel->row_step);
}

void
fw_multiply_block (const FwMicroKernel *kernel, int64_t rows, int64_t columns, int64_t depth, const char *a, int64_t row_bytes,
                   const char *b, int64_t panel_bytes, float *c, int64_t c_stride, bool accumulate, FwFetching *fetching)
{
  int64_t tiles = fw_ceil_div (rows, kernel->rows);
  for (int64_t column = 0; column < columns; column += kernel->columns, b += panel_bytes) {
    int64_t width = FW_MIN (kernel->columns, columns - column);
    for (int64_t tile = 0, row = 0, past; tile < tiles; tile++, row = past) {
      past = tile_row (kernel, rows, tile + 1, tiles);
      fw_micro_run (kernel, past - row, width, depth, a + row * row_bytes, row_bytes, b, c + row * c_stride + column, c_stride,
                    accumulate, fetching);
    }
  }
  fw_fetching_rest (fetching);
}

typedef struct { int64_t batch, segment, row, rows, column, columns; } Piece;
typedef struct { Piece piece; int64_t block; bool wanted; } Coming;

/* The first depth block of a segment. */
static int64_t
first_block (const FwGemm *gemm, int64_t segment)
{
  return gemm->depth_blocks * segment / gemm->segments;
}

static Piece
piece_of (const FwGemm *gemm, int64_t item)
{
  Piece piece;
  piece.column = item % gemm->column_blocks * gemm->block_columns;
  item /= gemm->column_blocks;
  piece.row = item % gemm->row_blocks * gemm->block_rows;
  item /= gemm->row_blocks;
  piece.segment = item % gemm->segments;
  piece.batch = item / gemm->segments;
  piece.rows = FW_MIN (gemm->block_rows, gemm->rows - piece.row);
  piece.columns = FW_MIN (gemm->block_columns, gemm->columns - piece.column);
  return piece;
}

/* What comes after depth block @block of @piece, which is @item: its next block, or else the piece that this worker gets if
 * all are equally fast. */
static Coming
coming_after (const FwGemm *gemm, int64_t item, const Piece *piece, int64_t block, int64_t past)
{
  Coming coming = { *piece, block + 1, gemm->expect != NULL };
  if (block + 1 == past) {
    item += gemm->call->parallel->workers;
    coming.wanted = gemm->expect != NULL && item < count_pieces (gemm);
    coming.piece = piece_of (gemm, item);
    coming.block = first_block (gemm, coming.piece.segment);
  }
  return coming;
}

static FwGemmBlock
block_of_piece (const FwGemm *gemm, const Piece *piece, int64_t block)
{
  return (FwGemmBlock) { piece->row, piece->rows, piece->column, piece->columns, block * gemm->block_depth,
                         depth_of_block (gemm, block) };
}

/* What is to be asked for while depth block @block of @piece is multiplied, @tiles times @panels products: all but those that
 * microkernels pack in. */
static FwFetching
fetching_of (const FwGemm *gemm, const Piece *piece, int64_t block, const Coming *coming, int64_t tiles, int64_t panels)
{
  FwFetching fetching;
  FwGemmBlock next = block_of_piece (gemm, &coming->piece, coming->block), now = block_of_piece (gemm, piece, block);
  bool ends = gemm->segments == 1 && block + 1 == gemm->depth_blocks && gemm->end.y == NULL;
  fw_fetching_begin (&fetching, fw_round_up (now.depth, gemm->kernel->step) / gemm->kernel->unit,
                     (tiles - (gemm->lines.b != NULL)) * (panels - (gemm->lines.a != NULL)));
  if (gemm->expect)
    gemm->expect (gemm, coming->wanted ? &next : NULL, ends ? &now : NULL, &fetching);
  return fetching;
}

/* What is to be packed while the tile at (@row, @column) of a piece is computed: rows of A with the first panel, a panel of B with
 * the first rows. */
static FwMicroLines
lines_of_tile (const FwGemm *gemm, const Piece *piece, int64_t block, int64_t row, int64_t column)
{
  const FwMicroLines *all = &gemm->lines;
  FwMicroLines lines = { .a_bytes = all->a_bytes, .b_bytes = all->b_bytes };
  int64_t start = block * gemm->block_depth;
  if (all->a && column == 0)
    lines.a = all->a + start * all->a_bytes + (piece->row + row) * 2;
  if (lines.a && all->sums && piece->column == 0)
    lines.sums = all->sums + piece->segment * gemm->rows + piece->row + row;
  if (all->b && row == 0)
    lines.b = all->b + start * all->b_bytes + (piece->column + column) * 2;
  return lines;
}

static int64_t
a_row_bytes (const FwGemm *gemm)
{
  return gemm->a_row_bytes > 0 ? gemm->a_row_bytes : gemm->kernel->row_bytes;
}

/* Lines of C that nothing was stored to yet are made ready for that while the products are computed. */
static void
fetch_stores (const float *c, int64_t c_stride, int64_t rows, int64_t columns)
{
  for (int64_t row = 0; row < rows; row++, c += c_stride)
    for (int64_t column = 0; column < columns; column += FW_CACHE_LINE / 4)
      __builtin_prefetch (c + column, 1);
}

/* Rows [row, row + rows) of the block C of a piece by one panel, that of @column; its block of A begins at @a. */
static void
multiply_tile (const FwGemm *gemm, const Piece *piece, int64_t block, int64_t row, int64_t rows, int64_t column, int64_t depth,
               char *a, char *panel, float *c, bool accumulate, FwFetching *fetching)
{
  const FwMicroKernel *kernel = gemm->kernel;
  int64_t columns = FW_MIN (kernel->columns, piece->columns - column);
  c += row * gemm->c_stride + column;
  if (!gemm->a_across) {
    int64_t row_bytes = a_row_bytes (gemm);
    fw_micro_run (kernel, rows, columns, depth, a + row * row_bytes, row_bytes, panel, c, gemm->c_stride, accumulate, fetching);
    return;
  }
  if (!accumulate)
    fetch_stores (c, gemm->c_stride, rows, columns);
  FwMicroLines lines = lines_of_tile (gemm, piece, block, row, column);
  if (lines.a || lines.b) {
    kernel->run_packing ((int) rows, depth, &lines, a + row * 4, gemm->a_unit_bytes, panel, c, gemm->c_stride, accumulate);
    return;
  }
  FwStream asked = fw_fetching_next (fetching);
  kernel->run_across ((int) rows, (int) columns, depth, a + row * 4, gemm->a_unit_bytes, panel, c, gemm->c_stride, accumulate, &asked);
}

/* gemm->end from row @row and column @column on. */
static FwMicroEnd
end_at (const FwGemm *gemm, int64_t row, int64_t column)
{
  const FwMicroEnd *all = &gemm->end;
  int64_t y = row * all->y_stride + column;
  return (FwMicroEnd) {
    .bias = all->bias ? all->bias + column : NULL,
    .y = all->h ? (void *) ((float *) all->y + y) : (void *) ((uint16_t *) all->y + y), .y_stride = all->y_stride,
    .h = all->h ? all->h + row * all->h_stride + column : NULL, .h_stride = all->h_stride,
    .factor = all->factor ? all->factor + row * all->factor_stride + column : NULL, .factor_stride = all->factor_stride,
  };
}

/* The same as multiply_tile for the last depth block where C goes to gemm->end; @column is the panel's first of all columns. */
static void
finish_tile (const FwGemm *gemm, const Piece *piece, int64_t row, int64_t rows, int64_t column, int64_t depth, const char *a,
             const char *panel, const float *c, bool accumulate, FwFetching *fetching)
{
  const FwStream asked = fw_fetching_next (fetching);
  const FwMicroEnd end = end_at (gemm, piece->row + row, column);
  int64_t row_bytes = a_row_bytes (gemm);
  gemm->kernel->run_to_end ((int) rows, depth, a + row * row_bytes, row_bytes, panel, accumulate ? c + row * gemm->c_stride : NULL,
                            gemm->c_stride, &end, &asked);
}

/* One depth block of one piece, whose rows of A lie at @a. Panels not packed ahead are packed in @room, some at a time or, by
 * microkernels, one. */
static void
multiply_depth_block (const FwGemm *gemm, const Piece *piece, int64_t block, const Coming *coming, char *a, float *c,
                      char *room, bool accumulate)
{
  int64_t depth = depth_of_block (gemm, block), padded = fw_round_up (depth, gemm->kernel->step);
  const FwMicroKernel *kernel = gemm->kernel;
  int64_t panels = fw_ceil_div (piece->columns, kernel->columns), tiles = fw_ceil_div (piece->rows, kernel->rows);
  int64_t first_row[FW_MAX_BLOCK_ROWS + 1];
  bool ends = gemm->end.y != NULL && block + 1 == gemm->depth_blocks;
  FwFetching fetching = fetching_of (gemm, piece, block, coming, tiles, panels);
  for (int64_t tile = 0; tile <= tiles; tile++)
    first_row[tile] = tile_row (kernel, piece->rows, tile, tiles);
  for (int64_t i = 0; i < panels; i++) {
    int64_t column = i * kernel->columns;
    char *panel = gemm->lines.b ? room : room + i % PACK_PANELS * gemm->panel_bytes;
    if (gemm->packed_ahead)
      panel = panel_at (gemm, piece->batch, block, piece->column / kernel->columns + i);
    else if (gemm->lines.b == NULL && i % PACK_PANELS == 0)
      gemm->pack_b (gemm, piece->batch, piece->column + column, FW_MIN (PACK_PANELS * kernel->columns, piece->columns - column),
                    block * gemm->block_depth, depth, padded, gemm->block_depth, panel);
    for (int64_t tile = 0; tile < tiles; tile++) {
      int64_t row = first_row[tile], rows = first_row[tile + 1] - row;
      if (ends)
        finish_tile (gemm, piece, row, rows, piece->column + column, padded, a, panel, c + column, accumulate, &fetching);
      else
        multiply_tile (gemm, piece, block, row, rows, column, padded, a, panel, c, accumulate, &fetching);
    }
  }
  fw_fetching_rest (&fetching);
}

/* The rows of A of depth block @block of a piece: where they lie, or packed in @room, or @room where microkernels will pack them. */
static char *
rows_of_block (const FwGemm *gemm, const Piece *piece, int64_t block, char *room)
{
  int64_t start = block * gemm->block_depth, depth = depth_of_block (gemm, block);
  if (gemm->a_row_bytes > 0)
    return (char *) gemm->call->in[0].data + piece->row * gemm->a_row_bytes + start * 4 / gemm->kernel->unit;
  if (gemm->lines.a)
    return room;
  gemm->pack_a (gemm, piece->batch, piece->row, piece->rows, start, depth, fw_round_up (depth, gemm->kernel->step), room);
  if (gemm->see_a && piece->column == 0)
    gemm->see_a (gemm, piece->batch, piece->segment, piece->row, piece->rows, start, depth);
  return room;
}

/* Where piece @item of a segment stays until the segments are joined. */
static float *
partial_at (const FwGemm *gemm, int64_t item)
{
  return (float *) (void *) (gemm->partial + item * gemm->c_bytes);
}

static void
multiply_range (void *context, int64_t begin, int64_t end, int worker)
{
  const FwGemm *gemm = context;
  const FwMicroKernel *kernel = gemm->kernel;
  char *a = gemm->workers + worker * gemm->worker_bytes;
  float *own = (float *) (void *) (a + gemm->a_bytes);
  char *panels = gemm->packed_ahead ? a : a + gemm->worker_bytes - PACK_PANELS * gemm->panel_bytes;
  if (kernel->begin)
    kernel->begin ();
  for (int64_t item = begin; item < end; item++) {
    Piece piece = piece_of (gemm, item);
    int64_t first = first_block (gemm, piece.segment), past = first_block (gemm, piece.segment + 1);
    float *c = gemm->segments > 1 ? partial_at (gemm, item) : own;
    for (int64_t block = first; block < past; block++) {
      Coming coming = coming_after (gemm, item, &piece, block, past);
      char *rows = rows_of_block (gemm, &piece, block, a);
      multiply_depth_block (gemm, &piece, block, &coming, rows, c, panels, block > first);
    }
    if (gemm->end.y == NULL && gemm->segments == 1)
      gemm->finish (gemm, piece.batch, piece.row, piece.rows, piece.column, piece.columns, c, gemm->c_stride);
  }
  if (kernel->end)
    kernel->end ();
}

/* An item is a row of C within a block of columns. */
static void
join_range (void *context, int64_t begin, int64_t end, int worker)
{
  const FwGemm *gemm = context;
  int64_t blocks = gemm->row_blocks * gemm->column_blocks;
  for (int64_t item = begin; item < end; item++) {
    int64_t row = item / gemm->column_blocks % gemm->rows, batch = item / gemm->column_blocks / gemm->rows;
    int64_t block = row / gemm->block_rows * gemm->column_blocks + item % gemm->column_blocks;
    int64_t first = batch * gemm->segments * blocks + block;
    Piece piece = piece_of (gemm, first);
    int64_t place = (row - piece.row) * gemm->c_stride;
    float *c = partial_at (gemm, first) + place;
    for (int64_t segment = 1; segment < gemm->segments; segment++)
      row_add (partial_at (gemm, first + segment * blocks) + place, c, piece.columns);
    gemm->finish (gemm, batch, row, 1, piece.column, piece.columns, c, gemm->c_stride);
  }
}

void
fw_gemm_run (FwGemm *gemm)
{
  FwParallel *parallel = gemm->call->parallel;
  if (gemm->batches == 0 || gemm->rows == 0 || gemm->columns == 0)
    return;
  if (gemm->packed_ahead)
    parallel->run (parallel, gemm->batches * gemm->depth_blocks * pack_groups (gemm), 1, pack_range, gemm);
  int64_t work = gemm->block_rows * gemm->block_columns * FW_MAX (1, gemm->depth);
  parallel->run (parallel, count_pieces (gemm), FW_MAX (1, (1 << 23) / work), multiply_range, gemm);
  if (gemm->segments > 1)
    parallel->run (parallel, gemm->batches * gemm->rows * gemm->column_blocks,
                   FW_MAX (1, JOIN_FLOATS / (gemm->segments * gemm->block_columns)),
                   join_range, gemm);
}
