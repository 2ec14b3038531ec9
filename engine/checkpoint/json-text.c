/* SPDX-License-Identifier: Apache-2.0
 * The strict cursor of the checkpoint reader in front of json-glib's parser. */
#include "engine/checkpoint/json-text.h"
#include "engine/checkpoint/strict-json.h"
#include "engine/memory/file.h"

JsonNode *
fw_json_text_parse (const char *text, gsize size, const char *what, GError **error)
{
  if (!g_utf8_validate_len (text, size, NULL)) {
    g_set_error (error, FW_ERROR, FW_ERROR_FORMAT, "%s is not valid UTF-8 text", what);
    return NULL;
  }
  FwJson json = fw_json_begin (text, size);
  if (!fw_json_skip (&json) || !fw_json_end (&json)) {
    g_set_error (error, FW_ERROR, FW_ERROR_FORMAT, "%s cannot be read: %s", what, json.fault);
    return NULL;
  }
  g_autoptr (JsonParser) parser = json_parser_new_immutable ();
  g_autoptr (GError) cause = NULL;
  if (!json_parser_load_from_data (parser, text, (gssize) size, &cause)) {
    g_set_error (error, FW_ERROR, FW_ERROR_FORMAT, "%s cannot be read: %s", what, cause->message);
    return NULL;
  }
  JsonNode *root = json_parser_get_root (parser);
  if (root == NULL || !JSON_NODE_HOLDS_OBJECT (root)) {
    g_set_error (error, FW_ERROR, FW_ERROR_FORMAT, "%s is not a JSON object", what);
    return NULL;
  }
  return json_node_ref (root);
}

JsonNode *
fw_json_text_read (const char *path, gsize limit, GError **error)
{
  gsize size = 0;
  g_autofree char *text = fw_file_read (path, limit, &size, error);
  if (text == NULL)
    return NULL;
  g_autofree char *what = g_strdup_printf ("“%s”", path);
  return fw_json_text_parse (text, size, what, error);
}

char *
fw_json_text_print (JsonNode *node, gboolean indented)
{
  g_autoptr (JsonGenerator) generator = json_generator_new ();
  json_generator_set_root (generator, node);
  json_generator_set_pretty (generator, indented);
  json_generator_set_indent (generator, 2);
  return json_generator_to_data (generator, NULL);
}
