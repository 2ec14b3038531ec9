/* SPDX-License-Identifier: Apache-2.0
 * SentencePiece in C: loading a model, text to ids, and training a vocabulary. The one door to the C++ library; no exception
 * leaves it, and a model file is checked (sentencepiece-model.h) before the library reads a byte of it. */
#pragma once
#include <gio/gio.h>

G_BEGIN_DECLS

typedef struct _FwSentencePiece FwSentencePiece;

/* A model from a file (at most 64 MiB) or from bytes, which are copied; @name stands for the bytes in messages.
 * NULL with FW_ERROR_FORMAT where it is no sound SentencePiece model. Any thread. */
FwSentencePiece *fw_sentencepiece_load (const char *path, GError **error);
FwSentencePiece *fw_sentencepiece_load_bytes (gconstpointer data, gsize size, const char *name, GError **error);
void fw_sentencepiece_free (FwSentencePiece *model);

/* Pieces in the model; ids are 0 to this minus one. */
gsize fw_sentencepiece_size (FwSentencePiece *model);
/* The id of a special piece, or -1 where the model has none. */
int fw_sentencepiece_pad (FwSentencePiece *model);
int fw_sentencepiece_eos (FwSentencePiece *model);
int fw_sentencepiece_unk (FwSentencePiece *model);

/* Normalises and splits @length bytes of @text (-1: up to the NUL) into @count ids; no eos is added. Invalid UTF-8 is read as
 * U+FFFD. @ends, where not NULL, receives for each id the byte of @text just behind it. An empty text gives zero ids and a
 * non-NULL array. The library takes quadratic time on runs of unknown characters: limit the length. Any thread, many at once.
 * Free both arrays with g_free(). NULL with FW_ERROR_FAILED. */
gint32 *fw_sentencepiece_encode (FwSentencePiece *model, const char *text, gssize length, gsize *count, guint32 **ends,
                                 GError **error);

typedef enum {
  FW_SENTENCEPIECE_UNIGRAM,  /* subwords with likelihoods, what T5 uses */
  FW_SENTENCEPIECE_WORD      /* whole words between spaces, for closed grammars */
} FwSentencePieceKind;

typedef struct {
  FwSentencePieceKind kind;
  gsize vocabulary_size;     /* pieces wanted, the three special ones included */
  gboolean exact_size;       /* refuse where the sentences do not give that many; otherwise fewer are accepted */
} FwSentencePieceTraining;

/* Trains on @sentence_count sentences and returns the bytes of a model file with T5's special ids (pad 0, eos 1, unk 2, no bos)
 * and nmt_nfkc normalisation. One thread, no chance: the same sentences give the same bytes. NULL with FW_ERROR_INVALID for
 * sentences that cannot give such a vocabulary. Free with g_bytes_unref(). */
GBytes *fw_sentencepiece_train (const char *const *sentences, gsize sentence_count, const FwSentencePieceTraining *training,
                                GError **error);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (FwSentencePiece, fw_sentencepiece_free)

G_END_DECLS
