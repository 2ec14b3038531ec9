/* SPDX-License-Identifier: Apache-2.0
 * Initial weights of an STDiT. */
#include "engine/train/diffusion-init.h"

#include <math.h>

#include "engine/train/init.h"
#include "engine/train/solve.h"

/* How much of its input the fast start returns. */
static const double echo = 0.8;

/* The noise rows of the last linear = echo times the pseudo-inverse (E'E)^-1 E' of the patch embedding E [D, C*pt*ph*pw]. */
static void
echo_input (const FwParameters *parameters, const FwStditConfig *config, float *flat)
{
  const FwParameter *embedding = fw_parameters_find (parameters, "x_embedder.proj.weight"),
                    *last = fw_parameters_find (parameters, "final_layer.linear.weight");
  int volume = config->patch_size[0] * config->patch_size[1] * config->patch_size[2], channels = config->in_channels;
  int n = channels * volume, width = config->hidden_size;
  const float *e = flat + embedding->offset;
  g_autofree double *gram = g_new0 (double, n * n);
  for (int d = 0; d < width; d++)
    for (int i = 0; i < n; i++)
      for (int j = 0; j < n; j++)
        gram[i * n + j] += (double) e[d * n + i] * e[d * n + j];
  fw_invert_definite (gram, n, 1e-9);
  for (int c = 0; c < channels; c++)
    for (int p = 0; p < volume; p++) {
      float *row = flat + last->offset + (gsize) (p * 2 * channels + c) * width; /* channel fastest, noise before variance */
      for (int d = 0; d < width; d++) {
        double sum = 0;
        for (int j = 0; j < n; j++)
          sum += gram[(c * volume + p) * n + j] * e[d * n + j];
        row[d] = (float) (echo * sum);
      }
    }
}

void
fw_diffusion_init (const FwParameters *parameters, const FwStditConfig *config, const FwDiffusionStart *start, guint64 seed,
                   float *flat)
{
  double table = 1 / sqrt (config->hidden_size);
  FwInitKind embedder = start->fast ? FW_INIT_XAVIER : FW_INIT_NORMAL;
  double embedder_scale = start->fast ? 1 : 0.02, block_scale = start->fast ? 0.3 : 0.02;
  const FwInitRule rules[] = {
    { "scale_shift_table", NULL, FW_INIT_NORMAL, table },
    { ".bias", NULL, FW_INIT_ZERO, 0 },
    { ".weight", "t_embedder", embedder, embedder_scale },
    { ".weight", "y_proj", embedder, embedder_scale },
    { ".weight", "t_block", embedder, block_scale },
    { "cross_attn.proj.weight", NULL, FW_INIT_ZERO, 0 },
    { "final_layer.linear.weight", NULL, FW_INIT_ZERO, 0 },
    { "attn_temp.proj.weight", NULL, start->temporal != 0 ? FW_INIT_XAVIER : FW_INIT_ZERO, start->temporal },
    { "attn_temp.qkv.weight", NULL, FW_INIT_XAVIER, start->temporal_qkv },
    { NULL, NULL, FW_INIT_XAVIER, 1 },
  };
  fw_init_parameters (parameters, rules, seed, flat);
  if (start->fast)
    echo_input (parameters, config, flat);
}
