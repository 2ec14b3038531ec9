/* SPDX-License-Identifier: Apache-2.0
 * The parts of the generate job, in the order in which they run: what is asked for, where it goes, how it is done, text,
 * sampling, decoding. Private to engine/job/generate*.c. */
#pragma once
#include "engine/job/generate.h"
#include "engine/job/recipe.h"
#include "engine/job/stage.h"
#include "engine/media/encoder.h"
#include "engine/model/cards.h"
#include "engine/sample/sampler.h"

/* A text as the denoiser reads it: states[length, width] and mask[length]. */
typedef struct {
  float *states;
  guint8 *mask;
} FwCaption;

typedef struct {
  FwRecipe *recipe;
  char *output;             /* as asked for; the encoder may choose another ending */
  const FwCaption *caption; /* once texts are encoded */
  gboolean done;            /* by the run that is resumed */
  guint begun;              /* steps of the denoiser that it has made */
} FwGenerateClip;

/* How the networks are run: what costs memory and saves time. */
typedef struct {
  int sample_rows;          /* of the sampler's batch, at once */
  int decode_frames;        /* at once; divides the clip's */
} FwGenerateWay;

typedef struct {
  const FwGenerateRequest *request;
  const FwJobEvents *events;
  GCancellable *cancellable;

  FwModelCard *card;
  FwNetwork *network[FW_N_ROLES];
  FwRecipe *base;           /* what all clips share, but for the files' digests */
  FwRecipe *from;           /* the recipe that is repeated, or NULL */
  GPtrArray *clips;         /* FwGenerateClip */

  FwDevice *device;
  FwDtype compute;
  int latent[3];            /* frames, rows, columns */
  int caption_length;
  int rows;                 /* of the sampler's batch */
  FwGenerateWay way;
  FwStage text, sample, decode;
  gpointer slab;            /* shared by the stages */
  gsize slab_bytes;

  GHashTable *captions;     /* text -> FwCaption */
  const FwCaption *negative; /* one of them, or NULL */
  FwCaption null_caption;   /* states only: masks are the prompts' */

  guint phase;              /* the next of the plan */
  double work_done;         /* of the phase, without the run in progress */
  double work_told;
  gint64 told_at;
  gboolean told_unsaved;
} FwGenerateJob;

/* generate-request.c: the card, its networks, and @base out of request, recipe to repeat and defaults; every number checked. */
gboolean fw_generate_resolve (FwGenerateJob *job, GError **error);
FwSampler *fw_generate_sampler_new (const FwGenerateJob *job, const FwRecipe *recipe, GError **error);

/* generate-output.c: one clip for each prompt and count, with the name of its file; whether they can be written. */
gboolean fw_generate_lay_out (FwGenerateJob *job, GError **error);
/* The encoder's settings for @clip, whose comment is @comment. */
FwEncodeSpec fw_generate_encode_spec (const FwGenerateJob *job, const FwGenerateClip *clip, const char *comment);
void fw_generate_clip_free (gpointer clip);

/* Plans one @way (the text network once, whatever the way) and tells its forecast. FW_ERROR_MEMORY, without planning, where
 * the activations alone are certain to exceed @budget. */
gboolean fw_generate_try (FwGenerateJob *job, FwGenerateWay way, gint64 budget, gint64 *forecast, GError **error);

/* generate-plan.c: the way that fits the memory, with its stages and the slab; the phases. */
gboolean fw_generate_plan (FwGenerateJob *job, GError **error);
/* Tells the phases still to come, the reading of @load bytes first. */
void fw_generate_tell_phases (FwGenerateJob *job, gint64 load);
/* Begins the next phase. */
void fw_generate_begin_phase (FwGenerateJob *job);
/* FwExecProgress: @job's phase has gone on by @flops_done since work_done. */
void fw_generate_progress (gpointer job, double flops_done);

/* generate-memory.c: bytes at the peak of the planned job, above the idle program. */
gint64 fw_generate_forecast (const FwGenerateJob *job, const FwSampler *sampler);
/* Of the denoiser's batch: inputs, captions and result of @rows. */
gsize fw_generate_sample_bytes (const FwGenerateJob *job, int rows);

/* generate-fit.c: refuses a job that does not fit @budget in any way, with the sentence that says what would. */
gboolean fw_generate_refuse (FwGenerateJob *job, gint64 budget, GError **error);

/* generate-files.c: bytes to read for digests; the digests into the clips' recipes, and what of the clips is there already. */
gint64 fw_generate_files_work (const FwGenerateJob *job);
gboolean fw_generate_settle (FwGenerateJob *job, GError **error);

/* generate-text.c: how many different texts the clips still to be made need; encodes them, then lets go of the text network. */
guint fw_generate_count_texts (const FwGenerateJob *job);
gboolean fw_generate_encode_texts (FwGenerateJob *job, GError **error);
void fw_caption_free (gpointer caption);

/* generate-sample.c: from noise, or from the journal's state, to the clip's latents [channels, positions], which the journal
 * then holds. Free with g_free(). */
float *fw_generate_sample (FwGenerateJob *job, const FwGenerateClip *clip, GError **error);

/* generate-decode.c: latents to a finished file; clip->output becomes the name that it got. */
gboolean fw_generate_decode (FwGenerateJob *job, FwGenerateClip *clip, const float *latent, GError **error);
/* way.decode_frames frames of @latent, from @first on, as packed pixels [frames, height, width, 3]. @progress as in fw_exec_run(),
 * with @job. */
gboolean fw_generate_decode_frames (FwGenerateJob *job, const float *latent, int first, guint8 *rgb, FwExecProgress progress,
                                    GError **error);
