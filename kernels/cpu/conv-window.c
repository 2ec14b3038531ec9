/* SPDX-License-Identifier: Apache-2.0
 * Windows of convolutions: which position a tap reads, and packing through them. */
#include "kernels/cpu/conv.h"

/* Pairs of a tap and an output whose tap lies in front of the input. Tells how many there are, or finds number @wanted. */
static int64_t
front_pairs (const FwWindowAxis *axis, int64_t wanted, FwAxisTap *found)
{
  int64_t count = 0;
  for (int64_t tap = 0; tap < axis->taps; tap++)
    for (int64_t output = 0; output < axis->front && output * axis->stride + tap - axis->pad < 0; output++)
      if (count++ == wanted)
        *found = (FwAxisTap) { .tap = tap, .fixed = output };
  return count;
}

static void
count_taps (FwWindow *window)
{
  for (int axis = 0; axis < 3; axis++)
    window->count[axis] = window->axis[axis].taps * window->axis[axis].shifts + front_pairs (&window->axis[axis], -1, NULL);
}

void
fw_conv_window (FwWindow *window, const FwConvAttributes *attributes, const FwTensor *x, const FwTensor *w,
                const FwTensor *y)
{
  *window = (FwWindow) { .frames = y->dim[1], .batch = y->dim[0], .height = y->dim[2], .width = y->dim[3] };
  for (int axis = 0; axis < 3; axis++) {
    FwAxisTap first = { .multiply = attributes->stride[axis], .add = -attributes->pad_front[axis],
                        .divide = axis == 0 ? 1 : attributes->upsample, .limit = x->dim[1 + axis], .fixed = -1,
                        .repeat = axis == 0 && attributes->time_mode == FW_PAD_REPEAT_FRONT };
    window->axis[axis] = (FwWindowAxis) { .first = first, .taps = w->dim[2 + axis], .shifts = 1, .slope = 1 };
  }
  count_taps (window);
}

void
fw_conv_input_window (FwWindow *window, const FwConvAttributes *attributes, const FwTensor *dy, const FwTensor *w,
                      const FwTensor *dx, int64_t frame, int64_t frames)
{
  *window = (FwWindow) { .frame = frame, .frames = frames, .batch = dx->dim[0], .height = dx->dim[2], .width = dx->dim[3] };
  for (int axis = 0; axis < 3; axis++) {
    int64_t factor = axis == 0 ? 1 : attributes->upsample;
    FwAxisTap first = { .multiply = factor, .add = attributes->pad_front[axis], .divide = attributes->stride[axis],
                        .limit = dy->dim[1 + axis], .exact = true, .fixed = -1 };
    window->axis[axis] = (FwWindowAxis) { .first = first, .taps = w->dim[2 + axis], .shifts = factor, .slope = -1,
                                          .stride = attributes->stride[axis], .pad = attributes->pad_front[axis] };
  }
  if (attributes->time_mode == FW_PAD_REPEAT_FRONT && frame == 0 && frames == 1)
    window->axis[0].front = dy->dim[1];
  count_taps (window);
}

int64_t
fw_window_taps (const FwWindow *window)
{
  return window->count[0] * window->count[1] * window->count[2];
}

FwAxisTap
fw_axis_tap (const FwWindowAxis *axis, int64_t index)
{
  FwAxisTap tap = axis->first;
  if (index >= axis->taps * axis->shifts) {
    front_pairs (axis, index - axis->taps * axis->shifts, &tap);
  } else {
    tap.tap = index / axis->shifts;
    tap.add += axis->slope * tap.tap + index % axis->shifts;
  }
  return tap;
}

static void
split_tap (const FwWindow *window, int64_t index, FwAxisTap *taps)
{
  for (int axis = 2; axis >= 0; axis--) {
    taps[axis] = fw_axis_tap (&window->axis[axis], index % window->count[axis]);
    index /= window->count[axis];
  }
}

void
fw_window_tap (const FwWindow *window, int64_t index, int64_t *place)
{
  FwAxisTap taps[3];
  split_tap (window, index, taps);
  for (int axis = 0; axis < 3; axis++)
    place[axis] = taps[axis].tap;
}

static void
split_row (const FwWindow *window, int64_t row, int64_t *position)
{
  position[3] = row % window->width;
  row /= window->width;
  position[2] = row % window->height;
  row /= window->height;
  position[1] = window->frame + row % window->frames;
  position[0] = row / window->frames;
}

/* Past the rest of a line of the width. */
static void
advance (const FwWindow *window, int64_t *position)
{
  position[3] = 0;
  if (++position[2] < window->height)
    return;
  position[2] = 0;
  if (++position[1] < window->frame + window->frames)
    return;
  position[1] = window->frame;
  position[0]++;
}

static int64_t
source (const FwAxisTap *tap, int64_t position)
{
  if (tap->fixed >= 0)
    return tap->fixed;
  int64_t at = position * tap->multiply + tap->add;
  if (at < 0)
    return tap->repeat ? 0 : -1;
  if (tap->divide > 1) {
    if (tap->exact && at % tap->divide != 0)
      return -1;
    at /= tap->divide;
  }
  return at < tap->limit ? at : -1;
}

/* The sources of @count positions along the width; the common case, a tap that only moves, without a question left. */
void
fw_axis_offsets (const FwAxisTap *tap, int64_t position, int64_t count, int64_t base, int64_t stride, int64_t *offset)
{
  if (tap->fixed < 0 && !tap->repeat && tap->divide == 1) {
    int64_t at = position * tap->multiply + tap->add;
    for (int64_t i = 0; i < count; i++, at += tap->multiply)
      offset[i] = (uint64_t) at < (uint64_t) tap->limit ? base + at * stride : -1;
    return;
  }
  for (int64_t i = 0; i < count; i++) {
    int64_t x = source (tap, position + i);
    offset[i] = x < 0 ? -1 : base + x * stride;
  }
}

void
fw_window_offsets (const FwWindow *window, const FwTensor *tensor, int64_t index, int64_t first, int64_t count, int64_t *offset)
{
  FwAxisTap taps[3];
  int64_t position[4];
  split_tap (window, index, taps);
  split_row (window, first, position);
  for (int64_t i = 0; i < count; advance (window, position)) {
    int64_t t = source (&taps[0], position[1]), y = source (&taps[1], position[2]);
    int64_t run = FW_MIN (count - i, window->width - position[3]);
    if ((t | y) < 0)
      for (int64_t j = 0; j < run; j++)
        offset[i + j] = -1;
    else
      fw_axis_offsets (&taps[2], position[3], run,
                       position[0] * tensor->stride[0] + t * tensor->stride[1] + y * tensor->stride[2], tensor->stride[3],
                       offset + i);
    i += run;
  }
}

void
fw_window_rows (const FwWindow *window, const FwTensor *tensor, int64_t first, int64_t count, int64_t *offset)
{
  int64_t position[4];
  split_row (window, first, position);
  for (int64_t i = 0; i < count; advance (window, position)) {
    int64_t base = position[0] * tensor->stride[0] + position[1] * tensor->stride[1] + position[2] * tensor->stride[2];
    for (int64_t past = FW_MIN (count, i + window->width - position[3]), x = position[3]; i < past; i++, x++)
      offset[i] = base + x * tensor->stride[3];
  }
}

void
fw_window_pack_rows (const FwWindow *window, const FwMicroKernel *kernel, const FwTensor *tensor, int64_t padded_channels,
                     int64_t first, int64_t count, int64_t start, int64_t depth, int64_t padded, char *to)
{
  int64_t offset[FW_MAX_BLOCK_ROWS], channels = tensor->dim[4], past = start + depth, size = kernel->bf16 ? 2 : 4;
  for (int64_t at = start; at < past;) {
    int64_t tap = at / padded_channels, channel = at % padded_channels;
    int64_t some = FW_MIN (padded_channels - channel, past - at), next = at + some;
    FwLines lines = { .data = tensor->data, .dtype = tensor->dtype, .offset = offset, .step = 1 };
    fw_window_offsets (window, tensor, tap, first, count, offset);
    if (next == past)
      some += padded - depth;
    fw_pack_rows (kernel, to + (at - start) * size, &lines, channel, count, FW_MIN (channels, channel + some) - channel, some);
    at = next;
  }
}
