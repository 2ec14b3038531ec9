/* SPDX-License-Identifier: Apache-2.0
 * The fixers that undo what copying, wrong decoding and terminals do to text, run over each line until it rests. */
#include "engine/text/fix-text.h"

#include <string.h>

#include "engine/text/html-entities.h"
#include "engine/text/legacy-charsets.h"
#include "engine/text/mojibake.h"
#include "engine/text/unicode.h"

#define ROUND_LIMIT 32      /* each round undoes one level of nested references */
#define REFERENCE_LIMIT 24  /* characters between '&' and ';' */

static const struct { gunichar character; const char *letters; } ligatures[] = {
  { 0x132, "IJ" }, { 0x133, "ij" }, { 0x149, "ʼn" }, { 0x1c4, "DŽ" }, { 0x1c5, "Dž" }, { 0x1c6, "dž" }, { 0x1c7, "LJ" },
  { 0x1c8, "Lj" }, { 0x1c9, "lj" }, { 0x1ca, "NJ" }, { 0x1cb, "Nj" }, { 0x1cc, "nj" }, { 0x1f1, "DZ" }, { 0x1f2, "Dz" },
  { 0x1f3, "dz" }, { 0xfb00, "ff" }, { 0xfb01, "fi" }, { 0xfb02, "fl" }, { 0xfb03, "ffi" }, { 0xfb04, "ffl" }, { 0xfb05, "ſt" },
  { 0xfb06, "st" }
};

static const struct { gunichar first, last; } removed_controls[] = {
  { 0x00, 0x08 }, { 0x0b, 0x0b }, { 0x0e, 0x1f }, { 0x7f, 0x7f }, { 0x206a, 0x206f }, { 0xfeff, 0xfeff }, { 0xfff9, 0xfffc }
};

/* "&NTILDE;" from a text put in capitals: the capitals of what the small name means, where the name means nothing by itself. */
static char *
capital_entity (const char *name, gsize length)
{
  for (gsize known = length; known > 1; known--)
    if (fw_html_entity (name, known) != NULL)
      return NULL;
  for (gsize i = 0; i < length; i++)
    if (g_ascii_islower (name[i]))
      return NULL;
  g_autofree char *small = g_ascii_strdown (name, length);
  const char *text = fw_html_entity (small, length);
  return text != NULL ? g_utf8_strup (text, -1) : NULL;
}

/* What the reference of @length bytes at @at (from '&' to ';') stands for, or NULL to leave it. Free with g_free(). */
static char *
decode_reference (const char *at, gsize length)
{
  if (at[1] != '#') {
    const char *text = fw_html_entity (at + 1, length - 1);
    return text != NULL ? g_strdup (text) : capital_entity (at + 1, length - 1);
  }
  g_autoptr (GString) text = g_string_new_len (at, length);
  fw_html_unescape (text);
  return memchr (text->str, ';', text->len) == NULL ? g_strndup (text->str, text->len) : NULL;
}

static void
fix_references (GString *text)
{
  g_autoptr (GString) out = g_string_sized_new (text->len);
  for (gsize i = 0; i < text->len;) {
    gsize from = i + 1 + (text->str[i] == '&' && text->str[i + 1] == '#'), to = from;
    while (text->str[i] == '&' && to - from < REFERENCE_LIMIT && g_ascii_isalnum (text->str[to]))
      to++;
    gboolean closed = to > from && text->str[to] == ';';
    g_autofree char *meant = closed ? decode_reference (text->str + i, to + 1 - i) : NULL;
    if (meant != NULL)
      g_string_append (out, meant);
    else
      g_string_append_len (out, text->str + i, closed ? to + 1 - i : 1);
    i = closed ? to + 1 : i + 1;
  }
  fw_text_assign (text, out);
}

static void
fix_encoding (GString *text)
{
  g_autoptr (GArray) characters = g_array_sized_new (FALSE, FALSE, sizeof (gunichar), text->len);
  for (const char *at = text->str; at < text->str + text->len; at = g_utf8_next_char (at)) {
    gunichar character = g_utf8_get_char (at);
    g_array_append_val (characters, character);
  }
  fw_mojibake_repair (characters);
  g_string_truncate (text, 0);
  for (guint i = 0; i < characters->len; i++)
    g_string_append_unichar (text, g_array_index (characters, gunichar, i));
}

/* Calls @fix for every character; it appends what shall stand there. */
static void
fix_characters (GString *text, void (*fix) (GString *out, gunichar character))
{
  g_autoptr (GString) out = g_string_sized_new (text->len);
  for (const char *at = text->str; at < text->str + text->len; at = g_utf8_next_char (at))
    fix (out, g_utf8_get_char (at));
  fw_text_assign (text, out);
}

static void
append_usual_width (GString *out, gunichar character)
{
  if (character == 0x3000) {
    g_string_append_c (out, ' ');
    return;
  }
  char form[7] = { 0 };
  g_unichar_to_utf8 (character, form);
  g_autofree char *usual = g_utf8_normalize (form, -1, G_NORMALIZE_NFKC);
  g_string_append (out, usual);
}

/* C1 controls, ligatures, widths and quotes: one character at a time, none giving another's input. */
static void
fix_look (GString *out, gunichar character)
{
  if (character < 0x80) {
    g_string_append_c (out, (char) character);
    return;
  }
  if (character >= 0x80 && character < 0xa0)
    character = fw_windows_1252->high[character - 0x80];
  for (gsize i = 0; i < G_N_ELEMENTS (ligatures); i++) {
    if (ligatures[i].character == character) {
      for (const char *letter = ligatures[i].letters; *letter != '\0'; letter = g_utf8_next_char (letter))
        fix_look (out, g_utf8_get_char (letter));
      return;
    }
  }
  if (character == 0x3000 || (character >= 0xff01 && character < 0xfff0))
    append_usual_width (out, character);
  else if (character == 0x2bc || (character >= 0x2018 && character <= 0x201b))
    g_string_append_c (out, '\'');
  else if (character >= 0x201c && character <= 0x201f)
    g_string_append_c (out, '"');
  else
    g_string_append_unichar (out, character);
}

static void
fix_line_break (GString *out, gunichar character)
{
  gboolean breaks = character == '\r' || character == 0x85 || character == 0x2028 || character == 0x2029;
  g_string_append_unichar (out, breaks ? '\n' : character);
}

static void
fix_line_breaks (GString *text)
{
  gsize to = 0;
  for (gsize i = 0; i < text->len; i++)
    if (text->str[i] != '\r' || i + 1 >= text->len || text->str[i + 1] != '\n')
      text->str[to++] = text->str[i];
  g_string_truncate (text, to);
  fix_characters (text, fix_line_break);
}

/* Colours and the like: escape, '[', numbers between semicolons, a letter. */
static void
remove_terminal_escapes (GString *text)
{
  g_autoptr (GString) out = g_string_sized_new (text->len);
  for (gsize i = 0; i < text->len;) {
    gsize to = i + 2;
    gboolean opens = text->str[i] == '\033' && text->str[i + 1] == '[';
    while (opens && to < text->len
           && (text->str[to] == ';' || g_unichar_type (g_utf8_get_char (text->str + to)) == G_UNICODE_DECIMAL_NUMBER))
      to += g_utf8_next_char (text->str + to) - (text->str + to);
    if (opens && g_ascii_isalpha (text->str[to])) {
      i = to + 1;
      continue;
    }
    gsize kept = opens ? to - i : 1;
    g_string_append_len (out, text->str + i, MIN (kept, text->len - i));
    i += kept;
  }
  fw_text_assign (text, out);
}

static void
fix_control (GString *out, gunichar character)
{
  for (gsize i = 0; i < G_N_ELEMENTS (removed_controls); i++)
    if (character >= removed_controls[i].first && character <= removed_controls[i].last)
      return;
  g_string_append_unichar (out, character);
}

/* References are decoded only in text without tags: where there are tags, they may mean what they say. */
static void
fix_line (GString *line, gboolean *decode_references)
{
  if (memchr (line->str, '<', line->len) != NULL)
    *decode_references = FALSE;
  gboolean changed = TRUE;
  for (int round = 0; changed && round < ROUND_LIMIT; round++) {
    g_autoptr (GString) before = g_string_new_len (line->str, line->len);
    if (*decode_references)
      fix_references (line);
    fix_encoding (line);
    fix_characters (line, fix_look);
    fix_line_breaks (line);
    remove_terminal_escapes (line);
    fix_characters (line, fix_control);
    fw_text_compose (line);
    changed = !g_string_equal (before, line);
  }
}

void
fw_fix_text (GString *text)
{
  gboolean decode_references = TRUE;
  g_autoptr (GString) out = g_string_sized_new (text->len);
  for (gsize from = 0; from < text->len;) {
    const char *end = memchr (text->str + from, '\n', text->len - from);
    gsize length = end != NULL ? (gsize) (end + 1 - text->str) - from : text->len - from;
    g_autoptr (GString) line = g_string_new_len (text->str + from, length);
    fix_line (line, &decode_references);
    g_string_append_len (out, line->str, line->len);
    from += length;
  }
  fw_text_assign (text, out);
}
