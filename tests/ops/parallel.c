/* SPDX-License-Identifier: Apache-2.0
 * The test's parallel loops. */
#include "tests/ops/parallel.h"

#include "kernels/cpu/cpu.h"
#include "tests/ops/operand.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

typedef void (*Body) (void *context, int64_t begin, int64_t end, int worker);

static int64_t
smaller (int64_t a, int64_t b)
{
  return a < b ? a : b;
}

static bool
is_misuse (FwParallel *loop, int64_t count, int64_t grain)
{
  TestParallel *parallel = (TestParallel *) loop;
  parallel->misused = parallel->misused || count < 0 || grain < 1;
  return count < 0 || grain < 1;
}

static void
run_serial (FwParallel *loop, int64_t count, int64_t grain, Body body, void *context)
{
  if (is_misuse (loop, count, grain))
    return;
  for (int64_t begin = 0; begin < count; begin += grain)
    body (context, begin, smaller (begin + grain, count), 0);
}

static void
run_shuffled (FwParallel *loop, int64_t count, int64_t grain, Body body, void *context)
{
  if (is_misuse (loop, count, grain))
    return;
  TestParallel *parallel = (TestParallel *) loop;
  Random random = { parallel->seed };
  int64_t smallest = (grain + 1) / 2, room = count / smallest + 1, ranges = 0;
  int64_t *begins = malloc ((size_t) (room + 1) * sizeof *begins);
  int64_t *ends = malloc ((size_t) (room + 1) * sizeof *ends);
  for (int64_t begin = 0; begin < count; begin = ends[ranges - 1]) {
    int64_t length = smallest + (int64_t) random_uniform (&random, 0, (double) (grain - smallest + 1));
    begins[ranges] = begin;
    ends[ranges++] = smaller (begin + length, count);
  }
  for (int64_t left = ranges; left > 0; left--) {
    int64_t pick = (int64_t) random_uniform (&random, 0, (double) left);
    body (context, begins[pick], ends[pick], (int) random_uniform (&random, 0, loop->workers));
    begins[pick] = begins[left - 1];
    ends[pick] = ends[left - 1];
  }
  free (begins);
  free (ends);
}

typedef struct {
  atomic_llong next;
  int64_t count, grain;
  Body body;
  void *context;
} Share;

typedef struct {
  Share *share;
  int worker;
} Thread;

static void *
work (void *data)
{
  Thread *thread = data;
  Share *share = thread->share;
  fw_cpu_thread_init ();
  for (;;) {
    int64_t begin = atomic_fetch_add (&share->next, share->grain);
    if (begin >= share->count)
      return NULL;
    share->body (share->context, begin, smaller (begin + share->grain, share->count), thread->worker);
  }
}

static void
run_threads (FwParallel *loop, int64_t count, int64_t grain, Body body, void *context)
{
  if (is_misuse (loop, count, grain))
    return;
  Share share = { .count = count, .grain = grain, .body = body, .context = context };
  pthread_t handles[16];
  Thread threads[16];
  for (int i = 0; i < loop->workers; i++) {
    threads[i] = (Thread) { &share, i };
    if (i > 0 && pthread_create (&handles[i], NULL, work, &threads[i]) != 0)
      abort ();
  }
  work (&threads[0]);
  for (int i = 1; i < loop->workers; i++)
    pthread_join (handles[i], NULL);
}

TestParallel
parallel_serial (void)
{
  return (TestParallel) { .loop = { 1, run_serial } };
}

TestParallel
parallel_shuffled (int workers, uint64_t seed)
{
  return (TestParallel) { .loop = { workers, run_shuffled }, .seed = seed };
}

TestParallel
parallel_threads (int workers)
{
  return (TestParallel) { .loop = { workers < 16 ? workers : 16, run_threads } };
}
