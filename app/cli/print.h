/* SPDX-License-Identifier: Apache-2.0
 * What commands print: texts that may come from strangers, and lines of JSON. */
#pragma once
#include <json-glib/json-glib.h>

/* @text as valid UTF-8 without control characters, which a terminal would obey: line ends become spaces, others U+FFFD. Free with
 * g_free(). */
char *fw_cli_printable (const char *text);

/* Adds the member @name to the object being built; NULL becomes null, and what is not UTF-8 is replaced. */
void fw_cli_json_text (JsonBuilder *builder, const char *name, const char *text);
void fw_cli_json_integer (JsonBuilder *builder, const char *name, gint64 value);
void fw_cli_json_truth (JsonBuilder *builder, const char *name, gboolean value);
/* Prints what was built as one line on stdout. */
void fw_cli_json_print (JsonBuilder *builder);
