/* SPDX-License-Identifier: Apache-2.0
 * Tidying of text as ftfy.fix_text() of ftfy 6 does by default. */
#pragma once
#include <gio/gio.h>

/* Repairs valid UTF-8 in place, line by line: references, mojibake, C1 controls, Latin ligatures, full and half width forms,
 * curly quotes, line breaks, terminal colours, control characters, NFC; again until nothing changes, at most 32 times. */
void fw_fix_text (GString *text);
