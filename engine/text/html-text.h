/* SPDX-License-Identifier: Apache-2.0
 * The text of an HTML fragment, as the reference's parser (BeautifulSoup over Python's html.parser) gives it. */
#pragma once
#include <gio/gio.h>

/* Returns the text between the tags of valid UTF-8, in linear time: comments, declarations and the contents of script, style,
 * template, rt and rp are dropped, references decoded, white space between two tags reduced to one character; what looks like a
 * tag but is never closed stays as text. Tag names are compared in ASCII case. Free with g_string_free(). */
GString *fw_html_text (const GString *html);
