/* SPDX-License-Identifier: Apache-2.0
 * Golden runners of whole sampling runs: a network, its captions with and without guidance, and a sampler around it. */
#include <math.h>
#include <string.h>

#include "engine/sample/sampler.h"
#include "tests/golden/model.h"

/* What the two samplers' recordings call things. */
typedef struct {
  const char *sampler, *times;
  gboolean starts_with_noise;  /* traj.x begins with the state before the first step */
} Recording;

static const Recording iddpm = { "iddpm", "traj.timesteps", FALSE }, dpm_solver = { "dpm-solver", "traj.t_input", TRUE };

typedef struct {
  GoldenModel model;
  FwSampler *sampler;
  const Recording *recording;
  gsize size, row_size;        /* floats of the state, and of one row of the model's output */
  gint64 rows;
  float *input, *times, *captions;
  guint8 *mask;
  float *noise;                /* [steps, size] recorded, or NULL */
  gsize noise_at;
} Run;

static void
clear_run (Run *run)
{
  fw_sampler_free (run->sampler);
  golden_model_clear (&run->model);
  g_free (run->input);
  g_free (run->times);
  g_free (run->captions);
  g_free (run->mask);
  g_free (run->noise);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Run, clear_run)

/* Recorded noise is that of the kept half; the other half is drawn in vain. */
static void
draw_recorded (gpointer data, float *noise, gsize count)
{
  Run *run = data;
  memcpy (noise, run->noise + run->noise_at, run->size * sizeof (float));
  memset (noise + run->size, 0, (count - run->size) * sizeof (float));
  run->noise_at += run->size;
}

static gboolean
open_sampler (Run *run, GoldenCase *golden, const FwStditConfig *config, const FwTensor *z, GError **error)
{
  FwNoise noise;
  fw_noise_seed (&noise, 0);
  FwSamplerSettings settings = {
    .steps = (int) golden_number (golden, "scheduler.num_sampling_steps", 0),
    .guidance = golden_number (golden, "scheduler.cfg_scale", 1),
    .clips = (int) z->dim[0], .channels = config->in_channels, .model_channels = 2 * config->in_channels,
    .positions = z->dim[2] * z->dim[3] * z->dim[4],
  };
  run->sampler = fw_sampler_new (run->recording->sampler, &settings, &noise, error);
  if (run->sampler == NULL)
    return FALSE;
  run->size = (gsize) fw_tensor_count (z);
  run->rows = fw_sampler_rows (run->sampler);
  run->row_size = 2 * run->size / (gsize) settings.clips;
  run->input = g_new (float, run->rows * run->row_size / 2);
  run->times = g_new (float, run->rows);
  if (golden_has (golden, "in.noise")) {
    run->noise = golden_floats (golden, "in.noise", NULL);
    fw_sampler_set_draw (run->sampler, draw_recorded, run);
  }
  return TRUE;
}

/* A row's caption is its clip's, or the null caption of the weights; the mask is the clip's either way. */
static gboolean
read_captions (Run *run, GoldenCase *golden, FwTensor *y, GError **error)
{
  g_autofree float *given = golden_floats (golden, "in.y", y);
  g_autofree char *path = golden_path (golden, "weights.safetensors");
  g_autoptr (FwCheckpoint) weights = fw_checkpoint_open (path, error);
  if (weights == NULL)
    return FALSE;
  GoldenCase stored = { .folder = golden->folder, .io = weights };
  g_autofree float *null_caption = golden_floats (&stored, "y_embedder.y_embedding", NULL);
  gsize caption_size = (gsize) (y->dim[2] * y->dim[3]);
  run->captions = g_new (float, run->rows * caption_size);
  for (int row = 0; row < run->rows; row++) {
    const float *caption = fw_sampler_row_is_conditional (run->sampler, row)
                           ? given + fw_sampler_row_clip (run->sampler, row) * caption_size : null_caption;
    memcpy (run->captions + row * caption_size, caption, caption_size * sizeof (float));
  }
  gint64 length = y->dim[2];
  run->mask = golden_mask (golden, "in.mask", run->rows, &length);
  return TRUE;
}

static gboolean
open_model (Run *run, GoldenCase *golden, const FwStditConfig *config, const FwTensor *z, const FwTensor *y, GError **error)
{
  FwGraph *graph = run->model.graph;
  gint64 rows = run->rows, length = y->dim[2];
  FwVal x = fw_external (graph, "x", FW_DTYPE_F32, 5, (gint64[]) { rows, z->dim[1], z->dim[2], z->dim[3], z->dim[4] });
  FwVal t = fw_external (graph, "t", FW_DTYPE_F32, 1, (gint64[]) { rows });
  FwVal text = fw_external (graph, "y", FW_DTYPE_F32, 3, (gint64[]) { rows, length, y->dim[3] });
  FwVal mask = run->mask != NULL ? fw_external (graph, "mask", FW_DTYPE_U8, 2, (gint64[]) { rows, length }) : FW_NONE;
  fw_keep (graph, "out", fw_stdit (graph, config, x, t, text, mask));
  if (!golden_model_plan (&run->model, error))
    return FALSE;
  fw_exec_bind (run->model.exec, "x", run->input);
  fw_exec_bind (run->model.exec, "t", run->times);
  fw_exec_bind (run->model.exec, "y", run->captions);
  fw_exec_bind (run->model.exec, "mask", run->mask);
  return TRUE;
}

/* Compares step @at of the recorded tensor @name [steps, size]; the bound follows the step's largest number. */
static void
compare_step (GoldenCase *golden, const char *name, gsize at, const float *got, gsize size)
{
  g_autofree float *all = golden_floats (golden, name, NULL);
  g_autofree char *label = g_strdup_printf ("%s[%" G_GSIZE_FORMAT "]", name, at);
  const float *want = all + at * size;
  double largest = 0;
  for (gsize i = 0; i < size; i++)
    largest = MAX (largest, fabs (want[i]));
  golden_compare (golden, label, got, want, size, 2e-4 * largest, 0);
}

/* The recorded output may hold the predicted noise alone. */
static void
compare_first_output (Run *run, GoldenCase *golden, const float *output)
{
  FwTensor shape;
  g_autofree float *want = golden_floats (golden, "step0.model_out", &shape);
  gsize recorded = (gsize) (fw_tensor_count (&shape) / shape.dim[0]);
  if (!golden_check (golden, shape.dim[0] == run->rows && recorded <= run->row_size, "step0.model_out has another shape"))
    return;
  for (int row = 0; row < run->rows; row++) {
    g_autofree char *label = g_strdup_printf ("step0.model_out[%d]", row);
    golden_compare (golden, label, output + row * run->row_size, want + row * recorded, recorded, 1e-4, 0);
  }
}

static gboolean
run_steps (Run *run, GoldenCase *golden, GError **error)
{
  FwTensor shape;
  g_autofree float *times = golden_floats (golden, run->recording->times, &shape), *z = golden_floats (golden, "in.z", NULL);
  gsize steps = (gsize) shape.dim[0];
  golden_check (golden, (gsize) fw_sampler_evaluations (run->sampler) == steps, "%d evaluations instead of %" G_GSIZE_FORMAT,
                fw_sampler_evaluations (run->sampler), steps);
  fw_sampler_start (run->sampler, z);
  for (gsize step = 0; step < steps && fw_sampler_next (run->sampler, run->input, run->times); step++) {
    golden_check (golden, run->times[0] == times[step], "time of step %" G_GSIZE_FORMAT " is %.9g, not %.9g", step,
                  run->times[0], times[step]);
    if (!fw_exec_run (run->model.exec, NULL, NULL, NULL, error))
      return FALSE;
    const float *output = fw_exec_data (run->model.exec, "out");
    if (step == 0)
      compare_first_output (run, golden, output);
    fw_sampler_take (run->sampler, output);
    compare_step (golden, "traj.x", step + run->recording->starts_with_noise, fw_sampler_latent (run->sampler), run->size);
    if (golden_has (golden, "traj.pred_xstart"))
      compare_step (golden, "traj.pred_xstart", step, fw_sampler_predicted (run->sampler), run->size);
  }
  golden_compare_io (golden, "out", fw_sampler_latent (run->sampler), run->size, golden_number (golden, "tolerance.atol", 0),
                     golden_number (golden, "tolerance.rtol", 0));
  return TRUE;
}

static gboolean
run_sampling (GoldenCase *golden, const Recording *recording, GError **error)
{
  g_auto (Run) run = { .recording = recording };
  FwStditConfig config;
  FwTensor z, y;
  const char *architecture = json_object_get_string_member_with_default (golden->json, "model", "");
  if (!g_str_equal (architecture, "STDiT")) {
    g_set_error (error, FW_ERROR, FW_ERROR_UNSUPPORTED, "the model %s is not in this build", architecture);
    return FALSE;
  }
  g_free (golden_floats (golden, "in.z", &z));
  golden_stdit_config (golden, &config);
  return golden_model_init (&run.model, golden, "weights.safetensors", NULL, FW_DTYPE_F32, error)
         && open_sampler (&run, golden, &config, &z, error)
         && read_captions (&run, golden, &y, error)
         && open_model (&run, golden, &config, &z, &y, error)
         && run_steps (&run, golden, error);
}

static gboolean
run_iddpm (GoldenCase *golden, GError **error)
{
  return run_sampling (golden, &iddpm, error);
}

static gboolean
run_dpm_solver (GoldenCase *golden, GError **error)
{
  return run_sampling (golden, &dpm_solver, error);
}

const GoldenRunner golden_sampling_runners[] = {
  { "opensora/sample_iddpm", run_iddpm },
  { "opensora/sample_dpm_solver", run_dpm_solver },
  { NULL, NULL }
};
