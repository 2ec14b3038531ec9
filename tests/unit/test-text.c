/* SPDX-License-Identifier: Apache-2.0
 * Caption cleaning and its parts against recorded answers of the reference, and against inputs meant to do harm. */
#include <json-glib/json-glib.h>
#include <string.h>
#include <time.h>

#include "engine/memory/error.h"
#include "engine/memory/file.h"
#include "engine/text/caption-clean.h"
#include "engine/text/fix-text.h"
#include "engine/text/html-entities.h"
#include "engine/text/html-text.h"
#include "engine/text/unicode.h"

typedef char *(*Clean) (const char *text, GError **error);

static char *
html_text (const char *text, GError **error)
{
  g_autoptr (GString) html = g_string_new (text);
  return g_string_free (fw_html_text (html), FALSE);
}

static char *
fixed (const char *text, GError **error)
{
  GString *copy = g_string_new (text);
  fw_fix_text (copy);
  return g_string_free (copy, FALSE);
}

static char *
unescaped (const char *text, GError **error)
{
  GString *copy = g_string_new (text);
  fw_html_unescape (copy);
  return g_string_free (copy, FALSE);
}

/* Members of a recorded line and what must give them. The recorded answers are those of Open-Sora's T5Embedder, Python 3.11's
 * html.unescape(), BeautifulSoup 4.15 and ftfy 6.3.1. */
static const struct { const char *member; Clean clean; int least; } recorded[] = {
  { "once", fw_caption_clean_once, 150 }, { "twice", fw_caption_clean, 200 }, { "lower", fw_caption_lower, 60 },
  { "html", html_text, 50 }, { "fix", fixed, 150 }, { "unescape", unescaped, 30 }
};

static void
test_recorded_answers (void)
{
  g_autoptr (GError) error = NULL;
  g_autofree char *path = g_build_filename (g_getenv ("FRAMEWRIGHT_TEST_DATA"), "data", "text", "captions.jsonl", NULL);
  g_autofree char *text = fw_file_read (path, 1 << 20, NULL, &error);
  g_assert_no_error (error);
  g_auto (GStrv) lines = g_strsplit (g_strchomp (text), "\n", -1);
  int compared[G_N_ELEMENTS (recorded)] = { 0 };
  for (char **line = lines; *line != NULL; line++) {
    g_autoptr (JsonNode) node = json_from_string (*line, &error);
    g_assert_no_error (error);
    JsonObject *object = json_node_get_object (node);
    for (gsize i = 0; i < G_N_ELEMENTS (recorded); i++) {
      if (!json_object_has_member (object, recorded[i].member))
        continue;
      g_autofree char *got = recorded[i].clean (json_object_get_string_member (object, "text"), &error);
      g_assert_no_error (error);
      if (strcmp (got, json_object_get_string_member (object, recorded[i].member)) != 0)
        g_error ("%s of %s: “%s”", recorded[i].member, *line, got);
      compared[i]++;
    }
  }
  for (gsize i = 0; i < G_N_ELEMENTS (recorded); i++)
    g_assert_cmpint (compared[i], >=, recorded[i].least);
}

static void
test_lower_case (void)
{
  static const struct { const char *text, *lower; } rows[] = {
    { "ΟΔΥΣΣΕΥΣ ΣΑΣ. Σ", "οδυσσευς σας. σ" }, { "İSTANBUL", "i̇stanbul" }, { "ⅧⒶÀ", "ⅷⓐà" }, { " \xe3\x80\x80 X \xc2\xa0", "x" }
  };
  for (gsize i = 0; i < G_N_ELEMENTS (rows); i++) {
    g_autofree char *lower = fw_caption_lower (rows[i].text, NULL);
    g_assert_cmpstr (lower, ==, rows[i].lower);
  }
}

static void
test_utf8_repair (void)
{
  static const struct { const char *bytes, *repaired; } rows[] = {
    { "a\xff" "b", "a\xef\xbf\xbd" "b" },
    { "\xe2\x82", "\xef\xbf\xbd" },                      /* one character cut short */
    { "\xe2\x82" "x", "\xef\xbf\xbd" "x" },
    { "\xed\xa0\x80", "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd" },  /* a surrogate */
    { "\xc0\x80", "\xef\xbf\xbd\xef\xbf\xbd" },
    { "\xf0\x9f\x98\x80", "\xf0\x9f\x98\x80" },
    { "\xf4\x90\x80\x80", "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd" }
  };
  for (gsize i = 0; i < G_N_ELEMENTS (rows); i++) {
    g_autoptr (GString) text = g_string_new (NULL);
    fw_utf8_append_repaired (text, (const guint8 *) rows[i].bytes, strlen (rows[i].bytes));
    g_assert_cmpstr (text->str, ==, rows[i].repaired);
  }
}

/* The examples by which ftfy's documentation explains itself. */
static void
test_documented_repairs (void)
{
  static const struct { const char *text, *fixed; } rows[] = {
    { "âœ” No problems", "✔ No problems" },
    { "Broken text&hellip; it&#x2019;s ﬂubberiﬁc!", "Broken text… it's flubberific!" },
    { "ＬＯＵＤ　ＮＯＩＳＥＳ", "LOUD NOISES" },
    { "sÃ³", "só" },
    { "voilÃ le travail", "voilà le travail" },
    { "P&EACUTE;REZ", "PÉREZ" },
    { "BUNDESSTRA&SZLIG;E", "BUNDESSTRASSE" },
    { "&nTILDE; <b>&ntilde;", "&nTILDE; <b>&ntilde;" },
    { "\033[36;44mI'm blue\033[0m", "I'm blue" },
    { "Ｕﾀｰﾝ", "Uターン" },
    { "“here’s a test”", "\"here's a test\"" },
    { "â€œ like this â€\357\277\275", "\" like this \357\277\275" },
    { "caf\303\251 is not mojibake, nor is \303\200 LA CARTE", "caf\303\251 is not mojibake, nor is \303\200 LA CARTE" }
  };
  for (gsize i = 0; i < G_N_ELEMENTS (rows); i++) {
    g_autofree char *got = fixed (rows[i].text, NULL);
    g_assert_cmpstr (got, ==, rows[i].fixed);
  }
}

static void
test_reference_at_nul (void)
{
  g_autoptr (GString) text = g_string_new_len ("&lt\0x;&amp\0", 11);
  fw_html_unescape (text);
  g_assert_cmpmem (text->str, text->len, "<\0x;&\0", 6);
}

static void
clean_in_time (const char *unit, const char *tail)
{
  g_autoptr (GString) text = g_string_new (NULL);
  g_autoptr (GError) error = NULL;
  while (text->len + strlen (unit) < FW_CAPTION_LIMIT)
    g_string_append (text, unit);
  g_string_append (text, tail);
  clock_t start = clock (); /* processor time: the machine may be busy */
  g_autofree char *cleaned = fw_caption_clean (text->str, &error);
  double taken = (double) (clock () - start) / CLOCKS_PER_SEC;
  g_assert_no_error (error);
  g_assert_true (g_utf8_validate (cleaned, -1, NULL));
  if (taken > 4)
    g_error ("%" G_GSIZE_FORMAT " bytes of “%s” took %.1f s", text->len, unit, taken);
}

/* Inputs on which a naive implementation takes quadratic or worse time. They take well under a second each; the bound allows for
 * slow machines and sanitizers. */
static void
test_hostile_length (void)
{
  static const char *const units[] = {
    "a", "a.", "a.com@", "http:", " ", " . ", "1", "1.", "12345_", "1:11 ", "&", "&#38;#38;", "&#", "<", "<a", "<a b='", "</",
    "<!--", "<!", "<![cdata[", "<script>", "<rt>", "<a></b>", "%", "%2525", "%ff", "%00", "\"", "x.png", "free ", "Ã©", "ÃƒÂ©", "Ã ",
    "\xff",
    "\xcc\x81\xcc\xa7", "Σ", "\033[", "\r", "ГўВЂ", "-- "
  };
  for (gsize i = 0; i < G_N_ELEMENTS (units); i++) {
    clean_in_time (units[i], "");
    clean_in_time (units[i], ">");
  }
  g_autoptr (GError) error = NULL;
  g_autofree char *huge = g_strnfill (1 << 20, 'a');
  g_assert_null (fw_caption_clean (huge, &error));
  g_assert_error (error, FW_ERROR, FW_ERROR_INVALID);
}

/* Mutated and random captions: the result is valid UTF-8 without white space around or doubled within, the same each time, and
 * cleaning a cleaned text comes to rest. */
static void
test_mutations (void)
{
  static const char *const pieces[] = {
    "a big red circle ", "&lt;b&gt;", "&amp", "&#x", "<", "</", ">", "<script>", "<!--", "%C3%A9", "%", "+", "Ã©", "â€œ", "\xff",
    "\xf0\x9f\x98\x80", "1920x1080", "http://x.com/", "@", "#12345", "...", "\"", "'", "-", "_", "\n", "\xe2\x80\xa8",
    "\xef\xbb\xbf", ":", "\\n", "漢", "\x01", "\033[31m", "page 1", ".png", "\xcc\x81", "Σ", "&notit;", "]]>", "=", ";"
  };
  g_autoptr (GRand) random = g_rand_new_with_seed (20240318);
  gint64 until = g_get_monotonic_time () + 3 * G_USEC_PER_SEC / 2;
  int rounds = 0;
  for (; rounds < 20000 && (rounds < 200 || g_get_monotonic_time () < until); rounds++) {
    g_autoptr (GString) text = g_string_new (NULL);
    for (int i = g_rand_int_range (random, 0, 12); i >= 0; i--)
      g_string_append (text, pieces[g_rand_int_range (random, 0, G_N_ELEMENTS (pieces))]);
    for (int i = g_rand_int_range (random, 0, 4); i > 0; i--)
      text->str[g_rand_int_range (random, 0, (gint32) text->len)] = (char) g_rand_int_range (random, 1, 256);
    g_autofree char *once = fw_caption_clean (text->str, NULL), *again = fw_caption_clean (text->str, NULL);
    g_assert_true (g_utf8_validate (once, -1, NULL));
    g_assert_cmpstr (once, ==, again);
    g_assert_null (strstr (once, "  "));
    g_assert_false (g_str_has_prefix (once, " ") || g_str_has_suffix (once, " "));
    g_autofree char *now = g_steal_pointer (&once);
    int passes = 0;
    for (gboolean rests = FALSE; !rests; passes++) {
      g_autofree char *next = fw_caption_clean_once (now, NULL);
      rests = strcmp (next, now) == 0;
      if (passes > 64)
        g_error ("cleaning does not come to rest on “%s”", text->str);
      g_free (now);
      now = g_steal_pointer (&next);
    }
  }
  g_test_message ("%d mutated captions", rounds);
  g_assert_cmpint (rounds, >=, 200);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/text/recorded-answers", test_recorded_answers);
  g_test_add_func ("/text/lower-case", test_lower_case);
  g_test_add_func ("/text/utf8-repair", test_utf8_repair);
  g_test_add_func ("/text/documented-repairs", test_documented_repairs);
  g_test_add_func ("/text/reference-at-nul", test_reference_at_nul);
  g_test_add_func ("/text/hostile-length", test_hostile_length);
  g_test_add_func ("/text/mutations", test_mutations);
  return g_test_run ();
}
