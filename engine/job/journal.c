/* SPDX-License-Identifier: Apache-2.0
 * The journal's file: a 16-byte head, then records, each "kind, name length, data length, sha256, name, data". The recipe and
 * the position are records like the blobs; a last record of kind END shows that nothing was cut off. */
#include "engine/job/journal.h"
#include "engine/memory/file.h"

#include <errno.h>
#include <glib/gstdio.h>
#include <string.h>

static const char magic[16] = "framewright-j1\n";

typedef enum { RECIPE = 1, POSITION, BLOB, END } RecordKind;

typedef struct {
  guint32 kind, name_size;  /* little-endian in the file */
  guint64 data_size;
  guint8 sha256[32];        /* of kind, sizes, name and data */
} RecordHead;

G_STATIC_ASSERT (sizeof (RecordHead) == 48);

enum { LONGEST_NAME = 255, MOST_BLOBS = 256 };

/* A journal with what its pointers point into. */
typedef struct {
  FwJournal public;
  char *recipe, *phase;
  GArray *blobs;
} Journal;

char *
fw_journal_path (const char *output)
{
  g_autofree char *absolute = g_canonicalize_filename (output, NULL);
  g_autofree char *digest = g_compute_checksum_for_string (G_CHECKSUM_SHA256, absolute, -1);
  g_autofree char *name = g_strdup_printf ("%.32s.journal", digest);
  return g_build_filename (g_get_user_state_dir (), "framewright", "jobs", name, NULL);
}

static void
digest_record (const RecordHead *head, const char *name, gconstpointer data, guint8 *digest)
{
  g_autoptr (GChecksum) checksum = g_checksum_new (G_CHECKSUM_SHA256);
  gsize length = 32;
  g_checksum_update (checksum, (const guchar *) head, G_STRUCT_OFFSET (RecordHead, sha256));
  g_checksum_update (checksum, (const guchar *) name, GUINT32_FROM_LE (head->name_size));
  g_checksum_update (checksum, data, (gssize) GUINT64_FROM_LE (head->data_size));
  g_checksum_get_digest (checksum, digest, &length);
}

static gboolean
write_record (FwFileWriter *writer, RecordKind kind, const char *name, gconstpointer data, gsize size, GError **error)
{
  RecordHead head = { GUINT32_TO_LE ((guint32) kind), GUINT32_TO_LE ((guint32) strlen (name)), GUINT64_TO_LE ((guint64) size), { 0 } };
  digest_record (&head, name, data, head.sha256);
  return fw_file_writer_append (writer, &head, sizeof head, error) &&
         fw_file_writer_append (writer, name, strlen (name), error) &&
         fw_file_writer_append (writer, data, size, error);
}

static gboolean
write_records (FwFileWriter *writer, const FwJournal *journal, GError **error)
{
  guint32 position[2] = { GUINT32_TO_LE (journal->step), GUINT32_TO_LE (journal->steps) };
  if (!fw_file_writer_append (writer, magic, sizeof magic, error) ||
      !write_record (writer, RECIPE, "", journal->recipe, strlen (journal->recipe), error) ||
      !write_record (writer, POSITION, journal->phase, position, sizeof position, error))
    return FALSE;
  for (guint i = 0; i < journal->count; i++)
    if (!write_record (writer, BLOB, journal->blobs[i].name, journal->blobs[i].data, journal->blobs[i].size, error))
      return FALSE;
  return write_record (writer, END, "", "", 0, error);
}

gboolean
fw_journal_write (const char *path, const FwJournal *journal, GError **error)
{
  g_autofree char *folder = g_path_get_dirname (path);
  if (g_mkdir_with_parents (folder, 0700) != 0) {
    g_set_error (error, FW_ERROR, FW_ERROR_IO, "Cannot make the folder “%s” for the journal: %s", folder, g_strerror (errno));
    return FALSE;
  }
  FwFileWriter *writer = fw_file_writer_open (path, error);
  if (writer == NULL)
    return FALSE;
  if (write_records (writer, journal, error))
    return fw_file_writer_commit (writer, error);
  fw_file_writer_abort (writer);
  return FALSE;
}

/* What is left to read of a mapped journal. */
typedef struct {
  const char *at, *end;
  RecordHead head;
  char *name;               /* of the record read last; owned */
  const char *data;
  gsize size;
} Reader;

/* Reads the next record; FALSE if it does not lie whole inside the file or is not what was written. */
static gboolean
next_record (Reader *reader)
{
  if ((gsize) (reader->end - reader->at) < sizeof reader->head)
    return FALSE;
  memcpy (&reader->head, reader->at, sizeof reader->head);
  const char *name = reader->at + sizeof reader->head;
  guint32 name_size = GUINT32_FROM_LE (reader->head.name_size);
  guint64 data_size = GUINT64_FROM_LE (reader->head.data_size);
  if (name_size > LONGEST_NAME || (gsize) (reader->end - name) < name_size ||
      data_size > (guint64) (reader->end - name) - name_size)
    return FALSE;
  guint8 digest[32];
  digest_record (&reader->head, name, name + name_size, digest);
  if (memcmp (digest, reader->head.sha256, sizeof digest) != 0 || !g_utf8_validate_len (name, name_size, NULL))
    return FALSE;
  g_free (reader->name);
  reader->name = g_strndup (name, name_size);
  reader->data = name + name_size;
  reader->size = data_size;
  reader->at = reader->data + data_size;
  return TRUE;
}

static gboolean
take_blob (Journal *journal, const Reader *reader)
{
  if (journal->blobs->len >= MOST_BLOBS)
    return FALSE;
  FwJournalBlob blob = { g_strdup (reader->name), g_memdup2 (reader->data, reader->size), reader->size };
  g_array_append_val (journal->blobs, blob);
  return TRUE;
}

static gboolean
read_records (Reader *reader, Journal *journal)
{
  if ((gsize) (reader->end - reader->at) < sizeof magic || memcmp (reader->at, magic, sizeof magic) != 0)
    return FALSE;
  reader->at += sizeof magic;
  if (!next_record (reader) || reader->head.kind != GUINT32_TO_LE (RECIPE) ||
      !g_utf8_validate_len (reader->data, reader->size, NULL))
    return FALSE;
  journal->recipe = g_strndup (reader->data, reader->size);
  guint32 position[2];
  if (!next_record (reader) || reader->head.kind != GUINT32_TO_LE (POSITION) || reader->size != sizeof position)
    return FALSE;
  memcpy (position, reader->data, sizeof position);
  journal->phase = g_strdup (reader->name);
  journal->public.step = GUINT32_FROM_LE (position[0]);
  journal->public.steps = GUINT32_FROM_LE (position[1]);
  while (next_record (reader)) {
    if (reader->head.kind == GUINT32_TO_LE (END))
      return reader->at == reader->end && journal->public.step <= journal->public.steps;
    if (reader->head.kind != GUINT32_TO_LE (BLOB) || !take_blob (journal, reader))
      return FALSE;
  }
  return FALSE;
}

static void
blob_clear (gpointer data)
{
  FwJournalBlob *blob = data;
  g_free ((char *) blob->name);
  g_free ((gpointer) blob->data);
}

FwJournal *
fw_journal_read (const char *path, GError **error)
{
  g_autoptr (GMappedFile) file = fw_file_map (path, error);
  if (file == NULL)
    return NULL;
  Journal *journal = g_new0 (Journal, 1);
  journal->blobs = g_array_new (FALSE, FALSE, sizeof (FwJournalBlob));
  g_array_set_clear_func (journal->blobs, blob_clear);
  gsize length = g_mapped_file_get_length (file);
  Reader reader = { .at = length > 0 ? g_mapped_file_get_contents (file) : "" }; /* an empty file is mapped to NULL */
  reader.end = reader.at + length;
  gboolean whole = read_records (&reader, journal);
  g_free (reader.name);
  if (!whole) {
    g_set_error (error, FW_ERROR, FW_ERROR_FORMAT,
                 "The journal “%s” is damaged or not from this version; start again without --resume", path);
    fw_journal_free (&journal->public);
    return NULL;
  }
  journal->public.recipe = journal->recipe;
  journal->public.phase = journal->phase;
  journal->public.blobs = (const FwJournalBlob *) (gpointer) journal->blobs->data;
  journal->public.count = journal->blobs->len;
  return &journal->public;
}

void
fw_journal_free (FwJournal *public)
{
  if (public == NULL)
    return;
  Journal *journal = (Journal *) public;
  g_free (journal->recipe);
  g_free (journal->phase);
  g_array_unref (journal->blobs);
  g_free (journal);
}

gconstpointer
fw_journal_blob (const FwJournal *journal, const char *name, gsize size, GError **error)
{
  for (guint i = 0; i < journal->count; i++)
    if (strcmp (journal->blobs[i].name, name) == 0 && (size == 0 || journal->blobs[i].size == size))
      return journal->blobs[i].data;
  g_set_error (error, FW_ERROR, FW_ERROR_FORMAT,
               "The journal holds no “%s” of the right size; start again without --resume", name);
  return NULL;
}

void
fw_journal_remove (const char *path)
{
  g_unlink (path);
}
