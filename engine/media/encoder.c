/* SPDX-License-Identifier: Apache-2.0
 * The policy of writing clips: what is allowed under which name, which format it becomes, and the order of completion. */
#include "engine/media/encoder-private.h"
#include "engine/media/sidecar.h"
#include "engine/memory/file.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define DEFAULT_QUALITY 80

struct _FwEncoder {
  const FwClipWriter *writer_class;
  gpointer writer;
  FwEncodeSpec spec;        /* owns path and comment */
  char *sidecar;            /* where the recipe goes; NULL if it lies inside a folder, or there is none */
  char *notice;
};

static gboolean
refuse (GError **error, const char *format, ...) G_GNUC_PRINTF (2, 3);

static gboolean
refuse (GError **error, const char *format, ...)
{
  va_list arguments;
  va_start (arguments, format);
  g_autofree char *text = g_strdup_vprintf (format, arguments);
  va_end (arguments);
  g_set_error_literal (error, FW_ERROR, FW_ERROR_INVALID, text);
  return FALSE;
}

static gboolean
check_numbers (const FwEncodeSpec *spec, GError **error)
{
  if (spec->width < 1 || spec->height < 1 || spec->width > FW_MEDIA_MAX_SIDE || spec->height > FW_MEDIA_MAX_SIDE)
    return refuse (error, "Cannot write frames of %dx%d: choose 1 to %d on each side", spec->width, spec->height,
                   FW_MEDIA_MAX_SIDE);
  if (spec->fps_n < 1 || spec->fps_d < 1 || spec->fps_n / spec->fps_d > FW_MEDIA_MAX_RATE)
    return refuse (error, "Cannot write %d/%d frames a second: choose more than 0 and at most %d", spec->fps_n, spec->fps_d,
                   FW_MEDIA_MAX_RATE);
  if (spec->quality < 0 || spec->quality > 100)
    return refuse (error, "A quality of %d is not between 1 and 100", spec->quality);
  if (spec->comment != NULL && (strlen (spec->comment) > FW_MEDIA_MAX_COMMENT || !g_utf8_validate (spec->comment, -1, NULL)))
    return refuse (error, "The recipe is longer than %u bytes or not UTF-8", FW_MEDIA_MAX_COMMENT);
  if (spec->format == FW_MEDIA_PNG && spec->frames > 1)
    return refuse (error, "“%s” can hold one frame, not %d; choose a name without .png for a folder of pictures", spec->path,
                   spec->frames);
  if (spec->format == FW_MEDIA_MP4 && (spec->width % 2 != 0 || spec->height % 2 != 0))
    return refuse (error, "H.264 needs an even width and height, not %dx%d; choose %dx%d, or a name that ends in .webm",
                   spec->width, spec->height, MAX (2, spec->width & ~1), MAX (2, spec->height & ~1));
  return TRUE;
}

/* What is at @path must be nothing, or what may be replaced: a file by a file, and a folder never. */
static gboolean
check_place (const char *path, gboolean overwrite, GError **error)
{
  struct stat status;
  g_autofree char *folder = g_path_get_dirname (path);
  gboolean there = lstat (path, &status) == 0;
  if (!there && errno == ENAMETOOLONG) {
    g_set_error (error, FW_ERROR, FW_ERROR_IO, "Cannot write “%s”: %s", path, g_strerror (errno));
    return FALSE;
  }
  if (there) {
    if (S_ISLNK (status.st_mode) && stat (path, &status) != 0)
      status.st_mode = S_IFREG;
    if (!S_ISREG (status.st_mode) && !S_ISDIR (status.st_mode))
      return refuse (error, "Cannot write “%s”: it is a device, pipe or socket; choose another name", path);
    if (S_ISDIR (status.st_mode))
      return refuse (error, "Cannot write “%s”: a folder of that name exists; choose another name", path);
    if (!overwrite)
      return refuse (error, "“%s” exists; choose another name, or allow replacing it (--force)", path);
  }
  if (stat (folder, &status) == 0 && S_ISDIR (status.st_mode) && access (folder, W_OK | X_OK) == 0)
    return TRUE;
  int code = stat (folder, &status) != 0 ? errno : !S_ISDIR (status.st_mode) ? ENOTDIR : errno;
  g_set_error (error, FW_ERROR, FW_ERROR_IO, "Cannot write “%s” in “%s”: %s", path, folder, g_strerror (code));
  return FALSE;
}

static gboolean
check_places (const FwEncodeSpec *spec, GError **error)
{
  g_autofree char *sidecar = fw_sidecar_path (spec->path);
  if (!check_place (spec->path, spec->overwrite, error))
    return FALSE;
  return spec->comment == NULL || spec->format == FW_MEDIA_PNG_FOLDER || check_place (sidecar, spec->overwrite, error);
}

/* The first installed encoder for @format, or NULL; *@package becomes what the most preferred one lacks. */
static const FwMediaEncoder *
first_found (GPtrArray *encoders, FwMediaFormat format, const char **package)
{
  *package = NULL;
  for (guint i = 0; i < encoders->len; i++) {
    const FwMediaEncoder *encoder = g_ptr_array_index (encoders, i);
    if (encoder->format != format)
      continue;
    if (encoder->found)
      return encoder;
    if (*package == NULL)
      *package = encoder->package;
  }
  return NULL;
}

/* Settles the format by what is installed: H.264 that nobody can encode becomes WebM. */
static gboolean
settle_format (FwEncodeSpec *spec, FwMediaChild *child, char **notice, GCancellable *cancellable, GError **error)
{
  g_autoptr (GPtrArray) encoders = fw_media_child_encoders (child, cancellable, error);
  const char *package, *other;
  if (encoders == NULL)
    return FALSE;
  if (first_found (encoders, spec->format, &package) != NULL)
    return TRUE;
  if (spec->format != FW_MEDIA_MP4 || first_found (encoders, FW_MEDIA_WEBM, &other) == NULL) {
    g_set_error (error, FW_ERROR, FW_ERROR_UNSUPPORTED,
                 "No encoder for %s is installed; install the package %s, or write a folder of PNG pictures",
                 fw_media_format_name (spec->format), package != NULL ? package : "gstreamer1.0-plugins-good");
    return FALSE;
  }
  g_autofree char *path = g_steal_pointer ((char **) &spec->path);
  spec->path = fw_media_replace_ending (path, fw_media_format_ending (FW_MEDIA_WEBM));
  spec->format = FW_MEDIA_WEBM;
  *notice = g_strdup_printf ("No H.264 encoder is installed (the package %s has one): writing “%s” instead of “%s”", package,
                             spec->path, path);
  return TRUE;
}

/* Fills @settled (whose path the caller frees) and, for video, starts the media process. */
static gboolean
settle (const FwEncodeSpec *spec, FwEncodeSpec *settled, char **notice, FwMediaChild **child, GCancellable *cancellable,
        GError **error)
{
  *settled = *spec;
  settled->path = NULL;
  if (spec->path == NULL || spec->path[0] == '\0')
    return refuse (error, "The clip needs a file name");
  if (spec->format == FW_MEDIA_AUTO && (settled->format = fw_media_format_from_path (spec->path, error)) == FW_MEDIA_AUTO)
    return FALSE;
  gsize length = strlen (spec->path);
  while (length > 1 && spec->path[length - 1] == '/')
    length--;
  settled->path = g_strndup (spec->path, length);
  if (settled->quality == 0)
    settled->quality = DEFAULT_QUALITY;
  if (!check_numbers (settled, error) || !check_places (settled, error))
    return FALSE;
  if (!fw_media_format_needs_child (settled->format))
    return TRUE;
  g_autofree char *subject = g_strdup_printf ("write “%s”", settled->path);
  *child = fw_media_child_start (subject, spec->stall_ms, error);
  if (*child == NULL || !settle_format (settled, *child, notice, cancellable, error))
    return FALSE;
  return *notice == NULL || check_places (settled, error);
}

gboolean
fw_encoder_check (const FwEncodeSpec *spec, char **path, char **notice, GCancellable *cancellable, GError **error)
{
  FwEncodeSpec settled;
  g_autofree char *line = NULL;
  g_autoptr (FwMediaChild) child = NULL;
  gboolean possible = settle (spec, &settled, &line, &child, cancellable, error);
  g_autofree char *settled_path = (char *) settled.path;
  if (possible && path != NULL)
    *path = g_steal_pointer (&settled_path);
  if (possible && notice != NULL)
    *notice = g_steal_pointer (&line);
  return possible;
}

gboolean
fw_encoder_check_places (const FwEncodeSpec *spec, GError **error)
{
  FwEncodeSpec settled = *spec;
  if (settled.format == FW_MEDIA_AUTO && (settled.format = fw_media_format_from_path (spec->path, error)) == FW_MEDIA_AUTO)
    return FALSE;
  return check_places (&settled, error);
}

FwEncoder *
fw_encoder_open (const FwEncodeSpec *spec, GCancellable *cancellable, GError **error)
{
  g_autoptr (FwEncoder) encoder = g_new0 (FwEncoder, 1);
  g_autoptr (FwMediaChild) child = NULL;
  gboolean possible = settle (spec, &encoder->spec, &encoder->notice, &child, cancellable, error);
  encoder->spec.comment = g_strdup (spec->comment);
  if (!possible)
    return NULL;
  if (spec->comment != NULL && encoder->spec.format != FW_MEDIA_PNG_FOLDER)
    encoder->sidecar = fw_sidecar_path (encoder->spec.path);
  encoder->writer_class = child != NULL ? &fw_video_writer : &fw_png_writer;
  if (child != NULL)
    encoder->writer = fw_video_writer_open (&encoder->spec, g_steal_pointer (&child), cancellable, error);
  else
    encoder->writer = fw_png_writer_open (&encoder->spec, error);
  return encoder->writer != NULL ? g_steal_pointer (&encoder) : NULL;
}

const char *
fw_encoder_path (FwEncoder *encoder)
{
  return encoder->spec.path;
}

const char *
fw_encoder_notice (FwEncoder *encoder)
{
  return encoder->notice;
}

const char *
fw_encoder_element (FwEncoder *encoder)
{
  return encoder->writer_class->element (encoder->writer);
}

gboolean
fw_encoder_push (FwEncoder *encoder, const guint8 *rgb, gsize stride, GCancellable *cancellable, GError **error)
{
  return encoder->writer_class->push (encoder->writer, rgb, stride, cancellable, error);
}

/* What the new recipe replaces stays mapped, to be put back beside the old clip where the new one does not get its name. */
static gboolean
publish (FwEncoder *encoder, GError **error)
{
  const FwEncodeSpec *spec = &encoder->spec;
  if (encoder->sidecar == NULL)
    return encoder->writer_class->commit (encoder->writer, error);
  g_autoptr (GMappedFile) old = spec->overwrite ? fw_file_map (encoder->sidecar, NULL) : NULL;
  if (!(spec->overwrite ? fw_file_write : fw_file_write_new) (encoder->sidecar, spec->comment, strlen (spec->comment), error))
    return FALSE;
  if (encoder->writer_class->commit (encoder->writer, error))
    return TRUE;
  if (old == NULL || !fw_file_write (encoder->sidecar, g_mapped_file_get_contents (old), g_mapped_file_get_length (old), NULL))
    unlink (encoder->sidecar);
  return FALSE;
}

static gboolean
finish (FwEncoder *encoder, GCancellable *cancellable, GError **error)
{
  if (!encoder->writer_class->complete (encoder->writer, cancellable, error))
    return FALSE;
  if (g_cancellable_is_cancelled (cancellable)) {
    g_set_error (error, FW_ERROR, FW_ERROR_CANCELLED, "Cancelled");
    return FALSE;
  }
  return publish (encoder, error);
}

gboolean
fw_encoder_finish (FwEncoder *encoder, GCancellable *cancellable, GError **error)
{
  gboolean finished = finish (encoder, cancellable, error);
  fw_encoder_abort (encoder);
  return finished;
}

void
fw_encoder_abort (FwEncoder *encoder)
{
  if (encoder == NULL)
    return;
  if (encoder->writer != NULL)
    encoder->writer_class->free (encoder->writer);
  g_free ((char *) encoder->spec.path);
  g_free ((char *) encoder->spec.comment);
  g_free (encoder->sidecar);
  g_free (encoder->notice);
  g_free (encoder);
}
