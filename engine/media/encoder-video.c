/* SPDX-License-Identifier: Apache-2.0
 * Video: frames go through shared memory to the media process, which writes into a descriptor that has no name until all is
 * done. */
#include "engine/media/encoder-private.h"
#include "engine/media/mp4-times.h"
#include "engine/memory/file.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define SLOTS 3

typedef struct {
  FwMediaChild *child;
  FwFileWriter *output, *scratch;
  int width, height, memory_fd;
  guint8 *memory;
  gsize frame_bytes, memory_bytes;
  guint32 free_slots[SLOTS];
  int n_free;
  guint64 pushed;
  char element[32];
} VideoWriter;

static void
video_free (gpointer data)
{
  VideoWriter *writer = data;
  fw_media_child_end (writer->child);
  fw_file_writer_abort (writer->output);
  fw_file_writer_abort (writer->scratch);
  if (writer->memory != NULL)
    munmap (writer->memory, writer->memory_bytes);
  if (writer->memory_fd >= 0)
    close (writer->memory_fd);
  g_free (writer);
}

static VideoWriter *
video_new (const FwEncodeSpec *spec, FwMediaChild *child)
{
  VideoWriter *writer = g_new0 (VideoWriter, 1);
  writer->child = child;
  writer->width = spec->width;
  writer->height = spec->height;
  writer->memory_fd = -1;
  for (writer->n_free = 0; writer->n_free < SLOTS; writer->n_free++)
    writer->free_slots[writer->n_free] = writer->n_free;
  return writer;
}

static gboolean
begin (VideoWriter *writer, const FwEncodeSpec *spec, int output, int scratch, GCancellable *cancellable, GError **error)
{
  gsize comment = spec->comment != NULL ? strlen (spec->comment) : 0;
  writer->frame_bytes = 3 * (gsize) spec->width * spec->height;
  writer->memory_bytes = MAX (writer->frame_bytes * SLOTS, comment);
  writer->memory = fw_media_share (writer->memory_bytes, &writer->memory_fd, error);
  if (writer->memory == NULL)
    return FALSE;
  if (comment > 0)
    memcpy (writer->memory, spec->comment, comment);
  FwMessage message = { .encode = {
    .format = spec->format, .width = spec->width, .height = spec->height, .fps_n = spec->fps_n, .fps_d = spec->fps_d,
    .quality = spec->quality, .slots = SLOTS, .comment_size = comment,
  } };
  const int fds[] = { writer->memory_fd, output, scratch };
  if (!fw_media_child_send (writer->child, &message, FW_MESSAGE_ENCODE, fds, G_N_ELEMENTS (fds), error) ||
      !fw_media_child_wait (writer->child, &message, FW_MESSAGE_READY, cancellable, error))
    return FALSE;
  g_strlcpy (writer->element, message.encoder.element, sizeof writer->element);
  return TRUE;
}

gpointer
fw_video_writer_open_fd (const FwEncodeSpec *spec, FwMediaChild *child, int output, int scratch, GCancellable *cancellable,
                         GError **error)
{
  VideoWriter *writer = video_new (spec, child);
  if (begin (writer, spec, output, scratch, cancellable, error))
    return writer;
  video_free (writer);
  return NULL;
}

gpointer
fw_video_writer_open (const FwEncodeSpec *spec, FwMediaChild *child, GCancellable *cancellable, GError **error)
{
  VideoWriter *writer = video_new (spec, child);
  writer->output = fw_file_writer_open (spec->path, error);
  if (writer->output != NULL && !spec->overwrite)
    fw_file_writer_set_new (writer->output);
  if (writer->output != NULL)
    writer->scratch = fw_file_writer_open (spec->path, error);
  if (writer->scratch != NULL &&
      begin (writer, spec, fw_file_writer_fd (writer->output), fw_file_writer_fd (writer->scratch), cancellable, error))
    return writer;
  video_free (writer);
  return NULL;
}

static gboolean
take_back (VideoWriter *writer, const FwMessage *message, GError **error)
{
  if (message->kind == FW_MESSAGE_TAKEN && message->frame.slot < SLOTS && writer->n_free < SLOTS) {
    writer->free_slots[writer->n_free++] = message->frame.slot;
    return TRUE;
  }
  g_set_error (error, FW_ERROR, FW_ERROR_FAILED, "Cannot %s: the media process answered out of turn", writer->child->subject);
  return FALSE;
}

/* Takes in all answers that are there, and waits for one if no slot is free without it. */
static gboolean
find_slot (VideoWriter *writer, GCancellable *cancellable, GError **error)
{
  FwMessage message;
  GError *cause = NULL;
  while (fw_media_child_poll (writer->child, &message, &cause))
    if (!take_back (writer, &message, error))
      return FALSE;
  if (cause != NULL) {
    g_propagate_error (error, cause);
    return FALSE;
  }
  return writer->n_free > 0 || (fw_media_child_wait (writer->child, &message, FW_MESSAGE_TAKEN, cancellable, error) &&
                                take_back (writer, &message, error));
}

static gboolean
video_push (gpointer data, const guint8 *rgb, gsize stride, GCancellable *cancellable, GError **error)
{
  VideoWriter *writer = data;
  if (g_cancellable_is_cancelled (cancellable)) {
    g_set_error (error, FW_ERROR, FW_ERROR_CANCELLED, "Cancelled");
    return FALSE;
  }
  if (!find_slot (writer, cancellable, error))
    return FALSE;
  guint32 slot = writer->free_slots[--writer->n_free];
  gsize row = 3 * (gsize) writer->width;
  for (int y = 0; y < writer->height; y++)
    memcpy (writer->memory + writer->frame_bytes * slot + row * y, rgb + stride * y, row);
  FwMessage message = { .frame.slot = slot };
  if (!fw_media_child_send (writer->child, &message, FW_MESSAGE_FRAME, NULL, 0, error))
    return FALSE;
  writer->pushed++;
  return TRUE;
}

static gboolean
fail_to_settle (const VideoWriter *writer, GError **error)
{
  g_set_error (error, FW_ERROR, FW_ERROR_IO, "Cannot %s: %s", writer->child->subject, g_strerror (errno));
  return FALSE;
}

static gboolean
video_complete (gpointer data, GCancellable *cancellable, GError **error)
{
  VideoWriter *writer = data;
  FwMessage message = { 0 };
  if (writer->pushed == 0) {
    g_set_error (error, FW_ERROR, FW_ERROR_INVALID, "Cannot %s: there is no frame", writer->child->subject);
    return FALSE;
  }
  if (!fw_media_child_send (writer->child, &message, FW_MESSAGE_FINISH, NULL, 0, error))
    return FALSE;
  do {
    if (!fw_media_child_wait (writer->child, &message, FW_MESSAGE_NONE, cancellable, error))
      return FALSE;
    if (message.kind != FW_MESSAGE_FINISHED && !take_back (writer, &message, error))
      return FALSE;
  } while (message.kind != FW_MESSAGE_FINISHED);
  if (message.frame.count == writer->pushed)
    return writer->output == NULL || fw_mp4_clear_times (fw_file_writer_fd (writer->output)) || fail_to_settle (writer, error);
  g_set_error (error, FW_ERROR, FW_ERROR_FAILED,
               "Cannot %s: %" G_GUINT64_FORMAT " frames were given and %" G_GUINT64_FORMAT " written",
               writer->child->subject, writer->pushed, message.frame.count);
  return FALSE;
}

static gboolean
video_commit (gpointer data, GError **error)
{
  VideoWriter *writer = data;
  return fw_file_writer_commit (g_steal_pointer (&writer->output), error);
}

static const char *
video_element (gpointer data)
{
  VideoWriter *writer = data;
  return writer->element;
}

const FwClipWriter fw_video_writer = { video_push, video_complete, video_commit, video_element, video_free };
