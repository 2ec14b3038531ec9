/* SPDX-License-Identifier: Apache-2.0
 * Times the CPU kernels: kernels [--threads N] [--rounds N] [--path NAME] [--op TEXT] prints one JSON line a case and
 * path. All cases and paths take turns in every round, so that a slow spell of the machine falls on all of them. */
#include "tests/bench/bench.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { MAX_ROUNDS = 200, MAX_PATHS = 8 };

typedef struct {
  int threads, rounds;
  const char *path, *op;
} Options;

static double
now (clockid_t clock)
{
  struct timespec time;
  clock_gettime (clock, &time);
  return (double) time.tv_sec + 1e-9 * (double) time.tv_nsec;
}

static int
compare_doubles (const void *a, const void *b)
{
  double x = *(const double *) a, y = *(const double *) b;
  return (x > y) - (x < y);
}

static FwKernel
kernel_of (const FwCpuPath *path, const BenchCase *one)
{
  FwKernel kernel;
  memcpy (&kernel, (const char *) path + one->kernel, sizeof kernel);
  return kernel;
}

static bool
selected (const Options *options, const FwCpuPath *path, const BenchCase *one)
{
  return kernel_of (path, one).run != NULL && (options->path == NULL || strcmp (options->path, path->name) == 0)
         && (options->op == NULL || strstr (one->name, options->op) || strstr (one->shape, options->op));
}

typedef struct { double wall[MAX_ROUNDS], cpu[MAX_ROUNDS]; } Times;

/* One call; false without memory. The processor's time, of all threads together, is what the call would take on a machine
 * that does nothing else. */
static bool
time_once (const FwCpuPath *path, BenchCase *one, FwParallel *pool, void **scratch, size_t *scratch_size, double *wall,
           double *cpu)
{
  FwKernel kernel = kernel_of (path, one);
  one->call.attributes = &one->attributes;
  one->call.parallel = pool;
  size_t wanted = kernel.scratch ? kernel.scratch (&one->call) : 0;
  if (wanted > *scratch_size) {
    free (*scratch);
    *scratch_size = (wanted + 63) / 64 * 64;
    *scratch = aligned_alloc (64, *scratch_size);
    if (*scratch == NULL)
      return false;
    memset (*scratch, 0, *scratch_size);
  }
  one->call.scratch = *scratch;
  one->call.scratch_size = wanted;
  double wall_begin = now (CLOCK_MONOTONIC), cpu_begin = now (CLOCK_PROCESS_CPUTIME_ID);
  kernel.run (&one->call);
  *cpu = now (CLOCK_PROCESS_CPUTIME_ID) - cpu_begin;
  *wall = now (CLOCK_MONOTONIC) - wall_begin;
  return true;
}

static int
run (const Options *options, BenchCase *cases, int count)
{
  static Times times[BENCH_MAX_CASES][MAX_PATHS];
  const FwCpuPath *const *paths = fw_cpu_paths ();
  FwParallel *pool = bench_pool_new (options->threads);
  void *scratch = NULL;
  size_t scratch_size = 0;
  for (int round = -1; round < options->rounds; round++)
    for (int i = 0; i < count; i++)
      for (int p = 0; paths[p] && p < MAX_PATHS; p++)
        if (selected (options, paths[p], &cases[i])) {
          int slot = round < 0 ? 0 : round;
          if (!time_once (paths[p], &cases[i], pool, &scratch, &scratch_size, &times[i][p].wall[slot], &times[i][p].cpu[slot]))
            return 1;
        }
  for (int i = 0; i < count; i++)
    for (int p = 0; paths[p] && p < MAX_PATHS; p++)
      if (selected (options, paths[p], &cases[i])) {
        Times *taken = &times[i][p];
        double scale = cases[i].work * 1e-9;
        int middle = options->rounds / 2;
        qsort (taken->wall, (size_t) options->rounds, sizeof (double), compare_doubles);
        qsort (taken->cpu, (size_t) options->rounds, sizeof (double), compare_doubles);
        printf ("{\"op\":\"%s\",\"shape\":\"%s\",\"path\":\"%s\",\"threads\":%d,\"unit\":\"%s\",\"median\":%.1f,\"best\":%.1f,"
                "\"cpu_median\":%.1f,\"cpu_best\":%.1f,\"median_ms\":%.3f}\n", cases[i].name, cases[i].shape, paths[p]->name,
                options->threads, cases[i].unit, scale / taken->wall[middle], scale / taken->wall[0],
                scale / taken->cpu[middle], scale / taken->cpu[0], taken->wall[middle] * 1e3);
      }
  free (scratch);
  bench_pool_free (pool);
  return 0;
}

int
main (int argc, char **argv)
{
  static BenchCase cases[BENCH_MAX_CASES];
  Options options = { 1, 9, NULL, NULL };
  for (int i = 1; i < argc; i += 2) {
    const char *value = i + 1 < argc ? argv[i + 1] : "";
    if (strcmp (argv[i], "--threads") == 0) {
      options.threads = atoi (value);
    } else if (strcmp (argv[i], "--rounds") == 0) {
      options.rounds = atoi (value);
    } else if (strcmp (argv[i], "--path") == 0) {
      options.path = value;
    } else if (strcmp (argv[i], "--op") == 0) {
      options.op = value;
    } else {
      fprintf (stderr, "usage: kernels [--threads N] [--rounds N] [--path NAME] [--op TEXT]\n");
      return 2;
    }
  }
  if (options.threads < 1 || options.threads > 64 || options.rounds < 1 || options.rounds > MAX_ROUNDS) {
    fprintf (stderr, "threads must be 1 to 64, rounds 1 to %d\n", MAX_ROUNDS);
    return 2;
  }
  fw_cpu_thread_init ();
  return run (&options, cases, bench_cases (cases));
}
