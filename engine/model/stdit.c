/* SPDX-License-Identifier: Apache-2.0
 * STDiT: per block, attention over space, then over time, then to the text, then an MLP; adaLN-single from the timestep. */
#include "engine/model/stdit.h"

#include <math.h>

#include "engine/model/config.h"
#include "engine/model/layers.h"
#include "engine/model/position.h"

const FwStditConfig fw_stdit_default = {
  .input_size = { 16, 32, 32 }, .in_channels = 4, .hidden_size = 1152, .depth = 28, .num_heads = 16, .mlp_ratio = 4,
  .patch_size = { 1, 2, 2 }, .caption_channels = 4096, .model_max_length = 120, .space_scale = 0.5, .time_scale = 1,
};

#define AT(member) offsetof (FwStditConfig, member)

static const FwConfigField fields[] = {
  { "in_channels", FW_CONFIG_INT, AT (in_channels), 1, 1, 256, FALSE },
  { "hidden_size", FW_CONFIG_INT, AT (hidden_size), 1, 4, 1 << 14, TRUE },
  { "depth", FW_CONFIG_INT, AT (depth), 1, 1, 1000, TRUE },
  { "num_heads", FW_CONFIG_INT, AT (num_heads), 1, 1, 1 << 10, TRUE },
  { "mlp_ratio", FW_CONFIG_INT, AT (mlp_ratio), 1, 1, 64, FALSE },
  { "patch_size", FW_CONFIG_INT, AT (patch_size), 3, 1, 64, FALSE },
  { "caption_channels", FW_CONFIG_INT, AT (caption_channels), 1, 1, 1 << 16, TRUE },
  { "model_max_length", FW_CONFIG_INT, AT (model_max_length), 1, 1, 1 << 14, TRUE },
  { "space_scale", FW_CONFIG_DOUBLE, AT (space_scale), 1, 1e-3, 1e3, FALSE },
  { "time_scale", FW_CONFIG_DOUBLE, AT (time_scale), 1, 1e-3, 1e3, FALSE },
  { NULL }
};

gboolean
fw_stdit_config_read (FwStditConfig *config, JsonObject *json, const char *what, GError **error)
{
  *config = fw_stdit_default;
  config->space_scale = 1;
  if (!fw_config_read (json, fields, config, what, error))
    return FALSE;
  if (config->hidden_size % config->num_heads == 0 && config->hidden_size % 4 == 0)
    return TRUE;
  g_set_error (error, FW_ERROR, FW_ERROR_FORMAT, "%s: a “hidden_size” of %d does not divide into %d heads, or by 4", what,
               config->hidden_size, config->num_heads);
  return FALSE;
}

typedef struct {
  FwGraph *graph;
  gint64 batch, frames, sites, width, heads;   /* B, T, S, D, H */
} Shape;

/* Self-attention over the sites of each frame, or, @temporal, over the frames of each site; no data moves for either. */
static FwVal
self_attention (const Shape *s, const char *name, FwVal x, gboolean temporal)
{
  FwGraph *graph = s->graph;
  FwVal part[3];
  fw_scope_push (graph, "%s", name);
  /* rows of the projection are q, k, v, head-major inside each */
  FwVal qkv = fw_layer_linear (graph, "qkv", x, 3 * s->width, TRUE);
  qkv = fw_reshape_to (graph, qkv, s->batch, s->frames, s->sites, 3, s->heads, s->width / s->heads);
  for (int i = 0; i < 3; i++) {
    part[i] = fw_select (graph, qkv, 3, i);
    if (temporal)
      part[i] = fw_permute_to (graph, part[i], 0, 2, 1, 3, 4);
  }
  FwVal a = fw_attention (graph, part[0], part[1], part[2], FW_NONE, FW_NONE, 1 / sqrt ((double) s->width / s->heads), FALSE);
  if (temporal)
    a = fw_permute_to (graph, a, 0, 2, 1, 3, 4);
  a = fw_layer_linear (graph, "proj", fw_reshape_to (graph, a, s->batch, s->frames * s->sites, s->width), s->width, TRUE);
  fw_scope_pop (graph);
  return a;
}

static FwVal
cross_attention (const Shape *s, FwVal x, FwVal text, FwVal mask)
{
  FwGraph *graph = s->graph;
  gint64 tokens = s->frames * s->sites, length = fw_dim (graph, text, 1), head = s->width / s->heads;
  fw_scope_push (graph, "cross_attn");
  FwVal q = fw_reshape_to (graph, fw_layer_linear (graph, "q_linear", x, s->width, TRUE), s->batch, tokens, s->heads, head);
  FwVal kv = fw_reshape_to (graph, fw_layer_linear (graph, "kv_linear", text, 2 * s->width, TRUE), s->batch, length, 2, s->heads, head);
  FwVal a = fw_attention (graph, q, fw_select (graph, kv, 2, 0), fw_select (graph, kv, 2, 1), mask, FW_NONE, 1 / sqrt ((double) head), FALSE);
  a = fw_layer_linear (graph, "proj", fw_reshape_to (graph, a, s->batch, tokens, s->width), s->width, TRUE);
  fw_scope_pop (graph);
  return a;
}

static FwVal
mlp (const Shape *s, FwVal x, int ratio)
{
  fw_scope_push (s->graph, "mlp");
  FwVal hidden = fw_unary (s->graph, FW_FN_GELU_TANH, fw_layer_linear (s->graph, "fc1", x, ratio * s->width, TRUE));
  FwVal y = fw_layer_linear (s->graph, "fc2", hidden, s->width, TRUE);
  fw_scope_pop (s->graph);
  return y;
}

/* Row @i of [B, rows, D] as [B, 1, D], which broadcasts over tokens. */
static FwVal
row (const Shape *s, FwVal table, int i)
{
  return fw_slice (s->graph, table, 1, i, 1);
}

/* The stream plus the temporal table, for the input of one branch only. */
static FwVal
with_time (const Shape *s, FwVal h, FwVal position)
{
  FwVal grid = fw_reshape_to (s->graph, h, s->batch, s->frames, s->sites, s->width);
  return fw_reshape_to (s->graph, fw_add (s->graph, grid, position), s->batch, s->frames * s->sites, s->width);
}

static FwVal
block (const Shape *s, const FwStditConfig *config, int index, FwVal h, FwVal t0, FwVal text, FwVal mask, FwVal temporal_position)
{
  FwGraph *graph = s->graph;
  fw_scope_push (graph, "blocks.%d", index);
  fw_segment_begin (graph);
  FwVal table = fw_add (graph, t0, fw_weight (graph, "scale_shift_table", 2, (gint64[]) { 6, s->width }));
  FwVal shift1 = row (s, table, 0), scale1 = row (s, table, 1), gate1 = row (s, table, 2);
  FwVal shift2 = row (s, table, 3), scale2 = row (s, table, 4), gate2 = row (s, table, 5);

  FwVal m = fw_modulate (graph, fw_layer_norm (graph, h, FW_NONE, FW_NONE, 1e-6), shift1, scale1);
  h = fw_gate_residual (graph, h, gate1, self_attention (s, "attn", m, FALSE));

  if (!config->without_time) {
    FwVal u = temporal_position.id != 0 ? with_time (s, h, temporal_position) : h;
    h = fw_gate_residual (graph, h, gate1, self_attention (s, "attn_temp", fw_to_compute (graph, u), TRUE));
  }

  h = fw_add (graph, h, cross_attention (s, fw_to_compute (graph, h), text, mask));

  m = fw_modulate (graph, fw_layer_norm (graph, h, FW_NONE, FW_NONE, 1e-6), shift2, scale2);
  h = fw_gate_residual (graph, h, gate2, mlp (s, m, config->mlp_ratio));
  fw_segment_end (graph);
  fw_scope_pop (graph);
  return h;
}

/* Captions enter through an MLP of their own (2.5). */
static FwVal
embed_caption (const Shape *s, FwVal y)
{
  fw_scope_push (s->graph, "y_embedder.y_proj");
  FwVal hidden = fw_unary (s->graph, FW_FN_GELU_TANH, fw_layer_linear (s->graph, "fc1", fw_to_compute (s->graph, y), s->width, TRUE));
  FwVal text = fw_layer_linear (s->graph, "fc2", hidden, s->width, TRUE);
  fw_scope_pop (s->graph);
  return text;
}

static FwVal
final_layer (const Shape *s, const FwStditConfig *config, FwVal h, FwVal tv)
{
  FwGraph *graph = s->graph;
  gint64 volume = config->patch_size[0] * config->patch_size[1] * config->patch_size[2];
  fw_scope_push (graph, "final_layer");
  FwVal table = fw_add (graph, fw_reshape_to (graph, tv, s->batch, 1, s->width), fw_weight (graph, "scale_shift_table", 2, (gint64[]) { 2, s->width }));
  FwVal m = fw_modulate (graph, fw_layer_norm (graph, h, FW_NONE, FW_NONE, 1e-6), row (s, table, 0), row (s, table, 1));
  FwVal out = fw_cast (graph, fw_layer_linear (graph, "linear", m, volume * 2 * config->in_channels, TRUE), fw_graph_accumulate (graph));
  fw_scope_pop (graph);
  return out;
}

/* Both position tables, as constants: pos [1, 1, S, D], temporal [1, T, 1, D] (2.8, 2.9). */
static void
positions (const Shape *s, const FwStditConfig *config, const gint64 *grid, FwVal *spatial, FwVal *temporal)
{
  g_autofree float *table = g_new (float, MAX (s->sites, s->frames) * s->width);
  fw_position_2d ((int) s->width, (int) grid[1], (int) grid[2], config->space_scale, 0, table);
  *spatial = fw_constant (s->graph, "pos_embed", FW_DTYPE_F32, 4, (gint64[]) { 1, 1, s->sites, s->width }, table);
  fw_position_1d ((int) s->width, (int) s->frames, config->time_scale, table);
  *temporal = fw_constant (s->graph, "pos_embed_temporal", FW_DTYPE_F32, 4, (gint64[]) { 1, s->frames, 1, s->width }, table);
}

FwVal
fw_stdit (FwGraph *graph, const FwStditConfig *config, FwVal x, FwVal t, FwVal y, FwVal mask)
{
  gint64 grid[3];
  for (int i = 0; i < 3; i++)
    grid[i] = (fw_dim (graph, x, 2 + i) + config->patch_size[i] - 1) / config->patch_size[i];
  Shape s = { graph, fw_dim (graph, x, 0), grid[0], grid[1] * grid[2], config->hidden_size, config->num_heads };
  FwVal spatial, temporal;
  positions (&s, config, grid, &spatial, &temporal);

  fw_precise_begin (graph);
  FwVal h = fw_layer_patch_embed (graph, "x_embedder", x, config->patch_size, s.width);
  h = fw_add (graph, fw_reshape_to (graph, h, s.batch, s.frames, s.sites, s.width), spatial);
  h = fw_reshape_to (graph, h, s.batch, s.frames * s.sites, s.width);
  FwVal tv = fw_layer_timestep (graph, "t_embedder", t, s.width);
  FwVal t0 = fw_layer_linear (graph, "t_block.1", fw_unary (graph, FW_FN_SILU, tv), 6 * s.width, TRUE);
  t0 = fw_reshape_to (graph, t0, s.batch, 6, s.width);
  fw_precise_end (graph);

  FwVal text = embed_caption (&s, y);
  for (int i = 0; i < config->depth; i++)
    h = block (&s, config, i, h, t0, text, mask, i == 0 ? temporal : FW_NONE);
  return fw_unpatchify (graph, final_layer (&s, config, h, tv), grid, config->patch_size, 2 * config->in_channels);
}
