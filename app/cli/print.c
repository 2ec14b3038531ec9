/* SPDX-License-Identifier: Apache-2.0
 * Texts made harmless for terminals, and objects made lines of JSON. */
#include "app/cli/print.h"
#include "engine/checkpoint/json-text.h"

#include <stdio.h>
#include <string.h>

char *
fw_cli_printable (const char *text)
{
  g_autofree char *valid = g_utf8_make_valid (text, -1);
  GString *line = g_string_new (NULL);
  for (const char *at = valid; *at != '\0'; at = g_utf8_next_char (at)) {
    gunichar character = g_utf8_get_char (at);
    g_string_append_unichar (line, strchr ("\r\n", *at) != NULL ? ' ' : g_unichar_iscntrl (character) ? 0xfffd : character);
  }
  return g_string_free (line, FALSE);
}

void
fw_cli_json_text (JsonBuilder *builder, const char *name, const char *text)
{
  json_builder_set_member_name (builder, name);
  if (text == NULL) {
    json_builder_add_null_value (builder);
    return;
  }
  g_autofree char *valid = g_utf8_make_valid (text, -1);
  json_builder_add_string_value (builder, valid);
}

void
fw_cli_json_integer (JsonBuilder *builder, const char *name, gint64 value)
{
  json_builder_set_member_name (builder, name);
  json_builder_add_int_value (builder, value);
}

void
fw_cli_json_truth (JsonBuilder *builder, const char *name, gboolean value)
{
  json_builder_set_member_name (builder, name);
  json_builder_add_boolean_value (builder, value);
}

void
fw_cli_json_print (JsonBuilder *builder)
{
  g_autoptr (JsonNode) root = json_builder_get_root (builder);
  g_autofree char *line = fw_json_text_print (root, FALSE);
  puts (line);
}
