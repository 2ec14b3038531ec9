/* SPDX-License-Identifier: Apache-2.0
 * The ordered rules of a cleaning pass. Words, digits and white space are spelled as classes with the meaning they have in
 * Python, since PCRE's own shorthands differ and change between releases; repetitions are possessive or anchored where the plain
 * form would take quadratic time. */
#include "engine/text/caption-clean.h"

#include <string.h>

#include "engine/memory/error.h"
#include "engine/text/caption-urls.h"
#include "engine/text/fix-text.h"
#include "engine/text/html-entities.h"
#include "engine/text/html-text.h"
#include "engine/text/unicode.h"

#define SPACES "\\t-\\r\\x1c-\\x20\\x85\\xa0\\x{1680}\\x{2000}-\\x{200a}\\x{2028}\\x{2029}\\x{202f}\\x{205f}\\x{3000}"
#define S "[" SPACES "]"
#define NOT_S "[^" SPACES "]"
#define W "[\\p{L}\\p{N}_]"
#define D "\\p{Nd}"
#define L "[a-zA-Z]"
#define BEGIN "(?<!" W ")"   /* a word boundary before a word character */
#define END "(?!" W ")"      /* one behind a word character */
#define BOUNDARY "(?:(?<=" W ")(?!" W ")|(?<!" W ")(?=" W "))"
#define EXTENSION "(?:png|jpg|jpeg|bmp|webp|eps|pdf|apk|mp4)"

/* Percent-decoding with '+' as a space. The bytes decoded within a stretch of ASCII are read as UTF-8 together. */
static void
decode_percent (GString *caption)
{
  g_autoptr (GString) out = g_string_sized_new (caption->len), stretch = g_string_new (NULL);
  for (gsize i = 0; i <= caption->len; i++) {
    const char *at = caption->str + i;
    gboolean ascii = i < caption->len && (guchar) *at < 0x80;
    if (!ascii && stretch->len > 0) {
      fw_utf8_append_repaired (out, (const guint8 *) stretch->str, stretch->len);
      g_string_truncate (stretch, 0);
    }
    if (!ascii) {
      g_string_append_len (out, at, i < caption->len);
    } else if (*at == '%' && g_ascii_isxdigit (at[1]) && g_ascii_isxdigit (at[2])) {
      g_string_append_c (stretch, (char) (g_ascii_xdigit_value (at[1]) << 4 | g_ascii_xdigit_value (at[2])));
      i += 2;
    } else {
      g_string_append_c (stretch, *at == '+' ? ' ' : *at);
    }
  }
  fw_text_assign (caption, out);
}

static void
remove_urls (GString *caption)
{
  static const char *const web[] = { "https:", "http:", NULL }, *const www[] = { "www:", NULL };
  fw_caption_remove_urls (caption, web);
  fw_caption_remove_urls (caption, www);
}

static void
keep_html_text (GString *caption)
{
  GString *text = fw_html_text (caption);
  fw_text_assign (caption, text);
  g_string_free (text, TRUE);
}

/* this-is-my-cute-cat: many joints mean that they stand for spaces. */
static void
split_joined_words (GString *caption)
{
  int joints = 0;
  for (gsize i = 0; i < caption->len; i++)
    joints += caption->str[i] == '-' || caption->str[i] == '_';
  for (gsize i = 0; joints > 3 && i < caption->len; i++)
    if (caption->str[i] == '-' || caption->str[i] == '_')
      caption->str[i] = ' ';
}

static void
tidy (GString *caption)
{
  fw_fix_text (caption);
  fw_html_unescape (caption);
  fw_html_unescape (caption);
  fw_text_strip (caption);
}

static void
remove_quotes_around (GString *caption)
{
  gsize last = caption->len - 1;
  if (caption->len < 3 || strchr ("\"'", caption->str[0]) == NULL || strchr ("\"'", caption->str[last]) == NULL)
    return;
  g_string_truncate (caption, last);
  g_string_erase (caption, 0, 1);
}

/* A rule is a step of its own, or a pattern whose every match gives way to a text. */
typedef struct {
  void (*step) (GString *caption);
  const char *pattern, *replacement;
} Rule;

static const Rule rules[] = {
  { decode_percent },
  { fw_text_strip },
  { fw_text_lower },
  { NULL, "<person>", "person" },
  { remove_urls },
  { keep_html_text },
  { NULL, "@" W "++", "" },                        /* @nickname */
  { NULL, "[\\x{31c0}-\\x{9fff}]++", "" },         /* strokes, enclosed and compatibility signs, ideographs */
  { NULL, "[\\x{2d}\\x{58a}\\x{5be}\\x{1400}\\x{1806}\\x{2010}-\\x{2015}\\x{2e17}\\x{2e1a}\\x{2e3a}\\x{2e3b}\\x{2e40}\\x{301c}"
          "\\x{3030}\\x{30a0}\\x{fe31}\\x{fe32}\\x{fe58}\\x{fe63}\\x{ff0d}]++", "-" },
  { NULL, "[`´«»“”¨]", "\"" },
  { NULL, "[‘’]", "'" },
  { NULL, "&quot;?", "" },
  { NULL, "&amp", "" },
  { NULL, D "{1,3}\\." D "{1,3}\\." D "{1,3}\\." D "{1,3}", " " },  /* 192.168.0.1 */
  { NULL, D ":" D D S "++$", "" },                 /* 1:23 at the end */
  { NULL, "\\\\n", " " },                          /* a backslash and n */
  { NULL, "#" D "{1,3}" END, "" },                 /* #123 */
  { NULL, "#" D "{5,}+" END, "" },                 /* #12345 */
  { NULL, BEGIN D "{6,}+" END, "" },
  { NULL, "(?<!" NOT_S ")" NOT_S "+\\." EXTENSION, "" },  /* a run that holds no file name at its beginning holds none later */
  { NULL, "[\"']{2,}+", "\"" },
  { NULL, "\\.{2,}+", " " },
  { NULL, "[#®•©™&@·º½¾¿¡§~)(\\]\\[}{|\\\\/*]++", " " },
  { NULL, "(?<!" S ")" S "++\\." S "++", " " },
  { split_joined_words },
  { tidy },
  { NULL, BEGIN L "{1,3}" D "{3,15}" END, "" },    /* jc6640 */
  { NULL, BEGIN L "++" D "++" L "++" END, "" },    /* jc6640vc */
  { NULL, BEGIN D "++" L "++" D "++" END, "" },    /* 6640vc231 */
  { NULL, "(?:worldwide" S "++)?(?:free" S "++)?shipping", "" },
  { NULL, "(?:free" S ")?download(?:" S "free)?", "" },
  { NULL, BEGIN "click" S "(?:for|on)" S W "++", "" },
  { NULL, BEGIN EXTENSION "(?:" S "images?)?", "" },
  { NULL, BEGIN "page" S "++" D "++" END, "" },
  { NULL, BEGIN D "*+" L "++" D "++" L "++" D "++(?:" L "|" D ")*+" END, " " },  /* j2d1a2a */
  { NULL, BEGIN D "++(?:\\." D "*+)?[x\\x{445}\\x{d7}]" D "++(?:\\." D "*+" BOUNDARY "|\\." BOUNDARY "|" BOUNDARY ")", "" },
  { NULL, "(?<=" W ")" S "++:" S "++", ": " },
  { NULL, "(?<=[^\\p{Nd}][,./])(?=" W ")", " " },
  { NULL, S "++", " " },
  { remove_quotes_around },
  { NULL, "^['_,\\-:;]", "" },
  { NULL, "['_,\\-:+]$", "" },
  { NULL, "^\\." NOT_S "++$", "" },
  { fw_text_strip }
};

static gpointer
compile_rules (gpointer unused)
{
  GRegex **compiled = g_new0 (GRegex *, G_N_ELEMENTS (rules));
  for (gsize i = 0; i < G_N_ELEMENTS (rules); i++) {
    g_autoptr (GError) error = NULL;
    if (rules[i].pattern == NULL)
      continue;
    compiled[i] = g_regex_new (rules[i].pattern, G_REGEX_OPTIMIZE | G_REGEX_NEWLINE_LF, 0, &error);
    if (error != NULL)
      g_critical ("caption rule %" G_GSIZE_FORMAT ": %s", i, error->message);
  }
  return compiled;
}

/* A match that fails for the library's limits counts as none. */
static void
replace_matches (GString *caption, const GRegex *regex, const char *replacement)
{
  g_autoptr (GMatchInfo) match = NULL;
  if (!g_regex_match_full (regex, caption->str, caption->len, 0, 0, &match, NULL))
    return;
  g_autoptr (GString) out = g_string_sized_new (caption->len);
  int kept = 0, from, to;
  do {
    g_match_info_fetch_pos (match, 0, &from, &to);
    g_string_append_len (out, caption->str + kept, from - kept);
    g_string_append (out, replacement);
    kept = to;
  } while (g_match_info_next (match, NULL));
  g_string_append_len (out, caption->str + kept, caption->len - kept);
  fw_text_assign (caption, out);
}

static void
clean_pass (GString *caption)
{
  static GOnce once = G_ONCE_INIT;
  GRegex *const *compiled = g_once (&once, compile_rules, NULL);
  for (gsize i = 0; i < G_N_ELEMENTS (rules); i++) {
    if (rules[i].step != NULL)
      rules[i].step (caption);
    else
      replace_matches (caption, compiled[i], rules[i].replacement);
  }
}

static GString *
take_caption (const char *caption, GError **error)
{
  gsize length = strlen (caption);
  if (length > FW_CAPTION_LIMIT) {
    g_set_error (error, FW_ERROR, FW_ERROR_INVALID, "The text has %" G_GSIZE_FORMAT " bytes; shorten it to at most %d",
                 length, FW_CAPTION_LIMIT);
    return NULL;
  }
  GString *text = g_string_sized_new (length);
  fw_utf8_append_repaired (text, (const guint8 *) caption, length);
  return text;
}

static char *
clean (const char *caption, int passes, GError **error)
{
  GString *text = take_caption (caption, error);
  if (text == NULL)
    return NULL;
  for (int i = 0; i < passes; i++)
    clean_pass (text);
  return g_string_free (text, FALSE);
}

char *
fw_caption_clean (const char *caption, GError **error)
{
  return clean (caption, 2, error);
}

char *
fw_caption_clean_once (const char *caption, GError **error)
{
  return clean (caption, 1, error);
}

char *
fw_caption_lower (const char *caption, GError **error)
{
  GString *text = take_caption (caption, error);
  if (text == NULL)
    return NULL;
  fw_text_lower (text);
  fw_text_strip (text);
  return g_string_free (text, FALSE);
}
