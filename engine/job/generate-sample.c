/* SPDX-License-Identifier: Apache-2.0
 * Sampling: the sampler's loop around the denoiser, with the journal from which a killed or parked job goes on. */
#include <string.h>

#include "engine/job/generate-private.h"
#include "engine/job/journal.h"
#include "engine/media/png.h"
#include "engine/memory/buffers.h"
#include "engine/memory/file.h"

/* Saving takes at most this part of the time; what a crash costs is that many times what saving takes. */
enum { SAVING_PART = 50 };

/* The denoiser's batch and result. */
typedef struct {
  FwGenerateJob *job;
  const FwGenerateClip *clip;
  FwSampler *sampler;
  int rows;
  gsize in_size, out_size, text_size, length;  /* of one row, in elements */
  float *input, *times, *captions, *output;
  guint8 *mask;
  gboolean told;            /* the executor knows that the captions are new */
  gpointer block;           /* that they lie in */
  gsize block_bytes;
  char *journal, *recipe;
} Run;

static void
run_clear (Run *run)
{
  fw_sampler_free (run->sampler);
  fw_block_free (run->block, run->block_bytes);
  g_free (run->journal);
  g_free (run->recipe);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Run, run_clear)

/* A row's caption is the clip's, or the negative one, or the null caption, of which the original sees what the prompt's
 * mask lets through (opensora-1.0 7.2). */
static void
arrange_captions (Run *run)
{
  const FwCaption *negative = run->job->negative;
  for (int row = 0; row < run->rows; row++) {
    gboolean conditional = fw_sampler_row_is_conditional (run->sampler, row);
    const FwCaption *own = run->clip->caption;
    const float *states = conditional ? own->states : negative != NULL ? negative->states : run->job->null_caption.states;
    const guint8 *mask = !conditional && negative != NULL ? negative->mask : own->mask;
    memcpy (run->captions + row * run->text_size, states, run->text_size * sizeof (float));
    memcpy (run->mask + row * run->length, mask, run->length);
  }
}

static gboolean
run_init (Run *run, FwGenerateJob *job, const FwGenerateClip *clip, GError **error)
{
  const FwNetworkTraits *traits = &job->network[FW_ROLE_DENOISER]->traits;
  gsize positions = (gsize) job->latent[0] * job->latent[1] * job->latent[2];
  run->job = job;
  run->clip = clip;
  run->sampler = fw_generate_sampler_new (job, clip->recipe, error);
  if (run->sampler == NULL)
    return FALSE;
  run->rows = fw_sampler_rows (run->sampler);
  run->in_size = positions * traits->channels;
  run->out_size = positions * traits->out_channels;
  run->length = (gsize) job->caption_length;
  run->text_size = run->length * traits->caption_width;
  run->block_bytes = fw_generate_sample_bytes (job, run->rows);
  run->block = fw_block_new (run->block_bytes, "the latents", error);
  if (run->block == NULL)
    return FALSE;
  run->input = run->block;
  run->output = run->input + run->rows * run->in_size;
  run->captions = run->output + run->rows * run->out_size;
  run->times = run->captions + run->rows * run->text_size;
  run->mask = (guint8 *) (run->times + run->rows);
  run->journal = fw_journal_path (clip->output);
  run->recipe = fw_recipe_to_json (clip->recipe, FALSE);
  arrange_captions (run);
  return TRUE;
}

/* Evaluates the denoiser for the whole batch, a part of its rows at a time. */
static gboolean
evaluate (Run *run, GError **error)
{
  FwGenerateJob *job = run->job;
  FwStage *stage = &job->sample;
  int part = job->way.sample_rows;
  if (!run->told)
    fw_exec_refresh (stage->exec);
  run->told = TRUE;
  for (int row = 0; row < run->rows; row += part) {
    fw_exec_bind (stage->exec, "x", run->input + row * run->in_size);
    fw_exec_bind (stage->exec, "t", run->times + row);
    fw_exec_bind (stage->exec, "y", run->captions + row * run->text_size);
    fw_exec_bind (stage->exec, "mask", run->mask + row * run->length);
    const float *noise = fw_stage_run (stage, job->cancellable, fw_generate_progress, job, error);
    if (noise == NULL)
      return FALSE;
    memcpy (run->output + row * run->out_size, noise, part * run->out_size * sizeof (float));
    job->work_done += stage->plan->flops;
  }
  return TRUE;
}

static gboolean
write_journal (const Run *run, GError **error)
{
  g_autoptr (GBytes) state = fw_sampler_save (run->sampler);
  gsize size;
  gconstpointer data = g_bytes_get_data (state, &size);
  const FwJournalBlob blob = { "sampler", data, size };
  const FwJournal journal = {
    run->recipe, "sample", (guint) fw_sampler_done (run->sampler), (guint) fw_sampler_evaluations (run->sampler), &blob, 1
  };
  return fw_journal_write (run->journal, &journal, error);
}

/* A clip can be made without a journal, only not continued. */
static void
save_state (const Run *run)
{
  FwGenerateJob *job = run->job;
  g_autoptr (GError) fault = NULL;
  if (write_journal (run, &fault) || job->told_unsaved)
    return;
  fw_job_message (job->events, "What is done cannot be saved, so --resume would begin again: %s", fault->message);
  job->told_unsaved = TRUE;
}

/* Goes on from the journal of this clip's interrupted run, if it left one; that the journal is this clip's was checked. */
static gboolean
restore_state (Run *run, GError **error)
{
  if (!g_file_test (run->journal, G_FILE_TEST_EXISTS))
    return TRUE;
  g_autoptr (FwJournal) journal = fw_journal_read (run->journal, error);
  if (journal == NULL)
    return FALSE;
  for (guint i = 0; i < journal->count; i++)
    if (strcmp (journal->blobs[i].name, "sampler") == 0) {
      g_autoptr (GBytes) state = g_bytes_new_static (journal->blobs[i].data, journal->blobs[i].size);
      return fw_sampler_restore (run->sampler, state, error);
    }
  g_set_error_literal (error, FW_ERROR, FW_ERROR_FORMAT, "The journal holds no sampling state; start again without --resume");
  return FALSE;
}

/* A picture of the clip's middle frame as the sampler expects it to become. Its time is part of its step's, its work is not. */
static gboolean
write_preview (const Run *run, GError **error)
{
  FwGenerateJob *job = run->job;
  const FwRecipe *recipe = run->clip->recipe;
  int width = (int) recipe->width, height = (int) recipe->height;
  gsize frame = (gsize) width * height * 3;
  g_auto (FwBuffers) buffers = { NULL };
  guint8 *rgb = fw_buffers_add (&buffers, job->way.decode_frames, frame, "a preview", error);
  if (rgb == NULL)
    return FALSE;
  int middle = job->latent[0] / 2 / job->way.decode_frames * job->way.decode_frames;
  if (!fw_generate_decode_frames (job, fw_sampler_predicted (run->sampler), middle, rgb, NULL, error))
    return FALSE;
  g_autoptr (GBytes) png = fw_png_encode (rgb, width, height, (gsize) width * 3, NULL, error);
  if (png == NULL)
    return FALSE;
  g_autofree char *name = g_path_get_basename (run->clip->output);
  g_autofree char *path = g_strdup_printf ("%s/%s.step-%04d.png", job->request->preview, name, fw_sampler_done (run->sampler));
  gsize size;
  gconstpointer data = g_bytes_get_data (png, &size);
  return fw_file_write (path, data, size, error);
}

static gboolean
run_steps (Run *run, GError **error)
{
  FwGenerateJob *job = run->job;
  guint steps = (guint) fw_sampler_evaluations (run->sampler);
  gint64 saved = 0, cost = 0;
  while (fw_sampler_next (run->sampler, run->input, run->times)) {
    if (!evaluate (run, error)) {
      if (fw_sampler_done (run->sampler) > 0)
        save_state (run);
      return FALSE;
    }
    fw_sampler_take (run->sampler, run->output);
    gint64 now = g_get_monotonic_time ();
    gboolean last = (guint) fw_sampler_done (run->sampler) == steps;
    if (last || now - saved >= SAVING_PART * cost) {
      save_state (run);
      saved = g_get_monotonic_time ();
      cost = saved - now;
    }
    fw_job_step (job->events, (guint) fw_sampler_done (run->sampler), steps);
    if (job->request->preview != NULL && !write_preview (run, error))
      return FALSE;
  }
  return TRUE;
}

static void
tell_continuation (const Run *run)
{
  FwGenerateJob *job = run->job;
  guint done = (guint) fw_sampler_done (run->sampler), steps = (guint) fw_sampler_evaluations (run->sampler);
  if (done == 0)
    return;
  fw_job_message (job->events, "Going on after step %u of %u of “%s”", done, steps, run->clip->output);
  fw_job_step (job->events, done, steps);
}

float *
fw_generate_sample (FwGenerateJob *job, const FwGenerateClip *clip, GError **error)
{
  g_auto (Run) run = { NULL };
  if (!run_init (&run, job, clip, error))
    return NULL;
  fw_sampler_start (run.sampler, NULL);
  if (job->request->resume && !restore_state (&run, error))
    return NULL;
  fw_generate_begin_phase (job);
  tell_continuation (&run);
  if (!run_steps (&run, error))
    return NULL;
  return g_memdup2 (fw_sampler_latent (run.sampler), run.in_size * sizeof (float));
}
