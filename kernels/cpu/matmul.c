/* SPDX-License-Identifier: Apache-2.0
 * matmul: batches of products of matrices in any strides. */
#include "kernels/cpu/gemm.h"
#include "kernels/cpu/kernels.h"
#include "kernels/cpu/row-math.h"
#include "kernels/cpu/rows.h"
#include "kernels/cpu/run.h"

enum { Y, A, B, TENSORS };

typedef struct {
  FwRows batches;  /* a walk over the matrices: their "rows" are of length 1 */
  int64_t stride[TENSORS][2];
} Matmul;

/* Lines of @tensor's matrix @batch from line @first on; lines run along axis @along of the last two. */
static FwLines
lines_of (const FwGemm *gemm, const FwTensor *tensor, int which, int64_t batch, int along, int64_t first)
{
  const Matmul *matmul = gemm->operands;
  FwCursor cursor;
  fw_rows_seek (&matmul->batches, batch, &cursor);
  int64_t place = cursor.offset[which] + first * matmul->stride[which][1 - along];
  return (FwLines) { .data = (const char *) tensor->data + (size_t) place * fw_dtype_size (tensor->dtype), .dtype = tensor->dtype,
                     .stride = matmul->stride[which][1 - along], .step = matmul->stride[which][along] };
}

static void
matmul_pack_a (const FwGemm *gemm, int64_t batch, int64_t first, int64_t count, int64_t start, int64_t depth, int64_t padded,
               char *to)
{
  const Matmul *matmul = gemm->operands;
  const FwTensor *a = &gemm->call->in[0];
  if (matmul->stride[A][1] != 1 && matmul->stride[A][0] == 1) {
    FwLines lines = lines_of (gemm, a, A, batch, 0, start);
    fw_pack_rows_across (gemm->kernel, to, &lines, first, count, depth, padded);
  } else {
    FwLines lines = lines_of (gemm, a, A, batch, 1, first);
    fw_pack_rows (gemm->kernel, to, &lines, start, count, depth, padded);
  }
}

static void
matmul_pack_b (const FwGemm *gemm, int64_t batch, int64_t first, int64_t count, int64_t start, int64_t depth, int64_t padded,
               int64_t panel_depth, char *to)
{
  const Matmul *matmul = gemm->operands;
  const FwTensor *b = &gemm->call->in[1];
  if (matmul->stride[B][1] != 1 && matmul->stride[B][0] == 1) {
    FwLines lines = lines_of (gemm, b, B, batch, 0, first);
    fw_pack_columns (gemm->kernel, to, panel_depth, &lines, start, count, depth, padded);
  } else {
    FwLines lines = lines_of (gemm, b, B, batch, 1, start);
    fw_pack_columns_across (gemm->kernel, to, panel_depth, &lines, first, count, depth, padded);
  }
}

static void
matmul_finish (const FwGemm *gemm, int64_t batch, int64_t row, int64_t rows, int64_t column, int64_t columns, float *c,
               int64_t c_stride)
{
  const Matmul *matmul = gemm->operands;
  const FwMatmulAttributes *attributes = gemm->call->attributes;
  FwCursor cursor;
  fw_rows_seek (&matmul->batches, batch, &cursor);
  for (int64_t r = 0; r < rows; r++, c += c_stride) {
    if (attributes->alpha != 1)
      row_scale (c, c, columns, (float) attributes->alpha);
    fw_run_store (&gemm->call->out[0], cursor.offset[Y] + (row + r) * matmul->stride[Y][0] + column, columns, c);
  }
}

static size_t
plan (FwGemm *gemm, Matmul *matmul, const FwKernelCall *call)
{
  const FwTensor *tensors[TENSORS] = { &call->out[0], &call->in[0], &call->in[1] };
  FwTensor leading[TENSORS];
  int axis = call->out[0].rank - 2;
  for (int t = 0; t < TENSORS; t++) {
    leading[t] = *tensors[t];
    leading[t].rank = axis + 1;
    leading[t].dim[axis] = 1;
    for (int i = 0; i < 2; i++)
      matmul->stride[t][i] = tensors[t]->dim[axis + i] == 1 ? 1 : tensors[t]->stride[axis + i];
  }
  fw_rows_init (&matmul->batches, TENSORS, (const FwTensor *[]) { &leading[Y], &leading[A], &leading[B] }, false);
  bool bf16 = call->in[0].dtype == FW_DTYPE_BF16 && call->in[1].dtype == FW_DTYPE_BF16;
  *gemm = (FwGemm) { .call = call, .kernel = fw_micro_for (bf16 ? FW_DTYPE_BF16 : FW_DTYPE_F32),
                     .batches = matmul->batches.rows, .rows = call->out[0].dim[axis], .columns = call->out[0].dim[axis + 1],
                     .depth = call->in[0].dim[axis + 1], .operands = matmul,
                     .pack_a = matmul_pack_a, .pack_b = matmul_pack_b, .finish = matmul_finish };
  return fw_gemm_plan (gemm);
}

size_t
fw_matmul_scratch (const FwKernelCall *call)
{
  FwGemm gemm;
  Matmul matmul;
  return plan (&gemm, &matmul, call);
}

void
fw_matmul_run (const FwKernelCall *call)
{
  FwGemm gemm;
  Matmul matmul;
  plan (&gemm, &matmul, call);
  fw_gemm_run (&gemm);
}
