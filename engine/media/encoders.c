/* SPDX-License-Identifier: Apache-2.0
 * Asking the media process which encoders are installed. */
#include "engine/media/encoder-private.h"

static void
encoder_free (gpointer data)
{
  FwMediaEncoder *encoder = data;
  g_free (encoder->element);
  g_free (encoder->package);
  g_free (encoder);
}

GPtrArray *
fw_media_child_encoders (FwMediaChild *child, GCancellable *cancellable, GError **error)
{
  g_autoptr (GPtrArray) encoders = g_ptr_array_new_with_free_func (encoder_free);
  FwMessage message = { 0 };
  if (!fw_media_child_send (child, &message, FW_MESSAGE_LIST, NULL, 0, error))
    return NULL;
  while (encoders->len < 64) {
    if (!fw_media_child_wait (child, &message, FW_MESSAGE_NONE, cancellable, error))
      return NULL;
    if (message.kind == FW_MESSAGE_END)
      return g_steal_pointer (&encoders);
    if (message.kind != FW_MESSAGE_ENCODER || message.encoder.format <= FW_MEDIA_AUTO ||
        message.encoder.format >= FW_N_MEDIA_FORMATS)
      break;
    FwMediaEncoder *encoder = g_new0 (FwMediaEncoder, 1);
    encoder->format = message.encoder.format;
    encoder->found = message.encoder.found != 0;
    encoder->element = g_strndup (message.encoder.element, sizeof message.encoder.element);
    encoder->package = g_strndup (message.encoder.package, sizeof message.encoder.package);
    g_ptr_array_add (encoders, encoder);
  }
  g_set_error (error, FW_ERROR, FW_ERROR_FAILED, "Cannot %s: the media process answered out of turn", child->subject);
  return NULL;
}

GPtrArray *
fw_media_encoders (GCancellable *cancellable, GError **error)
{
  g_autoptr (FwMediaChild) child = fw_media_child_start ("list the encoders", 0, error);
  return child != NULL ? fw_media_child_encoders (child, cancellable, error) : NULL;
}
