/* SPDX-License-Identifier: Apache-2.0
 * Reading configurations by a table of members. */
#include "engine/model/config.h"

static gboolean
store (JsonNode *node, const FwConfigField *field, char *at, const char *what, GError **error)
{
  GType type = JSON_NODE_HOLDS_VALUE (node) ? json_node_get_value_type (node) : G_TYPE_INVALID;
  gboolean number = type == G_TYPE_INT64 || (type == G_TYPE_DOUBLE && field->kind == FW_CONFIG_DOUBLE);
  double value = number ? json_node_get_double (node) : 0;
  if (!number || !(value >= field->least && value <= field->most)) {
    g_set_error (error, FW_ERROR, FW_ERROR_FORMAT, "%s: “%s” must be %s from %g to %g", what, field->name,
                 field->kind == FW_CONFIG_INT ? "a whole number" : "a number", field->least, field->most);
    return FALSE;
  }
  if (field->kind == FW_CONFIG_INT)
    *(int *) at = (int) value;
  else
    *(double *) at = value;
  return TRUE;
}

static gboolean
read_field (JsonObject *json, const FwConfigField *field, char *at, const char *what, GError **error)
{
  JsonNode *node = json_object_get_member (json, field->name);
  if (node == NULL) {
    if (field->required)
      g_set_error (error, FW_ERROR, FW_ERROR_FORMAT, "%s: “%s” is missing", what, field->name);
    return !field->required;
  }
  if (field->count <= 1 && !field->list)
    return store (node, field, at, what, error);
  JsonArray *array = JSON_NODE_HOLDS_ARRAY (node) ? json_node_get_array (node) : NULL;
  if (array == NULL || json_array_get_length (array) != field->count) {
    g_set_error (error, FW_ERROR, FW_ERROR_FORMAT, "%s: “%s” must be a list of %u number%s", what, field->name, field->count,
                 field->count == 1 ? "" : "s");
    return FALSE;
  }
  gsize size = field->kind == FW_CONFIG_INT ? sizeof (int) : sizeof (double);
  for (guint i = 0; i < field->count; i++)
    if (!store (json_array_get_element (array, i), field, at + i * size, what, error))
      return FALSE;
  return TRUE;
}

gboolean
fw_config_read (JsonObject *json, const FwConfigField *fields, gpointer config, const char *what, GError **error)
{
  for (const FwConfigField *field = fields; field->name != NULL; field++)
    if (!read_field (json, field, (char *) config + field->offset, what, error))
      return FALSE;
  return TRUE;
}
