/* SPDX-License-Identifier: Apache-2.0
 * Element conversion: blocks are gathered into an aligned native buffer, then converted by the pair of types. */
#include "engine/checkpoint/convert.h"

#include <math.h>
#include <string.h>

enum { BLOCK = 2048 }; /* elements gathered at a time */

typedef enum { FLOATING, SIGNED, UNSIGNED } Family;

static Family
family_of (FwDtype dtype)
{
  switch (dtype) {
  case FW_DTYPE_I64: case FW_DTYPE_I32: case FW_DTYPE_I16: case FW_DTYPE_I8:
    return SIGNED;
  case FW_DTYPE_U64: case FW_DTYPE_U32: case FW_DTYPE_U16: case FW_DTYPE_U8: case FW_DTYPE_BOOL:
    return UNSIGNED;
  default:
    return FLOATING;
  }
}

/* E4M3 has no infinity and one NaN pattern, E5M2 is a cut half float. */
static float
float8_to_f32 (FwDtype dtype, guint8 bits)
{
  if (dtype == FW_DTYPE_F8_E5M2)
    return fw_f16_to_f32 ((guint16) (bits << 8));
  int exponent = bits >> 3 & 15, fraction = bits & 7;
  float magnitude;
  if ((bits & 0x7f) == 0x7f)
    magnitude = NAN;
  else if (exponent == 0)
    magnitude = (float) fraction * 0x1p-9f;
  else
    magnitude = ldexpf ((float) (8 + fraction), exponent - 10);
  return bits & 0x80 ? -magnitude : magnitude;
}

static gboolean
is_float8 (FwDtype dtype)
{
  return dtype == FW_DTYPE_F8_E4M3 || dtype == FW_DTYPE_F8_E5M2;
}

static void
convert_floats (gconstpointer source, FwDtype from, gsize count, FwDtype to, gpointer destination)
{
  if (from == FW_DTYPE_F32 && to == FW_DTYPE_BF16) {
    for (gsize i = 0; i < count; i++)
      ((guint16 *) destination)[i] = fw_f32_to_bf16 (((const float *) source)[i]);
  } else if (from == FW_DTYPE_BF16 && to == FW_DTYPE_F32) {
    for (gsize i = 0; i < count; i++)
      ((float *) destination)[i] = fw_bf16_to_f32 (((const guint16 *) source)[i]);
  } else if (from == FW_DTYPE_F16 && to == FW_DTYPE_F32) {
    for (gsize i = 0; i < count; i++)
      ((float *) destination)[i] = fw_f16_to_f32 (((const guint16 *) source)[i]);
  } else if (is_float8 (from)) {
    for (gsize i = 0; i < count; i++)
      fw_store_element (destination, to, (gint64) i, float8_to_f32 (from, ((const guint8 *) source)[i]));
  } else {
    for (gsize i = 0; i < count; i++)
      fw_store_element (destination, to, (gint64) i, fw_load_element (source, from, (gint64) i));
  }
}

/* An integer as its 64 bits, and whether these mean a negative number. */
static guint64
load_integer (gconstpointer source, FwDtype dtype, gsize index, gboolean *negative)
{
  gint64 value;
  *negative = FALSE;
  switch (dtype) {
  case FW_DTYPE_U64: return ((const guint64 *) source)[index];
  case FW_DTYPE_U32: return ((const guint32 *) source)[index];
  case FW_DTYPE_U16: return ((const guint16 *) source)[index];
  case FW_DTYPE_U8: return ((const guint8 *) source)[index];
  case FW_DTYPE_BOOL: return ((const guint8 *) source)[index] != 0;
  case FW_DTYPE_I64: value = ((const gint64 *) source)[index]; break;
  case FW_DTYPE_I32: value = ((const gint32 *) source)[index]; break;
  case FW_DTYPE_I16: value = ((const gint16 *) source)[index]; break;
  default: value = ((const gint8 *) source)[index]; break;
  }
  *negative = value < 0;
  return (guint64) value;
}

static gboolean
convert_integers (gconstpointer source, FwDtype from, gsize count, FwDtype to, guint8 *destination)
{
  gsize size = fw_dtype_size (to);
  guint bits = (guint) size * 8 - (family_of (to) == SIGNED);
  guint64 largest = to == FW_DTYPE_BOOL ? 1 : G_MAXUINT64 >> (64 - bits);
  for (gsize i = 0; i < count; i++) {
    gboolean negative;
    guint64 value = load_integer (source, from, i, &negative);
    if (to == FW_DTYPE_BOOL && value != 0)
      value = 1, negative = FALSE;
    if (negative ? family_of (to) != SIGNED || ~value > largest : value > largest)
      return FALSE;
    value = GUINT64_TO_LE (value);
    memcpy (destination + i * size, &value, size);
  }
  return TRUE;
}

gboolean
fw_convert_elements (gconstpointer source, FwDtype from, gsize count, FwDtype to, gpointer destination, GError **error)
{
  if (from == to && from != FW_DTYPE_BOOL) { /* any non-zero byte is true, but becomes 1 */
    if (count > 0)
      memcpy (destination, source, count * fw_dtype_size (from));
    return TRUE;
  }
  gboolean floating = family_of (from) == FLOATING;
  if (floating != (family_of (to) == FLOATING) || is_float8 (to)) {
    g_set_error (error, FW_ERROR, FW_ERROR_CHECKPOINT, "%s values cannot be read as %s", fw_dtype_name (from),
                 fw_dtype_name (to));
    return FALSE;
  }
  if (floating) {
    convert_floats (source, from, count, to, destination);
  } else if (!convert_integers (source, from, count, to, destination)) {
    g_set_error (error, FW_ERROR, FW_ERROR_CHECKPOINT, "a value of type %s does not fit %s", fw_dtype_name (from),
                 fw_dtype_name (to));
    return FALSE;
  }
  return TRUE;
}

static void
swap_bytes (guint8 *data, gsize count, gsize size)
{
  for (gsize i = 0; i < count; i++, data += size)
    for (gsize low = 0, high = size - 1; low < high; low++, high--) {
      guint8 byte = data[low];
      data[low] = data[high];
      data[high] = byte;
    }
}

/* Copies @count elements of one row into @block, densely. */
static void
gather (const guint8 *row, gint64 stride, gsize count, gsize size, guint8 *block)
{
  if (stride == 1 || count <= 1) {
    memcpy (block, row, count * size);
    return;
  }
  for (gsize i = 0; i < count; i++)
    memcpy (block + i * size, row + (gint64) i * stride * (gint64) size, size);
}

static gboolean
convert_row (const guint8 *row, gboolean swapped, gint64 stride, gsize count, FwDtype from, FwDtype to, guint8 *destination,
             GError **error)
{
  gsize size = fw_dtype_size (from);
  if (from == to && from != FW_DTYPE_BOOL && !swapped && stride == 1) {
    memcpy (destination, row, count * size);
    return TRUE;
  }
  guint64 block[BLOCK];
  for (gsize done = 0; done < count; done += BLOCK) {
    gsize part = MIN (count - done, BLOCK);
    gather (row + (gint64) done * stride * (gint64) size, stride, part, size, (guint8 *) block);
    if (swapped)
      swap_bytes ((guint8 *) block, part, size);
    if (!fw_convert_elements (block, from, part, to, destination + done * fw_dtype_size (to), error))
      return FALSE;
  }
  return TRUE;
}

gboolean
fw_convert_tensor (const guint8 *bytes, gboolean swapped, const FwCheckpointTensor *tensor, FwDtype dtype, gpointer destination,
                   GError **error)
{
  FwTensor view = { .dtype = tensor->dtype, .rank = tensor->rank };
  memcpy (view.dim, tensor->dim, sizeof view.dim);
  memcpy (view.stride, tensor->stride, sizeof view.stride);
  gint64 total = fw_tensor_count (&view);
  if (total == 0)
    return fw_convert_elements (NULL, tensor->dtype, 0, dtype, destination, error);
  if (fw_tensor_is_contiguous (&view))
    return convert_row (bytes, swapped, 1, (gsize) total, tensor->dtype, dtype, destination, error);
  int last = tensor->rank - 1;
  gint64 at[FW_MAX_RANK] = { 0 }, position = 0, size = (gint64) fw_dtype_size (tensor->dtype);
  guint8 *output = destination;
  for (;;) {
    if (!convert_row (bytes + position * size, swapped, tensor->stride[last], (gsize) tensor->dim[last], tensor->dtype, dtype,
                      output, error))
      return FALSE;
    output += (gsize) tensor->dim[last] * fw_dtype_size (dtype);
    int axis = last - 1;
    for (; axis >= 0; axis--) {
      position += tensor->stride[axis];
      if (++at[axis] < tensor->dim[axis])
        break;
      position -= tensor->dim[axis] * tensor->stride[axis];
      at[axis] = 0;
    }
    if (axis < 0)
      return TRUE;
  }
}
