/* SPDX-License-Identifier: Apache-2.0
 * How the clips are made: the networks planned for their shapes, the memory they take, and the phases of the job. */
#include "engine/job/generate-private.h"
#include "engine/job/memory.h"

/* Progress is told this often at most, in microseconds. */
enum { TELL_EVERY = 50000 };

static gboolean
plan_text (FwGenerateJob *job, GError **error)
{
  FwNetwork *network = job->network[FW_ROLE_TEXT];
  const gint64 dim[] = { 1, job->caption_length };
  fw_stage_record (&job->text, network, FW_DTYPE_F32, "states");
  FwGraph *graph = job->text.graph;
  FwVal ids = fw_external (graph, "ids", FW_DTYPE_I32, 2, dim), mask = fw_external (graph, "mask", FW_DTYPE_U8, 2, dim);
  fw_keep (graph, "states", network->architecture->encode_text (graph, &network->config, ids, mask));
  return fw_stage_plan (&job->text, job->device, error);
}

static gboolean
plan_sample (FwGenerateJob *job, GError **error)
{
  FwNetwork *network = job->network[FW_ROLE_DENOISER];
  const FwNetworkTraits *traits = &network->traits;
  gint64 rows = job->way.sample_rows, length = job->caption_length;
  fw_stage_record (&job->sample, network, job->compute, "noise");
  FwGraph *graph = job->sample.graph;
  const int *latent = job->latent;
  FwVal x = fw_external (graph, "x", FW_DTYPE_F32, 5, (gint64[]) { rows, traits->channels, latent[0], latent[1], latent[2] });
  FwVal t = fw_external (graph, "t", FW_DTYPE_F32, 1, &rows);
  FwVal y = fw_external (graph, "y", FW_DTYPE_F32, 3, (gint64[]) { rows, length, traits->caption_width });
  FwVal mask = fw_external (graph, "mask", FW_DTYPE_U8, 2, (gint64[]) { rows, length });
  fw_steady (graph, y); /* the caption stays the same over all steps, and so do its keys and values */
  fw_steady (graph, mask);
  fw_keep (graph, "noise", network->architecture->denoise (graph, &network->config, x, t, y, mask));
  return fw_stage_plan (&job->sample, job->device, error);
}

static gboolean
plan_decode (FwGenerateJob *job, GError **error)
{
  FwNetwork *network = job->network[FW_ROLE_IMAGE];
  fw_stage_record (&job->decode, network, job->compute, "frames");
  FwGraph *graph = job->decode.graph;
  FwVal latent = fw_external (graph, "latent", FW_DTYPE_F32, 4,
                              (gint64[]) { job->way.decode_frames, network->traits.channels, job->latent[1], job->latent[2] });
  fw_keep (graph, "frames", network->architecture->decode_image (graph, &network->config, latent));
  return fw_stage_plan (&job->decode, job->device, error);
}

/* Less than what any plan of this shape holds: a few vectors for each token. Shapes beyond the budget by far are not even
 * recorded, since their tables of positions would be as large. */
static gint64
least_bytes (const FwGenerateJob *job)
{
  const FwNetworkTraits *traits = &job->network[FW_ROLE_DENOISER]->traits;
  gint64 tokens = 1;
  for (int axis = 0; axis < 3; axis++)
    tokens *= job->latent[axis] / traits->patch[axis];
  return tokens * traits->width * 3 * (gint64) sizeof (float);
}

gboolean
fw_generate_try (FwGenerateJob *job, FwGenerateWay way, gint64 budget, gint64 *forecast, GError **error)
{
  g_autoptr (FwSampler) trial = NULL;
  job->way = way;
  fw_stage_clear (&job->sample);
  fw_stage_clear (&job->decode);
  if (least_bytes (job) > budget) {
    g_set_error_literal (error, FW_ERROR, FW_ERROR_MEMORY, "The clip is too large for the memory");
    return FALSE;
  }
  if ((trial = fw_generate_sampler_new (job, job->base, error)) == NULL || (job->text.plan == NULL && !plan_text (job, error))
      || !plan_sample (job, error) || !plan_decode (job, error))
    return FALSE;
  *forecast = fw_generate_forecast (job, trial);
  return TRUE;
}

/* Frames decoded at once: few enough to stay in the cache, enough to keep all cores busy with small pictures. */
static int
most_decode_frames (const FwGenerateJob *job)
{
  gint64 wanted = (1 << 16) / (job->base->width * job->base->height);
  int frames = (int) CLAMP (wanted, 1, job->latent[0]);
  while (job->latent[0] % frames != 0)
    frames--;
  return frames;
}

/* The ways from the fastest to the leanest: first fewer frames at once, then the batch of guidance row by row. */
static GArray *
list_ways (const FwGenerateJob *job)
{
  GArray *ways = g_array_new (FALSE, FALSE, sizeof (FwGenerateWay));
  for (int frames = most_decode_frames (job); frames >= 1; frames--) {
    const FwGenerateWay way = { job->rows, frames };
    if (job->latent[0] % frames == 0)
      g_array_append_val (ways, way);
  }
  const FwGenerateWay leanest = { 1, 1 };
  if (job->rows > 1)
    g_array_append_val (ways, leanest);
  return ways;
}

static gboolean
choose_way (FwGenerateJob *job, gint64 budget, gint64 *forecast, GError **error)
{
  g_autoptr (GArray) ways = list_ways (job);
  for (guint i = 0; i < ways->len; i++) {
    g_autoptr (GError) local = NULL;
    gboolean planned = fw_generate_try (job, g_array_index (ways, FwGenerateWay, i), budget, forecast, &local);
    if (planned && *forecast <= budget)
      return TRUE;
    if (!planned && !g_error_matches (local, FW_ERROR, FW_ERROR_MEMORY)) {
      g_propagate_error (error, g_steal_pointer (&local));
      return FALSE;
    }
  }
  return fw_generate_refuse (job, budget, error);
}

gboolean
fw_generate_plan (FwGenerateJob *job, GError **error)
{
  gint64 budget = job->request->memory > 0 ? job->request->memory : fw_memory_available (), forecast = 0;
  if (!choose_way (job, budget, &forecast, error))
    return FALSE;
  fw_job_memory (job->events, forecast, 0);
  job->slab_bytes = MAX (job->text.plan->slab_bytes, MAX (job->sample.plan->slab_bytes, job->decode.plan->slab_bytes));
  job->slab = job->device->class->slab_new (job->device, job->slab_bytes, error);
  return job->slab != NULL;
}

static void
add_phase (GArray *phases, const char *name, char *kind, double work, guint steps)
{
  const FwJobPhase phase = { name, kind, work, steps };
  g_array_append_val (phases, phase);
}

static char *
kind_of (const FwGenerateJob *job, const char *name, const FwStage *stage)
{
  gboolean slowed = stage == &job->sample && job->request->preview != NULL;
  return g_strdup_printf ("%s %s %s %s%s", name, stage->network->architecture->name,
                          fw_graph_compute (stage->graph) == FW_DTYPE_BF16 ? "bf16" : "fp32", job->device->path->name,
                          slowed ? " previews" : "");
}

void
fw_generate_tell_phases (FwGenerateJob *job, gint64 load)
{
  g_autoptr (GArray) phases = g_array_new (FALSE, FALSE, sizeof (FwJobPhase));
  g_autofree char *text = kind_of (job, "text", &job->text), *sample = kind_of (job, "sample", &job->sample);
  g_autofree char *decode = kind_of (job, "decode", &job->decode);
  guint steps = (guint) job->base->steps, frames = (guint) job->base->frames;
  guint runs = (guint) (job->rows / job->way.sample_rows);
  if (load > 0)
    add_phase (phases, "load", NULL, (double) load, 0);
  add_phase (phases, "text", text, fw_generate_count_texts (job) * job->text.plan->flops, 0);
  for (guint i = 0; i < job->clips->len; i++) {
    const FwGenerateClip *clip = g_ptr_array_index (job->clips, i);
    if (clip->done)
      continue;
    add_phase (phases, "sample", sample, (double) (steps - MIN (clip->begun, steps)) * runs * job->sample.plan->flops, steps);
    add_phase (phases, "decode", decode, (double) frames / job->way.decode_frames * job->decode.plan->flops, frames);
    add_phase (phases, "save", NULL, frames * (double) job->base->width * job->base->height, 0);
  }
  job->phase = 0;
  fw_job_plan (job->events, (const FwJobPhase *) (gpointer) phases->data, phases->len);
}

void
fw_generate_begin_phase (FwGenerateJob *job)
{
  fw_job_phase (job->events, job->phase++);
  job->work_done = job->work_told = 0;
}

void
fw_generate_progress (gpointer data, double flops_done)
{
  FwGenerateJob *job = data;
  gint64 now = g_get_monotonic_time ();
  if (now - job->told_at < TELL_EVERY || job->work_done + flops_done <= job->work_told)
    return;
  job->told_at = now;
  job->work_told = job->work_done + flops_done;
  fw_job_work (job->events, job->work_told);
}
