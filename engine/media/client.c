/* SPDX-License-Identifier: Apache-2.0
 * Starting, hearing and ending one media process. */
#include "engine/media/client.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define PROGRAM "framewright-media"

extern char **environ;

static char *
find_program (GError **error)
{
  const char *given = g_getenv ("FRAMEWRIGHT_MEDIA");
  if (given != NULL && given[0] != '\0')
    return g_strdup (given);
  g_autofree char *self = g_file_read_link ("/proc/self/exe", NULL);
  g_autofree char *folder = self != NULL ? g_path_get_dirname (self) : g_strdup ("/");
  static const char *const places[] = {
    "", "../engine/media/child", "../../engine/media/child", "../libexec",
  };
  for (int i = 0; i < (int) G_N_ELEMENTS (places); i++) {
    g_autofree char *path = g_build_filename (folder, places[i], PROGRAM, NULL);
    if (g_file_test (path, G_FILE_TEST_IS_EXECUTABLE))
      return g_steal_pointer (&path);
  }
  if (g_file_test (FW_LIBEXECDIR "/" PROGRAM, G_FILE_TEST_IS_EXECUTABLE))
    return g_strdup (FW_LIBEXECDIR "/" PROGRAM);
  g_set_error (error, FW_ERROR, FW_ERROR_UNSUPPORTED,
               "The program " PROGRAM " is not beside this one; install it, or name it in FRAMEWRIGHT_MEDIA (PNG needs none)");
  return NULL;
}

/* The child gets its end of the pair as descriptor 3 and nothing else of ours; codec libraries chatter on stderr, so that is
 * shown only on wish. */
static int
spawn (const char *program, int socket, int *pid)
{
  posix_spawn_file_actions_t actions;
  posix_spawnattr_t attributes;
  sigset_t none, all;
  char *argv[] = { (char *) PROGRAM, (char *) "--serve", NULL };
  posix_spawn_file_actions_init (&actions);
  posix_spawnattr_init (&attributes);
  posix_spawn_file_actions_addopen (&actions, 0, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_addopen (&actions, 1, "/dev/null", O_WRONLY, 0);
  if (g_getenv ("FRAMEWRIGHT_MEDIA_DEBUG") == NULL)
    posix_spawn_file_actions_addopen (&actions, 2, "/dev/null", O_WRONLY, 0);
  posix_spawn_file_actions_adddup2 (&actions, socket, FW_MEDIA_SOCKET);
  posix_spawn_file_actions_addclosefrom_np (&actions, FW_MEDIA_SOCKET + 1);
  sigemptyset (&none);
  sigfillset (&all);
  posix_spawnattr_setsigmask (&attributes, &none);
  posix_spawnattr_setsigdefault (&attributes, &all);
  posix_spawnattr_setflags (&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
  int code = posix_spawn (pid, program, &actions, &attributes, argv, environ);
  posix_spawn_file_actions_destroy (&actions);
  posix_spawnattr_destroy (&attributes);
  return code;
}

FwMediaChild *
fw_media_child_start (const char *subject, guint stall_ms, GError **error)
{
  g_autofree char *program = find_program (error);
  if (program == NULL)
    return NULL;
  int pair[2], pid;
  if (socketpair (AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) != 0) {
    g_set_error (error, FW_ERROR, FW_ERROR_FAILED, "Cannot %s: no socket for the media process: %s", subject, g_strerror (errno));
    return NULL;
  }
  /* Duplicated above the child's fixed descriptor, so that dup2 in the child always clears close-on-exec. */
  int theirs = fcntl (pair[1], F_DUPFD_CLOEXEC, FW_MEDIA_SOCKET + 1);
  int code = theirs < 0 ? errno : spawn (program, theirs, &pid);
  close (pair[1]);
  if (theirs >= 0)
    close (theirs);
  if (code != 0) {
    close (pair[0]);
    g_set_error (error, FW_ERROR, FW_ERROR_UNSUPPORTED, "Cannot %s: the media process “%s” does not start: %s", subject, program,
                 g_strerror (code));
    return NULL;
  }
  FwMediaChild *child = g_new0 (FwMediaChild, 1);
  child->socket = pair[0];
  child->pid = pid;
  child->stall_ms = stall_ms > 0 ? stall_ms : FW_MEDIA_STALL_MS;
  child->subject = g_strdup (subject);
  return child;
}

static int
reap (FwMediaChild *child)
{
  int status = 0;
  kill (child->pid, SIGKILL);
  while (waitpid (child->pid, &status, 0) < 0 && errno == EINTR)
    continue;
  child->pid = 0;
  return status;
}

/* The process closed its end: how it ended is the reason. It may be closing still, so it gets a moment to die of its own
 * cause. */
static void
explain_end (FwMediaChild *child, GError **error)
{
  int status = 0;
  gboolean reaped = FALSE;
  for (int i = 0; i < 50 && child->pid != 0 && !reaped; i++) {
    reaped = waitpid (child->pid, &status, WNOHANG) == child->pid;
    if (!reaped)
      g_usleep (2000);
  }
  if (reaped)
    child->pid = 0;
  else if (child->pid != 0)
    status = reap (child);
  if (WIFSIGNALED (status))
    g_set_error (error, FW_ERROR, FW_ERROR_FAILED, "Cannot %s: the media process was ended by signal %d (%s)", child->subject,
                 WTERMSIG (status), g_strsignal (WTERMSIG (status)));
  else
    g_set_error (error, FW_ERROR, FW_ERROR_FAILED, "Cannot %s: the media process ended early, with exit code %d", child->subject,
                 WEXITSTATUS (status));
}

static void
report_fault (FwMediaChild *child, FwMessage *message, GError **error)
{
  message->fault.text[sizeof message->fault.text - 1] = '\0';
  g_autofree char *text = g_utf8_make_valid (message->fault.text, -1);
  g_strdelimit (text, "\r\n", ' ');
  int code = message->fault.code;
  if (code < FW_ERROR_FAILED || code > FW_ERROR_CANCELLED)
    code = FW_ERROR_FAILED;
  g_set_error (error, FW_ERROR, code, "Cannot %s: %s", child->subject, text);
}

gboolean
fw_media_child_poll (FwMediaChild *child, FwMessage *message, GError **error)
{
  int got = fw_message_receive (child->socket, message, NULL, 0, NULL);
  if (got < 0 && errno == EAGAIN)
    return FALSE;
  if (got == 0)
    explain_end (child, error);
  else if (got < 0)
    g_set_error (error, FW_ERROR, FW_ERROR_FAILED, "Cannot %s: the media process is of another version (%s)", child->subject,
                 g_strerror (errno));
  else if (message->kind == FW_MESSAGE_FAULT)
    report_fault (child, message, error);
  else
    return TRUE;
  return FALSE;
}

gboolean
fw_media_child_send (FwMediaChild *child, FwMessage *message, FwMessageKind kind, const int *fds, int n_fds, GError **error)
{
  if (fw_message_send (child->socket, message, kind, fds, n_fds))
    return TRUE;
  if (errno != EPIPE && errno != ECONNRESET) {
    g_set_error (error, FW_ERROR, FW_ERROR_FAILED, "Cannot %s: the media process takes no messages: %s", child->subject,
                 g_strerror (errno));
    return FALSE;
  }
  /* Its last words, if any, say more than the broken pipe does. */
  GError *cause = NULL;
  FwMessage answer;
  while (fw_media_child_poll (child, &answer, &cause))
    continue;
  if (cause == NULL)
    explain_end (child, &cause);
  g_propagate_error (error, cause);
  return FALSE;
}

gboolean
fw_media_child_wait (FwMediaChild *child, FwMessage *message, FwMessageKind kind, GCancellable *cancellable, GError **error)
{
  gint64 deadline = g_get_monotonic_time () + (gint64) child->stall_ms * 1000;
  GPollFD fds[2] = { { child->socket, G_IO_IN, 0 } };
  gboolean cancellation = cancellable != NULL && g_cancellable_make_pollfd (cancellable, &fds[1]);
  gboolean done = FALSE;
  while (!done) {
    GError *cause = NULL;
    if (g_cancellable_is_cancelled (cancellable)) {
      g_set_error (error, FW_ERROR, FW_ERROR_CANCELLED, "Cancelled");
      break;
    }
    done = fw_media_child_poll (child, message, &cause);
    if (cause != NULL) {
      g_propagate_error (error, cause);
      break;
    }
    gint64 left = (deadline - g_get_monotonic_time ()) / 1000;
    if (!done && left <= 0) {
      g_set_error (error, FW_ERROR, FW_ERROR_FAILED, "Cannot %s: the media process has not answered for %u seconds and was ended",
                   child->subject, (child->stall_ms + 999) / 1000);
      break;
    }
    if (!done)
      g_poll (fds, cancellation ? 2 : 1, left);
  }
  if (cancellation)
    g_cancellable_release_fd (cancellable);
  if (done && kind != FW_MESSAGE_NONE && message->kind != (guint32) kind) {
    g_set_error (error, FW_ERROR, FW_ERROR_FAILED, "Cannot %s: the media process answered out of turn", child->subject);
    return FALSE;
  }
  return done;
}

void
fw_media_child_end (FwMediaChild *child)
{
  if (child == NULL)
    return;
  close (child->socket);
  if (child->pid != 0)
    reap (child);
  g_free (child->subject);
  g_free (child);
}

gpointer
fw_media_share (gsize size, int *fd, GError **error)
{
  *fd = memfd_create ("framewright-frames", MFD_CLOEXEC | MFD_ALLOW_SEALING);
  int code = *fd < 0 ? errno : posix_fallocate (*fd, 0, size);
  if (code == 0 && fcntl (*fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) != 0)
    code = errno;
  gpointer memory = code == 0 ? mmap (NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, *fd, 0) : MAP_FAILED;
  if (memory != MAP_FAILED)
    return memory;
  if (code == 0)
    code = errno;
  if (*fd >= 0)
    close (*fd);
  *fd = -1;
  g_set_error (error, FW_ERROR, FW_ERROR_MEMORY, "No memory for %" G_GSIZE_FORMAT " bytes of frames: %s", size,
               g_strerror (code));
  return NULL;
}
