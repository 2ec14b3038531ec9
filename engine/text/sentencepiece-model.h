/* SPDX-License-Identifier: Apache-2.0
 * Checks the bytes of a SentencePiece model file, since the library trusts its normalisation trie and would follow it
 * anywhere. */
#pragma once
#include <gio/gio.h>

G_BEGIN_DECLS

#define FW_SENTENCEPIECE_MODEL_LIMIT (64 << 20)  /* bytes; mT5's 250 000 pieces are 4.3 MB */

/* Whether @data is a well-formed ModelProto whose pieces are non-empty UTF-8 with finite scores and whose normalisation maps can
 * be walked without leaving them. @name stands for the file in the message (FW_ERROR_FORMAT). Any thread. */
gboolean fw_sentencepiece_check (gconstpointer data, gsize size, const char *name, GError **error);

G_END_DECLS
