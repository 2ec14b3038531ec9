/* SPDX-License-Identifier: Apache-2.0
 * Single-byte character sets: what their upper 128 bytes mean, and back. */
#pragma once
#include <gio/gio.h>

#define FW_CHARSET_COUNT 10

typedef struct {
  const char *name;
  gboolean sloppy;     /* holes of the set stand for the C1 control of the same number, and byte 0x1A for a lost U+FFFD */
  guint16 high[128];   /* characters of bytes 0x80 to 0xFF */
} FwCharset;

extern const FwCharset fw_charsets[FW_CHARSET_COUNT];
extern const FwCharset *const fw_windows_1252;

/* The byte that stands for @character, or -1. */
int fw_charset_byte (const FwCharset *charset, gunichar character);
