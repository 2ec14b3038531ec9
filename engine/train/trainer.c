/* SPDX-License-Identifier: Apache-2.0
 * Training steps: the loss graph with its gradient, accumulation, and the optimiser's graph over the flat arrays. */
#include "engine/train/trainer.h"

#include <math.h>
#include <string.h>

#include "engine/graph/gradient.h"
#include "engine/graph/ops.h"
#include "engine/graph/rewrite.h"
#include "engine/memory/block.h"

/* A graph with all it takes to run it. */
typedef struct {
  FwGraph *graph;
  FwPlan *plan;
  FwExec *exec;
} Program;

struct _FwTrainer {
  FwDevice *device;
  FwParameters *parameters;
  Program loss[FW_TRAINER_MAX_VARIANTS], norm, update;
  guint variants;
  gpointer slab;           /* shared by the variants */
  gsize slab_bytes;
  float *arrays[FW_TRAINER_ARRAYS];
  FwAdamwAttributes adamw;
  double clip;
  gboolean fresh;          /* nothing accumulated yet in this step */
  guint last;              /* the variant that ran last */
  float hyper[4], decay;
};

static void
program_clear (Program *program)
{
  fw_exec_free (program->exec);
  fw_plan_free (program->plan);
  fw_graph_free (program->graph);
}

static gboolean
program_plan (Program *program, FwDevice *device, GError **error)
{
  return (program->plan = fw_plan_new (program->graph, device, error)) != NULL;
}

static gboolean
program_bind (Program *program, FwDevice *device, gpointer slab, GError **error)
{
  return (program->exec = fw_exec_new (program->plan, device, slab, error)) != NULL;
}

typedef struct { FwRecordLoss record; gpointer user_data; } Recording;

static void
record_for_names (FwGraph *graph, gpointer user_data)
{
  Recording *recording = user_data;
  recording->record (graph, 0, recording->user_data);
}

static gboolean
make_loss (FwTrainer *trainer, guint variant, const Recording *recording, const FwTrainerSettings *settings, GError **error)
{
  Program *program = &trainer->loss[variant];
  FwVal flat, gradient;
  program->graph = fw_graph_new (settings->compute);
  fw_graph_set_weights (program->graph, fw_parameters_source (trainer->parameters, program->graph, &flat));
  FwVal loss = recording->record (program->graph, variant, recording->user_data);
  fw_keep (program->graph, "loss", loss);
  fw_rewrite_forward (program->graph);
  fw_gradient (program->graph, loss, &flat, 1, settings->checkpoint, &gradient);
  if (gradient.id == 0)
    fw_graph_fail (program->graph, "the loss depends on no weight");
  fw_keep (program->graph, "gradient", gradient);
  fw_rewrite_final (program->graph);
  if (!program_plan (program, trainer->device, error))
    return FALSE;
  trainer->slab_bytes = MAX (trainer->slab_bytes, program->plan->slab_bytes);
  return TRUE;
}

/* All variants, bound to one slab as large as the largest needs. */
static gboolean
make_losses (FwTrainer *trainer, const Recording *recording, const FwTrainerSettings *settings, GError **error)
{
  trainer->slab_bytes = settings->slab_bytes;
  for (trainer->variants = 0; trainer->variants < settings->variants; trainer->variants++)
    if (!make_loss (trainer, trainer->variants, recording, settings, error))
      return FALSE;
  trainer->slab = trainer->device->class->slab_new (trainer->device, trainer->slab_bytes, error);
  for (guint i = 0; trainer->slab != NULL && i < trainer->variants; i++)
    if (!program_bind (&trainer->loss[i], trainer->device, trainer->slab, error))
      return FALSE;
  return trainer->slab != NULL;
}

static FwVal
flat_array (FwTrainer *trainer, FwGraph *graph, const char *name)
{
  gint64 size = fw_parameters_size (trainer->parameters);
  return fw_external (graph, name, FW_DTYPE_F32, 1, &size);
}

static gboolean
make_update (FwTrainer *trainer, GError **error)
{
  FwGraph *graph = trainer->norm.graph = fw_graph_new (FW_DTYPE_F32);
  fw_keep (graph, "squares", fw_sum_squares (graph, flat_array (trainer, graph, "gradient")));

  graph = trainer->update.graph = fw_graph_new (FW_DTYPE_F32);
  FwVal weights = flat_array (trainer, graph, "weights");
  FwVal hyper = fw_external (graph, "hyper", FW_DTYPE_F32, 1, (gint64[]) { 4 });
  FwVal decay = fw_external (graph, "decay", FW_DTYPE_F32, 1, (gint64[]) { 1 });
  fw_adamw (graph, weights, flat_array (trainer, graph, "mean"), flat_array (trainer, graph, "variance"),
            flat_array (trainer, graph, "gradient"), hyper, &trainer->adamw);
  fw_ema (graph, flat_array (trainer, graph, "ema"), weights, decay);
  return program_plan (&trainer->norm, trainer->device, error) && program_bind (&trainer->norm, trainer->device, NULL, error)
         && program_plan (&trainer->update, trainer->device, error)
         && program_bind (&trainer->update, trainer->device, NULL, error);
}

static gboolean
make_arrays (FwTrainer *trainer, GError **error)
{
  gsize bytes = (gsize) fw_parameters_size (trainer->parameters) * sizeof (float);
  for (int i = 0; i < FW_TRAINER_GRADIENT; i++)
    if ((trainer->arrays[i] = fw_block_new (bytes, "the weights in training", error)) == NULL)
      return FALSE;
  return TRUE;
}

static void
bind_all (FwTrainer *trainer)
{
  float **arrays = trainer->arrays;
  for (guint i = 0; i < trainer->variants; i++)
    fw_exec_bind (trainer->loss[i].exec, "parameters", arrays[FW_TRAINER_WEIGHTS]);
  fw_exec_bind (trainer->update.exec, "weights", arrays[FW_TRAINER_WEIGHTS]);
  fw_exec_bind (trainer->update.exec, "mean", arrays[FW_TRAINER_MEAN]);
  fw_exec_bind (trainer->update.exec, "variance", arrays[FW_TRAINER_VARIANCE]);
  fw_exec_bind (trainer->update.exec, "ema", arrays[FW_TRAINER_EMA]);
  fw_exec_bind (trainer->update.exec, "hyper", trainer->hyper);
  fw_exec_bind (trainer->update.exec, "decay", &trainer->decay);
}

FwTrainer *
fw_trainer_new (FwRecordLoss record, gpointer user_data, const FwTrainerSettings *settings, FwDevice *device, GError **error)
{
  Recording recording = { record, user_data };
  FwTrainer *trainer = g_new0 (FwTrainer, 1);
  trainer->device = device;
  trainer->adamw = settings->adamw;
  trainer->clip = settings->clip;
  trainer->fresh = TRUE;
  trainer->parameters = fw_parameters_new (record_for_names, &recording, error);
  if (trainer->parameters == NULL || !make_losses (trainer, &recording, settings, error) || !make_update (trainer, error)
      || !make_arrays (trainer, error)) {
    fw_trainer_free (trainer);
    return NULL;
  }
  bind_all (trainer);
  return trainer;
}

void
fw_trainer_free (FwTrainer *trainer)
{
  if (trainer == NULL)
    return;
  gsize bytes = trainer->parameters != NULL ? (gsize) fw_parameters_size (trainer->parameters) * sizeof (float) : 0;
  for (guint i = 0; i < FW_TRAINER_MAX_VARIANTS; i++)
    program_clear (&trainer->loss[i]);
  if (trainer->slab != NULL)
    trainer->device->class->slab_free (trainer->device, trainer->slab, trainer->slab_bytes);
  program_clear (&trainer->norm);
  program_clear (&trainer->update);
  for (int i = 0; i < FW_TRAINER_ARRAYS; i++)
    fw_block_free (trainer->arrays[i], bytes);
  fw_parameters_free (trainer->parameters);
  g_free (trainer);
}

FwParameters *
fw_trainer_parameters (FwTrainer *trainer)
{
  return trainer->parameters;
}

float *
fw_trainer_array (FwTrainer *trainer, FwTrainerArray which)
{
  return trainer->arrays[which];
}

FwExec *
fw_trainer_exec (FwTrainer *trainer, guint variant)
{
  return trainer->loss[variant].exec;
}

gpointer
fw_trainer_slab (FwTrainer *trainer)
{
  return trainer->slab;
}

gsize
fw_trainer_slab_bytes (const FwTrainer *trainer)
{
  return trainer->slab_bytes;
}

gsize
fw_trainer_bytes (const FwTrainer *trainer)
{
  gsize array = (gsize) fw_parameters_size (trainer->parameters) * sizeof (float), arrays = 0;
  for (int i = 0; i < FW_TRAINER_ARRAYS; i++)
    arrays += trainer->arrays[i] != NULL;
  return arrays * array + trainer->slab_bytes;
}

double
fw_trainer_flops (const FwTrainer *trainer, guint variant)
{
  return trainer->loss[variant].plan->flops;
}

/* The array that gradients of several parts are summed in. */
static gboolean
need_sum (FwTrainer *trainer, GError **error)
{
  float **sum = &trainer->arrays[FW_TRAINER_GRADIENT];
  if (*sum == NULL)
    *sum = fw_block_new ((gsize) fw_parameters_size (trainer->parameters) * sizeof (float), "the summed gradient", error);
  return *sum != NULL;
}

static void
add_share (float *sum, const float *gradient, float share, gint64 size, gboolean fresh)
{
  for (gint64 i = 0; i < size; i++)
    sum[i] = (fresh ? 0 : sum[i]) + share * gradient[i];
}

/* Fails with the name of the node where numbers stop being finite in the batch that variant @variant ran last, or with @otherwise
 * where every step's are. */
static gboolean
find_overflow (FwTrainer *trainer, guint variant, const char *otherwise, GCancellable *cancellable, GError **error)
{
  if (fw_exec_run_watched (trainer->loss[variant].exec, cancellable, error))
    g_set_error_literal (error, FW_ERROR, FW_ERROR_NUMERIC, otherwise);
  return FALSE;
}

gboolean
fw_trainer_accumulate (FwTrainer *trainer, guint variant, int parts, double *loss, GCancellable *cancellable, GError **error)
{
  FwExec *exec = trainer->loss[variant].exec;
  if (!fw_exec_run (exec, cancellable, NULL, NULL, error))
    return FALSE;
  trainer->last = variant;
  *loss = *(const float *) fw_exec_data (exec, "loss");
  if (!isfinite (*loss))
    return find_overflow (trainer, variant, "The training loss is not finite although every step of the network is; lower the learning rate",
                          cancellable, error);
  const float *gradient = fw_exec_data (exec, "gradient");
  if (parts > 1) {
    if (!need_sum (trainer, error))
      return FALSE;
    add_share (trainer->arrays[FW_TRAINER_GRADIENT], gradient, 1.0f / (float) parts, fw_parameters_size (trainer->parameters),
               trainer->fresh);
    gradient = trainer->arrays[FW_TRAINER_GRADIENT];
  }
  trainer->fresh = FALSE;
  fw_exec_bind (trainer->norm.exec, "gradient", gradient);
  fw_exec_bind (trainer->update.exec, "gradient", gradient);
  return TRUE;
}

gboolean
fw_trainer_update (FwTrainer *trainer, gint64 step, double learning_rate, double ema_decay, double *norm,
                   GCancellable *cancellable, GError **error)
{
  if (!fw_exec_run (trainer->norm.exec, NULL, NULL, NULL, error))
    return FALSE;
  *norm = sqrt (*(const float *) fw_exec_data (trainer->norm.exec, "squares"));
  if (!isfinite (*norm))
    return find_overflow (trainer, trainer->last, "The gradient is too large for its length to be a number; lower the learning rate",
                          cancellable, error);
  trainer->hyper[0] = (float) learning_rate;
  trainer->hyper[1] = (float) (1 - pow (trainer->adamw.beta1, (double) step));
  trainer->hyper[2] = (float) (1 - pow (trainer->adamw.beta2, (double) step));
  trainer->hyper[3] = trainer->clip > 0 ? (float) MIN (1, trainer->clip / (*norm + 1e-6)) : 1;
  trainer->decay = (float) ema_decay;
  trainer->fresh = TRUE;
  return fw_exec_run (trainer->update.exec, NULL, NULL, NULL, error);
}
