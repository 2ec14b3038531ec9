/* SPDX-License-Identifier: Apache-2.0
 * bench-train-step [RUNS] [f32|bf16] [profile]: times one training step (forward, backward, AdamW) of an STDiT 256 wide, 8 deep,
 * 4 heads, on batches of 8 clips of 16 x 64 tokens with 32 text tokens, and prints one JSON line. train-step.py times the same
 * work in PyTorch, compare.sh runs both. */
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "engine/memory/block.h"
#include "engine/model/stdit.h"
#include "engine/sample/noise.h"
#include "engine/train/diffusion-init.h"
#include "engine/train/diffusion-loss.h"
#include "engine/train/trainer.h"

enum { BATCH = 8, FRAMES = 16, SIDE = 16, TOKENS = 32, WARM_UP = 2 };

static const FwStditConfig config = {
  .input_size = { FRAMES, SIDE, SIDE }, .in_channels = 4, .hidden_size = 256, .depth = 8, .num_heads = 4, .mlp_ratio = 4,
  .patch_size = { 1, 2, 2 }, .caption_channels = 256, .model_max_length = TOKENS, .space_scale = 1, .time_scale = 1,
};
static const gint64 latent_dim[] = { BATCH, 4, FRAMES, SIDE, SIDE };
static const gint64 text_dim[] = { BATCH, TOKENS, 256 };

static FwVal
record (FwGraph *graph, guint variant, gpointer data)
{
  FwVal x0 = fw_external (graph, "x0", FW_DTYPE_F32, 5, latent_dim), noise = fw_external (graph, "noise", FW_DTYPE_F32, 5, latent_dim);
  FwVal xt = fw_external (graph, "xt", FW_DTYPE_F32, 5, latent_dim), t = fw_external (graph, "t", FW_DTYPE_F32, 1, latent_dim);
  FwVal y = fw_external (graph, "y", FW_DTYPE_F32, 3, text_dim);
  FwVal rows = fw_external (graph, "rows", FW_DTYPE_F32, 2, (gint64[]) { BATCH, FW_LOSS_COLUMNS });
  return fw_diffusion_loss (graph, fw_stdit (graph, &config, xt, t, y, FW_NONE), x0, noise, xt, rows).total;
}

static float *
random_floats (FwNoise *noise, gsize count)
{
  float *floats = g_new (float, count);
  fw_noise_randn (noise, floats, count);
  return floats;
}

static int
compare (const void *a, const void *b)
{
  double x = *(const double *) a, y = *(const double *) b;
  return x < y ? -1 : x > y;
}

/* Time and rate of each op, all its nodes together, the slowest first. */
static gboolean
profile (FwTrainer *trainer, GError **error)
{
  const FwPlan *plan = fw_exec_plan (fw_trainer_exec (trainer, 0));
  g_autofree double *seconds = g_new0 (double, plan->n_steps);
  double op_seconds[2][FW_N_OPS] = { { 0 } }, op_flops[2][FW_N_OPS] = { { 0 } };
  if (!fw_exec_run_timed (fw_trainer_exec (trainer, 0), seconds, error))
    return FALSE;
  for (guint s = 0; s < plan->n_steps; s++) {
    gsize op = plan->steps[s].node->op - fw_ops, ref = plan->steps[s].kernel == plan->steps[s].node->op->ref;
    op_seconds[ref][op] += seconds[s];
    op_flops[ref][op] += plan->steps[s].flops;
  }
  for (;;) {
    gsize best = 0;
    for (gsize i = 0; i < 2 * FW_N_OPS; i++)
      if (op_seconds[i / FW_N_OPS][i % FW_N_OPS] > op_seconds[best / FW_N_OPS][best % FW_N_OPS])
        best = i;
    double *most = &op_seconds[best / FW_N_OPS][best % FW_N_OPS];
    if (*most == 0)
      return TRUE;
    g_print ("%-20s %-9s %8.2f ms %8.1f GFLOP/s\n", fw_ops[best % FW_N_OPS].name, best >= FW_N_OPS ? "reference" : "", *most * 1e3,
             op_flops[best / FW_N_OPS][best % FW_N_OPS] / *most / 1e9);
    *most = 0;
  }
}

static gboolean
measure (FwTrainer *trainer, FwDevice *device, FwDtype dtype, int runs, GError **error)
{
  g_autofree double *seconds = g_new (double, runs), *cpu_seconds = g_new (double, runs);
  double loss = 0, norm = 0;
  for (int i = -WARM_UP; i < runs; i++) {
    gint64 start = g_get_monotonic_time ();
    clock_t cpu_start = clock ();
    if (!fw_trainer_accumulate (trainer, 0, 1, &loss, NULL, error) ||
        !fw_trainer_update (trainer, i + WARM_UP + 1, 1e-4, 0.999, &norm, NULL, error))
      return FALSE;
    if (i < 0)
      continue;
    seconds[i] = (double) (g_get_monotonic_time () - start) / G_USEC_PER_SEC;
    cpu_seconds[i] = (double) (clock () - cpu_start) / CLOCKS_PER_SEC;
  }
  qsort (seconds, runs, sizeof *seconds, compare);
  qsort (cpu_seconds, runs, sizeof *cpu_seconds, compare);
  double flops = fw_trainer_flops (trainer, 0);
  g_print ("{\"bench\": \"train_step\", \"path\": \"%s\", \"dtype\": \"%s\", \"workers\": %d, \"gflop\": %.1f, \"median_s\": %.4f, "
           "\"best_s\": %.4f, \"cpu_s\": %.4f, \"gflops_median\": %.1f, \"gflops_best\": %.1f, \"bytes\": %" G_GSIZE_FORMAT ", \"loss\": %.6f}\n",
           device->path->name, fw_dtype_name (dtype), fw_pool_parallel (device->pool)->workers, flops / 1e9, seconds[runs / 2],
           seconds[0], cpu_seconds[runs / 2], flops / 1e9 / seconds[runs / 2], flops / 1e9 / seconds[0], fw_trainer_bytes (trainer), loss);
  return TRUE;
}

int
main (int argc, char **argv)
{
  int runs = argc > 1 ? atoi (argv[1]) : 5;
  g_autoptr (GError) error = NULL;
  g_autoptr (FwDevice) device = fw_device_new_cpu (NULL, 0, &error);
  FwDtype dtype = argc > 2 && strcmp (argv[2], "f32") == 0 ? FW_DTYPE_F32 : FW_DTYPE_BF16;
  const FwTrainerSettings settings = { .variants = 1, .compute = dtype, .adamw = { 0.9, 0.999, 1e-8, 0 }, .clip = 1 };
  g_autoptr (FwTrainer) trainer = device != NULL && runs > 0 ? fw_trainer_new (record, NULL, &settings, device, &error) : NULL;
  if (trainer == NULL) {
    g_printerr ("train-step: %s\n", error != NULL ? error->message : "the number of runs must be positive");
    return 1;
  }
  FwNoise noise;
  fw_noise_seed (&noise, 1);
  gsize latents = (gsize) BATCH * 4 * FRAMES * SIDE * SIDE;
  g_autofree float *x0 = random_floats (&noise, latents), *n = random_floats (&noise, latents), *xt = random_floats (&noise, latents);
  g_autofree float *y = random_floats (&noise, BATCH * TOKENS * 256), *rows = g_new0 (float, BATCH * FW_LOSS_COLUMNS);
  float t[BATCH];
  g_autoptr (FwDiffusion) diffusion = fw_diffusion_new ("linear", "", &error);
  for (int i = 0; i < BATCH; i++) {
    t[i] = 100.0f * (i + 1);
    fw_diffusion_loss_row (diffusion, (int) t[i], rows + i * FW_LOSS_COLUMNS);
  }
  fw_diffusion_init (fw_trainer_parameters (trainer), &config, &(FwDiffusionStart) { .fast = TRUE, .temporal = 1, .temporal_qkv = 1 }, 1, fw_trainer_array (trainer, FW_TRAINER_WEIGHTS));
  FwExec *exec = fw_trainer_exec (trainer, 0);
  fw_exec_bind (exec, "x0", x0);
  fw_exec_bind (exec, "noise", n);
  fw_exec_bind (exec, "xt", xt);
  fw_exec_bind (exec, "t", t);
  fw_exec_bind (exec, "y", y);
  fw_exec_bind (exec, "rows", rows);
  if (measure (trainer, device, dtype, runs, &error) && (argc < 4 || profile (trainer, &error)))
    return 0;
  g_printerr ("train-step: %s\n", error->message);
  return 1;
}
