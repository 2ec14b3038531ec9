/* SPDX-License-Identifier: Apache-2.0
 * Strict access to the JSON of training recipes: known keys only, the right types, one sentence for what is wrong. */
#pragma once
#include <json-glib/json-glib.h>

#include "engine/memory/error.h"

/* Sets FW_ERROR_FORMAT, "The recipe cannot be used: " and the reason; returns FALSE. */
gboolean fw_recipe_refuse (GError **error, const char *format, ...) G_GNUC_PRINTF (2, 3);

/* Whether every key of @json is in one of the NULL-ended @lists (themselves NULL-ended); @what names the object for people. */
gboolean fw_recipe_only_keys (JsonObject *json, const char *what, const char *const *const *lists, GError **error);

/* The member @key if it is a text or an object, else NULL. */
const char *fw_recipe_text (JsonObject *json, const char *key);
JsonObject *fw_recipe_object (JsonObject *json, const char *key);

/* The object @key, which must be there and have no other keys than @keys. NULL with an error. */
JsonObject *fw_recipe_strict_object (JsonObject *json, const char *key, const char *const *keys, const char *what,
                                     GError **error);

/* Fills @value, which keeps its default where there is no @key: a text among the NULL-ended @choices, or true or false. */
gboolean fw_recipe_choice (JsonObject *json, const char *key, const char *const *choices, const char **value, const char *what,
                           GError **error);
gboolean fw_recipe_flag (JsonObject *json, const char *key, gboolean *value, const char *what, GError **error);

/* Applies "a.b=value" to the tree: members of objects by key, elements of lists by their "name". The value is JSON, or a text
 * where it is not. FW_ERROR_INVALID in one sentence. */
gboolean fw_recipe_override (JsonNode *root, const char *assignment, GError **error);
