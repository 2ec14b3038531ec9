/* SPDX-License-Identifier: Apache-2.0
 * Starts the media process, answers the engine's requests one after another, and ends with it. */
#include "engine/media/child/child.h"
#include "engine/media/child/sandbox.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

void
child_send (FwMessage *message, FwMessageKind kind)
{
  struct pollfd wait = { .fd = FW_MEDIA_SOCKET, .events = POLLOUT };
  while (!fw_message_send (FW_MEDIA_SOCKET, message, kind, NULL, 0)) {
    if (errno != EAGAIN)
      _exit (1);
    poll (&wait, 1, -1);
  }
}

void
child_fault (FwErrorCode code, const char *format, ...)
{
  FwMessage message = { 0 };
  va_list arguments;
  va_start (arguments, format);
  message.fault.code = code;
  g_vsnprintf (message.fault.text, sizeof message.fault.text, format, arguments);
  va_end (arguments);
  child_send (&message, FW_MESSAGE_FAULT);
  _exit (1);
}

void
child_receive (FwMessage *message, int *fds, int max_fds, int *n_fds)
{
  struct pollfd wait = { .fd = FW_MEDIA_SOCKET, .events = POLLIN };
  int got;
  while ((got = fw_message_receive (FW_MEDIA_SOCKET, message, fds, max_fds, n_fds)) < 0 && errno == EAGAIN)
    poll (&wait, 1, -1);
  if (got == 0)
    _exit (0);
  if (got < 0)
    child_fault (FW_ERROR_FAILED, "the media process is of another version than this program");
}

gpointer
child_map (int fd, gsize size)
{
  /* Not fstat (): inside the sandbox only calls without a path are allowed, and the C library may make it one with an empty
   * path. */
  off_t there = lseek (fd, 0, SEEK_END);
  if (there < 0 || (gsize) there < size)
    child_fault (FW_ERROR_FAILED, "the shared memory is too small");
  gpointer memory = mmap (NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  if (memory == MAP_FAILED)
    child_fault (FW_ERROR_MEMORY, "no memory for the frames: %s", g_strerror (errno));
  return memory;
}

void
child_pipeline_fault (GstMessage *message, const char *hint)
{
  g_autoptr (GError) cause = NULL;
  gst_message_parse_error (message, &cause, NULL);
  if (cause->domain == GST_RESOURCE_ERROR && hint != NULL)
    child_fault (FW_ERROR_IO, "%s", hint);
  child_fault (cause->domain == GST_RESOURCE_ERROR ? FW_ERROR_IO : FW_ERROR_FAILED, "%s (%s)", cause->message,
               GST_MESSAGE_SRC_NAME (message));
}

/* A terminal's interrupt reaches the whole group, but it is the engine that decides what a cancel means; a full disk must come
 * back as an error of write (), not as a signal. */
static void
set_signals (void)
{
  signal (SIGINT, SIG_IGN);
  signal (SIGPIPE, SIG_IGN);
  signal (SIGXFSZ, SIG_IGN);
  struct rlimit no_core = { 0, 0 };
  setrlimit (RLIMIT_CORE, &no_core);
}

static void
serve (void)
{
  for (;;) {
    FwMessage request;
    int fds[FW_MEDIA_MAX_FDS], n_fds;
    child_receive (&request, fds, FW_MEDIA_MAX_FDS, &n_fds);
    if (request.kind == FW_MESSAGE_LIST)
      child_list ();
    else if (request.kind == FW_MESSAGE_ENCODE)
      child_encode (&request, fds, n_fds);
    else if (request.kind == FW_MESSAGE_DECODE)
      child_decode (&request, fds, n_fds);
    else if (request.kind == FW_MESSAGE_PROBE)
      child_probe (&request, fds, n_fds);
    else
      child_fault (FW_ERROR_FAILED, "the media process was asked out of turn");
  }
}

int
main (int argc, char **argv)
{
  struct stat status;
  if (argc == 2 && strcmp (argv[1], "--check-sandbox") == 0)
    _exit (sandbox_check ());
  if (argc != 2 || strcmp (argv[1], "--serve") != 0 || fstat (FW_MEDIA_SOCKET, &status) != 0 || !S_ISSOCK (status.st_mode)) {
    g_printerr ("framewright-media reads and writes video for framewright, which starts it by itself.\n");
    return 2;
  }
  set_signals ();
  g_autoptr (GError) error = NULL;
  if (!gst_init_check (NULL, NULL, &error))
    child_fault (FW_ERROR_UNSUPPORTED, "GStreamer does not start: %s", error->message);
  serve ();
}
