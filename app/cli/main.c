/* SPDX-License-Identifier: Apache-2.0
 * framewright-cli: the studio's jobs without a window. Finds the command, parses its options, runs it. */
#include "app/cli/commands.h"
#include "app/cli/print.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static const FwCommand *const commands[] = {
  &fw_command_generate, &fw_command_train, &fw_command_models, &fw_command_inspect, &fw_command_bench
};

static void
print_help (FILE *stream)
{
  fputs ("Usage: framewright-cli COMMAND [OPTION…]\n"
         "Makes video clips from text, headless.\n"
         "\n"
         "Commands:\n", stream);
  for (gsize i = 0; i < G_N_ELEMENTS (commands); i++)
    fprintf (stream, "  %-10s %s\n", commands[i]->name, commands[i]->summary);
  fputs ("\nframewright-cli COMMAND --help tells a command's options; --version tells the version.\n"
         "Exit codes: 0 done, 1 failed, 2 usage, 130 cancelled.\n", stream);
}

static const FwCommand *
find_command (const char *name)
{
  for (gsize i = 0; i < G_N_ELEMENTS (commands); i++)
    if (strcmp (commands[i]->name, name) == 0)
      return commands[i];
  return NULL;
}

static gboolean
asks_for_help (char **words)
{
  for (gsize i = 0; words[i] != NULL && strcmp (words[i], "--") != 0; i++)
    if (strcmp (words[i], "--help") == 0 || strcmp (words[i], "-h") == 0)
      return TRUE;
  return FALSE;
}

/* Output that could not be written is a failure: a full disk or a closed pipe must not look like success. */
static int
finish (int code)
{
  if (fflush (stdout) == 0 && !ferror (stdout))
    return code;
  fputs ("framewright-cli: cannot write to standard output\n", stderr);
  return code == FW_EXIT_DONE ? FW_EXIT_FAILED : code;
}

static int
tell_help (const FwCommand *command)
{
  g_autofree char *help = command != NULL ? fw_options_help (command) : NULL;
  if (help != NULL)
    fputs (help, stdout);
  else
    print_help (stdout);
  return FW_EXIT_DONE;
}

static int
run_command (const FwCommand *command, char **words)
{
  if (asks_for_help (words))
    return tell_help (command);
  g_autoptr (GError) error = NULL;
  gpointer values = fw_options_parse (command, words, &error);
  if (values == NULL)
    return fw_cli_fail (error);
  int code = command->run (values);
  fw_options_free (command, values);
  return code;
}

/* Where a standard stream is closed, the next file that is opened would take its place, and be written into. What stands there
 * instead fails like a closed one. */
static void
fill_closed_streams (void)
{
  for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
    if (fcntl (fd, F_GETFD) < 0)
      open ("/dev/null", fd == STDIN_FILENO ? O_WRONLY : O_RDONLY);
}

int
main (int argc, char **argv)
{
  fill_closed_streams ();
  if (argc < 2) {
    print_help (stderr);
    return FW_EXIT_USAGE;
  }
  if (strcmp (argv[1], "--version") == 0) {
    fputs ("framewright-cli " FW_VERSION "\n", stdout);
    return finish (FW_EXIT_DONE);
  }
  gboolean help = strcmp (argv[1], "help") == 0;
  if ((asks_for_help (argv + 1) && argv[1][0] == '-') || (help && argc < 3))
    return finish (tell_help (NULL));
  const char *name = argv[help ? 2 : 1];
  const FwCommand *command = find_command (name);
  if (command == NULL) {
    g_autofree char *word = fw_cli_printable (name);
    fprintf (stderr, "framewright-cli: unknown command “%s”; see framewright-cli --help\n", word);
    return FW_EXIT_USAGE;
  }
  return finish (help ? tell_help (command) : run_command (command, argv + 2));
}
