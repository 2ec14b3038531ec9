/* SPDX-License-Identifier: Apache-2.0
 * What tells mojibake from writing: characters are put into classes by the role they play, and a table lists the neighbourhoods
 * of classes that misread UTF-8 shows and people do not write. The judgement is that of ftfy 6 (its badness heuristic). */
#include "engine/text/mojibake.h"

#include "engine/text/unicode.h"

enum {
  COMMON = 1 << 0,        /* ordinary signs, suspicious only in longer company */
  C1 = 1 << 1,            /* control characters U+0080 to U+009F */
  BAD = 1 << 2,           /* signs seen almost only in mojibake */
  LAW = 1 << 3,           /* paragraph signs */
  CURRENCY = 1 << 4,
  START = 1 << 5, END = 1 << 6,    /* punctuation that opens and closes */
  NUMERIC = 1 << 7,
  FACE = 1 << 8,          /* letters that draw faces, hence may stand anywhere */
  UPPER = 1 << 9, LOWER = 1 << 10, /* accented letters */
  UPPER_PLAIN = 1 << 11, LOWER_PLAIN = 1 << 12,  /* Greek and Cyrillic letters, thorn */
  BOX = 1 << 13,
  ASCII_UPPER = 1 << 14, ASCII_LOWER = 1 << 15,
  SPACE = 1 << 16, WORD = 1 << 17,
  NO_ASCII_LETTER = 1 << 18, NO_NEWLINE = 1 << 19,
  ACCENTED = UPPER | LOWER, ASCII_LETTER = ASCII_UPPER | ASCII_LOWER
};

static const struct { guint16 first, last; guint32 classes; } characters[] = {
  { 0x0080, 0x009f, C1 }, { 0x00a0, 0x00a0, COMMON }, { 0x00a1, 0x00a1, START }, { 0x00a2, 0x00a3, CURRENCY },
  { 0x00a4, 0x00a4, BAD }, { 0x00a5, 0x00a5, CURRENCY }, { 0x00a6, 0x00a6, BAD }, { 0x00a7, 0x00a7, LAW },
  { 0x00a8, 0x00a8, BAD }, { 0x00a9, 0x00a9, START }, { 0x00aa, 0x00aa, BAD }, { 0x00ab, 0x00ab, START },
  { 0x00ac, 0x00ac, BAD }, { 0x00ad, 0x00ad, COMMON }, { 0x00ae, 0x00ae, END }, { 0x00af, 0x00af, BAD },
  { 0x00b0, 0x00b0, FACE }, { 0x00b1, 0x00b3, NUMERIC }, { 0x00b4, 0x00b4, COMMON }, { 0x00b5, 0x00b5, NUMERIC },
  { 0x00b6, 0x00b6, LAW }, { 0x00b7, 0x00b7, COMMON }, { 0x00b8, 0x00b8, BAD }, { 0x00b9, 0x00b9, NUMERIC },
  { 0x00ba, 0x00ba, BAD }, { 0x00bb, 0x00bb, END }, { 0x00bc, 0x00be, NUMERIC }, { 0x00bf, 0x00bf, START },
  { 0x00c0, 0x00d1, UPPER }, { 0x00d2, 0x00d6, FACE }, { 0x00d7, 0x00d7, NUMERIC }, { 0x00d8, 0x00d8, UPPER },
  { 0x00d9, 0x00db, FACE }, { 0x00dc, 0x00dc, FACE | UPPER }, { 0x00dd, 0x00dd, UPPER }, { 0x00de, 0x00de, UPPER_PLAIN },
  { 0x00df, 0x00f1, LOWER }, { 0x00f2, 0x00f6, FACE }, { 0x00f7, 0x00f7, NUMERIC }, { 0x00f8, 0x00fb, FACE },
  { 0x00fc, 0x00fc, FACE | LOWER }, { 0x0100, 0x0100, UPPER }, { 0x0101, 0x0101, LOWER }, { 0x0102, 0x0102, UPPER },
  { 0x0103, 0x0103, LOWER }, { 0x0104, 0x0104, UPPER }, { 0x0105, 0x0105, LOWER }, { 0x0106, 0x0106, UPPER },
  { 0x0107, 0x0107, LOWER }, { 0x010c, 0x010c, UPPER }, { 0x010d, 0x010d, LOWER }, { 0x010e, 0x010e, UPPER },
  { 0x010f, 0x010f, LOWER }, { 0x0110, 0x0110, UPPER }, { 0x0111, 0x0111, LOWER }, { 0x0112, 0x0112, UPPER },
  { 0x0113, 0x0113, LOWER }, { 0x0116, 0x0116, UPPER }, { 0x0117, 0x0117, LOWER }, { 0x0118, 0x0118, UPPER },
  { 0x0119, 0x0119, LOWER }, { 0x011a, 0x011a, UPPER }, { 0x011b, 0x011b, LOWER }, { 0x011e, 0x011e, UPPER },
  { 0x011f, 0x011f, LOWER }, { 0x0122, 0x0122, UPPER }, { 0x0123, 0x0123, LOWER }, { 0x012a, 0x012a, UPPER },
  { 0x012b, 0x012b, LOWER }, { 0x012f, 0x012f, LOWER }, { 0x0130, 0x0130, UPPER }, { 0x0136, 0x0136, UPPER },
  { 0x0137, 0x0137, LOWER }, { 0x0139, 0x0139, UPPER }, { 0x013a, 0x013a, LOWER }, { 0x013b, 0x013b, UPPER },
  { 0x013c, 0x013c, LOWER }, { 0x013d, 0x013d, UPPER }, { 0x013e, 0x013e, LOWER }, { 0x0141, 0x0141, UPPER },
  { 0x0142, 0x0142, LOWER }, { 0x0143, 0x0143, UPPER }, { 0x0145, 0x0145, UPPER }, { 0x0147, 0x0147, UPPER },
  { 0x014c, 0x014c, FACE }, { 0x0150, 0x0150, FACE }, { 0x0152, 0x0152, UPPER }, { 0x0153, 0x0153, LOWER },
  { 0x0155, 0x0155, LOWER }, { 0x0158, 0x0158, UPPER }, { 0x015a, 0x015a, UPPER }, { 0x015b, 0x015b, LOWER },
  { 0x015e, 0x015e, UPPER }, { 0x015f, 0x015f, LOWER }, { 0x0160, 0x0160, UPPER }, { 0x0161, 0x0161, LOWER },
  { 0x0162, 0x0162, UPPER }, { 0x0164, 0x0164, UPPER }, { 0x0165, 0x0165, LOWER }, { 0x016a, 0x016a, FACE },
  { 0x016e, 0x016e, UPPER }, { 0x0170, 0x0170, UPPER }, { 0x0172, 0x0172, FACE }, { 0x0178, 0x0179, UPPER },
  { 0x017a, 0x017a, LOWER }, { 0x017b, 0x017b, UPPER }, { 0x017c, 0x017c, LOWER }, { 0x017d, 0x017d, UPPER },
  { 0x017e, 0x017e, LOWER }, { 0x0192, 0x0192, BAD }, { 0x02c6, 0x02c7, BAD }, { 0x02d8, 0x02d8, BAD }, { 0x02db, 0x02dc, BAD },
  { 0x02dd, 0x02dd, END }, { 0x0384, 0x0385, START }, { 0x0386, 0x0386, UPPER_PLAIN }, { 0x0388, 0x038a, UPPER_PLAIN },
  { 0x038c, 0x038c, UPPER_PLAIN }, { 0x038e, 0x038f, UPPER_PLAIN }, { 0x0391, 0x03ab, UPPER_PLAIN },
  { 0x03ac, 0x03c9, LOWER_PLAIN }, { 0x0401, 0x042f, UPPER_PLAIN }, { 0x0430, 0x045f, LOWER_PLAIN }, { 0x0490, 0x0490, UPPER },
  { 0x0491, 0x0491, LOWER }, { 0x2013, 0x2015, COMMON }, { 0x2018, 0x2018, START }, { 0x2019, 0x2019, COMMON },
  { 0x201a, 0x201a, START }, { 0x201c, 0x201c, START }, { 0x201d, 0x201d, END }, { 0x201e, 0x201e, START },
  { 0x2020, 0x2021, BAD }, { 0x2022, 0x2022, START }, { 0x2026, 0x2026, COMMON }, { 0x2030, 0x2030, BAD },
  { 0x2039, 0x2039, START }, { 0x203a, 0x203a, END }, { 0x2044, 0x2044, NUMERIC }, { 0x20a7, 0x20a7, CURRENCY },
  { 0x20ac, 0x20ac, CURRENCY }, { 0x2116, 0x2116, NUMERIC }, { 0x2122, 0x2122, END }, { 0x2202, 0x2202, NUMERIC },
  { 0x2206, 0x2206, NUMERIC }, { 0x220f, 0x220f, NUMERIC }, { 0x2211, 0x2211, NUMERIC }, { 0x221a, 0x221a, NUMERIC },
  { 0x221e, 0x221e, NUMERIC }, { 0x2229, 0x2229, NUMERIC }, { 0x222b, 0x222b, NUMERIC }, { 0x2248, 0x2248, NUMERIC },
  { 0x2260, 0x2261, NUMERIC }, { 0x2264, 0x2265, NUMERIC }, { 0x2310, 0x2310, BAD }, { 0x2502, 0x2502, BOX },
  { 0x250c, 0x250c, BOX }, { 0x2510, 0x2510, BOX }, { 0x2518, 0x2518, BOX }, { 0x251c, 0x251c, BOX }, { 0x2524, 0x2524, BOX },
  { 0x252c, 0x252c, BOX }, { 0x253c, 0x253c, BOX }, { 0x2550, 0x256c, BOX }, { 0x2580, 0x2580, BOX }, { 0x2584, 0x2584, BOX },
  { 0x2588, 0x2588, BOX }, { 0x258c, 0x258c, BOX }, { 0x2590, 0x2593, BOX }, { 0x25ca, 0x25ca, BAD }, { 0xf8ff, 0xf8ff, START },
  { 0xfb01, 0xfb02, LOWER }, { 0xfffd, 0xfffd, BAD }
};

/* A place in a sequence accepts the characters of some classes, and those of a string. */
typedef struct { guint32 classes; const char *also; } Place;
typedef struct { gboolean at_start; Place places[6]; } Sequence;

#define SIGNS (COMMON | CURRENCY | BAD | NUMERIC | START)
#define ARABIC_LEAD { 0, "ØÙ" }, { SIGNS, "ŸŠ®°µ»" }

static const Sequence sequences[] = {
  { FALSE, { { C1, NULL } } },
  { FALSE, { { BAD | ACCENTED | BOX | START | END | CURRENCY | NUMERIC | LAW, NULL }, { BAD, NULL } } },
  { FALSE, { { ASCII_LETTER, NULL }, { LOWER_PLAIN | UPPER_PLAIN, NULL }, { BAD, NULL } } },
  { FALSE, { { BAD, NULL }, { ACCENTED | BOX | START | END | CURRENCY | NUMERIC | LAW, NULL } } },
  { FALSE, { { LOWER | LOWER_PLAIN | BOX | END | CURRENCY | NUMERIC, NULL }, { UPPER, NULL } } },
  { FALSE, { { BOX | END | CURRENCY | NUMERIC, NULL }, { LOWER, NULL } } },
  { FALSE, { { LOWER | BOX | END, NULL }, { CURRENCY, NULL } } },
  { FALSE, { { SPACE, NULL }, { UPPER, NULL }, { CURRENCY, NULL } } },
  { FALSE, { { UPPER | BOX, NULL }, { NUMERIC | LAW, NULL } } },
  { FALSE, { { ACCENTED | BOX | CURRENCY | END, NULL }, { START, NULL }, { NUMERIC, NULL } } },
  { FALSE, { { ACCENTED | CURRENCY | NUMERIC | BOX | LAW, NULL }, { END, NULL }, { START, NULL } } },
  { FALSE, { { CURRENCY | NUMERIC | BOX, NULL }, { START, NULL } } },
  { FALSE, { { ASCII_LOWER, NULL }, { UPPER, NULL }, { START | CURRENCY, NULL } } },
  { FALSE, { { BOX, NULL }, { FACE, NULL } } },
  { FALSE, { { ACCENTED | CURRENCY | NUMERIC | START | END | LAW, NULL }, { BOX, NULL } } },
  { FALSE, { { BOX, NULL }, { END, NULL } } },
  { FALSE, { { ACCENTED, NULL }, { START | END, NULL }, { WORD, NULL } } },
  { FALSE, { { 0, "Œœ" }, { NO_ASCII_LETTER, NULL } } },
  { FALSE, { { UPPER, NULL }, { 0, "°" } } },
  /* Latin text read as Windows-1252 */
  { FALSE, { { 0, "ÂÃÎÐ" }, { START | END, "€œŠš¢£Ÿž\u00a0\u00ad®©°·»–—´" } } },
  { FALSE, { { 0, "×" }, { 0, "²³" } } },
  { FALSE, { { 0, "Ã" }, { 0, "\u00a0¡" } } },
  { FALSE, { { ASCII_LOWER, NULL }, { 0, "ÃÂ" }, { 0, " " } } },
  { FALSE, { { ASCII_LOWER, NULL }, { SPACE, NULL }, { 0, "ÃÂ" }, { 0, " " } } },
  { TRUE, { { 0, "ÃÂ" }, { 0, " " } } },
  { FALSE, { { ASCII_LOWER | END, ".,?!" }, { 0, "Â" }, { START | END, " " } } },
  /* Arabic and South Asian text read as Windows-1252 */
  { FALSE, { ARABIC_LEAD, ARABIC_LEAD } },
  { FALSE, { { 0, "à" }, { 0, "²µ¹¼½¾" } } },
  /* read as Mac Roman */
  { FALSE, { { 0, "√" }, { 0, "±∂†≠®™´≤≥¥µø" } } },
  { FALSE, { { 0, "≈" }, { 0, "°¢" } } },
  { FALSE, { { 0, "‚" }, { 0, "Ä" }, { 0, "ìîïòôúùû†°¢π" } } },
  { FALSE, { { 0, "‚" }, { 0, "âó" }, { 0, "àä°ê" } } },
  /* read as Windows-1251: Cyrillic letters */
  { FALSE, { { 0, "в" }, { 0, "Ђ" } } },
  { FALSE, { { 0, "ВГРС" }, { C1 | BAD | START | END | CURRENCY, "°µ" }, { 0, "ВГРС" } } },
  { FALSE, { { 0, "Г" }, { 0, "ў" }, { 0, "В" }, { 0, "Ђ" }, { 0, "В" }, { NO_NEWLINE, NULL } } },
  /* read as Windows-1253: Greek letters */
  { FALSE, { { 0, "β" }, { 0, "€" }, { 0, "™\u00a0Ά\u00ad®°" } } },
  { FALSE, { { 0, "ΒΓΞΟ" }, { C1 | BAD | START | END | CURRENCY, "°" }, { 0, "ΒΓΞΟ" } } },
  /* read as Windows-1257 */
  { FALSE, { { 0, "ā" }, { 0, "€" } } }
};

static guint32
listed_classes (gunichar character)
{
  gsize low = 0, high = G_N_ELEMENTS (characters);
  while (low < high) {
    gsize middle = (low + high) / 2;
    if (character > characters[middle].last)
      low = middle + 1;
    else if (character < characters[middle].first)
      high = middle;
    else
      return characters[middle].classes;
  }
  return 0;
}

static guint32
classify (gunichar character)
{
  guint32 classes = character < 0x80 ? 0 : listed_classes (character);
  gboolean upper = character >= 'A' && character <= 'Z', lower = character >= 'a' && character <= 'z';
  classes |= upper ? ASCII_UPPER : lower ? ASCII_LOWER : NO_ASCII_LETTER;
  if (character != '\n')
    classes |= NO_NEWLINE;
  if (fw_unicode_is_space (character))
    classes |= SPACE;
  if (fw_unicode_is_word (character))
    classes |= WORD;
  return classes;
}

static gboolean
accepts (const Place *place, gunichar character, guint32 classes)
{
  return (place->classes & classes) != 0 || (place->also != NULL && g_utf8_strchr (place->also, -1, character) != NULL);
}

static gboolean
matches (const Sequence *sequence, const gunichar *text, const guint32 *classes, gsize length)
{
  for (gsize i = 0; i < G_N_ELEMENTS (sequence->places); i++) {
    const Place *place = &sequence->places[i];
    if (place->classes == 0 && place->also == NULL)
      return TRUE;
    if (i >= length || !accepts (place, text[i], classes[i]))
      return FALSE;
  }
  return TRUE;
}

gboolean
fw_mojibake_suspected (const gunichar *text, gsize length)
{
  g_autofree guint32 *classes = g_new (guint32, length + 1);
  for (gsize i = 0; i < length; i++)
    classes[i] = classify (text[i]);
  for (gsize i = 0; i < length; i++)
    for (gsize k = 0; k < G_N_ELEMENTS (sequences); k++)
      if ((i == 0 || !sequences[k].at_start) && matches (&sequences[k], text + i, classes + i, length - i))
        return TRUE;
  return FALSE;
}
