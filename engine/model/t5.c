/* SPDX-License-Identifier: Apache-2.0
 * The T5 v1.1 encoder: RMS norms before each branch, attention with a shared relative bias and no scale, gated GELU. */
#include "engine/model/t5.h"

#include <string.h>

#include "engine/model/config.h"
#include "engine/model/layers.h"
#include "engine/model/t5-buckets.h"

const FwT5Config fw_t5_xxl = {
  .vocab_size = 32128, .d_model = 4096, .d_kv = 64, .d_ff = 10240, .num_layers = 24, .num_heads = 64,
  .relative_buckets = 32, .relative_max_distance = 128, .epsilon = 1e-6,
};

static const FwConfigField fields[] = {
  { "vocab_size", FW_CONFIG_INT, offsetof (FwT5Config, vocab_size), 1, 1, 1 << 24, TRUE },
  { "d_model", FW_CONFIG_INT, offsetof (FwT5Config, d_model), 1, 1, 1 << 16, TRUE },
  { "d_kv", FW_CONFIG_INT, offsetof (FwT5Config, d_kv), 1, 1, 1 << 12, TRUE },
  { "d_ff", FW_CONFIG_INT, offsetof (FwT5Config, d_ff), 1, 1, 1 << 18, TRUE },
  { "num_layers", FW_CONFIG_INT, offsetof (FwT5Config, num_layers), 1, 1, 1000, TRUE },
  { "num_heads", FW_CONFIG_INT, offsetof (FwT5Config, num_heads), 1, 1, 1 << 12, TRUE },
  { "relative_attention_num_buckets", FW_CONFIG_INT, offsetof (FwT5Config, relative_buckets), 1, 4, 1 << 12, FALSE },
  { "relative_attention_max_distance", FW_CONFIG_INT, offsetof (FwT5Config, relative_max_distance), 1, 2, 1 << 20, FALSE },
  { "layer_norm_epsilon", FW_CONFIG_DOUBLE, offsetof (FwT5Config, epsilon), 1, 0, 1, FALSE },
  { NULL }
};

gboolean
fw_t5_config_read (FwT5Config *config, JsonObject *json, const char *what, GError **error)
{
  *config = fw_t5_xxl;
  JsonNode *node = json_object_get_member (json, "feed_forward_proj");
  const char *activation = node == NULL ? "gated-gelu" : JSON_NODE_HOLDS_VALUE (node) ? json_node_get_string (node) : NULL;
  if (activation == NULL) {
    g_set_error (error, FW_ERROR, FW_ERROR_FORMAT, "%s: “feed_forward_proj” must be a text", what);
    return FALSE;
  }
  if (strcmp (activation, "gated-gelu") != 0) {
    g_set_error (error, FW_ERROR, FW_ERROR_FORMAT, "%s: only T5 v1.1 with gated GELU is known, this one has “%.64s”", what, activation);
    return FALSE;
  }
  return fw_config_read (json, fields, config, what, error);
}

/* A residual branch's input: the RMS norm @name of x. */
static FwVal
norm (FwGraph *graph, const FwT5Config *config, const char *name, FwVal x)
{
  g_autofree char *weight = g_strconcat (name, ".weight", NULL);
  return fw_rms_norm (graph, x, fw_weight (graph, weight, 1, (gint64[]) { config->d_model }), config->epsilon);
}

/* The bias [H, L, L] that block 0 owns and every block adds: one learned number per head and bucket of distance. */
static FwVal
relative_bias (FwGraph *graph, const FwT5Config *config, gint64 length)
{
  g_autofree gint32 *buckets = g_new (gint32, length * length);
  fw_t5_bucket_table ((int) length, (int) length, config->relative_buckets, config->relative_max_distance, buckets);
  FwVal ids = fw_constant (graph, "relative position buckets", FW_DTYPE_I32, 2, (gint64[]) { length, length }, buckets);
  FwVal table = fw_weight (graph, "encoder.block.0.layer.0.SelfAttention.relative_attention_bias.weight", 2,
                           (gint64[]) { config->relative_buckets, config->num_heads });
  return fw_contiguous (graph, fw_permute_to (graph, fw_embedding (graph, table, ids), 2, 0, 1));
}

static FwVal
self_attention (FwGraph *graph, const FwT5Config *config, FwVal x, FwVal mask, FwVal bias)
{
  gint64 batch = fw_dim (graph, x, 0), length = fw_dim (graph, x, 1), inner = (gint64) config->num_heads * config->d_kv;
  static const char *const names[] = { "q", "k", "v" };
  FwVal part[3];
  for (int i = 0; i < 3; i++)
    part[i] = fw_reshape_to (graph, fw_layer_linear (graph, names[i], x, inner, FALSE), batch, length, config->num_heads, config->d_kv);
  FwVal a = fw_attention (graph, part[0], part[1], part[2], mask, bias, 1, FALSE);
  return fw_layer_linear (graph, "o", fw_reshape_to (graph, a, batch, length, inner), config->d_model, FALSE);
}

static FwVal
feed_forward (FwGraph *graph, const FwT5Config *config, FwVal x)
{
  FwVal gate = fw_layer_linear (graph, "wi_0", x, config->d_ff, FALSE), value = fw_layer_linear (graph, "wi_1", x, config->d_ff, FALSE);
  return fw_layer_linear (graph, "wo", fw_gated (graph, FW_FN_GELU_TANH, gate, value), config->d_model, FALSE);
}

FwVal
fw_t5_encoder (FwGraph *graph, const FwT5Config *config, FwVal ids, FwVal mask)
{
  FwVal h = fw_embedding (graph, fw_weight (graph, "shared.weight", 2, (gint64[]) { config->vocab_size, config->d_model }), ids);
  FwVal bias = relative_bias (graph, config, fw_dim (graph, ids, 1));
  for (int i = 0; i < config->num_layers; i++) {
    fw_scope_push (graph, "encoder.block.%d", i);
    fw_segment_begin (graph);
    FwVal x = norm (graph, config, "layer.0.layer_norm", h);
    fw_scope_push (graph, "layer.0.SelfAttention");
    h = fw_add (graph, h, self_attention (graph, config, x, mask, bias));
    fw_scope_pop (graph);
    x = norm (graph, config, "layer.1.layer_norm", h);
    fw_scope_push (graph, "layer.1.DenseReluDense");
    h = fw_add (graph, h, feed_forward (graph, config, x));
    fw_scope_pop (graph);
    fw_segment_end (graph);
    fw_scope_pop (graph);
  }
  fw_precise_begin (graph);
  h = norm (graph, config, "encoder.final_layer_norm", h);
  fw_precise_end (graph);
  return h;
}
