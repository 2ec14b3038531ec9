/* SPDX-License-Identifier: Apache-2.0
 * Removal of web addresses from captions. Written by hand since the regular expression that says the same takes quadratic time on
 * long runs of dots and letters: here the end of a host name is looked for once per run, and serves every beginning in it. */
#include "engine/text/caption-urls.h"

#include <string.h>

#include "engine/text/unicode.h"

typedef struct {
  const char *start, *end;  /* of the caption */
  const char *run_end;      /* of the run of host letters last looked at */
  const char *dot;          /* the last dot in it that begins an accepted end of a host, or NULL */
  const char *host_end;     /* the byte behind that host and its path */
} Scan;

static gboolean
is_host_letter (char byte)
{
  return g_ascii_isalnum (byte) || byte == '.' || byte == '-';
}

static gboolean
is_word_at (const Scan *scan, const char *at)
{
  return at >= scan->start && at < scan->end && fw_unicode_is_word (g_utf8_get_char (at));
}

static gboolean
is_word_before (const Scan *scan, const char *at)
{
  return at > scan->start && is_word_at (scan, g_utf8_prev_char (at));
}

static gboolean
is_boundary (const Scan *scan, const char *at)
{
  return is_word_before (scan, at) != is_word_at (scan, at);
}

static gboolean
is_at_sign (const Scan *scan, const char *at)
{
  return at < scan->end && *at == '@';
}

/* The longest path behind a top domain that ends at a word boundary, with a slash more where one stands, and no '@' behind. */
static const char *
match_path (const Scan *scan, const char *domain_end)
{
  const char *at = domain_end;
  while (at < scan->end && (*at == '/' || *at == '-' || is_word_at (scan, at)))
    at = g_utf8_next_char (at);
  for (;; at = g_utf8_prev_char (at)) {
    if (is_boundary (scan, at)) {
      if (at < scan->end && *at == '/' && !is_at_sign (scan, at + 1))
        return at + 1;
      if (!is_at_sign (scan, at))
        return at;
    }
    if (at == domain_end)
      return NULL;
  }
}

/* @dot begins ".com" or the like: the byte behind the address, or NULL. */
static const char *
match_domain (const Scan *scan, const char *dot)
{
  static const char *const domains[] = { ".com", ".co", ".ru", ".net", ".org", ".edu", ".gov", ".it" };
  for (gsize i = 0; i < G_N_ELEMENTS (domains); i++) {
    gsize length = strlen (domains[i]);
    const char *behind = (gsize) (scan->end - dot) >= length && memcmp (dot, domains[i], length) == 0
                         ? match_path (scan, dot + length) : NULL;
    if (behind != NULL)
      return behind;
  }
  return NULL;
}

static void
look_at_run (Scan *scan, const char *at)
{
  scan->run_end = at;
  while (scan->run_end < scan->end && is_host_letter (*scan->run_end))
    scan->run_end++;
  scan->dot = scan->host_end = NULL;
  for (const char *dot = scan->run_end; dot > at && scan->host_end == NULL; dot--)
    if (dot[-1] == '.' && (scan->host_end = match_domain (scan, dot - 1)) != NULL)
      scan->dot = dot - 1;
}

static const char *
match_scheme (const Scan *scan, const char *at, const char *const *schemes)
{
  for (; *schemes != NULL; schemes++) {
    gsize length = strlen (*schemes);
    const char *behind = at + length;
    if ((gsize) (scan->end - at) <= length || memcmp (at, *schemes, length) != 0)
      continue;
    if (g_ascii_isalnum (*behind) || *behind == '%')
      return behind + 1;
    while (behind < scan->end && *behind == '/' && behind - at < (gssize) length + 3)
      behind++;
    if (behind > at + length)
      return behind;
  }
  return NULL;
}

/* An address that begins at @at: the byte behind it, or NULL. */
static const char *
match_url (Scan *scan, const char *at, const char *const *schemes)
{
  if (!is_boundary (scan, at))
    return NULL;
  const char *behind = match_scheme (scan, at, schemes);
  if (behind != NULL || !is_host_letter (*at))
    return behind;
  if (at >= scan->run_end)
    look_at_run (scan, at);
  return scan->dot != NULL && at < scan->dot ? scan->host_end : NULL;
}

void
fw_caption_remove_urls (GString *caption, const char *const *schemes)
{
  Scan scan = { .start = caption->str, .end = caption->str + caption->len, .run_end = caption->str };
  g_autoptr (GString) out = g_string_sized_new (caption->len);
  for (const char *at = scan.start; at < scan.end;) {
    const char *behind = match_url (&scan, at, schemes);
    const char *next = behind != NULL ? behind : g_utf8_next_char (at);
    if (behind == NULL)
      g_string_append_len (out, at, next - at);
    at = next;
  }
  fw_text_assign (caption, out);
}
