/* SPDX-License-Identifier: Apache-2.0
 * framewright-cli models: which models are there, what they are, whether their files are whole, and what can run them; adds and
 * removes models where they lie. */
#include "app/cli/commands.h"
#include "app/cli/print.h"
#include "engine/exec/device.h"
#include "engine/job/sha256.h"
#include "engine/media/encoder.h"
#include "engine/model/cards.h"

#include <stdio.h>
#include <string.h>

typedef struct {
  GStrv words;              /* the action, then names */
  gboolean json;
} Values;

typedef struct {
  const char *name;
  guint minimum, maximum;   /* words behind it */
  const char *takes;        /* these, for people */
  gboolean (*run) (const Values *values, GError **error);
} Action;

static void
print_line (const char *name, const char *value)
{
  if (value == NULL || *value == '\0')
    return;
  g_autofree char *text = fw_cli_printable (value);
  printf ("%-12s %s\n", name, text);
}

static JsonBuilder *
object_new (void)
{
  JsonBuilder *builder = json_builder_new ();
  json_builder_begin_object (builder);
  return builder;
}

static void
object_print (JsonBuilder *builder)
{
  json_builder_end_object (builder);
  fw_cli_json_print (builder);
}

/* Cards that cannot be read are shown too: with the reason in place of a title. */
static void
list_card (const char *path, gboolean json)
{
  g_autoptr (GError) fault = NULL;
  g_autoptr (FwModelCard) card = fw_model_card_read (path, &fault);
  gboolean is_default = card != NULL && strcmp (card->name, FW_DEFAULT_MODEL) == 0;
  if (json) {
    g_autoptr (JsonBuilder) builder = object_new ();
    fw_cli_json_text (builder, "name", card != NULL ? card->name : NULL);
    fw_cli_json_text (builder, "title", card != NULL ? card->title : NULL);
    fw_cli_json_truth (builder, "default", is_default);
    fw_cli_json_text (builder, "card", path);
    fw_cli_json_text (builder, "fault", fault != NULL ? fault->message : NULL);
    object_print (builder);
    return;
  }
  g_autofree char *what = card == NULL ? g_strconcat ("cannot be used: ", fault->message, NULL)
    : g_strconcat (card->title != NULL ? card->title : "", is_default ? " (default)" : "", NULL);
  g_autofree char *text = fw_cli_printable (what);
  printf ("%-16s %s\n", card != NULL ? card->name : "?", text);
}

static gboolean
list (const Values *values, GError **error)
{
  g_autoptr (GPtrArray) paths = fw_model_cards ();
  for (guint i = 0; i < paths->len; i++)
    list_card (paths->pdata[i], values->json);
  if (paths->len == 0 && !values->json)
    fputs ("No model is installed.\n", stderr);
  return TRUE;
}

static void
show_json (const FwModelCard *card)
{
  g_autoptr (JsonBuilder) builder = object_new ();
  fw_cli_json_text (builder, "name", card->name);
  fw_cli_json_text (builder, "title", card->title);
  fw_cli_json_text (builder, "description", card->description);
  fw_cli_json_text (builder, "licence", card->licence);
  fw_cli_json_text (builder, "source", card->source);
  fw_cli_json_integer (builder, "frames", card->frames);
  fw_cli_json_integer (builder, "width", card->width);
  fw_cli_json_integer (builder, "height", card->height);
  fw_cli_json_integer (builder, "fps", card->fps);
  fw_cli_json_text (builder, "sampler", card->sampler);
  fw_cli_json_integer (builder, "steps", card->steps);
  json_builder_set_member_name (builder, "guidance");
  json_builder_add_double_value (builder, card->guidance);
  for (FwNetworkRole role = 0; role < FW_N_ROLES; role++) {
    json_builder_set_member_name (builder, fw_network_role_name (role));
    json_builder_begin_object (builder);
    fw_cli_json_text (builder, "architecture", card->network[role].architecture->name);
    fw_cli_json_text (builder, "weights", card->network[role].weights);
    json_builder_end_object (builder);
  }
  fw_cli_json_text (builder, "vocabulary", card->vocabulary);
  fw_cli_json_text (builder, "card", card->path);
  object_print (builder);
}

static void
show_text (const FwModelCard *card)
{
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
}

static gboolean
show (const Values *values, GError **error)
{
  g_autoptr (FwModelCard) card = fw_model_card_find (values->words[1], error);
  if (card != NULL)
    (values->json ? show_json : show_text) (card);
  return card != NULL;
}

/* What became of the model @name. */
static void
tell (const Values *values, const char *name, const char *state, const char *card)
{
  if (!values->json) {
    printf ("%s is %s\n", name, state);
    return;
  }
  g_autoptr (JsonBuilder) builder = object_new ();
  fw_cli_json_text (builder, "name", name);
  fw_cli_json_text (builder, "state", state);
  fw_cli_json_text (builder, "card", card);
  object_print (builder);
}

static gboolean
add (const Values *values, GError **error)
{
  g_autoptr (FwModelCard) card = fw_model_card_register (values->words[1], error);
  if (card != NULL)
    tell (values, card->name, "added", card->path);
  return card != NULL;
}

static gboolean
forget (const Values *values, GError **error)
{
  if (!fw_model_card_unregister (values->words[1], error))
    return FALSE;
  tell (values, values->words[1], "removed", NULL);
  return TRUE;
}

static void
tell_file (const Values *values, const FwModelCard *card, const char *path, const char *digest, gboolean stated)
{
  if (!values->json) {
    g_autofree char *file = fw_cli_printable (path);
    printf ("%s  %s%s\n", digest, file, stated ? "" : "  (the card states no digest)");
    return;
  }
  g_autoptr (JsonBuilder) builder = object_new ();
  fw_cli_json_text (builder, "name", card->name);
  fw_cli_json_text (builder, "file", path);
  fw_cli_json_text (builder, "sha256", digest);
  fw_cli_json_truth (builder, "stated", stated);
  object_print (builder);
}

/* Opens all networks, then reads every file and compares it with the digest that the card states. */
static gboolean
verify_card (const Values *values, const FwModelCard *card, GError **error)
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
    g_autofree char *digest = fw_sha256_file_afresh (path, NULL, error);
    if (digest == NULL)
      return FALSE;
    if (stated != NULL && strcmp (stated, digest) != 0) {
      g_set_error (error, FW_ERROR, FW_ERROR_CHECKPOINT,
                   "“%s” is not the file that the card of “%s” names: its sha256 is %s instead of %s", path, card->name, digest, stated);
      return FALSE;
    }
    tell_file (values, card, path, digest, stated != NULL);
  }
  tell (values, card->name, "whole", card->path);
  return TRUE;
}

static gboolean
verify (const Values *values, GError **error)
{
  for (guint i = 1; values->words[i] != NULL; i++) {
    g_autoptr (FwModelCard) card = fw_model_card_find (values->words[i], error);
    if (card == NULL || !verify_card (values, card, error))
      return FALSE;
  }
  return TRUE;
}

/* The ways of encoding, in order of preference. That they cannot be asked for is told in their place. */
static void
tell_encoders (const Values *values)
{
  g_autoptr (GError) fault = NULL;
  g_autoptr (GPtrArray) encoders = fw_media_encoders (NULL, &fault);
  if (encoders == NULL && !values->json)
    print_line ("encoders", fault->message);
  for (guint i = 0; encoders != NULL && i < encoders->len; i++) {
    const FwMediaEncoder *encoder = encoders->pdata[i];
    const char *format = fw_media_format_ending (encoder->format) + 1;
    if (!values->json && encoder->found)
      printf ("%s  %s\n", format, encoder->element);
    else if (!values->json)
      printf ("%s  %s is not installed; it takes the package %s\n", format, encoder->element, encoder->package);
    if (!values->json)
      continue;
    g_autoptr (JsonBuilder) builder = object_new ();
    fw_cli_json_text (builder, "encoder", encoder->element);
    fw_cli_json_text (builder, "format", format);
    fw_cli_json_truth (builder, "found", encoder->found);
    fw_cli_json_text (builder, "package", encoder->package);
    object_print (builder);
  }
}

static gboolean
devices (const Values *values, GError **error)
{
  g_autoptr (FwDevice) device = fw_device_new_cpu (NULL, 0, error);
  if (device == NULL)
    return FALSE;
  gboolean bf16 = fw_device_preferred (device) == FW_DTYPE_BF16;
  if (!values->json) {
    printf ("cpu  path %s, %s preferred, %u processors\n", device->path->name, bf16 ? "bf16" : "fp32", g_get_num_processors ());
    tell_encoders (values);
    return TRUE;
  }
  g_autoptr (JsonBuilder) builder = object_new ();
  fw_cli_json_text (builder, "device", "cpu");
  fw_cli_json_text (builder, "path", device->path->name);
  fw_cli_json_text (builder, "precision", bf16 ? "bf16" : "fp32");
  fw_cli_json_integer (builder, "processors", g_get_num_processors ());
  object_print (builder);
  tell_encoders (values);
  return TRUE;
}

static const Action actions[] = {
  { "list", 0, 0, "no name", list },
  { "show", 1, 1, "one model", show },
  { "add", 1, 1, "one path", add },
  { "remove", 1, 1, "one model", forget },
  { "verify", 1, 100, "models to check", verify },
  { "devices", 0, 0, "no name", devices },
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
    g_set_error (error, FW_ERROR, FW_ERROR_INVALID, "models %s takes %s", actions[i].name, actions[i].takes);
    return FALSE;
  }
  g_set_error (error, FW_ERROR, FW_ERROR_INVALID, "models can list, show, add, remove, verify or tell devices, not “%s”",
               values->words[0]);
  return FALSE;
}

static int
run (gpointer data)
{
  g_autoptr (GError) error = NULL;
  return run_action (data, &error) ? FW_EXIT_DONE : fw_cli_fail (error);
}

static const FwOption options[] = {
  { "json", FW_OPTION_FLAG, G_STRUCT_OFFSET (Values, json), NULL, 0, 0, NULL, "print one JSON object a line" },
  { NULL },
};

const FwCommand fw_command_models = {
  .name = "models",
  .arguments = "list | show MODEL | add PATH | remove MODEL | verify MODEL… | devices [--json]",
  .summary = "Tells which models are there, what they are, and whether their files are whole; adds and removes them.",
  .options = options,
  .values_size = sizeof (Values),
  .positionals_offset = G_STRUCT_OFFSET (Values, words),
  .positionals_minimum = 1,
  .positionals_maximum = 101,
  .run = run,
};
