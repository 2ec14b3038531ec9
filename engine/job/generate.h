/* SPDX-License-Identifier: Apache-2.0
 * The generate job: prompts in, clips out, each with its recipe. Front ends fill the request and run it on a thread. */
#pragma once
#include "engine/job/event.h"

/* Clips that one job makes at most, and the last seed: the largest number that every reader of JSON keeps exactly. */
#define FW_GENERATE_MOST_CLIPS 10000
#define FW_GENERATE_LAST_SEED ((G_GINT64_CONSTANT (1) << 53) - 1)

/* What to make. Numbers that are 0 (guidance and seed: negative) and texts that are NULL mean the model's own default.
 * Everything is borrowed for the length of the call. */
typedef struct {
  const char *model;        /* a registered name, or the path of a model card or folder */
  const char *const *prompts; /* NULL-terminated; one clip (times @count) for each */
  const char *negative;
  const char *output;       /* FILE.mp4, FILE.webm, FILE.png or a folder; several clips go into a folder, or are numbered */
  int frames, width, height, fps;
  int steps;
  double guidance;          /* < 0 = default */
  const char *sampler;
  gint64 seed;              /* of the first clip, the next takes one more; < 0 = chosen by chance and told */
  const char *noise;        /* torch-cpu, torch-cuda */
  int count;                /* clips of each prompt; 0 = 1 */
  const char *device;       /* auto, cpu, cuda[:N] */
  const char *precision;    /* auto, fp32, bf16 */
  gint64 memory;            /* budget in bytes; 0 = what the machine has free */
  const char *preview;      /* folder for one PNG a step, or NULL; PNGs of that name are output, too */
  const char *from;         /* a clip or sidecar whose recipe is repeated; what the request sets otherwise wins */
  gboolean resume;          /* go on from the journal of an interrupted run of the same request */
  gboolean force;           /* may write over existing output */
} FwGenerateRequest;

/* Runs the whole job on the calling thread, however long it takes. Errors: FW_ERROR_INVALID for numbers or words the model
 * cannot take, FW_ERROR_CANCELLED within 200 ms of a cancel, FW_ERROR_CHECKPOINT, _FORMAT, _IO, _MEMORY, _UNSUPPORTED,
 * _NUMERIC. No output file is left half-written. */
gboolean fw_generate (const FwGenerateRequest *request, const FwJobEvents *events, GCancellable *cancellable, GError **error);
