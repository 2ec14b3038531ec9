/* SPDX-License-Identifier: Apache-2.0
 * The worker pool: one loop at a time, published by a generation counter; workers spin briefly, then sleep. */
#include "engine/exec/pool.h"

#include <math.h>
#include <pthread.h>
#include <sched.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "engine/memory/cgroup.h"
#include "kernels/cpu/cpu.h"

/* Long enough to bridge the gap between two ops, short enough not to burn a core between two steps. */
enum { SPINS = 2000, WORKER_NICENESS = 5 };

typedef struct {
  FwPool *pool;
  int index;
  pthread_t thread;
} Worker;

struct _FwPool {
  FwParallel parallel;
  Worker *workers;            /* 1 .. parallel.workers - 1; the caller is worker 0 */
  pthread_mutex_t mutex;      /* guards sleeping, generation changes and finished */
  pthread_cond_t wake, done;
  atomic_uint generation;
  atomic_bool quit;
  atomic_bool *cancel;
  /* the loop being run; written before the generation changes */
  void (*body) (void *context, int64_t begin, int64_t end, int worker);
  void *context;
  int64_t count, grain;
  atomic_llong next;
  atomic_int busy;            /* workers that have not yet left the loop */
};

static void
relax (void)
{
#if defined (__x86_64__)
  __builtin_ia32_pause ();
#endif
}

static bool
pool_stopped (const FwParallel *parallel)
{
  const FwPool *pool = (const FwPool *) parallel;
  return pool->cancel != NULL && atomic_load_explicit (pool->cancel, memory_order_relaxed);
}

static void
take_ranges (FwPool *pool, int worker)
{
  for (;;) {
    if (pool_stopped (&pool->parallel))
      return;
    int64_t begin = atomic_fetch_add (&pool->next, pool->grain);
    if (begin >= pool->count)
      return;
    pool->body (pool->context, begin, MIN (begin + pool->grain, pool->count), worker);
  }
}

static void *
worker_main (void *data)
{
  Worker *worker = data;
  FwPool *pool = worker->pool;
  guint seen = 0;
  setpriority (PRIO_PROCESS, (id_t) syscall (SYS_gettid), WORKER_NICENESS);
  fw_cpu_thread_init ();
  for (;;) {
    for (int i = 0; i < SPINS && atomic_load (&pool->generation) == seen; i++)
      relax ();
    if (atomic_load (&pool->generation) == seen) {
      pthread_mutex_lock (&pool->mutex);
      while (atomic_load (&pool->generation) == seen)
        pthread_cond_wait (&pool->wake, &pool->mutex);
      pthread_mutex_unlock (&pool->mutex);
    }
    seen = atomic_load (&pool->generation);
    if (atomic_load (&pool->quit))
      return NULL;
    take_ranges (pool, worker->index);
    if (atomic_fetch_sub (&pool->busy, 1) == 1) {
      pthread_mutex_lock (&pool->mutex);
      pthread_cond_signal (&pool->done);
      pthread_mutex_unlock (&pool->mutex);
    }
  }
}

static void
publish (FwPool *pool)
{
  pthread_mutex_lock (&pool->mutex);
  atomic_fetch_add (&pool->generation, 1);
  pthread_cond_broadcast (&pool->wake);
  pthread_mutex_unlock (&pool->mutex);
}

static void
pool_run (FwParallel *parallel, int64_t count, int64_t grain, void (*body) (void *, int64_t, int64_t, int), void *context)
{
  FwPool *pool = (FwPool *) parallel;
  pool->body = body;
  pool->context = context;
  pool->count = count;
  pool->grain = MAX (grain, 1);
  atomic_store (&pool->next, 0);
  gboolean alone = parallel->workers == 1 || count <= pool->grain;
  if (!alone) {
    atomic_store (&pool->busy, parallel->workers - 1);
    publish (pool);
  }
  take_ranges (pool, 0);
  if (alone)
    return;
  for (int i = 0; i < SPINS && atomic_load (&pool->busy) > 0; i++)
    relax ();
  if (atomic_load (&pool->busy) == 0)
    return;
  pthread_mutex_lock (&pool->mutex);
  while (atomic_load (&pool->busy) > 0)
    pthread_cond_wait (&pool->done, &pool->mutex);
  pthread_mutex_unlock (&pool->mutex);
}

int
fw_pool_cores (void)
{
  cpu_set_t set;
  int cores = sched_getaffinity (0, sizeof set, &set) == 0 ? CPU_COUNT (&set) : 1;
  return (int) CLAMP (ceil (fw_cgroup_cores ("/")), 1, MAX (cores, 1));
}

FwPool *
fw_pool_new (int workers)
{
  FwPool *pool = g_new0 (FwPool, 1);
  pool->parallel.workers = 1;
  pool->parallel.run = pool_run;
  pool->parallel.stopped = pool_stopped;
  pthread_mutex_init (&pool->mutex, NULL);
  pthread_cond_init (&pool->wake, NULL);
  pthread_cond_init (&pool->done, NULL);
  fw_cpu_thread_init ();
  int wanted = workers > 0 ? workers : fw_pool_cores ();
  pool->workers = g_new0 (Worker, wanted);
  for (int i = 1; i < wanted; i++) {
    pool->workers[i] = (Worker) { .pool = pool, .index = i };
    if (pthread_create (&pool->workers[i].thread, NULL, worker_main, &pool->workers[i]) != 0)
      break; /* fewer workers still do the work */
    pool->parallel.workers++;
  }
  return pool;
}

void
fw_pool_free (FwPool *pool)
{
  if (pool == NULL)
    return;
  atomic_store (&pool->quit, TRUE);
  publish (pool);
  for (int i = 1; i < pool->parallel.workers; i++)
    pthread_join (pool->workers[i].thread, NULL);
  pthread_cond_destroy (&pool->wake);
  pthread_cond_destroy (&pool->done);
  pthread_mutex_destroy (&pool->mutex);
  g_free (pool->workers);
  g_free (pool);
}

FwParallel *
fw_pool_parallel (FwPool *pool)
{
  return &pool->parallel;
}

void
fw_pool_set_cancel (FwPool *pool, atomic_bool *flag)
{
  pool->cancel = flag;
}
