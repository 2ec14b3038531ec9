/* SPDX-License-Identifier: Apache-2.0
 * Asking the media process what a file is. */
#include "engine/media/probe-private.h"
#include "engine/memory/file.h"

#include <sys/mman.h>
#include <unistd.h>

void
fw_media_info_free (FwMediaInfo *info)
{
  if (info == NULL)
    return;
  g_free (info->container);
  g_free (info->codec);
  g_free (info->comment);
  g_free (info);
}

FwMediaChild *
fw_media_open_input (const char *path, guint stall_ms, int *fd, GError **error)
{
  g_autofree char *subject = g_strdup_printf ("read “%s”", path);
  *fd = fw_file_open (path, error);
  if (*fd < 0)
    return NULL;
  FwMediaChild *child = fw_media_child_start (subject, stall_ms, error);
  if (child == NULL)
    close (*fd);
  return child;
}

FwMediaInfo *
fw_media_info_from_message (const FwInfoMessage *message, const char *comment, GError **error)
{
  if (message->width < 1 || message->height < 1 || message->width > FW_MEDIA_MAX_SIDE || message->height > FW_MEDIA_MAX_SIDE ||
      message->fps_n < 0 || message->fps_d < 1 || message->comment_size > FW_MEDIA_MAX_COMMENT) {
    g_set_error (error, FW_ERROR, FW_ERROR_FORMAT, "The file claims frames of %dx%d at %d/%d a second", message->width,
                 message->height, message->fps_n, message->fps_d);
    return NULL;
  }
  FwMediaInfo *info = g_new0 (FwMediaInfo, 1);
  info->width = message->width;
  info->height = message->height;
  info->rotation = message->rotation;
  info->frames = message->frames;
  info->fps_n = message->fps_n;
  info->fps_d = message->fps_d;
  info->duration = message->duration;
  info->container = g_strndup (message->container, sizeof message->container);
  info->codec = g_strndup (message->codec, sizeof message->codec);
  if (comment != NULL && message->comment_size > 0) {
    g_autofree char *text = g_strndup (comment, message->comment_size);
    info->comment = g_utf8_validate (text, -1, NULL) ? g_steal_pointer (&text) : NULL;
  }
  return info;
}

FwMediaInfo *
fw_media_probe (const char *path, GCancellable *cancellable, GError **error)
{
  int fd, memory_fd;
  g_autoptr (FwMediaChild) child = fw_media_open_input (path, 0, &fd, error);
  if (child == NULL)
    return NULL;
  char *text = fw_media_share (FW_MEDIA_MAX_COMMENT, &memory_fd, error);
  if (text == NULL) {
    close (fd);
    return NULL;
  }
  FwMessage message = { .decode = { .max_side = FW_MEDIA_MAX_SIDE, .max_frames = FW_MEDIA_MAX_FRAMES } };
  const int fds[] = { fd, memory_fd };
  FwMediaInfo *info = NULL;
  if (fw_media_child_send (child, &message, FW_MESSAGE_PROBE, fds, G_N_ELEMENTS (fds), error) &&
      fw_media_child_wait (child, &message, FW_MESSAGE_INFO, cancellable, error))
    info = fw_media_info_from_message (&message.info, text, error);
  munmap (text, FW_MEDIA_MAX_COMMENT);
  close (memory_fd);
  close (fd);
  return info;
}
