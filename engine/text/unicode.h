/* SPDX-License-Identifier: Apache-2.0
 * What caption cleaning needs to know of characters, with the meanings that Python's str gives to them, since the reference is a
 * Python program. */
#pragma once
#include <gio/gio.h>

/* Reads one character of at most @size (> 0) bytes: sets @character and returns its bytes. At an ill-formed sequence @character
 * becomes FW_ILL_FORMED and the bytes of the sequence's longest well-begun part (at least 1) are returned. */
#define FW_ILL_FORMED ((gunichar) -1)
gsize fw_utf8_take (const guint8 *bytes, gsize size, gunichar *character);
/* Appends bytes as UTF-8, each ill-formed part becoming one U+FFFD. */
void fw_utf8_append_repaired (GString *text, const guint8 *bytes, gsize size);

/* Makes @text a copy of @other, NULs included. */
void fw_text_assign (GString *text, const GString *other);

/* str.isspace() */
gboolean fw_unicode_is_space (gunichar character);
/* What \w matches: letters, numbers and the underscore. */
gboolean fw_unicode_is_word (gunichar character);

/* str.lower() and str.strip() of valid UTF-8, independent of the locale; NUL is an ordinary character. */
void fw_text_lower (GString *text);
void fw_text_strip (GString *text);
/* Composes to NFC. Runs of more than 256 combining marks are composed in pieces, which keeps the time linear. @text holds no
 * NUL. */
void fw_text_compose (GString *text);
