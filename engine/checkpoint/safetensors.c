/* SPDX-License-Identifier: Apache-2.0
 * Reading safetensors: a length, a JSON header, and tensors whose ranges must tile the rest of the file exactly. */
#include "engine/checkpoint/backend.h"
#include "engine/checkpoint/strict-json.h"

#include <string.h>

enum { MAX_HEADER = 100 * 1000 * 1000 };

/* The format's element types. The ones without a type of ours are checked like the rest but not listed. */
typedef struct { const char *name; guint bits; int dtype; } Type;
static const Type types[] = {
  { "F32", 32, FW_DTYPE_F32 }, { "BF16", 16, FW_DTYPE_BF16 }, { "F16", 16, FW_DTYPE_F16 }, { "F64", 64, FW_DTYPE_F64 },
  { "I64", 64, FW_DTYPE_I64 }, { "I32", 32, FW_DTYPE_I32 }, { "I16", 16, FW_DTYPE_I16 }, { "I8", 8, FW_DTYPE_I8 },
  { "U64", 64, FW_DTYPE_U64 }, { "U32", 32, FW_DTYPE_U32 }, { "U16", 16, FW_DTYPE_U16 }, { "U8", 8, FW_DTYPE_U8 },
  { "BOOL", 8, FW_DTYPE_BOOL }, { "F8_E4M3", 8, FW_DTYPE_F8_E4M3 }, { "F8_E5M2", 8, FW_DTYPE_F8_E5M2 },
  { "F8_E8M0", 8, -1 }, { "C64", 64, -1 }, { "F4", 4, -1 }, { "F6_E2M3", 6, -1 }, { "F6_E3M2", 6, -1 },
};

typedef struct { guint64 begin, end; } Range;

/* What is gathered while the header is read. */
typedef struct {
  FwJson json;
  GString *text;
  GTree *seen;        /* names, owned; a tree, for hostile names could make a hash table slow */
  GArray *ranges;     /* of all tensors, listed or not */
  const char *tensor; /* the name being read, or "", for messages */
  FwCheckpointFile *file;
} Header;

static gboolean
recognizes (const guint8 *data, gsize size)
{
  return size > 8 && data[8] == '{' && data[4] == 0 && data[5] == 0 && data[6] == 0 && data[7] == 0;
}

static gboolean
parse_type (Header *header, const Type **type)
{
  if (!fw_json_string (&header->json, header->text))
    return FALSE;
  for (gsize i = 0; i < G_N_ELEMENTS (types); i++)
    if (strcmp (types[i].name, header->text->str) == 0) {
      *type = &types[i];
      return TRUE;
    }
  return fw_json_fail (&header->json, "the element type is unknown");
}

static gboolean
parse_shape (Header *header, FwCheckpointTensor *tensor)
{
  gboolean first = TRUE;
  if (!fw_json_expect (&header->json, '['))
    return FALSE;
  while (fw_json_next (&header->json, ']', &first)) {
    guint64 dim;
    if (!fw_json_unsigned (&header->json, &dim))
      return FALSE;
    if (tensor->rank == FW_MAX_RANK)
      return fw_json_fail (&header->json, "it has more dimensions than the program handles");
    if (dim > G_MAXINT64)
      return fw_json_fail (&header->json, "it is too large");
    tensor->dim[tensor->rank++] = (gint64) dim;
  }
  return header->json.fault == NULL;
}

static gboolean
parse_range (Header *header, Range *range)
{
  FwJson *json = &header->json;
  return fw_json_expect (json, '[') && fw_json_unsigned (json, &range->begin) && fw_json_expect (json, ',')
         && fw_json_unsigned (json, &range->end) && fw_json_expect (json, ']');
}

/* Whether the shape needs exactly the bytes of the range. Also sets the strides. An empty tensor is held to the same limit
 * with its zeros taken as ones, so that no product of its other dimensions can overflow later. */
static gboolean
fits_range (FwCheckpointTensor *tensor, const Type *type, const Range *range)
{
  guint64 bits = type->bits;
  gboolean empty = FALSE;
  gint64 stride = 1;
  for (int i = 0; i < tensor->rank; i++) {
    empty |= tensor->dim[i] == 0;
    if (!g_uint64_checked_mul (&bits, bits, (guint64) MAX (tensor->dim[i], 1)))
      return FALSE;
  }
  if (range->begin > range->end || bits % 8 != 0 || (empty ? 0 : bits / 8) != range->end - range->begin)
    return FALSE;
  for (int i = tensor->rank - 1; i >= 0; i--) {
    tensor->stride[i] = stride;
    stride *= MAX (tensor->dim[i], 1);
  }
  return TRUE;
}

static gboolean
parse_tensor (Header *header, const char *name)
{
  enum { TYPE = 1, SHAPE = 2, OFFSETS = 4, ALL = 7 };
  FwJson *json = &header->json;
  FwCheckpointEntry entry = { 0 };
  const Type *type = NULL;
  Range range = { 0 };
  guint fields = 0;
  gboolean first = TRUE;
  if (!fw_json_expect (json, '{'))
    return FALSE;
  while (fw_json_next (json, '}', &first)) {
    if (!fw_json_name (json, header->text))
      return FALSE;
    const char *field = header->text->str;
    guint bit = strcmp (field, "dtype") == 0 ? TYPE : strcmp (field, "shape") == 0 ? SHAPE
                : strcmp (field, "data_offsets") == 0 ? OFFSETS : 0;
    if (fields & bit)
      return fw_json_fail (json, "a field is there twice");
    fields |= bit;
    gboolean parsed = bit == TYPE ? parse_type (header, &type) : bit == SHAPE ? parse_shape (header, &entry.tensor)
                      : bit == OFFSETS ? parse_range (header, &range) : fw_json_skip (json);
    if (!parsed)
      return FALSE;
  }
  if (json->fault != NULL)
    return FALSE;
  if (fields != ALL)
    return fw_json_fail (json, "the type, shape or data offsets are missing");
  if (!fits_range (&entry.tensor, type, &range))
    return fw_json_fail (json, "its shape does not agree with its range of bytes");
  g_array_append_val (header->ranges, range);
  if (type->dtype < 0)
    return TRUE;
  entry.tensor.name = g_strdup (name);
  entry.tensor.dtype = (FwDtype) type->dtype;
  entry.offset = range.begin;
  g_array_append_val (header->file->entries, entry);
  return TRUE;
}

static gboolean
parse_metadata (Header *header)
{
  FwJson *json = &header->json;
  gboolean first = TRUE;
  header->file->metadata = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, g_free);
  if (!fw_json_expect (json, '{'))
    return FALSE;
  while (fw_json_next (json, '}', &first)) {
    if (!fw_json_name (json, header->text))
      return FALSE;
    g_autofree char *key = g_strdup (header->text->str);
    if (!fw_json_string (json, header->text))
      return FALSE;
    if (!g_hash_table_insert (header->file->metadata, g_steal_pointer (&key), g_strdup (header->text->str)))
      return fw_json_fail (json, "the metadata has a key twice");
  }
  return json->fault == NULL;
}

static gboolean
parse_header (Header *header)
{
  FwJson *json = &header->json;
  gboolean first = TRUE;
  if (json->at < json->end && *json->at != '{')
    return fw_json_fail (json, "the header is not a JSON object");
  if (!fw_json_expect (json, '{'))
    return FALSE;
  while (fw_json_next (json, '}', &first)) {
    if (!fw_json_name (json, header->text))
      return FALSE;
    if (strlen (header->text->str) != header->text->len)
      return fw_json_fail (json, "a tensor's name holds a NUL character");
    if (g_tree_lookup (header->seen, header->text->str) != NULL)
      return fw_json_fail (json, "a tensor's name is there twice");
    char *name = g_strdup (header->text->str);
    g_tree_insert (header->seen, name, name);
    gboolean metadata = strcmp (name, "__metadata__") == 0;
    header->tensor = metadata ? "" : name;
    if (!(metadata ? parse_metadata (header) : parse_tensor (header, name)))
      return FALSE;
    header->tensor = "";
  }
  return fw_json_end (json);
}

static int
compare_names (gconstpointer a, gconstpointer b, gpointer data)
{
  return strcmp (a, b);
}

static int
compare_ranges (gconstpointer a, gconstpointer b)
{
  const Range *left = a, *right = b;
  if (left->begin != right->begin)
    return left->begin < right->begin ? -1 : 1;
  return left->end < right->end ? -1 : left->end > right->end;
}

/* No hole, no overlap, nothing before, nothing after. */
static gboolean
check_tiling (Header *header, guint64 size, GError **error)
{
  const char *path = header->file->path;
  guint64 covered = 0;
  g_array_sort (header->ranges, compare_ranges);
  for (guint i = 0; i < header->ranges->len; i++) {
    Range range = g_array_index (header->ranges, Range, i);
    if (range.end > size)
      return fw_checkpoint_refuse (path, error, "it ends before its last tensor; the download was cut, fetch it again");
    if (range.begin != covered)
      return fw_checkpoint_refuse (path, error, "%s", range.begin < covered ? "two of its tensors overlap"
                                                      : "there is a hole between its tensors");
    covered = range.end;
  }
  if (covered != size)
    return fw_checkpoint_refuse (path, error, "there are %" G_GUINT64_FORMAT " bytes after its last tensor", size - covered);
  return TRUE;
}

static gboolean
read_header (Header *header, guint64 length, GError **error)
{
  FwCheckpointFile *file = header->file;
  const char *text = (const char *) file->data + 8;
  if (!g_utf8_validate_len (text, length, NULL))
    return fw_checkpoint_refuse (file->path, error, "its safetensors header is not valid UTF-8");
  header->json = fw_json_begin (text, length);
  if (!parse_header (header)) {
    g_autofree char *name = fw_checkpoint_quotable (header->tensor, strlen (header->tensor));
    g_autofree char *where = *name != '\0' ? g_strdup_printf (" at tensor “%s”", name) : g_strdup ("");
    return fw_checkpoint_refuse (file->path, error, "its safetensors header is damaged%s: %s", where, header->json.fault);
  }
  return check_tiling (header, file->size - 8 - length, error);
}

static gboolean
open_safetensors (FwCheckpointFile *file, const char *part, GError **error)
{
  guint64 length = 0;
  if (file->size < 8)
    return fw_checkpoint_refuse (file->path, error, "it is too short for a safetensors file");
  memcpy (&length, file->data, 8);
  length = GUINT64_FROM_LE (length);
  if (length > MAX_HEADER)
    return fw_checkpoint_refuse (file->path, error, "it is not a safetensors file: the header would be longer than 100 MB");
  if (length > file->size - 8)
    return fw_checkpoint_refuse (file->path, error, "it ends inside its header; the download was cut, fetch it again");
  Header header = { .file = file, .tensor = "", .text = g_string_new (NULL) };
  header.seen = g_tree_new_full (compare_names, NULL, g_free, NULL);
  header.ranges = g_array_new (FALSE, FALSE, sizeof (Range));
  FwCheckpointStorage storage = { .position = 8 + length, .stored = file->size - 8 - length, .size = file->size - 8 - length };
  g_array_append_val (file->storages, storage);
  gboolean done = read_header (&header, length, error);
  g_array_unref (header.ranges);
  g_tree_unref (header.seen);
  g_string_free (header.text, TRUE);
  return done;
}

const FwCheckpointFormat fw_safetensors_format = { "safetensors", recognizes, open_safetensors };
