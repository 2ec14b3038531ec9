/* SPDX-License-Identifier: Apache-2.0
 * Reading zip central directories with every field checked against the bytes there are, and raw inflate through GLib. */
#include "engine/checkpoint/zip.h"

#include <string.h>

enum { END_SIZE = 22, END64_SIZE = 56, LOCATOR_SIZE = 20, CENTRAL_SIZE = 46, LOCAL_SIZE = 30 };
enum { STORED = 0, DEFLATED = 8, ENCRYPTED = 1 };
enum { MAX_RATIO = 1032 }; /* deflate's best: 258 bytes from two bits */

static const char cut[] = "the archive's directory is missing or damaged; the download was probably cut, fetch it again";
static const char outside[] = "the archive's directory points outside the file";

/* The archive, and where its central directory lies in it. */
typedef struct {
  const guint8 *data;
  gsize size;
  guint64 directory, directory_size, count;
} Archive;

static guint
u16 (const guint8 *at)
{
  return (guint) at[0] | (guint) at[1] << 8;
}

static guint32
u32 (const guint8 *at)
{
  return (guint32) u16 (at) | (guint32) u16 (at + 2) << 16;
}

static guint64
u64 (const guint8 *at)
{
  return (guint64) u32 (at) | (guint64) u32 (at + 4) << 32;
}

/* Whether @length bytes at @position lie within @limit. */
static gboolean
within (guint64 position, guint64 length, guint64 limit)
{
  return position <= limit && length <= limit - position;
}

/* Where the end record starts: the last place whose comment reaches exactly to the end of the file. */
static gboolean
find_end (const Archive *archive, gsize *end)
{
  if (archive->size < END_SIZE)
    return FALSE;
  gsize lowest = archive->size - END_SIZE > G_MAXUINT16 ? archive->size - END_SIZE - G_MAXUINT16 : 0;
  for (gsize at = archive->size - END_SIZE + 1; at-- > lowest;)
    if (memcmp (archive->data + at, "PK\5\6", 4) == 0 && at + END_SIZE + u16 (archive->data + at + 20) == archive->size) {
      *end = at;
      return TRUE;
    }
  return FALSE;
}

static const char *
read_end64 (Archive *archive, gsize end)
{
  if (end < LOCATOR_SIZE || memcmp (archive->data + end - LOCATOR_SIZE, "PK\6\7", 4) != 0)
    return cut;
  guint64 position = u64 (archive->data + end - LOCATOR_SIZE + 8);
  if (!within (position, END64_SIZE, end - LOCATOR_SIZE))
    return outside;
  const guint8 *record = archive->data + position;
  if (memcmp (record, "PK\6\6", 4) != 0)
    return cut;
  archive->count = u64 (record + 32);
  archive->directory_size = u64 (record + 40);
  archive->directory = u64 (record + 48);
  return within (archive->directory, archive->directory_size, position) ? NULL : outside;
}

static const char *
find_directory (Archive *archive)
{
  gsize end = 0;
  if (!find_end (archive, &end))
    return cut;
  const guint8 *record = archive->data + end;
  archive->count = u16 (record + 10);
  archive->directory_size = u32 (record + 12);
  archive->directory = u32 (record + 16);
  if (archive->count == G_MAXUINT16 || archive->directory_size == G_MAXUINT32 || archive->directory == G_MAXUINT32) {
    const char *fault = read_end64 (archive, end);
    if (fault != NULL)
      return fault;
  } else if (!within (archive->directory, archive->directory_size, end)) {
    return outside;
  }
  return archive->count <= archive->directory_size / CENTRAL_SIZE ? NULL : cut;
}

/* Replaces the 32-bit fields that say "see the extra field" with those of the zip64 extra field. */
static const char *
read_extra64 (const guint8 *extra, guint length, guint64 *fields[3])
{
  guint at = 0;
  while (length - at >= 4) {
    guint kind = u16 (extra + at), bytes = u16 (extra + at + 2);
    at += 4;
    if (bytes > length - at)
      return cut;
    if (kind == 1) {
      guint used = 0;
      for (int i = 0; i < 3; i++)
        if (*fields[i] == G_MAXUINT32) {
          if (bytes - used < 8)
            return cut;
          *fields[i] = u64 (extra + at + used);
          used += 8;
        }
      return NULL;
    }
    at += bytes;
  }
  return NULL;
}

/* Finds the data behind the local header, which repeats the name and may have another extra field. */
static const char *
locate_data (const Archive *archive, guint64 local, FwZipEntry *entry)
{
  if (!within (local, LOCAL_SIZE, archive->directory))
    return outside;
  const guint8 *header = archive->data + local;
  if (memcmp (header, "PK\3\4", 4) != 0)
    return cut;
  guint64 before = (guint64) LOCAL_SIZE + u16 (header + 26) + u16 (header + 28);
  if (!within (local, before, archive->directory))
    return outside;
  if (u16 (header + 26) != entry->name_length || memcmp (header + LOCAL_SIZE, entry->name, entry->name_length) != 0)
    return "the archive has two names for one entry";
  entry->position = local + before;
  return within (entry->position, entry->stored, archive->directory) ? NULL : outside;
}

static const char *
read_entry (const Archive *archive, guint64 *at, FwZipEntry *entry)
{
  guint64 end = archive->directory + archive->directory_size;
  if (!within (*at, CENTRAL_SIZE, end) || memcmp (archive->data + *at, "PK\1\2", 4) != 0)
    return cut;
  const guint8 *record = archive->data + *at;
  guint name = u16 (record + 28), extra = u16 (record + 30), comment = u16 (record + 32);
  if (!within (*at + CENTRAL_SIZE, (guint64) name + extra + comment, end))
    return cut;
  *at += (guint64) CENTRAL_SIZE + name + extra + comment;
  guint64 local = u32 (record + 42);
  *entry = (FwZipEntry) { .name = (const char *) record + CENTRAL_SIZE, .name_length = name, .checksum = u32 (record + 16),
                          .stored = u32 (record + 20), .size = u32 (record + 24) };
  guint64 *fields[3] = { &entry->size, &entry->stored, &local };
  const char *fault = read_extra64 (record + CENTRAL_SIZE + name, extra, fields);
  if (fault != NULL)
    return fault;
  guint flags = u16 (record + 8), method = u16 (record + 10);
  if (flags & ENCRYPTED)
    return "the archive is encrypted";
  if (method != STORED && method != DEFLATED)
    return "the archive uses a compression method that is not supported";
  entry->deflated = method == DEFLATED;
  if (!entry->deflated && entry->stored != entry->size)
    return "the archive has an entry with two sizes";
  return locate_data (archive, local, entry);
}

static int
compare_names (const char *left, guint left_length, const char *right, guint right_length)
{
  int order = memcmp (left, right, MIN (left_length, right_length));
  return order != 0 ? order : (left_length > right_length) - (left_length < right_length);
}

static int
compare_entries (gconstpointer a, gconstpointer b)
{
  const FwZipEntry *left = a, *right = b;
  return compare_names (left->name, left->name_length, right->name, right->name_length);
}

const FwZipEntry *
fw_zip_find (GArray *entries, const char *name)
{
  guint low = 0, high = entries->len, length = (guint) strlen (name);
  while (low < high) {
    guint middle = low + (high - low) / 2;
    const FwZipEntry *entry = &g_array_index (entries, FwZipEntry, middle);
    int order = compare_names (name, length, entry->name, entry->name_length);
    if (order == 0)
      return entry;
    if (order < 0)
      high = middle;
    else
      low = middle + 1;
  }
  return NULL;
}

const char *
fw_zip_read (const guint8 *data, gsize size, GArray *entries)
{
  Archive archive = { .data = data, .size = size };
  const char *fault = find_directory (&archive);
  guint64 at = archive.directory;
  for (guint64 i = 0; fault == NULL && i < archive.count; i++) {
    FwZipEntry entry = { 0 };
    fault = read_entry (&archive, &at, &entry);
    g_array_append_val (entries, entry);
  }
  if (fault != NULL)
    return fault;
  g_array_sort (entries, compare_entries);
  for (guint i = 1; i < entries->len; i++)
    if (compare_entries (&g_array_index (entries, FwZipEntry, i - 1), &g_array_index (entries, FwZipEntry, i)) == 0)
      return "the archive has two entries of the same name";
  return NULL;
}

/* CRC-32 as zip has it, reflected polynomial edb88320, four bits at a time. */
static guint32
crc32 (const guint8 *data, gsize size)
{
  static const guint32 nibbles[16] = {
    0x00000000, 0x1db71064, 0x3b6e20c8, 0x26d930ac, 0x76dc4190, 0x6b6b51f4, 0x4db26158, 0x5005713c,
    0xedb88320, 0xf00f9344, 0xd6d6a3e8, 0xcb61b38c, 0x9b64c2b0, 0x86d3d2d4, 0xa00ae278, 0xbdbdf21c,
  };
  guint32 crc = 0xffffffff;
  for (gsize i = 0; i < size; i++) {
    crc ^= data[i];
    crc = crc >> 4 ^ nibbles[crc & 15];
    crc = crc >> 4 ^ nibbles[crc & 15];
  }
  return ~crc;
}

static gboolean
inflate_into (const guint8 *data, gsize stored, guint8 *output, gsize size)
{
  g_autoptr (GConverter) inflater = G_CONVERTER (g_zlib_decompressor_new (G_ZLIB_COMPRESSOR_FORMAT_RAW));
  gsize taken = 0, made = 0;
  for (;;) {
    gsize read = 0, written = 0;
    guint8 spare; /* a stream that makes even one byte more than it says is refused */
    gboolean full = made == size;
    GConverterResult result = g_converter_convert (inflater, data + taken, stored - taken, full ? &spare : output + made,
                                                   full ? 1 : size - made, G_CONVERTER_INPUT_AT_END, &read, &written, NULL);
    if (result == G_CONVERTER_ERROR || (full && written > 0))
      return FALSE;
    taken += read;
    made += written;
    if (result == G_CONVERTER_FINISHED)
      return made == size && taken == stored;
    if (read == 0 && written == 0)
      return FALSE;
  }
}

guint8 *
fw_zip_inflate (const guint8 *data, guint64 stored, guint64 size, guint32 checksum, const char **fault)
{
  *fault = "a compressed entry of the archive is damaged";
  if (size / MAX_RATIO > stored)
    return NULL;
  g_autofree guint8 *output = g_try_malloc (size + 1);
  if (output == NULL) {
    *fault = "there is not enough memory to decompress it";
    return NULL;
  }
  if (!inflate_into (data, stored, output, size) || crc32 (output, size) != checksum)
    return NULL;
  *fault = NULL;
  return g_steal_pointer (&output);
}
