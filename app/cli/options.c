/* SPDX-License-Identifier: Apache-2.0
 * Parsing, checking and describing command-line options from their tables. */
#include "app/cli/options.h"

#include <math.h>
#include <string.h>

static gboolean
refuse (GError **error, const char *format, ...) G_GNUC_PRINTF (2, 3);

static gboolean
refuse (GError **error, const char *format, ...)
{
  va_list arguments;
  va_start (arguments, format);
  g_autofree char *message = g_strdup_vprintf (format, arguments);
  va_end (arguments);
  g_autofree char *readable = g_utf8_make_valid (message, -1);
  g_set_error_literal (error, FW_ERROR, FW_ERROR_INVALID, readable);
  return FALSE;
}

static gboolean
parse_integer (const FwOption *option, const char *text, gint64 *value, GError **error)
{
  if (g_ascii_string_to_signed (text, 10, (gint64) option->minimum, (gint64) option->maximum, value, NULL))
    return TRUE;
  return refuse (error, "--%s takes a whole number from %" G_GINT64_FORMAT " to %" G_GINT64_FORMAT ", not “%s”",
                 option->name, (gint64) option->minimum, (gint64) option->maximum, text);
}

/* As g_ascii_strtod(), but for decimal numbers only. */
static double
decimal (const char *text, char **end)
{
  double number = g_ascii_strtod (text, end);
  for (const char *at = text; at < *end; at++)
    if (*at == 'x' || *at == 'X')
      *end = (char *) text;
  return number;
}

static gboolean
parse_number (const FwOption *option, const char *text, double *value, GError **error)
{
  char *end = NULL;
  double number = decimal (text, &end);
  if (end != text && *end == '\0' && !g_ascii_isspace (*text) && number >= option->minimum && number <= option->maximum) {
    *value = number;
    return TRUE;
  }
  return refuse (error, "--%s takes a number from %g to %g, not “%s”", option->name, option->minimum, option->maximum, text);
}

static gboolean
parse_size (const FwOption *option, const char *text, FwOptionSize *size, GError **error)
{
  g_auto (GStrv) parts = g_strsplit (text, "x", 3);
  gint64 width = 0, height = 0;
  if (g_strv_length (parts) == 2 &&
      g_ascii_string_to_signed (parts[0], 10, (gint64) option->minimum, (gint64) option->maximum, &width, NULL) &&
      g_ascii_string_to_signed (parts[1], 10, (gint64) option->minimum, (gint64) option->maximum, &height, NULL) &&
      width % 2 == 0 && height % 2 == 0) {
    size->width = (int) width;
    size->height = (int) height;
    return TRUE;
  }
  return refuse (error, "--%s takes WIDTHxHEIGHT, both even and from %g to %g, not “%s”", option->name,
                 option->minimum, option->maximum, text);
}

static gboolean
parse_bytes (const FwOption *option, const char *text, gint64 *value, GError **error)
{
  static const char units[] = "KMGT";
  char *end = NULL;
  double number = decimal (text, &end);
  const char *unit = *end != '\0' ? strchr (units, g_ascii_toupper (*end)) : NULL;
  if (unit != NULL) {
    number = ldexp (number, 10 * (int) (unit - units + 1));
    end++;
    end += g_str_has_prefix (end, "iB") ? 2 : *end == 'B' || *end == 'b';
  }
  if (end != text && *end == '\0' && g_ascii_isdigit (*text) && number >= option->minimum && number <= option->maximum) {
    *value = (gint64) number;
    return TRUE;
  }
  g_autofree char *least = g_format_size_full ((guint64) option->minimum, G_FORMAT_SIZE_IEC_UNITS);
  g_autofree char *most = g_format_size_full ((guint64) option->maximum, G_FORMAT_SIZE_IEC_UNITS);
  return refuse (error, "--%s takes bytes such as 800M or 1.5G, from %s to %s, not “%s”", option->name, least, most, text);
}

static gboolean
parse_choice (const FwOption *option, const char *text, char **value, GError **error)
{
  g_auto (GStrv) words = g_strsplit (option->values, "|", -1);
  if (!g_strv_contains ((const char *const *) words, text)) {
    g_autofree char *list = g_strjoinv (", ", words);
    return refuse (error, "--%s takes one of %s, not “%s”", option->name, list, text);
  }
  g_free (*value);
  *value = g_strdup (text);
  return TRUE;
}

static gboolean
check_text (const char *name, const char *text, GError **error)
{
  if (*text == '\0')
    return refuse (error, "--%s is empty", name);
  if (!g_utf8_validate (text, -1, NULL))
    return refuse (error, "--%s is not valid UTF-8", name);
  return TRUE;
}

static void
append_word (char ***words, const char *word)
{
  guint count = *words != NULL ? g_strv_length (*words) : 0;
  *words = g_renew (char *, *words, count + 2);
  (*words)[count] = g_strdup (word);
  (*words)[count + 1] = NULL;
}

static gboolean
set_option (const FwOption *option, gpointer values, const char *text, GError **error)
{
  gpointer place = (char *) values + option->offset;
  switch (option->type) {
  case FW_OPTION_FLAG:
    *(gboolean *) place = TRUE;
    return TRUE;
  case FW_OPTION_TEXT:
    if (!check_text (option->name, text, error))
      return FALSE;
    g_free (*(char **) place);
    *(char **) place = g_strdup (text);
    return TRUE;
  case FW_OPTION_TEXTS:
    if (!check_text (option->name, text, error))
      return FALSE;
    append_word (place, text);
    return TRUE;
  case FW_OPTION_CHOICE:
    return parse_choice (option, text, place, error);
  case FW_OPTION_INTEGER:
    return parse_integer (option, text, place, error);
  case FW_OPTION_NUMBER:
    return parse_number (option, text, place, error);
  case FW_OPTION_SIZE:
    return parse_size (option, text, place, error);
  case FW_OPTION_BYTES:
    return parse_bytes (option, text, place, error);
  }
  return FALSE;
}

static const FwOption *
find_option (const FwCommand *command, const char *name, gsize length)
{
  for (const FwOption *option = command->options; option->name != NULL; option++)
    if (strlen (option->name) == length && strncmp (option->name, name, length) == 0)
      return option;
  return NULL;
}

/* Takes the option at @words[@index] with its value; returns how many words that was, 0 on an error. */
static guint
take_option (const FwCommand *command, char **words, gpointer values, GError **error)
{
  const char *name = words[0] + 2;
  const char *equals = strchr (name, '=');
  const FwOption *option = find_option (command, name, equals != NULL ? (gsize) (equals - name) : strlen (name));
  if (option == NULL) {
    refuse (error, "unknown option “%s”; see framewright-cli %s --help", words[0], command->name);
    return 0;
  }
  if (option->type == FW_OPTION_FLAG) {
    if (equals == NULL)
      return set_option (option, values, NULL, error) ? 1 : 0;
    refuse (error, "--%s takes no value", option->name);
    return 0;
  }
  if (equals != NULL)
    return set_option (option, values, equals + 1, error) ? 1 : 0;
  if (words[1] != NULL)
    return set_option (option, values, words[1], error) ? 2 : 0;
  refuse (error, "--%s needs a value (%s)", option->name, option->values);
  return 0;
}

static gboolean
parse_words (const FwCommand *command, char **words, gpointer values, GError **error)
{
  gboolean options_ended = FALSE;
  guint positionals = 0;
  for (guint i = 0; words[i] != NULL;) {
    if (!options_ended && strcmp (words[i], "--") == 0) {
      options_ended = TRUE;
      i++;
    } else if (!options_ended && g_str_has_prefix (words[i], "--")) {
      guint taken = take_option (command, words + i, values, error);
      if (taken == 0)
        return FALSE;
      i += taken;
    } else if (!options_ended && words[i][0] == '-' && words[i][1] != '\0') {
      return refuse (error, "unknown option “%s”; see framewright-cli %s --help", words[i], command->name);
    } else {
      if (++positionals > command->positionals_maximum)
        return refuse (error, "unexpected “%s”; usage: framewright-cli %s %s", words[i], command->name, command->arguments);
      append_word ((char ***) ((char *) values + command->positionals_offset), words[i++]);
    }
  }
  if (positionals < command->positionals_minimum)
    return refuse (error, "too few arguments; usage: framewright-cli %s %s", command->name, command->arguments);
  return TRUE;
}

gpointer
fw_options_parse (const FwCommand *command, char **words, GError **error)
{
  gpointer values = g_malloc0 (command->values_size);
  if (command->defaults != NULL)
    memcpy (values, command->defaults, command->values_size);
  if (parse_words (command, words, values, error))
    return values;
  fw_options_free (command, values);
  return NULL;
}

void
fw_options_free (const FwCommand *command, gpointer values)
{
  for (const FwOption *option = command->options; option->name != NULL; option++) {
    gpointer place = (char *) values + option->offset;
    if (option->type == FW_OPTION_TEXT || option->type == FW_OPTION_CHOICE)
      g_free (*(char **) place);
    else if (option->type == FW_OPTION_TEXTS)
      g_strfreev (*(char ***) place);
  }
  if (command->positionals_maximum > 0)
    g_strfreev (*(char ***) ((char *) values + command->positionals_offset));
  g_free (values);
}

char *
fw_options_help (const FwCommand *command)
{
  GString *text = g_string_new (NULL);
  g_string_append_printf (text, "Usage: framewright-cli %s %s\n%s\n", command->name, command->arguments, command->summary);
  if (command->options->name != NULL)
    g_string_append (text, "\nOptions:\n");
  for (const FwOption *option = command->options; option->name != NULL; option++) {
    g_autofree char *left = g_strdup_printf ("--%s %s", option->name, option->values != NULL ? option->values : "");
    g_string_append_printf (text, "  %-29s %s", left, option->help);
    if (option->type == FW_OPTION_INTEGER || option->type == FW_OPTION_NUMBER || option->type == FW_OPTION_SIZE)
      g_string_append_printf (text, ", %.16g to %.16g", option->minimum, option->maximum);
    if (option->fallback != NULL)
      g_string_append_printf (text, " [%s]", option->fallback);
    g_string_append_c (text, '\n');
  }
  if (command->explain != NULL)
    command->explain (text);
  return g_string_free (text, FALSE);
}
