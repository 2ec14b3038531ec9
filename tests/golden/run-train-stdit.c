/* SPDX-License-Identifier: Apache-2.0
 * Golden runner of STDiT's training: losses, gradients, two AdamW steps and the moving average, against a float64 run. */
#include <math.h>
#include <string.h>

#include "engine/sample/diffusion.h"
#include "engine/train/diffusion-loss.h"
#include "engine/train/trainer.h"
#include "tests/golden/model.h"

typedef struct {
  FwStditConfig config;
  gint64 batch, length;
} Setup;

static FwVal
latent (FwGraph *graph, const Setup *setup, const char *name)
{
  const int *size = setup->config.input_size;
  return fw_external (graph, name, FW_DTYPE_F32, 5, (gint64[]) { setup->batch, setup->config.in_channels, size[0], size[1], size[2] });
}

static FwVal
record_loss (FwGraph *graph, guint variant, gpointer data)
{
  const Setup *setup = data;
  FwVal x0 = latent (graph, setup, "x0"), noise = latent (graph, setup, "noise"), xt = latent (graph, setup, "xt");
  FwVal t = fw_external (graph, "t", FW_DTYPE_F32, 1, &setup->batch);
  FwVal y = fw_external (graph, "y", FW_DTYPE_F32, 3, (gint64[]) { setup->batch, setup->length, setup->config.caption_channels });
  FwVal mask = fw_external (graph, "mask", FW_DTYPE_U8, 2, (gint64[]) { setup->batch, setup->length });
  FwVal rows = fw_external (graph, "rows", FW_DTYPE_F32, 2, (gint64[]) { setup->batch, FW_LOSS_COLUMNS });
  FwDiffusionLoss loss = fw_diffusion_loss (graph, fw_stdit (graph, &setup->config, xt, t, y, mask), x0, noise, xt, rows);
  fw_keep (graph, "mse", loss.mse);
  fw_keep (graph, "vb", loss.vb);
  return loss.total;
}

/* Key biases have a true gradient of zero, which Adam turns into noise: they are left out. */
static gboolean
is_key_bias (const char *name, gint64 index, gint64 width)
{
  if (g_str_has_suffix (name, "qkv.bias"))
    return index >= width && index < 2 * width;
  return g_str_has_suffix (name, "kv_linear.bias") && index < width;
}

/* All tensors called @prefix plus a parameter's name against ranges of @flat; at least @least of the elements of all within
 * tolerance, none beyond @hard. */
static void
compare_parameters (GoldenCase *golden, FwTrainer *trainer, const char *prefix, const float *flat, double atol, double rtol, double least, double hard, gint64 width)
{
  const FwParameters *parameters = fw_trainer_parameters (trainer);
  double worst = 0;
  gint64 all = 0, good = 0;
  for (guint p = 0; p < fw_parameters_count (parameters); p++) {
    const FwParameter *parameter = fw_parameters_get (parameters, p);
    g_autofree char *name = g_strconcat (prefix, parameter->name, NULL);
    if (!golden_has (golden, name))
      continue;
    g_autofree float *want = golden_floats (golden, name, NULL);
    for (gint64 i = 0; i < parameter->count; i++) {
      if (is_key_bias (parameter->name, i, width))
        continue;
      double difference = fabs ((double) flat[parameter->offset + i] - want[i]);
      good += difference <= atol + rtol * fabs (want[i]);
      worst = MAX (worst, difference);
      all++;
    }
  }
  gboolean passed = golden_check (golden, all > 0 && good >= least * all && worst <= hard, "%s*: %" G_GINT64_FORMAT " of %" G_GINT64_FORMAT " elements within tolerance, worst %.3e", prefix, good, all, worst);
  g_print ("  %s %s* of %" G_GINT64_FORMAT " elements: max abs %.3e\n", passed ? "ok  " : "FAIL", prefix, all, worst);
}

typedef struct {
  float *x0, *noise, *y, *drop, *null, *xt, *states, *rows, *t;
  gint64 *index;
  guint8 *mask;
} Buffers;

/* Noisy latents, captions with dropped ones replaced by the null caption, and the loss's coefficients of one step. */
static void
prepare (const Setup *setup, const FwDiffusion *diffusion, Buffers *b, gint64 step)
{
  const int *size = setup->config.input_size;
  gint64 per_sample = (gint64) setup->config.in_channels * size[0] * size[1] * size[2];
  gint64 per_caption = setup->length * setup->config.caption_channels;
  for (gint64 s = 0; s < setup->batch; s++) {
    gint64 sample = step * setup->batch + s, index = b->index[sample];
    float keep = (float) diffusion->sqrt_abar[index], spread = (float) diffusion->sqrt_1m_abar[index];
    for (gint64 i = 0; i < per_sample; i++)
      b->xt[s * per_sample + i] = keep * b->x0[sample * per_sample + i] + spread * b->noise[sample * per_sample + i];
    const float *caption = b->drop[sample] < 0.1f ? b->null : b->y + sample * per_caption;
    memcpy (b->states + s * per_caption, caption, per_caption * sizeof (float));
    fw_diffusion_loss_row (diffusion, (int) index, b->rows + s * FW_LOSS_COLUMNS);
    b->t[s] = (float) diffusion->timestep[index];
  }
}

/* A number of tolerance.afterN, N being the optimiser's steps. */
static double
after_bound (GoldenCase *golden, gint64 steps, const char *what, double otherwise)
{
  g_autofree char *path = g_strdup_printf ("tolerance.after%d.%s", (int) steps, what);
  return golden_number (golden, path, otherwise);
}

static double
beta (GoldenCase *golden, guint i, double otherwise)
{
  JsonObject *optimizer = json_object_get_object_member (golden->json, "optimizer");
  JsonArray *betas = optimizer != NULL && json_object_has_member (optimizer, "betas")
                     ? json_object_get_array_member (optimizer, "betas") : NULL;
  return betas != NULL ? json_array_get_double_element (betas, i) : otherwise;
}

static gboolean
run_steps (GoldenCase *golden, FwTrainer *trainer, const Setup *setup, const FwDiffusion *diffusion, Buffers *b, GError **error)
{
  const int *size = setup->config.input_size;
  gint64 per_step = setup->batch * setup->config.in_channels * size[0] * size[1] * size[2];
  gint64 steps = (gint64) golden_number (golden, "steps", 2), floats = fw_parameters_size (fw_trainer_parameters (trainer));
  double atol = golden_number (golden, "tolerance.loss.atol", 1e-4), rtol = golden_number (golden, "tolerance.loss.rtol", 1e-4);
  FwExec *exec = fw_trainer_exec (trainer, 0);
  g_autofree float *other_ema = g_memdup2 (fw_trainer_array (trainer, FW_TRAINER_WEIGHTS), floats * sizeof (float));
  memcpy (fw_trainer_array (trainer, FW_TRAINER_EMA), other_ema, floats * sizeof (float));
  for (gint64 step = 0; step < steps; step++) {
    double loss, norm;
    prepare (setup, diffusion, b, step);
    fw_exec_bind (exec, "x0", b->x0 + step * per_step);
    fw_exec_bind (exec, "noise", b->noise + step * per_step);
    fw_exec_bind (exec, "xt", b->xt);
    fw_exec_bind (exec, "t", b->t);
    fw_exec_bind (exec, "y", b->states);
    fw_exec_bind (exec, "mask", b->mask + step * setup->batch * setup->length);
    fw_exec_bind (exec, "rows", b->rows);
    if (!fw_trainer_accumulate (trainer, 0, 1, &loss, NULL, error))
      return FALSE;
    g_autofree char *mse_name = g_strdup_printf ("step%d.mse", (int) step), *vb_name = g_strdup_printf ("step%d.vb", (int) step);
    g_autofree char *norm_name = g_strdup_printf ("step%d.grad_norm", (int) step);
    golden_compare_io (golden, mse_name, fw_exec_data (exec, "mse"), setup->batch, atol, rtol);
    golden_compare_io (golden, vb_name, fw_exec_data (exec, "vb"), setup->batch, atol, rtol);
    if (step == 0)
      compare_parameters (golden, trainer, "grad.", fw_exec_data (exec, "gradient"), golden_number (golden, "tolerance.grad.atol", 1e-4),
                          golden_number (golden, "tolerance.grad.rtol", 1e-3), 1, INFINITY, setup->config.hidden_size);
    if (!fw_trainer_update (trainer, step + 1, golden_number (golden, "optimizer.lr", 1e-3), 0.9999, &norm, NULL, error))
      return FALSE;
    float narrow = (float) norm;
    golden_compare_io (golden, norm_name, &narrow, 1, atol, rtol);
    for (gint64 i = 0; i < floats; i++)
      other_ema[i] = 0.9f * other_ema[i] + 0.1f * fw_trainer_array (trainer, FW_TRAINER_WEIGHTS)[i];
  }
  g_autofree char *after_name = g_strdup_printf ("after%d.", (int) steps);
  double after = after_bound (golden, steps, "atol", 2e-5), least = after_bound (golden, steps, "min_fraction_ok", 0.995);
  double hard = after_bound (golden, steps, "hard_max", 4e-3);
  compare_parameters (golden, trainer, after_name, fw_trainer_array (trainer, FW_TRAINER_WEIGHTS), after, 0, least, hard, setup->config.hidden_size);
  compare_parameters (golden, trainer, "ema0.9999.", fw_trainer_array (trainer, FW_TRAINER_EMA), after, 0, least, hard, setup->config.hidden_size);
  compare_parameters (golden, trainer, "ema0.9.", other_ema, after, 0, least, hard, setup->config.hidden_size);
  return TRUE;
}

static gboolean
run (GoldenCase *golden, gboolean checkpoint, GError **error)
{
  Setup setup;
  FwTensor y_shape, mask_shape;
  golden_stdit_config (golden, &setup.config);
  g_autofree float *x0 = golden_floats (golden, "in.x0", NULL), *noise = golden_floats (golden, "in.noise", NULL);
  g_autofree float *y = golden_floats (golden, "in.y", &y_shape), *drop = golden_floats (golden, "in.drop_rand", NULL);
  g_autofree gint64 *index = golden_integers (golden, "in.t", NULL), *wide_mask = golden_integers (golden, "in.mask", &mask_shape);
  setup.batch = y_shape.dim[1];
  setup.length = y_shape.dim[3];
  gint64 masks = fw_tensor_count (&mask_shape), latents = (gint64) setup.batch * setup.config.in_channels * setup.config.input_size[0]
                                                          * setup.config.input_size[1] * setup.config.input_size[2];
  g_autofree guint8 *mask = g_new (guint8, masks);
  for (gint64 i = 0; i < masks; i++)
    mask[i] = wide_mask[i] != 0;

  const FwTrainerSettings settings = {
    .variants = 1, .compute = FW_DTYPE_F32, .checkpoint = checkpoint, .clip = golden_number (golden, "optimizer.grad_clip_global_l2", 1),
    .adamw = { beta (golden, 0, 0.9), beta (golden, 1, 0.999), golden_number (golden, "optimizer.eps", 1e-8), golden_number (golden, "optimizer.weight_decay", 0) },
  };
  g_autoptr (FwDevice) device = fw_device_new_cpu (NULL, 0, error);
  g_autoptr (FwTrainer) trainer = device != NULL ? fw_trainer_new (record_loss, &setup, &settings, device, error) : NULL;
  g_autofree char *path = golden_path (golden, "weights.safetensors");
  g_autoptr (FwCheckpoint) weights = trainer != NULL ? fw_checkpoint_open (path, error) : NULL;
  guint missing = 0;
  if (weights == NULL
      || !fw_parameters_read (fw_trainer_parameters (trainer), weights, &fw_names_stdit, fw_trainer_array (trainer, FW_TRAINER_WEIGHTS), &missing, error))
    return FALSE;
  golden_check (golden, missing == 0, "%u weights are missing", missing);
  g_autofree float *null = g_new0 (float, setup.length * setup.config.caption_channels);
  const FwCheckpointTensor *embedding = fw_checkpoint_find (weights, "y_embedder.y_embedding");
  if (embedding == NULL || !fw_checkpoint_read (weights, embedding, FW_DTYPE_F32, null, error))
    return FALSE;
  g_autoptr (FwDiffusion) diffusion = fw_diffusion_new ("linear", "", error);
  g_autofree float *xt = g_new (float, latents), *states = g_new (float, setup.batch * setup.length * setup.config.caption_channels);
  g_autofree float *rows = g_new (float, setup.batch * FW_LOSS_COLUMNS), *t = g_new (float, setup.batch);
  Buffers buffers = { x0, noise, y, drop, null, xt, states, rows, t, index, mask };
  return diffusion != NULL && run_steps (golden, trainer, &setup, diffusion, &buffers, error);
}

/* With and without recomputed activations. */
static gboolean
run_train (GoldenCase *golden, GError **error)
{
  return run (golden, FALSE, error) && run (golden, TRUE, error);
}

const GoldenRunner golden_train_stdit_runners[] = {
  { "opensora/train", run_train },
  { NULL, NULL }
};
