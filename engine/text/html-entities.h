/* SPDX-License-Identifier: Apache-2.0
 * HTML character references: the named list of HTML 5, and decoding with the rules of Python's html.unescape(). */
#pragma once
#include <gio/gio.h>

/* The text of the reference @name (@length bytes, without '&'; a final ';' belongs to the name), or NULL. Without the semicolon
 * only the old names that HTML knows so are found. */
const char *fw_html_entity (const char *name, gsize length);
/* As above, but every name is known without its semicolon. */
const char *fw_html_entity_any (const char *name, gsize length);

/* The character a browser shows for &#number; at U+0080 to U+009F, which are read as Windows-1252; others stay. */
gunichar fw_html_windows_1252 (gunichar number);

/* The value of the digits between @digits and @end in the given base; values too large for Unicode become 0x110000. */
gunichar fw_html_number (const char *digits, const char *end, guint base);

/* Decodes every reference of valid UTF-8 in place, once: "&amp;lt;" becomes "&lt;". */
void fw_html_unescape (GString *text);
