/* SPDX-License-Identifier: Apache-2.0
 * The blocked matrix product C = A B that linear, matmul and convolution run on. The caller says how blocks of A and
 * panels of B are packed and what becomes of finished elements of C; the driver cuts the work so that packed pieces stay in
 * caches, and shares it out. The order of every sum depends on the shape alone. */
#pragma once
#include "kernels/cpu/pack.h"

/* A block of A, and of B, over a part of the depth. */
typedef struct { int64_t row, rows, column, columns, start, depth; } FwGemmBlock;

typedef struct FwGemm {
  const FwKernelCall *call;
  const FwMicroKernel *kernel;
  int64_t batches, rows, columns, depth;
  bool split_depth;     /* few rows and columns, much depth: cut the depth into segments too */
  bool pack_b_in_place; /* never hold all of B packed: it is larger than the tensor it is read from */
  int64_t a_row_bytes;  /* A lies in in[0] as microkernels read it, its rows so far apart; 0 if it must be packed */
  FwMicroEnd end;       /* if its y is there, microkernels store C there themselves, see run_to_end, and finish is not called */
  bool a_across;        /* pack_a leaves the units of all rows side by side, a_unit_bytes from one unit of a row to its next */
  /* With a_across, whole panels of columns and an even depth, A and B may be given where they lie, for the one batch: microkernels
   * then pack them, but B not where it is packed ahead; pack_a and see_a are not called. If lines.sums is there when the product
   * runs, the sums of A's rows are added to it, [segments][rows]. */
  FwMicroLines lines;
  const void *operands; /* for the callbacks */
  /* Packs rows [first, first + count) of A (columns of B) over depth [start, start + depth), filled up with zeros to
   * @padded. */
  void (*pack_a) (const struct FwGemm *gemm, int64_t batch, int64_t first, int64_t count, int64_t start, int64_t depth,
                  int64_t padded, char *to);
  void (*pack_b) (const struct FwGemm *gemm, int64_t batch, int64_t first, int64_t count, int64_t start, int64_t depth,
                  int64_t padded, int64_t panel_depth, char *to);
  /* May be NULL. Called once for every block of A, soon after it was packed, its depth blocks in order within a segment. */
  void (*see_a) (const struct FwGemm *gemm, int64_t batch, int64_t segment, int64_t first, int64_t count, int64_t start,
                 int64_t depth);
  /* May be NULL; for one batch. Adds the memory that block @coming will be read from (NULL for none), and that @ending, whose products
   * are computed now, will be finished with (likewise), to what is asked for on the way. */
  void (*expect) (const struct FwGemm *gemm, const FwGemmBlock *coming, const FwGemmBlock *ending, FwFetching *fetching);
  /* Takes a finished piece of C, @rows x @columns from (@row, @column), and may change it. */
  void (*finish) (const struct FwGemm *gemm, int64_t batch, int64_t row, int64_t rows, int64_t column, int64_t columns,
                  float *c, int64_t c_stride);

  int64_t row_blocks, block_rows;         /* rows of C in blocks */
  int64_t column_blocks, block_columns;   /* columns of C in blocks */
  int64_t depth_blocks, block_depth;      /* the depth in blocks that one panel holds */
  int64_t segments;                       /* of whole depth blocks, when the depth is split */
  bool packed_ahead;                      /* B is packed whole before the products begin */
  int64_t panels, panel_bytes, a_unit_bytes, a_bytes, c_stride, c_bytes, worker_bytes;
  char *packed, *workers, *partial;       /* partial: the blocks of C of all segments, if there are several */
} FwGemm;

/* What a callback is asked for at once, at most. */
enum { FW_MAX_BLOCK_ROWS = 320, FW_MAX_BLOCK_DEPTH = 512 };

#define fw_gemm_plan FW_ISA (fw_gemm_plan)
#define fw_gemm_run FW_ISA (fw_gemm_run)
#define fw_multiply_block FW_ISA (fw_multiply_block)

/* Fills the fields after finish, and takes lines.b away if B is packed ahead. Returns the bytes of scratch wanted at @gemm->call->scratch. */
size_t fw_gemm_plan (FwGemm *gemm);
void fw_gemm_run (FwGemm *gemm);

/* C = A B (or +=) in the calling thread, of a packed block of A or rows that microkernels read where they lie, and panels that are
 * @panel_bytes apart; @depth is the padded one. Asks for all of @fetching meanwhile. */
void fw_multiply_block (const FwMicroKernel *kernel, int64_t rows, int64_t columns, int64_t depth, const char *a, int64_t row_bytes,
                        const char *b, int64_t panel_bytes, float *c, int64_t c_stride, bool accumulate, FwFetching *fetching);
