/* SPDX-License-Identifier: Apache-2.0
 * Atomic file writing and guarded reading, used by everything that keeps something on disk. */
#include "engine/memory/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct _FwFileWriter {
  char *path, *beside;      /* beside is NULL while the new file has no name yet */
  int fd;
  gboolean is_new;          /* never replaces anything */
  GCancellable *hurry;      /* maybe NULL */
  gint64 written, sent, settled; /* bytes appended; with @hurry, of those: on their way to the disk, and there */
};

/* As much as any disk takes in well under the time in which a cancel must be answered. */
enum { SYNC_BYTES = 4 << 20 };

static gboolean
fail (GError **error, const char *what, const char *path)
{
  int saved = errno;
  g_set_error (error, FW_ERROR, FW_ERROR_IO, "Cannot %s “%s”: %s", what, path, g_strerror (saved));
  return FALSE;
}

/* A hidden neighbour of @path that nobody else is using; of a long name only the beginning, to stay within what is allowed. */
static char *
name_beside (const char *path)
{
  g_autofree char *folder = g_path_get_dirname (path);
  g_autofree char *name = g_path_get_basename (path);
  return g_strdup_printf ("%s/.%.200s.%08x", folder, name, g_random_int ());
}

FwFileWriter *
fw_file_writer_open (const char *path, GError **error)
{
  g_autofree char *folder = g_path_get_dirname (path);
  g_autofree char *beside = NULL;
  /* A file without a name vanishes with the process that writes it, however that ends; not every file system has them. */
  int fd = open (folder, O_TMPFILE | O_RDWR | O_CLOEXEC, 0644);
  if (fd < 0 && (errno == EOPNOTSUPP || errno == EISDIR || errno == EINVAL)) {
    beside = name_beside (path);
    fd = open (beside, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
  }
  if (fd < 0) {
    fail (error, "write", path);
    return NULL;
  }
  FwFileWriter *writer = g_new0 (FwFileWriter, 1);
  writer->path = g_strdup (path);
  writer->beside = g_steal_pointer (&beside);
  writer->fd = fd;
  return writer;
}

int
fw_file_writer_fd (FwFileWriter *writer)
{
  return writer->fd;
}

void
fw_file_writer_set_new (FwFileWriter *writer)
{
  writer->is_new = TRUE;
}

void
fw_file_writer_set_hurry (FwFileWriter *writer, GCancellable *hurry)
{
  g_set_object (&writer->hurry, hurry);
}

static gboolean
is_hurried (const FwFileWriter *writer)
{
  return writer->hurry != NULL && g_cancellable_is_cancelled (writer->hurry);
}

/* Starts to send what is new, then waits for what was being sent before; faults show when the file is committed. */
static void
send_to_disk (FwFileWriter *writer)
{
  if (writer->hurry == NULL || writer->written - writer->sent < SYNC_BYTES || is_hurried (writer))
    return;
  sync_file_range (writer->fd, writer->sent, writer->written - writer->sent, SYNC_FILE_RANGE_WRITE);
  if (writer->sent > writer->settled)
    sync_file_range (writer->fd, writer->settled, writer->sent - writer->settled,
                     SYNC_FILE_RANGE_WAIT_BEFORE | SYNC_FILE_RANGE_WRITE | SYNC_FILE_RANGE_WAIT_AFTER);
  writer->settled = writer->sent;
  writer->sent = writer->written;
}

gboolean
fw_file_writer_append (FwFileWriter *writer, gconstpointer data, gsize size, GError **error)
{
  const char *bytes = data;
  while (size > 0) {
    gssize written = write (writer->fd, bytes, MIN (size, writer->hurry != NULL ? SYNC_BYTES : (gsize) 1 << 30));
    if (written < 0 && errno == EINTR)
      continue;
    if (written <= 0)
      return fail (error, "write", writer->path);
    bytes += written;
    size -= written;
    writer->written += written;
    send_to_disk (writer);
  }
  return TRUE;
}

static void
writer_free (FwFileWriter *writer)
{
  if (writer->fd >= 0)
    close (writer->fd);
  g_clear_object (&writer->hurry);
  g_free (writer->path);
  g_free (writer->beside);
  g_free (writer);
}

void
fw_file_writer_abort (FwFileWriter *writer)
{
  if (writer == NULL)
    return;
  if (writer->beside != NULL)
    unlink (writer->beside);
  writer_free (writer);
}

/* A nameless file cannot replace another one in one step, so it gets a name beside it first. */
static gboolean
give_name (FwFileWriter *writer)
{
  g_autofree char *self = g_strdup_printf ("/proc/self/fd/%d", writer->fd);
  g_autofree char *beside = name_beside (writer->path);
  if (linkat (AT_FDCWD, self, AT_FDCWD, beside, AT_SYMLINK_FOLLOW) != 0)
    return FALSE;
  writer->beside = g_steal_pointer (&beside);
  return TRUE;
}

/* The rename itself is durable only once its folder is synced. */
static void
sync_folder (const char *path)
{
  g_autofree char *folder = g_path_get_dirname (path);
  int fd = open (folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0)
    return;
  fsync (fd);
  close (fd);
}

/* Not every file system can rename without replacing; a second name and taking away the first does the same there. */
static gboolean
take_place (const FwFileWriter *writer)
{
  if (!writer->is_new)
    return rename (writer->beside, writer->path) == 0;
  if (renameat2 (AT_FDCWD, writer->beside, AT_FDCWD, writer->path, RENAME_NOREPLACE) == 0)
    return TRUE;
  return (errno == EINVAL || errno == ENOSYS) && link (writer->beside, writer->path) == 0 && unlink (writer->beside) == 0;
}

gboolean
fw_file_writer_commit (FwFileWriter *writer, GError **error)
{
  gboolean done = (is_hurried (writer) || fsync (writer->fd) == 0) && (writer->beside != NULL || give_name (writer));
  if (!done)
    fail (error, "save", writer->path);
  int fd = writer->fd;
  writer->fd = -1;
  if (close (fd) != 0 && done)
    done = fail (error, "save", writer->path);
  if (done && !take_place (writer))
    done = fail (error, "save", writer->path);
  if (done && !is_hurried (writer))
    sync_folder (writer->path);
  else if (!done && writer->beside != NULL)
    unlink (writer->beside);
  writer_free (writer);
  return done;
}

static gboolean
write_whole (const char *path, gboolean is_new, gconstpointer data, gsize size, GError **error)
{
  FwFileWriter *writer = fw_file_writer_open (path, error);
  if (writer == NULL)
    return FALSE;
  writer->is_new = is_new;
  if (!fw_file_writer_append (writer, data, size, error)) {
    fw_file_writer_abort (writer);
    return FALSE;
  }
  return fw_file_writer_commit (writer, error);
}

gboolean
fw_file_write (const char *path, gconstpointer data, gsize size, GError **error)
{
  return write_whole (path, FALSE, data, size, error);
}

gboolean
fw_file_write_new (const char *path, gconstpointer data, gsize size, GError **error)
{
  return write_whole (path, TRUE, data, size, error);
}

gboolean
fw_file_remove (const char *path, GError **error)
{
  if (unlink (path) != 0)
    return errno == ENOENT || fail (error, "remove", path);
  sync_folder (path);
  return TRUE;
}

/* Opening a FIFO would block for ever, so the kind is asked of the open descriptor, which was opened without blocking. */
int
fw_file_open (const char *path, GError **error)
{
  int fd = open (path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
  if (fd < 0) {
    fail (error, "open", path);
    return -1;
  }
  struct stat status;
  if (fstat (fd, &status) == 0 && S_ISREG (status.st_mode))
    return fd;
  close (fd);
  g_set_error (error, FW_ERROR, FW_ERROR_IO, "“%s” is not a regular file; choose a file", path);
  return -1;
}

GMappedFile *
fw_file_map (const char *path, GError **error)
{
  int fd = fw_file_open (path, error);
  if (fd < 0)
    return NULL;
  GError *cause = NULL;
  GMappedFile *file = g_mapped_file_new_from_fd (fd, FALSE, &cause);
  close (fd);
  if (file == NULL) {
    g_set_error (error, FW_ERROR, FW_ERROR_IO, "Cannot map “%s”: %s", path, cause->message);
    g_error_free (cause);
  }
  return file;
}

static gboolean
check_size (const char *path, guint64 size, gsize limit, GError **error)
{
  if (size > limit)
    g_set_error (error, FW_ERROR, FW_ERROR_FORMAT, "“%s” is %" G_GUINT64_FORMAT " bytes, more than the %" G_GSIZE_FORMAT " allowed here",
                 path, size, limit);
  return size <= limit;
}

gboolean
fw_file_check_size (const char *path, gsize limit, GError **error)
{
  struct stat status;
  int fd = fw_file_open (path, error);
  if (fd < 0)
    return FALSE;
  gboolean known = fstat (fd, &status) == 0 || fail (error, "examine", path);
  close (fd);
  return known && check_size (path, (guint64) status.st_size, limit, error);
}

char *
fw_file_read (const char *path, gsize limit, gsize *size, GError **error)
{
  g_autoptr (GMappedFile) file = fw_file_map (path, error);
  if (file == NULL)
    return NULL;
  gsize length = g_mapped_file_get_length (file);
  if (!check_size (path, length, limit, error))
    return NULL;
  char *text = g_malloc (length + 1);
  if (length > 0)
    memcpy (text, g_mapped_file_get_contents (file), length);
  text[length] = '\0';
  if (size != NULL)
    *size = length;
  return text;
}
