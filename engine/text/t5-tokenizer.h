/* SPDX-License-Identifier: Apache-2.0
 * T5's tokenizer as Hugging Face runs it: SentencePiece ids, text that spells a special token taken as that token, the end mark,
 * truncation and right padding (spec: text-vae-formats, T5 tokenizer). */
#pragma once
#include "engine/text/sentencepiece-shim.h"

G_BEGIN_DECLS

#define FW_T5_EXTRA_IDS 100               /* what the published T5 tokenizers add behind the model's pieces */
#define FW_T5_TEXT_LIMIT (64 << 10)       /* bytes of one text; SentencePiece takes quadratic time on unknown characters */

typedef struct _FwT5Tokenizer FwT5Tokenizer;

/* The tokens of one text, padded to @length. */
typedef struct {
  gsize length;      /* max_length as asked for */
  gint32 *ids;       /* [length], padded on the right with the pad id (0) */
  guint8 *mask;      /* [length], 1 for text and end mark, 0 for padding */
  gsize kept;        /* ones in mask, the end mark among them */
  gsize total;       /* tokens of the whole text, end mark included: more than @length where the text was cut */
  gsize kept_bytes;  /* bytes of the text that the kept tokens cover; the rest is the cut tail */
} FwT5Tokens;

/* Opens spiece.model from a file or bytes. @extra_ids sentinel tokens are added, <extra_id_0> getting the highest id; ids are
 * always below fw_t5_tokenizer_size(), which the encoder's embedding must hold. FW_ERROR_FORMAT for a hostile or other file and
 * for a model without pad, eos or unk. Any thread. */
FwT5Tokenizer *fw_t5_tokenizer_open (const char *path, gsize extra_ids, GError **error);
FwT5Tokenizer *fw_t5_tokenizer_open_bytes (gconstpointer data, gsize size, const char *name, gsize extra_ids, GError **error);
void fw_t5_tokenizer_free (FwT5Tokenizer *tokenizer);
gsize fw_t5_tokenizer_size (FwT5Tokenizer *tokenizer);

/* Tokenises @text (UTF-8; invalid bytes are read as U+FFFD), keeping at most @max_length tokens, the last of them the end mark.
 * The empty text is the end mark alone. NULL with FW_ERROR_INVALID for a max_length of 0 or above 65536 and for text above
 * FW_T5_TEXT_LIMIT. Any thread, many at once. Free with fw_t5_tokens_free(). */
FwT5Tokens *fw_t5_tokenizer_encode (FwT5Tokenizer *tokenizer, const char *text, gsize max_length, GError **error);
void fw_t5_tokens_free (FwT5Tokens *tokens);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (FwT5Tokenizer, fw_t5_tokenizer_free)
G_DEFINE_AUTOPTR_CLEANUP_FUNC (FwT5Tokens, fw_t5_tokens_free)

G_END_DECLS
