/* SPDX-License-Identifier: Apache-2.0
 * The engine's side of decoding: a few frames are always asked for ahead, so that both processes work at once. */
#include "engine/media/decoder.h"
#include "engine/media/probe-private.h"

#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define SLOTS 3
#define DEFAULT_SIDE 8192

struct _FwDecoder {
  FwMediaChild *child;
  FwMediaInfo *info;
  guint8 *memory;
  gsize frame_bytes;
  guint stall_ms;
  gint64 deadline;          /* monotonic microseconds, 0 = none */
  guint32 expected;         /* slots are answered in the order they were asked for */
  gboolean ended;
};

void
fw_decoder_free (FwDecoder *decoder)
{
  if (decoder == NULL)
    return;
  fw_media_child_end (decoder->child);
  fw_media_info_free (decoder->info);
  if (decoder->memory != NULL)
    munmap (decoder->memory, decoder->frame_bytes * SLOTS);
  g_free (decoder);
}

/* Waits for an answer within the stall time and what is left until the deadline. */
static gboolean
wait_for (FwDecoder *decoder, FwMessage *message, FwMessageKind kind, GCancellable *cancellable, GError **error)
{
  if (decoder->deadline != 0) {
    gint64 left = (decoder->deadline - g_get_monotonic_time ()) / 1000;
    if (left <= 0) {
      g_set_error (error, FW_ERROR, FW_ERROR_FAILED, "Cannot %s: it takes longer than the time allowed", decoder->child->subject);
      return FALSE;
    }
    decoder->child->stall_ms = MIN (left, (gint64) decoder->stall_ms);
  }
  return fw_media_child_wait (decoder->child, message, kind, cancellable, error);
}

static void
ask_for_frame (FwDecoder *decoder, guint32 slot)
{
  FwMessage message = { .frame.slot = slot };
  fw_message_send (decoder->child->socket, &message, FW_MESSAGE_NEXT, NULL, 0);
}

static gboolean
share_slots (FwDecoder *decoder, GCancellable *cancellable, GError **error)
{
  FwMessage message = { 0 };
  int fd;
  decoder->frame_bytes = 3 * (gsize) decoder->info->width * decoder->info->height;
  decoder->memory = fw_media_share (decoder->frame_bytes * SLOTS, &fd, error);
  if (decoder->memory == NULL)
    return FALSE;
  gboolean done = fw_media_child_send (decoder->child, &message, FW_MESSAGE_SLOTS, &fd, 1, error) &&
                  wait_for (decoder, &message, FW_MESSAGE_READY, cancellable, error);
  close (fd);
  for (guint32 slot = 0; done && slot < SLOTS; slot++)
    ask_for_frame (decoder, slot);
  return done;
}

static gboolean
begin (FwDecoder *decoder, int fd, const FwDecodeLimits *limits, GCancellable *cancellable, GError **error)
{
  int side = limits->max_side > 0 ? MIN (limits->max_side, FW_MEDIA_MAX_SIDE) : DEFAULT_SIDE;
  FwMessage message = { .decode = {
    .slots = SLOTS, .max_side = side, .max_frames = limits->max_frames > 0 ? limits->max_frames : FW_MEDIA_MAX_FRAMES,
  } };
  if (!fw_media_child_send (decoder->child, &message, FW_MESSAGE_DECODE, &fd, 1, error) ||
      !wait_for (decoder, &message, FW_MESSAGE_INFO, cancellable, error))
    return FALSE;
  decoder->info = fw_media_info_from_message (&message.info, NULL, error);
  if (decoder->info == NULL)
    return FALSE;
  if (decoder->info->width > side || decoder->info->height > side) {
    g_set_error (error, FW_ERROR, FW_ERROR_FORMAT, "Cannot %s: its frames are too large", decoder->child->subject);
    return FALSE;
  }
  return share_slots (decoder, cancellable, error);
}

FwDecoder *
fw_decoder_open (const char *path, const FwDecodeLimits *limits, GCancellable *cancellable, GError **error)
{
  static const FwDecodeLimits defaults = { 0 };
  if (limits == NULL)
    limits = &defaults;
  g_autoptr (FwDecoder) decoder = g_new0 (FwDecoder, 1);
  int fd;
  decoder->child = fw_media_open_input (path, limits->stall_ms, &fd, error);
  if (decoder->child == NULL)
    return NULL;
  decoder->stall_ms = decoder->child->stall_ms;
  if (limits->deadline_ms > 0)
    decoder->deadline = g_get_monotonic_time () + (gint64) limits->deadline_ms * 1000;
  gboolean done = begin (decoder, fd, limits, cancellable, error);
  close (fd);
  return done ? g_steal_pointer (&decoder) : NULL;
}

const FwMediaInfo *
fw_decoder_info (FwDecoder *decoder)
{
  return decoder->info;
}

int
fw_decoder_next (FwDecoder *decoder, guint8 *rgb, gsize stride, gint64 *time, GCancellable *cancellable, GError **error)
{
  FwMessage message;
  if (decoder->ended)
    return 0;
  decoder->ended = TRUE;
  if (!wait_for (decoder, &message, FW_MESSAGE_NONE, cancellable, error))
    return -1;
  if (message.kind == FW_MESSAGE_END)
    return 0;
  if (message.kind != FW_MESSAGE_FRAME || message.frame.slot != decoder->expected) {
    g_set_error (error, FW_ERROR, FW_ERROR_FAILED, "Cannot %s: the media process answered out of turn", decoder->child->subject);
    return -1;
  }
  gsize row = 3 * (gsize) decoder->info->width;
  for (int y = 0; y < decoder->info->height; y++)
    memcpy (rgb + stride * y, decoder->memory + decoder->frame_bytes * decoder->expected + row * y, row);
  if (time != NULL)
    *time = message.frame.time;
  /* A process that has failed meanwhile is met after the frames it sent before. */
  ask_for_frame (decoder, decoder->expected);
  decoder->expected = (decoder->expected + 1) % SLOTS;
  decoder->ended = FALSE;
  return 1;
}
