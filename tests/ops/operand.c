/* SPDX-License-Identifier: Apache-2.0
 * Shapes from text, guarded memory and strided views of it. */
#include "tests/ops/operand.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

enum { GUARD = 128, SCRATCH_GUARD = 16384, ALIGNMENT = 64, POISON = 0xff };

static bool
parse_shape (const char **cursor, Shape *shape)
{
  const char *text = *cursor;
  *shape = (Shape) { 0 };
  if (*text == '-') {
    shape->absent = true;
    *cursor = text + 1;
    return true;
  }
  if (text[0] == '(' && text[1] == ')') {
    *cursor = text + 2;
    return true;
  }
  while (isdigit ((unsigned char) *text) && shape->rank < FW_MAX_RANK) {
    char *end;
    shape->dim[shape->rank] = strtol (text, &end, 10);
    shape->repeated[shape->rank] = *end == '*';
    shape->rank++;
    text = *end == '*' ? end + 1 : end;
    *cursor = text;
    if (*text != ',')
      return true;
    text++;
  }
  return false;
}

bool
parse_shapes (const char *text, Shapes *shapes)
{
  *shapes = (Shapes) { 0 };
  bool outputs = false;
  while (*text) {
    if (*text == ' ') {
      text++;
    } else if (strncmp (text, "->", 2) == 0 && !outputs) {
      outputs = true;
      text += 2;
    } else if (outputs) {
      if (shapes->n_outputs == FW_MAX_OUTPUTS || !parse_shape (&text, &shapes->out[shapes->n_outputs++]))
        return false;
    } else if (shapes->n_inputs == FW_MAX_INPUTS || !parse_shape (&text, &shapes->in[shapes->n_inputs++])) {
      return false;
    }
  }
  return shapes->n_outputs > 0;
}

Operand
operand_new (const Shape *shape, FwDtype dtype, Layout layout, char freedom)
{
  Operand operand = { .view = { .dtype = dtype, .rank = shape->absent ? -1 : shape->rank } };
  if (shape->absent)
    return operand;
  FwTensor *view = &operand.view;
  memcpy (view->dim, shape->dim, sizeof view->dim);
  layout = freedom == 'd' ? LAYOUT_DENSE : layout;
  int64_t stride = layout == LAYOUT_PERMUTED && freedom == 'a' ? 2 : 1;
  int last = view->rank - 1;
  for (int i = last; i >= 0; i--) { /* from the fastest axis in memory to the slowest */
    int axis = layout != LAYOUT_PERMUTED ? i : freedom == 'a' ? last - i : i == last ? last : last - 1 - i;
    view->stride[axis] = shape->repeated[axis] ? 0 : stride;
    stride *= shape->repeated[axis] || shape->dim[axis] == 0 ? 1 : shape->dim[axis];
    stride += layout != LAYOUT_DENSE && i == last ? 3 : 0;
  }

  int64_t extent = 1;
  for (int axis = 0; axis < view->rank; axis++)
    extent = view->dim[axis] == 0 ? 0 : extent + (extent > 0 ? (view->dim[axis] - 1) * view->stride[axis] : 0);
  size_t start = layout == LAYOUT_GAPS ? 1 : 0, size = fw_dtype_size (dtype);
  operand.size = ((start + (size_t) extent) * size + 2 * GUARD + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
  operand.memory = aligned_alloc (ALIGNMENT, operand.size);
  operand.snapshot = malloc (operand.size);
  view->data = operand.memory + GUARD + start * size;
  operand_spoil (&operand);
  return operand;
}

void
operand_free (Operand *operand)
{
  free (operand->memory);
  free (operand->snapshot);
  *operand = (Operand) { 0 };
}

void
operand_spoil (Operand *operand)
{
  if (operand->memory != NULL)
    memset (operand->memory, POISON, operand->size);
}

void
operand_remember (Operand *operand)
{
  if (operand->memory != NULL)
    memcpy (operand->snapshot, operand->memory, operand->size);
}

bool
operand_is_unchanged (const Operand *operand)
{
  return operand->memory == NULL || memcmp (operand->memory, operand->snapshot, operand->size) == 0;
}

bool
operand_is_unchanged_around (const Operand *operand)
{
  if (operand->memory == NULL)
    return true;
  const FwTensor *view = &operand->view;
  size_t size = fw_dtype_size (view->dtype), start = (size_t) ((unsigned char *) view->data - operand->memory);
  int64_t count = fw_tensor_count (view);
  for (int64_t i = 0; i < count; i++) {
    size_t at = start + (size_t) element_offset (view, i) * size;
    memcpy (operand->snapshot + at, operand->memory + at, size);
  }
  return operand_is_unchanged (operand);
}

int64_t
element_offset (const FwTensor *tensor, int64_t index)
{
  int64_t offset = 0;
  for (int axis = tensor->rank - 1; axis >= 0; axis--) {
    offset += index % tensor->dim[axis] * tensor->stride[axis];
    index /= tensor->dim[axis];
  }
  return offset;
}

double
get_element (const FwTensor *tensor, int64_t index)
{
  return fw_load_element (tensor->data, tensor->dtype, element_offset (tensor, index));
}

void
set_element (const FwTensor *tensor, int64_t index, double value)
{
  fw_store_element (tensor->data, tensor->dtype, element_offset (tensor, index), value);
}

void
copy_elements (const FwTensor *from, const FwTensor *to)
{
  int64_t count = fw_tensor_count (from);
  for (int64_t i = 0; i < count; i++)
    set_element (to, i, get_element (from, i));
}

double
random_uniform (Random *random, double low, double high)
{
  uint64_t bits = random->state += 0x9e3779b97f4a7c15u; /* SplitMix64 */
  bits = (bits ^ bits >> 30) * 0xbf58476d1ce4e5b9u;
  bits = (bits ^ bits >> 27) * 0x94d049bb133111ebu;
  return low + (high - low) * ((double) ((bits ^ bits >> 31) >> 11) * 0x1p-53);
}

Scratch
scratch_new (const FwKernel *kernel, FwKernelCall *call)
{
  FwKernelCall question = *call;
  for (int i = 0; i < FW_MAX_INPUTS; i++)
    question.in[i].data = NULL;
  for (int i = 0; i < FW_MAX_OUTPUTS; i++)
    question.out[i].data = NULL;
  question.scratch = NULL;
  question.scratch_size = 0;
  call->scratch_size = kernel->scratch != NULL ? kernel->scratch (&question) : 0;
  Scratch scratch = { .size = (call->scratch_size + 2 * SCRATCH_GUARD + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT };
  scratch.memory = aligned_alloc (ALIGNMENT, scratch.size);
  memset (scratch.memory, POISON, scratch.size);
  call->scratch = scratch.memory + SCRATCH_GUARD;
  scratch.size = call->scratch_size;
  return scratch;
}

bool
scratch_free (Scratch *scratch)
{
  bool whole = true;
  size_t all = (scratch->size + 2 * SCRATCH_GUARD + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
  for (size_t i = 0; i < all; i++)
    if ((i < SCRATCH_GUARD || i >= SCRATCH_GUARD + scratch->size) && scratch->memory[i] != POISON)
      whole = false;
  free (scratch->memory);
  return whole;
}
