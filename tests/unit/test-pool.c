/* SPDX-License-Identifier: Apache-2.0
 * The worker pool: every item once, in ranges no longer than asked, on workers that exist; cancelling, thousands of short
 * loops, pools inside pools. */
#include <sched.h>
#include <string.h>
#include <unistd.h>

#include "engine/exec/pool.h"

typedef struct {
  atomic_int *visits;        /* per item */
  int64_t grain;
  int workers;
  atomic_int wrong;          /* ranges or workers that cannot be */
  atomic_bool *cancel;       /* set at item @cancel_at */
  int64_t cancel_at;
  atomic_llong done;
} Loop;

static void
visit (void *context, int64_t begin, int64_t end, int worker)
{
  Loop *loop = context;
  if (begin < 0 || end <= begin || end - begin > loop->grain || worker < 0 || worker >= loop->workers)
    atomic_fetch_add (&loop->wrong, 1);
  for (int64_t i = begin; i < end; i++) {
    atomic_fetch_add (&loop->visits[i], 1);
    atomic_fetch_add (&loop->done, 1);
    if (loop->cancel != NULL && i == loop->cancel_at)
      atomic_store (loop->cancel, TRUE);
  }
}

static void
test_ranges (void)
{
  static const int64_t counts[] = { 0, 1, 2, 7, 64, 1000 }, grains[] = { 1, 3, 64, 5000 };
  for (int workers = 1; workers <= 4; workers++) {
    FwPool *pool = fw_pool_new (workers);
    FwParallel *parallel = fw_pool_parallel (pool);
    g_assert_cmpint (parallel->workers, ==, workers);
    for (guint c = 0; c < G_N_ELEMENTS (counts); c++)
      for (guint g = 0; g < G_N_ELEMENTS (grains); g++) {
        atomic_int visits[1001] = { 0 };
        Loop loop = { .visits = visits, .grain = grains[g], .workers = workers };
        parallel->run (parallel, counts[c], grains[g], visit, &loop);
        for (int64_t i = 0; i <= 1000; i++)
          g_assert_cmpint (atomic_load (&visits[i]), ==, i < counts[c]);
        g_assert_cmpint (atomic_load (&loop.wrong), ==, 0);
      }
    fw_pool_free (pool);
  }
}

/* A grain of 0 or less counts as 1. */
static void
test_grain (void)
{
  FwPool *pool = fw_pool_new (2);
  FwParallel *parallel = fw_pool_parallel (pool);
  atomic_int visits[10] = { 0 };
  Loop loop = { .visits = visits, .grain = 1, .workers = 2 };
  parallel->run (parallel, 10, 0, visit, &loop);
  parallel->run (parallel, -5, 1, visit, &loop);
  g_assert_cmpint (atomic_load (&loop.done), ==, 10);
  g_assert_cmpint (atomic_load (&loop.wrong), ==, 0);
  fw_pool_free (pool);
}

static void
wait_until_all (void *context, int64_t begin, int64_t end, int worker)
{
  atomic_int *arrived = context;
  atomic_fetch_add (arrived, 1);
  gint64 limit = g_get_monotonic_time () + 20 * G_USEC_PER_SEC;
  while (atomic_load (arrived) < 3 && g_get_monotonic_time () < limit)
    sched_yield ();
}

/* Ranges that wait for each other get done: all workers really take part. */
static void
test_together (void)
{
  FwPool *pool = fw_pool_new (3);
  for (int i = 0; i < 20; i++) {
    atomic_int arrived = 0;
    fw_pool_parallel (pool)->run (fw_pool_parallel (pool), 3, 1, wait_until_all, &arrived);
    g_assert_cmpint (atomic_load (&arrived), ==, 3);
  }
  fw_pool_free (pool);
}

static void
test_cancel (void)
{
  enum { COUNT = 100000 };
  g_autofree atomic_int *visits = g_new0 (atomic_int, COUNT);
  for (int workers = 1; workers <= 3; workers++) {
    FwPool *pool = fw_pool_new (workers);
    FwParallel *parallel = fw_pool_parallel (pool);
    atomic_bool cancel = FALSE;
    Loop loop = { .visits = visits, .grain = 1, .workers = workers, .cancel = &cancel, .cancel_at = 50 };
    fw_pool_set_cancel (pool, &cancel);
    parallel->run (parallel, COUNT, 1, visit, &loop);
    /* after the flag each worker may finish the range it has; a busy machine may let others run on before it is seen */
    g_assert_cmpint (atomic_load (&loop.done), >=, 51);
    g_assert_cmpint (atomic_load (&loop.done), <, COUNT);
    if (workers == 1)
      g_assert_cmpint (atomic_load (&loop.done), ==, 51);

    atomic_store (&loop.done, 0);
    parallel->run (parallel, COUNT, 1, visit, &loop); /* still set: nothing runs */
    g_assert_cmpint (atomic_load (&loop.done), ==, 0);
    fw_pool_set_cancel (pool, NULL);
    loop.cancel = NULL;
    parallel->run (parallel, 100, 1, visit, &loop);
    g_assert_cmpint (atomic_load (&loop.done), ==, 100);
    fw_pool_free (pool);
  }
}

typedef struct { atomic_llong sum; } Sum;

static void
add_items (void *context, int64_t begin, int64_t end, int worker)
{
  for (int64_t i = begin; i < end; i++)
    atomic_fetch_add (&((Sum *) context)->sum, i + 1);
}

/* What one loop leaves in plain memory the next one and the caller may read. */
static void
copy_next (void *context, int64_t begin, int64_t end, int worker)
{
  int *numbers = context;
  for (int64_t i = begin; i < end; i++)
    numbers[64 + i] = numbers[i] + 1;
}

static void
test_many_loops (void)
{
  FwPool *pool = fw_pool_new (3);
  FwParallel *parallel = fw_pool_parallel (pool);
  int numbers[128] = { 0 };
  for (int64_t round = 0; round < 3000; round++) {
    Sum sum = { 0 };
    int64_t count = round % 17;
    parallel->run (parallel, count, 1 + round % 3, add_items, &sum);
    g_assert_cmpint (atomic_load (&sum.sum), ==, count * (count + 1) / 2);
    parallel->run (parallel, 64, 8, copy_next, numbers);
    for (int i = 0; i < 64; i++) {
      g_assert_cmpint (numbers[64 + i], ==, round + 1);
      numbers[i] = numbers[64 + i];
    }
    if (round % 500 == 499)
      g_usleep (5000); /* workers fall asleep and have to be woken */
  }
  fw_pool_free (pool);
}

static void
pool_in_pool (void *context, int64_t begin, int64_t end, int worker)
{
  FwPool *inner = fw_pool_new (2);
  fw_pool_parallel (inner)->run (fw_pool_parallel (inner), 100, 7, add_items, context);
  fw_pool_free (inner);
}

static void
test_pools (void)
{
  for (int round = 0; round < 30; round++) {
    FwPool *first = fw_pool_new (1 + round % 3), *second = fw_pool_new (2);
    Sum sum = { 0 };
    fw_pool_parallel (first)->run (fw_pool_parallel (first), 4, 1, pool_in_pool, &sum);
    fw_pool_parallel (second)->run (fw_pool_parallel (second), 100, 1, add_items, &sum);
    g_assert_cmpint (atomic_load (&sum.sum), ==, 5 * 5050);
    fw_pool_free (first);
    fw_pool_free (second);
  }
  FwPool *idle = fw_pool_new (4); /* freed before it ever ran */
  fw_pool_free (idle);
  fw_pool_free (NULL);
}

/* No more workers than cores that the process may use. */
static void
test_cores (void)
{
  cpu_set_t before, one;
  g_assert_cmpint (sched_getaffinity (0, sizeof before, &before), ==, 0);
  g_assert_cmpint (fw_pool_cores (), >=, 1);
  g_assert_cmpint (fw_pool_cores (), <=, CPU_COUNT (&before));
  FwPool *pool = fw_pool_new (0);
  g_assert_cmpint (fw_pool_parallel (pool)->workers, ==, fw_pool_cores ());
  fw_pool_free (pool);
  CPU_ZERO (&one);
  for (int cpu = 0; cpu < CPU_SETSIZE && CPU_COUNT (&one) == 0; cpu++)
    if (CPU_ISSET (cpu, &before))
      CPU_SET (cpu, &one);
  g_assert_cmpint (sched_setaffinity (0, sizeof one, &one), ==, 0);
  g_assert_cmpint (fw_pool_cores (), ==, 1);
  g_assert_cmpint (sched_setaffinity (0, sizeof before, &before), ==, 0);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/pool/ranges", test_ranges);
  g_test_add_func ("/pool/grain", test_grain);
  g_test_add_func ("/pool/together", test_together);
  g_test_add_func ("/pool/cancel", test_cancel);
  g_test_add_func ("/pool/many-loops", test_many_loops);
  g_test_add_func ("/pool/pools", test_pools);
  g_test_add_func ("/pool/cores", test_cores);
  return g_test_run ();
}
