/* SPDX-License-Identifier: Apache-2.0
 * Walks the boxes of a file just written. Source: ISO/IEC 14496-12, sections 4.2 and 8.2 to 8.4. */
#include "engine/media/mp4-times.h"

#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { HEADER = 8, TIMES = 4 };   /* a box's size and type; version and flags, then the times */

typedef struct { gint64 begin, end; } Range;

/* The box that begins at @at inside @outer; FALSE where none lies whole in it, or on a failed read. */
static gboolean
read_box (int fd, gint64 at, const Range *outer, char *type, Range *content)
{
  guint8 header[16];
  if (at + HEADER > outer->end || pread (fd, header, HEADER, at) != HEADER)
    return FALSE;
  gint64 size = (gint64) GUINT32_FROM_BE (*(guint32 *) (gpointer) header), used = HEADER;
  memcpy (type, header + 4, 4);
  if (size == 1) {
    if (pread (fd, header + HEADER, 8, at + HEADER) != 8)
      return FALSE;
    size = (gint64) GUINT64_FROM_BE (*(guint64 *) (gpointer) (header + HEADER));
    used += 8;
  }
  *content = (Range) { at + used, at + size };
  return size >= used && size <= outer->end - at;
}

static gboolean
clear_header (int fd, const Range *content)
{
  static const guint8 zeros[16];
  guint8 version;
  if (content->end - content->begin < TIMES + 16 || pread (fd, &version, 1, content->begin) != 1)
    return TRUE;
  gsize size = version == 1 ? 16 : 8;
  return pwrite (fd, zeros, size, content->begin + TIMES) == (gssize) size;
}

static gboolean
clear_in (int fd, const Range *outer)
{
  static const char containers[] = "moov trak mdia", headers[] = "mvhd tkhd mdhd";
  char type[5] = "";
  Range content;
  for (gint64 at = outer->begin; read_box (fd, at, outer, type, &content); at = content.end) {
    if (strlen (type) == 4 && strstr (containers, type) != NULL && !clear_in (fd, &content))
      return FALSE;
    if (strlen (type) == 4 && strstr (headers, type) != NULL && !clear_header (fd, &content))
      return FALSE;
  }
  return TRUE;
}

gboolean
fw_mp4_clear_times (int fd)
{
  struct stat status;
  char type[5] = "";
  Range content;
  if (fstat (fd, &status) != 0)
    return FALSE;
  const Range file = { 0, status.st_size };
  return !read_box (fd, 0, &file, type, &content) || strcmp (type, "ftyp") != 0 || clear_in (fd, &file);
}
