/* SPDX-License-Identifier: Apache-2.0
 * The generate job from end to end. Everything that can be wrong is found out before the first long computation. */
#include "engine/job/generate-private.h"

#include "engine/job/journal.h"

static void
job_clear (FwGenerateJob *job)
{
  fw_stage_clear (&job->text);
  fw_stage_clear (&job->sample);
  fw_stage_clear (&job->decode);
  if (job->slab != NULL)
    job->device->class->slab_free (job->device, job->slab, job->slab_bytes);
  for (FwNetworkRole role = 0; role < FW_N_ROLES; role++)
    fw_network_free (job->network[role]);
  fw_device_free (job->device);
  g_clear_pointer (&job->clips, g_ptr_array_unref);
  g_clear_pointer (&job->captions, g_hash_table_unref);
  g_free (job->null_caption.states);
  fw_recipe_free (job->base);
  fw_recipe_free (job->from);
  fw_model_card_free (job->card);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (FwGenerateJob, job_clear)

static void
tell_result (const FwGenerateJob *job, const FwGenerateClip *clip, const char *path)
{
  g_autofree char *recipe = fw_recipe_to_json (clip->recipe, FALSE);
  const FwJobResult result = {
    path, recipe, clip->recipe->seed, (guint) clip->recipe->frames, (guint) clip->recipe->width, (guint) clip->recipe->height
  };
  fw_job_result (job->events, &result);
}

static gboolean
make_clip (FwGenerateJob *job, FwGenerateClip *clip, GError **error)
{
  g_autofree char *journal = fw_journal_path (clip->output);
  g_autofree float *latent = fw_generate_sample (job, clip, error);
  if (latent == NULL || !fw_generate_decode (job, clip, latent, error))
    return FALSE;
  fw_journal_remove (journal);
  tell_result (job, clip, clip->output);
  return TRUE;
}

/* The model's files are read for their digests; what an interrupted run has done is no work any more. */
static gboolean
load (FwGenerateJob *job, GError **error)
{
  gint64 work = fw_generate_files_work (job);
  fw_generate_tell_phases (job, work);
  if (work > 0)
    fw_generate_begin_phase (job);
  if (!fw_generate_settle (job, error))
    return FALSE;
  if (job->request->resume)
    fw_generate_tell_phases (job, 0);
  return TRUE;
}

static gboolean
make_clips (FwGenerateJob *job, GError **error)
{
  for (guint i = 0; i < job->clips->len; i++) {
    FwGenerateClip *clip = g_ptr_array_index (job->clips, i);
    if (clip->done)
      tell_result (job, clip, clip->output);
    else if (!make_clip (job, clip, error))
      return FALSE;
  }
  return TRUE;
}

gboolean
fw_generate (const FwGenerateRequest *request, const FwJobEvents *events, GCancellable *cancellable, GError **error)
{
  g_auto (FwGenerateJob) job = { .request = request, .events = events, .cancellable = cancellable };
  return fw_generate_resolve (&job, error) && fw_generate_lay_out (&job, error) && fw_generate_plan (&job, error)
         && load (&job, error) && fw_generate_encode_texts (&job, error) && make_clips (&job, error);
}
