/* SPDX-License-Identifier: Apache-2.0
 * Placement of results inside the concatenations they become part of. */
#include "engine/graph/place.h"

#include "engine/graph/op-table.h"

/* A mixed-radix reading of a dense storage: digit i has @size values of weight @weight in the old storage and @target in
 * the new one; ascending weights. */
typedef struct { gint64 size, weight, target; } Digit;

static int
digits_of (const FwTensor *layout, const gint64 *target, Digit *digits)
{
  int n = 0;
  for (int i = 0; i < layout->rank; i++) {
    if (layout->dim[i] == 1)
      continue;
    int j = n++;
    for (; j > 0 && digits[j - 1].weight > layout->stride[i]; j--)
      digits[j] = digits[j - 1];
    digits[j] = (Digit) { layout->dim[i], layout->stride[i], target[i] };
  }
  return n;
}

/* The digits must cover a dense storage of @count elements, each once. */
static gboolean
covers (const Digit *digits, int n, gint64 count)
{
  gint64 weight = 1;
  for (int i = 0; i < n; i++) {
    if (digits[i].weight != weight)
      return FALSE;
    weight *= digits[i].size;
  }
  return weight == count;
}

/* The new stride of an axis of @size elements that had @stride, or -1 if one stride cannot express it. */
static gint64
moved_stride (const Digit *digits, int n, gint64 size, gint64 stride)
{
  if (size == 1)
    return 0;
  gint64 result = -1, reach = stride * size; /* the axis covers weights [stride, reach) */
  for (int i = 0; i < n; i++) {
    const Digit *digit = &digits[i];
    gint64 end = digit->weight * digit->size;
    if (end <= stride || digit->weight >= reach)
      continue;
    if (result < 0) {
      if (stride % digit->weight != 0)
        return -1;
      result = digit->target * (stride / digit->weight);
    } else if (digit->target != result * (digit->weight / stride)) {
      return -1;
    }
  }
  return result;
}

static gint64
moved_offset (const Digit *digits, int n, gint64 offset)
{
  gint64 moved = 0;
  for (int i = n - 1; i >= 0; i--) {
    moved += offset / digits[i].weight * digits[i].target;
    offset %= digits[i].weight;
  }
  return moved;
}

static gboolean
row_is_dense (const FwTensor *layout)
{
  for (int i = layout->rank - 1; i >= 0; i--)
    if (layout->dim[i] != 1)
      return layout->stride[i] == 1;
  return TRUE;
}

/* Whether a kernel that reads @value wants it contiguous. */
static gboolean
must_stay_dense (const FwGraph *graph, const FwValue *value)
{
  for (guint n = 0; n < fw_graph_n_nodes (graph); n++) {
    const FwNode *node = fw_graph_node (graph, n);
    for (guint i = 0; node->op != NULL && i < node->op->n_in; i++)
      if (node->in[i] == value->id && node->op->dense >> i & 1)
        return TRUE;
  }
  return FALSE;
}

static gboolean
lies_on (const FwValue *value, const FwValue *base)
{
  return value->base == base->id && value->producer != NULL && value->producer->op != NULL;
}

/* The layout @value gets when its storage is read as @digits; FALSE if strides cannot say it or rows would fall apart. */
static gboolean
moved_layout (const FwValue *value, const Digit *digits, int n, FwTensor *moved)
{
  *moved = value->layout;
  for (int i = 0; i < moved->rank; i++)
    if ((moved->stride[i] = moved_stride (digits, n, moved->dim[i], moved->stride[i])) < 0)
      return FALSE;
  return !row_is_dense (&value->layout) || row_is_dense (moved);
}

/* Rebases every value that lies on the storage of @part onto @whole, or changes nothing. */
static gboolean
place (FwGraph *graph, const FwValue *part, const FwValue *whole, int axis, gint64 start)
{
  FwValue *base = fw_graph_value (graph, part->base);
  if (base == NULL || base->class != FW_VALUE_TRANSIENT || base->kept || base->producer == NULL || base->producer->op == NULL
      || part->offset != 0 || base->layout.dtype != whole->layout.dtype || base->storage == 0
      || fw_tensor_count (&part->layout) != base->storage || base->id == whole->base)
    return FALSE;
  Digit digits[FW_MAX_RANK];
  int n = digits_of (&part->layout, whole->layout.stride, digits);
  if (!covers (digits, n, base->storage))
    return FALSE;
  guint n_values = fw_graph_n_values (graph);
  FwTensor moved;
  for (guint id = 1; id < n_values; id++) {
    const FwValue *value = fw_graph_value (graph, (gint32) id);
    if (!lies_on (value, base))
      continue;
    if (!moved_layout (value, digits, n, &moved))
      return FALSE;
    if (!fw_tensor_is_contiguous (&moved) && ((value == base && base->producer->op->dense_results) || must_stay_dense (graph, value)))
      return FALSE;
  }
  gint64 origin = whole->offset + start * whole->layout.stride[axis];
  for (guint id = 1; id < n_values; id++) {
    FwValue *value = fw_graph_value (graph, (gint32) id);
    if (!lies_on (value, base))
      continue;
    moved_layout (value, digits, n, &moved);
    value->offset = origin + moved_offset (digits, n, value->offset);
    value->layout = moved;
    if (value != base)
      value->base = whole->base;
  }
  base->base = whole->base;
  base->storage = 0;
  return TRUE;
}

/* Outer concatenations come after the ones they contain, so the walk goes backwards. */
void
fw_place_parts (FwGraph *graph)
{
  for (guint n = fw_graph_n_nodes (graph); n-- > 0;) {
    const FwNode *node = fw_graph_node (graph, n);
    if (node->op != FW_OP (CONCAT))
      continue;
    const FwValue *whole = fw_graph_value (graph, node->out[0]);
    int axis = ((const FwConcatAttributes *) node->attributes)->axis;
    gint64 start = 0;
    for (guint i = 0; i < node->op->n_in && node->in[i] != 0; i++) {
      const FwValue *part = fw_graph_value (graph, node->in[i]);
      gint64 size = part->layout.dim[axis];
      place (graph, part, whole, axis, start);
      start += size;
    }
  }
}
