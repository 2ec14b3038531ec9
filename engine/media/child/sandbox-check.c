/* SPDX-License-Identifier: Apache-2.0
 * Trying, from inside the sandbox, what it must forbid. */
#include "engine/media/child/sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

static gboolean
can_open_file (void)
{
  return open ("/etc/passwd", O_RDONLY | O_CLOEXEC) >= 0;
}

static gboolean
can_create_file (void)
{
  return open ("/tmp", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600) >= 0;
}

static gboolean
can_open_network_socket (void)
{
  return socket (AF_INET, SOCK_STREAM, 0) >= 0;
}

static gboolean
can_open_local_socket (void)
{
  return socket (AF_UNIX, SOCK_STREAM, 0) >= 0;
}

static gboolean
can_fork (void)
{
  pid_t pid = fork ();
  if (pid == 0)
    _exit (0);
  if (pid > 0)
    waitpid (pid, NULL, 0);
  return pid > 0;
}

static gboolean
can_execute (void)
{
  char *argv[] = { (char *) "/bin/true", NULL };
  execv (argv[0], argv);
  return errno != EPERM;
}

static gboolean
can_signal_parent (void)
{
  return kill (getppid (), 0) == 0;
}

static gboolean
can_trace (void)
{
  return ptrace (PTRACE_TRACEME, 0, NULL, NULL) == 0;
}

static gboolean
can_map_executable (void)
{
  return mmap (NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) != MAP_FAILED;
}

static gboolean
can_take_memory (void)
{
  return mmap (NULL, (gsize) 8 << 30, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0) != MAP_FAILED;
}

static gboolean
can_remove_file (void)
{
  return unlink ("/tmp/framewright-no-such-file") == 0 || errno != EPERM;
}

static const struct { const char *name; gboolean (*attempt) (void); } attempts[] = {
  { "open a file", can_open_file }, { "create a file", can_create_file }, { "remove a file", can_remove_file },
  { "open a network socket", can_open_network_socket }, { "open a local socket", can_open_local_socket }, { "fork", can_fork },
  { "execute a program", can_execute }, { "signal another process", can_signal_parent }, { "trace", can_trace },
  { "map executable memory", can_map_executable }, { "take 8 GiB of memory", can_take_memory },
};

int
sandbox_check (void)
{
  const char *reason = NULL;
  int code = 0;
  setvbuf (stdout, NULL, _IONBF, 0);
  if (!sandbox_enter ((guint64) 1 << 30, &reason)) {
    printf ("sandbox: not available: %s\n", reason);
    return 1;
  }
  for (gsize i = 0; i < G_N_ELEMENTS (attempts); i++) {
    if (attempts[i].attempt == can_take_memory && !sandbox_limits_memory ())
      continue;
    gboolean possible = attempts[i].attempt ();
    printf ("%s: %s\n", attempts[i].name, possible ? "POSSIBLE" : "denied");
    code |= possible;
  }
  return code;
}
