/* SPDX-License-Identifier: Apache-2.0
 * Files: atomic writing (beside, synced, renamed) and reading that accepts regular files only. */
#pragma once
#include "engine/memory/error.h"

/* Writes @size bytes so that @path holds either its old content or all of the new one, also after a crash: the bytes go to
 * a nameless file (where the file system has none: a hidden neighbour), are synced, renamed over @path, and the folder is synced.
 * Any thread. */
gboolean fw_file_write (const char *path, gconstpointer data, gsize size, GError **error);
/* The same, but fails where something stands at @path by the time of the renaming. */
gboolean fw_file_write_new (const char *path, gconstpointer data, gsize size, GError **error);

/* A writer for content that does not fit in memory at once. fw_file_writer_commit() or _abort() frees it; an abort, or a
 * failed commit, leaves @path as it was and removes the neighbour. */
typedef struct _FwFileWriter FwFileWriter;
FwFileWriter *fw_file_writer_open (const char *path, GError **error);
gboolean fw_file_writer_append (FwFileWriter *writer, gconstpointer data, gsize size, GError **error);
gboolean fw_file_writer_commit (FwFileWriter *writer, GError **error);
void fw_file_writer_abort (FwFileWriter *writer);

/* Makes the commit fail where something stands at the path by then, whoever made it and when. */
void fw_file_writer_set_new (FwFileWriter *writer);

/* Makes writing quick to end: the data goes to the disk as it comes, so that little is left to wait for at the end, and once
 * @hurry is cancelled nothing is waited for. What is committed then replaces @path as always and outlives this process, but maybe not
 * a power cut. For state that is saved while a user waits for the program to stop. */
void fw_file_writer_set_hurry (FwFileWriter *writer, GCancellable *hurry);

/* The descriptor being written, for another process to write to; stays the writer's. */
int fw_file_writer_fd (FwFileWriter *writer);

/* Removes the file @path, if there is one, and syncs its folder. */
gboolean fw_file_remove (const char *path, GError **error);

/* Opens a regular file for reading: its descriptor, the caller's to close, or -1. A FIFO, folder or device is refused without
 * waiting. */
int fw_file_open (const char *path, GError **error);

/* Maps a regular file read-only. A FIFO, folder or device is refused without opening it for reading. Any thread;
 * release with g_mapped_file_unref(). */
GMappedFile *fw_file_map (const char *path, GError **error);

/* Whether @path is a regular file of at most @limit bytes, found out without reading it. */
gboolean fw_file_check_size (const char *path, gsize limit, GError **error);

/* The whole of a regular file of at most @limit bytes, NUL-terminated beyond @size. Free with g_free(). */
char *fw_file_read (const char *path, gsize limit, gsize *size, GError **error);
