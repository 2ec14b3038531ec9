/* SPDX-License-Identifier: Apache-2.0
 * A strict JSON cursor for untrusted headers: it refuses what lenient parsers let pass (trailing commas and text, lone
 * surrogates, numbers that are not plain integers where one is asked for), never recurses deeply and builds no tree. */
#pragma once
#include <glib.h>

/* A position in text that must be valid UTF-8. After the first fault every call fails and @fault says what was wrong. */
typedef struct {
  const char *at, *end;
  const char *fault; /* static text, or NULL */
} FwJson;

/* Deepest nesting that fw_json_skip() follows. */
enum { FW_JSON_MAX_DEPTH = 64 };

FwJson fw_json_begin (const char *text, gsize size);
/* Records @fault unless there is one already; returns FALSE. */
gboolean fw_json_fail (FwJson *json, const char *fault);
/* Consumes white space, then @symbol; a fault if something else comes. */
gboolean fw_json_expect (FwJson *json, char symbol);
/* Iterates an object or array whose opening bracket was consumed: TRUE if another item follows, FALSE after having consumed
 * @close or on a fault. @first is TRUE before the first call. */
gboolean fw_json_next (FwJson *json, char close, gboolean *first);
/* A string, unescaped into @text (replacing its content). Its length counts, for it may hold NUL. */
gboolean fw_json_string (FwJson *json, GString *text);
/* A member's name and the colon after it. */
gboolean fw_json_name (FwJson *json, GString *text);
/* A non-negative integer without sign, fraction or exponent that fits 64 bits. */
gboolean fw_json_unsigned (FwJson *json, guint64 *value);
/* Any value, checked and dropped. */
gboolean fw_json_skip (FwJson *json);
/* Only white space is left. */
gboolean fw_json_end (FwJson *json);
