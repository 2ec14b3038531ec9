/* SPDX-License-Identifier: Apache-2.0
 * framewright-cli train: trains a network by a recipe file, or goes on with an interrupted training. */
#include "engine/job/train.h"
#include "app/cli/commands.h"
#include "app/cli/job.h"

#include <string.h>

typedef struct {
  char *recipe;
  GStrv set;
  gboolean resume, force, json;
} Values;

#define AT(field) G_STRUCT_OFFSET (Values, field)

static const FwOption options[] = {
  { "recipe", FW_OPTION_TEXT, AT (recipe), "FILE", 0, 0, NULL, "what to train, on what, and how" },
  { "set", FW_OPTION_TEXTS, AT (set), "KEY=VALUE", 0, 0, NULL, "replace an entry of the recipe; may be given several times" },
  { "resume", FW_OPTION_FLAG, AT (resume), NULL, 0, 0, NULL, "go on where the same recipe was interrupted" },
  { "force", FW_OPTION_FLAG, AT (force), NULL, 0, 0, NULL, "start again over an earlier training" },
  { "json", FW_OPTION_FLAG, AT (json), NULL, 0, 0, NULL, "print one JSON object for each event" },
  { NULL },
};

static gboolean
check (const Values *values, GError **error)
{
  if (values->recipe == NULL) {
    g_set_error_literal (error, FW_ERROR, FW_ERROR_INVALID, "--recipe is missing: say what to train");
    return FALSE;
  }
  for (guint i = 0; values->set != NULL && values->set[i] != NULL; i++) {
    const char *equals = strchr (values->set[i], '=');
    if (equals == NULL || equals == values->set[i]) {
      g_set_error (error, FW_ERROR, FW_ERROR_INVALID, "--set takes KEY=VALUE, not “%s”", values->set[i]);
      return FALSE;
    }
  }
  if (values->resume && values->force) {
    g_set_error_literal (error, FW_ERROR, FW_ERROR_INVALID, "--resume and --force exclude each other");
    return FALSE;
  }
  return TRUE;
}

static gboolean
job (gconstpointer request, const FwJobEvents *events, GCancellable *cancellable, GError **error)
{
  const Values *values = request;
  return fw_train (values->recipe, (const char *const *) values->set, values->resume, values->force, events, cancellable, error);
}

static int
run (gpointer data)
{
  Values *values = data;
  g_autoptr (GError) error = NULL;
  if (!check (values, &error))
    return fw_cli_fail (error);
  return fw_cli_run_job (job, values, values->json);
}

const FwCommand fw_command_train = {
  .name = "train",
  .arguments = "--recipe FILE [OPTION…]",
  .summary = "Trains a network by a recipe.",
  .options = options,
  .values_size = sizeof (Values),
  .run = run,
};
