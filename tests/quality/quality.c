/* SPDX-License-Identifier: Apache-2.0
 * The quality program: makes clips with framewright-cli or takes those in a folder, judges each by its pixels and its prompt
 * alone, and writes the report and the contact sheet. */
#include <glib/gstdio.h>
#include <string.h>

#include "engine/memory/file.h"
#include "tests/quality/clips.h"
#include "tests/quality/report.h"

enum { EXIT_REACHED = 0, EXIT_MISSED = 1, EXIT_USAGE = 2, MOST_PROMPTS_BYTES = 1 << 20 };

typedef struct {
  char *generate, *model, *prompts, *clips, *report, *sheet;
  char **extra;
  int first, seeds;
  gint64 seed;
  gboolean chance, spread, swap;
} Options;

/* The prompts of a file, one a line, at most @first of them where that is not 0. */
static GStrv
read_prompts (const Options *options, GError **error)
{
  g_autofree char *text = fw_file_read (options->prompts, MOST_PROMPTS_BYTES, NULL, error);
  if (text == NULL)
    return NULL;
  g_auto (GStrv) lines = g_strsplit (text, "\n", -1);
  g_autoptr (GStrvBuilder) builder = g_strv_builder_new ();
  int count = 0;
  for (char **line = lines; *line != NULL && (options->first == 0 || count < options->first); line++)
    if (*g_strstrip (*line) != '\0') {
      g_strv_builder_add (builder, *line);
      count++;
    }
  return g_strv_builder_end (builder);
}

/* Runs framewright-cli generate for all prompts at once. */
static gboolean
generate (const Options *options, GStrv prompts, GError **error)
{
  g_autofree char *list = NULL, *seed = g_strdup_printf ("%" G_GINT64_FORMAT, options->seed);
  g_autofree char *count = g_strdup_printf ("%d", options->seeds), *text = g_strjoinv ("\n", prompts);
  int fd = g_file_open_tmp ("prompts-XXXXXX", &list, error);
  if (fd < 0)
    return FALSE;
  g_close (fd, NULL);
  g_autoptr (GPtrArray) words = g_ptr_array_new ();
  const char *const fixed[] = { options->generate, "generate", "--prompts", list, "--output", options->clips, "--seed", seed,
                                "--count", count, "--force", NULL };
  for (int i = 0; fixed[i] != NULL; i++)
    g_ptr_array_add (words, (gpointer) fixed[i]);
  if (options->model != NULL) {
    g_ptr_array_add (words, (gpointer) "--model");
    g_ptr_array_add (words, options->model);
  }
  for (char **word = options->extra; word != NULL && *word != NULL; word++)
    g_ptr_array_add (words, *word);
  g_ptr_array_add (words, NULL);
  int status;
  gboolean done = fw_file_write (list, text, strlen (text), error)
                  && g_spawn_sync (NULL, (char **) words->pdata, NULL, G_SPAWN_SEARCH_PATH | G_SPAWN_CHILD_INHERITS_STDIN,
                                   NULL, NULL, NULL, NULL, &status, error)
                  && g_spawn_check_wait_status (status, error);
  g_remove (list);
  return done;
}

/* A prompt without enough clips counts as clips that nobody could judge. */
static void
add_missing (GPtrArray *clips, GStrv prompts, int seeds)
{
  for (char **prompt = prompts; *prompt != NULL; prompt++) {
    int count = 0;
    for (guint i = 0; i < clips->len; i++)
      count += strcmp (((ReportClip *) clips->pdata[i])->prompt, *prompt) == 0;
    for (; count < seeds; count++) {
      ReportClip *clip = report_clip_new (NULL, *prompt);
      clip->fault = g_strdup ("there is no clip of this prompt");
      g_ptr_array_add (clips, clip);
    }
  }
}

static int
run (Options *options, GError **error)
{
  g_auto (GStrv) prompts = options->prompts != NULL ? read_prompts (options, error) : NULL;
  if (*error != NULL || (options->generate != NULL && !generate (options, prompts, error)))
    return EXIT_MISSED;
  g_autoptr (GPtrArray) clips = clips_judge_folder (options->clips, options->swap, error);
  if (clips == NULL)
    return EXIT_MISSED;
  if (prompts != NULL)
    add_missing (clips, prompts, options->seeds);
  ReportSummary summary;
  report_summarise (clips, &summary);
  report_print (clips, &summary);
  if (options->report != NULL && !report_write_json (options->report, clips, &summary, error))
    return EXIT_MISSED;
  if (options->sheet != NULL && !report_write_sheet (options->sheet, clips, error))
    return EXIT_MISSED;
  gboolean reached = options->chance ? report_is_chance (&summary) : options->spread ? report_is_spread (&summary) : summary.reached;
  return reached ? EXIT_REACHED : EXIT_MISSED;
}

int
main (int argc, char **argv)
{
  Options options = { .seeds = 1 };
  const GOptionEntry entries[] = {
    { "clips", 0, 0, G_OPTION_ARG_FILENAME, &options.clips, "The folder of the clips, each with its sidecar", "DIR" },
    { "prompts", 0, 0, G_OPTION_ARG_FILENAME, &options.prompts, "What must be there, one prompt a line", "FILE" },
    { "first", 0, 0, G_OPTION_ARG_INT, &options.first, "Only the first N prompts", "N" },
    { "generate", 0, 0, G_OPTION_ARG_FILENAME, &options.generate, "Make the clips with this framewright-cli first", "PROGRAM" },
    { "model", 0, 0, G_OPTION_ARG_FILENAME, &options.model, "The model to make them with", "NAME|PATH" },
    { "seed", 0, 0, G_OPTION_ARG_INT64, &options.seed, "The seed of the first clip", "N" },
    { "seeds", 0, 0, G_OPTION_ARG_INT, &options.seeds, "Clips of each prompt", "N" },
    { "chance", 0, 0, G_OPTION_ARG_NONE, &options.chance, "Succeed where the clips are no better than chance", NULL },
    { "spread", 0, 0, G_OPTION_ARG_NONE, &options.spread, "Succeed where clips of the same prompt start at different places", NULL },
    { "swap", 0, 0, G_OPTION_ARG_NONE, &options.swap, "Judge each clip by the prompt of the next", NULL },
    { "report", 0, 0, G_OPTION_ARG_FILENAME, &options.report, "Write the report here", "FILE.json" },
    { "sheet", 0, 0, G_OPTION_ARG_FILENAME, &options.sheet, "Write the contact sheet here", "FILE.png" },
    { G_OPTION_REMAINING, 0, 0, G_OPTION_ARG_STRING_ARRAY, &options.extra, NULL, "[-- MORE ARGUMENTS FOR generate]" },
    { NULL }
  };
  g_autoptr (GOptionContext) context = g_option_context_new (NULL);
  g_autoptr (GError) error = NULL;
  g_option_context_add_main_entries (context, entries, NULL);
  g_option_context_set_summary (context, "Judges Pocket clips by their pixels; exit code 0 where the quality bar is reached.");
  int code = EXIT_USAGE;
  if (!g_option_context_parse (context, &argc, &argv, &error))
    g_printerr ("quality: %s\n", error->message);
  else if (options.clips == NULL || (options.generate != NULL && options.prompts == NULL) || options.first < 0
           || options.seeds < 1)
    g_printerr ("quality: --clips is needed, --generate needs --prompts, and counts are positive; see --help\n");
  else
    code = run (&options, &error);
  if (code == EXIT_MISSED && error != NULL)
    g_printerr ("quality: %s\n", error->message);
  char *owned[] = { options.clips, options.prompts, options.generate, options.model, options.report, options.sheet };
  for (gsize i = 0; i < G_N_ELEMENTS (owned); i++)
    g_free (owned[i]);
  g_strfreev (options.extra);
  return code;
}
