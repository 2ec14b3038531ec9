/* SPDX-License-Identifier: Apache-2.0
 * Pictures: one PNG, or a hidden folder of them that gets its name when it is complete. Needs no media process. */
#include "engine/media/encoder-private.h"
#include "engine/media/png.h"
#include "engine/media/sidecar.h"
#include "engine/memory/file.h"

#include <errno.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

typedef struct {
  const FwEncodeSpec *spec;
  char *folder;             /* the folder under its hidden name; NULL for a single picture */
  GBytes *picture;          /* the single picture */
  int count;
} PngWriter;

/* Removes a folder of plain files; what else may be in it stays, and then the folder does too. */
static void
remove_folder (const char *folder)
{
  GDir *dir = g_dir_open (folder, 0, NULL);
  if (dir == NULL)
    return;
  for (const char *name; (name = g_dir_read_name (dir)) != NULL;) {
    g_autofree char *path = g_build_filename (folder, name, NULL);
    unlink (path);
  }
  g_dir_close (dir);
  rmdir (folder);
}

static void
png_free (gpointer data)
{
  PngWriter *writer = data;
  if (writer->folder != NULL)
    remove_folder (writer->folder);
  g_free (writer->folder);
  g_clear_pointer (&writer->picture, g_bytes_unref);
  g_free (writer);
}

gpointer
fw_png_writer_open (const FwEncodeSpec *spec, GError **error)
{
  PngWriter *writer = g_new0 (PngWriter, 1);
  writer->spec = spec;
  if (spec->format == FW_MEDIA_PNG)
    return writer;
  g_autofree char *parent = g_path_get_dirname (spec->path), *name = g_path_get_basename (spec->path);
  /* Always the same hidden name: what a killed process left there is removed by the next one. */
  writer->folder = g_strdup_printf ("%s/.%s.part", parent, name);
  remove_folder (writer->folder);
  if (mkdir (writer->folder, 0777) == 0)
    return writer;
  g_set_error (error, FW_ERROR, FW_ERROR_IO, "Cannot write “%s”: %s", spec->path, g_strerror (errno));
  g_clear_pointer (&writer->folder, g_free);
  png_free (writer);
  return NULL;
}

static gboolean
png_push (gpointer data, const guint8 *rgb, gsize stride, GCancellable *cancellable, GError **error)
{
  PngWriter *writer = data;
  const FwEncodeSpec *spec = writer->spec;
  if (g_cancellable_is_cancelled (cancellable)) {
    g_set_error (error, FW_ERROR, FW_ERROR_CANCELLED, "Cancelled");
    return FALSE;
  }
  if (writer->folder == NULL && writer->count > 0) {
    g_set_error (error, FW_ERROR, FW_ERROR_INVALID,
                 "“%s” can hold one frame; choose a name without .png for a folder of pictures", spec->path);
    return FALSE;
  }
  g_autoptr (GBytes) picture = fw_png_encode (rgb, spec->width, spec->height, stride,
                                              writer->folder == NULL ? spec->comment : NULL, error);
  if (picture == NULL)
    return FALSE;
  int number = writer->count++;
  if (writer->folder == NULL) {
    writer->picture = g_steal_pointer (&picture);
    return TRUE;
  }
  g_autofree char *path = g_strdup_printf ("%s/%05d.png", writer->folder, number);
  return fw_file_write (path, g_bytes_get_data (picture, NULL), g_bytes_get_size (picture), error);
}

static gboolean
png_complete (gpointer data, GCancellable *cancellable, GError **error)
{
  PngWriter *writer = data;
  if (writer->count == 0) {
    g_set_error (error, FW_ERROR, FW_ERROR_INVALID, "Cannot write “%s”: there is no frame", writer->spec->path);
    return FALSE;
  }
  return writer->folder == NULL || writer->spec->comment == NULL ||
         fw_sidecar_write_in_folder (writer->folder, writer->spec->comment, error);
}

static gboolean
png_commit (gpointer data, GError **error)
{
  PngWriter *writer = data;
  if (writer->folder == NULL)
    return (writer->spec->overwrite ? fw_file_write : fw_file_write_new)
             (writer->spec->path, g_bytes_get_data (writer->picture, NULL), g_bytes_get_size (writer->picture), error);
  if (rename (writer->folder, writer->spec->path) != 0) {
    g_set_error (error, FW_ERROR, FW_ERROR_IO, "Cannot save “%s”: %s", writer->spec->path, g_strerror (errno));
    return FALSE;
  }
  g_clear_pointer (&writer->folder, g_free);
  return TRUE;
}

static const char *
png_element (gpointer data)
{
  return "png";
}

const FwClipWriter fw_png_writer = { png_push, png_complete, png_commit, png_element, png_free };
