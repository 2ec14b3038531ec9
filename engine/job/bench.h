/* SPDX-License-Identifier: Apache-2.0
 * The bench job: times networks of stated sizes with random weights on this machine. */
#pragma once
#include "engine/job/event.h"

/* The name of suite number @index and what it times; NULL from the last on. */
const char *fw_bench_suite (guint index, const char **about);

typedef struct {
  const char *suite;         /* a suite's name, or "all" */
  const char *precision;     /* auto, fp32, bf16 */
  int runs;                  /* timed runs after one to warm up */
} FwBenchRequest;

/* Reports each suite as one line of JSON: bench, path, dtype, workers, gflop, median_s, best_s, gflops_median, gflops_best,
 * the bytes of its plan and weights, and peak_bytes, the most that the process has held so far above what it held at first.
 * FW_ERROR_INVALID for an unknown suite. Blocks the calling thread. */
gboolean fw_bench (const FwBenchRequest *request, void (*report) (gpointer user_data, const char *json), gpointer user_data,
                   const FwJobEvents *events, GCancellable *cancellable, GError **error);
