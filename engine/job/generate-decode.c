/* SPDX-License-Identifier: Apache-2.0
 * Decoding: latents to frames to a finished file. */
#include "engine/job/generate-private.h"
#include "engine/media/rgb.h"
#include "engine/memory/buffers.h"

/* Frames @first .. of latents [channels, frames, y, x] as the network wants them: [frames, channels, y, x], unscaled. */
static void
gather (const FwGenerateJob *job, const float *latent, int first, float *batch)
{
  const FwNetworkTraits *traits = &job->network[FW_ROLE_IMAGE]->traits;
  gsize plane = (gsize) job->latent[1] * job->latent[2];
  for (int frame = 0; frame < job->way.decode_frames; frame++)
    for (int channel = 0; channel < traits->channels; channel++) {
      const float *from = latent + ((gsize) channel * job->latent[0] + first + frame) * plane;
      for (gsize i = 0; i < plane; i++)
        *batch++ = (float) (from[i] / traits->scale);
    }
}

gboolean
fw_generate_decode_frames (FwGenerateJob *job, const float *latent, int first, guint8 *rgb, FwExecProgress progress,
                           GError **error)
{
  int channels = job->network[FW_ROLE_IMAGE]->traits.channels, count = job->way.decode_frames;
  gsize positions = (gsize) job->base->width * job->base->height;
  g_auto (FwBuffers) buffers = { NULL };
  float *batch = fw_buffers_add (&buffers, (gsize) count * channels * job->latent[1] * job->latent[2], sizeof *batch,
                                 "latents to decode", error);
  if (batch == NULL)
    return FALSE;
  gather (job, latent, first, batch);
  fw_exec_bind (job->decode.exec, "latent", batch);
  const float *frames = fw_stage_run (&job->decode, job->cancellable, progress, job, error);
  if (frames == NULL)
    return FALSE;
  for (int frame = 0; frame < count; frame++)
    fw_rgb_from_planes (frames + frame * 3 * positions, positions, rgb + frame * 3 * positions);
  return TRUE;
}

static gboolean
encode_frames (FwGenerateJob *job, FwEncoder *encoder, const float *latent, GError **error)
{
  gsize stride = (gsize) job->base->width * 3, frame = stride * job->base->height;
  g_auto (FwBuffers) buffers = { NULL };
  guint8 *rgb = fw_buffers_add (&buffers, job->way.decode_frames, frame, "decoded frames", error);
  if (rgb == NULL)
    return FALSE;
  for (int first = 0; first < job->latent[0]; first += job->way.decode_frames) {
    if (!fw_generate_decode_frames (job, latent, first, rgb, fw_generate_progress, error))
      return FALSE;
    job->work_done += job->decode.plan->flops;
    for (int i = 0; i < job->way.decode_frames; i++)
      if (!fw_encoder_push (encoder, rgb + i * frame, stride, job->cancellable, error))
        return FALSE;
    fw_job_step (job->events, (guint) (first + job->way.decode_frames), (guint) job->latent[0]);
  }
  return TRUE;
}

gboolean
fw_generate_decode (FwGenerateJob *job, FwGenerateClip *clip, const float *latent, GError **error)
{
  g_autofree char *comment = fw_recipe_to_json (clip->recipe, FALSE);
  const FwEncodeSpec spec = fw_generate_encode_spec (job, clip, comment);
  fw_generate_begin_phase (job);
  g_autoptr (FwEncoder) encoder = fw_encoder_open (&spec, job->cancellable, error);
  if (encoder == NULL || !encode_frames (job, encoder, latent, error))
    return FALSE;
  fw_generate_begin_phase (job);
  g_free (clip->output);
  clip->output = g_strdup (fw_encoder_path (encoder));
  return fw_encoder_finish (g_steal_pointer (&encoder), job->cancellable, error);
}
