/* SPDX-License-Identifier: Apache-2.0
 * Strict access to recipes, and overrides of their entries. */
#include "engine/train/recipe-json.h"

#include <string.h>

#include "engine/checkpoint/json-text.h"

gboolean
fw_recipe_refuse (GError **error, const char *format, ...)
{
  va_list arguments;
  va_start (arguments, format);
  g_autofree char *text = g_strdup_vprintf (format, arguments);
  va_end (arguments);
  g_set_error (error, FW_ERROR, FW_ERROR_FORMAT, "The recipe cannot be used: %s", text);
  return FALSE;
}

gboolean
fw_recipe_only_keys (JsonObject *json, const char *what, const char *const *const *lists, GError **error)
{
  JsonObjectIter iter;
  const char *name;
  json_object_iter_init (&iter, json);
  while (json_object_iter_next (&iter, &name, NULL)) {
    gboolean known = FALSE;
    for (const char *const *const *list = lists; *list != NULL && !known; list++)
      known = g_strv_contains (*list, name);
    if (!known)
      return fw_recipe_refuse (error, "%s has an unknown key “%.64s”", what, name);
  }
  return TRUE;
}

const char *
fw_recipe_text (JsonObject *json, const char *key)
{
  JsonNode *node = json_object_get_member (json, key);
  return node != NULL && JSON_NODE_HOLDS_VALUE (node) && json_node_get_value_type (node) == G_TYPE_STRING
         ? json_node_get_string (node) : NULL;
}

JsonObject *
fw_recipe_object (JsonObject *json, const char *key)
{
  JsonNode *node = json_object_get_member (json, key);
  return node != NULL && JSON_NODE_HOLDS_OBJECT (node) ? json_node_get_object (node) : NULL;
}

JsonObject *
fw_recipe_strict_object (JsonObject *json, const char *key, const char *const *keys, const char *what, GError **error)
{
  JsonObject *object = fw_recipe_object (json, key);
  g_autofree char *inner = g_strdup_printf ("“%s” of %s", key, what);
  if (object == NULL) {
    fw_recipe_refuse (error, "%s needs an object “%s”", what, key);
    return NULL;
  }
  return fw_recipe_only_keys (object, inner, (const char *const *const[]) { keys, NULL }, error) ? object : NULL;
}

gboolean
fw_recipe_choice (JsonObject *json, const char *key, const char *const *choices, const char **value, const char *what,
                  GError **error)
{
  if (!json_object_has_member (json, key))
    return TRUE;
  const char *text = fw_recipe_text (json, key);
  if (text != NULL && g_strv_contains (choices, text)) {
    *value = text;
    return TRUE;
  }
  g_autofree char *list = g_strjoinv (", ", (char **) choices);
  return fw_recipe_refuse (error, "“%s” of %s is one of %s", key, what, list);
}

gboolean
fw_recipe_flag (JsonObject *json, const char *key, gboolean *value, const char *what, GError **error)
{
  JsonNode *node = json_object_get_member (json, key);
  if (node == NULL)
    return TRUE;
  if (!JSON_NODE_HOLDS_VALUE (node) || json_node_get_value_type (node) != G_TYPE_BOOLEAN)
    return fw_recipe_refuse (error, "“%s” of %s is true or false", key, what);
  *value = json_node_get_boolean (node);
  return TRUE;
}

/* The member or, in a list of named objects, the element called @key. */
static JsonNode *
step_into (JsonNode *node, const char *key)
{
  if (JSON_NODE_HOLDS_OBJECT (node))
    return json_object_get_member (json_node_get_object (node), key);
  if (!JSON_NODE_HOLDS_ARRAY (node))
    return NULL;
  JsonArray *array = json_node_get_array (node);
  for (guint i = 0; i < json_array_get_length (array); i++) {
    JsonNode *element = json_array_get_element (array, i);
    if (JSON_NODE_HOLDS_OBJECT (element) && g_strcmp0 (fw_recipe_text (json_node_get_object (element), "name"), key) == 0)
      return element;
  }
  return NULL;
}

/* A value as JSON if it is some, else as a text. Inside an object, so that the strict parser judges it. */
static JsonNode *
value_of (const char *text)
{
  g_autofree char *object = g_strdup_printf ("{\"value\":%s}", text);
  g_autoptr (JsonNode) strict = fw_json_text_parse (object, strlen (object), "the value", NULL);
  g_autoptr (JsonParser) parser = json_parser_new ();
  if (strict != NULL && json_object_get_size (json_node_get_object (strict)) == 1
      && json_parser_load_from_data (parser, object, -1, NULL))
    return json_object_dup_member (json_node_get_object (json_parser_get_root (parser)), "value");
  JsonNode *node = json_node_new (JSON_NODE_VALUE);
  json_node_set_string (node, text);
  return node;
}

gboolean
fw_recipe_override (JsonNode *root, const char *assignment, GError **error)
{
  const char *equals = strchr (assignment, '=');
  if (equals == NULL || equals == assignment) {
    g_set_error (error, FW_ERROR, FW_ERROR_INVALID, "“%.64s” is not of the form key=value", assignment);
    return FALSE;
  }
  g_autofree char *path = g_strndup (assignment, equals - assignment);
  g_auto (GStrv) parts = g_strsplit (path, ".", -1);
  guint last = g_strv_length (parts) - 1;
  JsonNode *node = root;
  for (guint i = 0; i < last && node != NULL; i++)
    node = step_into (node, parts[i]);
  if (node == NULL || !JSON_NODE_HOLDS_OBJECT (node)) {
    g_set_error (error, FW_ERROR, FW_ERROR_INVALID, "The recipe has nothing called “%.64s”", path);
    return FALSE;
  }
  json_object_set_member (json_node_get_object (node), parts[last], value_of (equals + 1));
  return TRUE;
}
