/* SPDX-License-Identifier: Apache-2.0
 * Frozen encoders in training: planned once for a batch, run every step. */
#include "engine/train/frozen.h"

#include "engine/checkpoint/json-text.h"
#include "engine/graph/ops.h"
#include "engine/graph/rewrite.h"

/* A network out of a file, planned for one shape of batch. */
typedef struct {
  FwWeights *weights;
  FwGraph *graph;
  FwPlan *plan;
  FwExec *exec;
} Network;

struct _FwFrozenVae {
  Network network;
  FwSdVaeConfig config;
};

struct _FwFrozenText {
  Network network;
  FwT5Config config;
  FwT5Tokenizer *tokenizer;
};

static JsonNode *
read_config (const char *folder, GError **error)
{
  g_autofree char *path = g_build_filename (folder, "config.json", NULL);
  return fw_json_text_read (path, 1 << 20, error);
}

static gboolean
network_open (Network *network, const char *folder, const char *file, const FwNameTable *names, FwDtype compute, GError **error)
{
  g_autofree char *path = g_build_filename (folder, file, NULL);
  FwCheckpoint *checkpoint = fw_checkpoint_open (path, error);
  if (checkpoint == NULL)
    return FALSE;
  network->weights = fw_weights_new (checkpoint, names);
  network->graph = fw_graph_new (compute);
  fw_graph_set_weights (network->graph, fw_weights_source (network->weights));
  return TRUE;
}

static gboolean
network_plan (Network *network, FwVal out, FwDevice *device, GError **error)
{
  fw_keep (network->graph, "out", out);
  fw_rewrite_forward (network->graph);
  fw_rewrite_final (network->graph);
  network->plan = fw_plan_new (network->graph, device, error);
  network->exec = network->plan != NULL ? fw_exec_new (network->plan, device, NULL, error) : NULL;
  if (network->exec == NULL)
    return FALSE;
  fw_weights_bind (network->weights, network->exec);
  return TRUE;
}

static void
network_clear (Network *network)
{
  fw_exec_free (network->exec);
  fw_plan_free (network->plan);
  fw_graph_free (network->graph);
  fw_weights_free (network->weights);
}

FwFrozenVae *
fw_frozen_vae_new (const char *folder, gint64 batch, gint64 size, FwDtype compute, FwDevice *device, GError **error)
{
  g_autoptr (JsonNode) json = read_config (folder, error);
  if (json == NULL)
    return NULL;
  FwFrozenVae *vae = g_new0 (FwFrozenVae, 1);
  gboolean ready = fw_sd_vae_config_read (&vae->config, json_node_get_object (json), folder, error)
                   && network_open (&vae->network, folder, "diffusion_pytorch_model.safetensors", &fw_names_sd_vae, compute, error);
  if (ready) {
    FwGraph *graph = vae->network.graph;
    FwVal images = fw_external (graph, "images", FW_DTYPE_F32, 4, (gint64[]) { batch, size, size, vae->config.in_channels });
    ready = network_plan (&vae->network, fw_sd_vae_encode (graph, &vae->config, fw_permute_to (graph, images, 0, 3, 1, 2)), device, error);
  }
  if (!ready)
    g_clear_pointer (&vae, fw_frozen_vae_free);
  return vae;
}

void
fw_frozen_vae_free (FwFrozenVae *vae)
{
  if (vae == NULL)
    return;
  network_clear (&vae->network);
  g_free (vae);
}

const FwSdVaeConfig *
fw_frozen_vae_config (const FwFrozenVae *vae)
{
  return &vae->config;
}

const float *
fw_frozen_vae_encode (FwFrozenVae *vae, const float *images, GCancellable *cancellable, GError **error)
{
  fw_exec_bind (vae->network.exec, "images", images);
  return fw_exec_run (vae->network.exec, cancellable, NULL, NULL, error) ? fw_exec_data (vae->network.exec, "out") : NULL;
}

FwFrozenText *
fw_frozen_text_new (const char *folder, const char *spiece, gint64 batch, gint64 length, FwDevice *device, GError **error)
{
  g_autoptr (JsonNode) json = read_config (folder, error);
  if (json == NULL)
    return NULL;
  FwFrozenText *text = g_new0 (FwFrozenText, 1);
  text->tokenizer = fw_t5_tokenizer_open (spiece, FW_T5_EXTRA_IDS, error);
  gboolean ready = text->tokenizer != NULL && fw_t5_config_read (&text->config, json_node_get_object (json), folder, error)
                   && network_open (&text->network, folder, "model.safetensors", &fw_names_t5, FW_DTYPE_F32, error);
  if (ready) {
    FwGraph *graph = text->network.graph;
    gint64 dim[] = { batch, length };
    FwVal ids = fw_external (graph, "ids", FW_DTYPE_I32, 2, dim), mask = fw_external (graph, "mask", FW_DTYPE_U8, 2, dim);
    ready = network_plan (&text->network, fw_t5_encoder (graph, &text->config, ids, mask), device, error);
  }
  if (!ready)
    g_clear_pointer (&text, fw_frozen_text_free);
  return text;
}

void
fw_frozen_text_free (FwFrozenText *text)
{
  if (text == NULL)
    return;
  network_clear (&text->network);
  fw_t5_tokenizer_free (text->tokenizer);
  g_free (text);
}

const FwT5Config *
fw_frozen_text_config (const FwFrozenText *text)
{
  return &text->config;
}

FwT5Tokenizer *
fw_frozen_text_tokenizer (FwFrozenText *text)
{
  return text->tokenizer;
}

const float *
fw_frozen_text_encode (FwFrozenText *text, const gint32 *ids, const guint8 *mask, GCancellable *cancellable, GError **error)
{
  fw_exec_bind (text->network.exec, "ids", ids);
  fw_exec_bind (text->network.exec, "mask", mask);
  return fw_exec_run (text->network.exec, cancellable, NULL, NULL, error) ? fw_exec_data (text->network.exec, "out") : NULL;
}
