/* SPDX-License-Identifier: Apache-2.0
 * Progress for people: a bar on stderr that is drawn over itself where that is a terminal, else nothing but what the user must
 * know of a job that succeeded. Paths of results go to stdout, one a line. */
#include "app/cli/print.h"
#include "app/cli/progress.h"

#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

enum { NARROW = 40, BAR = 24 };

static char *
describe (const FwProgressState *state)
{
  GString *text = g_string_new (state->phase != NULL ? state->phase : "start");
  if (state->steps > 0)
    g_string_append_printf (text, " %u/%u", state->step, state->steps);
  return g_string_free (text, FALSE);
}

static char *
time_left (const FwProgressState *state)
{
  if (state->remaining < 0)
    return g_strdup ("time left not known yet");
  g_autofree char *duration = fw_progress_duration (state->remaining);
  return g_strconcat (duration, " left", NULL);
}

static void
print_message (const char *sentence)
{
  g_autofree char *line = fw_cli_printable (sentence);
  fprintf (stderr, "%s\n", line);
}

static void
print_result (const FwJobResult *result)
{
  fprintf (stdout, "%s\n", result->path);
  fflush (stdout);
}

static void
clear_bar (void)
{
  fputs ("\r\033[K", stderr);
}

static void
bar_state (const FwProgressState *state)
{
  struct winsize window = { 0 };
  int columns = ioctl (STDERR_FILENO, TIOCGWINSZ, &window) == 0 && window.ws_col > 0 ? window.ws_col : 80;
  g_autofree char *what = describe (state);
  g_autofree char *left = time_left (state);
  int percent = (int) (state->fraction * 100);
  char bar[BAR + 1];
  memset (bar, '.', BAR);
  memset (bar, '#', (gsize) (state->fraction * BAR));
  bar[BAR] = '\0';
  g_autofree char *line = columns < NARROW + BAR ? g_strdup_printf ("%3d %% %s", percent, what)
                                                 : g_strdup_printf ("[%s] %3d %%  %-18s %s", bar, percent, what, left);
  fprintf (stderr, "\r%.*s\033[K", columns - 1, line);
  fflush (stderr);
}

static void
bar_figure (gint64 step, const char *name, double value)
{
  clear_bar ();
  fprintf (stderr, "step %" G_GINT64_FORMAT "  %s %.6g\n", step, name, value);
}

static void
bar_message (const char *sentence)
{
  clear_bar ();
  print_message (sentence);
}

static void
bar_result (const FwJobResult *result)
{
  clear_bar ();
  print_result (result);
}

static void
bar_end (const FwProgressState *state, const GError *error)
{
  clear_bar ();
}

const FwProgressView fw_progress_bar = { bar_state, bar_figure, bar_message, bar_result, bar_end, 0.2, 0.05, FALSE };

static void
quiet_state (const FwProgressState *state)
{
}

static void
quiet_figure (gint64 step, const char *name, double value)
{
}

static void
quiet_end (const FwProgressState *state, const GError *error)
{
}

const FwProgressView fw_progress_quiet = { quiet_state, quiet_figure, print_message, print_result, quiet_end, 1, 1, TRUE };
