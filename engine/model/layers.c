/* SPDX-License-Identifier: Apache-2.0
 * Layers shared by the models. */
#include "engine/model/layers.h"

static FwVal
named_weight (FwGraph *graph, const char *name, const char *suffix, int rank, const gint64 *dim)
{
  g_autofree char *full = g_strconcat (name, suffix, NULL);
  return fw_weight (graph, full, rank, dim);
}

FwVal
fw_to_compute (FwGraph *graph, FwVal x)
{
  FwDtype compute = fw_graph_compute (graph);
  return fw_layout (graph, x)->dtype == compute ? x : fw_cast (graph, x, compute);
}

FwVal
fw_layer_linear (FwGraph *graph, const char *name, FwVal x, gint64 features, gboolean bias)
{
  FwVal w = named_weight (graph, name, ".weight", 2, (gint64[]) { features, fw_dim (graph, x, -1) });
  FwVal b = bias ? named_weight (graph, name, ".bias", 1, &features) : FW_NONE;
  fw_scope_push (graph, "%s", name);
  FwVal y = fw_linear (graph, x, w, b);
  fw_scope_pop (graph);
  return y;
}

FwVal
fw_layer_group_norm_silu (FwGraph *graph, const char *name, FwVal x, int groups, double epsilon)
{
  gint64 channels = fw_dim (graph, x, -1);
  FwVal w = named_weight (graph, name, ".weight", 1, &channels), b = named_weight (graph, name, ".bias", 1, &channels);
  fw_scope_push (graph, "%s", name);
  FwVal y = fw_unary (graph, FW_FN_SILU, fw_group_norm (graph, x, w, b, groups, epsilon));
  fw_scope_pop (graph);
  return y;
}

FwVal
fw_layer_conv2d (FwGraph *graph, const char *name, FwVal x, gint64 features, int kernel, int stride, int pad_front, int pad_back)
{
  gint64 channels = fw_dim (graph, x, -1);
  FwVal w = named_weight (graph, name, ".weight", 4, (gint64[]) { features, channels, kernel, kernel });
  FwVal b = named_weight (graph, name, ".bias", 1, &features);
  FwConvAttributes attributes = { .stride = { 1, stride, stride }, .pad_front = { 0, pad_front, pad_front }, .pad_back = { 0, pad_back, pad_back } };
  fw_scope_push (graph, "%s", name);
  FwVal y = fw_conv (graph, x, fw_reshape_to (graph, w, features, channels, 1, kernel, kernel), b, &attributes);
  fw_scope_pop (graph);
  return y;
}

FwVal
fw_layer_timestep (FwGraph *graph, const char *name, FwVal t, gint64 width)
{
  fw_scope_push (graph, "%s", name);
  FwVal e = fw_sinusoid (graph, t, 256, 10000, fw_graph_accumulate (graph));
  e = fw_unary (graph, FW_FN_SILU, fw_layer_linear (graph, "mlp.0", e, width, TRUE));
  e = fw_layer_linear (graph, "mlp.2", e, width, TRUE);
  fw_scope_pop (graph);
  return e;
}

static gint64
round_up (gint64 size, int multiple)
{
  return (size + multiple - 1) / multiple * multiple;
}

FwVal
fw_layer_patch_embed (FwGraph *graph, const char *name, FwVal x, const int *patch, gint64 width)
{
  const FwTensor in = *fw_layout (graph, x);
  if (in.rank != 5) {
    fw_graph_fail (graph, "a latent of five axes [B, C, T, H, W] is needed");
    return FW_NONE;
  }
  gint64 dim[5] = { in.dim[0], in.dim[1] };
  gboolean padded = FALSE;
  for (int i = 0; i < 3; i++) {
    dim[2 + i] = round_up (in.dim[2 + i], patch[i]);
    padded |= dim[2 + i] != in.dim[2 + i];
  }
  if (padded)
    x = fw_pad (graph, x, (gint64[5]) { 0 }, dim);
  gint64 channels = in.dim[1], t = dim[2] / patch[0], h = dim[3] / patch[1], w = dim[4] / patch[2];
  gint64 volume = channels * patch[0] * patch[1] * patch[2];
  x = fw_reshape_to (graph, x, in.dim[0], channels, t, patch[0], h, patch[1], w, patch[2]);
  x = fw_permute_to (graph, x, 0, 2, 4, 6, 1, 3, 5, 7);
  x = fw_reshape_to (graph, x, in.dim[0], t * h * w, volume);
  FwVal weight = named_weight (graph, name, ".proj.weight", 5, (gint64[]) { width, channels, patch[0], patch[1], patch[2] });
  FwVal bias = named_weight (graph, name, ".proj.bias", 1, &width);
  fw_scope_push (graph, "%s", name);
  FwVal y = fw_linear (graph, x, fw_reshape_to (graph, weight, width, volume), bias);
  fw_scope_pop (graph);
  return y;
}

FwVal
fw_unpatchify (FwGraph *graph, FwVal x, const gint64 *grid, const int *patch, gint64 channels)
{
  gint64 batch = fw_dim (graph, x, 0);
  x = fw_reshape_to (graph, x, batch, grid[0], grid[1], grid[2], patch[0], patch[1], patch[2], channels);
  x = fw_permute_to (graph, x, 0, 7, 1, 4, 2, 5, 3, 6);
  return fw_reshape_to (graph, x, batch, channels, grid[0] * patch[0], grid[1] * patch[1], grid[2] * patch[2]);
}
