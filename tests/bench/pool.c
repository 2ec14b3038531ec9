/* SPDX-License-Identifier: Apache-2.0
 * A small pool of threads for the benchmark: ranges are handed out by an atomic counter. */
#include "tests/bench/bench.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

typedef struct {
  FwParallel parallel;
  pthread_mutex_t lock;
  pthread_cond_t wake, done;
  pthread_t thread[64];
  int generation, running, started;
  bool stop;
  void (*body) (void *context, int64_t begin, int64_t end, int worker);
  void *context;
  int64_t count, grain;
  atomic_llong next;
} Pool;

static void
work (Pool *pool, int worker)
{
  for (;;) {
    int64_t begin = atomic_fetch_add (&pool->next, pool->grain);
    if (begin >= pool->count)
      return;
    pool->body (pool->context, begin, begin + pool->grain < pool->count ? begin + pool->grain : pool->count, worker);
  }
}

static void *
thread_main (void *data)
{
  Pool *pool = data;
  fw_cpu_thread_init ();
  pthread_mutex_lock (&pool->lock);
  int worker = ++pool->started, seen = 0;
  for (;;) {
    while (pool->generation == seen && !pool->stop)
      pthread_cond_wait (&pool->wake, &pool->lock);
    if (pool->stop)
      break;
    seen = pool->generation;
    pthread_mutex_unlock (&pool->lock);
    work (pool, worker);
    pthread_mutex_lock (&pool->lock);
    if (--pool->running == 0)
      pthread_cond_signal (&pool->done);
  }
  pthread_mutex_unlock (&pool->lock);
  return NULL;
}

static void
run (FwParallel *parallel, int64_t count, int64_t grain, void (*body) (void *, int64_t, int64_t, int), void *context)
{
  Pool *pool = (Pool *) parallel;
  pthread_mutex_lock (&pool->lock);
  pool->body = body;
  pool->context = context;
  pool->count = count;
  pool->grain = grain;
  atomic_store (&pool->next, 0);
  pool->running = parallel->workers - 1;
  pool->generation++;
  pthread_cond_broadcast (&pool->wake);
  pthread_mutex_unlock (&pool->lock);
  work (pool, 0);
  pthread_mutex_lock (&pool->lock);
  while (pool->running > 0)
    pthread_cond_wait (&pool->done, &pool->lock);
  pthread_mutex_unlock (&pool->lock);
}

FwParallel *
bench_pool_new (int workers)
{
  Pool *pool = calloc (1, sizeof *pool);
  if (pool == NULL)
    return NULL;
  pool->parallel = (FwParallel) { .workers = workers < 64 ? workers : 64, .run = run };
  pthread_mutex_init (&pool->lock, NULL);
  pthread_cond_init (&pool->wake, NULL);
  pthread_cond_init (&pool->done, NULL);
  for (int i = 1; i < pool->parallel.workers; i++)
    pthread_create (&pool->thread[i], NULL, thread_main, pool);
  return &pool->parallel;
}

void
bench_pool_free (FwParallel *parallel)
{
  Pool *pool = (Pool *) parallel;
  pthread_mutex_lock (&pool->lock);
  pool->stop = true;
  pthread_cond_broadcast (&pool->wake);
  pthread_mutex_unlock (&pool->lock);
  for (int i = 1; i < pool->parallel.workers; i++)
    pthread_join (pool->thread[i], NULL);
  free (pool);
}
