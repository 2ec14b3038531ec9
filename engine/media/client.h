/* SPDX-License-Identifier: Apache-2.0
 * The engine's end of one media process: finding the program, starting it, waiting for its answers with a deadline and a
 * cancellable, and leaving no process behind. Private to engine/media. */
#pragma once
#include "engine/media/protocol.h"

/* Silence longer than this means that the media process hangs, unless the caller says otherwise. Generous: the first start on a
 * machine scans GStreamer's plugins. */
#define FW_MEDIA_STALL_MS 60000

typedef struct {
  int socket;
  int pid;                  /* 0 once reaped */
  guint stall_ms;
  char *subject;            /* what the work is about, for sentences: "write “clip.mp4”" */
} FwMediaChild;

/* Starts framewright-media: $FRAMEWRIGHT_MEDIA, else beside this program, else in the build folder this program is in, else in
 * libexec. @subject completes "Cannot ...". @stall_ms 0 means FW_MEDIA_STALL_MS. One thread at a time; end it with
 * fw_media_child_end(). */
FwMediaChild *fw_media_child_start (const char *subject, guint stall_ms, GError **error);

/* Sends; where the process has ended, the error says why. */
gboolean fw_media_child_send (FwMediaChild *child, FwMessage *message, FwMessageKind kind, const int *fds, int n_fds,
                              GError **error);

/* Waits for the next message, which must be of @kind (FW_MESSAGE_NONE: of any); FAULT, silence, an unexpected message, the end
 * of the process and a cancel are errors. */
gboolean fw_media_child_wait (FwMediaChild *child, FwMessage *message, FwMessageKind kind, GCancellable *cancellable,
                              GError **error);

/* The same without waiting: FALSE without an error where nothing has come. */
gboolean fw_media_child_poll (FwMediaChild *child, FwMessage *message, GError **error);

/* Kills the process if it still runs, reaps it and frees. NULL is fine. Takes milliseconds. */
void fw_media_child_end (FwMediaChild *child);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (FwMediaChild, fw_media_child_end)

/* Sealed shared memory of @size bytes, mapped for reading and writing, really there (a full memory is an error, not a SIGBUS).
 * Unmap with munmap (), close *@fd. */
gpointer fw_media_share (gsize size, int *fd, GError **error);
