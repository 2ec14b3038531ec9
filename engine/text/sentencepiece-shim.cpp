// SPDX-License-Identifier: Apache-2.0
// The one C++ file: SentencePiece behind a C interface. Every function catches what the library throws and turns it into a
// GError.
#include "engine/text/sentencepiece-shim.h"

#include <exception>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include <sentencepiece_processor.h>
#include <sentencepiece_trainer.h>

extern "C" {
#include "engine/memory/file.h"
#include "engine/text/sentencepiece-model.h"
}

struct _FwSentencePiece {
  sentencepiece::SentencePieceProcessor processor;
};

// Runs @body; an exception becomes @error and the result @failed.
template <typename Result, typename Body>
static Result
guarded (Result failed, const char *what, GError **error, Body body)
{
  try {
    return body ();
  } catch (const std::bad_alloc &) {
    g_set_error (error, FW_ERROR, FW_ERROR_MEMORY, "Out of memory while %s", what);
  } catch (const std::exception &caught) {
    g_set_error (error, FW_ERROR, FW_ERROR_FAILED, "SentencePiece failed while %s: %s", what, caught.what ());
  } catch (...) {
    g_set_error (error, FW_ERROR, FW_ERROR_FAILED, "SentencePiece failed while %s", what);
  }
  return failed;
}

// The library's messages begin with a source line and the failed condition in brackets, which say nothing to a reader.
static std::string
reason (const sentencepiece::util::Status &status)
{
  std::string message = status.error_message ();
  auto bracket = message.rfind ("] ");
  return bracket == std::string::npos ? message : message.substr (bracket + 2);
}

FwSentencePiece *
fw_sentencepiece_load_bytes (gconstpointer data, gsize size, const char *name, GError **error)
{
  if (!fw_sentencepiece_check (data, size, name, error))
    return nullptr;
  return guarded<FwSentencePiece *> (nullptr, "loading a model", error, [&] () -> FwSentencePiece * {
    auto model = std::make_unique<FwSentencePiece> ();
    auto status = model->processor.LoadFromSerializedProto (absl::string_view (static_cast<const char *> (data), size));
    if (status.ok ())
      return model.release ();
    g_set_error (error, FW_ERROR, FW_ERROR_FORMAT, "“%s” is not a usable SentencePiece model: %s", name,
                 reason (status).c_str ());
    return nullptr;
  });
}

FwSentencePiece *
fw_sentencepiece_load (const char *path, GError **error)
{
  gsize size = 0;
  g_autofree char *bytes = fw_file_read (path, FW_SENTENCEPIECE_MODEL_LIMIT, &size, error);
  return bytes != nullptr ? fw_sentencepiece_load_bytes (bytes, size, path, error) : nullptr;
}

void
fw_sentencepiece_free (FwSentencePiece *model)
{
  delete model;
}

gsize
fw_sentencepiece_size (FwSentencePiece *model)
{
  return model->processor.GetPieceSize ();
}

int
fw_sentencepiece_pad (FwSentencePiece *model)
{
  return model->processor.pad_id ();
}

int
fw_sentencepiece_eos (FwSentencePiece *model)
{
  return model->processor.eos_id ();
}

int
fw_sentencepiece_unk (FwSentencePiece *model)
{
  return model->processor.unk_id ();
}

gint32 *
fw_sentencepiece_encode (FwSentencePiece *model, const char *text, gssize length, gsize *count, guint32 **ends, GError **error)
{
  return guarded<gint32 *> (nullptr, "splitting text", error, [&] () -> gint32 * {
    absl::string_view view = length < 0 ? absl::string_view (text) : absl::string_view (text, length);
    sentencepiece::ImmutableSentencePieceText split;
    auto status = model->processor.Encode (view, split.mutable_proto ());
    if (!status.ok ()) {
      g_set_error (error, FW_ERROR, FW_ERROR_FAILED, "SentencePiece could not split the text: %s", reason (status).c_str ());
      return nullptr;
    }
    *count = split.pieces_size ();
    gint32 *ids = g_new (gint32, *count + 1);
    guint32 *behind = ends != nullptr ? g_new (guint32, *count + 1) : nullptr;
    for (gsize i = 0; i < *count; i++) {
      auto piece = split.pieces (static_cast<int> (i));
      ids[i] = static_cast<gint32> (piece.id ());
      if (behind != nullptr)
        behind[i] = piece.end ();
    }
    if (ends != nullptr)
      *ends = behind;
    return ids;
  });
}

namespace {

// Hands the caller's sentences to the trainer one by one.
class Sentences : public sentencepiece::SentenceIterator {
 public:
  Sentences (const char *const *sentences, gsize count) : sentences (sentences), count (count) { take (); }
  bool done () const override { return at >= count; }
  void Next () override { at++; take (); }
  const std::string &value () const override { return current; }
  sentencepiece::util::Status status () const override { return sentencepiece::util::Status (); }

 private:
  void take () { if (at < count) current = sentences[at]; }
  const char *const *sentences;
  gsize count, at = 0;
  std::string current;
};

}  // namespace

static gboolean
check_training (const char *const *sentences, gsize sentence_count, const FwSentencePieceTraining *training, GError **error)
{
  gsize bytes = 0;
  for (gsize i = 0; i < sentence_count; i++) {
    if (!g_utf8_validate (sentences[i], -1, nullptr)) {
      g_set_error (error, FW_ERROR, FW_ERROR_INVALID, "Sentence %" G_GSIZE_FORMAT " for the vocabulary is no valid UTF-8", i + 1);
      return FALSE;
    }
    for (const char *at = sentences[i]; *at != '\0' && bytes == 0; at = g_utf8_next_char (at))
      bytes += !g_unichar_isspace (g_utf8_get_char (at));
  }
  if (bytes == 0) {
    g_set_error (error, FW_ERROR, FW_ERROR_INVALID, "There is no text to make a vocabulary from");
    return FALSE;
  }
  if (training->vocabulary_size < 4 || training->vocabulary_size > 1000000) {
    g_set_error (error, FW_ERROR, FW_ERROR_INVALID,
                 "A vocabulary of %" G_GSIZE_FORMAT " pieces cannot be made; choose 4 to 1000000", training->vocabulary_size);
    return FALSE;
  }
  return TRUE;
}

GBytes *
fw_sentencepiece_train (const char *const *sentences, gsize sentence_count, const FwSentencePieceTraining *training,
                        GError **error)
{
  if (!check_training (sentences, sentence_count, training, error))
    return nullptr;
  return guarded<GBytes *> (nullptr, "training a vocabulary", error, [&] () -> GBytes * {
    const std::unordered_map<std::string, std::string> options = {
      { "model_type", training->kind == FW_SENTENCEPIECE_WORD ? "word" : "unigram" },
      { "vocab_size", std::to_string (training->vocabulary_size) },
      { "hard_vocab_limit", training->exact_size ? "true" : "false" },
      { "use_all_vocab", "false" },
      { "character_coverage", "1.0" },
      { "normalization_rule_name", "nmt_nfkc" },
      { "pad_id", "0" }, { "eos_id", "1" }, { "unk_id", "2" }, { "bos_id", "-1" },
      { "max_sentence_length", "1048576" },  // longer ones would be left out silently
      { "num_threads", "1" },  // the order of floating-point sums depends on the number of threads
      { "minloglevel", "2" }
    };
    Sentences iterator (sentences, sentence_count);
    std::string model;
    auto status = sentencepiece::SentencePieceTrainer::Train (options, &iterator, &model);
    if (!status.ok ()) {
      g_set_error (error, FW_ERROR, FW_ERROR_INVALID,
                   "These sentences cannot give a vocabulary of %" G_GSIZE_FORMAT " pieces: %s", training->vocabulary_size,
                   reason (status).c_str ());
      return nullptr;
    }
    return g_bytes_new (model.data (), model.size ());
  });
}
