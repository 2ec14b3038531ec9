/* SPDX-License-Identifier: Apache-2.0
 * framewright-cli bench: machine-readable timings of the networks on this machine. */
#include "engine/job/bench.h"
#include "app/cli/commands.h"
#include "app/cli/job.h"

#include <stdio.h>

typedef struct {
  GStrv suite;
  char *precision;
  gint64 runs;
  gboolean json;
} Values;

#define AT(field) G_STRUCT_OFFSET (Values, field)

static const FwOption options[] = {
  { "precision", FW_OPTION_CHOICE, AT (precision), "auto|fp32|bf16", 0, 0, "auto", "number format of products and attention" },
  { "runs", FW_OPTION_INTEGER, AT (runs), "N", 1, 10000, "5", "timed runs, after one to warm up" },
  { "json", FW_OPTION_FLAG, AT (json), NULL, 0, 0, NULL, "print one JSON object for each event, too" },
  { NULL },
};
static const Values defaults = { .runs = 5 };

static void
report (gpointer user_data, const char *json)
{
  puts (json);
  fflush (stdout);
}

static gboolean
job (gconstpointer request, const FwJobEvents *events, GCancellable *cancellable, GError **error)
{
  const Values *values = request;
  const FwBenchRequest bench = { values->suite[0], values->precision, (int) values->runs };
  return fw_bench (&bench, report, NULL, events, cancellable, error);
}

static void
explain (GString *help)
{
  const char *name, *about;
  g_string_append (help, "\nSuites:\n");
  for (guint i = 0; (name = fw_bench_suite (i, &about)) != NULL; i++)
    g_string_append_printf (help, "  %-11s %s\n", name, about);
}

static int
run (gpointer data)
{
  const Values *values = data;
  return fw_cli_run_job (job, values, values->json);
}

const FwCommand fw_command_bench = {
  .name = "bench",
  .arguments = "stdit|t5|vae-decode|train-step|all [OPTION…]",
  .summary = "Times the networks at stated sizes, one JSON line each.",
  .options = options,
  .values_size = sizeof (Values),
  .defaults = &defaults,
  .positionals_offset = AT (suite),
  .positionals_minimum = 1,
  .positionals_maximum = 1,
  .explain = explain,
  .run = run,
};
