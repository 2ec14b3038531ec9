/* SPDX-License-Identifier: Apache-2.0
 * Repair of mojibake: text that was UTF-8 but was read as a single-byte character set ("cafÃ©" for "café"). */
#pragma once
#include <gio/gio.h>

/* Whether @text (code points) holds a sequence of characters that people do not write but misread UTF-8 shows. */
gboolean fw_mojibake_suspected (const gunichar *text, gsize length);

/* Repairs @text (an array of gunichar) in place, repeatedly where it was misread several times; text that does not look like
 * mojibake, or has no consistent repair, stays. Behaves as ftfy.fix_encoding() of ftfy 6. */
void fw_mojibake_repair (GArray *text);
