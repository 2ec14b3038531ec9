/* SPDX-License-Identifier: Apache-2.0
 * Network configurations out of JSON: a table of members with ranges fills a struct. */
#pragma once
#include "engine/memory/error.h"
#include <json-glib/json-glib.h>

typedef enum { FW_CONFIG_INT, FW_CONFIG_DOUBLE } FwConfigKind;

/* One member: an int or double at @offset of the struct, or, with @count > 1 or @list, an array of that many. */
typedef struct {
  const char *name;
  FwConfigKind kind;
  gsize offset;
  guint count;
  double least, most;
  gboolean required;       /* else the struct keeps its default */
  gboolean list;           /* an array even where it is one of a single number */
} FwConfigField;

/* Fills @config by @fields, ended by a NULL name; members that no field names are ignored. FW_ERROR_FORMAT in one sentence
 * that starts with @what and names the member that is missing, of another type, or out of range. */
gboolean fw_config_read (JsonObject *json, const FwConfigField *fields, gpointer config, const char *what, GError **error);
