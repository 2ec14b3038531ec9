/* SPDX-License-Identifier: Apache-2.0
 * Caption cleaning: what Open-Sora's T5 was given in training, and so what a prompt must look like (spec: opensora-1.0,
 * section 10). */
#pragma once
#include <gio/gio.h>

#define FW_CAPTION_LIMIT (64 << 10)  /* bytes; 120 tokens are about 600 */

/* The caption as the tokenizer receives it: two cleaning passes over UTF-8 (invalid bytes are read as U+FFFD). The result is
 * valid UTF-8, in lower case but for decoded references, and may be empty. Time is linear in the length. NULL with
 * FW_ERROR_INVALID above FW_CAPTION_LIMIT. Any thread. Free with g_free(). */
char *fw_caption_clean (const char *caption, GError **error);
/* One pass of the two. */
char *fw_caption_clean_once (const char *caption, GError **error);
/* With cleaning switched off: stripped and in lower case. */
char *fw_caption_lower (const char *caption, GError **error);
