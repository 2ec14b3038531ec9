/* SPDX-License-Identifier: Apache-2.0
 * One network in training: its graph with gradients, its flat weights and optimiser state, and steps over them. The data,
 * the schedule and the files are the job's. */
#pragma once
#include "engine/exec/exec.h"
#include "engine/train/parameters.h"

typedef struct _FwTrainer FwTrainer;

/* Records inputs (as external values), the network through fw_weight(), and returns the scalar loss; more results may be
 * kept under names. A trainer has one or more variants of it, for batches of other shapes: @variant counts from 0. */
typedef FwVal (*FwRecordLoss) (FwGraph *graph, guint variant, gpointer user_data);

enum { FW_TRAINER_MAX_VARIANTS = 8 };

typedef struct {
  guint variants;          /* 1 .. FW_TRAINER_MAX_VARIANTS; the first records every weight that any of them has */
  FwDtype compute;         /* F32 or BF16; weights and optimiser are always F32 */
  gboolean checkpoint;     /* recompute activations of segments: less memory, a third more time */
  FwAdamwAttributes adamw;
  double clip;             /* global L2 norm, 0 = none */
  gsize slab_bytes;        /* the slab is at least as large, for others to use it between steps */
} FwTrainerSettings;

/* The memory of flat arrays comes from fw_block_new(); weights start as zeros. */
FwTrainer *fw_trainer_new (FwRecordLoss record, gpointer user_data, const FwTrainerSettings *settings, FwDevice *device,
                           GError **error);
void fw_trainer_free (FwTrainer *trainer);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (FwTrainer, fw_trainer_free)

FwParameters *fw_trainer_parameters (FwTrainer *trainer);
/* Flat arrays of fw_parameters_size() floats: weights, moments, moving average, and the summed gradient, which is NULL
 * until a step has more than one part. */
typedef enum { FW_TRAINER_WEIGHTS, FW_TRAINER_MEAN, FW_TRAINER_VARIANCE, FW_TRAINER_EMA, FW_TRAINER_GRADIENT,
               FW_TRAINER_ARRAYS } FwTrainerArray;
float *fw_trainer_array (FwTrainer *trainer, FwTrainerArray which);
/* The executor of a variant's loss graph, to bind inputs and read kept results (valid until another variant runs). */
FwExec *fw_trainer_exec (FwTrainer *trainer, guint variant);
/* The variants' working memory, for others to use between steps. */
gpointer fw_trainer_slab (FwTrainer *trainer);
gsize fw_trainer_slab_bytes (const FwTrainer *trainer);
/* Bytes: the flat arrays and the slab that the variants share. */
gsize fw_trainer_bytes (const FwTrainer *trainer);
double fw_trainer_flops (const FwTrainer *trainer, guint variant);

/* Runs forward and backward for the bound inputs and adds the gradient, divided by @parts, to what earlier calls of this
 * step left. FW_ERROR_NUMERIC, naming the node, if the loss is not finite; the weights are then untouched. */
gboolean fw_trainer_accumulate (FwTrainer *trainer, guint variant, int parts, double *loss, GCancellable *cancellable,
                                GError **error);
/* Clips, updates the weights (@step counts from 1) and the moving average, and clears the gradient. @norm receives the
 * gradient's norm before clipping. FW_ERROR_NUMERIC if that is not finite, naming the node for the inputs that were accumulated
 * last, which must still be bound; the weights are then untouched. @cancellable ends that search alone. */
gboolean fw_trainer_update (FwTrainer *trainer, gint64 step, double learning_rate, double ema_decay, double *norm,
                            GCancellable *cancellable, GError **error);
