/* SPDX-License-Identifier: Apache-2.0
 * The strict JSON cursor, RFC 8259. */
#include "engine/checkpoint/strict-json.h"

#include <string.h>

FwJson
fw_json_begin (const char *text, gsize size)
{
  return (FwJson) { .at = text, .end = text + size };
}

gboolean
fw_json_fail (FwJson *json, const char *fault)
{
  if (json->fault == NULL)
    json->fault = fault;
  return FALSE;
}

/* The next byte after white space, or 0 at the end; a NUL in the text is no JSON, so both are refused alike. */
static char
peek (FwJson *json)
{
  while (json->at < json->end && (*json->at == ' ' || *json->at == '\t' || *json->at == '\n' || *json->at == '\r'))
    json->at++;
  return json->at < json->end ? *json->at : 0;
}

gboolean
fw_json_expect (FwJson *json, char symbol)
{
  if (json->fault != NULL)
    return FALSE;
  if (peek (json) != symbol)
    return fw_json_fail (json, json->at == json->end ? "the JSON text is cut off" : "the JSON text has an unexpected character");
  json->at++;
  return TRUE;
}

gboolean
fw_json_next (FwJson *json, char close, gboolean *first)
{
  if (json->fault != NULL)
    return FALSE;
  if (peek (json) == close) {
    json->at++;
    return FALSE;
  }
  gboolean opening = *first;
  *first = FALSE;
  if (opening)
    return TRUE;
  if (!fw_json_expect (json, ','))
    return FALSE;
  if (peek (json) == close)
    return fw_json_fail (json, "the JSON text has a trailing comma");
  return TRUE;
}

static gboolean
hex4 (FwJson *json, gunichar *value)
{
  if (json->end - json->at < 4)
    return fw_json_fail (json, "a JSON string is cut off");
  *value = 0;
  for (int i = 0; i < 4; i++) {
    int digit = g_ascii_xdigit_value (*json->at++);
    if (digit < 0)
      return fw_json_fail (json, "a JSON string has a bad \\u escape");
    *value = *value << 4 | (gunichar) digit;
  }
  return TRUE;
}

static gboolean
unicode_escape (FwJson *json, GString *text)
{
  gunichar value = 0, low = 0;
  if (!hex4 (json, &value))
    return FALSE;
  if (value >= 0xd800 && value < 0xdc00) {
    if (json->end - json->at < 2 || json->at[0] != '\\' || json->at[1] != 'u')
      return fw_json_fail (json, "a JSON string has half of a surrogate pair");
    json->at += 2;
    if (!hex4 (json, &low))
      return FALSE;
    if (low < 0xdc00 || low >= 0xe000)
      return fw_json_fail (json, "a JSON string has half of a surrogate pair");
    value = 0x10000 + ((value - 0xd800) << 10) + (low - 0xdc00);
  } else if (value >= 0xdc00 && value < 0xe000) {
    return fw_json_fail (json, "a JSON string has half of a surrogate pair");
  }
  if (value == 0)
    g_string_append_c (text, '\0');
  else
    g_string_append_unichar (text, value);
  return TRUE;
}

static gboolean
escape (FwJson *json, GString *text)
{
  static const char letters[] = "\"\\/bfnrt", meanings[] = "\"\\/\b\f\n\r\t";
  if (json->at == json->end)
    return fw_json_fail (json, "a JSON string is cut off");
  char letter = *json->at++;
  if (letter == 'u')
    return unicode_escape (json, text);
  const char *found = letter != 0 ? strchr (letters, letter) : NULL;
  if (found == NULL)
    return fw_json_fail (json, "a JSON string has an unknown escape");
  g_string_append_c (text, meanings[found - letters]);
  return TRUE;
}

gboolean
fw_json_string (FwJson *json, GString *text)
{
  g_string_truncate (text, 0);
  if (!fw_json_expect (json, '"'))
    return FALSE;
  for (;;) {
    const char *start = json->at;
    while (json->at < json->end && *json->at != '"' && *json->at != '\\' && (guchar) *json->at >= 0x20)
      json->at++;
    g_string_append_len (text, start, json->at - start);
    if (json->at == json->end)
      return fw_json_fail (json, "a JSON string is cut off");
    char symbol = *json->at++;
    if (symbol == '"')
      return TRUE;
    if (symbol != '\\')
      return fw_json_fail (json, "a JSON string has a raw control character");
    if (!escape (json, text))
      return FALSE;
  }
}

gboolean
fw_json_name (FwJson *json, GString *text)
{
  return fw_json_string (json, text) && fw_json_expect (json, ':');
}

gboolean
fw_json_unsigned (FwJson *json, guint64 *value)
{
  if (json->fault != NULL)
    return FALSE;
  char first = peek (json);
  if (!g_ascii_isdigit (first))
    return fw_json_fail (json, first == '-' ? "a number is negative" : "a value is not a whole number");
  *value = 0;
  const char *start = json->at;
  while (json->at < json->end && g_ascii_isdigit (*json->at)) {
    guint64 digit = (guint64) (*json->at++ - '0');
    if (!g_uint64_checked_mul (value, *value, 10) || !g_uint64_checked_add (value, *value, digit))
      return fw_json_fail (json, "a number does not fit 64 bits");
  }
  if (first == '0' && json->at - start > 1)
    return fw_json_fail (json, "a number starts with 0");
  if (json->at < json->end && strchr (".eE", *json->at) != NULL)
    return fw_json_fail (json, "a value is not a whole number");
  return TRUE;
}

static gboolean
digits (FwJson *json)
{
  const char *start = json->at;
  while (json->at < json->end && g_ascii_isdigit (*json->at))
    json->at++;
  return json->at > start || fw_json_fail (json, "a JSON number is malformed");
}

static gboolean
skip_number (FwJson *json)
{
  if (*json->at == '-')
    json->at++;
  const char *start = json->at;
  if (!digits (json))
    return FALSE;
  if (*start == '0' && json->at - start > 1)
    return fw_json_fail (json, "a number starts with 0");
  if (json->at < json->end && *json->at == '.') {
    json->at++;
    if (!digits (json))
      return FALSE;
  }
  if (json->at < json->end && (*json->at == 'e' || *json->at == 'E')) {
    json->at++;
    if (json->at < json->end && (*json->at == '+' || *json->at == '-'))
      json->at++;
    return digits (json);
  }
  return TRUE;
}

static gboolean
skip_word (FwJson *json)
{
  static const char *const words[] = { "true", "false", "null" };
  for (gsize i = 0; i < G_N_ELEMENTS (words); i++) {
    gsize length = strlen (words[i]);
    if ((gsize) (json->end - json->at) >= length && memcmp (json->at, words[i], length) == 0) {
      json->at += length;
      return TRUE;
    }
  }
  return fw_json_fail (json, json->at == json->end ? "the JSON text is cut off" : "the JSON text has an unexpected character");
}

static gboolean
skip_value (FwJson *json, GString *scratch, int depth)
{
  char symbol = json->fault == NULL ? peek (json) : 0;
  if (symbol == '"')
    return fw_json_string (json, scratch);
  if (symbol == '-' || g_ascii_isdigit (symbol))
    return skip_number (json);
  if (symbol != '{' && symbol != '[')
    return json->fault == NULL && skip_word (json);
  if (depth == FW_JSON_MAX_DEPTH)
    return fw_json_fail (json, "the JSON text is nested too deeply");
  json->at++;
  gboolean first = TRUE;
  char close = symbol == '{' ? '}' : ']';
  while (fw_json_next (json, close, &first)) {
    if (symbol == '{' && !fw_json_name (json, scratch))
      return FALSE;
    if (!skip_value (json, scratch, depth + 1))
      return FALSE;
  }
  return json->fault == NULL;
}

gboolean
fw_json_skip (FwJson *json)
{
  g_autoptr (GString) scratch = g_string_new (NULL);
  return skip_value (json, scratch, 0);
}

gboolean
fw_json_end (FwJson *json)
{
  if (json->fault != NULL)
    return FALSE;
  peek (json);
  return json->at == json->end || fw_json_fail (json, "there is text after the JSON object");
}
