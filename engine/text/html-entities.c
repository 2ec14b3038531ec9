/* SPDX-License-Identifier: Apache-2.0
 * Named and numeric character references, decoded as the HTML standard's tokenizer states for them say. */
#include "engine/text/html-entities.h"

#include <stdlib.h>
#include <string.h>

#include "engine/text/legacy-charsets.h"
#include "engine/text/unicode.h"

#define NAME_LIMIT 32  /* characters a reference may have, the semicolon not counted */

typedef struct { const char *name, *text; gboolean legacy; } Entity;

static const Entity entities[] = {
#define NAMED(name, text) { #name, text, FALSE },
#define LEGACY(name, text) { #name, text, TRUE },
#include "engine/text/html-entities-table.h"
#undef NAMED
#undef LEGACY
};

static const Entity *
find_entity (const char *name, gsize length)
{
  gsize low = 0, high = G_N_ELEMENTS (entities);
  while (low < high) {
    gsize middle = (low + high) / 2;
    int order = strncmp (name, entities[middle].name, length);
    gsize entity_length = strlen (entities[middle].name);
    if (order == 0 && entity_length == length)
      return &entities[middle];
    if (order > 0 || (order == 0 && entity_length < length))  /* the latter where @name holds a NUL */
      low = middle + 1;
    else
      high = middle;
  }
  return NULL;
}

const char *
fw_html_entity_any (const char *name, gsize length)
{
  const Entity *entity = length > 0 ? find_entity (name, length) : NULL;
  return entity != NULL ? entity->text : NULL;
}

const char *
fw_html_entity (const char *name, gsize length)
{
  gboolean closed = length > 0 && name[length - 1] == ';';
  const Entity *entity = length > (gsize) closed ? find_entity (name, length - closed) : NULL;
  return entity != NULL && (closed || entity->legacy) ? entity->text : NULL;
}

gunichar
fw_html_windows_1252 (gunichar number)
{
  return number >= 0x80 && number < 0xa0 ? fw_windows_1252->high[number - 0x80] : number;
}

gunichar
fw_html_number (const char *digits, const char *end, guint base)
{
  gunichar number = 0;
  for (; digits < end; digits++)
    number = MIN (number * base + (guint) g_ascii_xdigit_value (*digits), 0x110000);
  return number;
}

/* Controls and noncharacters vanish; what Unicode does not have becomes U+FFFD. */
static void
append_number (GString *out, gunichar number)
{
  if (number == 0 || number > 0x10ffff || (number >= 0xd800 && number < 0xe000))
    g_string_append (out, "\357\277\275");
  else if (number >= 0x80 && number < 0xa0)
    g_string_append_unichar (out, fw_html_windows_1252 (number));
  else if (!((number < 0x20 && number != '\t' && number != '\n' && number != '\f' && number != '\r') || number == 0x7f
             || (number >= 0xfdd0 && number <= 0xfdef) || (number & 0xfffe) == 0xfffe))
    g_string_append_unichar (out, number);
}

/* "&#" stands at @at; returns the byte behind the reference, or NULL where there are no digits. */
static const char *
append_numeric (GString *out, const char *at, const char *end)
{
  const char *digits = at + 2;
  gboolean hexadecimal = digits < end && (*digits == 'x' || *digits == 'X');
  digits += hexadecimal;
  const char *behind = digits;
  while (behind < end && (hexadecimal ? g_ascii_isxdigit (*behind) : g_ascii_isdigit (*behind)))
    behind++;
  if (behind == digits)
    return NULL;
  append_number (out, fw_html_number (digits, behind, hexadecimal ? 16 : 10));
  return behind + (behind < end && *behind == ';');
}

/* The longest known beginning of the name counts, whatever follows it. */
static const char *
append_named (GString *out, const char *name, const char *end)
{
  const char *behind = name;
  for (int count = 0; count < NAME_LIMIT && behind < end && strchr ("\t\n\f <&#;", *behind) == NULL; count++)
    behind = g_utf8_next_char (behind);
  if (behind == name)
    return NULL;
  gsize length = behind - name + (behind < end && *behind == ';');
  for (; length > 1; length--) {
    const char *text = fw_html_entity (name, length);
    if (text == NULL)
      continue;
    g_string_append (out, text);
    return name + length;
  }
  return NULL;
}

void
fw_html_unescape (GString *text)
{
  const char *end = text->str + text->len;
  const char *reference = memchr (text->str, '&', text->len);
  if (reference == NULL)
    return;
  g_autoptr (GString) out = g_string_sized_new (text->len);
  const char *from = text->str;
  while (reference != NULL) {
    g_string_append_len (out, from, reference - from);
    const char *behind = reference + 1 < end && reference[1] == '#' ? append_numeric (out, reference, end)
                                                                     : append_named (out, reference + 1, end);
    if (behind == NULL) {
      g_string_append_c (out, '&');
      behind = reference + 1;
    }
    from = behind;
    reference = memchr (from, '&', end - from);
  }
  g_string_append_len (out, from, end - from);
  fw_text_assign (text, out);
}
