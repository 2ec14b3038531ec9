/* SPDX-License-Identifier: Apache-2.0
 * The central directory of a zip archive in memory (zip64 included). Nothing is ever extracted to disk: an entry is a range of
 * bytes, proven to lie in the archive. Source: PKWARE APPNOTE 6.3. */
#pragma once
#include <gio/gio.h>

typedef struct {
  const char *name;         /* in the archive: not NUL-terminated */
  guint name_length;
  gboolean deflated;
  guint64 position, stored; /* of the data in the archive */
  guint64 size;             /* when inflated */
  guint32 checksum;
} FwZipEntry;

/* Fills @entries (of FwZipEntry), sorted by name. Returns NULL, or what is wrong with the archive as static text: no end
 * record, ranges outside, a name twice, encryption, another method than stored and deflate. */
const char *fw_zip_read (const guint8 *data, gsize size, GArray *entries);
/* The entry called @name among those of fw_zip_read(), or NULL. */
const FwZipEntry *fw_zip_find (GArray *entries, const char *name);
/* The entry's @size bytes inflated and checked against its CRC, or NULL with @fault set to static text. Sizes that deflate
 * cannot reach are refused before anything is allocated. Free with g_free(). */
guint8 *fw_zip_inflate (const guint8 *data, guint64 stored, guint64 size, guint32 checksum, const char **fault);
