/* SPDX-License-Identifier: Apache-2.0
 * A tolerant HTML reader that keeps the text only. It goes over the input in two phases like the parser it reproduces: up to the
 * first construct that is cut off by the end, then once more from there with the end taken as final. */
#include "engine/text/html-text.h"

#include <string.h>

#include "engine/text/html-entities.h"
#include "engine/text/unicode.h"

/* Text inside these is no content; the first two are raw up to their own end tag. */
static const char *const hidden_tags[] = { "script", "style", "template", "rt", "rp" };
#define RAW_TAGS 2
static const char *const preserving_tags[] = { "pre", "textarea" };
static const char *const void_tags[] = {
  "area", "base", "br", "col", "embed", "hr", "img", "input", "keygen", "link", "menuitem", "meta", "param", "source", "track",
  "wbr", "basefont", "bgsound", "command", "frame", "image", "isindex", "nextid", "spacer"
};

typedef struct {
  const char *end;           /* of the input */
  const char *last_close;    /* its last '>', or NULL */
  const char *raw;           /* the raw tag we are in, or NULL */
  GString *out, *data;       /* finished text; text since the last tag */
  GPtrArray *open;           /* names of open tags */
  GHashTable *open_count;    /* name to how often it is open */
  int hidden, preserving;    /* open tags of these kinds */
  int closed[G_N_ELEMENTS (void_tags)];  /* void tags seen, whose end tags are still to be ignored */
} Html;

static int
find_name (const char *const *names, int count, const char *name)
{
  for (int i = 0; i < count; i++)
    if (strcmp (names[i], name) == 0)
      return i;
  return -1;
}

#define FIND(names, name) find_name (names, G_N_ELEMENTS (names), name)

/* Keeps a stretch of text; one of nothing but white space counts as one space or line break. */
static void
keep_text (Html *html, const char *from, gsize length)
{
  gboolean blank = html->preserving == 0, broken = FALSE;
  for (gsize i = 0; blank && i < length; i++) {
    blank = strchr (" \n\t\f\r", from[i]) != NULL && from[i] != '\0';
    broken |= from[i] == '\n';
  }
  if (blank)
    g_string_append_c (html->out, broken ? '\n' : ' ');
  else
    g_string_append_len (html->out, from, length);
}

static void
flush_data (Html *html)
{
  if (html->data->len > 0 && html->hidden == 0)
    keep_text (html, html->data->str, html->data->len);
  g_string_truncate (html->data, 0);
}

static void
append_data (Html *html, const char *from, const char *to)
{
  g_string_append_len (html->data, from, to - from);
}

static void
push_tag (Html *html, const char *name)
{
  char *kept = g_strdup (name);
  g_ptr_array_add (html->open, kept);
  int count = GPOINTER_TO_INT (g_hash_table_lookup (html->open_count, kept));
  g_hash_table_insert (html->open_count, g_strdup (name), GINT_TO_POINTER (count + 1));
  html->hidden += FIND (hidden_tags, kept) >= 0;
  html->preserving += FIND (preserving_tags, kept) >= 0;
}

/* Closes everything up to the innermost tag of this name, or nothing where none is open. */
static void
pop_tag (Html *html, const char *name)
{
  if (GPOINTER_TO_INT (g_hash_table_lookup (html->open_count, name)) == 0)
    return;
  for (gboolean found = FALSE; !found;) {
    g_autofree char *last = g_ptr_array_steal_index (html->open, html->open->len - 1);
    int count = GPOINTER_TO_INT (g_hash_table_lookup (html->open_count, last));
    g_hash_table_insert (html->open_count, g_strdup (last), GINT_TO_POINTER (count - 1));
    html->hidden -= FIND (hidden_tags, last) >= 0;
    html->preserving -= FIND (preserving_tags, last) >= 0;
    found = strcmp (last, name) == 0;
  }
}

static void
begin_tag (Html *html, const char *name, gboolean closes_itself)
{
  flush_data (html);
  int empty = FIND (void_tags, name);
  if (empty >= 0 && !closes_itself)
    html->closed[empty]++;
  if (empty >= 0 || closes_itself)
    return;
  push_tag (html, name);
  int raw = find_name (hidden_tags, RAW_TAGS, name);
  html->raw = raw >= 0 ? hidden_tags[raw] : NULL;
}

static void
end_tag (Html *html, const char *name)
{
  int empty = FIND (void_tags, name);
  if (empty >= 0 && html->closed[empty] > 0) {
    html->closed[empty]--;
    return;
  }
  flush_data (html);
  pop_tag (html, name);
}

static gboolean
has_prefix (const Html *html, const char *at, const char *prefix)
{
  gsize length = strlen (prefix);
  return (gsize) (html->end - at) >= length && g_ascii_strncasecmp (at, prefix, length) == 0;
}

static const char *
find_byte (const Html *html, const char *from, char byte)
{
  return from < html->end ? memchr (from, byte, html->end - from) : NULL;
}

static const char *
skip_space (const Html *html, const char *at)
{
  while (at < html->end && fw_unicode_is_space (g_utf8_get_char (at)))
    at = g_utf8_next_char (at);
  return at;
}

/* White space and slashes between attributes; a slash right before '>' belongs to the tag's end. */
static const char *
skip_gap (const Html *html, const char *at)
{
  for (;;) {
    at = skip_space (html, at);
    if (at >= html->end || *at != '/' || (at + 1 < html->end && at[1] == '>'))
      return at;
    at++;
  }
}

static const char *
skip_bare_value (const Html *html, const char *at)
{
  while (at < html->end && *at != '>' && !fw_unicode_is_space (g_utf8_get_char (at)))
    at = g_utf8_next_char (at);
  return at;
}

/* The byte behind "= value" after an attribute's name, or @at where there is none. An unclosed quote is no value: then an empty
 * one is read where white space stands before it, or the last of several '=' begins a bare one. */
static const char *
skip_value (const Html *html, const char *at)
{
  const char *equals = skip_space (html, at), *behind = equals;
  while (behind < html->end && *behind == '=')
    behind++;
  if (behind == equals)
    return at;
  const char *value = skip_space (html, behind);
  if (value >= html->end || (*value != '\'' && *value != '"'))
    return skip_bare_value (html, value);
  const char *closing = find_byte (html, value + 1, *value);
  if (closing != NULL)
    return closing + 1;
  if (value > behind)
    return g_utf8_prev_char (value);
  return behind - equals > 1 ? skip_bare_value (html, behind - 1) : at;
}

/* The attributes from @at on, each of which must follow white space, a slash or a quote. */
static const char *
skip_attributes (const Html *html, const char *at)
{
  for (;;) {
    const char *before = g_utf8_prev_char (at);
    if (!fw_unicode_is_space (g_utf8_get_char (before)) && *before != '\'' && *before != '"' && *before != '/')
      return at;
    if (at >= html->end || *at == '/' || *at == '>' || fw_unicode_is_space (g_utf8_get_char (at)))
      return at;
    at = g_utf8_next_char (at);
    while (at < html->end && *at != '/' && *at != '=' && *at != '>' && !fw_unicode_is_space (g_utf8_get_char (at)))
      at = g_utf8_next_char (at);
    at = skip_gap (html, skip_value (html, at));
  }
}

/* The end of the tag name at @at, a letter; only ASCII white space ends it. */
static const char *
skip_name (const Html *html, const char *at)
{
  while (at < html->end && strchr ("\t\n\r\f />", *at) == NULL)
    at++;
  return at;
}

/* Each of the parse functions handles a construct at @at and returns the byte behind it, or NULL where the end cuts it off. */
static const char *
parse_start_tag (Html *html, const char *at)
{
  const char *name_end = skip_name (html, at + 1), *scan = name_end;
  while (scan < html->end && (*scan == '/' || fw_unicode_is_space (g_utf8_get_char (scan))))
    scan = g_utf8_next_char (scan);
  scan = skip_space (html, skip_attributes (html, scan));
  if (scan >= html->end || *scan == '=' || g_ascii_isalpha (*scan) || (*scan == '/' && (scan + 1 >= html->end || scan[1] != '>')))
    return NULL;
  if (*scan != '>' && *scan != '/') {  /* no tag after all */
    append_data (html, at, scan);
    return scan;
  }
  const char *behind = *scan == '>' ? scan + 1 : scan + 2;
  const char *tail = skip_attributes (html, skip_gap (html, name_end));
  g_autofree char *name = g_ascii_strdown (at + 1, name_end - at - 1);
  begin_tag (html, name, *tail == '/');
  return behind;
}

static gboolean
is_end_name (char byte)
{
  return g_ascii_isalnum (byte) || (byte != '\0' && strchr ("-.:_", byte) != NULL);
}

/* "</ name >" exactly: the byte behind, or NULL. */
static const char *
match_end_tag (const Html *html, const char *at, char **name)
{
  const char *from = skip_space (html, at + 2), *to = from;
  while (to < html->end && is_end_name (*to))
    to++;
  const char *closing = skip_space (html, to);
  if (to == from || !g_ascii_isalpha (*from) || closing >= html->end || *closing != '>')
    return NULL;
  *name = g_ascii_strdown (from, to - from);
  return closing + 1;
}

static const char *
parse_end_tag (Html *html, const char *at)
{
  g_autofree char *name = NULL;
  const char *closing = find_byte (html, at + 1, '>');
  if (closing == NULL)
    return NULL;
  const char *behind = match_end_tag (html, at, &name);
  if (behind != NULL) {
    end_tag (html, name);
    html->raw = NULL;
    return behind;
  }
  if (g_ascii_isalpha (at[2])) {
    name = g_ascii_strdown (at + 2, skip_name (html, at + 2) - at - 2);
    end_tag (html, name);
    return closing + 1;
  }
  if (at[2] != '>')
    flush_data (html);  /* read as a comment */
  return closing + 1;
}

/* The first @first, optional white space and '>' from @at on, with optional white space and @second in between where not 0. */
static const char *
find_closing (const Html *html, const char *at, const char *first, char second)
{
  gsize length = strlen (first);
  while (at < html->end && (at = memmem (at, html->end - at, first, length)) != NULL) {
    const char *scan = skip_space (html, at + length);
    if (second != '\0' && scan < html->end && *scan == second)
      scan = skip_space (html, scan + 1);
    else if (second != '\0')
      scan = html->end;
    if (scan < html->end && *scan == '>')
      return scan + 1;
    at++;
  }
  return NULL;
}

/* "<![name[ ... ]]>"; only CDATA is text. */
static const char *
parse_marked_section (Html *html, const char *at)
{
  static const char *const standard[] = { "temp", "cdata", "ignore", "include", "rcdata" };
  static const char *const office[] = { "if", "else", "endif" };
  const char *from = at + 3, *to = from;
  while (to < html->end && (g_ascii_isalnum (*to) || (to > from && strchr ("-_.", *to) != NULL)))
    to++;
  if (to == from || !g_ascii_isalpha (*from) || skip_space (html, to) >= html->end)
    return NULL;
  g_autofree char *name = g_ascii_strdown (from, to - from);
  const char *behind = FIND (standard, name) >= 0 ? find_closing (html, from, "]", ']')
                       : FIND (office, name) >= 0 ? find_closing (html, from, "]", '\0') : NULL;
  if (behind == NULL)
    return NULL;
  flush_data (html);
  if (has_prefix (html, from, "cdata[")) {
    const char *close = behind - 1;
    for (int brackets = 0; brackets < 2; brackets += *close == ']')
      close--;
    keep_text (html, from + 6, close - from - 6);
  }
  return behind;
}

static const char *
parse_declaration (Html *html, const char *at)
{
  const char *behind;
  if (has_prefix (html, at, "<!--")) {
    behind = find_closing (html, at + 4, "--", '\0');
  } else if (has_prefix (html, at, "<![")) {
    return parse_marked_section (html, at);
  } else {
    const char *closing = find_byte (html, has_prefix (html, at, "<!doctype") ? at + 9 : at + 2, '>');
    behind = closing != NULL ? closing + 1 : NULL;
  }
  if (behind != NULL)
    flush_data (html);
  return behind;
}

static const char *
parse_instruction (Html *html, const char *at)
{
  const char *closing = find_byte (html, at + 2, '>');
  if (closing == NULL)
    return NULL;
  flush_data (html);
  return closing + 1;
}

/* "<" and a byte that can begin markup stand at @at. Without a '>' behind them there is nothing to look for, which also keeps a
 * text of nothing but beginnings from being read again for each of them. */
static const char *
parse_construct (Html *html, const char *at)
{
  if (html->last_close < at)
    return NULL;
  switch (at[1]) {
  case '/':
    return parse_end_tag (html, at);
  case '?':
    return parse_instruction (html, at);
  case '!':
    return parse_declaration (html, at);
  default:
    return parse_start_tag (html, at);
  }
}

/* "<" stands at @at. */
static const char *
parse_markup (Html *html, const char *at, gboolean final)
{
  if (at + 1 >= html->end)
    return NULL;
  if (!g_ascii_isalpha (at[1]) && at[1] != '/' && at[1] != '?' && at[1] != '!') {
    append_data (html, at, at + 1);
    return at + 1;
  }
  const char *behind = parse_construct (html, at);
  if (behind != NULL || !final)
    return behind;
  const char *closing = find_byte (html, at + 1, '>');
  behind = closing != NULL ? closing + 1 : find_byte (html, at + 1, '<');
  if (behind == NULL)
    behind = at + 1;
  append_data (html, at, behind);
  return behind;
}

/* "&#" stands at @at. Only a reference that something follows is decoded; *behind is where to go on after a stop. */
static gboolean
parse_numeric_reference (Html *html, const char **behind)
{
  const char *at = *behind, *digits = at + 2;
  gboolean hexadecimal = digits < html->end && (*digits == 'x' || *digits == 'X');
  const char *to = digits + hexadecimal;
  while (to < html->end && (hexadecimal ? g_ascii_isxdigit (*to) : g_ascii_isdigit (*to)))
    to++;
  if (to > digits + hexadecimal && to < html->end && !g_ascii_isxdigit (*to)) {
    gunichar number = fw_html_windows_1252 (fw_html_number (digits + hexadecimal, to, hexadecimal ? 16 : 10));
    gboolean exists = number > 0 && number < 0x110000 && (number & ~0x7ffu) != 0xd800;
    g_string_append_unichar (html->data, exists ? number : 0xfffd);
    *behind = to + (*to == ';');
    return TRUE;
  }
  if (find_byte (html, at, ';') != NULL) {
    append_data (html, at, at + 2);
    *behind = at + 2;
  }
  return FALSE;
}

/* "&" and no "#" stands at *behind. */
static gboolean
parse_named_reference (Html *html, const char **behind, gboolean final)
{
  const char *at = *behind, *name = at + 1, *to = name;
  if (name >= html->end)
    return FALSE;
  if (!g_ascii_isalpha (*name)) {
    append_data (html, at, name);
    *behind = name;
    return TRUE;
  }
  while (to < html->end && (g_ascii_isalnum (*to) || *to == '-' || *to == '.'))
    to++;
  if (to == html->end) {  /* a dash or dot can still end the name */
    do
      to--;
    while (to > name && g_ascii_isalnum (*to));
  }
  if (to == name) {
    if (final && html->end - at == 2)
      *behind = name;
    return FALSE;
  }
  const char *text = fw_html_entity_any (name, to - name);
  if (text != NULL)
    g_string_append (html->data, text);
  else
    append_data (html, at, to);
  *behind = to + (*to == ';');
  return TRUE;
}

/* In a raw tag only its own end tag counts. */
static const char *
find_raw_end (const Html *html, const char *at)
{
  for (; (at = find_byte (html, at, '<')) != NULL; at++) {
    g_autofree char *name = NULL;
    if (has_prefix (html, at, "</") && match_end_tag (html, at, &name) != NULL && strcmp (name, html->raw) == 0)
      return at;
  }
  return NULL;
}

/* Goes on from @at and returns where it stopped: the end, or a construct that the end cuts off. */
static const char *
parse_phase (Html *html, const char *at, gboolean final)
{
  while (at < html->end) {
    const char *stop = at;
    if (html->raw != NULL)
      stop = find_raw_end (html, at);
    else
      while (stop < html->end && *stop != '<' && *stop != '&')
        stop++;
    if (stop == NULL)
      return at;
    append_data (html, at, stop);
    at = stop;
    if (at == html->end)
      return at;
    if (*at == '<') {
      const char *behind = parse_markup (html, at, final);
      if (behind == NULL)
        return at;
      at = behind;
    } else if (!(has_prefix (html, at, "&#") ? parse_numeric_reference (html, &at) : parse_named_reference (html, &at, final))) {
      return at;
    }
  }
  return at;
}

GString *
fw_html_text (const GString *text)
{
  Html html = {
    .end = text->str + text->len, .last_close = memrchr (text->str, '>', text->len),
    .out = g_string_sized_new (text->len), .data = g_string_new (NULL), .open = g_ptr_array_new_with_free_func (g_free),
    .open_count = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL)
  };
  const char *at = parse_phase (&html, text->str, FALSE);
  at = parse_phase (&html, at, TRUE);
  if (html.raw == NULL)
    append_data (&html, at, html.end);
  flush_data (&html);
  g_string_free (html.data, TRUE);
  g_ptr_array_unref (html.open);
  g_hash_table_unref (html.open_count);
  return html.out;
}
