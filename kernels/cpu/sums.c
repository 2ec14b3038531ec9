/* SPDX-License-Identifier: Apache-2.0
 * Sums over axes in a fixed order. */
#include "kernels/cpu/sums.h"
#include "kernels/cpu/row-math.h"

enum { TASKS = 64 }; /* tasks wanted; independent of the workers, so that results are too */

/* A walk over the axes of the tensors that are (or are not) in @axes. */
static void
walk_some_axes (FwRows *rows, int count, const FwTensor *const *tensors, uint32_t axes, bool reduced)
{
  FwTensor some[FW_MAX_WALKED];
  const FwTensor *pointers[FW_MAX_WALKED];
  int last = tensors[0]->rank - 1;
  for (int t = 0; t < count; t++) {
    some[t] = *tensors[t];
    pointers[t] = &some[t];
    for (int axis = 0; axis < some[t].rank; axis++)
      if (axis == last ? reduced : ((axes >> axis & 1) != 0) != reduced)
        some[t].dim[axis] = 1;
  }
  fw_rows_init (rows, count, pointers, false);
}

size_t
fw_sums_init (FwSums *sums, int count, const FwTensor *const *tensors, uint32_t axes)
{
  int last = tensors[0]->rank - 1;
  sums->sum_row = last >= 0 && (axes >> last & 1);
  walk_some_axes (&sums->kept, count, tensors, axes, false);
  walk_some_axes (&sums->reduced, count, tensors, axes, true);
  sums->stretch = sums->whole_rows ? sums->kept.length : FW_MIN (sums->kept.length, FW_RUN);
  sums->stretches = sums->stretch == 0 ? 0 : fw_ceil_div (sums->kept.length, sums->stretch);
  sums->units = sums->kept.rows * (sums->sum_row ? 1 : sums->stretches);
  if (sums->units == 0 || sums->units >= TASKS) {
    sums->segments = 1;
    sums->tasks = FW_MIN (sums->units, TASKS);
  } else {
    sums->segments = FW_MAX (1, FW_MIN (sums->reduced.rows, fw_ceil_div (TASKS, sums->units)));
    sums->tasks = sums->units * sums->segments;
  }
  return (size_t) (sums->tasks * (FW_MAX_SUMS + 2) * fw_round_up (sums->stretch, 16)) * sizeof (float);
}

static float *
space_of (const FwSums *sums, int64_t task, int part)
{
  return sums->space + (task * (FW_MAX_SUMS + 2) + part) * fw_round_up (sums->stretch, 16);
}

/* Where unit @unit begins in each tensor, and how many columns it has. */
static int64_t
seek_unit (const FwSums *sums, int64_t unit, FwCursor *kept)
{
  int64_t per_row = sums->sum_row ? 1 : sums->stretches;
  int64_t start = unit % per_row * sums->stretch;
  fw_rows_seek (&sums->kept, unit / per_row, kept);
  for (int t = 0; t < sums->kept.tensors; t++)
    kept->offset[t] += start * sums->kept.step[t];
  return FW_MIN (sums->stretch, sums->kept.length - start);
}

static void
add_row (const FwSums *sums, const int64_t *offset, int64_t count, float *const *sum, float *work)
{
  if (!sums->sum_row || sums->stretches == 1) {
    sums->add (sums, offset, count, sum, work);
    return;
  }
  for (int64_t start = 0; start < sums->kept.length; start += sums->stretch) {
    int64_t moved[FW_MAX_WALKED];
    for (int t = 0; t < sums->kept.tensors; t++)
      moved[t] = offset[t] + start * sums->kept.step[t];
    sums->add (sums, moved, FW_MIN (sums->stretch, sums->kept.length - start), sum, work);
  }
}

static void
run_tasks (void *context, int64_t begin, int64_t end, int worker)
{
  const FwSums *sums = context;
  for (int64_t task = begin; task < end; task++) {
    int64_t segment = task % sums->segments, slot = task / sums->segments, slots = sums->tasks / sums->segments;
    int64_t first = sums->reduced.rows * segment / sums->segments, past = sums->reduced.rows * (segment + 1) / sums->segments;
    float *sum[FW_MAX_SUMS] = { space_of (sums, task, 0), space_of (sums, task, 1) };
    for (int64_t unit = sums->units * slot / slots; unit < sums->units * (slot + 1) / slots; unit++) {
      FwCursor kept, reduced;
      int64_t count = seek_unit (sums, unit, &kept);
      for (int k = 0; k < FW_MAX_SUMS; k++)
        memset (sum[k], 0, (size_t) count * sizeof (float));
      fw_rows_seek (&sums->reduced, first, &reduced);
      for (int64_t row = first; row < past; row++) {
        int64_t offset[FW_MAX_WALKED];
        for (int t = 0; t < sums->kept.tensors; t++)
          offset[t] = kept.offset[t] + reduced.offset[t];
        fw_rows_fetch (&sums->reduced, offset, count);
        add_row (sums, offset, count, sum, space_of (sums, task, FW_MAX_SUMS));
        fw_rows_next (&sums->reduced, &reduced);
      }
      if (sums->segments == 1)
        sums->finish (sums, kept.offset, count, sum);
    }
  }
}

static void
join_segments (void *context, int64_t begin, int64_t end, int worker)
{
  const FwSums *sums = context;
  for (int64_t unit = begin; unit < end; unit++) {
    FwCursor kept;
    int64_t count = seek_unit (sums, unit, &kept), task = unit * sums->segments;
    float *sum[FW_MAX_SUMS] = { space_of (sums, task, 0), space_of (sums, task, 1) };
    for (int64_t segment = 1; segment < sums->segments; segment++)
      for (int k = 0; k < FW_MAX_SUMS; k++)
        row_add (space_of (sums, task + segment, k), sum[k], count);
    sums->finish (sums, kept.offset, count, sum);
  }
}

void
fw_sums_run (FwSums *sums)
{
  FwParallel *parallel = sums->call->parallel;
  sums->space = sums->call->scratch;
  parallel->run (parallel, sums->tasks, 1, run_tasks, sums);
  if (sums->segments > 1)
    parallel->run (parallel, sums->units, 1, join_segments, sums);
}

uint32_t
fw_broadcast_axes (const FwTensor *shape, const FwTensor *operand)
{
  uint32_t axes = 0;
  for (int axis = 0; axis < shape->rank; axis++)
    if (shape->dim[axis] != 1 && (operand->stride[axis] == 0 || operand->dim[axis] == 1))
      axes |= 1u << axis;
  return axes;
}
