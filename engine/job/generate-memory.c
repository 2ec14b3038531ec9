/* SPDX-License-Identifier: Apache-2.0
 * What a generate job will hold at its peak, counted from its plans. The networks run one after the other over one slab; their
 * weights are counted as long as they are mapped. */
#include "engine/job/generate-private.h"

/* What is held beside all that is counted: code that is run for the first time, worker stacks, the allocator's slack, the
 * graphs themselves. Measured on small models (tests/e2e/memory.sh), with room for other processors' kernels. */
static const gint64 program_bytes = 10 << 20;
/* Of a PNG picture while it is made, beside the pixels: filtered rows and the compressed result. */
enum { PNG_COPIES = 2, VIDEO_SLOTS = 3 };

static gint64
stage_bytes (const FwStage *stage)
{
  return (gint64) (fw_weights_bytes (stage->network->weights) + fw_stage_constant_bytes (stage) + stage->plan->persistent_bytes);
}

gsize
fw_generate_sample_bytes (const FwGenerateJob *job, int rows)
{
  const FwNetworkTraits *traits = &job->network[FW_ROLE_DENOISER]->traits;
  gsize positions = (gsize) job->latent[0] * job->latent[1] * job->latent[2], length = (gsize) job->caption_length;
  gsize floats = positions * (traits->channels + traits->out_channels) + length * traits->caption_width + 1;
  return (gsize) rows * (floats * sizeof (float) + length);
}

/* The texts that were encoded, and the null caption. */
static gint64
caption_bytes (const FwGenerateJob *job)
{
  const FwNetworkTraits *traits = &job->network[FW_ROLE_DENOISER]->traits;
  return ((gint64) fw_generate_count_texts (job) + 1) * traits->caption_length * traits->caption_width * (gint64) sizeof (float);
}

/* The sampler's state is held twice while it is written to the journal: as it is, and as bytes. */
static gint64
sampling_bytes (const FwGenerateJob *job, const FwSampler *sampler)
{
  gsize batch = fw_generate_sample_bytes (job, fw_sampler_rows (sampler));
  return stage_bytes (&job->sample) + (gint64) (batch + 2 * fw_sampler_bytes (sampler));
}

static gint64
decoding_bytes (const FwGenerateJob *job)
{
  gint64 pixels = (gint64) job->base->width * job->base->height * 3;
  gint64 positions = (gint64) job->latent[0] * job->latent[1] * job->latent[2];
  gint64 latent = positions * job->network[FW_ROLE_IMAGE]->traits.channels * (gint64) sizeof (float);
  return stage_bytes (&job->decode) + 2 * latent + pixels * (job->way.decode_frames + MAX (VIDEO_SLOTS, PNG_COPIES));
}

gint64
fw_generate_forecast (const FwGenerateJob *job, const FwSampler *sampler)
{
  gint64 slab = (gint64) MAX (job->sample.plan->slab_bytes, job->decode.plan->slab_bytes);
  gint64 text = stage_bytes (&job->text) + (gint64) job->text.plan->slab_bytes;
  gint64 clips = MAX (slab, (gint64) job->text.plan->slab_bytes) + sampling_bytes (job, sampler) + decoding_bytes (job);
  return MAX (text, clips) + caption_bytes (job) + program_bytes;
}
