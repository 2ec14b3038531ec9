/* SPDX-License-Identifier: Apache-2.0
 * The encoder of T5 v1.1 (text-vae-formats, "T5 v1.1 encoder"). */
#pragma once
#include <json-glib/json-glib.h>

#include "engine/graph/graph.h"

typedef struct {
  int vocab_size, d_model, d_kv, d_ff, num_layers, num_heads;
  int relative_buckets, relative_max_distance;
  double epsilon;
} FwT5Config;

/* T5-v1.1-XXL. */
extern const FwT5Config fw_t5_xxl;

/* From the object of a Hugging Face config.json; FW_ERROR_FORMAT, starting with @what, for one this encoder cannot be. */
gboolean fw_t5_config_read (FwT5Config *config, JsonObject *json, const char *what, GError **error);

/* Records the encoder with the checkpoint's names ("shared.weight", "encoder.block.0..."). ids[B, L] i32; mask[B, L] u8
 * (0 = padding, left out as a key) or FW_NONE. Returns the states [B, L, d_model] after the last norm. */
FwVal fw_t5_encoder (FwGraph *graph, const FwT5Config *config, FwVal ids, FwVal mask);
