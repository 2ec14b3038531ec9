/* SPDX-License-Identifier: Apache-2.0
 * Running a job under the command line's front end: events, exit codes, and how soon Ctrl+C ends it. */
#include "app/cli/commands.h"
#include "app/cli/job.h"
#include "engine/checkpoint/json-text.h"

#include <signal.h>
#include <string.h>

enum { STEPS = 20 };

/* What the job shall do besides its steps. */
typedef struct {
  GError *error;            /* to fail with after half of the steps */
  guint pause;              /* milliseconds that a step takes */
  gboolean interrupt;       /* to send itself an interrupt at half of the steps, and go on until cancelled */
} Request;

static gboolean
wait_for_cancel (GCancellable *cancellable, GError **error)
{
  gint64 sent = g_get_monotonic_time ();
  raise (SIGINT);
  while (!g_cancellable_is_cancelled (cancellable) && g_get_monotonic_time () - sent < 5 * G_USEC_PER_SEC)
    g_usleep (1000);
  g_printerr ("noticed after %d ms\n", (int) ((g_get_monotonic_time () - sent) / 1000));
  return !g_cancellable_set_error_if_cancelled (cancellable, error);
}

static gboolean
job (gconstpointer data, const FwJobEvents *events, GCancellable *cancellable, GError **error)
{
  const Request *request = data;
  const FwJobPhase phases[] = { { "load", NULL, 10, 0 }, { "sample", NULL, 100, STEPS } };
  fw_job_plan (events, phases, G_N_ELEMENTS (phases));
  fw_job_phase (events, 0);
  fw_job_work (events, 10);
  fw_job_phase (events, 1);
  fw_job_message (events, "one message");
  for (guint step = 1; step <= STEPS; step++) {
    g_usleep (request->pause * 1000);
    fw_job_work (events, 100.0 * step / STEPS);
    fw_job_step (events, step, STEPS);
    fw_job_figure (events, step, "loss", 1.0 / step);
    if (step == STEPS / 2 && request->error != NULL) {
      *error = g_error_copy (request->error);
      return FALSE;
    }
    if (step == STEPS / 2 && request->interrupt && !wait_for_cancel (cancellable, error))
      return FALSE;
  }
  const FwJobResult result = { "clip.mp4", "{\"seed\":3}", 3, 16, 128, 128 };
  fw_job_result (events, &result);
  return TRUE;
}

/* The jobs by name, so that this program can be its own child. The one with long steps goes on while the main thread shows
 * its state every second: a matter for the thread sanitizer. */
static const struct { const char *name; int code; guint pause; gboolean interrupt, json; } children[] = {
  { "quiet", -1, 2, FALSE, FALSE },
  { "json", -1, 120, FALSE, TRUE },
  { "invalid", FW_ERROR_INVALID, 2, FALSE, FALSE },
  { "failed", FW_ERROR_NUMERIC, 2, FALSE, TRUE },
  { "interrupted", -1, 2, TRUE, TRUE },
};

static int
be_child (const char *name)
{
  for (gsize i = 0; i < G_N_ELEMENTS (children); i++) {
    if (strcmp (children[i].name, name) != 0)
      continue;
    g_autoptr (GError) error = children[i].code >= 0
      ? g_error_new_literal (FW_ERROR, children[i].code, "it was\nrefused") : NULL;
    const Request request = { error, children[i].pause, children[i].interrupt };
    return fw_cli_run_job (job, &request, children[i].json);
  }
  return 99;
}

typedef struct {
  char *output, *errors;
  int code;
} Ended;

static void
ended_clear (Ended *ended)
{
  g_free (ended->output);
  g_free (ended->errors);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Ended, ended_clear)

static Ended
run_child (const char *name)
{
  g_autoptr (GError) error = NULL;
  Ended ended = { NULL, NULL, -1 };
  g_autoptr (GSubprocess) child = g_subprocess_new (G_SUBPROCESS_FLAGS_STDOUT_PIPE | G_SUBPROCESS_FLAGS_STDERR_PIPE, &error,
                                                    "/proc/self/exe", "--child", name, NULL);
  g_assert_no_error (error);
  g_subprocess_communicate_utf8 (child, NULL, NULL, &ended.output, &ended.errors, &error);
  g_assert_no_error (error);
  g_assert_true (g_subprocess_get_if_exited (child));
  ended.code = g_subprocess_get_exit_status (child);
  return ended;
}

/* Where stderr is no terminal it stays empty but for messages. */
static void
test_quiet (void)
{
  g_auto (Ended) ended = run_child ("quiet");
  g_assert_cmpint (ended.code, ==, FW_EXIT_DONE);
  g_assert_cmpstr (ended.output, ==, "clip.mp4\n");
  g_assert_cmpstr (ended.errors, ==, "one message\n");
}

/* Parses the lines of events and counts those called @name; fractions must not fall, nor reach 1 before the end. */
static guint
count_events (const char *output, const char *name, const char *last)
{
  guint count = 0;
  double before = 0;
  g_auto (GStrv) lines = g_strsplit (output, "\n", -1);
  guint length = g_strv_length (lines);
  g_assert_cmpuint (length, >, 1);
  for (guint i = 0; i + 1 < length; i++) {
    g_autoptr (GError) error = NULL;
    g_autoptr (JsonNode) node = fw_json_text_parse (lines[i], strlen (lines[i]), "the event", &error);
    g_assert_no_error (error);
    JsonObject *event = json_node_get_object (node);
    const char *kind = json_object_get_string_member (event, "event");
    count += strcmp (kind, name) == 0;
    if (i + 2 == length)
      g_assert_cmpstr (kind, ==, last);
    double fraction = json_object_get_double_member_with_default (event, "fraction", before);
    g_assert_cmpfloat (fraction, >=, before);
    g_assert_true (fraction < 1 || i + 2 == length);
    before = fraction;
  }
  return count;
}

static void
test_json (void)
{
  g_auto (Ended) ended = run_child ("json");
  g_assert_cmpint (ended.code, ==, FW_EXIT_DONE);
  g_assert_cmpstr (ended.errors, ==, "");
  g_assert_cmpuint (count_events (ended.output, "progress", "done"), >=, STEPS + 2);
  g_assert_cmpuint (count_events (ended.output, "figure", "done"), ==, STEPS);
  g_assert_cmpuint (count_events (ended.output, "message", "done"), ==, 1);
  g_assert_cmpuint (count_events (ended.output, "result", "done"), ==, 1);
  g_assert_nonnull (strstr (ended.output, "\"phase\":\"sample\",\"step\":20,\"steps\":20"));
  g_assert_nonnull (strstr (ended.output, "\"path\":\"clip.mp4\""));
  g_assert_nonnull (strstr (ended.output, "\"recipe\":{\"seed\":3}"));
}

static void
test_refused (void)
{
  g_auto (Ended) invalid = run_child ("invalid");
  g_assert_cmpint (invalid.code, ==, FW_EXIT_USAGE);
  g_assert_cmpstr (invalid.errors, ==, "framewright-cli: it was refused\n");
  g_assert_cmpstr (invalid.output, ==, "");
  g_auto (Ended) failed = run_child ("failed");
  g_assert_cmpint (failed.code, ==, FW_EXIT_FAILED);
  g_assert_cmpstr (failed.errors, ==, "framewright-cli: it was refused\n");
  g_assert_cmpuint (count_events (failed.output, "stopped", "stopped"), ==, 1);
}

static void
test_interrupted (void)
{
  g_auto (Ended) ended = run_child ("interrupted");
  g_assert_cmpint (ended.code, ==, FW_EXIT_CANCELLED);
  const char *delay = strstr (ended.errors, "noticed after ");
  g_assert_nonnull (delay);
  g_assert_cmpint (g_ascii_strtoll (delay + strlen ("noticed after "), NULL, 10), <, 200);
  g_assert_nonnull (strstr (ended.errors, "framewright-cli: stopped"));
  g_assert_cmpuint (count_events (ended.output, "stopped", "stopped"), ==, 1);
}

int
main (int argc, char **argv)
{
  if (argc == 3 && strcmp (argv[1], "--child") == 0)
    return be_child (argv[2]);
  g_test_init (&argc, &argv, NULL);
  g_setenv ("XDG_CACHE_HOME", "/nonexistent", TRUE);
  g_test_add_func ("/cli-job/quiet", test_quiet);
  g_test_add_func ("/cli-job/json", test_json);
  g_test_add_func ("/cli-job/refused", test_refused);
  g_test_add_func ("/cli-job/interrupted", test_interrupted);
  return g_test_run ();
}
