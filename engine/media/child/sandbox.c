/* SPDX-License-Identifier: Apache-2.0
 * Resource limits and a seccomp filter that allows a short list of calls and answers "not permitted" to all others. */
#include "engine/media/child/sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#ifdef FW_HAVE_SECCOMP
#include <sched.h>
#include <seccomp.h>
#endif

#define DESCRIPTORS 64

/* The address space is left alone where a sanitizer's shadow memory fills it. */
#if defined __SANITIZE_ADDRESS__ || defined __SANITIZE_THREAD__
#define LIMIT_MEMORY 0
#else
#define LIMIT_MEMORY 1
#endif

gboolean
sandbox_limits_memory (void)
{
  return LIMIT_MEMORY;
}

static guint64
address_space_in_use (void)
{
  unsigned long pages = 0;
  FILE *file = fopen ("/proc/self/statm", "re");
  if (file == NULL)
    return 0;
  if (fscanf (file, "%lu", &pages) != 1)
    pages = 0;
  fclose (file);
  return (guint64) pages * sysconf (_SC_PAGESIZE);
}

static gboolean
limit (__rlimit_resource_t resource, rlim_t value)
{
  struct rlimit both = { value, value }, now;
  if (getrlimit (resource, &now) == 0 && now.rlim_max != RLIM_INFINITY && now.rlim_max < value)
    both = (struct rlimit) { now.rlim_max, now.rlim_max };
  return setrlimit (resource, &both) == 0;
}

static gboolean
set_limits (guint64 memory)
{
  if (LIMIT_MEMORY && !limit (RLIMIT_AS, address_space_in_use () + memory))
    return FALSE;
  return limit (RLIMIT_FSIZE, 0) && limit (RLIMIT_NOFILE, DESCRIPTORS) && limit (RLIMIT_CORE, 0) && limit (RLIMIT_MEMLOCK, 0);
}

#ifdef FW_HAVE_SECCOMP
/* Computing, memory, threads, time, and reading and writing what is open. Nothing here takes a path or makes a socket. */
static const int allowed[] = {
  SCMP_SYS (read), SCMP_SYS (readv), SCMP_SYS (pread64), SCMP_SYS (write), SCMP_SYS (writev), SCMP_SYS (lseek), SCMP_SYS (close),
  SCMP_SYS (fstat), SCMP_SYS (recvmsg), SCMP_SYS (sendmsg), SCMP_SYS (poll), SCMP_SYS (ppoll), SCMP_SYS (eventfd2), SCMP_SYS (pipe2),
  SCMP_SYS (brk), SCMP_SYS (munmap), SCMP_SYS (mremap), SCMP_SYS (madvise), SCMP_SYS (futex), SCMP_SYS (set_robust_list),
  SCMP_SYS (get_robust_list), SCMP_SYS (rseq), SCMP_SYS (membarrier), SCMP_SYS (sched_yield), SCMP_SYS (sched_getaffinity),
  SCMP_SYS (getcpu), SCMP_SYS (getrusage), SCMP_SYS (clock_gettime), SCMP_SYS (clock_getres), SCMP_SYS (clock_nanosleep),
  SCMP_SYS (nanosleep), SCMP_SYS (gettimeofday), SCMP_SYS (time), SCMP_SYS (getrandom), SCMP_SYS (getpid), SCMP_SYS (gettid),
  SCMP_SYS (rt_sigaction), SCMP_SYS (rt_sigprocmask), SCMP_SYS (rt_sigreturn), SCMP_SYS (sigaltstack), SCMP_SYS (restart_syscall),
  SCMP_SYS (exit), SCMP_SYS (exit_group),
};

/* Allowed only where one argument, seen through a mask, has one value. */
typedef struct { int call; unsigned argument; guint64 mask, value; } Condition;

static const Condition conditions[] = {
  { SCMP_SYS (clone), 0, CLONE_THREAD, CLONE_THREAD },      /* threads, not processes */
  { SCMP_SYS (mmap), 2, PROT_EXEC, 0 },
  { SCMP_SYS (mprotect), 2, PROT_EXEC, 0 },
  { SCMP_SYS (prctl), 0, G_MAXUINT32, PR_SET_NAME },
  { SCMP_SYS (fcntl), 1, G_MAXUINT32, F_GETFL },
  { SCMP_SYS (fcntl), 1, G_MAXUINT32, F_SETFD },
};

static gboolean
fill_filter (scmp_filter_ctx filter)
{
  for (gsize i = 0; i < G_N_ELEMENTS (allowed); i++)
    if (seccomp_rule_add (filter, SCMP_ACT_ALLOW, allowed[i], 0) != 0)
      return FALSE;
  for (gsize i = 0; i < G_N_ELEMENTS (conditions); i++) {
    const Condition *c = &conditions[i];
    struct scmp_arg_cmp test = { .arg = c->argument, .op = SCMP_CMP_MASKED_EQ, .datum_a = c->mask, .datum_b = c->value };
    if (seccomp_rule_add_array (filter, SCMP_ACT_ALLOW, c->call, 1, &test) != 0)
      return FALSE;
  }
  /* clone3 hides its flags behind a pointer; where it seems not to exist, the C library uses clone. */
  return seccomp_rule_add (filter, SCMP_ACT_ERRNO (ENOSYS), SCMP_SYS (clone3), 0) == 0;
}

static gboolean
load_filter (const char **reason)
{
  scmp_filter_ctx filter = seccomp_init (SCMP_ACT_ERRNO (EPERM));
  int code = filter == NULL || !fill_filter (filter) ? -ENOMEM : seccomp_load (filter);
  if (filter != NULL)
    seccomp_release (filter);
  *reason = code == 0 ? NULL : g_strerror (-code);
  return code == 0;
}
#else
static gboolean
load_filter (const char **reason)
{
  *reason = NULL;
  return TRUE;
}
#endif

gboolean
sandbox_enter (guint64 memory, const char **reason)
{
  tzset ();
  if (!set_limits (memory) || prctl (PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) {
    *reason = g_strerror (errno);
    return FALSE;
  }
  return load_filter (reason);
}
