/* SPDX-License-Identifier: Apache-2.0
 * UTF-8 decoding with repair, character classes, lower case and composition for caption cleaning. */
#include "engine/text/unicode.h"

#include <string.h>

#define COMBINING_RUN_LIMIT 256

gsize
fw_utf8_take (const guint8 *bytes, gsize size, gunichar *character)
{
  guint8 lead = bytes[0], low = 0x80, high = 0xbf;
  gsize length = lead < 0x80 ? 1 : lead < 0xc2 ? 0 : lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : lead < 0xf5 ? 4 : 0;
  *character = FW_ILL_FORMED;
  if (length == 0)
    return 1;
  if (lead == 0xe0 || lead == 0xf0)
    low = lead == 0xe0 ? 0xa0 : 0x90;  /* lower ones would be overlong */
  if (lead == 0xed || lead == 0xf4)
    high = lead == 0xed ? 0x9f : 0x8f;  /* higher ones are surrogates or beyond U+10FFFF */
  gunichar value = length == 1 ? lead : lead & (0x7fu >> length);
  for (gsize i = 1; i < length; i++) {
    if (i >= size || bytes[i] < low || bytes[i] > high)
      return i;
    value = value << 6 | (bytes[i] & 0x3fu);
    low = 0x80;
    high = 0xbf;
  }
  *character = value;
  return length;
}

void
fw_utf8_append_repaired (GString *text, const guint8 *bytes, gsize size)
{
  for (gsize at = 0; at < size;) {
    gunichar character;
    gsize length = fw_utf8_take (bytes + at, size - at, &character);
    if (character == FW_ILL_FORMED)
      g_string_append (text, "\357\277\275");
    else
      g_string_append_len (text, (const char *) bytes + at, length);
    at += length;
  }
}

void
fw_text_assign (GString *text, const GString *other)
{
  g_string_truncate (text, 0);
  g_string_append_len (text, other->str, other->len);
}

gboolean
fw_unicode_is_space (gunichar character)
{
  return (character >= 0x09 && character <= 0x0d) || (character >= 0x1c && character <= 0x20) || character == 0x85
         || character == 0xa0 || character == 0x1680 || (character >= 0x2000 && character <= 0x200a) || character == 0x2028
         || character == 0x2029 || character == 0x202f || character == 0x205f || character == 0x3000;
}

gboolean
fw_unicode_is_word (gunichar character)
{
  static const guint32 word = 1u << G_UNICODE_LOWERCASE_LETTER | 1u << G_UNICODE_MODIFIER_LETTER | 1u << G_UNICODE_OTHER_LETTER
                              | 1u << G_UNICODE_TITLECASE_LETTER | 1u << G_UNICODE_UPPERCASE_LETTER
                              | 1u << G_UNICODE_DECIMAL_NUMBER | 1u << G_UNICODE_LETTER_NUMBER | 1u << G_UNICODE_OTHER_NUMBER;
  return character == '_' || (word >> g_unichar_type (character) & 1);
}

/* Characters that casing rules look through: marks, formats, modifiers and the punctuation that occurs within words. */
static gboolean
is_case_ignorable (gunichar character)
{
  switch (g_unichar_type (character)) {
  case G_UNICODE_NON_SPACING_MARK:
  case G_UNICODE_ENCLOSING_MARK:
  case G_UNICODE_FORMAT:
  case G_UNICODE_MODIFIER_LETTER:
  case G_UNICODE_MODIFIER_SYMBOL:
    return TRUE;
  default:
    return character == '\'' || character == '.' || character == ':' || character == 0xb7 || character == 0x387
           || character == 0x55f || character == 0x5f4 || character == 0x2018 || character == 0x2019 || character == 0x2024 || character == 0x2027
           || character == 0xfe13 || character == 0xfe52 || character == 0xfe55 || character == 0xff07 || character == 0xff0e
           || character == 0xff1a;
  }
}

/* GLib gives lower case to letters only; Roman numerals and circled letters have it too. */
static gunichar
lower_character (gunichar character)
{
  if (character >= 0x2160 && character <= 0x216f)
    return character + 0x10;
  if (character >= 0x24b6 && character <= 0x24cf)
    return character + 0x1a;
  return g_unichar_tolower (character);
}

static gboolean
is_cased (gunichar character)
{
  return g_unichar_isupper (character) || g_unichar_islower (character) || g_unichar_istitle (character)
         || character == 0xaa || character == 0xba || (character >= 0x2160 && character <= 0x217f)
         || (character >= 0x24b6 && character <= 0x24e9);
}

/* A capital sigma that ends a word has its own lower case form. */
static gboolean
is_final_sigma (const GString *text, const char *sigma)
{
  gboolean after_letter = FALSE;
  for (const char *at = sigma; at > text->str;) {
    at = g_utf8_prev_char (at);
    gunichar character = g_utf8_get_char (at);
    if (is_case_ignorable (character))
      continue;
    after_letter = is_cased (character);
    break;
  }
  if (!after_letter)
    return FALSE;
  for (const char *at = g_utf8_next_char (sigma); at < text->str + text->len; at = g_utf8_next_char (at)) {
    gunichar character = g_utf8_get_char (at);
    if (!is_case_ignorable (character))
      return !is_cased (character);
  }
  return TRUE;
}

void
fw_text_lower (GString *text)
{
  g_autoptr (GString) lower = g_string_sized_new (text->len + 8);
  for (const char *at = text->str; at < text->str + text->len; at = g_utf8_next_char (at)) {
    gunichar character = g_utf8_get_char (at);
    if (character < 0x80)
      g_string_append_c (lower, g_ascii_tolower ((char) character));
    else if (character == 0x130)
      g_string_append (lower, "i\314\207");
    else if (character == 0x3a3)
      g_string_append_unichar (lower, is_final_sigma (text, at) ? 0x3c2 : 0x3c3);
    else
      g_string_append_unichar (lower, lower_character (character));
  }
  fw_text_assign (text, lower);
}

void
fw_text_strip (GString *text)
{
  const char *from = text->str, *to = text->str + text->len;
  while (from < to && fw_unicode_is_space (g_utf8_get_char (from)))
    from = g_utf8_next_char (from);
  while (to > from) {
    const char *last = g_utf8_prev_char (to);
    if (!fw_unicode_is_space (g_utf8_get_char (last)))
      break;
    to = last;
  }
  g_string_truncate (text, to - text->str);
  g_string_erase (text, 0, from - text->str);
}

void
fw_text_compose (GString *text)
{
  g_autoptr (GString) composed = g_string_sized_new (text->len + 8);
  const char *end = text->str + text->len, *from = text->str;
  int run = 0;
  for (const char *at = from; at < end; at = g_utf8_next_char (at)) {
    run = g_unichar_combining_class (g_utf8_get_char (at)) != 0 ? run + 1 : 0;
    if (run <= COMBINING_RUN_LIMIT)
      continue;
    g_autofree char *piece = g_utf8_normalize (from, at - from, G_NORMALIZE_NFC);
    g_string_append (composed, piece);
    from = at;
    run = 1;
  }
  g_autofree char *rest = g_utf8_normalize (from, end - from, G_NORMALIZE_NFC);
  g_string_append (composed, rest);
  fw_text_assign (text, composed);
}
