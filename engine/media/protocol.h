/* SPDX-License-Identifier: Apache-2.0
 * What the engine and the media process say to each other: fixed-size messages over a SOCK_SEQPACKET pair, with descriptors
 * attached, and RGB frames in shared memory. Both sides come from one build, but neither trusts the other.
 *
 * Encode:  ENCODE (shared memory, output, scratch) -> READY, then FRAME (slot) -> TAKEN (slot) ..., FINISH -> FINISHED.
 * Decode:  DECODE (input) -> INFO, then SLOTS (shared memory) -> READY, then NEXT (slot) -> FRAME (slot, time) ... or END.
 * Probe:   PROBE (input, shared memory for text) -> INFO.          List: LIST -> ENCODER ... END.
 * At any moment the media process may answer FAULT and end. */
#pragma once
#include "engine/media/format.h"

#define FW_MEDIA_MAGIC 0x4457464du          /* "MFWD" */
#define FW_MEDIA_VERSION 1
#define FW_MEDIA_SOCKET 3                   /* the child's descriptor of the pair */
#define FW_MEDIA_MAX_FDS 3
#define FW_MEDIA_MAX_SLOTS 8
#define FW_MEDIA_MAX_SIDE 16384
#define FW_MEDIA_MAX_COMMENT (1u << 20)     /* bytes of text in a file's comment */
#define FW_MEDIA_MAX_RATE 1000              /* frames a second */

typedef enum {
  FW_MESSAGE_NONE,
  FW_MESSAGE_LIST, FW_MESSAGE_ENCODE, FW_MESSAGE_DECODE, FW_MESSAGE_PROBE, FW_MESSAGE_SLOTS, FW_MESSAGE_NEXT, FW_MESSAGE_FINISH,
  FW_MESSAGE_READY, FW_MESSAGE_TAKEN, FW_MESSAGE_FINISHED, FW_MESSAGE_INFO, FW_MESSAGE_ENCODER, FW_MESSAGE_FRAME, FW_MESSAGE_END,
  FW_MESSAGE_FAULT,
  FW_N_MESSAGES
} FwMessageKind;

typedef struct {
  gint32 format, width, height, fps_n, fps_d;
  gint32 quality;                           /* 1 to 100 */
  gint32 threads;                           /* 0 = as many as the process may use */
  guint32 slots, comment_size;              /* the comment lies at the start of the shared memory until READY */
} FwEncodeMessage;

typedef struct {
  guint32 slots;
  guint32 max_side;
  guint64 max_frames;
} FwDecodeMessage;

typedef struct {
  guint32 slot, reserved;
  gint64 time;                              /* nanoseconds in the film */
  guint64 count;                            /* FINISHED: frames written */
} FwFrameMessage;

typedef struct {
  gint32 width, height, fps_n, fps_d, rotation;
  guint32 comment_size;
  guint64 frames;                           /* 0 = not counted */
  gint64 duration;                          /* nanoseconds, -1 = not known */
  char container[32], codec[32];
} FwInfoMessage;

typedef struct {
  gint32 format, found;
  char element[32], package[48];            /* the package is the first one that is missing, or the encoder's own */
} FwEncoderMessage;

typedef struct {
  gint32 code;                              /* an FwErrorCode */
  char text[500];
} FwFaultMessage;

typedef struct {
  guint32 magic, version, kind, reserved;
  union {
    FwEncodeMessage encode;
    FwDecodeMessage decode;
    FwFrameMessage frame;
    FwInfoMessage info;
    FwEncoderMessage encoder;
    FwFaultMessage fault;
  };
} FwMessage;

/* Sends one message with up to FW_MEDIA_MAX_FDS descriptors, never blocking and never raising SIGPIPE. FALSE with errno set. */
gboolean fw_message_send (int socket, FwMessage *message, FwMessageKind kind, const int *fds, int n_fds);

/* Receives one message without blocking: 1, 0 where the other side has closed, -1 with errno (EAGAIN: nothing there; EPROTO:
 * not a message of this protocol). Descriptors beyond @max_fds are refused by the kernel; the first *@n_fds are the caller's
 * to close. */
int fw_message_receive (int socket, FwMessage *message, int *fds, int max_fds, int *n_fds);
