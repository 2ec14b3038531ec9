/* SPDX-License-Identifier: Apache-2.0
 * The check of a SentencePiece model file: protobuf structure, pieces, and the double-array trie of its normalisation map. */
#include "engine/text/sentencepiece-model.h"

#include <math.h>
#include <string.h>

#include "engine/memory/error.h"

#define PIECE_COUNT_LIMIT 2000000
#define PIECE_BYTES_LIMIT 4096

typedef struct { const guint8 *at, *end; } Reader;

typedef struct {
  guint32 number;
  guint32 wire;    /* 0 varint, 1 eight bytes, 2 length-delimited, 5 four bytes */
  Reader bytes;    /* of a length-delimited or fixed-size field */
} Field;

static gboolean
read_varint (Reader *reader, guint64 *value)
{
  *value = 0;
  for (int shift = 0; shift < 64 && reader->at < reader->end; shift += 7) {
    guint8 byte = *reader->at++;
    *value |= (guint64) (byte & 0x7f) << shift;
    if (byte < 0x80)
      return TRUE;
  }
  return FALSE;
}

static gboolean
read_field (Reader *reader, Field *field)
{
  guint64 tag, value, length;
  if (!read_varint (reader, &tag) || tag >> 3 == 0 || tag >> 3 >= 1u << 29)
    return FALSE;
  field->number = (guint32) (tag >> 3);
  field->wire = tag & 7;
  if (field->wire == 0)
    return read_varint (reader, &value);
  if (field->wire == 1 || field->wire == 5)
    length = field->wire == 1 ? 8 : 4;
  else if (field->wire != 2 || !read_varint (reader, &length))
    return FALSE;
  if (length > (guint64) (reader->end - reader->at))
    return FALSE;
  field->bytes = (Reader) { reader->at, reader->at + length };
  reader->at += length;
  return TRUE;
}

static const char *
check_piece (Reader reader)
{
  gboolean has_text = FALSE;
  while (reader.at < reader.end) {
    Field field;
    if (!read_field (&reader, &field))
      return "a piece is cut short";
    gsize length = field.wire == 0 ? 0 : (gsize) (field.bytes.end - field.bytes.at);
    if (field.number == 1) {
      has_text = field.wire == 2 && length > 0 && length <= PIECE_BYTES_LIMIT
                 && g_utf8_validate_len ((const char *) field.bytes.at, length, NULL);
      if (!has_text)
        return "a piece is empty, overlong or no UTF-8";
    } else if (field.number == 2) {
      float score;
      if (field.wire != 5)
        return "a piece has a score of the wrong kind";
      memcpy (&score, field.bytes.at, sizeof score);
      if (!isfinite (score))
        return "a piece has a score that is no finite number";
    }
  }
  return has_text ? NULL : "a piece has no text";
}

/* A unit of the double array: label, whether a value hangs under it, and the distance to its children. */
static guint32
unit_label (guint32 unit)
{
  return unit & 0x800000ffu;
}

static guint32
unit_offset (guint32 unit)
{
  return (unit >> 10) << ((unit & 0x200u) >> 6);
}

static guint32
unit_at (const guint8 *trie, guint32 index)
{
  guint32 unit;
  memcpy (&unit, trie + 4 * (gsize) index, 4);
  return GUINT32_FROM_LE (unit);
}

/* Visits every unit that some key could reach. The library indexes the array with each next byte before it looks at the label,
 * so that all 256 neighbours of a visited unit's base must lie inside, and each value inside the replacement texts. */
static gboolean
check_trie (const guint8 *trie, guint32 units, gsize replacements)
{
  g_autofree guint8 *seen = g_malloc0 (units);
  g_autoptr (GArray) pending = g_array_new (FALSE, FALSE, sizeof (guint32));
  guint32 root = 0;
  g_array_append_val (pending, root);
  seen[0] = 1;
  while (pending->len > 0) {
    guint32 index = g_array_index (pending, guint32, pending->len - 1);
    g_array_set_size (pending, pending->len - 1);
    guint32 unit = unit_at (trie, index), base = index ^ unit_offset (unit);
    if ((base | 0xff) >= units)
      return FALSE;
    if ((unit & 0x100u) && (unit_at (trie, base) & 0x7fffffffu) >= replacements)
      return FALSE;
    for (guint32 byte = 0; byte < 256; byte++) {
      guint32 child = base ^ byte;
      if (seen[child] || unit_label (unit_at (trie, child)) != byte)
        continue;
      seen[child] = 1;
      g_array_append_val (pending, child);
    }
  }
  return TRUE;
}

/* precompiled_charsmap: bytes of the trie (uint32), the trie, then NUL-ended replacement texts the trie's values point into. */
static const char *
check_charsmap (Reader map)
{
  gsize size = map.end - map.at;
  guint32 trie_bytes;
  if (size == 0)
    return NULL;
  if (size < 4)
    return "its normalisation map is cut short";
  memcpy (&trie_bytes, map.at, 4);
  trie_bytes = GUINT32_FROM_LE (trie_bytes);
  if (trie_bytes < 1024 || trie_bytes % 4 != 0 || trie_bytes >= size - 4)
    return "its normalisation map is cut short";
  const guint8 *trie = map.at + 4, *texts = trie + trie_bytes;
  gsize text_bytes = map.end - texts;
  if (texts[text_bytes - 1] != '\0' || !check_trie (trie, trie_bytes / 4, text_bytes))
    return "its normalisation map points outside itself";
  for (const guint8 *text = texts; text < map.end; text += strlen ((const char *) text) + 1)
    if (!g_utf8_validate ((const char *) text, -1, NULL))
      return "its normalisation map holds invalid UTF-8";
  return NULL;
}

static const char *
check_normalizer (Reader reader)
{
  while (reader.at < reader.end) {
    Field field;
    if (!read_field (&reader, &field))
      return "its normalisation rules are cut short";
    if (field.number != 2)
      continue;
    const char *fault = field.wire == 2 ? check_charsmap (field.bytes) : "its normalisation map is of the wrong kind";
    if (fault != NULL)
      return fault;
  }
  return NULL;
}

static const struct { guint32 number; const char *(*check) (Reader reader); } parts[] = {
  { 1, check_piece },
  { 3, check_normalizer },
  { 5, check_normalizer }  /* how ids are turned back into text */
};

static const char *
find_fault (Reader reader)
{
  gsize pieces = 0;
  while (reader.at < reader.end) {
    Field field;
    if (!read_field (&reader, &field))
      return "it is cut short or no protobuf";
    if (field.number == 1 && ++pieces > PIECE_COUNT_LIMIT)
      return "it has too many pieces";
    for (gsize i = 0; i < G_N_ELEMENTS (parts); i++) {
      if (parts[i].number != field.number)
        continue;
      const char *fault = field.wire == 2 ? parts[i].check (field.bytes) : "a field is of the wrong kind";
      if (fault != NULL)
        return fault;
    }
  }
  return pieces > 0 ? NULL : "it has no pieces";
}

gboolean
fw_sentencepiece_check (gconstpointer data, gsize size, const char *name, GError **error)
{
  const guint8 *bytes = data;
  const char *fault = size > FW_SENTENCEPIECE_MODEL_LIMIT ? "it is too large" : find_fault ((Reader) { bytes, bytes + size });
  if (fault == NULL)
    return TRUE;
  g_set_error (error, FW_ERROR, FW_ERROR_FORMAT, "“%s” is not a usable SentencePiece model: %s", name, fault);
  return FALSE;
}
