/* SPDX-License-Identifier: Apache-2.0
 * Mojibake repair: write the text back in the character set it may have been misread in, and read the bytes as UTF-8. Where that
 * fails for the whole, stretches that look like UTF-8 are repaired on their own. */
#include "engine/text/mojibake.h"

#include <string.h>

#include "engine/text/legacy-charsets.h"
#include "engine/text/unicode.h"

#define ROUND_LIMIT 32  /* misreadings of misreadings that are undone */
#define DEPTH_LIMIT 8   /* stretches within stretches */

static void repair (GArray *text, int depth);

/* A place in a byte pattern: a range, and bytes that processing on the way puts there instead. */
enum { SPACE = 1, LOST = 2, QUESTION = 4, NO_SPECIAL = 8 };
typedef struct { guint8 first, last, flags; } BytePlace;
typedef struct { BytePlace places[4]; } BytePattern;

#define CONTINUATION 0x80, 0xbf
#define NEVER 0xff, 0x00

/* UTF-8 whose byte A0 has been made a space on the way; 85 (an ellipsis there) is left out. The two-byte leads are those that
 * give likely characters. */
static const BytePattern altered[] = {
  { { { 0xc2, 0xc3, 0 }, { NEVER, SPACE } } },
  { { { 0xc5, 0xc5, 0 }, { NEVER, SPACE } } },
  { { { 0xce, 0xce, 0 }, { NEVER, SPACE } } },
  { { { 0xd0, 0xd0, 0 }, { NEVER, SPACE } } },
  { { { 0xd9, 0xd9, 0 }, { NEVER, SPACE } } },
  { { { 0xe2, 0xe3, 0 }, { NEVER, SPACE }, { CONTINUATION, NO_SPECIAL } } },
  { { { 0xe0, 0xe3, 0 }, { CONTINUATION, NO_SPECIAL }, { NEVER, SPACE } } },
  { { { 0xf0, 0xf0, 0 }, { NEVER, SPACE }, { CONTINUATION, 0 }, { CONTINUATION, 0 } } },
  { { { 0xf0, 0xf0, 0 }, { CONTINUATION, 0 }, { NEVER, SPACE }, { CONTINUATION, 0 } } },
  { { { 0xf0, 0xf0, 0 }, { CONTINUATION, 0 }, { CONTINUATION, 0 }, { NEVER, SPACE } } }
};

/* UTF-8 of which bytes have been lost (1A) or replaced by a question mark, of which there may be one. */
static const BytePattern lossy_short[] = {
  { { { 0xc2, 0xdf, 0 }, { NEVER, LOST } } }, { { { 0xc2, 0xc3, 0 }, { NEVER, QUESTION } } }
};
static const BytePattern lossy_surrogates[][2] = {
  { { { { 0xed, 0xed, 0 }, { 0xa0, 0xaf, 0 }, { NEVER, LOST | QUESTION } } },
    { { { 0xed, 0xed, 0 }, { 0xb0, 0xbf, 0 }, { CONTINUATION, LOST | QUESTION } } } },
  { { { { 0xed, 0xed, 0 }, { 0xa0, 0xaf, 0 }, { CONTINUATION, LOST | QUESTION } } },
    { { { 0xed, 0xed, 0 }, { 0xb0, 0xbf, 0 }, { NEVER, LOST | QUESTION } } } }
};
static const BytePattern lossy_long[] = {
  { { { 0xe0, 0xef, 0 }, { NEVER, LOST | QUESTION }, { CONTINUATION, LOST } } },
  { { { 0xe0, 0xef, 0 }, { CONTINUATION, LOST }, { NEVER, LOST | QUESTION } } },
  { { { 0xf0, 0xf4, 0 }, { NEVER, LOST | QUESTION }, { CONTINUATION, LOST }, { CONTINUATION, LOST } } },
  { { { 0xf0, 0xf4, 0 }, { CONTINUATION, LOST }, { NEVER, LOST | QUESTION }, { CONTINUATION, LOST } } },
  { { { 0xf0, 0xf4, 0 }, { CONTINUATION, LOST }, { CONTINUATION, LOST }, { NEVER, LOST | QUESTION } } },
  { { { NEVER, LOST } } }
};

static gboolean
place_accepts (const BytePlace *place, guint8 byte)
{
  if (byte >= place->first && byte <= place->last)
    return !((place->flags & NO_SPECIAL) && (byte == 0x85 || byte == 0xa0));
  return (byte == ' ' && (place->flags & SPACE)) || (byte == 0x1a && (place->flags & LOST))
         || (byte == '?' && (place->flags & QUESTION));
}

/* The length of the pattern where it matches at @bytes, else 0. */
static gsize
match_bytes (const BytePattern *pattern, const guint8 *bytes, gsize size)
{
  gsize i = 0;
  for (; i < G_N_ELEMENTS (pattern->places) && (pattern->places[i].first != 0 || pattern->places[i].flags != 0); i++)
    if (i >= size || !place_accepts (&pattern->places[i], bytes[i]))
      return 0;
  return i;
}

static gsize
match_any (const BytePattern *patterns, gsize count, const guint8 *bytes, gsize size)
{
  gsize length = 0;
  for (gsize i = 0; i < count && length == 0; i++)
    length = match_bytes (&patterns[i], bytes, size);
  return length;
}

/* "Ã " alone is far more often the word "à" than the beginning of the next one, except for these Portuguese contractions. */
static gboolean
is_lone_word (const guint8 *bytes, gsize size)
{
  static const char *const contractions[] = { " ", "quele", "quela", "quilo", "s " };
  if (size < 2 || bytes[0] != 0xc3 || bytes[1] != ' ')
    return FALSE;
  for (gsize i = 0; i < G_N_ELEMENTS (contractions); i++) {
    gsize length = strlen (contractions[i]);
    if (size - 2 >= length && memcmp (bytes + 2, contractions[i], length) == 0)
      return FALSE;
  }
  return TRUE;
}

static void
replace_bytes (GByteArray *bytes, const GByteArray *by)
{
  g_byte_array_set_size (bytes, 0);
  g_byte_array_append (bytes, by->data, by->len);
}

static void
restore_words (GByteArray *bytes)
{
  g_autoptr (GByteArray) out = g_byte_array_sized_new (bytes->len);
  for (guint i = 0; i < bytes->len;) {
    gboolean word = is_lone_word (bytes->data + i, bytes->len - i);
    g_byte_array_append (out, word ? (const guint8 *) "\303\240 " : bytes->data + i, word ? 3 : 1);
    i += word ? 2 : 1;
  }
  replace_bytes (bytes, out);
}

static void
restore_hard_spaces (GByteArray *bytes)
{
  restore_words (bytes);
  for (guint i = 0; i < bytes->len;) {
    gsize length = match_any (altered, G_N_ELEMENTS (altered), bytes->data + i, bytes->len - i);
    for (gsize k = 0; k < length; k++)
      if (bytes->data[i + k] == ' ')
        bytes->data[i + k] = 0xa0;
    i += MAX (length, 1);
  }
}

static gsize
match_surrogates (const guint8 *bytes, gsize size)
{
  for (gsize i = 0; size >= 6 && i < G_N_ELEMENTS (lossy_surrogates); i++)
    if (match_bytes (&lossy_surrogates[i][0], bytes, size) > 0 && match_bytes (&lossy_surrogates[i][1], bytes + 3, size - 3) > 0)
      return 6;
  return 0;
}

/* What has lost bytes is read as one U+FFFD. */
static void
replace_lossy (GByteArray *bytes)
{
  g_autoptr (GByteArray) out = g_byte_array_sized_new (bytes->len);
  for (guint i = 0; i < bytes->len;) {
    const guint8 *at = bytes->data + i;
    gsize size = bytes->len - i, length = match_any (lossy_short, G_N_ELEMENTS (lossy_short), at, size);
    if (length == 0)
      length = match_surrogates (at, size);
    if (length == 0)
      length = match_any (lossy_long, G_N_ELEMENTS (lossy_long), at, size);
    g_byte_array_append (out, length > 0 ? (const guint8 *) "\357\277\275" : at, length > 0 ? 3 : 1);
    i += MAX (length, 1);
  }
  replace_bytes (bytes, out);
}

/* The bytes of @text in @charset, or NULL where it lacks a character. */
static GByteArray *
encode (const GArray *text, const FwCharset *charset)
{
  g_autoptr (GByteArray) bytes = g_byte_array_sized_new (text->len);
  for (guint i = 0; i < text->len; i++) {
    int value = fw_charset_byte (charset, g_array_index (text, gunichar, i));
    if (value < 0)
      return NULL;
    guint8 byte = (guint8) value;
    g_byte_array_append (bytes, &byte, 1);
  }
  return g_steal_pointer (&bytes);
}

/* A character that two three-byte surrogates at @bytes spell, or 0. */
static gunichar
take_surrogates (const guint8 *bytes, gsize size)
{
  if (size < 6 || bytes[0] != 0xed || bytes[3] != 0xed || (bytes[1] & 0xf0) != 0xa0 || (bytes[4] & 0xf0) != 0xb0
      || (bytes[2] & 0xc0) != 0x80 || (bytes[5] & 0xc0) != 0x80)
    return 0;
  gunichar high = (bytes[1] & 0x0fu) << 6 | (bytes[2] & 0x3fu), low = (bytes[4] & 0x0fu) << 6 | (bytes[5] & 0x3fu);
  return (high << 10 | low) + 0x10000;
}

/* Takes @by as the new @text and says whether that changed it. */
static gboolean
replace_text (GArray *text, const GArray *by)
{
  gboolean changed = by->len != text->len || memcmp (by->data, text->data, (gsize) by->len * sizeof (gunichar)) != 0;
  g_array_set_size (text, 0);
  g_array_append_vals (text, by->data, by->len);
  return changed;
}

/* Reads UTF-8, also with NUL as C0 80 and with surrogate pairs, into @text; FALSE leaves it where anything is ill-formed. */
static gboolean
decode (GArray *text, const GByteArray *bytes, gboolean *changed)
{
  g_autoptr (GArray) out = g_array_sized_new (FALSE, FALSE, sizeof (gunichar), bytes->len);
  for (guint i = 0; i < bytes->len;) {
    const guint8 *at = bytes->data + i;
    gsize size = bytes->len - i, length = 6;
    gunichar character = take_surrogates (at, size);
    if (size > 1 && at[0] == 0xc0 && at[1] == 0x80)
      length = 2;
    else if (character == 0)
      length = fw_utf8_take (at, size, &character);
    if (character == FW_ILL_FORMED)
      return FALSE;
    g_array_append_val (out, character);
    i += length;
  }
  *changed = replace_text (text, out);
  return TRUE;
}

/* TRUE where the whole text can be read as UTF-8 by way of some set. */
static gboolean
repair_whole (GArray *text, gboolean *is_latin_1, gboolean *changed)
{
  for (gsize i = 0; i < FW_CHARSET_COUNT; i++) {
    g_autoptr (GByteArray) bytes = encode (text, &fw_charsets[i]);
    if (bytes == NULL)
      continue;
    *is_latin_1 |= i == 0;
    if (strcmp (fw_charsets[i].name, "macroman") != 0)  /* there, an en dash before a space looks the same */
      restore_hard_spaces (bytes);
    if (fw_charsets[i].sloppy)
      replace_lossy (bytes);
    if (decode (text, bytes, changed))
      return TRUE;
  }
  return FALSE;
}

/* What a character could be as a byte of UTF-8, in any of the sets but Mac Roman, code page 437 and ISO 8859-2. */
enum { FIRST_OF_2 = 1, FIRST_OF_3 = 2, FIRST_OF_4 = 4, FOLLOWING = 8, FOLLOWING_STRICT = 16 };
#define CLUE_CHARSETS 7

static guint
clues_of (gunichar character)
{
  static const char often_themselves[] = "–—―‘’‚“”„•…";
  guint clues = character == ' ' ? FOLLOWING : 0;
  if (character < 0x80)
    return clues;
  for (gsize i = 0; i < CLUE_CHARSETS; i++) {
    int byte = fw_charset_byte (&fw_charsets[i], character);
    clues |= byte >= 0xc2 && byte < 0xe0 ? FIRST_OF_2 : byte >= 0xe0 && byte < 0xf0 ? FIRST_OF_3
             : byte == 0xf0 || byte == 0xf3 ? FIRST_OF_4 : byte >= 0x80 && byte < 0xc0 ? FOLLOWING | FOLLOWING_STRICT : 0;
  }
  return g_utf8_strchr (often_themselves, -1, character) != NULL ? clues & ~(guint) FOLLOWING_STRICT : clues;
}

/* The length of a run of sequences that look like misread UTF-8, or 0. */
static gsize
match_run (const guint8 *clues, gsize size)
{
  gsize length = 0;
  for (;;) {
    gsize room = size - length, following = 0, taken = 0;
    while (following < 3 && following + 1 < room && (clues[length + 1 + following] & FOLLOWING))
      following++;
    for (gsize i = 1; i <= following && taken == 0; i++)
      taken = clues[length] & (FIRST_OF_2 << (i - 1)) ? i + 1 : 0;
    if (room == 0 || taken == 0)
      return length;
    length += taken;
  }
}

static gboolean
repair_runs (GArray *text, int depth)
{
  const gunichar *characters = (const gunichar *) (gpointer) text->data;
  g_autofree guint8 *clues = g_malloc (text->len + 1);
  g_autoptr (GArray) out = g_array_sized_new (FALSE, FALSE, sizeof (gunichar), text->len);
  for (guint i = 0; i < text->len; i++)
    clues[i] = (guint8) clues_of (characters[i]);
  for (guint i = 0; i < text->len;) {
    gsize length = i > 0 && (clues[i - 1] & FOLLOWING_STRICT) ? 0 : match_run (clues + i, text->len - i);
    if (length > 0 && length < text->len && fw_mojibake_suspected (characters + i, length)) {
      g_autoptr (GArray) run = g_array_new (FALSE, FALSE, sizeof (gunichar));
      g_array_append_vals (run, characters + i, length);
      repair (run, depth + 1);
      g_array_append_vals (out, run->data, run->len);
    } else {
      g_array_append_vals (out, characters + i, MAX (length, 1));
    }
    i += MAX (length, 1);
  }
  return replace_text (text, out);
}

/* C1 controls were meant as Windows-1252; where all of the text must fit, its holes refuse. */
static gboolean
read_as_windows_1252 (GArray *text, gboolean all)
{
  g_autofree gunichar *read = g_memdup2 (text->data, (gsize) text->len * sizeof (gunichar));
  gboolean changed = FALSE;
  for (guint i = 0; i < text->len; i++) {
    if (read[i] < 0x80 || read[i] >= 0xa0)
      continue;
    gunichar meant = fw_windows_1252->high[read[i] - 0x80];
    if (all && meant == read[i])
      return FALSE;
    changed |= meant != read[i];
    read[i] = meant;
  }
  if (changed)
    memcpy (text->data, read, (gsize) text->len * sizeof (gunichar));
  return changed;
}

static gboolean
is_ascii (const GArray *text)
{
  gunichar all = 0;
  for (guint i = 0; i < text->len; i++)
    all |= g_array_index (text, gunichar, i);
  return all < 0x80;
}

/* One step; FALSE where nothing changed. */
static gboolean
repair_step (GArray *text, int depth)
{
  gboolean is_latin_1 = FALSE, changed = FALSE;
  if (is_ascii (text) || !fw_mojibake_suspected ((const gunichar *) (gpointer) text->data, text->len))
    return FALSE;
  if (repair_whole (text, &is_latin_1, &changed))
    return changed;
  if (depth < DEPTH_LIMIT && repair_runs (text, depth))
    return TRUE;
  return (is_latin_1 && read_as_windows_1252 (text, TRUE)) || read_as_windows_1252 (text, FALSE);
}

static void
repair (GArray *text, int depth)
{
  for (int round = 0; round < ROUND_LIMIT && repair_step (text, depth); round++)
    continue;
}

void
fw_mojibake_repair (GArray *text)
{
  repair (text, 0);
}
