/* SPDX-License-Identifier: Apache-2.0
 * JSON documents from outside as json-glib trees: checked strictly first, so that the tree builder sees nothing hostile. */
#pragma once
#include "engine/memory/error.h"
#include <json-glib/json-glib.h>

/* The object that is the whole of @text (UTF-8, nested at most 64 deep); FW_ERROR_FORMAT in one sentence that starts with
 * @what, the document's name for people. Free with json_node_unref(); its object is json_node_get_object(). */
JsonNode *fw_json_text_parse (const char *text, gsize size, const char *what, GError **error);
/* The same for a regular file of at most @limit bytes. */
JsonNode *fw_json_text_read (const char *path, gsize limit, GError **error);
/* @node as text, indented for people or in one line. Free with g_free(). */
char *fw_json_text_print (JsonNode *node, gboolean indented);
