/* SPDX-License-Identifier: Apache-2.0
 * framewright-cli models: which models are there, what they are, whether their files are whole, and what can run them. */
#include "app/cli/commands.h"
#include "engine/exec/device.h"
#include "engine/job/sha256.h"
#include "engine/model/cards.h"

#include <stdio.h>
#include <string.h>

typedef struct {
  GStrv words;              /* the action, then names */
} Values;

typedef struct {
  const char *name;
  guint minimum, maximum;   /* words behind it */
  gboolean (*run) (const Values *values, GError **error);
} Action;

/* Cards that cannot be read are shown too: with the reason in place of a title. */
static gboolean
list (const Values *values, GError **error)
{
  g_autoptr (GPtrArray) paths = fw_model_cards ();
  for (guint i = 0; i < paths->len; i++) {
    g_autoptr (GError) fault = NULL;
    g_autoptr (FwModelCard) card = fw_model_card_read (paths->pdata[i], &fault);
    if (card == NULL)
      printf ("%-16s cannot be used: %s\n", "?", fault->message);
    else
      printf ("%-16s %s%s\n", card->name, card->title != NULL ? card->title : "", strcmp (card->name, FW_DEFAULT_MODEL) == 0 ? " (default)" : "");
  }
  if (paths->len == 0)
    fputs ("No model is installed.\n", stderr);
  return TRUE;
}

static void
print_line (const char *name, const char *value)
{
  if (value != NULL && *value != '\0')
    printf ("%-12s %s\n", name, value);
}

static gboolean
show (const Values *values, GError **error)
{
  g_autoptr (FwModelCard) card = fw_model_card_find (values->words[1], error);
  if (card == NULL)
    return FALSE;
  g_autofree char *clip = g_strdup_printf ("%d frames, %dx%d, %d a second", card->frames, card->width, card->height, card->fps);
  g_autofree char *sampling = g_strdup_printf ("%s, %d steps, guidance %g", card->sampler, card->steps, card->guidance);
  print_line ("Name", card->name);
  print_line ("Title", card->title);
  print_line ("Description", card->description);
  print_line ("Licence", card->licence);
  print_line ("Source", card->source);
  print_line ("Clip", clip);
  print_line ("Sampling", sampling);
  for (FwNetworkRole role = 0; role < FW_N_ROLES; role++) {
    const FwCardNetwork *network = &card->network[role];
    g_autofree char *line = g_strdup_printf ("%s, %s", network->architecture->name, network->weights);
    print_line (fw_network_role_name (role), line);
  }
  print_line ("vocabulary", card->vocabulary);
  print_line ("Card", card->path);
  return TRUE;
}

/* Opens all networks, then compares every file with the digest that the card states. */
static gboolean
verify_card (const FwModelCard *card, GError **error)
{
  for (FwNetworkRole role = 0; role < FW_N_ROLES; role++) {
    g_autoptr (FwNetwork) network = fw_model_card_open (card, role, error);
    if (network == NULL)
      return FALSE;
  }
  g_autoptr (GPtrArray) files = fw_model_card_files (card);
  for (guint i = 0; i < files->len; i++) {
    const char *path = files->pdata[i];
    const char *stated = g_hash_table_lookup (card->sha256, path);
    g_autofree char *digest = fw_sha256_file (path, NULL, error);
    if (digest == NULL)
      return FALSE;
    if (stated != NULL && strcmp (stated, digest) != 0) {
      g_set_error (error, FW_ERROR, FW_ERROR_CHECKPOINT, "“%s” is not the file that the card of “%s” names: its sha256 is %s instead of %s",
                   path, card->name, digest, stated);
      return FALSE;
    }
    printf ("%s  %s%s\n", digest, path, stated != NULL ? "" : "  (the card states no digest)");
  }
  return TRUE;
}

static gboolean
verify (const Values *values, GError **error)
{
  for (guint i = 1; values->words[i] != NULL; i++) {
    g_autoptr (FwModelCard) card = fw_model_card_find (values->words[i], error);
    if (card == NULL || !verify_card (card, error))
      return FALSE;
    printf ("%s is whole\n", card->name);
  }
  return TRUE;
}

static gboolean
devices (const Values *values, GError **error)
{
  g_autoptr (FwDevice) device = fw_device_new_cpu (NULL, 0, error);
  if (device == NULL)
    return FALSE;
  printf ("cpu  path %s, %s preferred, %u processors\n", device->path->name,
          fw_device_preferred (device) == FW_DTYPE_BF16 ? "bf16" : "fp32", g_get_num_processors ());
  return TRUE;
}

static const Action actions[] = {
  { "list", 0, 0, list },
  { "show", 1, 1, show },
  { "verify", 1, 100, verify },
  { "devices", 0, 0, devices },
};

static gboolean
run_action (const Values *values, GError **error)
{
  guint words = g_strv_length (values->words) - 1;
  for (gsize i = 0; i < G_N_ELEMENTS (actions); i++) {
    if (strcmp (actions[i].name, values->words[0]) != 0)
      continue;
    if (words >= actions[i].minimum && words <= actions[i].maximum)
      return actions[i].run (values, error);
    g_set_error (error, FW_ERROR, FW_ERROR_INVALID, "models %s takes %s", actions[i].name,
                 actions[i].maximum == 0 ? "no name" : actions[i].maximum == 1 ? "one model" : "models to check");
    return FALSE;
  }
  g_set_error (error, FW_ERROR, FW_ERROR_INVALID, "models can list, show, verify or tell devices, not “%s”", values->words[0]);
  return FALSE;
}

static int
run (gpointer data)
{
  g_autoptr (GError) error = NULL;
  return run_action (data, &error) ? FW_EXIT_DONE : fw_cli_fail (error);
}

static const FwOption options[] = { { NULL } };

const FwCommand fw_command_models = {
  .name = "models",
  .arguments = "list | show MODEL | verify MODEL… | devices",
  .summary = "Tells which models are there, what they are, and whether their files are whole.",
  .options = options,
  .values_size = sizeof (Values),
  .positionals_offset = G_STRUCT_OFFSET (Values, words),
  .positionals_minimum = 1,
  .positionals_maximum = 101,
  .run = run,
};
