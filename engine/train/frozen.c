/* SPDX-License-Identifier: Apache-2.0
 * Frozen encoders in training: planned once for a batch, run every step. */
#include "engine/train/frozen.h"

#include "engine/checkpoint/json-text.h"
#include "engine/graph/ops.h"
#include "engine/graph/rewrite.h"
#include "engine/memory/block.h"
#include "engine/model/weights.h"

/* Weights that are all zero, which lie in one block: names are collected while the network is recorded. */
typedef struct {
  FwWeightSource source;
  GPtrArray *names;
  gsize bytes;
  gpointer zeros;
} Blank;

/* A network out of a file (or blank), planned for one shape of batch. */
typedef struct {
  FwDevice *device;
  FwWeights *weights;
  Blank *blank;             /* where there is no file */
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
};

static FwVal
blank_get (FwWeightSource *source, FwGraph *graph, const char *name, int rank, const gint64 *dim)
{
  Blank *blank = (Blank *) source;
  FwVal val = fw_external (graph, name, FW_DTYPE_F32, rank, dim);
  g_ptr_array_add (blank->names, g_strdup (name));
  if (val.id != 0)
    blank->bytes += (gsize) fw_tensor_count (fw_layout (graph, val)) * sizeof (float);
  return val;
}

static Blank *
blank_new (void)
{
  Blank *blank = g_new0 (Blank, 1);
  blank->source.get = blank_get;
  blank->names = g_ptr_array_new_with_free_func (g_free);
  return blank;
}

static gboolean
blank_bind (Blank *blank, FwExec *exec, GError **error)
{
  blank->zeros = fw_block_new (blank->bytes, "the weights of a frozen network", error);
  for (guint i = 0; blank->zeros != NULL && i < blank->names->len; i++)
    fw_exec_bind (exec, g_ptr_array_index (blank->names, i), blank->zeros);
  return blank->zeros != NULL;
}

static void
blank_free (Blank *blank)
{
  if (blank == NULL)
    return;
  fw_block_free (blank->zeros, blank->bytes);
  g_ptr_array_unref (blank->names);
  g_free (blank);
}

static JsonNode *
read_config (const char *folder, GError **error)
{
  g_autofree char *path = g_build_filename (folder, "config.json", NULL);
  return fw_json_text_read (path, 1 << 20, error);
}

static gboolean
network_open (Network *network, const char *folder, const char *file, const FwNameTable *names, FwDtype compute, FwDevice *device,
              GError **error)
{
  network->device = device;
  if (folder != NULL) {
    g_autofree char *path = g_build_filename (folder, file, NULL);
    FwCheckpoint *checkpoint = fw_checkpoint_open (path, error);
    if (checkpoint == NULL)
      return FALSE;
    network->weights = fw_weights_new (checkpoint, names);
  } else {
    network->blank = blank_new ();
  }
  network->graph = fw_graph_new (compute);
  fw_graph_set_weights (network->graph, network->weights != NULL ? fw_weights_source (network->weights)
                        : &network->blank->source);
  return TRUE;
}

static gboolean
network_plan (Network *network, FwVal out, GError **error)
{
  fw_keep (network->graph, "out", out);
  fw_rewrite_forward (network->graph);
  fw_rewrite_final (network->graph);
  network->plan = fw_plan_new (network->graph, network->device, error);
  return network->plan != NULL;
}

static gboolean
network_bind (Network *network, gpointer slab, GError **error)
{
  network->exec = fw_exec_new (network->plan, network->device, slab, error);
  if (network->exec == NULL)
    return FALSE;
  if (network->blank != NULL)
    return blank_bind (network->blank, network->exec, error);
  if (!fw_weights_load (network->weights, error))
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
  blank_free (network->blank);
}

FwFrozenVae *
fw_frozen_vae_new (const char *folder, const FwSdVaeConfig *blank, gint64 batch, gint64 size, FwDtype compute, FwDevice *device,
                   GError **error)
{
  FwFrozenVae *vae = g_new0 (FwFrozenVae, 1);
  g_autoptr (JsonNode) json = folder != NULL ? read_config (folder, error) : NULL;
  gboolean ready = folder == NULL || (json != NULL
                                      && fw_sd_vae_config_read (&vae->config, json_node_get_object (json), folder, error));
  if (folder == NULL)
    vae->config = *blank;
  if (ready && network_open (&vae->network, folder, "diffusion_pytorch_model.safetensors", &fw_names_sd_vae, compute, device,
                             error)) {
    FwGraph *graph = vae->network.graph;
    FwVal images = fw_external (graph, "images", FW_DTYPE_F32, 4, (gint64[]) { batch, size, size, vae->config.in_channels });
    if (network_plan (&vae->network, fw_sd_vae_encode (graph, &vae->config, fw_permute_to (graph, images, 0, 3, 1, 2)), error))
      return vae;
  }
  fw_frozen_vae_free (vae);
  return NULL;
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

gsize
fw_frozen_vae_slab_bytes (const FwFrozenVae *vae)
{
  return vae->network.plan->slab_bytes;
}

gboolean
fw_frozen_vae_bind (FwFrozenVae *vae, gpointer slab, GError **error)
{
  return network_bind (&vae->network, slab, error);
}

const float *
fw_frozen_vae_encode (FwFrozenVae *vae, const float *images, GCancellable *cancellable, GError **error)
{
  fw_exec_bind (vae->network.exec, "images", images);
  return fw_exec_run (vae->network.exec, cancellable, NULL, NULL, error) ? fw_exec_data (vae->network.exec, "out") : NULL;
}

FwFrozenText *
fw_frozen_text_new (const char *folder, const FwT5Config *blank, gint64 batch, gint64 length, FwDevice *device, GError **error)
{
  FwFrozenText *text = g_new0 (FwFrozenText, 1);
  g_autoptr (JsonNode) json = folder != NULL ? read_config (folder, error) : NULL;
  gboolean ready = folder == NULL || (json != NULL
                                      && fw_t5_config_read (&text->config, json_node_get_object (json), folder, error));
  if (folder == NULL)
    text->config = *blank;
  if (ready && network_open (&text->network, folder, "model.safetensors", &fw_names_t5, FW_DTYPE_F32, device, error)) {
    FwGraph *graph = text->network.graph;
    gint64 dim[] = { batch, length };
    FwVal ids = fw_external (graph, "ids", FW_DTYPE_I32, 2, dim), mask = fw_external (graph, "mask", FW_DTYPE_U8, 2, dim);
    if (network_plan (&text->network, fw_t5_encoder (graph, &text->config, ids, mask), error))
      return text;
  }
  fw_frozen_text_free (text);
  return NULL;
}

void
fw_frozen_text_free (FwFrozenText *text)
{
  if (text == NULL)
    return;
  network_clear (&text->network);
  g_free (text);
}

const FwT5Config *
fw_frozen_text_config (const FwFrozenText *text)
{
  return &text->config;
}

gsize
fw_frozen_text_slab_bytes (const FwFrozenText *text)
{
  return text->network.plan->slab_bytes;
}

gboolean
fw_frozen_text_bind (FwFrozenText *text, gpointer slab, GError **error)
{
  return network_bind (&text->network, slab, error);
}

const float *
fw_frozen_text_encode (FwFrozenText *text, const gint32 *ids, const guint8 *mask, GCancellable *cancellable, GError **error)
{
  fw_exec_bind (text->network.exec, "ids", ids);
  fw_exec_bind (text->network.exec, "mask", mask);
  return fw_exec_run (text->network.exec, cancellable, NULL, NULL, error) ? fw_exec_data (text->network.exec, "out") : NULL;
}
